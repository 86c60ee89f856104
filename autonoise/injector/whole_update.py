"""The whole-step form: every stage of one update, and what step techniques may ask for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

import torch
from torch import Generator, Tensor, nn
from torch.optim import Optimizer

from autonoise.errors import AttachError
from autonoise.injector import before_forward as perturbing
from autonoise.injector.clock import LEAF, Clock
from autonoise.ops.random import seed_from
from autonoise.technique.stages import StepTechnique
from autonoise.technique.step import SECOND_GRADIENT, views_of
from autonoise.types import Batch, BatchInfo, Stage

if TYPE_CHECKING:
    from autonoise.injector.injector import NoiseInjector
    from autonoise.technique.step import Step

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
            i: {"head": m.state_dict(), "optimizer": self._optimizers[i].state_dict()} for i, m in self._modules.items()
        }
        return made | self._waiting

    def load_state_dict(self, state: dict[int, Any]) -> None:
        """Heads are made on first use; until then their state waits."""
        self._modules, self._optimizers, self._waiting = {}, {}, dict(state)


class RunningStep:
    """The :class:`autonoise.technique.stages.StepView` of one step technique."""

    def __init__(
        self,
        injector: NoiseInjector,
        index: int,
        strength: float,
        clean: Batch,
        clean_targets: Tensor,
        noisy: Batch,
        targets: Tensor,
        logits: Tensor,
        again: Callable[[], None],
        together: Tensor | None = None,
    ) -> None:
        self._injector, self._index, self._views = injector, index, 0
        self._again, self._together = again, together
        self.clean, self.clean_targets = clean, clean_targets
        self.noisy, self.targets, self.logits = noisy, targets, logits
        self.strength, self.spec, self.model = strength, injector.spec, injector.inner
        self.mixed = bool(injector.policy.at_stage(Stage.PAIR))
        self.rng: Generator = injector.clock.rng(index, LEAF, 0, logits.device)

    def forward(self, x: Batch, *, statistics: bool = False) -> Tensor:
        with self._injector.layers.quiet():
            if statistics:
                return self._injector.forward(x)
            with perturbing.frozen_statistics(self.model):
                return self._injector.forward(x)

    def view_logits(self, views: int) -> Tensor:
        if self._together is not None:
            return self._together
        batches = [self.clean, *(self.again() for _ in range(views))]
        return split_again(self.forward(stacked(batches)), len(batches))

    def loss(self, logits: Tensor, targets: Tensor) -> Tensor:
        return self._injector.loss(logits, targets)

    def again(self, multiplier: float = 1.0) -> Batch:
        self._views += 1
        return draw_again(self._injector, self.clean, 1000 * self._index + self._views, multiplier)

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
        self._again()

    def parameters(self) -> Iterable[nn.Parameter]:
        return [p for p in self.model.parameters() if p.grad is not None]


def draw_again(injector: NoiseInjector, clean: Batch, view: int, multiplier: float = 1.0) -> Batch:
    """The clean batch with another draw of the input noise, number ``view``, at ``multiplier`` times its strength."""
    main, info = injector.open(clean)
    noisy = perturbing.input_stage(injector, main, info, knob=injector.knob * multiplier, view=view)
    return perturbing.closed(injector, clean, main, noisy)


def stacked(batches: Sequence[Batch]) -> Batch:
    """Batches of one form after one another as one batch; what has no rows (a flag, a number) is the first's."""
    first: Any = batches[0]
    if isinstance(first, Tensor):
        return torch.cat(list(batches))  # type: ignore[arg-type]
    columns: Any = batches
    return {
        key: torch.cat([b[key] for b in columns]) if isinstance(value, Tensor) and value.ndim else value
        for key, value in first.items()
    }


def split_again(logits: Tensor, parts: int) -> Tensor:
    """(parts, B, C) of the logits of so many batches that went through as one."""
    return logits.reshape(parts, -1, logits.shape[-1])


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
        state = _global_state(injector.inner) if self._repeats() else None

        def again() -> None:
            for parameter in injector.inner.parameters():
                parameter.grad = None
            # heads learn from the pass that the model learns from
            injector.heads.zero_grad()
            with _same_draws(state), perturbing.frozen_statistics(injector.inner):
                self._backward(x, y, noisy, targets, again)

        loss, running = self._backward(x, y, noisy, targets, again)
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

    def _backward(
        self, x: Batch, y: Tensor, noisy: Batch, targets: Tensor, again: Callable[[], None]
    ) -> tuple[Tensor, list[tuple[Step, RunningStep]]]:
        """The loss with all that step techniques add to it, forward and backward; a function of the clock alone, so
        that doing it twice in an update has the same noise, views and masks.
        """
        injector = self._injector
        together = self._views_together(x, noisy)
        logits = injector.forward(noisy, synchronised=True) if together is None else together[0]
        loss = injector.loss(logits, targets)
        soft = injector.soft(y) if self._acting() else y
        running = [
            (step, RunningStep(injector, index, strength, x, soft, noisy, targets, logits, again, together))
            for index, step, strength in self._acting()
        ]
        with_views = []
        for step, view in running:
            assert isinstance(step.technique, StepTechnique)
            extra = step.technique.extra_loss(view)
            if extra is not None:
                loss = loss + extra
                if together is None:
                    with_views.append(step.name)
        with injector.layers.no_recompute(with_views) if with_views else nullcontext():
            loss.backward()  # type: ignore[no-untyped-call]
        return loss, running

    def _acting(self) -> list[tuple[int, Step, float]]:
        """(index, step, strength) of the step techniques that act in this update."""
        injector = self._injector
        if not injector.model.training:
            return []
        steps = [(i, s, injector.clock.strength(s, i, injector.knob)) for i, s in injector.policy.at_stage(Stage.STEP)]
        return [(i, s, strength) for i, s, strength in steps if strength > 0]

    def _repeats(self) -> bool:
        """Whether a technique of this update may ask for a second backward pass."""
        return any(SECOND_GRADIENT in s.technique.tags for _, s, _ in self._acting())

    def _views_together(self, x: Batch, noisy: Batch) -> Tensor | None:
        """Logits (1 + views, B, C) of a pass over the clean batch, the noisy one and further draws as one batch.

        None where no active step wants views, or another technique needs the noisy batch for itself.
        """
        injector = self._injector
        wanting = [(i, s) for i, s, _ in self._acting() if views_of(s)]
        if not wanting or injector.policy.views_apart:
            return None
        index, step = wanting[0]
        more = [draw_again(injector, x, 1000 * index + k) for k in range(1, views_of(step))]
        batches = [x, noisy, *more]
        whole = stacked(batches)
        # inner noise has its own strength for every row of the whole
        injector.begin(injector.adapter.size(whole), None, whole)
        return split_again(injector.forward(whole, synchronised=True), len(batches))

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
                tools = {
                    "rng": injector.clock.rng(index, LEAF, 1, device),
                    "spec": injector.spec,
                    "forward": injector.forward,
                    "open": injector.open,
                    "close": injector.adapter.close,
                }
                with injector.layers.quiet():
                    cost += technique.pretrain(injector.inner, batches, tools)
        return cost


def _global_state(model: nn.Module) -> dict[int | None, Tensor]:
    """The state of torch's global generators, by CUDA device (None: CPU), which the model's own dropout draws from."""
    cuda = {p.device.index for p in model.parameters() if p.device.type == "cuda"}
    on_device: dict[int | None, Tensor] = {index: torch.cuda.get_rng_state(index) for index in cuda}
    return on_device | {None: torch.get_rng_state()}


@contextmanager
def _same_draws(state: dict[int | None, Tensor] | None) -> Iterator[None]:
    """The global generators start at ``state`` inside, and are as before afterwards."""
    state = state or {}
    with torch.random.fork_rng(devices=[index for index in state if index is not None]):
        for index, of_device in state.items():
            if index is None:
                torch.set_rng_state(of_device)
            else:
                torch.cuda.set_rng_state(of_device, index)
        yield
