"""``Step``: one technique with when, how often and where it acts. ``Steps``: a list of them, what a policy does."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from torch import Tensor

from autonoise.errors import PolicyError, UnknownNameError
from autonoise.technique.cost import check_cost, passes_of, views_apart
from autonoise.technique.groups import check_groups
from autonoise.technique.parameters import hint, parameters_of
from autonoise.technique.registry import Technique, get_technique
from autonoise.technique.schedule import Gate, Schedule
from autonoise.types import DataType, Family, InputSpec, Stage, member

_APPLIES: list[Callable[..., Any]] = []
"""What applies a step by hand; it lies above this room, in the injector, and puts itself here when it is imported."""
_FIELDS = {"technique": Technique, "schedule": Schedule, "gate": Gate, "site": str, "one_of": str}
_STAGE_ORDER = {stage: i for i, stage in enumerate(Stage)}


def applies_steps(function: Callable[..., Any]) -> Callable[..., Any]:
    """Decorator of the function behind ``Step.__call__``."""
    _APPLIES[:] = [function]
    return function


@dataclass(frozen=True)
class Step:
    """One technique with when, how often and where it acts.

    Attributes:
        technique: the technique with its parameters.
        probability: the chance, 0 to 1, that the step acts: on each sample by itself in the stages from input to
            activation, on a whole update in the stages weight, loss, gradient and step.
        schedule, gate: how the strength changes while training goes on, and in which epochs or updates the step acts
            at all; see :mod:`autonoise.technique.schedule`.
        site: the place in the model, a word or a glob over module names; empty for the technique's own default.
        magnitude: ``fixed``: the parameters as written; ``uniform``: for each sample they are multiplied by a number
            drawn from U(0, 1).
        sites: the number of places that ``site`` meant in the model of the search; 0 where that is unknown. In a
            model with another number of places the strength is adapted (see ``injector/depth.py``).
        one_of: the name of a group of steps of one stage; of each group one step is drawn, evenly, for each sample (in
            the stages weight, loss, gradient and step for each update), and only that one may act. Empty: no group.
    """

    technique: Technique
    probability: float = 1.0
    schedule: Schedule = Schedule()  # noqa: RUF009 - frozen
    gate: Gate = Gate()  # noqa: RUF009 - frozen
    site: str = ""
    magnitude: Literal["fixed", "uniform"] = "fixed"
    sites: int = 0
    one_of: str = ""

    def __post_init__(self) -> None:
        # a word or a number stands for what it names, here as in Step.of
        if isinstance(self.technique, str):
            object.__setattr__(self, "technique", get_technique(self.technique)())
        if isinstance(self.schedule, str):
            object.__setattr__(self, "schedule", Schedule(self.schedule))  # type: ignore[arg-type]
        if isinstance(self.gate, int):
            object.__setattr__(self, "gate", Gate(self.gate))
        for field_name, kind in _FIELDS.items():
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
        one_of: str = "",
        **parameters: Any,
    ) -> Step:
        """Build a step from a technique's name and parameters: ``Step.of("mixup", alpha=0.3)``."""
        kind = get_technique(name)
        try:
            made = kind(**parameters)
        except TypeError:
            known = ", ".join(parameters_of(kind)) or "none"
            raise PolicyError(f"{name}: {', '.join(parameters)} given, but its parameters are: {known}") from None
        return cls(made, probability, schedule, gate, site, magnitude, one_of=one_of)  # type: ignore[arg-type]

    def __call__(
        self,
        x: Any,
        targets: Tensor | None = None,
        *,
        strength: float = 1.0,
        seed: int = 0,
        input: InputSpec | None = None,  # noqa: A002 - the word of ``attach``
    ) -> Any:
        """Apply the step once by hand, for previews and tests: what a first update with this seed would see.

        Args:
            x: what the stage acts on. Raw: a string or a list of strings. Input and pair: a batch (tensor, array or
                dict of tensors) in canonical units (image 0..1, audio -1..1, others standardised), or in the units
                that ``input`` describes. Target: class indices (B,) or soft targets (B, C).
            targets: with input and pair steps: class indices (B,) or soft targets (B, C), to be mixed along.
            strength: multiplies the step's strength, 0 (no noise) to 100; probability and magnitude act as in
                training, schedule and gate do not.
            input: describes the batch; needed for token ids, and where the shape fits several data types.

        Returns the same kind of thing, and with ``targets`` a pair (batch, targets). Raises AttachError for steps that
        need a model, and for what x cannot be.

        Example:
            >>> import torch
            >>> from autonoise import Step
            >>> Step.of("gain", gain_db=6.0)(torch.zeros(2, 100)).shape
            torch.Size([2, 100])
        """
        if not _APPLIES:
            raise PolicyError("applying a step by hand takes the injector: import autonoise.policy first")
        return _APPLIES[0](self, x, targets, strength=strength, seed=seed, spec=input)

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
        return out | {k: getattr(self, k) for k in ("site", "sites", "one_of") if getattr(self, k)}


@dataclass(frozen=True)
class Steps:
    """The part of a policy that decides how a model trains: an ordered list of steps for one data type.

    :class:`autonoise.policy.policy.Policy` adds what only a file needs: scores, provenance, a check.

    Raises PolicyError when it is made, if a technique does not work for the data type or two steps contradict
    each other. Steps run in the order of their stages, within a stage as listed.

    Attributes:
        data_type: what the model is trained on.
        steps: sorted by stage.
        name: for people and messages; it changes nothing.
        input: what the batches of the search looked like, so that strengths in physical units mean the same again.
        strength: a number that every step's strength is multiplied by, 0 (no noise) to 100; 1 = as found.
        clean_share: the share of the rows of each batch, 0 to 1, that surely stay clean: no step that acts on single
            rows acts on them. They are drawn anew for each batch.
    """

    data_type: DataType
    steps: tuple[Step, ...] = ()
    name: str = "policy"
    input: InputSpec | None = None
    strength: float = 1.0
    clean_share: float = field(default=0.0, kw_only=True)

    def __post_init__(self) -> None:
        try:
            object.__setattr__(self, "data_type", member(DataType, self.data_type, "data type"))
        except UnknownNameError as e:
            raise PolicyError(str(e)) from None
        if self.input is not None and not isinstance(self.input, InputSpec):
            raise PolicyError(f"a policy's input must be an InputSpec, but got {self.input!r:.80}")
        if self.input is not None and self.input.data_type != self.data_type:
            described = self.input.data_type
            raise PolicyError(f"the policy is for {self.data_type} data, but its input describes {described} data")
        if not isinstance(self.steps, Sequence) or not all(isinstance(s, Step) for s in self.steps):
            raise PolicyError('the steps of a policy must be Step objects: Step.of("mixup", alpha=0.3)')
        ordered = sorted(self.steps, key=lambda s: _STAGE_ORDER[s.stage])
        object.__setattr__(self, "steps", tuple(ordered))
        if not _is_number(self.strength) or not 0 <= self.strength <= 100:
            raise PolicyError(f"0 <= strength <= 100 must hold, but got {self.strength!r}")
        object.__setattr__(self, "strength", float(self.strength))
        if not _is_number(self.clean_share) or not 0 <= self.clean_share <= 1:
            raise PolicyError(f"0 <= clean_share <= 1 must hold, but got {self.clean_share!r}")
        object.__setattr__(self, "clean_share", float(self.clean_share))
        check_groups(self.steps, self.clean_share)
        self._check_steps()

    def _check_steps(self) -> None:
        """Raise PolicyError for a technique of other data types, for steps that contradict each other, for the cost."""
        for step in self.steps:
            kind = type(step.technique)
            if self.data_type not in kind.data_types:
                reason = kind.refused.get(self.data_type) or f"it works for {', '.join(sorted(kind.data_types))}"
                raise PolicyError(f"{step.name} does not work for {self.data_type} data: {reason}")
        for i, a in enumerate(self.steps):
            for b in self.steps[i + 1 :]:
                if a.name == b.name and a.site == b.site:
                    raise PolicyError(f"{a.name} stands twice in the policy; merge the two steps or remove one")
                clash = (a.technique.tags & b.technique.conflicts) | (b.technique.tags & a.technique.conflicts)
                if clash:
                    about = sorted(clash)[0].replace("_", " ")
                    raise PolicyError(f"{a.name} and {b.name} contradict each other ({about}); remove one")
        check_cost(self.steps)

    @property
    def passes(self) -> float:
        """What a training step costs, in forward-backward passes, on average over schedules and gates; 1 = plain.

        A second gradient (SAM) repeats the extra passes of all other techniques of the step stage, but no attack.
        """
        return passes_of(self.steps)

    @property
    def views_apart(self) -> bool:
        """Whether the noisy batch goes through the model beside the clean one and its views."""
        return views_apart(self.steps)

    @property
    def needs_whole_step(self) -> bool:
        """Whether only ``injector.training_step`` can train by it; ``perturb`` refuses it (SAM, auxiliary losses)."""
        return any(s.technique.whole_step for s in self.steps)

    @property
    def form(self) -> str:
        """In which form of a training loop it runs, in words."""
        names = ", ".join(s.name for s in self.steps if s.technique.whole_step)
        told = "".join(
            f", with the numbers of the samples, rows= ({s.name})"
            for s in self.steps
            if hasattr(s.technique, "remember")
        )
        return (f"injector.training_step alone ({names})" if names else "three lines (perturb, loss, step)") + told

    @property
    def pretrains(self) -> bool:
        """Whether the policy has a phase before training, which ``injector.pretrain`` runs."""
        return any(getattr(s.technique, "pretrains", False) for s in self.steps)

    @property
    def families(self) -> frozenset[Family]:
        """The families of noise that a model sees when it is trained with these steps."""
        return frozenset().union(*(s.technique.families for s in self.steps))

    @property
    def hash(self) -> str:
        """Twelve hex digits over what the policy does: two policies that do the same have the same hash."""
        return digest(
            {
                "data_type": str(self.data_type),
                "steps": [s.to_dict() for s in self.steps],
                "strength": _rounded(self.strength),
                **({"clean_share": _rounded(self.clean_share)} if self.clean_share else {}),
            }
        )[:12]

    def at_stage(self, stage: Stage) -> list[tuple[int, Step]]:
        """The steps of one stage, each with its position among all steps; the list must not be changed."""
        return self._by_stage[stage]

    @functools.cached_property
    def _by_stage(self) -> dict[Stage, list[tuple[int, Step]]]:  # kept: every batch asks for several stages
        return {stage: [(i, s) for i, s in enumerate(self.steps) if s.stage == stage] for stage in Stage}


def digest(value: Any) -> str:
    """sha256 over canonical JSON."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _rounded(value: Any) -> Any:
    return float(f"{value:.6g}") if isinstance(value, float) else value
