"""Finding the hidden state of each token inside a foreign text model."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from autonoise.errors import AttachError


@contextmanager
def outputs_of(modules: Iterable[nn.Module]) -> Iterator[dict[nn.Module, Tensor]]:
    """Collects the output tensors of modules during forward passes, the latest last."""
    seen: dict[nn.Module, Tensor] = {}

    def record(module: nn.Module, _inputs: Any, output: Any) -> None:
        first = output[0] if isinstance(output, tuple) and output else output
        if isinstance(first, Tensor):
            seen.pop(module, None)
            seen[module] = first

    handles = [m.register_forward_hook(record) for m in modules]
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()


def find_token_states(
    model: nn.Module,
    forward: Callable[[Tensor], object],
    ids: Tensor,
    *,
    position: int,
    other_id: int,
    classes: int,
) -> tuple[nn.Module, bool]:
    """The last module with a contextual state per token, and whether it gives (B, H, L), not (B, L, H).

    forward: ids (B, L) → anything. Found by trial: the token at ``position`` of row 0 becomes ``other_id``;
    in a contextual layer the states of other tokens change too, which leaves out embeddings. H may not be
    ``classes`` (logits of each token). Raises AttachError when no module qualifies.
    """
    changed = ids.clone()
    changed[0, position] = other_id
    training = model.training
    model.eval()
    try:
        # gradients stay on: without them nn.TransformerEncoder takes a fast path that skips the hooks
        with outputs_of(model.modules()) as before:
            forward(ids)
        with outputs_of(model.modules()) as after:
            forward(changed)
    finally:
        model.train(training)
    length = ids.shape[1]
    for module in reversed(list(after)):
        if module not in before or module is model:
            continue
        a, b = before[module].detach(), after[module].detach()
        if a.shape != b.shape or a.ndim != 3 or a.shape[0] != ids.shape[0] or not a.is_floating_point():
            continue
        difference = (a - b)[0].abs()
        for axis in _token_axes(difference, length, position):
            if difference.shape[1 - axis] != classes and _sees_context(difference.movedim(axis, 0), position):
                return module, axis == 1
    raise AttachError(
        "mlm_pretraining found no layer with a state (batch, length, width) for each token that sees its context; "
        "pad convolutions to keep the length, or drop the technique"
    )


def _token_axes(difference: Tensor, length: int, position: int) -> list[int]:
    """The axes that may be the tokens. If both are as long: first the one where the change is confined to fewer
    entries (a receptive field), then the one where it peaks at ``position``.
    """

    def unlikely(axis: int) -> tuple[int, bool]:
        change = difference.sum(1 - axis)
        return int((change > 0).sum()), int(change.argmax()) != position

    return sorted((axis for axis in (0, 1) if difference.shape[axis] == length), key=unlikely)


def _sees_context(difference: Tensor, position: int) -> bool:
    others = torch.arange(difference.shape[0], device=difference.device) != position
    return bool((difference[others] > 0).any()) and bool((difference[position] > 0).any())
