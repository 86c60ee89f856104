"""Recipes: the learning-rate curve, the parameter groups, and enough updates at every size of a data set."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from autonoise.errors import StudyError
from autonoise.proxies import Recipe, default_recipe
from autonoise.types import DataType


def test_learning_rate_rises_and_falls():
    recipe = Recipe(epochs=1, batch_size=8, learning_rate=0.1, warmup=0.2)
    factors = [recipe.learning_rate_factor(progress) for progress in (0.0, 0.1, 0.2, 0.4, 0.6, 1.0, 1.1)]
    assert factors == pytest.approx([0.01, 0.5, 1.0, (1 + math.cos(math.pi / 4)) / 2, 0.5, 0.0, 0.0])
    assert Recipe(epochs=1, batch_size=8, learning_rate=0.1, warmup=0.0).learning_rate_factor(0.0) == 1.0


@pytest.mark.parametrize(("rows", "steps"), [(128, 2), (129, 2), (130, 3), (191, 3), (5, 1)])
def test_a_last_batch_of_one_row_is_left_out(rows, steps):
    assert Recipe(epochs=1, batch_size=64, learning_rate=0.1).steps_per_epoch(rows) == steps


@pytest.mark.parametrize(("name", "kind"), [("adamw", torch.optim.AdamW), ("sgd", torch.optim.SGD)])
def test_weight_decay_spares_vectors(name, kind):
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    recipe = Recipe(epochs=1, batch_size=8, learning_rate=0.1, weight_decay=0.3, optimizer=name)
    optimizer = recipe.build_optimizer(model.parameters())
    assert isinstance(optimizer, kind)
    groups = [(group["weight_decay"], group["lr"], len(group["params"])) for group in optimizer.param_groups]
    assert groups == [(0.3, 0.1, 1), (0.0, 0.1, 3)]


@pytest.mark.parametrize(
    ("data_type", "rows", "classes", "epochs", "batch_size"),
    [
        ("image", 6000, 10, 5, 64), ("image", 1300, 10, 13, 64), ("tabular", 8000, 2, 25, 128),
        ("text", 5452, 6, 5, 64), ("tabular", 2000, 26, 57, 128), ("timeseries", 500, 2, 80, 64),
        ("timeseries", 67, 2, 300, 16), ("timeseries", 234, 36, 257, 32),
        ("audio", 2700, 10, 7, 64), ("image", 10_000, 10, 5, 64),
    ],
)  # fmt: skip
def test_default_recipes_where_they_were_measured(data_type, rows, classes, epochs, batch_size):
    recipe = default_recipe(data_type, rows, classes)
    assert (recipe.epochs, recipe.batch_size) == (epochs, batch_size)


@pytest.mark.parametrize("data_type", list(DataType))
@pytest.mark.parametrize("rows", [2, 20, 100, 999, 10_000])
def test_default_recipes_at_any_size(data_type, rows):
    recipe = default_recipe(data_type, rows)
    assert 16 <= recipe.batch_size <= 128
    assert recipe.epochs * recipe.steps_per_epoch(rows) >= 250 or recipe.epochs == 300


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"epochs": 0}, "epochs >= 1"),
        ({"batch_size": 1}, "batch_size >= 2"),
        ({"learning_rate": math.nan}, "learning_rate > 0"),
        ({"weight_decay": -0.1}, "weight_decay >= 0"),
        ({"warmup": 1.0}, "warmup < 1"),
        ({"optimizer": "adam"}, "optimizer is adamw or sgd"),
        ({"precision": "fp16"}, "precision is fp32 or bf16"),
    ],
)
def test_values_it_refuses(change, rule):
    with pytest.raises(StudyError, match=rule):
        Recipe(**({"epochs": 1, "batch_size": 8, "learning_rate": 0.1} | change))


def test_a_training_without_rows_is_refused():
    with pytest.raises(StudyError, match="rows >= 2 must hold for a training, but got 1"):
        default_recipe("image", 1)
