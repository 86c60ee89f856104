"""One whole update: forward and backward with everything that techniques of the step stage add; pre-training phases."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext

from torch import Tensor
from torch.amp import GradScaler

from autonoise.errors import AttachError
from autonoise.injector.attached import Attached, frozen_statistics
from autonoise.injector.clock import LEAF
from autonoise.injector.heads import Heads
from autonoise.injector.in_model import LayerNoise
from autonoise.injector.running_step import RunningStep
from autonoise.injector.same_draws import global_state, same_draws
from autonoise.injector.views import Views
from autonoise.technique.cost import SECOND_GRADIENT
from autonoise.technique.stages import StepTechnique
from autonoise.technique.step import Step
from autonoise.types import Batch, Stage


class WholeUpdate:
    """Computes the gradients of one update, and runs pre-training phases."""

    def __init__(self, attached: Attached, layers: LayerNoise, heads: Heads, views: Views) -> None:
        self._attached, self._layers, self._heads, self._views = attached, layers, heads, views
        self._scaler: GradScaler | None = None

    def backward(self, x: Batch, y: Tensor, noisy: Batch, targets: Tensor, scaler: GradScaler | None = None) -> Tensor:
        """Leaves the gradients of an update in the parameters, and returns the loss.

        ``x``, ``y``: the batch as the user gave it; ``noisy``, ``targets``: what ``injector.perturb`` hands out for
        it. ``scaler`` multiplies the loss, and with it all gradients, those of heads too. A technique may ask for
        forward and backward a second time, with the same noise throughout.
        """
        attached = self._attached
        self._heads.zero_grad()
        self._scaler = scaler
        state = global_state(attached.inner) if self._repeats() else None

        def again() -> None:
            for parameter in attached.inner.parameters():
                parameter.grad = None
            # a head learns from the same pass as the model: the last one
            self._heads.zero_grad()
            with same_draws(state), frozen_statistics(attached.inner):
                self._pass(x, y, noisy, targets, again)

        loss, running = self._pass(x, y, noisy, targets, again)
        for step, view in running:
            assert isinstance(step.technique, StepTechnique)
            step.technique.after_backward(view)
        return loss

    def _pass(
        self, x: Batch, y: Tensor, noisy: Batch, targets: Tensor, again: Callable[[], None]
    ) -> tuple[Tensor, list[tuple[Step, RunningStep]]]:
        """The loss with all that step techniques add to it, forward and backward.

        All that is drawn is a function of the clock alone, so that a second pass in the same update has the same
        noise, views and masks.
        """
        attached, acting = self._attached, self._acting()
        logits = attached.forward(noisy, synchronised=True)
        loss = self._views.loss(logits, targets)
        noisy, targets, logits = self._views.first(noisy, targets, logits)
        soft = attached.soft(y) if acting else y
        running = [
            (
                step,
                RunningStep(
                    attached,
                    self._layers,
                    self._heads,
                    index=index,
                    strength=strength,
                    clean=x,
                    clean_targets=soft,
                    noisy=noisy,
                    targets=targets,
                    logits=logits,
                    again=again,
                ),
            )
            for index, step, strength in acting
        ]
        with_passes = []
        for step, view in running:
            assert isinstance(step.technique, StepTechnique)
            extra = step.technique.extra_loss(view)
            if extra is not None:
                loss = loss + extra
                with_passes.append(step.name)
        with self._layers.no_recompute(with_passes) if with_passes else nullcontext():
            (loss if self._scaler is None else self._scaler.scale(loss)).backward()  # type: ignore[no-untyped-call]
        return loss, running

    def _acting(self) -> list[tuple[int, Step, float]]:
        """(index, step, strength) of the step techniques that act in this update."""
        attached = self._attached
        if not attached.model.training:
            return []
        steps = attached.policy.at_stage(Stage.STEP)
        strengths = [(i, s, attached.clock.strength(s, i, attached.strength)) for i, s in steps]
        return [(i, s, m) for i, s, m in strengths if m > 0 and s.technique.whole_step]

    def _repeats(self) -> bool:
        """Whether a technique of this update may ask for a second backward pass."""
        return any(SECOND_GRADIENT in s.technique.tags for _, s, _ in self._acting())

    def pretrain(self, batches: Callable[[], Iterable[Batch]]) -> float:
        """Runs the pre-training phases of the policy; returns their cost in passes over the data."""
        attached = self._attached
        cost = 0.0
        for index, step in attached.policy.at_stage(Stage.STEP):
            technique = step.technique
            assert isinstance(technique, StepTechnique)
            if not technique.pretrains:
                continue
            if attached.model is not attached.inner:
                raise AttachError("pre-training is not averaged over processes: pre-train before the model is wrapped")
            counted = Counted(batches, step.name)
            device = next(attached.inner.parameters()).device
            tools = {
                "rng": attached.clock.rng(index, LEAF, 1, device),
                "spec": attached.spec,
                "forward": attached.forward,
                "open": attached.open,
                "close": attached.adapter.close,
            }
            with self._layers.quiet():
                cost += technique.pretrain(attached.inner, counted, tools)
            counted.check()
        attached.pretrained = True
        return cost


class Counted:
    """A function that gives batches, as the user passed it, and how many batches came of it.

    Raises AttachError for what is no function, and by :meth:`check` where no batch came.
    """

    def __init__(self, batches: Callable[[], Iterable[Batch]], name: str) -> None:
        self._batches, self._name, self._batches_seen = batches, name, 0
        if not callable(batches):
            raise AttachError(f"{name}: pretrain needs {_FUNCTION}, but got {type(batches).__name__}")

    def __call__(self) -> Iterator[Batch]:
        before = self._batches_seen
        for batch in self._batches():
            self._batches_seen += 1
            yield batch
        if before and self._batches_seen == before:
            raise AttachError(f"{self._name}: pretrain met batches only once: pass {_FUNCTION}")

    def check(self) -> None:
        if not self._batches_seen:
            raise AttachError(f"{self._name}: pretrain met no batch: pass {_FUNCTION}")


_FUNCTION = "a function that goes through the data anew at each call, such as lambda: (x for x, y in loader)"
