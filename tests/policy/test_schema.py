"""The published JSON Schema: current, right for every policy there is, and wrong for what cannot be loaded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from autonoise import SearchSpace
from autonoise.cli import main
from autonoise.errors import PolicyError
from autonoise.policy import Policy
from autonoise.policy.models import PolicyModel
from autonoise.policy.schema import policy_schema
from autonoise.types import DataType, InputSpec

ROOT = Path(__file__).resolve().parents[2]
PLACES = ("studies/**/*.yaml", "tests/golden/*.yaml", "examples/*policy*.yaml")
# studies of one's own, such as that of make demo, have their trials beside them
FILES = sorted(
    file
    for place in PLACES
    for file in ROOT.glob(place)
    if not any((p / "study.db").exists() for p in file.parents[:2])
)
SCHEMA = policy_schema()
FITS = Draft202012Validator(SCHEMA)


def plain(text: str) -> Any:
    """What stands in a file, with dates as text."""
    return json.loads(json.dumps(yaml.safe_load(text), default=str))


def faults(values: Any) -> list[str]:
    return [e.message for e in FITS.iter_errors(values)]


def test_the_published_schema_is_current(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema"]) == 0
    printed = capsys.readouterr().out
    published = (ROOT / "docs" / "policy.schema.json").read_text()
    assert printed == published, "run: autonoise schema > docs/policy.schema.json"
    assert json.loads(printed) == SCHEMA


def test_it_is_a_schema_and_every_field_is_described() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    parts = {"PolicyModel": SCHEMA, **SCHEMA["$defs"]}
    assert set(parts["PolicyModel"]["properties"]) == set(PolicyModel.model_fields)
    for name, part in parts.items():
        for field, values in part.get("properties", {}).items():
            text = values.get("description", "")
            assert text and "``" not in text and ":mod:" not in text, f"{name}.{field}: {text!r}: describe it"
    fields = SCHEMA["$defs"]["InputModel"]["properties"]
    assert set(fields) == set(InputSpec.__dataclass_fields__) - {"data_type"}
    assert fields["numeric"]["description"] == fields["flags"]["description"]
    assert fields["flags"]["description"].startswith("columns of a table. `numeric` are standardised columns")
    assert fields["sample_rate"]["description"] == "of audio, in Hz"


@pytest.mark.parametrize("file", FILES, ids=lambda f: f.parent.name if f.stem == "policy" else f.stem)
def test_every_policy_there_is_fits(file: Path) -> None:
    assert faults(plain(file.read_text())) == []


@pytest.mark.parametrize("data_type", list(DataType))
def test_whatever_is_written_fits(data_type: DataType) -> None:
    space = SearchSpace.load(data_type)
    for policy in (*space.presets, *space.seeds):
        assert faults(policy.to_dict()) == []


HEAD: dict[str, Any] = {"format": "autonoise-policy/1", "data_type": "tabular"}
STEP = {"technique": "gaussian_noise", "std": 0.1}
WRONG: dict[str, dict[str, Any]] = {
    "no format": {"format": None},
    "another format": {"format": "autonoise-policy/2"},
    "data type": {"data_type": "video"},
    "unknown field": {"step": []},
    "no technique": {"steps": [{"std": 0.1}]},
    "probability": {"steps": [{**STEP, "probability": 1.5}]},
    "text for a number": {"steps": [{**STEP, "probability": "0.5"}]},
    "shape": {"steps": [{**STEP, "schedule": {"shape": "ramp"}}]},
    "start": {"steps": [{**STEP, "schedule": {"shape": "ramp_up", "start": -0.1}}]},
    "end": {"steps": [{**STEP, "schedule": {"shape": "ramp_up", "end": 1.5}}]},
    "levels": {"steps": [{**STEP, "schedule": {"shape": "step", "levels": 1}}]},
    "gate": {"steps": [{**STEP, "gate": {"every": 0}}]},
    "unit": {"steps": [{**STEP, "gate": {"unit": "batch"}}]},
    "magnitude": {"steps": [{**STEP, "magnitude": "half"}]},
    "strength": {"strength": -1},
    "layout": {"input": {"layout": [0]}},
    "flags": {"input": {"layout": [3], "flags": [[0]]}},
    "no layout": {"input": {"classes": 2}},
    "seed": {"check": {"seed": -1}},
}


@pytest.mark.parametrize("change", WRONG.values(), ids=WRONG.keys())
def test_what_does_not_fit_is_not_loaded(change: dict[str, Any]) -> None:
    right = HEAD | {"steps": [STEP]}
    assert faults(right) == []
    Policy.from_dict(right)
    assert faults(right | change)
    with pytest.raises(PolicyError):
        Policy.from_dict(right | change)
