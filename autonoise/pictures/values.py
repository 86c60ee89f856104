"""Examples of what a policy does, as values; and what the module of a data type brings to make and show them."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any, Protocol

from autonoise.data import Dataset, Preparation, Rows
from autonoise.policy import Policy
from autonoise.types import Batch, DataType


@dataclass(frozen=True)
class Row:
    """One row of the data. ``clean`` and ``noisy`` (one for each point) are what its data type's module makes of it.

    ``number``: its number in the data, from 0; ``label``: the name of its class; ``labels``: what each point makes of
    that; ``changed``: whether its input is another one at each point.
    """

    number: int
    label: str
    clean: Any
    noisy: tuple[Any, ...]
    labels: tuple[str, ...]
    changed: tuple[bool, ...]


@dataclass(frozen=True)
class StepWords:
    """A step in words. ``seen``: it changes the input, so that the pictures show it; ``strengths``: one for each point.

    ``what``: what the technique does; ``settings``: its parameters with units; ``acts``: on how much, and how often.
    """

    name: str
    what: str
    settings: str
    acts: str
    strengths: tuple[str, ...]
    seen: bool
    stage: str


@dataclass(frozen=True)
class Examples:
    """What a policy does to some rows of the data.

    Attributes:
        at: points of the schedule, as shares of training.
        rows: rows shown, those first that the noise changes.
        changed: for each point, the share of rows of a batch whose input is changed.
        steps: all steps in words, those that cannot be seen in the input among them.
        about: what the data type's module needs to draw them (a sample rate, names of channels).
    """

    policy: str
    data: str
    data_type: DataType
    at: tuple[float, ...]
    rows: tuple[Row, ...]
    changed: tuple[float, ...]
    steps: tuple[StepWords, ...]
    about: Any = None


class Kind(Protocol):
    """What the module of a data type, ``pictures/<data type>.py``, brings."""

    ROWS: int

    def about(self, dataset: Dataset, preparation: Preparation, policy: Policy) -> Any: ...
    def restored(self, rows: Rows, batch: Batch, clean: Batch, preparation: Preparation, about: Any) -> list[Any]: ...
    def body(self, examples: Examples, width: float) -> Any: ...
    def lines(self, examples: Examples) -> list[str]: ...


def kind_of(data_type: DataType) -> Kind:
    """The module of a data type."""
    module: Any = importlib.import_module(f"autonoise.pictures.{data_type}")
    found: Kind = module
    return found
