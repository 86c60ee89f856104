"""The same random numbers once more: a second pass in which the model's own dropout removes what it removed before."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


def global_state(model: nn.Module) -> dict[int | None, Tensor]:
    """The state of torch's global generators, by CUDA device (None: CPU), which the model's own dropout draws from."""
    cuda = {p.device.index for p in model.parameters() if p.device.type == "cuda"}
    on_device: dict[int | None, Tensor] = {index: torch.cuda.get_rng_state(index) for index in cuda}
    return on_device | {None: torch.get_rng_state()}


@contextmanager
def same_draws(state: dict[int | None, Tensor] | None) -> Iterator[None]:
    """The global generators start at ``state`` inside, and are as before afterwards."""
    state = state or {}
    with torch.random.fork_rng(devices=[index for index in state if index is not None]):
        for index, of_device in state.items():
            if index is None:
                torch.set_rng_state(of_device)
            else:
                torch.cuda.set_rng_state(of_device, index)
        yield
