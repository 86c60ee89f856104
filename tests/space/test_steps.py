"""Which techniques a space has for training code of three lines, and for code that can call ``training_step``."""

from __future__ import annotations

from typing import Any

import pytest
from space_samples import TYPES

from autonoise.errors import SpaceError
from autonoise.space.space import SearchSpace
from autonoise.technique.registry import get_technique

RECIPE = {"technique": "sam"}


def space(**values: Any) -> SearchSpace:
    techniques = {"gaussian_noise": {}, "two_view_consistency": {}}
    return SearchSpace.from_dict(
        {"format": "autonoise-space/1", "data_type": "tabular", "techniques": techniques} | values
    )


@pytest.mark.parametrize("name", TYPES)
def test_shipped_spaces_run_in_three_lines_unless_asked_otherwise(name: str) -> None:
    shipped = SearchSpace.load(name)
    by_form = {form: shipped.for_steps(form) for form in (None, "three", "whole")}
    assert {"two_view_consistency", "r_drop"} <= set(by_form["three"].techniques)
    assert not any(get_technique(t).whole_step for t in by_form["three"].techniques)
    assert by_form[None].hash == by_form["three"].hash
    assert set(by_form["whole"].techniques) - set(by_form["three"].techniques) == {"sam"}
    assert not any(p.needs_whole_step for p in (*shipped.seeds, *shipped.presets))


def test_what_was_added_stays_when_the_space_goes_through_a_file() -> None:
    whole = space(with_whole_step={"sam": {"rho": [0.1, 0.2]}}).for_steps("whole")
    assert whole.techniques["sam"]["rho"].low == 0.1
    again = SearchSpace.from_dict(dict(whole.source))
    assert again.hash == whole.hash and list(again.techniques) == ["gaussian_noise", "two_view_consistency", "sam"]
    # a worker reads the space that is in use, and keeps it
    assert again.for_steps(None).hash == whole.hash


def test_a_space_that_lists_them_itself_means_them() -> None:
    own = space(techniques={"gaussian_noise": {}, "sam": {}})
    assert list(own.for_steps(None).techniques) == ["gaussian_noise", "sam"]
    assert list(own.for_steps("three").techniques) == ["gaussian_noise"]
    assert SearchSpace.from_dict(dict(own.for_steps("three").source)).hash == own.for_steps("three").hash


def test_starting_points_and_recipes_that_cannot_run_are_left_out() -> None:
    entries = [{"name": "flat", "steps": [RECIPE]}, {"name": "plain", "steps": [{"technique": "gaussian_noise"}]}]
    own = space(seeds=entries, presets=entries)
    three = own.for_steps("three")
    assert [p.name for p in three.seeds] == [p.name for p in three.presets] == ["plain"]
    read = SearchSpace.from_dict(dict(three.source))
    assert [p.name for p in read.seeds] == [p.name for p in read.presets] == ["plain"]
    assert len(own.for_steps("whole").seeds) == len(own.for_steps("whole").presets) == 2


def test_nothing_left_is_refused() -> None:
    with pytest.raises(SpaceError, match=r"--steps three leaves no technique of the space: sam need training_step"):
        space(techniques={"sam": {}}).for_steps("three")


def test_a_section_that_is_no_mapping() -> None:
    with pytest.raises(SpaceError, match=r"with_whole_step must be a mapping like techniques"):
        space(with_whole_step=["sam"])
