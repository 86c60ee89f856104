import math

import numpy as np
import pytest
import torch
from scipy.fft import next_fast_len

from autonoise.ops import audio
from autonoise.ops.random import generator
from autonoise.types import BatchInfo, DataType, InputSpec

RATE = 8000
SPEC = InputSpec(data_type=DataType.AUDIO, layout=(8000,), sample_rate=RATE)


def tone(hertz: float, size: int = 8000, amplitude: float = 0.5) -> torch.Tensor:
    return amplitude * torch.sin(2 * math.pi * hertz * torch.arange(size) / RATE).unsqueeze(0)


def test_active_power_ignores_silence_and_padding() -> None:
    x = tone(400)
    x[:, 4000:] = 0
    assert audio.mean_power(x).item() == pytest.approx(0.0625, rel=1e-3)
    assert audio.active_power(x, sample_rate=RATE).item() == pytest.approx(0.125, rel=1e-3)  # amplitude^2 / 2
    x[:, 4000:] = 1.0
    assert audio.active_power(x, torch.tensor([4000]), RATE).item() == pytest.approx(0.125, rel=1e-3)


def test_active_power_keeps_frames_39_db_down_and_drops_those_41_db_down() -> None:
    loud, soft = tone(400, 160), tone(400, 160)
    for decibels, frames in ((-39.0, 2), (-41.0, 1)):
        x = torch.cat([loud, soft * 10 ** (decibels / 20)], 1)
        expected = 0.125 * (1 + 10 ** (decibels / 10)) / 2 if frames == 2 else 0.125
        assert audio.active_power(x, sample_rate=RATE).item() == pytest.approx(expected, rel=1e-3)


def test_a_short_last_frame_does_not_become_the_loudest() -> None:
    x = torch.cat([tone(400, 1600, 0.01), torch.ones(1, 1) * 0.02], 1)  # last frame of one sample
    assert audio.active_power(x, sample_rate=RATE).item() == pytest.approx(0.01**2 / 2, rel=0.02)


def test_silence_stays_silent() -> None:
    x = torch.zeros(2, 800)
    noise = torch.randn(2, 800, generator=generator(0))
    out = audio.mix_at_snr(x, noise, 10.0, strength=torch.ones(2, 1), info=BatchInfo(spec=SPEC))
    assert torch.equal(out, x)


@pytest.mark.parametrize("exponent", [-1.0, 0.0, 1.0, 2.0])
def test_coloured_noise_has_unit_power_and_the_slope(exponent: float) -> None:
    noise = audio.coloured_noise((32, 8192), exponent, generator(1), torch.zeros(1))
    assert torch.allclose(noise.square().mean(1), torch.ones(32), atol=1e-4)
    power = np.abs(np.fft.rfft(noise.double().numpy(), axis=1)) ** 2
    f = np.arange(power.shape[1])
    slope, _ = np.polyfit(np.log(f[20:3000]), np.log(power.mean(0)[20:3000]), 1)
    assert slope == pytest.approx(-exponent, abs=0.08)


def test_environment_noise_is_uneven_in_frequency_and_time() -> None:
    noise = audio.environment_noise((16, 8000), generator(2), torch.zeros(1), RATE)
    assert noise.shape == (16, 8000)
    assert torch.allclose(noise.square().mean(1), torch.ones(16), atol=1e-4)
    loudness = noise.reshape(16, 10, 800).square().mean(2)
    assert (loudness.amax(1) / loudness.amin(1)).median() > 2  # white noise: about 1.2
    power = torch.fft.rfft(noise).abs().square()
    flatness = power.clamp(min=1e-9).log().mean(1).exp() / power.mean(1)
    assert flatness.median() < 0.3  # white noise: 0.56


@pytest.mark.parametrize(("hertz", "kept"), [(200.0, 0.0), (800.0, 1.0), (1500.0, 1.0), (3000.0, 0.0)])
def test_filtered_keeps_the_band(hertz: float, kept: float) -> None:
    x = tone(hertz)
    out = audio.filtered(x, torch.tensor([[0.1]]), torch.tensor([[0.5]]))  # 400 .. 2000 Hz
    middle = slice(1000, 7000)
    gain = (out[:, middle].square().mean() / x[:, middle].square().mean()).sqrt().item()
    assert gain == pytest.approx(kept, abs=0.01)


def test_filtered_with_open_edges_is_the_identity() -> None:
    x = torch.randn(2, 999, generator=generator(0))
    assert torch.allclose(audio.filtered(x, torch.zeros(2, 1), torch.ones(2, 1)), x, atol=1e-5)


def test_convolved_matches_numpy() -> None:
    x, h = torch.randn(2, 50, generator=generator(0)), torch.randn(2, 17, generator=generator(1))
    expected = np.stack([np.convolve(a, b)[:50] for a, b in zip(x.numpy(), h.numpy(), strict=True)])
    assert np.allclose(audio.convolved(x, h).numpy(), expected, atol=1e-4)


@pytest.mark.parametrize("factor", [0.8, 1.0, 1.25])
@pytest.mark.parametrize(("hertz", "error_db"), [(300.0, -65), (2500.0, -30)])
def test_resampled_tone_is_the_tone_of_the_new_pitch(factor: float, hertz: float, error_db: float) -> None:
    out = audio.resampled_at(tone(hertz), torch.tensor([[factor]]))
    expected = tone(hertz * factor)
    middle = slice(500, int(7000 / max(1, factor)))
    error = (out - expected)[:, middle].square().mean() / 0.125
    assert 10 * math.log10(error) < error_db


def test_resampling_cuts_what_would_alias() -> None:
    out = audio.resampled_at(tone(3800), torch.tensor([[1.25]]))  # would be 4750 Hz, above Nyquist
    assert out[:, 500:5500].square().mean() < 0.125 * 1e-3


def test_level_exceeded_is_the_quantile() -> None:
    x = torch.randn(3, 5000, generator=generator(0))
    x[2, 2500:] = 100.0
    lengths = torch.tensor([5000, 5000, 2500])
    rate = torch.tensor([[0.1], [0.0], [0.3]])
    level = audio.level_exceeded(x, rate, lengths)[:, 0]
    assert level[0].item() == pytest.approx(np.quantile(np.abs(x[0].numpy()), 0.9), abs=2e-3)
    assert level[1] == x[1].abs().max()
    assert level[2].item() == pytest.approx(np.quantile(np.abs(x[2, :2500].numpy()), 0.7), abs=2e-3)


def test_lengths_of_fast_transforms_are_those_of_scipy() -> None:
    # by hand: 7 is a prime above 5, so 8; 121 = 11 * 11, then 122 = 2 * 61, 123 = 3 * 41, 124 = 4 * 31, 125 = 5^3
    assert [audio.fast_length(n) for n in (0, 1, 7, 121, 2187, 4001)] == [1, 1, 8, 125, 2187, 4050]
    for n in (*range(1, 700), *range(4000, 4100), 65537, 10**6 + 1):
        assert audio.fast_length(n) == next_fast_len(n, real=True), n
