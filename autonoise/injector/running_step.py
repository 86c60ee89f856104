"""What a technique of the step stage sees of the update that is running, and may ask for."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from torch import Generator, Tensor, nn

from autonoise.errors import AttachError
from autonoise.injector.attached import Attached, frozen_statistics
from autonoise.injector.before_forward import draw_again, view_number
from autonoise.injector.changed import closed
from autonoise.injector.clock import LEAF
from autonoise.injector.heads import Heads
from autonoise.injector.in_model import LayerNoise
from autonoise.injector.losses import loss_of
from autonoise.types import Batch, BatchInfo, Stage


class RunningStep:
    """The :class:`autonoise.technique.stages.StepView` of one step technique in one update.

    Args:
        index: the technique's position in the policy.
        strength: its strength in this update.
        clean, clean_targets, noisy, targets, logits: see the protocol.
        again: does the forward and backward pass of the update a second time.
    """

    def __init__(
        self,
        attached: Attached,
        layers: LayerNoise,
        heads: Heads,
        *,
        index: int,
        strength: float,
        clean: Batch,
        clean_targets: Tensor,
        noisy: Batch,
        targets: Tensor,
        logits: Tensor,
        again: Callable[[], None],
    ) -> None:
        self._attached, self._layers, self._heads = attached, layers, heads
        self._index, self._views, self._again = index, 0, again
        self.clean, self.clean_targets = clean, clean_targets
        self.noisy, self.targets, self.logits = noisy, targets, logits
        self.strength, self.spec, self.model = strength, attached.spec, attached.inner
        self.mixed = bool(attached.policy.at_stage(Stage.PAIR))
        self.rng: Generator = attached.clock.rng(index, LEAF, 0, logits.device)

    def forward(self, x: Batch, *, statistics: bool = False) -> Tensor:
        with self._layers.quiet():
            if statistics:
                return self._attached.forward(x)
            with frozen_statistics(self.model):
                return self._attached.forward(x)

    def loss(self, logits: Tensor, targets: Tensor) -> Tensor:
        return loss_of(self._attached, logits, targets)

    def again(self, multiplier: float = 1.0) -> Batch:
        self._views += 1
        return draw_again(self._attached, self.clean, view_number(self._index, self._views), multiplier)

    def map_input(self, function: Callable[[Tensor, BatchInfo], Tensor]) -> Batch:
        main, info = self._attached.open(self.clean)
        return closed(self._attached, self.clean, main, function(main, info))

    def canonical(self, x: Batch) -> tuple[Tensor, BatchInfo]:
        return self._attached.open(x)

    def features(self, x: Batch) -> tuple[Tensor, Tensor]:
        logits = self.forward(x)
        found = self._layers.capture.get("penultimate")
        if found is None:
            raise AttachError(
                "an auxiliary loss needs the features before the classifier, but the model has no nn.Linear at its "
                "end: name it by sites={'penultimate': 'module'}"
            )
        # heads are float32 whatever the model is
        return found.flatten(1).float(), logits

    def head(self, make: Callable[[], nn.Module]) -> nn.Module:
        return self._heads.get(self._index, make, self.logits.device)

    def backward_again(self) -> None:
        self._again()

    def parameters(self) -> Iterable[nn.Parameter]:
        return [p for p in self.model.parameters() if p.grad is not None]
