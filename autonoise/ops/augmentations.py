"""The operations of AutoAugment's family on batches of images, one operation and amount per sample.

Amount 0 leaves an image as it is. Shear: tangent, about the upper left corner; translate: fraction of the side;
rotate: degrees; brightness, colour, contrast, sharpness: factor - 1; posterise: bits removed of 8; solarise: values
above 1 - amount are inverted; autocontrast, equalise: blend with the original.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from autonoise.ops.image import affine, luminance
from autonoise.ops.precision import widen

GEOMETRIC = ("shear_x", "shear_y", "translate_x", "translate_y", "rotate")


def apply_operations(x: Tensor, names: Sequence[str], pick: Tensor, amount: Tensor) -> Tensor:
    """Apply ``names[pick[i]]`` with ``amount[i]`` to x[i]; x (B, C, H, W) in 0..1; -1 picks nothing."""
    out = x.clone()
    geometric = torch.tensor([name in GEOMETRIC for name in names], device=x.device)
    rows = ((pick >= 0) & geometric[pick]).nonzero()[:, 0]
    if len(rows):
        out[rows] = _geometric(x[rows], names, pick[rows], amount[rows])
    for k, name in enumerate(names):
        rows = (pick == k).nonzero()[:, 0] if name in PHOTOMETRIC else rows[:0]
        if len(rows):
            wide = widen(x[rows])
            changed = PHOTOMETRIC[name](wide, amount[rows].to(wide.dtype).reshape(-1, 1, 1, 1))
            out[rows] = changed.clamp(0, 1).to(x.dtype)
    return out


def _geometric(x: Tensor, names: Sequence[str], pick: Tensor, amount: Tensor) -> Tensor:
    part = {name: amount * (pick == names.index(name)) if name in names else 0 * amount for name in GEOMETRIC}
    angle = torch.deg2rad(part["rotate"])
    # at most one part of a row is not 0, so the matrix is a sum
    matrix = torch.stack(
        [angle.cos(), part["shear_x"] - angle.sin(), part["shear_y"] + angle.sin(), angle.cos()], dim=-1
    ).reshape(-1, 2, 2)
    # AutoAugment's family shears about the upper left corner: the centre moves
    shift = torch.stack(
        [
            part["translate_x"] * x.shape[-1] + part["shear_x"] * x.shape[-2] / 2,
            part["translate_y"] * x.shape[-2] + part["shear_y"] * x.shape[-1] / 2,
        ],
        dim=-1,
    )
    return affine(x, matrix, shift)


def brightness(x: Tensor, amount: Tensor) -> Tensor:
    return x * (1 + amount)


def contrast(x: Tensor, amount: Tensor) -> Tensor:
    return torch.lerp(x, luminance(x).mean((1, 2, 3), keepdim=True), -amount)


def colour(x: Tensor, amount: Tensor) -> Tensor:
    return torch.lerp(x, luminance(x).expand_as(x), -amount)


def sharpness(x: Tensor, amount: Tensor) -> Tensor:
    kernel = torch.ones(3, 3, dtype=x.dtype, device=x.device)
    kernel[1, 1] = 5
    channels = x.shape[1]
    smooth = x.clone()
    weight = (kernel / 13).expand(channels, 1, 3, 3)
    smooth[..., 1:-1, 1:-1] = F.conv2d(x, weight, groups=channels)
    return torch.lerp(x, smooth, -amount)


def posterise(x: Tensor, amount: Tensor) -> Tensor:
    step = 2 ** amount.clamp(max=7)
    return ((x * 255).round() / step).floor() * step / 255


def solarise(x: Tensor, amount: Tensor) -> Tensor:
    return torch.where(x > 1 - amount, 1 - x, x)


def autocontrast(x: Tensor, amount: Tensor) -> Tensor:
    low, high = x.amin((2, 3), keepdim=True), x.amax((2, 3), keepdim=True)
    span = high - low
    stretched = torch.where(span > 0, (x - low) / span.clamp(min=1e-6), x)
    return torch.lerp(x, stretched, amount)


def equalise(x: Tensor, amount: Tensor) -> Tensor:
    """Flatten the histogram of each channel over 256 values (the table of PIL's ImageOps.equalize)."""
    level = (x * 255).round().clamp(0, 255).long().flatten(2)
    counts = torch.zeros(*level.shape[:2], 256, dtype=torch.long, device=x.device)
    counts.scatter_add_(2, level, torch.ones_like(level))
    brightest = counts.gather(2, level.amax(2, keepdim=True))
    step = (level.shape[2] - brightest) // 255
    table = (step // 2 + counts.cumsum(2) - counts) // step.clamp(min=1)
    flat = torch.where(step > 0, table.clamp(max=255).gather(2, level), level)
    return torch.lerp(x, flat.reshape(x.shape).to(x.dtype) / 255, amount)


PHOTOMETRIC: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "brightness": brightness,
    "contrast": contrast,
    "colour": colour,
    "sharpness": sharpness,
    "posterise": posterise,
    "solarise": solarise,
    "autocontrast": autocontrast,
    "equalise": equalise,
}
