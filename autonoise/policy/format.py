"""The file format ``autonoise-policy/1``: YAML or JSON, checked at the boundary, written whole.

Format 1 loads for ever. Nothing in a file is executed. Here are the fields and their limits; the policy itself is made
in :mod:`autonoise.policy.policy`.
"""

from __future__ import annotations

import json
import logging
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypedDict

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from autonoise.errors import AutonoiseError, PolicyError
from autonoise.files import dump_yaml, read_data, write_whole
from autonoise.technique.parameters import parameters_of
from autonoise.technique.registry import get_technique
from autonoise.technique.schedule import Gate, Schedule, Shape
from autonoise.technique.step import Step, Steps, digest
from autonoise.types import DataType, InputSpec, Scale

log = logging.getLogger("autonoise")
FORMAT = "autonoise-policy/1"
ENDINGS = (".yaml", ".yml", ".json")
"""How the name of a policy file may end."""
LARGEST_SAMPLE = 50_000_000
"""The most values that one sample may have; an input description with more is taken for a mistake."""
_Column = Annotated[int, Field(ge=0, le=10_000_000)]


class ScheduleModel(BaseModel):
    """How a step's strength changes, :class:`autonoise.technique.schedule.Schedule`."""

    model_config = ConfigDict(extra="forbid", strict=True)
    shape: Shape = "constant"
    # the limits are for the published schema: here ``Schedule`` checks them, and says more
    start: float | None = Field(default=None, json_schema_extra={"minimum": 0, "maximum": 1})
    end: float | None = Field(default=None, json_schema_extra={"minimum": 0, "maximum": 1})
    levels: int = Field(default=4, json_schema_extra={"minimum": 2, "maximum": 1000})


class GateModel(BaseModel):
    """When a step acts at all, :class:`autonoise.technique.schedule.Gate`."""

    model_config = ConfigDict(extra="forbid", strict=True)
    every: int = Field(default=1, ge=1)
    unit: Literal["epoch", "update"] = "update"


class StepModel(BaseModel):
    """A step; further keys are the technique's own parameters."""

    model_config = ConfigDict(extra="allow", strict=True)
    technique: str = Field(max_length=100)
    version: int = Field(1, ge=1)
    probability: float = Field(1.0, ge=0, le=1)
    schedule: ScheduleModel = ScheduleModel()
    gate: GateModel = GateModel()
    site: str = ""
    sites: int = Field(0, ge=0, le=1_000_000)
    magnitude: Literal["fixed", "uniform"] = "fixed"


class InputModel(BaseModel):
    """The input description, :class:`autonoise.types.InputSpec`."""

    model_config = ConfigDict(extra="forbid", strict=True)
    layout: list[Annotated[int, Field(ge=1, le=100_000_000)]] = Field(max_length=4)
    classes: int = Field(0, ge=0, le=10_000_000)
    scale: Scale = Field(Scale.UNIT, strict=False)
    mean: list[Annotated[float, Field(allow_inf_nan=False)]] = []
    std: list[Annotated[float, Field(gt=0, allow_inf_nan=False)]] = []
    pad_id: int | None = None
    mask_id: int | None = None
    unk_id: int | None = None
    special_ids: list[int] = []
    vocabulary_size: int | None = Field(None, ge=1)
    numeric: list[_Column] = []
    onehot: list[list[_Column]] = []
    codes: list[_Column] = []
    flags: list[Annotated[list[_Column], Field(min_length=2, max_length=2)]] = []
    names: list[Annotated[str, Field(max_length=1000)]] = []
    sample_rate: int | None = Field(None, ge=1)

    @model_validator(mode="after")
    def _columns_exist(self) -> InputModel:
        columns = [*self.numeric, *self.codes, *(c for group in (*self.onehot, *self.flags) for c in group)]
        if columns and max(columns) >= self.layout[0]:
            raise ValueError(f"column {max(columns)} does not exist in a layout of {self.layout[0]} columns")
        if self.names and [len(self.names)] != self.layout:
            raise ValueError(f"there are {len(self.names)} names for a layout of {self.layout}")
        if math.prod(self.layout) > LARGEST_SAMPLE:
            raise ValueError(f"a sample of {math.prod(self.layout)} values is larger than {LARGEST_SAMPLE}")
        return self


class CheckModel(BaseModel):
    """What the file says about itself: see :mod:`autonoise.policy.verify`."""

    model_config = ConfigDict(extra="allow", strict=True)
    digest: str | None = None
    seed: int = Field(0, ge=0, lt=2**63)
    statistics: dict[str, float] = {}


class PolicyModel(BaseModel):
    """The envelope of a policy file."""

    model_config = ConfigDict(extra="forbid", strict=True)
    format: str = Field(json_schema_extra={"const": FORMAT})
    name: str = Field("policy", max_length=200)
    data_type: DataType = Field(strict=False)
    input: InputModel | None = None
    steps: list[StepModel] = Field(default_factory=list, max_length=50)
    strength: float = Field(1.0, ge=0, le=100)
    scores: dict[str, Any] = Field(default_factory=dict)
    provenance: dict[str, Any] = Field(default_factory=dict)
    check: CheckModel = Field(default_factory=lambda: CheckModel.model_validate({}))


class Contents(TypedDict):
    """The fields of a policy, read and checked one by one; the names are those of ``Policy``."""

    data_type: DataType
    steps: tuple[Step, ...]
    name: str
    input: InputSpec | None
    strength: float
    scores: dict[str, Any]
    provenance: dict[str, Any]
    check: dict[str, Any]


def described(steps: Steps) -> dict[str, Any]:
    """The fields of a file that say what a policy does, in their order."""
    out: dict[str, Any] = {"format": FORMAT, "name": steps.name, "data_type": str(steps.data_type)}
    if steps.input is not None:
        out["input"] = steps.input.to_dict()
    out["steps"] = [step.to_dict() for step in steps.steps]
    out["strength"] = steps.strength
    return out


def contents_of(values: Mapping[str, Any], where: str, *, tell: bool = True) -> Contents:
    """The fields of a policy from plain data; ``where`` names their source in messages.

    ``tell``: warn of a technique whose formula has changed since the policy was found.
    Raises PolicyError with the place and the remedy.
    """
    _check_format(values.get("format"), where)
    try:
        # dates and the like, which YAML makes of unquoted text, become text again
        values = json.loads(json.dumps(dict(values), default=str))
    except (TypeError, ValueError, RecursionError):
        raise PolicyError(f"{where}: nested too deeply, or keyed by something that is no text; simplify it") from None
    try:
        model = PolicyModel.model_validate(values)
    except ValidationError as e:
        raise PolicyError(f"{where}: {_first_problem(e)}; correct this field") from None
    _check_digest(model, values, where)
    spec = None
    if model.input is not None:
        spec = InputSpec.from_dict(model.data_type, model.input.model_dump(exclude_unset=True))
    return Contents(
        data_type=model.data_type,
        steps=tuple(_step(s, f"{where}: steps[{i}]", tell=tell) for i, s in enumerate(model.steps)),
        name=model.name,
        input=spec,
        strength=model.strength,
        scores=model.scores,
        provenance=model.provenance,
        check=model.check.model_dump(exclude_unset=True),
    )


def _first_problem(e: ValidationError) -> str:
    """Place, rule and value of the first problem, on one line of bounded length."""
    first = e.errors()[0]
    place = "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in first["loc"]).lstrip(".")
    given = first.get("input")
    shown = "" if isinstance(given, dict | list) else f" (got {str(given)[:60]!r})"
    return f"{place[:100]}: {first['msg']}{shown}"


def _check_format(found: Any, where: str) -> None:
    match = re.fullmatch(r"autonoise-policy/(\d{1,6})", found) if isinstance(found, str) else None
    if match is None:
        raise PolicyError(f"{where}: not an autonoise policy: the first line must be 'format: {FORMAT}'")
    if int(match[1]) > 1:
        raise PolicyError(
            f"{where}: format {found} is newer than this version of autonoise reads ({FORMAT}); upgrade autonoise"
        )
    if int(match[1]) < 1:
        raise PolicyError(f"{where}: there is no format {found}; the formats are: {FORMAT}")


def _check_digest(model: PolicyModel, values: Mapping[str, Any], where: str) -> None:
    if model.check.digest is not None and model.check.digest != content_digest(values):
        raise PolicyError(
            f"{where}: changed since it was exported, or truncated (check.digest does not match); if you edited it "
            f"on purpose, remove the digest line"
        )


def content_digest(values: Mapping[str, Any]) -> str:
    """Digest of what a policy does: data type, input, steps, strength as they stand in the file."""
    kept = {k: values.get(k) for k in ("format", "data_type", "input", "steps", "strength")}
    return f"sha256:{digest(json.loads(json.dumps(kept, default=str)))}"


def _step(model: StepModel, where: str, *, tell: bool) -> Step:
    try:
        kind = get_technique(model.technique)
        if model.version > kind.version:
            raise PolicyError(
                f"{model.technique} version {model.version} is newer than this autonoise knows "
                f"({kind.version}); upgrade"
            )
        if tell and "version" in model.model_fields_set and model.version < kind.version:
            log.warning(
                "%s: %s was found with version %d of its formula and runs with version %d: %s",
                where,
                model.technique,
                model.version,
                kind.version,
                kind.changes,
            )
        extra = dict(model.model_extra or {})
        parameters = parameters_of(kind)
        unknown = set(extra) - set(parameters)
        if unknown:
            known = ", ".join(parameters) or "none"
            raise PolicyError(f"{model.technique} has no parameter {sorted(unknown)[0]!r}; it has: {known}")
        return Step(
            kind(**extra),
            model.probability,
            Schedule(**model.schedule.model_dump()),
            Gate(**model.gate.model_dump()),
            model.site,
            model.magnitude,
            model.sites,
        )
    except AutonoiseError as e:
        raise PolicyError(f"{where}: {e}") from None
    except (ValueError, TypeError) as e:
        raise PolicyError(f"{where}: {model.technique}: {e}") from None


def read_policy(path: str | Path) -> Mapping[str, Any]:
    """What stands in a policy file (YAML or JSON), not checked yet. Raises PolicyError where it cannot be read."""
    return read_data(path, PolicyError, "policy file")


def write_policy(content: dict[str, Any], path: str | Path) -> None:
    """Write a policy's plain data with a digest of it: JSON where the name ends in .json, otherwise YAML.

    Raises PolicyError for a name with another ending than ``ENDINGS``.
    """
    ending = Path(path).suffix.lower()
    if ending not in ENDINGS:
        raise PolicyError(f"{path}: a policy is written to a file that ends in {', '.join(ENDINGS)}; name it so")
    content = dict(content)
    check = {**content.pop("check", {}), "digest": content_digest(content)}
    # the digest stands near the top, so that it is still there, and does not fit, in a file that was cut off below
    values = {"format": content.pop("format"), "check": check, **content}
    if ending == ".json":
        write_whole(path, json.dumps(values, indent=1) + "\n")
    else:
        write_whole(path, dump_yaml(values))
