"""Find the hidden state of each token inside a text model of unknown structure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from autonoise.errors import AttachError

Order = tuple[int, int, int]
"""A permutation of three axes."""


@contextmanager
def outputs_of(modules: Iterable[nn.Module]) -> Iterator[dict[nn.Module, Tensor]]:
    """Collect the output tensors of modules during forward passes, in the order in which they were computed last."""
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
) -> tuple[nn.Module, Order]:
    """Return the last module with a hidden state for each token, and the order of axes that makes (B, L, H) of its
    output: (0, 1, 2) as it is, (0, 2, 1) for (B, H, L), and (1, 0, 2) for (L, B, H), as torch has it by default.

    ``forward`` takes ids (B, L). The module is found by trial: the token at ``position`` of row 0 is replaced by
    ``other_id``, and in a layer that sees the context the states of other tokens change too. Embeddings, where they do
    not, are thus left out. H must differ from ``classes``, or logits of each token could be taken for states. Raises
    AttachError if no module fits.
    """
    changed = ids.clone()
    changed[0, position] = other_id
    training = model.training
    model.eval()
    try:
        # gradients stay on, because without them nn.TransformerEncoder takes a fast path that skips the hooks
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
        if a.shape != b.shape or a.ndim != 3 or not a.is_floating_point():
            continue
        difference = (a - b).abs()
        turned = a.shape[:2] == (length, ids.shape[0]) and a.shape[2] != classes
        turned = turned and _in_first_row(difference, 1) and not _in_first_row(difference, 0)
        if turned and _sees_context(difference[:, 0], position):
            return module, (1, 0, 2)
        if a.shape[0] != ids.shape[0]:
            continue
        for axis in _token_axes(difference[0], length, position):
            inside = difference[0].movedim(axis, 0)
            if inside.shape[1] != classes and _sees_context(inside, position):
                return module, (0, 2, 1) if axis == 1 else (0, 1, 2)
    raise AttachError(
        "mlm_pretraining found no layer with a state (batch, length, width) for each token that sees its context; "
        "pad convolutions to keep the length, or drop the technique"
    )


def _in_first_row(difference: Tensor, axis: int) -> bool:
    """Return whether nothing changed along an axis but at its first place, as along the batch, of which only the first
    text was changed.
    """
    return not bool((difference.narrow(axis, 1, difference.shape[axis] - 1) > 0).any())


def _token_axes(difference: Tensor, length: int, position: int) -> list[int]:
    """Return the axes of ``difference`` that may be the tokens, the likelier one first.

    If both axes are as long as the text, the likelier one is that along which fewer entries changed (a convolution sees
    only near tokens), and then that whose largest change is at ``position``.
    """

    def unlikely(axis: int) -> tuple[int, bool]:
        """Return a key for sorting: the smaller, the likelier is this axis that of the tokens."""
        change = difference.sum(1 - axis)
        return int((change > 0).sum()), int(change.argmax()) != position

    return sorted((axis for axis in (0, 1) if difference.shape[axis] == length), key=unlikely)


def _sees_context(difference: Tensor, position: int) -> bool:
    """Return whether the token at ``position`` changed, and some other token too."""
    others = torch.arange(difference.shape[0], device=difference.device) != position
    return bool((difference[others] > 0).any()) and bool((difference[position] > 0).any())
