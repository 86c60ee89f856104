"""The loss stage: cross entropy or the user's own loss, blended with the robust losses of a policy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch.nn.functional as F
from torch import Tensor

from autonoise.batches.mappings import check_logits
from autonoise.errors import AttachError
from autonoise.injector import before_forward as perturbing
from autonoise.technique.stages import LossNoise
from autonoise.types import Stage

if TYPE_CHECKING:
    from autonoise.injector.injector import NoiseInjector

NO_INDEX = -(2**31)
"""Nobody's target, for cross entropy to ignore."""


def loss_of(injector: NoiseInjector, logits: Tensor, y: Tensor) -> Tensor:
    if check_logits(logits).ndim == 2 and y.ndim == 2 and logits.shape != y.shape:
        raise AttachError(
            f"the model gives {logits.shape[1]} logits, but the targets have {y.shape[1]} classes: pass "
            f"num_classes={logits.shape[1]} to attach"
        )
    base: Tensor | None = None
    for index, step in injector.policy.at_stage(Stage.LOSS) if injector.model.training else ():
        assert isinstance(step.technique, LossNoise)
        m = min(injector.clock.strength(step, index, injector.knob), 1.0)
        if m > 0:
            robust = step.technique.loss(logits.float(), injector.soft(y)).mean()
            base = _base(injector, logits, y) if base is None and m < 1 else base
            base = robust if base is None or m == 1 else (1 - m) * base + m * robust
    return _base(injector, logits, y) if base is None else base


def _base(injector: NoiseInjector, logits: Tensor, y: Tensor) -> Tensor:
    if injector.own_loss is not None:
        return injector.own_loss(logits, y)
    try:
        # -100 is no class: a CPU says so, where a GPU could only stop with an assertion
        ignored = NO_INDEX if y.device.type == "cpu" else -100
        return F.cross_entropy(logits.float(), y, ignore_index=ignored)
    except (IndexError, RuntimeError):
        perturbing.check_targets(y, len(y), injector.classes)
        raise
