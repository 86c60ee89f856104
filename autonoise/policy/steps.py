"""The whole-step form: every stage of one update, and what step techniques may ask for."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import torch
from torch import Generator, Tensor, nn
from torch.optim import Optimizer

from autonoise.errors import AttachError
from autonoise.ops.random import seed_from
from autonoise.policy import perturbing
from autonoise.policy.clock import LEAF, Clock
from autonoise.stages import StepTechnique
from autonoise.types import Batch, BatchInfo, Stage

if TYPE_CHECKING:
    from autonoise.policy.injector import NoiseInjector
    from autonoise.policy.policy import Step

HEAD_LEARNING_RATE = 1e-3


class Heads:
    """Auxiliary heads by step index, with their own optimiser; the user's model and optimiser stay as they are."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._modules: dict[int, nn.Module] = {}
        self._optimizers: dict[int, torch.optim.Optimizer] = {}
        self._waiting: dict[int, Any] = {}

    def get(self, index: int, make: Callable[[], nn.Module], device: torch.device) -> nn.Module:
        if index not in self._modules:
            # modules draw their initial weights from the global stream, which belongs to the user
            with torch.random.fork_rng(devices=[]):
                torch.default_generator.manual_seed(seed_from(self._clock.seed, index))
                head = make().to(device)
            self._modules[index] = head
            self._optimizers[index] = torch.optim.AdamW(head.parameters(), lr=HEAD_LEARNING_RATE)
            if index in self._waiting:
                saved = self._waiting.pop(index)
                head.load_state_dict(saved["head"])
                self._optimizers[index].load_state_dict(saved["optimizer"])
        return self._modules[index]

    def zero_grad(self) -> None:
        for optimizer in self._optimizers.values():
            optimizer.zero_grad(set_to_none=True)

    def step(self) -> None:
        for optimizer in self._optimizers.values():
            optimizer.step()

    def state_dict(self) -> dict[int, Any]:
        made = {
            i: {"head": m.state_dict(), "optimizer": self._optimizers[i].state_dict()}
            for i, m in self._modules.items()
        }
        return made | self._waiting

    def load_state_dict(self, state: dict[int, Any]) -> None:
        """Heads are made on first use; until then their state waits."""
        self._modules, self._optimizers, self._waiting = {}, {}, dict(state)


class RunningStep:
    """The :class:`autonoise.stages.StepView` of one step technique."""

    def __init__(
        self, injector: NoiseInjector, index: int, strength: float, clean: Batch, clean_targets: Tensor,
        noisy: Batch, targets: Tensor, logits: Tensor, features: Tensor | None,
    ) -> None:
        self._injector, self._index, self._views = injector, index, 0
        self._features = features
        self.clean, self.clean_targets = clean, clean_targets
        self.noisy, self.targets, self.logits = noisy, targets, logits
        self.strength, self.spec, self.model = strength, injector.spec, injector.inner
        self.rng: Generator = injector.clock.rng(index, LEAF, 0, logits.device)

    def forward(self, x: Batch, *, statistics: bool = False) -> Tensor:
        with self._injector.layers.quiet():
            if statistics:
                return self._injector.forward(x)
            with perturbing.frozen_statistics(self.model):
                return self._injector.forward(x)

    def loss(self, logits: Tensor, targets: Tensor) -> Tensor:
        return self._injector.loss(logits, targets)

    def again(self, multiplier: float = 1.0) -> Batch:
        self._views += 1
        injector, view = self._injector, 1000 * self._index + self._views
        knob = injector.knob * multiplier

        def draw(main: Tensor, info: BatchInfo) -> Tensor:
            return perturbing.input_stage(injector, main, info, knob=knob, view=view)

        return self.map_input(draw)

    def map_input(self, function: Callable[[Tensor, BatchInfo], Tensor]) -> Batch:
        main, info = self._injector.open(self.clean)
        return perturbing.closed(self._injector, self.clean, main, function(main, info))

    def canonical(self, x: Batch) -> tuple[Tensor, BatchInfo]:
        return self._injector.open(x)

    def features(self, x: Batch) -> tuple[Tensor, Tensor]:
        logits = self.forward(x)
        found = self._injector.layers.capture.get("penultimate")
        if found is None:
            raise AttachError(
                "an auxiliary loss needs the features before the classifier, but the model has no nn.Linear at its "
                "end: name it by sites={'penultimate': 'module'}"
            )
        # heads are float32 whatever the model is
        return found.flatten(1).float(), logits

    def head(self, make: Callable[[], nn.Module]) -> nn.Module:
        return self._injector.heads.get(self._index, make, self.logits.device)

    def backward_again(self) -> None:
        for parameter in self.model.parameters():
            parameter.grad = None
        with perturbing.frozen_statistics(self.model):
            logits = self._injector.forward(self.noisy, synchronised=True)
            self._injector.loss(logits, self.targets).backward()  # type: ignore[no-untyped-call]

    def parameters(self) -> Iterable[nn.Parameter]:
        return [p for p in self.model.parameters() if p.grad is not None]


class StepRunner:
    """Runs whole training steps and pre-training phases for an injector."""

    def __init__(self, injector: NoiseInjector) -> None:
        self._injector = injector

    def run(self, x: Batch, y: Tensor, optimizer: Optimizer, max_norm: float | None) -> Tensor:
        injector = self._injector
        injector.steps_ran = True
        try:
            noisy, targets = injector.perturb(x, y)
        finally:
            injector.steps_ran = False
        optimizer.zero_grad(set_to_none=True)
        injector.heads.zero_grad()
        logits = injector.forward(noisy, synchronised=True)
        loss = injector.loss(logits, targets)
        running = self._running(x, y, noisy, targets, logits)
        with_views = []
        for step, view in running:
            assert isinstance(step.technique, StepTechnique)
            extra = step.technique.extra_loss(view)
            if extra is not None:
                loss = loss + extra
                with_views.append(step.name)
        with injector.layers.no_recompute(with_views) if with_views else nullcontext():
            loss.backward()  # type: ignore[no-untyped-call]
        for step, view in running:
            assert isinstance(step.technique, StepTechnique)
            step.technique.after_backward(view)
        if max_norm is not None:
            nn.utils.clip_grad_norm_(injector.inner.parameters(), max_norm)
        if injector.optimizer_hook is None:
            injector.gradient()
        optimizer.step()
        injector.heads.step()
        injector.step()
        injector.layers.capture.clear()
        return loss.detach()

    def _running(
        self, x: Batch, y: Tensor, noisy: Batch, targets: Tensor, logits: Tensor
    ) -> list[tuple[Step, RunningStep]]:
        injector = self._injector
        out = []
        features = injector.layers.capture.get("penultimate")
        for index, step in injector.policy.at_stage(Stage.STEP):
            strength = injector.clock.strength(step, index, injector.knob) if injector.model.training else 0.0
            if strength > 0:
                view = RunningStep(
                    injector, index, strength, x, injector.soft(y), noisy, targets, logits, features
                )
                out.append((step, view))
        return out

    def pretrain(self, batches: Callable[[], Iterable[Batch]]) -> float:
        injector = self._injector
        cost = 0.0
        if injector.pretrains and injector.model is not injector.inner:
            raise AttachError("pre-training is not averaged over processes: pre-train before the model is wrapped")
        for index, step in injector.policy.at_stage(Stage.STEP):
            technique = step.technique
            assert isinstance(technique, StepTechnique)
            if technique.pretrains:
                device = next(injector.inner.parameters()).device
                tools = {"rng": injector.clock.rng(index, LEAF, 1, device), "spec": injector.spec,
                         "forward": injector.forward, "open": injector.open, "close": injector.adapter.close}
                with injector.layers.quiet():
                    cost += technique.pretrain(injector.inner, batches, tools)
        return cost
