"""A technique in a policy: when, how often and where it acts."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from autonoise.errors import PolicyError
from autonoise.technique.parameters import hint
from autonoise.technique.registry import Technique, get_technique
from autonoise.technique.schedule import Gate, Schedule
from autonoise.types import Stage

if TYPE_CHECKING:
    pass


_STAGE_ORDER = {stage: i for i, stage in enumerate(Stage)}


SECOND_GRADIENT = "second_gradient"
"""Tag of techniques that do the whole forward and backward pass of an update again."""


COST_LIMIT = 16.0
"""Passes per training step above which a policy is taken for a mistake."""


@dataclass(frozen=True)
class Step:
    """One technique with when, how often and where it acts.

    Attributes:
        probability: share of samples (input to activation stages) or updates (weight, loss, gradient) it acts on.
        schedule, gate: see :mod:`autonoise.technique.schedule`.
        site: where in the model; empty for the technique's own default.
        sites: how many such places the searched model had (see ``injector/depth.py``); 0 where that is unknown.
        magnitude: ``fixed``, or ``uniform``: each sample's strength is drawn from U(0, 1) times the parameters.
    """

    technique: Technique
    probability: float = 1.0
    schedule: Schedule = Schedule()  # noqa: RUF009 - frozen
    gate: Gate = Gate()  # noqa: RUF009 - frozen
    site: str = ""
    magnitude: Literal["fixed", "uniform"] = "fixed"
    sites: int = 0

    def __post_init__(self) -> None:
        # a word or a number stands for what it names, here as in Step.of
        if isinstance(self.technique, str):
            object.__setattr__(self, "technique", get_technique(self.technique)())
        if isinstance(self.schedule, str):
            object.__setattr__(self, "schedule", Schedule(self.schedule))  # type: ignore[arg-type]
        if isinstance(self.gate, int):
            object.__setattr__(self, "gate", Gate(self.gate))
        for field_name, kind in (("technique", Technique), ("schedule", Schedule), ("gate", Gate), ("site", str)):
            if not isinstance(getattr(self, field_name), kind):
                raise PolicyError(
                    f"a step's {field_name} must be a {kind.__name__}, but got "
                    f"{getattr(self, field_name)!r:.80}: build steps by Step.of(name, ...)"
                )
        if not _is_number(self.probability) or not 0 <= self.probability <= 1:
            raise PolicyError(f"{self.name}: 0 <= probability <= 1 must hold, but got {self.probability!r}")
        object.__setattr__(self, "probability", float(self.probability))
        if self.magnitude not in ("fixed", "uniform"):
            near = hint(self.magnitude, ("fixed", "uniform"))
            raise PolicyError(f"{self.name}: magnitude must be fixed or uniform, but got {self.magnitude!r}{near}")

    @classmethod
    def of(
        cls,
        name: str,
        *,
        probability: float = 1.0,
        schedule: Schedule | str = "constant",
        gate: Gate | int = 1,
        site: str = "",
        magnitude: Literal["fixed", "uniform"] = "fixed",
        **parameters: Any,
    ) -> Step:
        """Build a step from a technique's name and parameters: ``Step.of("mixup", alpha=0.3)``."""
        kind = get_technique(name)
        try:
            made = kind(**parameters)
        except TypeError as e:
            raise PolicyError(f"{name}: {e}") from None
        return cls(made, probability, schedule, gate, site, magnitude)  # type: ignore[arg-type]

    @property
    def name(self) -> str:
        return self.technique.name

    @property
    def stage(self) -> Stage:
        return self.technique.stage

    def to_dict(self) -> dict[str, Any]:
        """Plain data as in a policy file; defaults are left out, floats rounded to 6 significant digits."""
        out: dict[str, Any] = {"technique": self.name, "version": self.technique.version}
        out |= {k: _rounded(v) for k, v in self.technique.parameters().items()}
        if self.probability != 1:
            out["probability"] = _rounded(self.probability)
        if self.magnitude != "fixed":
            out["magnitude"] = self.magnitude
        if self.schedule != Schedule():
            default = asdict(Schedule())
            out["schedule"] = {
                k: _rounded(v) for k, v in asdict(self.schedule).items() if k == "shape" or v != default[k]
            }
        if self.gate != Gate():
            out["gate"] = asdict(self.gate)
        return out | {k: getattr(self, k) for k in ("site", "sites") if getattr(self, k)}


def views_of(step: Step) -> int:
    """Draws of the clean batch that go through the model together with it (a consistency loss's)."""
    return int(getattr(step.technique, "views", 0))


def digest(value: Any) -> str:
    """sha256 over canonical JSON."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _rounded(value: Any) -> Any:
    return float(f"{value:.6g}") if isinstance(value, float) else value


def _share_of_time(schedule: Schedule) -> float:
    return sum(schedule(i / 100) > 0 for i in range(101)) / 101


def _extra_passes(step: Step, *, apart: bool = False) -> float:
    extra = max(step.technique.passes - 1, 0) + (apart and views_of(step) > 0)
    return extra * _share_of_time(step.schedule) / step.gate.every
