"""What a policy file may hold: its fields, their kinds and limits; the published JSON Schema is made from this.

A new field is optional, has an entry in the docstring of its class, and is published by
``autonoise schema > docs/policy.schema.json``.
"""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from autonoise.technique.schedule import Shape
from autonoise.types import DataType, Scale

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
    one_of: str = Field("", max_length=100)


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
    rows: int = Field(64, ge=1, le=64)
    statistics: dict[str, float] = {}


class PolicyModel(BaseModel):
    """The envelope of a policy file."""

    model_config = ConfigDict(extra="forbid", strict=True)
    format: str
    name: str = Field("policy", max_length=200)
    data_type: DataType = Field(strict=False)
    input: InputModel | None = None
    steps: list[StepModel] = Field(default_factory=list, max_length=50)
    strength: float = Field(1.0, ge=0, le=100)
    clean_share: float = Field(0.0, ge=0, le=1)
    scores: dict[str, Any] = Field(default_factory=dict)
    provenance: dict[str, Any] = Field(default_factory=dict)
    check: CheckModel = Field(default_factory=lambda: CheckModel.model_validate({}))
