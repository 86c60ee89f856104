"""The modified discrete cosine transform of clips, with which most audio codecs work (Princen & Bradley 1986)."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from autonoise.ops.devices import on_device


@lru_cache(maxsize=8)
def _matrix(size: int) -> NDArray[np.float64]:
    """Return the transform (2 size, size) of one windowed frame; frames that overlap by half give the clip back."""
    n, k = np.arange(2 * size)[:, None], np.arange(size)
    window = np.sin(np.pi * (n + 0.5) / (2 * size))
    cosines = np.cos(np.pi / size * (n + 0.5 + size / 2) * (k + 0.5))
    return np.asarray(window * np.sqrt(2 / size) * cosines, dtype=np.float64)


def mdct(x: Tensor, size: int) -> Tensor:
    """Return the coefficients (B, frames, size) of clips x (B, T); each frame is 2 ``size`` samples long."""
    matrix = on_device(torch.from_numpy(_matrix(size)).to(x.dtype), x.device)
    padded = torch.nn.functional.pad(x, (size, size + -x.shape[1] % size))
    return padded.unfold(1, 2 * size, size) @ matrix


def inverse_mdct(coefficients: Tensor, length: int) -> Tensor:
    """Return the clips (B, length) whose coefficients :func:`mdct` gives."""
    size = coefficients.shape[-1]
    matrix = on_device(torch.from_numpy(_matrix(size)).to(coefficients.dtype), coefficients.device)
    frames = coefficients @ matrix.T
    first, second = frames[..., :size], frames[..., size:]
    # each stretch is the second half of one frame plus the first half of the next
    out: Tensor = (second[:, :-1] + first[:, 1:]).reshape(len(coefficients), -1)[:, :length]
    return out
