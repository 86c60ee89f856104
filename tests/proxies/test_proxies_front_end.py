"""The log-mel front end: against a second derivation, hand-computed mel bins, and the trap of the log floor."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from autonoise.errors import DataError
from autonoise.proxies.front_end import LogMel, mel_filters


def tone(hertz: float, samples: int = 8000, rate: int = 8000) -> torch.Tensor:
    return torch.sin(2 * math.pi * hertz * torch.arange(samples) / rate)[None]


@pytest.mark.parametrize(("hertz", "bin_"), [(300, 7), (1000, 18), (2500, 32)])
def test_a_sine_peaks_in_its_mel_bin(hertz, bin_):
    # 0..4000 Hz are 0..2146.1 mel; 42 edges lie 52.34 apart, and filter i is centred at (i + 1) * 52.34 mel:
    # 300 Hz = 401.97 mel -> 7.68 steps -> bin 6.68; 1000 Hz = 999.99 -> 18.11; 2500 Hz = 1714.4 -> 31.75
    frames = LogMel(8000)(tone(hertz))
    assert frames.shape == (1, 1, 40, 63)  # ceil(8000 / 128)
    assert frames[0, 0, :, 20:40].mean(1).argmax() == bin_


def test_filters_have_the_shape_they_promise():
    filters = mel_filters(8000, 256, 40)
    assert filters.shape == (40, 129)
    assert (filters >= 0).all() and filters.max() <= 1
    assert (filters.sum(1) > 0.3).all()
    # between the first and the last centre the triangles add up to 1 at every frequency
    assert np.allclose(filters.sum(0)[3:120], 1, atol=1e-5)


@pytest.mark.parametrize("rate", [1000, 2000, 4000, 8000, 11025, 16000, 22050, 44100, 48000])
def test_no_filter_is_empty_at_any_rate(rate):
    front_end = LogMel(rate)
    assert (front_end.filters.sum(1) > 0).all()
    assert 0.022 <= front_end.n_fft / rate <= 0.046


def test_log_mel_against_a_second_derivation():
    wave = torch.randn(1, 1000, generator=torch.Generator().manual_seed(0))
    padded = np.pad(wave[0].double().numpy(), 128)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(256) / 256)
    spectrum = np.stack([np.fft.rfft(padded[128 * t : 128 * t + 256] * window) for t in range(8)], 1)
    power = mel_filters(8000, 256, 40) @ np.abs(spectrum) ** 2
    log = np.log(power + 1e-4 * power.max())
    expected = (log - log.mean()) / np.sqrt(log.var() + 1e-5)
    assert np.allclose(LogMel(8000)(wave)[0, 0].numpy(), expected, atol=1e-3)


def test_true_frames_are_standardised_and_padded_ones_zero():
    wave = torch.randn(2, 3000, generator=torch.Generator().manual_seed(0))
    frames = LogMel(8000)(wave, torch.tensor([1300, 3000]))
    assert torch.equal(frames[0, ..., 11:], torch.zeros(1, 40, 13))  # ceil(1300 / 128) = 11 of 24 frames
    for valid in (frames[0, ..., :11], frames[1]):
        assert abs(float(valid.mean())) < 1e-4
        assert abs(float(valid.std(unbiased=False)) - 1) < 1e-3


def test_loudness_does_not_matter():
    wave = tone(440) * torch.linspace(1, 0, 8000)
    front_end = LogMel(8000)
    assert torch.allclose(front_end(wave), front_end(0.01 * wave), atol=1e-3)


def test_silence_is_finite_with_its_gradient():
    wave = torch.zeros(2, 500, requires_grad=True)
    frames = LogMel(8000)(wave)
    frames.sum().backward()
    assert torch.isfinite(frames).all() and wave.grad is not None and torch.isfinite(wave.grad).all()


def test_faint_noise_leaves_the_silence_behind_a_clip_quiet():
    wave = tone(700, 3000) * torch.hann_window(3000) + 0.3 * tone(1900, 3000)
    clip = torch.nn.functional.pad(wave, (0, 5000))
    rms = wave.square().mean().sqrt()
    noise = torch.randn(1, 8000, generator=torch.Generator().manual_seed(0)) * rms * 10 ** (-30 / 20)
    front_end = LogMel(8000)
    change = (front_end(clip + noise) - front_end(clip))[0, 0, :, 30:].abs().mean()
    assert change < 0.1  # in standard deviations of the clip

    def with_absolute_floor(x):
        spectrum = torch.stft(x, 256, 128, window=torch.hann_window(256), return_complex=True)
        log = torch.log(front_end.filters @ spectrum.abs().square() + 1e-6)
        return ((log - log.mean()) / log.std())[0, :, 30:]

    assert (with_absolute_floor(clip + noise) - with_absolute_floor(clip)).abs().mean() > 4 * change


@pytest.mark.parametrize("rate", [None, 0, 999])
def test_rates_it_refuses(rate):
    with pytest.raises(DataError, match=f"sample_rate of at least 1000 Hz .* but got {rate}"):
        LogMel(rate)
