from __future__ import annotations

from typing import ClassVar

import torch
from torch import Generator, Tensor

from autonoise.ops.random import rand
from autonoise.technique import ActivationNoise, BatchInfo, Family, ranged, technique, whole


@technique(
    data_types={"audio"},
    family=Family.OCCLUSION,
    reference="Park et al. 2019, SpecAugment: A Simple Data Augmentation Method for Automatic Speech Recognition",
)
class SpecAugment(ActivationNoise):
    """Replace random bands of frequency and random stretches of time of a spectrogram by its mean.

    h: (B, F, T) or (B, 1, F, T), the spectrogram that the model's front end computes. Each of ``masks`` bands has a
    width that is uniform in 0 .. strength * frequency * F and a random place. The same is done in time with ``time``,
    within the frames that are not padding. The mean is used because 0 would be a loud sound in a log-mel spectrogram.
    """

    frequency: float = ranged(0.05, 0.33, default=0.15, unit="bins", maximum=1.0)
    time: float = ranged(0.02, 0.2, default=0.1, unit="frames", maximum=1.0)
    masks: int = whole(1, 2, default=1, maximum=10)
    default_site: ClassVar[str] = "front_end"
    channels: ClassVar[bool] = True

    def perturb(self, h: Tensor, *, strength: Tensor, rng: Generator, info: BatchInfo) -> Tensor:
        s = strength.reshape(-1, 1).float()
        size = s.new_full(s.shape, h.shape[-1])
        if info.filled is not None:
            size = (info.filled.to(s)[:, None] * h.shape[-1]).ceil().clamp(1, h.shape[-1])
        bands = self._hit(h.shape[-2], s.new_full(s.shape, h.shape[-2]), s * self.frequency, rng).unsqueeze(-1)
        spans = self._hit(h.shape[-1], size, s * self.time, rng).unsqueeze(-2)
        true = (torch.arange(h.shape[-1], device=h.device) < size).unsqueeze(-2)
        masked, dims = (bands | spans) & true, tuple(range(1, h.ndim))
        if h.ndim == 4:
            masked, true = masked.unsqueeze(1), true.unsqueeze(1)
        # each frequency has the same number of true frames, so the mean over all frames can be divided by their share
        share = (size / h.shape[-1]).reshape(-1, *[1] * (h.ndim - 1)).to(h)
        mean = h.where(true, 0).mean(dim=dims, keepdim=True) / share
        return torch.where(masked, mean, h)

    def _hit(self, places: int, size: Tensor, fraction: Tensor, rng: Generator) -> Tensor:
        """Return a bool mask (B, places), True where a mask covers one of the first ``size`` (B, 1) places.

        Each mask is at most ``fraction`` (B, 1) of ``size`` wide.
        """
        u = rand((2, fraction.shape[0], self.masks, 1), rng, fraction)
        most, size = (fraction.clamp(max=1) * size).unsqueeze(-1), size.unsqueeze(-1)
        width = (u[0] * (most + (most > 0))).floor().minimum(size)
        start = (u[1] * (size - width + 1)).floor()
        place = torch.arange(places, device=fraction.device)
        return ((place >= start) & (place < start + width)).any(1)
