"""Policy and Step: what is searched, exported and imported."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autonoise.errors import PolicyError, UnknownNameError
from autonoise.technique.step import (
    _STAGE_ORDER,
    COST_LIMIT,
    SECOND_GRADIENT,
    Step,
    _extra_passes,
    _is_number,
    _rounded,
    digest,
    views_of,
)
from autonoise.types import DataType, Family, InputSpec, Stage, member

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torch.optim import Optimizer

    from autonoise.injector.injector import NoiseInjector
    from autonoise.injector.raw import RawTransform


@dataclass(frozen=True)
class Policy:
    """Which noise to train with: an ordered list of steps for one data type.

    Raises PolicyError when it is made, if a technique does not work for the data type or two steps contradict
    each other. Steps run in the order of their stages, within a stage as listed.

    Example:
        >>> policy = Policy("image", [Step.of("gaussian_noise", std=0.1, probability=0.5), Step.of("mixup")])
        >>> policy.passes
        1.0
    """

    data_type: DataType
    steps: tuple[Step, ...] = ()
    name: str = "policy"
    input: InputSpec | None = None
    strength: float = 1.0
    scores: Mapping[str, Any] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)
    check: Mapping[str, Any] = field(default_factory=dict)

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
        self._check()

    def _check(self) -> None:
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
        # each step by itself, without what a second gradient repeats: a file that once loaded must load for ever
        passes = 1 + sum(map(_extra_passes, self.steps))
        if passes > COST_LIMIT:
            raise PolicyError(
                f"the policy costs {passes:.1f} passes a step, more than {COST_LIMIT:.0f}: use fewer attack "
                f"steps, or a gate such as every 4th update"
            )

    @property
    def passes(self) -> float:
        """Cost of a training step in forward-backward passes, averaged over schedule and gate; 1 = plain.

        A second gradient (SAM) repeats the extra passes of all other step techniques, but no attack.
        """
        attacks = repeated = second = 0.0
        for s in self.steps:
            extra = _extra_passes(s, apart=self.views_apart)
            if s.stage is not Stage.STEP:
                attacks += extra
            elif SECOND_GRADIENT in s.technique.tags:
                second += extra
            else:
                repeated += extra
        return attacks + (1 + repeated) * (1 + second)

    @property
    def views_apart(self) -> bool:
        """Whether clean and noisy views need a pass of their own, since another technique wants the noisy batch."""
        return any(s.stage in (Stage.ADVERSARIAL, Stage.PAIR) for s in self.steps) or any(
            s.stage is Stage.STEP and not views_of(s) and SECOND_GRADIENT not in s.technique.tags for s in self.steps
        )

    @property
    def families(self) -> frozenset[Family]:
        """The families of noise a model sees when trained with this policy."""
        return frozenset().union(*(s.technique.families for s in self.steps))

    @property
    def hash(self) -> str:
        """Twelve hex digits over what the policy does: two policies that do the same have the same hash."""
        return digest(
            {
                "data_type": str(self.data_type),
                "steps": [s.to_dict() for s in self.steps],
                "strength": _rounded(self.strength),
            }
        )[:12]

    def at_stage(self, stage: Stage) -> list[tuple[int, Step]]:
        """(index, step) of the steps of one stage."""
        return [(i, s) for i, s in enumerate(self.steps) if s.stage == stage]

    def scaled(self, strength: float) -> Policy:
        """The same policy with another global strength, for a bigger model or more data."""
        return replace(self, strength=strength)

    def attach(
        self,
        model: nn.Module,
        *,
        epochs: int,
        steps_per_epoch: int,
        optimizer: Optimizer | None = None,
        input: InputSpec | None = None,  # noqa: A002 - the word a user looks for
        num_classes: int | None = None,
        forward: Callable[[nn.Module, Any], Tensor] | None = None,
        loss: Callable[[Tensor, Tensor], Tensor] | None = None,
        sites: Mapping[str, str] | None = None,
        seed: int = 0,
        rank: int | None = None,
        allow_partial: bool = False,
        replace: bool = False,
        raw_transform: RawTransform | None = None,
    ) -> NoiseInjector:
        """Attach to a model about to be trained; see :class:`autonoise.injector.injector.NoiseInjector`."""
        from autonoise.injector.injector import NoiseInjector

        return NoiseInjector(
            self,
            model,
            epochs=epochs,
            steps_per_epoch=steps_per_epoch,
            optimizer=optimizer,
            input=input,
            num_classes=num_classes,
            forward=forward,
            loss=loss,
            sites=sites,
            seed=seed,
            rank=rank,
            allow_partial=allow_partial,
            replace=replace,
            raw_transform=raw_transform,
        )

    def raw_transform(self, *, epochs: int = 1, seed: int = 0) -> RawTransform:
        """The policy's noise on raw strings, for use inside a data loader; see :class:`RawTransform`."""
        from autonoise.injector.raw import RawTransform

        return RawTransform(self, epochs=epochs, seed=seed)

    def to_dict(self) -> dict[str, Any]:
        from autonoise.policy.format import policy_to_dict

        return policy_to_dict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], where: str = "policy") -> Policy:
        from autonoise.policy.format import policy_from_dict

        return policy_from_dict(values, where)

    @classmethod
    def from_trial(cls, trial: Any) -> Policy:
        """The policy that ``SearchSpace.suggest`` made for an Optuna trial, finished or not."""
        values = trial.user_attrs.get("autonoise.policy")
        if values is None:
            raise PolicyError("the trial carries no policy: only trials of SearchSpace.suggest do")
        return cls.from_dict(values, f"trial {getattr(trial, 'number', '')}".strip())

    def save(self, path: str | Path) -> None:
        """Write a YAML file, or JSON where the name ends in .json; whole or not at all."""
        from autonoise.policy.format import save_policy

        save_policy(self, path)
