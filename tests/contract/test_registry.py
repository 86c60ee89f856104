"""Every technique says what it is, has sensible ranges, and survives the policy file."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from autonoise.errors import PolicyError
from autonoise.files import dump_yaml, parse_data
from autonoise.policy import Policy, Step, load_policy
from autonoise.technique.parameters import Choice, Text, parameters_of
from autonoise.technique.registry import Technique, get_technique, snake_case, technique_names, techniques_for
from autonoise.technique.schedule import SHAPES, Gate, Schedule
from autonoise.types import DataType, Family, Stage
from contract.samples import OWN as TECHNIQUES

every_technique = pytest.mark.parametrize("kind", TECHNIQUES, ids=lambda k: k.name)


def test_discovery_finds_every_stage_and_data_type() -> None:
    assert {t.stage for t in TECHNIQUES} == set(Stage)
    for data_type in DataType:
        stages = {t.stage for t in techniques_for(data_type)}
        assert {Stage.INPUT, Stage.TARGET, Stage.PAIR, Stage.ACTIVATION, Stage.WEIGHT, Stage.LOSS, Stage.STEP} <= stages
    assert [t.name for t in TECHNIQUES] == sorted(technique_names())


@every_technique
def test_identity_card(kind: type[Technique]) -> None:
    assert kind is get_technique(kind.name)
    assert kind.name == snake_case(kind.__name__) == kind.__module__.rpartition(".")[2]
    assert isinstance(kind.stage, Stage)
    assert all(isinstance(f, Family) for f in kind.families)
    assert kind.family in kind.families
    assert kind.multiplier in ("amplitude", "probability", "blend")


@every_technique
def test_docstring_and_reference(kind: type[Technique]) -> None:
    lines = (kind.__doc__ or "").strip().splitlines()
    assert len(lines) <= 15
    assert re.search(r"\b(19|20)\d\d\b|\bISO\b|\bITU\b", kind.reference), f"no dated reference: {kind.reference!r}"


def short(value: float) -> float:
    """What a policy file keeps of a float."""
    return float(f"{value:.6g}")


def values_of(parameter: Any) -> st.SearchStrategy[Any]:
    if isinstance(parameter, Choice):
        return st.sampled_from(parameter.options)
    if isinstance(parameter, Text):
        return st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "Zs")), max_size=8)
    low, high = max(parameter.minimum, -1e6), min(parameter.maximum, 1e6)
    if parameter.integer:
        return st.integers(int(low), int(high))
    return st.floats(low, high).map(short).filter(lambda v: parameter.minimum <= v <= parameter.maximum)


probabilities = st.floats(0, 1).map(short)
limits = st.tuples(st.integers(0, 99), st.integers(1, 100)).filter(lambda t: t[0] < t[1])
schedules = st.builds(
    lambda shape, ends, levels: Schedule(shape, ends[0] / 100, ends[1] / 100, levels),  # type: ignore[arg-type]
    st.sampled_from(SHAPES), limits, st.integers(2, 9),
)  # fmt: skip
gates = st.builds(Gate, st.integers(1, 50), st.sampled_from(("epoch", "update")))


@every_technique
@settings(max_examples=5, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_round_trip_through_yaml_and_json(kind: type[Technique], data: st.DataObject) -> None:
    drawn = {name: data.draw(values_of(p), name) for name, p in parameters_of(kind).items()}
    try:
        technique = kind(**drawn)
    except PolicyError:
        assume(False)  # two parameters that contradict each other
    site = data.draw(st.sampled_from(["", "block*", "layers.0.norm"]))
    step = Step(
        technique, data.draw(probabilities), data.draw(schedules), data.draw(gates), site,
        data.draw(st.sampled_from(("fixed", "uniform"))),
    )  # fmt: skip
    data_type = min(kind.data_types)
    try:
        policy = Policy(data_type, (step,), "round trip", strength=short(data.draw(st.floats(0, 100))))
    except PolicyError as e:
        assert "passes" in str(e)
        assume(False)
    plain = policy.to_dict()
    for text in (dump_yaml(plain), json.dumps(plain)):
        back = Policy.from_dict(parse_data(text, PolicyError, "policy", "here"), "here")
        assert back == policy
        assert back.hash == policy.hash


@pytest.mark.parametrize("name", ["policy.yaml", "policy.json"])
@pytest.mark.parametrize("data_type", list(DataType))
def test_all_techniques_of_a_data_type_in_files(data_type: DataType, name: str, tmp_path: Path) -> None:
    for kind in techniques_for(data_type):
        policy = Policy(data_type, (Step(kind()),), name=kind.name)
        policy.save(tmp_path / name)
        loaded = load_policy(tmp_path / name)
        assert (loaded.hash, loaded.name, loaded.data_type) == (policy.hash, kind.name, data_type)
