"""What modules give besides one tensor: packed sequences, and the last states of recurrent layers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

Change = Callable[[Tensor], Tensor]


def changed_output(module: nn.Module, out: Any, change: Change, *, tokens_first: bool) -> Any:
    """The output of a module with its (first) tensor changed, in the same form; None where it holds no tensor.

    The last state that a recurrent layer gives beside its outputs is the output at each sequence's end, and changes
    with it. ``tokens_first``: a packed sequence is unpacked as (L, B, E), and as (B, L, E) otherwise.
    """
    if isinstance(out, Tensor):
        return change(out)
    if isinstance(out, PackedSequence):
        return _packed(out, change, tokens_first=tokens_first)
    if not isinstance(out, tuple) or not out or not isinstance(out[0], Tensor | PackedSequence):
        return None
    first, rest = changed_output(module, out[0], change, tokens_first=tokens_first), list(out[1:])
    if isinstance(module, nn.RNNBase) and len(rest) == 1 and first is not out[0]:
        rest = [_last_states(module, first, rest[0])]
    make = getattr(out, "_make", tuple)  # a named tuple stays one
    return make([first, *rest])


def _packed(out: PackedSequence, change: Change, *, tokens_first: bool) -> PackedSequence:
    padded, lengths = pad_packed_sequence(out, batch_first=not tokens_first)
    h = change(padded)
    if h is padded:
        return out
    h = h.transpose(0, 1) if tokens_first else h
    if out.sorted_indices is not None:
        h, lengths = h[out.sorted_indices], lengths[out.sorted_indices.cpu()]
    data = pack_padded_sequence(h, lengths, batch_first=True).data
    return PackedSequence(data, out.batch_sizes, out.sorted_indices, out.unsorted_indices)


def _last_states(module: nn.RNNBase, outputs: Any, states: Any) -> Any:
    """The states after the last step, where those of the last layer are taken from the changed outputs."""
    if isinstance(outputs, PackedSequence):
        h, lengths = pad_packed_sequence(outputs, batch_first=True)
        last = lengths.to(h.device) - 1
    elif outputs.ndim < 3:
        return states  # a single sequence without a batch
    else:
        h = outputs if module.batch_first else outputs.transpose(0, 1)
        last = torch.full((h.shape[0],), h.shape[1] - 1, device=h.device)
    width = module.proj_size or module.hidden_size
    ends = [h[torch.arange(h.shape[0], device=h.device), last, :width]]
    if module.bidirectional:
        # the backward direction ends at the first step
        ends.append(h[:, 0, width:])
    hidden = states[0] if isinstance(states, tuple) else states
    hidden = torch.cat([hidden[: -len(ends)], torch.stack(ends).to(hidden.dtype)])
    return (hidden, *states[1:]) if isinstance(states, tuple) else hidden
