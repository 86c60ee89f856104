"""Colourful patterns made by formula: clouds of power-law noise, gratings, and Julia sets."""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor

from autonoise.ops.devices import on_device
from autonoise.ops.random import picks, rand, randn

STEPS = 12
"""Steps of the iteration behind a Julia set; more of them would add detail below the pixels of small images."""


def patterns(size: int, rng: Generator, like: Tensor) -> Tensor:
    """Return ``size`` patterns (size, C, H, W) in 0..1 of the shape of the images ``like``; a third of each kind."""
    out = like.new_empty(size, *like.shape[1:])
    kind = picks(3, size, rng)
    for k, make in enumerate((clouds, gratings, julia_sets)):
        rows = on_device((kind == k).nonzero()[:, 0], like.device)
        if len(rows):
            out[rows] = make(len(rows), rng, like)
    return out


def clouds(size: int, rng: Generator, like: Tensor) -> Tensor:
    """Return fields with the power spectrum 1 / f^a, a in 2..4 for each image, stretched to 0..1 in each channel."""
    channels, height, width = like.shape[1:]
    exponent = 2 + 2 * rand((size, 1, 1, 1), rng, like)
    field = power_law_field((size, channels, height, width), exponent, rng, like)
    low, high = field.amin((2, 3), keepdim=True), field.amax((2, 3), keepdim=True)
    return field.sub_(low).div_((high - low).clamp_(min=1e-6))


def power_law_field(shape: tuple[int, int, int, int], exponent: Tensor, rng: Generator, like: Tensor) -> Tensor:
    """Return Gaussian fields of ``shape`` with mean 0, RMS 1 and the power spectrum 1 / f^exponent.

    ``exponent`` broadcasts to (B, C, 1, 1): 0 is white noise, 2 looks like clouds. f is the distance from frequency 0
    in cycles per pixel, the same in all directions.
    """
    height, width = shape[-2:]
    rows = torch.fft.fftfreq(height, device=like.device, dtype=like.dtype)
    columns = torch.fft.rfftfreq(width, device=like.device, dtype=like.dtype)
    squared = rows[:, None].square() + columns.square()
    # frequency 0, a constant offset, is left out; the 1 in its place avoids a division by zero
    squared[0, 0].fill_(1)
    amplitude = squared ** (-exponent / 4)
    amplitude[..., 0, 0] = 0
    # columns that are their own mirror image lose half of their power, since the field is real
    amplitude[..., 0] *= math.sqrt(2)
    if width % 2 == 0:
        amplitude[..., -1] *= math.sqrt(2)
    draws = randn((*shape[:-1], len(columns), 2), rng, like) * amplitude[..., None]
    field: Tensor = torch.fft.irfft2(torch.view_as_complex(draws), s=(height, width))
    size: Tensor = torch.linalg.vector_norm(field, dim=(2, 3), keepdim=True)
    return field.mul_(math.sqrt(height * width) / size.clamp_(min=1e-12))


def waves(periods: Tensor, angle: Tensor, phase: Tensor, like: Tensor) -> Tensor:
    """Return sine waves (B, C, H, W) with so many ``periods`` along the shorter side; all three are (B, C)."""
    height, width = like.shape[-2:]
    turns = 2 * math.pi / min(height, width) * periods
    down = (turns * angle.sin())[..., None] * torch.arange(height, device=like.device, dtype=like.dtype)
    across = (turns * angle.cos())[..., None] * torch.arange(width, device=like.device, dtype=like.dtype)
    down = (down + phase[..., None])[..., None]
    across = across[..., None, :]
    # sin(a + b) from the sines and cosines of rows and columns, of which there are far fewer than pixels
    return torch.addcmul(down.sin() * across.cos(), down.cos(), across.sin())


def gratings(size: int, rng: Generator, like: Tensor) -> Tensor:
    """Return sums of two sine waves in each channel, of 1 to a third of the side in periods, scaled into 0..1."""
    channels = like.shape[1]
    u = rand((2, 3, size, channels), rng, like)
    periods = (min(like.shape[-2:]) / 3) ** u[:, 0]
    first, second = (waves(periods[i], math.pi * u[i, 1], 2 * math.pi * u[i, 2], like) for i in (0, 1))
    return first.add_(second).mul_(0.25).add_(0.5)


def julia_sets(size: int, rng: Generator, like: Tensor) -> Tensor:
    """Return Julia sets of z^2 + c, c on a circle about 0, coloured by how fast each point escapes."""
    channels, height, width = like.shape[1:]
    u = rand((4, size, 1, 1), rng, like)
    # the part of the plane that is seen: 1.2 to 3 wide, with its centre up to 0.5 from 0
    zoom, turn = 0.6 + 0.9 * u[0], 2 * math.pi * u[1]
    y = torch.linspace(-1, 1, height, device=like.device, dtype=like.dtype)[:, None] * zoom + (u[2] - 0.5)
    x = torch.linspace(-1, 1, width, device=like.device, dtype=like.dtype) * zoom + (u[3] - 0.5)
    # circles of this radius pass through the richest sets
    real, imaginary = 0.7885 * turn.cos(), 0.7885 * turn.sin()
    x, y = (v.expand(size, height, width).contiguous() for v in (x, y))
    speed = torch.zeros_like(x)
    for _ in range(STEPS):
        x, y = (x * x).addcmul_(y, y, value=-1).add_(real), (x * y).mul_(2).add_(imaginary)
        # escaped points are held near the circle of radius 4, so that their numbers stay finite
        far = (x * x).addcmul_(y, y)
        scale = (4 * far.rsqrt()).clamp_(max=1)
        x, y = x.mul_(scale), y.mul_(scale)
        speed.add_(far.clamp_(max=16))
    speed = speed.div_(16 * STEPS)[:, None]
    colour = rand((2, size, channels, 1, 1), rng, like)
    return (2 * math.pi * ((1 + 2 * colour[0]) * speed + colour[1])).cos_().mul_(0.5).add_(0.5)
