"""What an injector is attached to, for reading: policy, model, input description, progress."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from typing import Any

from torch import Tensor, nn

from autonoise.batches import BatchAdapter
from autonoise.injector import saving
from autonoise.injector.attached import Attached
from autonoise.injector.averages import Averages
from autonoise.injector.clock import Clock
from autonoise.injector.heads import Heads
from autonoise.injector.placing import Placed
from autonoise.injector.raw import RawTransform
from autonoise.injector.views import Views
from autonoise.technique.step import Steps
from autonoise.types import Batch, InputSpec


class Surroundings:
    """The part of :class:`autonoise.injector.injector.NoiseInjector` beside the training loop."""

    attached: Attached
    placed: Placed
    heads: Heads
    raw: list[RawTransform]
    _own_seed: bool
    _averages: Averages
    _views: Views

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

    @property
    def averages(self) -> bool:
        """Whether there is an average of the weights, which the policy asks for."""
        return self._averages.count > 0

    def forward(self, x: Batch) -> Tensor:
        """Logits of the model, which is called as in training."""
        return self.attached.forward(x)

    def spec_for(self, x: Batch) -> InputSpec:
        """The description of batches such as x: that of training, or what x shows as long as there was no training."""
        return self.attached.spec_for(x)

    def clean(self, values: Any) -> Any:
        """Of logits, targets or a batch with several versions of each row (see ``perturb``) those of the clean one.

        Everything else comes back as it is. Where no version is clean (R-Drop, VAT), it is the first.
        """
        return self._views.clean(values)

    def averaged(self, batches: Iterable[Batch] | None = None) -> AbstractContextManager[None]:
        """``with injector.averaged():`` the model has the average of its weights that the policy asks for.

        Without such a step nothing is swapped. ``batches``: some inputs as the model gets them in training, to estimate
        batch norm's running statistics anew; by default they are averaged like weights.
        """
        return self._averages.in_model(batches)

    def averaged_state_dict(self) -> dict[str, Tensor]:
        """``model.state_dict()`` with the average of the weights in it, where the policy asks for one; a copy."""
        return self._averages.state_dict()

    def state_dict(self) -> dict[str, Any]:
        """What resuming needs: progress, seed, the strength knob, the input as first met, and auxiliary heads."""
        return saving.state_of(self.attached, self.heads, self._averages)

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Raises AttachError when the state is of another policy."""
        # the transform that came before the injector keeps its own seed
        saving.restore(self.attached, self.heads, self._averages, self.raw[0 if self._own_seed else 1 :], state)

    def set_strength(self, strength: float) -> None:
        """Change the global strength from the next micro-batch or string on (used by RobustnessMonitor)."""
        self.attached.knob.value = strength
