from __future__ import annotations

import torch
from torch import Generator, Tensor

from autonoise.ops.mdct import inverse_mdct, mdct
from autonoise.ops.precision import widen
from autonoise.ops.random import rand
from autonoise.technique import BatchInfo, Family, InputNoise, ranged, technique

FRAME = 0.016
"""Seconds between two frames of the codec; at 44.1 kHz, 0.013 and 0.023 are those of MP3 and AAC."""
BANDS = 16
"""Bands with a step of quantisation of their own."""


@technique(
    data_types={"audio"},
    family=Family.COMPRESSION,
    also={Family.QUANTISATION},
    reference="Brandenburg & Bosi 1997, Overview of MPEG audio (perceptual coding by quantised MDCT coefficients)",
)
class LossyCodec(InputNoise):
    """Round the spectrum of short frames as an audio codec of low bit rate does: c -> q round(c / q).

    c are the coefficients of a modified cosine transform. In each of 16 bands of each frame the step q is sqrt(12) *
    strength * 10^(-snr_db * u / 20) times the RMS of c there, u ~ U(0.5, 1.5) for each clip: rounding noise then lies
    about snr_db * u below the sound, and what is weak in its band vanishes, which gives codecs their watery sound.
    x: (B, T).
    """

    snr_db: float = ranged(0.0, 20.0, default=6.0, unit="dB", minimum=-20.0, maximum=100.0)

    def perturb(self, x: Tensor, *, strength: Tensor, rng: Generator, info: BatchInfo) -> Tensor:
        clean, length = widen(x), x.shape[1]
        # whole bands, and at least one frame in the clip
        size = BANDS * max(1, min(round(FRAME * (info.spec.sample_rate or 16_000)), length) // BANDS)
        coefficients = mdct(clean, size)
        bands = coefficients.view(*coefficients.shape[:2], BANDS, -1)
        loudness = torch.linalg.vector_norm(bands, dim=3, keepdim=True) / bands.shape[3] ** 0.5
        level = 10 ** (-self.snr_db * (0.5 + rand((len(x), 1), rng, clean)) / 20)
        step = loudness * (12**0.5 * strength.to(clean.dtype) * level)[:, :, None, None]
        # a step of 0 would leave nothing to divide by; so small a one changes nothing
        step = step.clamp_(min=1e-7)
        return inverse_mdct((bands / step).round_().mul_(step).flatten(2), length).to(x.dtype)
