from __future__ import annotations

import torch
from torch import Generator, Tensor

from autonoise.ops.audio import frequencies
from autonoise.ops.precision import widen
from autonoise.ops.random import rand, randint
from autonoise.technique import BatchInfo, Family, InputNoise, ranged, technique, whole

NARROWEST = 0.05
"""Smallest width of a band as a share of the mel scale: 6 of 128 mel bands in the authors' code."""


@technique(
    data_types={"audio"},
    family=Family.BAND_LIMIT,
    reference="Nam, Kim & Park 2022, FilterAugment: An Acoustic Environmental Data Augmentation Method",
)
class RandomEqualiser(InputNoise):
    """Amplify and damp frequencies by a random curve of up to strength * gain_db decibels either way.

    The curve is straight, in decibels over the mel scale of hearing, between its two ends and 1 to ``bands`` - 1 points
    at random places between them. The decibels at each point are uniform in -gain_db .. gain_db. This is the "linear"
    variant of the paper, applied to the waveform in place of the spectrogram. x: (B, T).
    """

    # 6 decibels and 3 to 5 bands are the values of the authors' code
    gain_db: float = ranged(2.0, 15.0, default=6.0, unit="dB", maximum=60.0)
    bands: int = whole(2, 8, default=5, minimum=1, maximum=19)

    def perturb(self, x: Tensor, *, strength: Tensor, rng: Generator, info: BatchInfo) -> Tensor:
        clean, rows, size = widen(x), len(x), x.shape[1]
        # up to 512 samples of zeros keep the filter's ringing from coming in at the other end
        f = frequencies(size + min(size, 512), x)
        # Stevens, Volkmann & Newman's mel scale, as O'Shaughnessy writes it; 16 kHz where the sample rate is unknown
        mel = torch.log1p(f * (info.spec.sample_rate or 16_000) / 2 / 700)
        mel = mel / mel[-1]
        number = randint(self.bands, (rows, 1), rng, x, low=min(1, self.bands - 1))
        inner = rand((rows, self.bands), rng, clean)
        order = torch.arange(self.bands, device=x.device)
        # points beyond the number drawn go to the end, where they do nothing
        inner = inner.masked_fill(order >= number, 2).sort(dim=1).values
        inner = inner * (1 - NARROWEST * (number + 1)) + NARROWEST * (order + 1)
        inner = torch.where(order < number, inner, 1.0)
        points = torch.nn.functional.pad(inner, (1, 1))
        points[:, -1] = 1
        level = (2 * rand((rows, self.bands + 2), rng, clean) - 1) * (self.gain_db * strength.to(clean.dtype))
        place = torch.searchsorted(points[:, 1:-1].contiguous(), mel.expand(rows, -1).contiguous(), right=False)
        start, end = points.gather(1, place), points.gather(1, place + 1)
        share = ((mel - start) / (end - start).clamp(min=1e-6)).clamp_(0, 1)
        curve = torch.lerp(level.gather(1, place), level.gather(1, place + 1), share)
        n = 2 * (len(f) - 1)
        out: Tensor = torch.fft.irfft(torch.fft.rfft(clean, n=n) * 10 ** (curve / 20), n=n)[:, :size]
        return out.to(x.dtype)
