"""What a corruption is, what it may know of the training rows, and how it is found by name."""

from __future__ import annotations

import importlib
import itertools
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast, get_args

import numpy as np
import numpy.typing as npt

from autonoise.corruptions.rows import Rows, check_rows, count, sample
from autonoise.errors import DataError, UnknownNameError, search_extra
from autonoise.types import DataType, Family, member, related

if TYPE_CHECKING:
    import pandas as pd

Group = Literal["search", "held_out"]
Exposure = Literal["same", "related", "unseen"]
Function: TypeAlias = "Callable[[Any, float, np.random.Generator, Reference], Any]"

SEVERITIES = (1, 2, 3, 4, 5)
REFERENCE_ROWS = 2000
"""Training rows at most that a corruption may draw from: enough for its statistics, and quick to look through."""
CHUNK_VALUES = 2**21
"""Numbers that are corrupted at once: 2 million, 8 MiB as float32, of which a corruption holds several copies."""


@dataclass(frozen=True, eq=False)
class Reference:
    """What corruptions may know of the training rows; made from the training part only.

    Attributes:
        rows: at most 2,000 training rows, in the raw form of their data type.
        sample_rate: of audio, in Hz.
        clips: (n, T) float32 background clips in -1..1 for the user's own noise, or None.
    """

    data_type: DataType
    rows: Rows
    sample_rate: int | None = None
    clips: npt.NDArray[np.float32] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "data_type", member(DataType, self.data_type, "data type"))
        check_rows(self.data_type, self.rows, "the reference")
        if count(self.rows) == 0:
            raise DataError("the reference of the corruptions is empty: give it at least one training row")
        if self.clips is not None and (self.clips.ndim != 2 or self.clips.size == 0):
            raise DataError(f"background clips must have shape (clips, samples), but got {self.clips.shape}")

    @classmethod
    def of(
        cls,
        data_type: DataType,
        rows: Rows,
        *,
        rng: np.random.Generator,
        sample_rate: int | None = None,
        clips: npt.NDArray[np.float32] | None = None,
    ) -> Reference:
        """A reference of at most 2,000 of the training rows, drawn without replacement."""
        return cls(data_type, sample(rows, REFERENCE_ROWS, rng), sample_rate, clips)

    @property
    def array(self) -> npt.NDArray[Any]:
        """The rows of images, series and audio."""
        return cast("npt.NDArray[Any]", self.rows)

    @property
    def texts(self) -> list[str]:
        return cast("list[str]", self.rows)

    @property
    def frame(self) -> pd.DataFrame:
        return cast("pd.DataFrame", self.rows)

    @property
    def rate(self) -> int:
        """The sample rate in Hz; DataError where it is not known."""
        if self.sample_rate is None:
            raise DataError("audio corruptions need the sample rate: give Reference(sample_rate=...) in Hz")
        return self.sample_rate


def _always(reference: Reference) -> bool:
    return True


@dataclass(frozen=True)
class Corruption:
    """One kind of evaluation-time noise with a single amount in physical units.

    Attributes:
        severities: starting amounts from mild to harsh; a study calibrates them once.
        mildest, harshest: ends of the meaningful amounts; mildest > harshest where smaller is harsher.
        log: whether amounts are spaced by ratio rather than by difference.
        pixel_scaled: amounts are pixels of a 32x32 image and grow with side / 32.
        near: further families of noise that a training can learn something from about this corruption.
        available: whether these data can have it at all (a category to flip, a clip to mix in).
    """

    name: str
    data_type: DataType
    family: Family
    group: Group
    severities: tuple[float, float, float, float, float]
    harshest: float
    mildest: float
    unit: str
    function: Function
    log: bool = False
    reference: str = ""
    description: str = ""
    pixel_scaled: bool = False
    near: tuple[Family, ...] = ()
    available: Callable[[Reference], bool] = _always

    def __post_init__(self) -> None:
        name_kinds(self)

    def __call__(self, rows: Rows, amount: float, *, rng: np.random.Generator, reference: Reference) -> Rows:
        """Corrupted copy of ``rows``: same shape, dtype, padding and columns. DataError on unfit input."""
        if reference.data_type != self.data_type:
            got = reference.data_type
            raise DataError(f"{self.name} is for {self.data_type} rows, but its reference is of {got} rows")
        check_rows(self.data_type, rows, self.name)
        low, high = sorted((self.mildest, self.harshest))
        if not (math.isfinite(amount) and low <= amount <= high):
            raise DataError(f"{self.name}: {low:g} <= amount <= {high:g} must hold, but got {amount!r}")
        if not isinstance(rows, np.ndarray):
            return cast("Rows", self.function(rows, amount, rng, reference))
        if self.pixel_scaled:
            amount = amount * min(rows.shape[1:3]) / 32
        out = rows.copy()
        # Whole sets of large pictures or long clips would not fit into memory as floats.
        step = max(1, CHUNK_VALUES // max(1, math.prod(rows.shape[1:])))
        for start in range(0, len(rows), step):
            part = rows[start : start + step]
            out[start : start + step] = self.function(part, amount, rng, reference)
        if out.dtype.kind == "f":
            out[np.isnan(rows)] = np.nan
        return out

    def exposure(self, families: Iterable[Family]) -> Exposure:
        """Whether training on ``families`` met the same, a related or no family of this noise."""
        return exposure(self.family, self.near, families)


def name_kinds(made: Any) -> None:
    """Turn the words of a corruption (data type, family, related families) into members; refuse unknown ones."""
    object.__setattr__(made, "data_type", member(DataType, made.data_type, "data type"))
    object.__setattr__(made, "family", member(Family, made.family, "family"))
    object.__setattr__(made, "near", tuple(member(Family, f, "family") for f in made.near))
    if made.group not in get_args(Group):
        raise UnknownNameError.of("corruption group", str(made.group), get_args(Group))


def exposure(family: Family, near: Iterable[Family], trained: Iterable[Family]) -> Exposure:
    """Whether training with noise of the ``trained`` families met noise of ``family``, related noise or neither."""
    trained = set(trained)
    if family in trained:
        return "same"
    close = any(related(family, other) for other in trained) or not trained.isdisjoint(near)
    return "related" if close else "unseen"


_REGISTRY: dict[tuple[DataType, str], Corruption] = {}


def corruption(
    *,
    data_type: DataType,
    family: Family,
    group: Group,
    unit: str,
    mildest: float,
    harshest: float,
    severities: tuple[float, float, float, float, float],
    log: bool = False,
    reference: str = "",
    pixel_scaled: bool = False,
    near: tuple[Family, ...] = (),
    available: Callable[[Reference], bool] = _always,
) -> Callable[[Function], Corruption]:
    """Register a function ``(rows, amount, rng, reference) -> rows`` under its own name."""

    def register(function: Function) -> Corruption:
        name: str = function.__name__
        path = (mildest, *severities, harshest)
        sign = 1 if harshest > mildest else -1
        if any(sign * a > sign * b for a, b in itertools.pairwise(path)):
            raise ValueError(f"{name}: amounts must run from mildest to harshest, but got {path}")
        if (data_type, name) in _REGISTRY:
            raise ValueError(f"a {data_type} corruption named {name!r} exists already")
        made = Corruption(
            name,
            data_type,
            family,
            group,
            severities,
            harshest,
            mildest,
            unit,
            function,
            log,
            reference,
            (function.__doc__ or "").strip().split("\n")[0],
            pixel_scaled,
            near,
            available,
        )
        _REGISTRY[data_type, name] = made
        return made

    return register


def corruptions_for(data_type: DataType | str, group: Group | None = None) -> tuple[Corruption, ...]:
    """All corruptions of a data type, search first, in the order of their files."""
    if data_type not in set(DataType):
        raise UnknownNameError.of("data type", str(data_type), [str(d) for d in DataType])
    if group is not None and group not in get_args(Group):
        raise UnknownNameError.of("corruption group", str(group), get_args(Group))
    for part in get_args(Group):
        with search_extra("corruptions"):
            importlib.import_module(f"autonoise.corruptions.{DataType(data_type)}_{part}")
    found = [c for (kind, _), c in _REGISTRY.items() if kind == data_type and group in (None, c.group)]
    return tuple(sorted(found, key=lambda c: c.group == "held_out"))


def get_corruption(data_type: DataType | str, name: str) -> Corruption:
    """The corruption of that name; UnknownNameError with the nearest names otherwise."""
    known = {c.name: c for c in corruptions_for(data_type)}
    if name not in known:
        raise UnknownNameError.of(f"{DataType(data_type)} corruption", name, known)
    return known[name]
