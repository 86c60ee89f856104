"""Words that a newcomer stumbled over, and guesses that are told: ordinals, plurals, places that a warning names."""

from __future__ import annotations

import math
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from study_samples import with_few_corruptions

from autonoise import Policy, Step, evaluate, load_policy
from autonoise.data.notes import Notes
from autonoise.data.timeseries import from_array
from autonoise.errors import AttachError, PolicyWarning, StudyError
from autonoise.pictures.examples import examples
from autonoise.pictures.tabular import _number
from autonoise.technique.words import counted


@pytest.mark.parametrize(
    ("n", "noun", "words"),
    [(1, "epoch", "1 epoch"), (0, "row", "0 rows"), (1800, "row", "1,800 rows"), (2, "class", "2 classes"),
     (1, "class", "1 class"), (3, "policy", "3 policies")],
)  # fmt: skip
def test_one_and_several(n: int, noun: str, words: str) -> None:
    assert counted(n, noun) == words


def test_a_gate_has_its_ordinal() -> None:
    from autonoise.data import load

    policy = Policy("tabular", [Step.of("gaussian_noise", gate=2), Step.of("dropout", gate=3)])
    told = str([step.acts for step in examples(policy, load("wine"), rows=1).steps])
    assert "every 2nd update" in told and "every 3rd update" in told and "2th" not in told


@pytest.mark.parametrize(
    ("value", "beside", "words"),
    [(0.02, 0.0, "0.02"), (0.4, 0.0, "0.4"), (0.00004, 0.0, "0"), (3.0, 3.0, "3"), (3.0005, 3.0, "3.001"),
     (23.99, 7.0, "24.0")],
)  # fmt: skip
def test_a_changed_cell_looks_changed(value: float, beside: float, words: str) -> None:
    """Of a column of whole numbers: "0.0" beside 0 said nothing; a digit more still tells what was computed."""
    assert _number(value - 1.0, 1.0, 1.0, 0, missing=False, beside=beside) == words


def test_a_transform_says_what_it_is() -> None:
    policy = Policy("image", [Step.of("gaussian_noise"), Step.of("cutout"), Step.of("mixup")])
    assert repr(policy.transform(epochs=10)) == (
        "SampleTransform(gaussian_noise + cutout, 10 epochs; left to the injector: mixup)"
    )
    text = Policy("text", [Step.of("character_typos")])
    assert repr(text.raw_transform(epochs=1)) == "RawTransform(character_typos, 1 epoch)"


def test_lightning_names_a_remedy_that_helps() -> None:
    pytest.importorskip("lightning")
    from autonoise.integrations.lightning import _length

    policy = Policy("image", [Step.of("mixup")])
    endless = SimpleNamespace(estimated_stepping_batches=-1, num_training_batches=math.inf)
    with pytest.raises(AttachError, match=r"set max_steps, or limit_train_batches \(the loader has no length\)"):
        _length(endless, policy)
    for_ever = SimpleNamespace(estimated_stepping_batches=math.inf, num_training_batches=10)
    with pytest.raises(AttachError, match="set max_epochs or max_steps"):
        _length(for_ever, policy)


def test_a_warning_points_at_the_code_of_the_user(tmp_path: Path) -> None:
    """Also where a framework calls an integration, which loads the policy."""
    file = tmp_path / "p.yaml"
    Policy("image", [Step.of("mixup")], scores={"verdict": "worse"}).save(file)
    inner = {"__name__": "autonoise.integrations.anything", "load_policy": load_policy}
    exec("def load(path):\n    return load_policy(path)\n", inner)
    framework = {"__name__": "skorch.net", "load": inner["load"]}
    exec("def fit(path):\n    return load(path)\n", framework)
    for call in (load_policy, inner["load"], framework["fit"]):
        with pytest.warns(PolicyWarning) as caught:
            call(file)
        assert [w.filename for w in caught] == [__file__]


def test_more_channels_than_steps_are_told() -> None:
    notes = Notes()
    from_array(np.zeros((5, 1000, 3)), lengths=None, where="x.npz", notes=notes)
    (told,) = list(notes)
    assert str(told).startswith("series are taken as 1000 channels of 3 steps: if the last axis holds the channels")
    quiet = Notes()
    from_array(np.zeros((5, 3, 1000)), lengths=None, where="x.npz", notes=quiet)
    from_array(np.zeros((5, 40)), lengths=None, where="x.npz", notes=quiet)
    assert list(quiet) == []


def test_a_head_of_the_wrong_width_is_refused_before_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from torch import nn

    with_few_corruptions(monkeypatch)

    def never(*_: object, **__: object) -> None:
        raise AssertionError("trained")

    monkeypatch.setattr("autonoise.training.task.Task.train", never)
    policy = Policy("tabular", [Step.of("gaussian_noise", std=0.1)])
    quick = {"progress": False, "out": str(tmp_path / "e")}
    with pytest.raises(StudyError, match="--model gives 7 outputs, but wine has 3 classes: make its last layer"):
        evaluate(policy, "wine", model=lambda spec, classes: nn.Linear(spec.layout[0], 7), **quick)  # type: ignore[arg-type]
    with pytest.raises(StudyError, match="--model cannot be called on rows of wine: RuntimeError"):
        evaluate(policy, "wine", model=lambda spec, classes: nn.Linear(99, 3), **quick)  # type: ignore[arg-type]
    assert not (tmp_path / "e").exists()
