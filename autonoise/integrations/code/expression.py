"""A step of a policy in the words of another library: what each library's file says of each technique."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from autonoise.technique.step import Step
from autonoise.types import InputSpec


class CannotExpressError(Exception):
    """A library has nothing like a step; the message is the reason, for people."""


@dataclass(frozen=True)
class Expression:
    """One line of code, and in which way it differs from the step; empty where it does the same."""

    code: str
    note: str = ""


@dataclass(frozen=True)
class Setting:
    """A step with all that decides how strongly it acts, at the full strength of its schedule.

    Attributes:
        step: the step.
        strength: the global strength of the policy.
        spec: the description of the inputs, or None.
    """

    step: Step
    strength: float
    spec: InputSpec | None

    def __getattr__(self, name: str) -> Any:
        """A parameter of the technique."""
        parameters = self.step.technique.parameters()
        if name not in parameters:
            raise AttributeError(name)
        return parameters[name]

    @property
    def p(self) -> float:
        """The probability that the step acts on a sample; a gate of every k-th update is one of 1 / k."""
        scale = min(self.strength, 1.0) if self.step.technique.multiplier == "probability" else 1.0
        return rounded(self.step.probability / self.step.gate.every * scale)

    @property
    def fixed(self) -> bool:
        return self.step.magnitude == "fixed"

    def amount(self, value: float) -> float:
        """``value`` times the strength. Raises CannotExpressError for a random magnitude."""
        if not self.fixed:
            raise CannotExpressError("its strength is drawn anew for each sample (magnitude uniform)")
        return rounded(value * self.strength)

    def span(self, value: float, largest: float | None = None) -> tuple[float, float]:
        """(low, high) of ``value`` times the strength; from 0 on where the magnitude is random.

        Raises CannotExpressError above ``largest``, which the library does not take.
        """
        high = rounded(value * self.strength)
        if largest is not None and high > largest:
            raise CannotExpressError(f"the library takes at most {largest:g}, and the step has {high:g}")
        return (high, high) if self.fixed else (0.0, high)

    def around(self, value: float, centre: float = 1.0, lowest: float = 0.0) -> tuple[float, float]:
        """(low, high) of centre +- value times the strength, of which a draw is uniform."""
        change = self.amount(value)
        return rounded(max(centre - change, lowest)), rounded(centre + change)

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the images. Raises CannotExpressError where the policy does not say it."""
        if self.spec is None or len(self.spec.layout) != 3:
            raise CannotExpressError("it depends on the size of the images, which the policy does not say")
        return self.spec.layout[1], self.spec.layout[2]

    @property
    def colours(self) -> int:
        """Channels of the images; 3 where the policy does not say it."""
        return self.spec.layout[0] if self.spec is not None and self.spec.layout else 3

    @property
    def filling(self) -> tuple[float, str]:
        """(value in 0..1, note) for what fills holes. Raises CannotExpressError for a mean that is not known."""
        if self.fill != "mean":
            return 0.5, ""
        mean = self.spec.mean if self.spec is not None else ()
        if not mean:
            raise CannotExpressError("it fills holes with one value, and the policy does not say the mean of the data")
        return rounded(sum(mean) / len(mean)), "holes are filled with the mean of the data, not with that of each image"

    def pixels(self, value: float) -> tuple[float, float]:
        """:meth:`span` of a size that is given for images of 32 pixels, at the size of the images."""
        return self.span(value * min(self.size) / 32)


Writer = Callable[[Setting], Expression]


@dataclass(frozen=True)
class Library:
    """How a library's code looks.

    Attributes:
        name: as after ``--to``.
        data_type: what it augments.
        imports: the first lines.
        opening, closing: around the list of steps.
        takes: what the transform takes, in words.
        writers: by technique, what writes its line.
    """

    name: str
    data_type: str
    imports: str
    opening: str
    closing: str
    takes: str
    writers: Mapping[str, Writer]


def rounded(value: float) -> float:
    """Six significant digits, as policy files have."""
    return float(f"{value:.6g}")


def call(name: str, **arguments: Any) -> str:
    """A call of the library with keyword arguments."""
    return f"{name}({', '.join(f'{k}={v!r}' for k, v in arguments.items() if v is not None)})"
