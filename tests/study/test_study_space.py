"""Techniques that a space adds when training labels are known to be wrong."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from study_samples import config_of, space_of

from autonoise.errors import SpaceError, UnknownNameError
from autonoise.phases import _space_for
from autonoise.space.space import SearchSpace
from autonoise.types import DataType

AGAINST = {"gce": {"q": [0.2, 0.6], "probability": 1}, "dropout": {"p": 0.3}}


def test_they_are_added_and_the_resolved_space_says_so() -> None:
    space = space_of(with_label_noise=AGAINST)
    assert "gce" not in space.techniques
    noisy = space.for_label_noise()
    assert list(noisy.techniques) == ["gaussian_noise", "dropout", "mixup", "gce"]
    assert (noisy.techniques["gce"]["q"].low, noisy.techniques["gce"]["q"].high) == (0.2, 0.6)
    assert noisy.techniques["dropout"]["p"].choices == (0.3,)  # its range there is the one that counts
    assert noisy.hash != space.hash
    assert noisy.prior == pytest.approx(1.5 / 4)
    assert "with_label_noise" in space.source
    read = SearchSpace.from_dict(noisy.source)
    assert read.hash == noisy.hash == read.for_label_noise().hash


def test_a_space_without_them_stays_as_it_is() -> None:
    space = space_of()
    assert space.for_label_noise() is space


@pytest.mark.parametrize(
    ("settings", "added"),
    [
        ({}, False),
        ({"label_noise": 0.2}, True),
        ({"label_matrix": "m.csv"}, True),
        ({"clean_target": "truth"}, True),
    ],
)
def test_a_search_adds_them_where_labels_are_known_to_be_wrong(settings: dict[str, Any], added: bool) -> None:
    task: Any = SimpleNamespace(dataset=SimpleNamespace(data_type=DataType.TABULAR))
    found = _space_for(config_of(Path("nowhere"), **settings), space_of(with_label_noise=AGAINST), task)
    assert ("gce" in found.techniques) == added


@pytest.mark.parametrize("name", [str(d) for d in DataType])
def test_the_shipped_spaces_have_robust_losses_for_it(name: str) -> None:
    space = SearchSpace.load(name).for_label_noise()
    assert {"gce", "symmetric_ce", "target_noise", "label_smoothing", "mixup"} <= set(space.techniques)
    assert "mae" not in space.techniques


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        (["gce"], SpaceError, "with_label_noise must be a mapping"),
        ({"gce": {"q": [0.6, 0.2]}}, SpaceError, "with_label_noise.*low < high"),
        ({"gce": {"z": 1}}, SpaceError, "with_label_noise: gce has no 'z'"),
        ({"gcee": {}}, UnknownNameError, "did you mean gce.*"),
        ({"jpeg": {}}, SpaceError, "with_label_noise: jpeg does not work for tabular data"),
    ],
)
def test_mistakes_in_it_are_one_line(given: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words) as e:
        space_of(with_label_noise=given)
    assert "\n" not in str(e.value)
