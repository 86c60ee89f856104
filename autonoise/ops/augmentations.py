"""The operations of AutoAugment and its successors on batches of images, with one operation and amount per image.

An amount of 0 leaves an image as it is. The unit of the amount for each operation:

- shear: the tangent of the angle; the upper left corner stays where it is
- translate: a fraction of the side
- rotate: degrees
- brightness, colour, contrast, sharpness: the factor of the enhancement minus 1
- posterise: how many of the 8 bits are removed
- solarise: values above 1 - amount are inverted
- autocontrast, equalise: how much of the result is mixed into the original, in 0..1
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from autonoise.ops.devices import constant, on_device
from autonoise.ops.image import affine, luminance
from autonoise.ops.precision import widen

GEOMETRIC = ("shear_x", "shear_y", "translate_x", "translate_y", "rotate")


def apply_operations(x: Tensor, names: Sequence[str], pick: Tensor, amount: Tensor) -> Tensor:
    """Apply the operation ``names[pick[i]]`` with ``amount[i]`` to each image x[i]; a pick of -1 does nothing.

    x: (B, C, H, W) in 0..1; amount: (B,) on its device; pick: (B,), better on the CPU, which decides by it what to do.
    """
    out = x.clone()
    pick = pick.cpu()
    geometric = torch.tensor([name in GEOMETRIC for name in names])
    here = ((pick >= 0) & geometric[pick]).nonzero()[:, 0]
    if len(here):
        rows = on_device(here, x.device)
        out[rows] = _geometric(x[rows], names, on_device(pick[here], x.device), amount[rows])
    for k, name in enumerate(names):
        here = (pick == k).nonzero()[:, 0] if name in PHOTOMETRIC else here[:0]
        if len(here):
            rows = on_device(here, x.device)
            wide = widen(x[rows])
            changed = PHOTOMETRIC[name](wide, amount[rows].to(wide.dtype).reshape(-1, 1, 1, 1))
            out[rows] = changed.clamp(0, 1).to(x.dtype)
    return out


def _geometric(x: Tensor, names: Sequence[str], pick: Tensor, amount: Tensor) -> Tensor:
    """Shear, shift or rotate each image; ``pick`` must name a geometric operation for each of them."""
    part = {name: amount * (pick == names.index(name)) if name in names else 0 * amount for name in GEOMETRIC}
    angle = torch.deg2rad(part["rotate"])
    # each image has one operation only, so at most one part is not 0 and the matrix is simply their sum
    matrix = torch.stack(
        [angle.cos(), part["shear_x"] - angle.sin(), part["shear_y"] + angle.sin(), angle.cos()], dim=-1
    ).reshape(-1, 2, 2)
    # AutoAugment shears about the upper left corner, while ``affine`` works about the centre: the shift makes up for it
    shift = torch.stack(
        [
            part["translate_x"] * x.shape[-1] + part["shear_x"] * x.shape[-2] / 2,
            part["translate_y"] * x.shape[-2] + part["shear_y"] * x.shape[-1] / 2,
        ],
        dim=-1,
    )
    return affine(x, matrix, shift)


def brightness(x: Tensor, amount: Tensor) -> Tensor:
    """Multiply all values by 1 + amount."""
    return x * (1 + amount)


def contrast(x: Tensor, amount: Tensor) -> Tensor:
    """Multiply the distance of each value from the image's mean luminance by 1 + amount."""
    return torch.lerp(x, luminance(x).mean((1, 2, 3), keepdim=True), -amount)


def colour(x: Tensor, amount: Tensor) -> Tensor:
    """Multiply the distance of each value from the pixel's luminance by 1 + amount."""
    return torch.lerp(x, luminance(x).expand_as(x), -amount)


def sharpness(x: Tensor, amount: Tensor) -> Tensor:
    """Multiply the distance of each value from a smoothed image by 1 + amount; the border does not change.

    The image is smoothed by PIL's SMOOTH filter: weight 5 in the middle and 1 around it, divided by their sum of 13.
    """
    smooth, channels = x.clone(), x.shape[1]
    if x.device.type == "cpu":
        kernel = constant(((1.0, 1.0, 1.0), (1.0, 5.0, 1.0), (1.0, 1.0, 1.0)), x.dtype, x.device)
        smooth[..., 1:-1, 1:-1] = F.conv2d(x, (kernel / 13).expand(channels, 1, 3, 3), groups=channels)
    else:
        smooth[..., 1:-1, 1:-1] = smoothed_by_pooling(x)
    return torch.lerp(x, smooth, -amount)


def smoothed_by_pooling(x: Tensor) -> Tensor:
    """Return the inner pixels of x under PIL's SMOOTH filter: weight 5 in the middle and 1 around it, of 13 in all.

    This is for GPUs, where a convolution may be slow: cuDNN may look for its fastest way anew for each number of rows,
    which takes longer than a step of training.
    """
    return F.avg_pool2d(x, 3, stride=1).mul_(9 / 13).add_(x[..., 1:-1, 1:-1], alpha=4 / 13)


def posterise(x: Tensor, amount: Tensor) -> Tensor:
    """Remove the lowest ``amount`` bits of each 8-bit value; at least one bit is kept."""
    # 7 of the 8 bits at the most, since with none the image would be black
    step = 2 ** amount.clamp(max=7)
    return ((x * 255).round() / step).floor() * step / 255


def solarise(x: Tensor, amount: Tensor) -> Tensor:
    """Invert the values above 1 - amount."""
    return torch.where(x > 1 - amount, 1 - x, x)


def autocontrast(x: Tensor, amount: Tensor) -> Tensor:
    """Stretch each channel to the full range 0..1, as far as ``amount`` (in 0..1) says."""
    low, high = x.amin((2, 3), keepdim=True), x.amax((2, 3), keepdim=True)
    span = high - low
    stretched = torch.where(span > 0, (x - low) / span.clamp(min=1e-6), x)
    return torch.lerp(x, stretched, amount)


def equalise(x: Tensor, amount: Tensor) -> Tensor:
    """Flatten the histogram of each channel over 256 grey values, as far as ``amount`` (in 0..1) says.

    This is the look-up table of PIL's ImageOps.equalize.
    """
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
