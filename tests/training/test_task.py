"""A task: its parts, its labels, its models, the user's own noise and the user's own model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from autonoise.data import Dataset, load, split
from autonoise.data.label_noise import corrupt_labels
from autonoise.errors import DataError, StudyError
from autonoise.policy import Policy
from autonoise.training.factory import load_factory
from autonoise.training.task import PARTS, Fidelity, RealNoise, Task
from autonoise.types import DataType


def task_of(**changes: Any) -> Task:
    data = load("wine")
    return Task(data, split(data, seed=0), data.y, data.y, epochs=1, **changes)


def test_wrong_labels_are_for_training_only() -> None:
    task = task_of()
    task.labels = corrupt_labels(task.truth, rate=0.3, classes=3, rng=np.random.default_rng(5))
    fold = task.splits.folds[0]
    data = task.training(0)
    order = [int(np.flatnonzero((task.dataset.x == row).all(axis=1))[0]) for _, row in data.rows.iterrows()]  # type: ignore[union-attr]
    assert sorted(order) == sorted(fold.train.tolist())
    np.testing.assert_array_equal(data.labels, task.labels[order])
    assert 0.2 < (data.labels != task.truth[order]).mean() < 0.4
    for part in PARTS:
        index = task.splits.test if part == "test" else getattr(fold, part)
        shown = task.sets(part).labels
        np.testing.assert_array_equal(np.bincount(shown), np.bincount(task.truth[index]))
        assert len(shown) == len(index)
    assert task.chance == np.bincount(task.truth[fold.train]).max() / len(fold.train)


def test_any_first_rows_hold_nearly_the_shares_of_all_classes() -> None:
    labels = task_of().training(0).labels
    share = np.bincount(labels) / len(labels)
    for n in (12, 30, 60):
        np.testing.assert_allclose(np.bincount(labels[:n], minlength=3) / n, share, atol=1.5 / n)


def test_models_follow_their_seed_and_leave_the_global_stream_alone() -> None:
    def factory(spec: Any, classes: int) -> nn.Module:
        return nn.Linear(spec.layout[0], classes)

    for task in (task_of(), task_of(factory=factory)):
        state = torch.random.get_rng_state()
        a, b, c = (next(iter(task.model(s).parameters())) for s in (1, 1, 2))
        assert torch.equal(a, b)
        assert not torch.equal(a, c)
        assert torch.equal(state, torch.random.get_rng_state())


def test_fidelity_costs_its_shares() -> None:
    assert Fidelity(0.5, 0.35, 2).cost == pytest.approx(0.35)
    task = replace(task_of(), epochs=4)
    n = len(task.training(0))
    trained = task.train(Policy("tabular"), seed=0, fidelity=Fidelity(0.5, 0.5))
    assert trained.passes == 2 * (n // 2)


def real(classes: tuple[str, ...], y: np.ndarray[Any, Any]) -> Dataset:
    frame = load("wine").x
    return Dataset("real", DataType.TABULAR, frame.iloc[: len(y)].reset_index(drop=True), y, classes)  # type: ignore[union-attr]


def test_the_users_noisy_rows_are_dealt_out_to_the_parts() -> None:
    names = load("wine").class_names
    data = real((names[2], names[0]), np.arange(30) % 2)
    task = task_of(real=RealNoise(data))
    for part in PARTS:
        batch, labels = task.sets(part).real_noisy()
        chosen = task.noisy_parts.rows(part, 0, task.splits)
        np.testing.assert_array_equal(labels, np.where(data.y[chosen] == 0, 2, 0))  # by the names of the classes
        assert len(batch) == len(chosen)
    assert not task.sets("search").frozen
    with pytest.raises(DataError, match="has class 'merlot', which the training data lacks"):
        task_of(real=RealNoise(real((names[0], "merlot"), np.arange(6) % 2))).sets("search")


def test_factories_are_found_in_files_and_modules(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(
        "from torch import nn\n"
        "def make(spec, classes):\n    return nn.Linear(spec.layout[0], classes)\n"
        "def fails(spec, classes):\n    raise ValueError('no\\nluck')\n"
        "def number(spec, classes):\n    return 7\n"
    )
    assert isinstance(task_of(factory=load_factory(f"{file}:make")).model(0), nn.Linear)
    assert load_factory("torch.nn:Linear") is nn.Linear
    with pytest.raises(StudyError, match=r"the factory failed.*ValueError: no luck"):
        task_of(factory=load_factory(f"{file}:fails")).model(0)
    with pytest.raises(StudyError, match=r"must return a torch\.nn.Module, but returned int"):
        task_of(factory=load_factory(f"{file}:number")).model(0)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("nothing", "must be module:factory or file.py:factory"),
        (":f", "must be module:factory"),
        ("{tmp}/absent.py:f", "no file"),
        ("no_such_module_here:f", "cannot import"),
        ("{tmp}/syntax.py:f", "cannot import.*SyntaxError"),
        ("{tmp}/raises.py:f", "cannot import.*KeyError"),
        ("{tmp}/fine.py:g", "has no function 'g'; it has f"),
        ("{tmp}/fine.py:broken", "has no function 'broken'"),
    ],
)
def test_a_factory_that_cannot_be_had_is_one_line(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "syntax.py").write_text("def f(:\n")
    (tmp_path / "raises.py").write_text("{}['key']\n")
    (tmp_path / "fine.py").write_text("broken = 3\ndef f(spec, classes): ...\n")
    with pytest.raises(StudyError, match=words) as e:
        load_factory(text.replace("{tmp}", str(tmp_path)))
    assert "\n" not in str(e.value)


def test_label_noise_that_leaves_nothing_to_learn_is_refused() -> None:
    from autonoise.study.config import StudyConfig
    from autonoise.study.prepare import build_task

    def task(share: float) -> Task:
        return build_task(StudyConfig(data="wine", study="s", out="nowhere", label_noise=share), load("wine"))

    assert (task(0.6).labels != task(0.6).truth).mean() > 0.5
    with pytest.raises(StudyError, match=r"--label-noise 0.67: with 3 classes .* wrong in 0.667"):
        task(0.67)
