"""The JSON Schema of policy files, for editors and other languages; docs/policy.schema.json is what this makes.

It is made from the models that check policy files. Its descriptions are what the docstrings of the classes say of their
fields, so a new field comes with both.
"""

from __future__ import annotations

import inspect
import re
from typing import Any

from autonoise.policy.format import FORMAT
from autonoise.policy.models import PolicyModel
from autonoise.policy.policy import Policy
from autonoise.technique.schedule import Gate, Schedule
from autonoise.technique.step import Step, Steps
from autonoise.types import InputSpec

_KINDS: dict[str, tuple[type, ...]] = {
    "PolicyModel": (Policy, Steps),
    "InputModel": (InputSpec,),
    "StepModel": (Step,),
    "ScheduleModel": (Schedule,),
    "GateModel": (Gate,),
}
"""The classes whose docstrings describe the fields of a model, later ones in place of earlier ones.

The first one describes the model itself.
"""
_ONLY_IN_FILES = {
    "PolicyModel": {
        "format": "the format of the file and its version, always this text",
        "data_type": "what kind of data the model is trained on",
        "steps": "the techniques; those of one stage act in this order, the stages in the order of a training step",
    },
    "StepModel": {
        "technique": "name of the technique. Its parameters are further keys of the step; `autonoise techniques NAME` "
        "lists them with their units and limits.",
        "version": "version of the technique's formula that the policy was found with",
    },
    "ScheduleModel": {
        "shape": "how the strength changes between start and end",
        "start": "when the shape begins, as a share of the training; the shape's own default if left out",
        "end": "when the shape ends, as a share of the training; the shape's own default if left out",
        "levels": "number of levels of the shape `step`, 2 to 1000",
    },
    "GateModel": {
        "every": "1: the step may act always; 2: in every second epoch or update, and so on",
        "unit": "what `every` counts",
    },
    "CheckModel": {
        "digest": "`sha256:` and a digest of what the policy does; a file that was edited by hand has none",
        "seed": "seed of the noise that the statistics were measured with",
        "rows": "rows of the made-up batch that the statistics are of: fewer than 64 where samples are large",
        "statistics": "mean absolute change of a value by each step alone, by its position and name (`0.mixup`)",
    },
}
"""What no class has, or what is written in another way in a file."""


def policy_schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of policy files of format 1, YAML or JSON.

    A file that a policy is loaded from fits it. Not everything that fits can be loaded: the parameters of techniques,
    and what has to agree between two fields, are checked by ``load_policy`` alone.
    """
    made = PolicyModel.model_json_schema()
    parts = made.pop("$defs")
    for name, part in {"PolicyModel": made, **parts}.items():
        _describe(name, part)
    made["properties"]["format"] = {"const": FORMAT} | made["properties"]["format"]
    beginning = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "autonoise policy"}
    return beginning | made | {"$defs": parts}


def _describe(name: str, part: dict[str, Any]) -> None:
    """Give a model and its fields the descriptions of its classes in place of the names that pydantic makes."""
    part.pop("title", None)
    kinds = _KINDS.get(name, ())
    described = inspect.getdoc(kinds[0]) if kinds else part.get("description")
    if described:
        part["description"] = _text(described)
    told = {field: text for kind in kinds for field, text in _fields(kind).items()} | _ONLY_IN_FILES.get(name, {})
    for field, values in part.get("properties", {}).items():
        values.pop("title", None)
        if field in told:
            values["description"] = told[field]


def _text(documentation: str) -> str:
    """The first paragraph of a docstring on one line, without a last "see ...", which names files of this package."""
    line = " ".join(documentation.partition("\n\n")[0].split())
    return re.sub(r"[ ;:(]+see [^ ]*$", "", line).replace("``", "`").removesuffix(".")


def _fields(kind: type) -> dict[str, str]:
    """What the docstring's section ``Attributes`` says of each field; several names may share an entry."""
    section = (inspect.getdoc(kind) or "").partition("Attributes:\n")[2].partition("\n\n")[0]
    entries = re.findall(r"^    (\w[\w, ]*): (.*(?:\n {8}.*)*)", section, flags=re.M)
    return {name: _text(text) for names, text in entries for name in names.split(", ")}
