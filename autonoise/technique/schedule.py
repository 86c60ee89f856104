"""Schedules and gates: when during training a step of a policy acts, and how strongly.

A schedule turns the progress of training, in [0, 1], into a multiplier in [0, 1]. A gate lets a step act only in every
k-th epoch or update.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

from autonoise.technique.parameters import hint

Shape = Literal["constant", "ramp_up", "ramp_down", "cosine", "step", "warm_up", "window"]
SHAPES: tuple[str, ...] = get_args(Shape)


@dataclass(frozen=True)
class Schedule:
    """A multiplier that depends on the training progress ``t``, which goes from 0 to 1.

    With u = (t - start) / (end - start), clipped to [0, 1], the shapes and their default start and end are:

        constant   0, 1     1 inside [start, end], 0 outside
        window     0.5, 1   the same, under a name that says that the limits matter
        ramp_up    0, 1     u
        ramp_down  0, 1     1 - u
        cosine     0, 1     (1 + cos(pi u)) / 2
        step       0, 1     1/levels, 2/levels ... 1, for equally long times
        warm_up    0, 0.1   u, which stays at 1 from the end on

    Raises ValueError unless 0 <= start < end <= 1 and 2 <= levels <= 1000.
    """

    shape: Shape = "constant"
    start: float | None = None
    end: float | None = None
    levels: int = 4

    def __post_init__(self) -> None:
        if self.shape not in SHAPES:
            known = ", ".join(SHAPES)
            raise ValueError(f"shape must be one of {known}, but got {self.shape!r}{hint(self.shape, SHAPES)}")
        start, end = self.limits
        if not all(isinstance(v, int | float) and not isinstance(v, bool) for v in (start, end)):
            raise ValueError(f"start and end must be numbers, but got (start={start!r}, end={end!r})")
        if not (math.isfinite(start) and math.isfinite(end) and 0 <= start < end <= 1):
            raise ValueError(f"0 <= start < end <= 1 must hold, but got (start={start}, end={end})")
        for name in ("start", "end"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, float(getattr(self, name)))
        if isinstance(self.levels, bool) or not isinstance(self.levels, int) or not 2 <= self.levels <= 1000:
            raise ValueError(f"levels must be a whole number, 2 <= levels <= 1000, but got {self.levels!r}")

    @property
    def limits(self) -> tuple[float, float]:
        """The start and end of the schedule as fractions of the training, with the defaults of its shape filled in."""
        start = self.start if self.start is not None else (0.5 if self.shape == "window" else 0.0)
        end = self.end if self.end is not None else (0.1 if self.shape == "warm_up" else 1.0)
        return start, end

    @functools.cached_property
    def steady(self) -> bool:
        """Whether the multiplier is 1 during the whole training."""
        return self.shape in ("constant", "window") and self.limits == (0.0, 1.0)

    def __call__(self, progress: float) -> float:
        """Return the multiplier at ``progress``, the share of the training that is done, in [0, 1]."""
        start, end = self.limits
        u = min(max((progress - start) / (end - start), 0.0), 1.0)
        return _SHAPES[self.shape](u, start <= progress <= end, self.levels)


# The multiplier of each shape, from u as above, whether the progress is inside [start, end], and the levels.
_SHAPES: dict[str, Callable[[float, bool, int], float]] = {
    "constant": lambda u, inside, levels: float(inside),
    "window": lambda u, inside, levels: float(inside),
    "ramp_up": lambda u, inside, levels: u,
    "warm_up": lambda u, inside, levels: u,
    "ramp_down": lambda u, inside, levels: 1.0 - u,
    "cosine": lambda u, inside, levels: (1.0 + math.cos(math.pi * u)) / 2,
    "step": lambda u, inside, levels: min(math.floor(u * levels) + 1, levels) / levels,
}


@dataclass(frozen=True)
class Gate:
    """Lets a step act only in every ``every``-th epoch or update, beginning with the first one."""

    every: int = 1
    unit: Literal["epoch", "update"] = "update"

    def __post_init__(self) -> None:
        if isinstance(self.every, bool) or not isinstance(self.every, int) or self.every < 1:
            raise ValueError(f"every must be a whole number >= 1, but got {self.every!r}")
        if self.unit not in ("epoch", "update"):
            near = hint(self.unit, ("epoch", "update"))
            raise ValueError(f"unit must be epoch or update, but got {self.unit!r}{near}")

    def __call__(self, *, epoch: int, update: int) -> bool:
        """Return whether the step may act; ``epoch`` and ``update`` count from 0."""
        return (epoch if self.unit == "epoch" else update) % self.every == 0
