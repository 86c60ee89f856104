"""The log-mel front end of the audio proxies."""

from __future__ import annotations

import math
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from autonoise.errors import DataError
from autonoise.proxies.layers import valid_steps
from autonoise.types import Family

MELS = 40
LOG_FLOOR = 1e-4
SMALLEST_RATE = 1000


def mel_filters(sample_rate: int, n_fft: int, mels: int) -> NDArray[np.float32]:
    """Triangular filters (mels, n_fft // 2 + 1), evenly spaced from 0 Hz to half the sample rate.

    mel(f) = 2595 log10(1 + f / 700) (O'Shaughnessy 1987); each triangle peaks at 1.
    """
    edges_mel = np.linspace(0.0, 2595.0 * np.log10(1.0 + sample_rate / 2 / 700.0), mels + 2)
    edges = 700.0 * (10.0 ** (edges_mel / 2595.0) - 1.0)
    frequencies = np.arange(n_fft // 2 + 1) * sample_rate / n_fft
    lower, centre, upper = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    rising, falling = (frequencies - lower) / (centre - lower), (upper - frequencies) / (upper - centre)
    filters: NDArray[np.float32] = np.maximum(0.0, np.minimum(rising, falling)).astype(np.float32)
    return filters


class LogMel(nn.Module):
    """Waveform (B, T) to log-mel frames (B, 1, mels, ceil(T / hop)), standardised over each clip's true frames.

    log(power + 1e-4 * the clip's largest power): with an absolute floor, faint noise turns the silence after a
    short clip into loud features (0.37 instead of 0.81 accuracy at 30 dB). Windows of 256 samples at 8 kHz (32 ms),
    half overlapping. ``lengths`` (B,) are true samples; frames behind them are 0.
    Raises DataError for a rate below 1 kHz.

    Attributes:
        invariant_to: kinds of noise that its output does not show: frames are relative to the clip.
    """

    invariant_to: ClassVar[frozenset[Family]] = frozenset({Family.GAIN})

    def __init__(self, sample_rate: int | None) -> None:
        super().__init__()
        if sample_rate is None or sample_rate < SMALLEST_RATE:
            raise DataError(
                f"audio proxies need a sample_rate of at least {SMALLEST_RATE} Hz in the input description, "
                f"but got {sample_rate}: set it to the rate of the clips"
            )
        self.n_fft: int = 2 ** round(math.log2(256 * sample_rate / 8000))
        self.hop = self.n_fft // 2
        self.mels = min(MELS, self.n_fft // 6)  # at low rates narrow filters would fall between two bins
        filters = torch.from_numpy(mel_filters(sample_rate, self.n_fft, self.mels))
        self.register_buffer("filters", filters, persistent=False)
        self.register_buffer("window", torch.hann_window(self.n_fft), persistent=False)
        self.filters: Tensor
        self.window: Tensor

    def frames(self, lengths: Tensor) -> Tensor:
        """How many frames a clip of so many samples has."""
        return torch.div(lengths + self.hop - 1, self.hop, rounding_mode="floor")

    def forward(self, waveform: Tensor, lengths: Tensor | None = None) -> Tensor:
        if lengths is None:
            lengths = torch.full((len(waveform),), waveform.shape[-1], device=waveform.device)
        samples = valid_steps(lengths, waveform)
        assert samples is not None
        # Zeros, not reflection, beyond the ends: a clip then reads the same whether it is padded or not.
        spectrum = torch.stft(
            waveform * samples[:, 0],
            self.n_fft,
            self.hop,
            window=self.window,
            center=True,
            pad_mode="constant",
            return_complex=True,
        )
        power = self.filters @ torch.view_as_real(spectrum).square().sum(-1)
        power = power[..., : -(-waveform.shape[-1] // self.hop)]
        mask = valid_steps(self.frames(lengths), power)
        assert mask is not None
        loudest = (power * mask).amax((1, 2), keepdim=True).clamp_min(1e-10)
        log = torch.log(power + LOG_FLOOR * loudest) * mask
        cells = mask.sum((1, 2), keepdim=True) * self.mels
        mean = log.sum((1, 2), keepdim=True) / cells
        centred = (log - mean) * mask
        std = (centred.square().sum((1, 2), keepdim=True) / cells + 1e-5).sqrt()
        standardised: Tensor = centred / std
        return standardised[:, None]
