"""Which dimension of a hidden layer holds the batch, which the channels, and turning it to (B, C, ...)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from torch import Tensor, nn

from autonoise.errors import AttachError

Axis = Literal["second", "last", "either"]
_CONVOLUTIONS = (
    nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d,
)  # fmt: skip


@dataclass(frozen=True)
class Hint:
    """A layer beside the point: it has so many channels, in the second or the last dimension."""

    axis: Axis
    channels: int


def hints_for(model: nn.Module, module: nn.Module, *, output: bool) -> list[Hint]:
    """Layers that tell the layout of a module's output (else of its input), the most telling first.

    Those inside the module from its end on, then those defined before it, backwards.
    """
    leaves = [m for m in model.modules() if isinstance(m, _WHOLE) or not list(m.children())]
    inside = {id(m) for m in module.modules()}
    first = next((n for n, m in enumerate(leaves) if id(m) in inside), len(leaves))
    before = [hint for leaf in reversed(leaves[:first]) for hint in _of(leaf)]
    if output:
        return [hint for leaf in reversed(leaves) if id(leaf) in inside for hint in _of(leaf)] + before
    if isinstance(module, nn.Linear):
        return [Hint("last", module.in_features), *before]
    if isinstance(module, _CONVOLUTIONS):
        return [Hint("second", module.in_channels), *before]
    return before


_WHOLE = (nn.MultiheadAttention, nn.RNNBase)


def _of(leaf: nn.Module) -> list[Hint]:
    if isinstance(leaf, _CONVOLUTIONS):
        return [Hint("second", leaf.out_channels)]
    if isinstance(leaf, nn.modules.batchnorm._NormBase):
        return [Hint("second", leaf.num_features)]
    if isinstance(leaf, nn.GroupNorm):
        return [Hint("second", leaf.num_channels)]
    if isinstance(leaf, nn.Linear):
        return [Hint("last", leaf.out_features)]
    if isinstance(leaf, nn.Embedding | nn.EmbeddingBag):
        return [Hint("last", leaf.embedding_dim)]
    if isinstance(leaf, nn.MultiheadAttention):
        return [Hint("last", leaf.embed_dim)]
    if isinstance(leaf, nn.RNNBase):
        return [Hint("last", (leaf.proj_size or leaf.hidden_size) * (2 if leaf.bidirectional else 1))]
    weight = getattr(leaf, "weight", None)
    if "Norm" in type(leaf).__name__ and isinstance(weight, Tensor):
        if weight.ndim != 1:
            return [Hint("second", weight.shape[0])]  # LayerNorm((C, H, W))
        # a "LayerNorm2d" turns the channels to the end and back
        return [Hint("second" if "2d" in type(leaf).__name__ else "either", weight.shape[0])]
    return []


def channel_axis(hints: Sequence[Hint], shape: Sequence[int], what: str) -> int:
    """1 or -1: the dimension of (B, ...) activations that holds the channels.

    The first hint whose number of channels is found where it says decides. Without a fitting one convolutions
    alone mean 1 and linear layers alone -1, and nothing at all means 1, as spectrograms have it.
    Raises AttachError where the layers beside the point contradict each other.
    """
    if len(shape) <= 2:
        return 1
    for hint in hints:
        # (B, tokens, E) behind a norm over E
        if hint.axis in ("last", "either") and shape[-1] == hint.channels:
            return -1
        if hint.axis in ("second", "either") and shape[1] == hint.channels:
            return 1
    axes = {"last" if hint.axis == "either" else hint.axis for hint in hints}
    if len(axes) > 1:
        raise AttachError(
            f"{what} gives {tuple(shape)}, and which dimension holds the channels cannot be told: name a norm, a "
            f"convolution or a linear layer by sites= or the step's site"
        )
    return -1 if axes == {"last"} else 1


def channels_second(h: Tensor, axis: int, folded: bool) -> Tensor:
    """(B, ..., C) or (B, C, ...) as (B, C, ...); ``folded``: (B, parts of a sample, ...) come first."""
    return h.movedim(-1 if axis == -1 else 1 + folded, 1)


def channels_back(h: Tensor, axis: int, folded: bool) -> Tensor:
    """Inverse of :func:`channels_second`."""
    return h.movedim(1, -1 if axis == -1 else 1 + folded)


def batch_dimension(h: Tensor, size: int, *, prefer: int = 0) -> tuple[int, int]:
    """(dimension that holds the batch, rows per sample) of activations that are not (B, ...) alone.

    Known as well are (L, B, E), as recurrent nets have it, and (B * L, E), where each token is a row.
    ``prefer`` decides between dimensions 0 and 1 where both are as long as the batch.
    """
    if prefer and h.ndim >= 3 and h.shape[1] == size:
        return 1, 1
    if size == 0 or h.shape[0] == size:
        return 0, 1
    if h.ndim >= 3 and h.shape[1] == size:
        return 1, 1
    if h.shape[0] % size == 0:
        return 0, h.shape[0] // size
    return 0, 1
