"""Sound: a stated sample rate means sound, whole numbers are scaled by the bits they use, stereo is mixed down."""

import logging

import numpy as np
import pytest

from autonoise import data
from autonoise.errors import DataError
from autonoise.types import DataType

Y = np.arange(20) % 2


def load(tmp_path, x, **arrays):
    np.savez(tmp_path / "a.npz", X=x, y=Y, **arrays)
    return data.load(tmp_path / "a.npz")


@pytest.mark.parametrize(
    ("dtype", "stored", "heard"),
    [
        ("int8", (-128, 0, 64), (-1, 0, 0.5)),
        ("uint8", (0, 128, 192), (-1, 0, 0.5)),
        ("uint16", (0, 32768, 49152), (-1, 0, 0.5)),
        ("int16", (-32768, 0, 16384), (-1, 0, 0.5)),
        ("int32", (-(2**31), 0, 2**30), (-1, 0, 0.5)),
        ("int32", (-(2**23), 0, 2**22), (-1, 0, 0.5)),  # 24 bits in words of 32
        ("int64", (-32768, 0, 16384), (-1, 0, 0.5)),  # 16 bits in words of 64
        ("float64", (-1, 0, 0.5), (-1, 0, 0.5)),
        ("float16", (-1, 0, 0.5), (-1, 0, 0.5)),
    ],
)
@pytest.mark.parametrize("shape", ["flat", "one", "first", "last"])
def test_scale_and_channels(tmp_path, dtype, stored, heard, shape):
    one = np.tile(np.array(stored, dtype=dtype), (20, 4))  # (20, 12)
    silence = np.full_like(one, {"uint8": 128, "uint16": 32768}.get(dtype, 0))
    x = {
        "flat": lambda: one,
        "one": lambda: one[:, None],
        "first": lambda: np.stack([one, silence], axis=1),
        "last": lambda: np.stack([silence, one], axis=2),
    }[shape]()
    d = load(tmp_path, x, sample_rate=8000)
    assert d.data_type is DataType.AUDIO and d.sample_rate == 8000 and d.x.dtype == np.float32
    np.testing.assert_array_equal(d.x[5], np.tile(np.float32(heard), 4) / (1 if shape in ("flat", "one") else 2))
    assert any("mixed down" in n for n in d.notes) == (shape in ("first", "last"))


def test_bits_that_are_used_are_told(tmp_path, caplog):
    with caplog.at_level(logging.WARNING, logger="autonoise"):
        load(tmp_path, np.full((20, 9), 20_000, dtype=np.int32), sample_rate=8000)
    assert "int32 samples peak at 20000: divided by 32768" in caplog.text
    d = load(tmp_path, np.full((20, 9), 20_000, dtype=np.int32), sample_rate=8000, full_scale=40_000)
    assert (d.x == 0.5).all()
    d = load(tmp_path, np.full((20, 9), 20_000.0), sample_rate=8000, full_scale=40_000)
    assert (d.x == 0.5).all()


@pytest.mark.parametrize("dtype", ["int64", "uint32"])
def test_samples_beyond_any_scale(tmp_path, dtype):
    with pytest.raises(DataError, match="fit no full scale"):
        load(tmp_path, np.full((20, 9), 2**31 + 5, dtype=dtype), sample_rate=8000)


def test_what_a_sample_rate_does_not_make_sound(tmp_path, caplog):
    d = load(tmp_path, np.random.default_rng(0).normal(size=(20, 6, 30)), sample_rate=8000)
    assert d.data_type is DataType.TIMESERIES and d.x.shape == (20, 6, 30) and d.sample_rate is None
    d = load(tmp_path, np.random.default_rng(0).normal(size=(20, 30)), sample_rate=50)
    assert d.data_type is DataType.TIMESERIES and "50 Hz is too low for sound" in d.notes[0]
    with pytest.raises(DataError, match="int16 may be sound or a table"):
        load(tmp_path, np.ones((20, 30), dtype=np.int16))
    np.savez(tmp_path / "a.npz", X=np.ones((20, 30), dtype=np.int16), y=Y)
    assert data.load(tmp_path / "a.npz", data_type="tabular").x.shape == (20, 30)
    assert data.load(tmp_path / "a.npz", data_type="audio").sample_rate == 16000
    assert "16000 Hz assumed" in caplog.text


def test_overshoot_is_told(tmp_path):
    x = np.full((20, 9), 0.5)
    x[3, 4] = -1.2
    d = load(tmp_path, x, sample_rate=8000)
    assert d.x[3, 4] == -1 and "1 samples above full scale are clipped to -1..1" in d.notes


@pytest.mark.parametrize(
    ("suffix", "container", "loss"),
    [(".wav", "WAV", 0), (".flac", "FLAC", 0), (".aiff", "AIFF", 0), (".au", "AU", 0), (".ogg", "OGG", 0.05),
     (".mp3", "MP3", 0.05)],
)  # fmt: skip
def test_sound_types(tmp_path, suffix, container, loss):
    soundfile = pytest.importorskip("soundfile")
    if container not in soundfile.available_formats():
        pytest.skip(f"this libsndfile has no {container}")
    wave = 0.5 * np.sin(2 * np.pi * 440 * np.arange(4000) / 16000)
    for c in "ab":
        (tmp_path / c).mkdir()
        for i in range(6):
            soundfile.write(tmp_path / c / f"{i}{suffix}", wave, 16000, format=container)
    d = data.load(tmp_path)
    assert d.data_type is DataType.AUDIO and d.sample_rate == 16000 and len(d) == 12
    heard = np.nan_to_num(d.x[0])
    place = int(np.correlate(heard, wave[500:3500].astype(np.float32), "valid").argmax())  # codecs add a delay
    np.testing.assert_allclose(heard[place : place + 3000], wave[500:3500], atol=loss + 1e-4)


def test_broken_and_foreign_clips(tmp_path):
    soundfile = pytest.importorskip("soundfile")
    for c in "ab":
        (tmp_path / c).mkdir()
        for i in range(6):
            soundfile.write(tmp_path / c / f"{i}.wav", np.full(800, 0.1), 8000)
    (tmp_path / "b" / "x.m4a").write_bytes(b"ftypM4A ")
    assert "1 files are left out, which cannot be read (1 .m4a)" in data.load(tmp_path).notes
    soundfile.write(tmp_path / "a" / "loud.wav", np.full(800, 900.0), 8000, subtype="FLOAT")
    with pytest.raises(DataError, match=r"loud\.wav: samples must lie in -1\.\.1"):
        data.load(tmp_path)
    (tmp_path / "a" / "loud.wav").write_bytes(b"RIFF")
    with pytest.raises(DataError, match=r"loud\.wav: unreadable sound file"):
        data.load(tmp_path)
    soundfile.write(tmp_path / "a" / "loud.wav", np.zeros(0), 8000)
    with pytest.raises(DataError, match=r"loud\.wav: a sound file without samples"):
        data.load(tmp_path)


def test_a_noisy_copy_has_the_scale_of_the_clean_data(tmp_path):
    clean = load(tmp_path, np.full((20, 9), 2**22, dtype=np.int32), sample_rate=8000)
    assert clean.full_scale == 2**23
    np.savez(tmp_path / "quiet.npz", X=np.full((20, 9), 2**14, dtype=np.int32), y=Y, sample_rate=8000)
    assert (data.load(tmp_path / "quiet.npz").x == 0.5).all()
    assert (data.load(tmp_path / "quiet.npz", like=clean).x == 2**-9).all()
