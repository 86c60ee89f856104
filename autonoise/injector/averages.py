"""The average of the weights of many updates, where a policy asks for one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from autonoise.injector.attached import Attached
from autonoise.technique.averaging import AveragingTechnique
from autonoise.technique.step import Step
from autonoise.types import Batch, Stage


class Averages:
    """Keeps the average, in float32 at least, of all weights and running statistics of the model.

    Attributes:
        count: the number of updates whose weights are in it; 0: there is none, and the weights themselves count.
        asked: whether anybody has used it.
    """

    def __init__(self, attached: Attached) -> None:
        self._attached = attached
        self._values: dict[str, Tensor] = {}
        self.count, self.asked = 0, False

    def _step(self) -> tuple[int, Step] | None:
        steps = self._attached.policy.at_stage(Stage.STEP)
        return next(((i, s) for i, s in steps if isinstance(s.technique, AveragingTechnique)), None)

    @torch.no_grad()
    def update(self) -> None:
        """After each update of the optimiser."""
        found = self._step()
        if found is None:
            return
        (index, step), attached = found, self._attached
        clock = attached.clock
        if attached.strength * step.schedule(clock.progress) <= 0:
            self._values, self.count = {}, 0
            return
        # an update that the gate or the probability leaves out adds nothing to the average
        strength = min(clock.strength(step, index, attached.strength), 1.0)
        if strength <= 0:
            return
        now = _numbers(attached.inner)
        if not self.count:
            self._values = {k: v.to(_wide(v.dtype), copy=True) for k, v in now.items()}
        else:
            assert isinstance(step.technique, AveragingTechnique)
            share = step.technique.share(averaged=self.count, updates=clock.planned)
            share = 1 - strength * (1 - share)
            for name, value in now.items():
                self._values[name].lerp_(value.to(self._values[name].dtype), share)
        self.count += 1

    def state_dict(self) -> dict[str, Tensor]:
        """The model's own state with the average in it; without one its state as it is."""
        self.asked = True
        state = {k: v.detach().clone() for k, v in self._attached.inner.state_dict().items()}
        return state | {k: v.to(state[k].dtype) for k, v in self._values.items() if k in state}

    @contextmanager
    def in_model(self, batches: Iterable[Batch] | None = None) -> Iterator[None]:
        """The model has the average in it meanwhile; see ``NoiseInjector.averaged``."""
        self.asked = True
        if not self.count:
            yield
            return
        model = self._attached.inner
        before = {k: v.detach().clone() for k, v in model.state_dict().items()}
        try:
            _write(model, {k: v for k, v in self._values.items() if k in before})
            if batches is not None:
                self._estimate(batches)
            yield
        finally:
            _write(model, before)

    @torch.no_grad()
    def _estimate(self, batches: Iterable[Batch]) -> None:
        """Running statistics of batch norm anew, as the plain mean over batches in training mode."""
        model = self._attached.inner
        norms = [m for m in model.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm) and m.track_running_stats]
        if not norms:
            return
        momenta, training = [norm.momentum for norm in norms], model.training
        model.train()
        try:
            for norm in norms:
                norm.reset_running_stats()
                norm.momentum = None
            for batch in batches:
                self._attached.forward(batch)
        finally:
            model.train(training)
            for norm, momentum in zip(norms, momenta, strict=True):
                norm.momentum = momentum

    def saved(self) -> dict[str, Any] | None:
        """What a checkpoint holds of it."""
        return {"count": self.count, "values": dict(self._values)} if self.count else None

    def restore(self, state: Mapping[str, Any] | None) -> None:
        self.count = 0 if state is None else int(state["count"])
        device = next((p.device for p in self._attached.inner.parameters()), torch.device("cpu"))
        self._values = {} if state is None else {k: v.to(device, copy=True) for k, v in state["values"].items()}


def _numbers(model: nn.Module) -> dict[str, Tensor]:
    """Weights and statistics; counters and other whole numbers have no average."""
    return {k: v for k, v in model.state_dict().items() if v.is_floating_point()}


def _wide(dtype: torch.dtype) -> torch.dtype:
    # in half precision a small share of the newest weights would be rounded away
    return torch.float32 if dtype in (torch.float16, torch.bfloat16) else dtype


@torch.no_grad()
def _write(model: nn.Module, values: Mapping[str, Tensor]) -> None:
    now = model.state_dict()
    for name, value in values.items():
        now[name].copy_(value)
