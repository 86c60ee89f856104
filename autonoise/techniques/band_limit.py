from __future__ import annotations

import torch
from torch import Generator, Tensor

from autonoise.errors import PolicyError
from autonoise.ops.audio import filtered
from autonoise.ops.precision import widen
from autonoise.ops.random import rand
from autonoise.technique import BatchInfo, Family, InputNoise, choice, ranged, technique


@technique(
    data_types={"audio"},
    family=Family.BAND_LIMIT,
    reference="Schlueter & Grill 2015, Exploring Data Augmentation for Improved Singing Voice Detection",
)
class BandLimit(InputNoise):
    """Remove high frequencies, low frequencies or both: x + s * (filtered(x) - x), s = min(1, strength).

    x: (B, T). Frequencies are given in fractions of the Nyquist frequency, which is half the sample rate. Each row
    draws its own cut-offs: the upper one is log-uniform in [high, 1], the lower one log-uniform in [low / 8, low],
    which is three octaves. At a strength below 1 the frequencies that are cut off remain, but quieter. The kind ``any``
    draws low-pass, high-pass or band-pass for each row.
    """

    kind: str = choice("any", "low_pass", "high_pass", "band_pass")
    high: float = ranged(0.3, 0.95, default=0.5, unit="Nyquist", minimum=0.05, maximum=1.0)
    low: float = ranged(0.01, 0.1, default=0.05, log=True, unit="Nyquist", minimum=0.001, maximum=0.9)

    def check(self) -> None:
        if self.low >= self.high:
            raise PolicyError(f"{self.name}: low < high must hold, but got (low={self.low:g}, high={self.high:g})")

    def perturb(self, x: Tensor, *, strength: Tensor, rng: Generator, info: BatchInfo) -> Tensor:
        clean = widen(x)
        u = rand((3, x.shape[0], 1), rng, clean)
        kinds = ("low_pass", "high_pass", "band_pass")
        which = (3 * u[2]).long() if self.kind == "any" else torch.full_like(u[2], kinds.index(self.kind))
        high = torch.where(which == 1, 1.0, self.high ** u[0])
        # a factor of 8, three octaves, from the lowest cut-off to the highest
        low = torch.where(which == 0, 0.0, self.low * 8 ** -u[1])
        return torch.lerp(clean, filtered(clean, low, high), strength.to(clean.dtype).clamp(max=1)).to(x.dtype)
