"""Read images at displaced positions, and compute their luminance and scale."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from autonoise.ops.buffers import empty_like, in_blocks, put
from autonoise.ops.devices import constant
from autonoise.ops.series import smooth_curve


def centred(size: int, like: Tensor) -> Tensor:
    """Return the coordinates (size,) of the pixels along an axis, in pixels from the image's centre, float32."""
    return torch.arange(size, device=like.device, dtype=torch.float32) - (size - 1) / 2


def affine(
    x: Tensor, matrix: Tensor, shift: Tensor, fill: str = "zeros", bounds: tuple[float, float] | None = None
) -> Tensor:
    """Map images affinely: the output pixel p = (x, y), from the centre, shows x at ``matrix @ p + shift``.

    x is (B, C, H, W), matrix (B, 2, 2) and shift (B, 2) in pixels; values between pixels are interpolated bilinearly.
    ``fill`` says what is seen outside the image: zeros, border or reflection. The result is clipped to ``bounds``.
    """
    height, width = x.shape[-2:]
    unit = 2 / constant((width, height), torch.float32, x.device)
    across = (matrix[:, :, 0] * unit)[:, None] * centred(width, x)[:, None] + (shift * unit)[:, None]
    down = (matrix[:, :, 1] * unit)[:, None].expand(-1, width, -1)
    # the grid is 1 times the first, plus the height of the row times the second: one product of matrices per image
    rows = torch.stack([torch.ones(height, device=x.device), centred(height, x)], dim=1)
    columns = torch.stack([across, down], dim=1).flatten(2)

    def change(x: Tensor, out: Tensor, columns: Tensor) -> None:
        grid = torch.bmm(rows.expand(len(x), -1, -1), columns)
        _sample(x, out, grid.view(len(x), height, width, 2), fill, bounds)

    return in_blocks(change, x, columns)


def warp(x: Tensor, coarse: Tensor, fill: str = "zeros", bounds: tuple[float, float] | None = None) -> Tensor:
    """Displace pixels by a smooth field: the output pixel p shows x at p + field, in pixels (x, y).

    ``coarse`` (B, 2, K, K) are the values of the field at K by K equally spaced points; between them it is the product
    of cubic splines (:func:`autonoise.ops.series.smooth_curve`). ``fill`` and ``bounds`` are as for :func:`affine`.
    """
    height, width = x.shape[-2:]
    points = torch.eye(coarse.shape[-1], device=x.device)
    down, across = smooth_curve(points, height), smooth_curve(points, width)
    unit = 2 / constant((width, height), torch.float32, x.device)
    # (B, K, W, 2): the field along the rows of points; behind it what makes the grid that leaves every pixel in place
    field = (coarse @ across).permute(0, 2, 3, 1) * unit
    place = torch.zeros(2, width, 2, device=x.device)
    place[0, :, 0], place[1, :, 1] = centred(width, x) * unit[0], unit[1]
    columns = torch.cat([field, place.expand(len(x), -1, -1, -1)], dim=1).flatten(2)
    rows = torch.cat([down, torch.ones(1, height, device=x.device), centred(height, x)[None]]).T.contiguous()

    def change(x: Tensor, out: Tensor, columns: Tensor) -> None:
        grid = torch.bmm(rows.expand(len(x), -1, -1), columns)
        _sample(x, out, grid.view(len(x), height, width, 2), fill, bounds)

    return in_blocks(change, x, columns)


def displace(x: Tensor, field: Tensor, fill: str = "zeros") -> Tensor:
    """Displace single pixels: the output pixel p shows x at p + field, where field is (B, 2, H, W) in pixels (x, y)."""
    width, height = x.shape[-1], x.shape[-2]
    across = (field[:, 0] + centred(width, x)) * (2 / width)
    down = (field[:, 1] + centred(height, x)[:, None]) * (2 / height)
    out = empty_like(x)
    _sample(x, out, torch.stack([across, down], dim=-1), fill, None)
    return out


def _sample(x: Tensor, out: Tensor, grid: Tensor, fill: str, bounds: tuple[float, float] | None) -> None:
    """Write to ``out`` what x shows at the positions ``grid`` (B, H, W, 2), where -1 and 1 are the image's edges."""
    # a copy on a CPU: reading an image in any order is twice as fast once it lies in the cache
    wide = x.to(torch.promote_types(x.dtype, torch.float32), copy=x.device.type == "cpu")
    if fill == "reflection" and x.device.type == "cpu" and float(grid.abs().amax()) <= 3:
        # mirrored once, p becomes 2 - p beyond 1 and -2 - p beyond -1: twice as fast as to mirror any number of times
        grid, fill = grid.clamp(-1, 1).mul_(2).sub_(grid), "border"
    seen = F.grid_sample(wide, grid.to(wide.dtype), padding_mode=fill, align_corners=False)
    put(seen, out, bounds)


def luminance(x: Tensor) -> Tensor:
    """Return the luminance (B, 1, H, W) of RGB images; for any number of channels but three, their mean.

    The three weights are those of the television standard Rec. 601, which PIL uses too.
    """
    if x.shape[1] != 3:
        return x.mean(1, keepdim=True)
    return 0.299 * x[:, :1] + 0.587 * x[:, 1:2] + 0.114 * x[:, 2:]


def side_scale(x: Tensor) -> float:
    """Return the shorter side in units of 32 pixels, so that sizes given for 32x32 images fit images of any size."""
    return min(x.shape[-2:]) / 32
