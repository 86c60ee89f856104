"""Padding, special tokens, missing values and categories are never perturbed as if they were numbers."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from autonoise.policy import Policy, Step
from autonoise.technique.registry import Technique
from autonoise.types import DataType, InputSpec, Stage
from contract.samples import (
    BEFORE_MODEL,
    CLASSES,
    SIZE,
    Trainer,
    at_stages,
    dict_batch,
    named,
    policy_for,
    targets,
    tensor_batch,
)

UNTOUCHED = at_stages(Stage.INPUT, Stage.ADVERSARIAL)


@pytest.mark.parametrize(("kind", "data_type"), UNTOUCHED, ids=named(UNTOUCHED))
def test_padding_special_tokens_and_missing_values_stay(kind: type[Technique], data_type: DataType) -> None:
    for seed in range(4):
        x = dict_batch(data_type, seed=seed)
        trainer = Trainer(policy_for(kind, data_type), dict_batch, attach={"seed": seed})
        noisy, _ = trainer.injector.perturb(x, targets())
        if data_type is DataType.TEXT:
            fixed = (x["input_ids"] <= 3) | (x["attention_mask"] == 0)
            assert torch.equal(noisy["input_ids"][fixed], x["input_ids"][fixed])
            assert torch.equal(noisy["attention_mask"], x["attention_mask"])
            assert not torch.isin(noisy["input_ids"][~fixed], torch.tensor([0, 2, 3])).any()
            assert int(noisy["input_ids"].max()) < 40
        elif data_type in (DataType.AUDIO, DataType.TIMESERIES):
            key = "waveform" if data_type is DataType.AUDIO else "series"
            outside = torch.arange(x[key].shape[-1]) >= x["lengths"][:, None]
            outside = outside if data_type is DataType.AUDIO else outside[:, None].expand_as(x[key])
            assert torch.equal(noisy[key][outside], x[key][outside])
            assert torch.equal(noisy["lengths"], x["lengths"])
        elif data_type is DataType.TABULAR:
            assert torch.equal(torch.isnan(noisy["numeric"]), torch.isnan(x["numeric"]))


TABLES = [(k, d) for k, d in at_stages(*BEFORE_MODEL) if d is DataType.TABULAR]


@pytest.mark.parametrize(("kind", "data_type"), TABLES, ids=named(TABLES))
def test_categories_are_never_perturbed_as_numbers(kind: type[Technique], data_type: DataType) -> None:
    for seed in range(6):
        x = tensor_batch(data_type, seed=seed)
        trainer = Trainer(policy_for(kind, data_type), tensor_batch, attach={"seed": seed})
        z = trainer.injector.perturb(x, targets())[0]
        codes = z[:, 8]
        assert torch.equal(codes, codes.round())
        assert 0 <= float(codes.min()) <= float(codes.max()) <= 5
        if kind.stage is not Stage.PAIR:  # mixing one-hot columns is what mixup of tables is
            for group in ([3, 4, 5], [6, 7]):
                assert bool(((z[:, group] == 0) | (z[:, group] == 1)).all())
                assert bool((z[:, group].sum(1) <= 1).all())
            assert bool(((z[:, 9:] == 0) | (z[:, 9:] == 1)).all())


def test_code_columns_survive_half_precision() -> None:
    x = {"numeric": torch.randn(SIZE, 2).to(torch.bfloat16), "categorical": torch.arange(1001, 1001 + SIZE)[:, None]}
    policy = Policy("tabular", (Step.of("gaussian_noise"),))
    injector = policy.attach(nn.Linear(3, CLASSES), epochs=1, steps_per_epoch=1)
    noisy, _ = injector.perturb(x, targets())
    assert torch.equal(noisy["categorical"], x["categorical"])
    assert noisy["numeric"].dtype is torch.bfloat16
    assert not torch.equal(noisy["numeric"], x["numeric"])


@pytest.mark.parametrize(("kind", "data_type"), at_stages(Stage.PAIR), ids=named(at_stages(Stage.PAIR)))
def test_mixing_spreads_no_missing_values(kind: type[Technique], data_type: DataType) -> None:
    x = dict_batch(data_type)
    noisy, _ = Trainer(policy_for(kind, data_type), dict_batch).injector.perturb(x, targets())
    for key, value in x.items():
        assert torch.equal(torch.isnan(noisy[key]), torch.isnan(value))


def test_unchanged_values_keep_every_bit() -> None:
    """Scaling to canonical units and back rounds; what noise did not move must not move at all."""
    spec = InputSpec(data_type=DataType.TIMESERIES, layout=(1, 50), scale="unit", mean=(0.1,), std=(0.3,))
    x = torch.randn(SIZE, 1, 50, generator=torch.Generator().manual_seed(0)) * 0.3 + 0.1
    policy = Policy("timeseries", (Step.of("spike_noise", rate=0.05),))
    model = nn.Sequential(nn.Flatten(), nn.Linear(50, CLASSES))
    injector = policy.attach(model, epochs=1, steps_per_epoch=1, input=spec)
    noisy, _ = injector.perturb(x, targets())
    share = (noisy != x).double().mean()
    assert 0.01 < share < 0.15
