"""Versions of a batch side by side in one batch, for techniques that compare a model's predictions for them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from autonoise.batches.rows import block_of, stacked
from autonoise.errors import AttachError
from autonoise.injector.adversarial import Attack
from autonoise.injector.attached import Attached
from autonoise.injector.before_forward import draw_again, target_stage, view_number
from autonoise.injector.clock import VIEW
from autonoise.injector.losses import loss_of
from autonoise.injector.raw import versions_of
from autonoise.technique.consistency import ConsistencyTechnique
from autonoise.types import Batch, Stage


@dataclass(frozen=True)
class Layout:
    """How the rows of a batch with views lie.

    Attributes:
        technique, strength: what compares the views, and how strongly it acts in this update.
        rows: the number of rows of each block; a block holds one version of all rows.
        blocks: the number of blocks.
        labelled: the number of blocks, from the first on, that the loss proper is taken of.
        compared: the number of the first block that is compared; all after it are, too.
        clean: the number of the block that ``injector.clean`` gives back.
        noisy: the batch that went into the first block where other techniques act on that one, with its targets.
    """

    technique: ConsistencyTechnique
    strength: float
    rows: int
    blocks: int
    labelled: int
    compared: int
    clean: int
    noisy: tuple[Batch, Tensor]


class Views:
    """Stacks the versions of a batch that a consistency technique wants, and takes the logits apart again."""

    def __init__(self, attached: Attached, attack: Attack) -> None:
        self._attached, self._attack = attached, attack
        self._layout: Layout | None = None

    @property
    def layout(self) -> Layout | None:
        """That of the batch handed out last; None where it has no views, and in eval mode."""
        return self._layout if self._attached.model.training else None

    def given(self, x: Batch, y: Tensor) -> list[Batch]:
        """The versions of the batch that the user hands in, of which the first is clean: one, or as many as are
        compared, one after another, where strings had their noise before the tokenizer (``RawTransform.views``).
        """
        wanted, size = versions_of(self._attached.policy), self._attached.adapter.size(x)
        if wanted > 1 and isinstance(y, Tensor) and y.ndim and size == wanted * len(y):
            return [block_of(x, k, len(y), size) for k in range(wanted)]
        return [x]

    def stack(self, given: Sequence[Batch], y: Tensor, noisy: Batch, targets: Tensor) -> tuple[Batch, Tensor]:
        """(batch, targets) with all views where a consistency technique acts in this update, else (noisy, targets).

        ``given``, ``y``: the batch as the user gave it, in one or more versions; ``noisy``, ``targets``: what the
        stages before the forward pass make of its last version but for the clean one.
        """
        self._layout = None
        attached = self._attached
        acting = self._acting()
        if acting is None:
            return noisy, targets
        index, technique, strength = acting
        x, views, apart = given[0], technique.views, False
        rows = attached.adapter.size(x)
        before, shift = attached.batch, attached.batch.delta
        labelled, shifts = 1, [shift] * views
        if technique.source == "clean":
            apart = attached.policy.views_apart
            own = list(given[1:]) or [x] * (views - 1)
            # the noisy batch, of the first version, is a view itself unless something else needs it
            left = own if apart else own[1:]
            again = [draw_again(attached, b, view_number(index, k)) for k, b in enumerate(left, 1)]
            blocks = [noisy, x, *again] if apart else [x, noisy, *again]
            shifts = [shift, *[None] * views] if apart else [None] * views
        elif technique.source == "noisy":
            blocks, labelled = [noisy] * views, views
        else:
            rng = attached.clock.rng(index, VIEW, 0, attached.adapter.main(noisy).device)
            moved, shift_too = self._attack.move(technique, noisy, rng)
            blocks, shifts = [noisy, moved], [shift, shift_too]
        whole = stacked(blocks, rows)
        # noise inside the model has its own strength for every row of the whole
        mixed = 1 if technique.source == "clean" else len(blocks)
        now = attached.begin(rows * len(blocks), None, whole, blocks=len(blocks), mixed=mixed)
        now.plans, now.delta = before.plans, _joined(shifts)
        self._layout = Layout(
            technique, strength, rows, len(blocks), labelled, int(apart), int(apart), (noisy, targets)
        )
        return whole, self._targets(y, targets, len(blocks))

    def _acting(self) -> tuple[int, ConsistencyTechnique, float] | None:
        """(index, technique, strength) of the step that compares views in this update; a policy has at most one."""
        for index, step in self._attached.policy.at_stage(Stage.STEP):
            technique = step.technique
            if isinstance(technique, ConsistencyTechnique):
                strength = self._attached.clock.strength(step, index, self._attached.strength)
                return (index, technique, strength) if strength > 0 else None
        return None

    def _targets(self, y: Tensor, targets: Tensor, blocks: int) -> Tensor:
        """The targets of all blocks: the same for each version of a row, but those of mixed pairs for mixed rows."""
        layout, attached = self._layout, self._attached
        assert layout is not None
        others = targets
        if layout.compared and attached.policy.at_stage(Stage.PAIR):
            others = target_stage(attached, attached.soft(y))
        return torch.cat([targets, *[others] * (blocks - 1)])

    def loss(self, logits: Tensor, y: Tensor, **how: Callable[..., Tensor]) -> Tensor:
        """The scalar loss of the batch handed out last: the loss proper, and what the views differ by.

        ``how``: see ``losses.loss_of``.
        """
        layout, attached = self.layout, self._attached
        if layout is None:
            loss = loss_of(attached, logits, y, **how)
            if attached.records is not None and attached.memory is not None and attached.model.training:
                attached.records.keep(attached.memory, logits)
            return loss
        whole, rows = layout.rows * layout.blocks, layout.rows
        for what, found in (("logits", logits), ("targets", y)):
            if len(found) != whole:
                raise AttachError(
                    f"perturb() handed out {whole} rows, {layout.blocks} versions of {rows} rows, but loss() got "
                    f"{what} of {len(found)}: pass the logits of the whole batch and the y that perturb() returned "
                    f"(injector.clean(...) gives the rows of the clean version for metrics of your own)"
                )
        labelled = rows * layout.labelled
        loss = loss_of(attached, logits[:labelled], y[:labelled], **how)
        compared = logits[rows * layout.compared :].float()
        parts = compared.reshape(layout.blocks - layout.compared, rows, *logits.shape[1:])
        return loss + layout.strength * layout.technique.compare(parts)

    def clean(self, values: Batch) -> Batch:
        """Of a tensor or batch with the rows of all versions those of the clean one; other values as they are."""
        layout = self.layout
        if layout is None:
            return values
        whole, rows = layout.rows * layout.blocks, layout.rows

        if isinstance(values, Tensor):
            if not values.ndim or len(values) not in (rows, whole):
                raise AttachError(
                    f"clean() takes values of the {whole} rows that perturb() handed out, but got {tuple(values.shape)}"
                )
            if len(values) == rows:
                return values
        return block_of(values, layout.clean, rows, whole)

    def first(self, noisy: Batch, targets: Tensor, logits: Tensor) -> tuple[Batch, Tensor, Tensor]:
        """(batch, targets, logits) of the rows that techniques of the whole step see: the first block's."""
        layout = self.layout
        return (noisy, targets, logits) if layout is None else (*layout.noisy, logits[: layout.rows])


def _joined(shifts: Sequence[Tensor | None]) -> Tensor | None:
    """The shifts of an embedding, block after block; None where there is none at all."""
    known = [s for s in shifts if s is not None]
    return torch.cat([torch.zeros_like(known[0]) if s is None else s for s in shifts]) if known else None
