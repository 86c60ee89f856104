"""A policy's noise as one transform among those of audiomentations."""

from __future__ import annotations

from autonoise.errors import MissingExtraError
from autonoise.injector.sample import SampleTransform
from autonoise.types import Array

try:
    from audiomentations.core.transforms_interface import BaseWaveformTransform
except ImportError:
    raise MissingExtraError.of("audiomentations", "bench", "autonoise.integrations.audiomentations") from None


class NoiseTransform(BaseWaveformTransform):  # type: ignore[misc]
    """``audiomentations.Compose([Gain(), NoiseTransform(policy.transform(epochs=30))])``.

    It takes mono clips of float32 in -1..1, (T,) or (1, T), and their sample rate, as everywhere in audiomentations.
    The noise is that of the policy's transform, by its seed and epoch and by the clip's content, whatever random
    numbers audiomentations draws.

    Args:
        transform: what ``policy.transform()`` returned; call its ``set_epoch`` as always.
        p: the chance that it acts at all; the steps have their own probabilities in addition.
    """

    supports_multichannel = True  # one row of channels is a clip; more are refused by the transform, with the remedy

    def __init__(self, transform: SampleTransform, p: float = 1.0) -> None:
        super().__init__(p)
        self.transform = transform

    def apply(self, samples: Array, sample_rate: int) -> Array:
        noisy: Array = self.transform(samples, sample_rate=sample_rate)
        return noisy
