"""Audio corruptions do what their amount says."""

from __future__ import annotations

import numpy as np
import pytest
from corruption_samples import apply, reference_of, rows_of

from autonoise.corruptions import Corruption, Reference, corruptions_for, get_corruption
from autonoise.corruptions.waves import active, drawn_clips
from autonoise.types import DataType

RATE = 8000
CLIPS = rows_of(DataType.AUDIO)
assert isinstance(CLIPS, np.ndarray)
TIME = np.arange(8000) / RATE


def audio(name: str, amount: float, rows: np.ndarray = CLIPS) -> np.ndarray:
    return np.asarray(apply(get_corruption("audio", name), amount, rows, reference_of(DataType.AUDIO)))


def tones(*frequencies: float, size: float = 0.2) -> np.ndarray:
    return np.stack([size * np.sin(2 * np.pi * f * TIME) for f in frequencies]).astype(np.float32)


def decibels(power: np.ndarray) -> np.ndarray:
    return np.asarray(10 * np.log10(power))


@pytest.mark.parametrize("c", corruptions_for("audio"), ids=lambda c: c.name)
@pytest.mark.parametrize("rows", [
    np.full((2, 900), np.nan, np.float32), np.zeros((2, 900), np.float32), np.full((2, 3), 0.5, np.float32),
    np.sign(np.random.default_rng(0).standard_normal((2, 900))).astype(np.float32),
], ids=["padding", "silence", "three", "full-scale"])  # fmt: skip
def test_odd_clips(c: Corruption, rows: np.ndarray) -> None:
    for amount in (c.mildest, *c.severities, c.harshest):
        out = audio(c.name, amount, rows)
        assert np.isnan(out[np.isnan(rows)]).all()
        assert c.name == "speed" or np.isfinite(out[~np.isnan(rows)]).all()
        assert not out.size or not np.nanmax(np.abs(np.nan_to_num(out))) > 1


def test_active_samples_by_hand() -> None:
    clip = np.full((1, 1600), np.nan, np.float32)  # ten frames of 160 samples
    clip[0, :1280] = [*[0.5] * 160, *[0.0] * 160, *[0.0051] * 160, *[0.0049] * 160, *[0.1] * 640]
    assert active(clip, RATE)[0, ::160].tolist() == [True, False, True, False, True, True, True, True, False, False]


@pytest.mark.parametrize("name", ["white_noise", "pink_noise", "mains_hum"])
@pytest.mark.parametrize("snr", [30.0, 10.0])
def test_stationary_noise_has_its_snr_over_the_active_part(name: str, snr: float) -> None:
    noise = audio(name, snr).astype(float) - CLIPS
    quiet = (TIME[:4000] > 0.1) & (TIME[:4000] < 0.35)  # where the tone bursts are
    signal_power = (CLIPS[:, quiet].astype(float) ** 2).mean(axis=1)
    noise_power = np.nanmean(noise**2, axis=1)
    assert decibels(signal_power / noise_power) == pytest.approx(np.full(30, snr), abs=0.6)
    assert decibels(signal_power / noise_power).mean() == pytest.approx(snr, abs=0.3)


@pytest.mark.parametrize("name", ["babble", "background_clips"])
def test_mixed_recordings_have_their_snr(name: str) -> None:
    # Where both sound all the time, no frame is left out on either side.
    rows = tones(300, 500, 900, 1500)
    steady = Reference(DataType.AUDIO, tones(250, 410, 620, 1100, 1900, size=0.3), RATE, tones(333, 777))
    out = np.asarray(apply(get_corruption("audio", name), 12.0, rows, steady))
    power = ((out - rows).astype(float) ** 2).mean(axis=1)
    assert decibels(0.02 / power) == pytest.approx(np.full(4, 12.0), abs=0.1)


def test_pink_noise_falls_by_3_db_per_octave() -> None:
    rows = np.random.default_rng(1).uniform(-0.1, 0.1, (40, 8000)).astype(np.float32)
    spectrum = (np.abs(np.fft.rfft(audio("pink_noise", 10, rows) - rows, axis=1)) ** 2).mean(axis=0)
    octaves = [spectrum[f : 2 * f].mean() for f in (50, 100, 200, 400, 800, 1600)]
    assert np.diff(decibels(np.array(octaves))) == pytest.approx(np.full(5, -3.01), abs=0.5)
    hum = (np.abs(np.fft.rfft(audio("mains_hum", 10, rows) - rows, axis=1)) ** 2).sum(axis=0)
    assert set(np.argsort(hum)[-10:]) == {50, 60, 100, 120, 150, 180, 200, 240, 250, 300}


def test_clipping_hits_its_fraction_of_active_samples() -> None:
    out = audio("clipping", 0.8)
    heard = active(CLIPS, RATE)
    changed = (out != CLIPS) & heard
    assert changed.sum(axis=1) / heard.sum(axis=1) == pytest.approx(np.full(30, 0.2), abs=0.002)


@pytest.mark.parametrize(("name", "kept", "lost"), [("low_pass", 500.0, 3000.0), ("high_pass", 3000.0, 500.0)])
def test_filters_keep_one_side(name: str, kept: float, lost: float) -> None:
    rows = tones(kept, lost, 1000)
    out = audio(name, 1000 if name == "low_pass" else 1000.0, rows)[:, 1000:].astype(float)
    power = decibels((out**2).mean(axis=1) / 0.02)
    assert power[0] == pytest.approx(0, abs=0.1)
    assert power[1] < -20
    assert power[2] == pytest.approx(-3.01, abs=0.1)  # the cut-off is where half of the power is left


def test_low_pass_above_the_sample_rate_does_nothing() -> None:
    rows = tones(3500)
    assert np.array_equal(audio("low_pass", 7600, rows), rows)


def test_time_mask_and_packet_loss_silence_their_fraction() -> None:
    rows = np.full((100, 8000), 0.5, np.float32)
    rows[:50, 4000:] = np.nan
    masked = audio("time_mask", 0.2, rows) == 0
    assert set(masked[:50].sum(axis=1)) == {800}
    assert set(masked[50:].sum(axis=1)) == {1600}
    assert (np.diff(masked.astype(int), axis=1) == 1).sum(axis=1).max() <= 1
    lost = (audio("packet_loss", 0.25, rows[50:]) == 0).reshape(50, 50, 160)
    assert (lost == lost[:, :, :1]).all()
    assert lost.mean() == pytest.approx(0.25, abs=0.03)


def test_speed_shortens_and_raises_the_pitch() -> None:
    rows = tones(400)
    rows[0, 6000:] = np.nan
    (out,) = audio("speed", 1.5, rows)
    assert np.isnan(out[4000:]).all()
    spectrum = np.abs(np.fft.rfft(out[:4000]))
    assert np.argmax(spectrum) * RATE / 4000 == pytest.approx(600, abs=2)


def test_reverb_of_a_click_falls_by_60_db_in_its_time() -> None:
    rows = np.zeros((60, 8000), np.float32)
    rows[:, 0] = 0.9
    out = audio("reverb", 0.5, rows).astype(float)
    assert (out**2).sum(axis=1) == pytest.approx(np.full(60, 0.81), rel=1e-3)
    direct, tail = (out[:, :1] ** 2).mean(), (out[:, 1:] ** 2).mean(axis=0)
    assert direct == pytest.approx(0.405, rel=0.15)  # at 0.5 s the echo is as strong as the direct sound
    early, late = decibels(tail[:400].mean()), decibels(tail[2000:2400].mean())
    assert early - late == pytest.approx(30, abs=1)


def test_bit_depth_by_hand() -> None:
    rows = np.array([[0.1, -0.3, 0.49, 0.99, -1.0]], np.float32)
    assert audio("bit_depth", 3, rows)[0].tolist() == [0.0, -0.25, 0.5, 1.0, -1.0]
    wide = np.linspace(-1, 1, 5000, dtype=np.float32)[None]
    assert np.abs(audio("bit_depth", 6, wide) - wide).max() == pytest.approx(2**-6, rel=0.01)


def test_mu_law_by_hand() -> None:
    # With steps of 1/4 on the logarithmic scale, (256^(k/4) - 1) / 255 is left: 0, 3/255, 15/255, 63/255, 1.
    wide = np.linspace(0, 1, 5000, dtype=np.float32)[None]
    assert np.unique(audio("mu_law", 3, wide)) == pytest.approx([0, 3 / 255, 15 / 255, 63 / 255, 1], abs=1e-6)
    assert np.array_equal(audio("mu_law", 3, -wide), -audio("mu_law", 3, wide))


def test_drawn_clips_skip_padding_and_repeat() -> None:
    source = np.array([[1, 2, 3, np.nan, np.nan]], np.float32)
    out = drawn_clips(source, 20, 7, np.random.default_rng(0))
    assert {tuple(row) for row in out[:, :3]} == {(1, 2, 3), (2, 3, 1), (3, 1, 2)}
    assert np.array_equal(out[:, :4], out[:, 3:])
