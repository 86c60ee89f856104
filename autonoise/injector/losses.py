"""The loss stage: cross entropy or the user's own loss, blended with the robust losses of a policy."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from autonoise.batches.mappings import check_logits
from autonoise.errors import AttachError
from autonoise.injector.attached import Attached
from autonoise.technique.memory import MemoryLoss
from autonoise.technique.stages import LossNoise
from autonoise.types import Stage


def loss_of(
    attached: Attached,
    logits: Tensor,
    y: Tensor,
    base: Callable[[Tensor, Tensor], Tensor] | None = None,
    reduce: Callable[[Tensor], Tensor] = Tensor.mean,
) -> Tensor:
    """Scalar loss of logits (B, C) against class indices (B,) or soft targets (B, C).

    A robust loss at strength m (at most 1) gives ``(1 - m) * loss without it + m * robust loss``.

    Args:
        base: ``base(logits, y)``, the loss without any step of the policy, in place of that of ``attach``.
        reduce: makes of the robust losses (B,) of the rows what ``base`` returns for them; by default their mean.
    """
    base = attached.base_loss if base is None else base
    if check_logits(logits).ndim == 2 and y.ndim == 2 and logits.shape != y.shape:
        raise AttachError(
            f"the model gives {logits.shape[1]} logits, but the targets have {y.shape[1]} classes: pass "
            f"num_classes={logits.shape[1]} to attach"
        )
    loss: Tensor | None = None
    for index, step in attached.policy.at_stage(Stage.LOSS) if attached.model.training else ():
        assert isinstance(step.technique, LossNoise)
        m = min(attached.clock.strength(step, index, attached.strength), 1.0)
        if m > 0:
            robust = reduce(_rows(attached, step.technique, logits, attached.soft(y)))
            loss = base(logits, y) if loss is None and m < 1 else loss
            loss = robust if loss is None or m == 1 else (1 - m) * loss + m * robust
    return base(logits, y) if loss is None else loss


def _rows(attached: Attached, technique: LossNoise, logits: Tensor, y: Tensor) -> Tensor:
    """The robust loss (B,) of each row."""
    if not isinstance(technique, MemoryLoss) or attached.records is None:
        return technique.loss(logits.float(), y)
    return technique.loss_with(logits.float(), y, attached.records.new(technique, logits))
