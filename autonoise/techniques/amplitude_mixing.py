from __future__ import annotations

import torch
from torch import Generator, Tensor

from autonoise.ops.precision import flat, widen
from autonoise.ops.random import permutation
from autonoise.technique import BatchInfo, Family, InputNoise, ranged, technique


@technique(
    data_types={"image"},
    family=Family.PHOTOMETRIC,
    also={Family.BLUR, Family.LOW_FREQUENCY},
    reference="Chen et al. 2021, Amplitude-Phase Recombination: Rethinking Robustness of Convolutional Neural Networks "
    "in Frequency Domain",
)
class AmplitudeMixing(InputNoise):
    """Give each image some of the amplitudes of another one of the batch, and keep its phases and its target.

    The Fourier transform runs over channels, rows and columns, as in the authors' code. An amplitude A becomes
    A + strength * share * (B - A), B that of the partner; at strength 1 with share 1 all amplitudes are the partner's.
    x: (B, C, H, W) in 0..1. A batch of one image does not change.
    """

    share: float = ranged(0.2, 1.0, default=1.0, unit="share of the amplitude", maximum=1.0)

    def perturb(self, x: Tensor, *, strength: Tensor, rng: Generator, info: BatchInfo) -> Tensor:
        wide = widen(x)
        spectrum = torch.fft.rfftn(wide, dim=(1, 2, 3))
        size = spectrum.abs()
        other = size.index_select(0, permutation(len(x), rng, x))
        amount = (self.share * flat(strength)).clamp(max=1).to(size.dtype).reshape(-1, 1, 1, 1)
        # the limit stands for amplitudes of 0, which have no phase
        factor = torch.lerp(size, other, amount).div_(size.clamp_(min=1e-9))
        out: Tensor = torch.fft.irfftn(spectrum.mul_(factor), s=x.shape[1:], dim=(1, 2, 3))
        return out.to(x.dtype)
