"""What bad search space files are told: one line with place and remedy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from space_samples import space_of, with_technique

from autonoise.errors import AutonoiseError, SpaceError, UnknownNameError
from autonoise.space.space import SearchSpace

STEP = {"technique": "gaussian_noise", "std": 0.1}
BAD: dict[str, tuple[dict[str, Any], type[AutonoiseError], str]] = {
    "format": (space_of(format="autonoise-space/2"), SpaceError, "'format: autonoise-space/1'"),
    "data type": (space_of(data_type="video"), SpaceError, "data_type must be one of image, text"),
    "data type missing": (space_of(data_type=...), SpaceError, "data_type must be one of"),
    "key": (space_of(max_technique=3), UnknownNameError, "did you mean max_techniques"),
    "number as key": (space_of(**{"1": 3}), UnknownNameError, "unknown key '1'"),
    "techniques missing": (space_of(techniques=...), SpaceError, "at least one technique"),
    "techniques a list": (space_of(techniques=["mixup"]), SpaceError, "at least one technique"),
    "technique": (with_technique("gausian_noise"), UnknownNameError, "did you mean gaussian_noise"),
    "technique a number": (space_of(techniques={"mixup": 3}), SpaceError, "mixup must be a mapping"),
    "technique for another type": (with_technique("eda"), SpaceError, "eda does not work for image data"),
    "parameter": (with_technique("mixup", alfa=1), SpaceError, "mixup has no 'alfa'; it has alpha"),
    "range upside down": (with_technique("mixup", alpha=[1.0, 0.1]), SpaceError, "low < high must hold"),
    "range of one point": (with_technique("mixup", alpha=[1.0, 1.0]), SpaceError, "low < high must hold"),
    "range not valid": (with_technique("dropout", p=[0.1, 2.0]), SpaceError, "0 <= dropout.p <= 0.95 must hold"),
    "not a number": (with_technique("mixup", alpha=[float("nan"), 1.0]), SpaceError, "but got nan"),
    "too large": (with_technique("mixup", alpha=10**400), SpaceError, "<= 100 must hold"),
    "half a range": (with_technique("mixup", alpha={"low": 0.1}), SpaceError, "{low, high, log}"),
    "words as a range": (with_technique("mixup", alpha={"low": "a", "high": "b"}), SpaceError, "must be a number"),
    "log with 0": (with_technique("gaussian_noise", std=[0, 0.1]), SpaceError, "a log range needs low > 0"),
    "own log with 0": (
        with_technique("dropout", p={"low": 0, "high": 0.1, "log": True}),
        SpaceError,
        "a log range needs low > 0",
    ),
    "empty list": (with_technique("mixup", alpha=[]), SpaceError, "an empty list offers nothing"),
    "nothing": (with_technique("mixup", alpha=None), SpaceError, "mixup.alpha must be a number, but got None"),
    "half a block": (with_technique("drop_block", block=[3, 4.5]), SpaceError, "must be a whole number"),
    "choice": (with_technique("cutout", fill="black"), SpaceError, "cutout.fill must be one of mean, grey"),
    "schedule": (with_technique("mixup", schedule=["constant", "lat"]), SpaceError, "off_at_end, every_2"),
    "no schedule": (with_technique("mixup", schedule=[]), SpaceError, "an empty list offers nothing"),
    "schedule in words": (with_technique("mixup", schedule={"low": 0, "high": 1}), SpaceError, "schedule must be"),
    "probability": (with_technique("mixup", probability=[0.5, 1.5]), SpaceError, "0 <= mixup.probability <= 1"),
    "magnitude": (with_technique("mixup", magnitude="random"), SpaceError, "one of fixed, uniform"),
    "site": (with_technique("mixup", site=3), SpaceError, "mixup.site must be a string"),
    "defaults": (space_of(defaults={"std": 1}), SpaceError, "defaults may set probability, schedule and magnitude"),
    "default schedule": (space_of(defaults={"schedule": "soon"}), SpaceError, "must be one of constant"),
    "max_techniques": (space_of(max_techniques=2.5), SpaceError, "max_techniques must be a whole number above 0"),
    "max_techniques nan": (space_of(max_techniques=float("nan")), SpaceError, "must be a whole number above 0"),
    "expected_techniques": (space_of(expected_techniques=0), SpaceError, "must be a number above 0"),
    "seeds": (space_of(seeds={"a": 1}), SpaceError, "seeds must be a list of mappings"),
    "seed without steps": (space_of(seeds=[{"name": "a"}]), SpaceError, "seeds[0]: must have name and steps"),
    "seed with more": (space_of(seeds=[{"name": "a", "steps": [], "p": 1}]), SpaceError, "seeds[0]: must have name"),
    "technique of a seed": (
        space_of(seeds=[{"name": "a", "steps": [STEP, {"technique": "mixupp"}]}]),
        SpaceError,
        "did you mean mixup",
    ),
    "parameter of a preset": (
        space_of(presets=[{"name": "a", "steps": [STEP | {"std": -1}]}]),
        SpaceError,
        "0 <= std <= 10 must hold",
    ),
    "preset that contradicts itself": (
        space_of(presets=[{"name": "a", "steps": [STEP, STEP]}]),
        SpaceError,
        "stands twice",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_space(case: str) -> None:
    values, error, said = BAD[case]
    with pytest.raises(error) as caught:
        SearchSpace.from_dict(values, "my.yaml")
    message = str(caught.value)
    assert said in message
    assert "my.yaml" in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("a: &a [1, 1]\nb: &b [*a, *a]\nc: [*b, *b]\n", "aliases are not allowed"),
        ("techniques: {mixup: {alpha: [0.1\n", "not a valid search space"),
        ("- mixup\n", "expected a mapping at the top"),
        ("!!python/object/apply:os.system ['true']\n", "not a valid search space"),
        ("", "expected a mapping at the top"),
    ],
)
def test_bad_file(content: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(content)
    with pytest.raises(SpaceError) as caught:
        SearchSpace.load(path)
    assert said in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_file() -> None:
    with pytest.raises(SpaceError, match="no such search space; check the path"):
        SearchSpace.load("nowhere.yaml")
