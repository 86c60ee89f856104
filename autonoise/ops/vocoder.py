"""Change the tempo of clips and keep their pitch, by a phase vocoder (Flanagan & Golden 1966)."""

from __future__ import annotations

import torch
from torch import Tensor

FRAME = 0.04
"""Seconds of a frame: two or more periods of the lowest voices, and short enough for syllables."""


def stretched(x: Tensor, rate: Tensor, length: int, sample_rate: int | None = None) -> Tensor:
    """Return clips (B, length) that run ``rate`` (B, 1) times as fast as x (B, T), at the same pitch.

    What lies after the end of x is silent. Where the sample rate is unknown it is taken to be 16 kHz. x must be float32
    or float64.
    """
    size = 2 ** max(4, round(FRAME * (sample_rate or 16_000)).bit_length() - 1)
    hop = size // 4
    window = torch.hann_window(size, dtype=x.dtype, device=x.device)
    # one frame of silence more at the end, to which places after the end of the clip fade
    spectrum = torch.stft(
        torch.nn.functional.pad(x, (0, size)), size, hop, window=window, pad_mode="constant", return_complex=True
    )
    frames = spectrum.shape[-1]
    # frames of the result, and where in x each of them is read
    place = rate.to(x.dtype) * torch.arange(length // hop + 2, device=x.device, dtype=x.dtype)
    low = place.floor().clamp(max=frames - 2)
    index = low.long()[:, None].expand(-1, spectrum.shape[1], -1)
    here, following = spectrum.gather(2, index), spectrum.gather(2, index + 1)
    share = (place - low).clamp(max=1)[:, None]
    amplitude = torch.lerp(here.abs(), following.abs(), share)
    # from frame to frame the phase goes on as it does in x at that place
    advance = (following * here.conj()).angle()
    phase = torch.cat([here[:, :, :1].angle(), advance[:, :, :-1]], dim=2).cumsum(2)
    made = torch.polar(amplitude, phase)
    if x.device.type == "cpu":
        return torch.istft(made, size, hop, window=window, length=length)
    return overlapped(made, window, hop, length)


def overlapped(spectrum: Tensor, window: Tensor, hop: int, length: int) -> Tensor:
    """Return what ``torch.istft`` gives, which waits for a GPU to check its window: clips (B, length).

    ``spectrum`` is (B, N // 2 + 1, frames), and the first frame has its middle at the first sample.
    """
    size, frames = len(window), spectrum.shape[-1]
    pieces = torch.fft.irfft(spectrum, n=size, dim=1) * window[:, None]
    weight = window.square()[None, :, None].expand(1, size, frames)
    whole = (1, size + hop * (frames - 1))
    total, weights = (
        torch.nn.functional.fold(t, whole, (1, size), stride=(1, hop)).flatten(1) for t in (pieces, weight)
    )
    kept = slice(size // 2, size // 2 + length)
    return total[:, kept] / weights[:, kept].clamp(min=1e-11)
