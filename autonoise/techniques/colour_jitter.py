"""Change brightness, contrast, saturation and hue at random."""

from __future__ import annotations

import functools
from typing import ClassVar

import torch
from torch import Generator, Tensor

from autonoise.ops.buffers import in_blocks, put
from autonoise.ops.devices import on_device
from autonoise.ops.image import luminance
from autonoise.ops.precision import flat, signed, widen
from autonoise.technique import BatchInfo, Family, InputNoise, InputSpec, ranged, technique

# From RGB to YIQ, the colour space of NTSC television: Y is the luminance, I and Q hold the colour.
_TO_YIQ = ((0.299, 0.587, 0.114), (0.5959, -0.2746, -0.3213), (0.2115, -0.5227, 0.3112))


@technique(
    data_types={"image"},
    family=Family.PHOTOMETRIC,
    reference="Krizhevsky 2012, ImageNet Classification with Deep Convolutional Neural Networks",
)
class ColourJitter(InputNoise):
    """Multiply brightness, contrast and saturation by 1 + strength * parameter * u, and rotate the hue.

    Each image draws its own u ~ U(-1, 1) for each of the four. Contrast changes the distance of each value from the
    image's mean luminance, saturation its distance from the pixel's own luminance. The hue is rotated by strength * hue
    * u degrees in the plane of the colour components I and Q. x: (B, C, H, W); unless there are three channels, only
    brightness and contrast change.
    """

    keeps_bounds: ClassVar[bool] = True
    brightness: float = ranged(0.0, 0.5, default=0.3, unit="factor", maximum=1.0)
    contrast: float = ranged(0.0, 0.5, default=0.3, unit="factor", maximum=1.0)
    saturation: float = ranged(0.0, 0.6, default=0.3, unit="factor", maximum=1.0)
    hue: float = ranged(0.0, 36.0, default=18.0, unit="degrees", maximum=180.0)

    @classmethod
    def idle_parameters(cls, spec: InputSpec) -> frozenset[str]:
        known = len(spec.layout) == 3
        return frozenset({"saturation", "hue"}) if known and spec.layout[0] != 3 else frozenset()

    def perturb(self, x: Tensor, *, strength: Tensor, rng: Generator, info: BatchInfo) -> Tensor:
        channels = x.shape[1]
        exact = torch.promote_types(x.dtype, torch.float32)
        amount = (flat(strength)[:, None] * signed((len(x), 4), rng, x)).to(exact)
        bright, contrast, saturation = (
            (1 + a * scale).clamp(min=0).reshape(-1, 1, 1)
            for a, scale in zip(amount.T, (self.brightness, self.contrast, self.saturation), strict=False)
        )
        # all but the mean is one matrix for each image, since turning and scaling the colour leaves grey as it is
        matrix = (bright * contrast) * torch.eye(channels, dtype=exact, device=x.device)
        if channels == 3:
            matrix = matrix @ _chroma_matrix(saturation.flatten(), torch.deg2rad(amount[:, 3] * self.hue))

        def change(x: Tensor, out: Tensor, matrix: Tensor, grey: Tensor) -> None:
            wide = widen(x)
            mean = luminance(wide.mean((2, 3), keepdim=True)).reshape(-1, 1, 1) * grey
            turned = torch.baddbmm(mean, matrix.expand(len(x), -1, -1), wide.flatten(2)).reshape(x.shape)
            put(turned, out, info.bounds)

        return in_blocks(change, x, matrix, bright * (1 - contrast))


def _chroma_matrix(saturation: Tensor, angle: Tensor) -> Tensor:
    """Return RGB matrices (B, 3, 3) that scale and rotate the colour of a pixel and leave grey pixels as they are."""
    yiq, to_rgb = _yiq(saturation.dtype, str(saturation.device))
    turned, tilted = saturation * angle.cos(), saturation * angle.sin()
    nought, one = torch.zeros_like(turned), torch.ones_like(turned)
    inner = torch.stack([one, nought, nought, nought, turned, -tilted, nought, tilted, turned], dim=1).view(-1, 3, 3)
    return to_rgb @ inner @ yiq


@functools.lru_cache(maxsize=16)
def _yiq(dtype: torch.dtype, device: str) -> tuple[Tensor, Tensor]:
    """Return the matrices from RGB to YIQ and back; they are kept, so they must never be changed in place."""
    # a tensor that was made in inference mode could not be used in training
    with torch.inference_mode(False):
        to_yiq = torch.tensor(_TO_YIQ, dtype=torch.float64)
        to_yiq[1:] -= to_yiq[1:].mean(1, keepdim=True)  # rounded constants do not sum to 0: grey would be tinted
        there, back = to_yiq.to(dtype), to_yiq.inverse().to(dtype)
        return on_device(there, torch.device(device)), on_device(back, torch.device(device))
