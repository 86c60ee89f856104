"""What a policy does to a batch at one point of training, without a model: for previews."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from torch import Tensor, nn

from autonoise.batches import batch_adapter
from autonoise.injector.adversarial import Attack
from autonoise.injector.attached import Attached
from autonoise.injector.before_forward import perturb
from autonoise.injector.clock import Clock, Knob
from autonoise.injector.in_model import LayerNoise
from autonoise.injector.raw import RawTransform
from autonoise.injector.sites import pair_site
from autonoise.technique.schedule import Schedule
from autonoise.technique.step import Step, Steps
from autonoise.types import Batch, InputSpec, Stage

_SEEN = (Stage.RAW, Stage.INPUT, Stage.PAIR, Stage.TARGET)
"""Stages that act before the model and need nothing of it."""


def multiplier(step: Step, policy: Steps, progress: float) -> float:
    """What a step's strength is multiplied by at a point of training (0 to 1), in the updates in which it acts."""
    return policy.strength * step.schedule(progress)


def seen_in_input(step: Step, policy: Steps) -> bool:
    """Whether a step changes the input itself, so that it can be looked at."""
    if step.stage is Stage.PAIR:
        return pair_site(step, mixes_input=batch_adapter(policy.data_type).continuous) == "input"
    return step.stage in (Stage.RAW, Stage.INPUT)


def _before_model(policy: Steps) -> Steps:
    """The steps that act before the model, in the first update, in which every gate is open.

    Only the strength differs from one point to another, not the draws: what is seen to change is the schedule.
    """
    return replace(policy, steps=tuple(s for s in policy.steps if s.stage in _SEEN))


@dataclass
class _Moment(Clock):
    """A clock that stands still at a given share of training; its draws are those of the first update."""

    share: float = 0.0

    def multiplier(self, step: Step, knob: float) -> float:
        return knob * step.schedule(self.share)


def noisy_batch(
    policy: Steps, batch: Batch, labels: Tensor, spec: InputSpec, *, progress: float, seed: int
) -> tuple[Batch, Tensor]:
    """(the batch after all noise before the model, soft targets (B, C) or the labels (B,) as they were)."""
    steps = _before_model(policy)
    adapter = batch_adapter(policy.data_type)
    clock = _Moment(seed, 0, 1, 1, micro=0, share=progress)
    attached = Attached(steps, nn.Identity(), adapter, spec, clock, Knob(policy.strength), explicit=True)
    return perturb(attached, Attack(attached, LayerNoise(attached), None), batch, labels)


def noisy_texts(
    policy: Steps, texts: Sequence[str], indices: Sequence[int], *, progress: float, seed: int
) -> list[str]:
    """The strings after the policy's noise on strings at a point of training."""
    out = list(texts)
    for position, step in policy.at_stage(Stage.RAW):
        m = step.schedule(progress)
        if m > 0:
            # a schedule is what differs between the points: its multiplier becomes a global strength
            alone = Steps(policy.data_type, (replace(step, schedule=Schedule()),), strength=policy.strength * m)
            out = RawTransform(alone, epochs=1, seed=seed + position).many(out, indices)
    return out
