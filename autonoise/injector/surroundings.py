"""What an injector is attached to, for reading: policy, model, input description, progress."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from autonoise.batches import BatchAdapter
from autonoise.injector.attached import Attached
from autonoise.injector.clock import Clock
from autonoise.injector.placing import Placed
from autonoise.technique.step import Steps
from autonoise.types import Batch, InputSpec


class Surroundings:
    """The part of :class:`autonoise.injector.injector.NoiseInjector` that only tells."""

    attached: Attached
    placed: Placed

    @property
    def policy(self) -> Steps:
        """The steps that act, as they were attached."""
        return self.attached.policy

    @property
    def model(self) -> nn.Module:
        """The model as it was given, which may be a wrapper such as DistributedDataParallel."""
        return self.attached.model

    @property
    def inner(self) -> nn.Module:
        """The model inside of the wrapper; the same as ``model`` where there is none."""
        return self.attached.inner

    @property
    def spec(self) -> InputSpec:
        """What the batches look like; complete once the first has been seen."""
        return self.attached.spec

    @property
    def adapter(self) -> BatchAdapter:
        """Reads and writes batches of the data type."""
        return self.attached.adapter

    @property
    def clock(self) -> Clock:
        """The update that training has reached."""
        return self.attached.clock

    @property
    def knob(self) -> float:
        """The global strength, the policy's until ``set_strength`` changes it."""
        return self.attached.strength

    @property
    def places(self) -> Mapping[int, int]:
        """By the index of a step that acts inside the model, the number of places at which it does."""
        return self.placed.places

    def forward(self, x: Batch) -> Tensor:
        """Logits of the model, which is called as in training."""
        return self.attached.forward(x)

    def spec_for(self, x: Batch) -> InputSpec:
        """The description of batches such as x: that of training, or what x shows as long as there was no training."""
        return self.attached.spec_for(x)
