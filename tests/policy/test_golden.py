"""Format 1 loads for ever: files written by hand, and every value they must come out as."""

from __future__ import annotations

from pathlib import Path

import pytest

from autonoise.policy import Policy, load_policy
from autonoise.technique.schedule import Gate, Schedule
from autonoise.types import DataType, InputSpec, Scale, Stage

GOLDEN = Path(__file__).parent.parent / "golden"


def golden(data_type: str) -> Policy:
    return load_policy(GOLDEN / f"policy_format1_{data_type}.yaml")


def contents(policy: Policy) -> list[tuple[object, ...]]:
    return [(s.name, s.technique.parameters(), s.probability, s.schedule, s.gate) for s in policy.steps]


ALWAYS, EACH = Schedule("constant"), Gate(1, "update")


def test_image() -> None:
    policy = golden("image")
    assert (policy.name, policy.data_type, policy.strength) == ("fashion-mnist-balanced", DataType.IMAGE, 1.5)
    assert policy.input == InputSpec(
        data_type=DataType.IMAGE, layout=(1, 28, 28), classes=10, scale=Scale.STANDARDISED, mean=(0.286,), std=(0.353,)
    )
    assert contents(policy) == [
        ("gaussian_noise", {"std": 0.15}, 0.7, Schedule("constant", 0.4, 1.0), EACH),
        ("cutout", {"side": 0.4, "fill": "grey"}, 1.0, ALWAYS, EACH),
        ("pgd", {"eps": 0.0078, "steps": 2}, 1.0, ALWAYS, Gate(4, "update")),
        ("label_smoothing", {"smoothing": 0.05}, 1.0, ALWAYS, EACH),
        ("mixup", {"alpha": 0.3}, 0.5, Schedule("ramp_down"), EACH),
        ("activation_noise", {"sigma": 0.1}, 1.0, ALWAYS, EACH),
        ("sam", {"rho": 0.05, "kind": "adaptive"}, 1.0, ALWAYS, Gate(2, "epoch")),
    ]
    assert [s.magnitude for s in policy.steps] == ["uniform"] + ["fixed"] * 6
    assert [s.site for s in policy.steps] == [""] * 5 + ["block*.norm", ""]
    assert policy.passes == 1 + 2 / 4 + 1 / 2
    assert policy.scores == {"clean": {"policy": 0.861, "baseline": 0.863}, "verdict": "better"}
    assert policy.provenance == {"study": "fashion", "trial": 37, "data": "sha256:0011", "seeds": [0, 1, 2]}
    assert policy.check == {"seed": 0, "statistics": {"gaussian_noise": 0.0225}}


def test_text() -> None:
    policy = golden("text")
    assert policy.input == InputSpec(
        data_type=DataType.TEXT, layout=(128,), classes=2, pad_id=0, unk_id=1, mask_id=4, special_ids=(2, 3),
        vocabulary_size=8000,
    )  # fmt: skip
    assert contents(policy) == [
        ("character_typos", {"fraction": 0.03}, 0.5, ALWAYS, Gate(2, "epoch")),
        ("token_masking", {"fraction": 0.1}, 1.0, ALWAYS, EACH),
        ("freelb", {"eps": 0.05, "steps": 3, "step": 1.0}, 1.0, Schedule("window", 0.5, 1.0), EACH),
        ("neftune", {"alpha": 5.0, "scale": "absolute"}, 1.0, ALWAYS, EACH),
        ("dropout", {"p": 0.2}, 1.0, Schedule("step", levels=3), EACH),
        ("gce", {"q": 0.7}, 1.0, Schedule("warm_up"), EACH),
    ]


def test_tabular() -> None:
    policy = golden("tabular")
    assert policy.input == InputSpec(
        data_type=DataType.TABULAR, layout=(9,), classes=2, scale=Scale.STANDARDISED, numeric=(0, 1, 2),
        onehot=((3, 4, 5),), codes=(6,), flags=((7, 0), (8, 3)),
    )  # fmt: skip
    assert policy.strength == 0.5
    assert contents(policy) == [
        ("swap_noise", {"fraction": 0.15}, 0.8, ALWAYS, EACH),
        ("feature_masking", {"fraction": 0.1}, 1.0, Schedule("cosine"), EACH),
        ("weight_noise", {"sigma": 0.01, "kind": "multiplicative"}, 1.0, ALWAYS, EACH),
        ("gradient_noise", {"eta": 0.01, "gamma": 0.55}, 1.0, ALWAYS, EACH),
        ("vrex", {"penalty": 10.0}, 1.0, Schedule("warm_up", 0.1, 0.3), EACH),
    ]


def test_timeseries() -> None:
    policy = golden("timeseries")
    assert policy.input == InputSpec(
        data_type=DataType.TIMESERIES, layout=(3, 200), classes=4, mean=(0.5, 1.0, -2.0), std=(1.0, 0.1, 4.0)
    )
    assert policy.strength == 1.0
    assert contents(policy) == [
        ("magnitude_warp", {"sigma": 0.2, "knots": 4}, 1.0, ALWAYS, EACH),
        ("segment_permutation", {"segments": 4}, 0.25, ALWAYS, EACH),
        ("cutmix", {"alpha": 1.0}, 0.5, ALWAYS, EACH),
        ("spatial_dropout", {"p": 0.1}, 1.0, ALWAYS, EACH),
        ("drop_connect", {"p": 0.2}, 1.0, Schedule("ramp_up", 0.0, 0.5), EACH),
    ]


def test_audio() -> None:
    policy = golden("audio")
    assert policy.input == InputSpec(data_type=DataType.AUDIO, layout=(8000,), classes=12, sample_rate=8000)
    assert contents(policy) == [
        ("background_noise", {"snr_db": 10.0, "clips": "clips.npz", "group": "search"}, 0.5, ALWAYS, EACH),
        ("speed_perturbation", {"change": 0.1}, 1.0, ALWAYS, EACH),
        ("target_noise", {"fraction": 0.05}, 1.0, ALWAYS, EACH),
        ("spec_augment", {"frequency": 0.2, "time": 0.1, "masks": 2}, 1.0, ALWAYS, EACH),
        ("two_view_consistency", {"weight": 12.0}, 1.0, ALWAYS, Gate(2, "update")),
    ]


@pytest.mark.parametrize("data_type", list(DataType))
@pytest.mark.parametrize("suffix", ["yaml", "json"])
def test_saving_what_was_loaded_changes_nothing(data_type: DataType, suffix: str, tmp_path: Path) -> None:
    policy = golden(data_type)
    policy.save(tmp_path / f"again.{suffix}")
    again = load_policy(tmp_path / f"again.{suffix}")
    assert (again.steps, again.input, again.strength, again.hash) == (
        policy.steps, policy.input, policy.strength, policy.hash,
    )  # fmt: skip
    assert (again.scores, again.provenance) == (policy.scores, policy.provenance)
    stages = [list(Stage).index(s.stage) for s in again.steps]
    assert stages == sorted(stages)
