from pathlib import Path

import numpy as np
import pytest
import torch

from autonoise.errors import PolicyError
from autonoise.ops.clips import load_clips
from autonoise.ops.random import generator


def test_npz_groups_scale_and_resampling(tmp_path: Path) -> None:
    path = tmp_path / "noise.npz"
    wave = (8000 * np.sin(np.arange(4000) / 5)).astype(np.int16)
    silent = np.zeros(4000, np.int16)
    np.savez(path, X=np.stack([wave, wave // 2, silent]), group=np.array(["a", "b", "b"]), sample_rate=8000)
    both = load_clips(str(path), "", 8000, "cpu")
    assert both.lengths.tolist() == [4000, 4000]  # the silent one is left out
    assert both.starts.tolist() == [0, 4000]
    assert torch.allclose(both.samples.reshape(2, -1).square().mean(1), torch.ones(2), atol=1e-3)
    assert load_clips(str(path), "b", 8000, "cpu").lengths.tolist() == [4000]
    assert load_clips(str(path), "a", 16000, "cpu").lengths.tolist() == [8000]
    assert load_clips(str(path), "a", None, "cpu").lengths.tolist() == [4000]


def test_draws_are_stretches_of_one_clip_each(tmp_path: Path) -> None:
    path = tmp_path / "ramps.npz"
    np.savez(path, X=np.stack([np.arange(1.0, 101), np.arange(1001.0, 1101)]))
    clips = load_clips(str(path), "", None, "cpu")
    scale = clips.samples[0].item()  # the first value of the first ramp is 1
    second = clips.samples[100].item() / 1001
    drawn = clips.draw(200, 40, generator(0), torch.zeros(1))
    steps = drawn.diff(dim=1)
    assert torch.allclose(steps, steps[:, :1].expand_as(steps), atol=1e-4)  # no wrap: the clip is long enough
    first = drawn[:, 0] < 1001 * second * 0.99
    assert 60 < int((steps[:, 0] > (scale + second) / 2).sum()) < 140  # both clips occur
    assert first.any()
    assert clips.draw(3, 250, generator(0), torch.zeros(1)).shape == (3, 250)  # repeats
    assert torch.equal(clips.draw(3, 40, generator(5), drawn), clips.draw(3, 40, generator(5), drawn))


def test_folder_of_wav(tmp_path: Path) -> None:
    soundfile = pytest.importorskip("soundfile")
    (tmp_path / "rain").mkdir()
    rng = np.random.default_rng(0)
    soundfile.write(tmp_path / "rain" / "a.wav", rng.normal(0, 0.1, (1600, 2)), 16000)
    soundfile.write(tmp_path / "b.WAV", rng.normal(0, 0.1, 500), 8000)
    assert sorted(load_clips(str(tmp_path), "", 8000, "cpu").lengths.tolist()) == [500, 800]
    assert load_clips(str(tmp_path), "rain", 8000, "cpu").lengths.tolist() == [800]
    (tmp_path / "c.wav").write_bytes(b"no sound")
    with pytest.raises(PolicyError, match=r"c\.wav.* cannot be read"):
        load_clips(str(tmp_path), "", 4000, "cpu")


def test_what_cannot_be_read_is_told_in_one_line(tmp_path: Path) -> None:
    broken, odd, text = tmp_path / "broken.npz", tmp_path / "odd.npz", tmp_path / "text.npz"
    broken.write_bytes(b"PK\x03\x04 not a zip")
    np.savez(odd, X=np.zeros(5))
    np.savez(text, X=np.ones((1, 5)))
    empty = tmp_path / "empty"
    empty.mkdir()
    cases = [
        (tmp_path / "missing", "", "do not exist"),
        (broken, "", "cannot be read"),
        (odd, "", "X must be"),
        (text, "rain", "no array 'group'"),
        (empty, "", "at least one"),
    ]
    for path, group, message in cases:
        with pytest.raises(PolicyError, match=message) as error:
            load_clips(str(path), group, 8000, "cpu")
        assert "\n" not in str(error.value)


def test_pickled_arrays_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "objects.npz"
    np.savez(path, X=np.array([[1, "a"]], dtype=object))
    with pytest.raises(PolicyError, match="cannot be read"):
        load_clips(str(path), "", None, "cpu")


def test_what_a_clip_was_cut_from(tmp_path: Path) -> None:
    x = np.ones((8, 100), dtype=np.float32)
    kinds = np.array(["rain", "rain", "dog", "dog", "car", "car", "sea", "sea"])
    np.savez(tmp_path / "kinds.npz", X=x, noise_type=kinds, source=np.array(["ESC"] * 8))
    assert load_clips(str(tmp_path / "kinds.npz"), "", None, "cpu").sources == tuple(kinds)
    assert load_clips(str(tmp_path / "kinds.npz"), "", None, "cpu").halves == ("",) * 8
    np.savez(tmp_path / "plain.npz", X=x, group=np.arange(8) // 2)
    assert load_clips(str(tmp_path / "plain.npz"), "", None, "cpu").sources == tuple("00112233")
    said = np.array(["search"] * 5 + ["held_out"] * 3)
    np.savez(tmp_path / "said.npz", X=x, group=said)
    assert load_clips(str(tmp_path / "said.npz"), "", None, "cpu").halves == tuple(said)
    # silent clips go, and take their source along
    x[0] = 0
    np.savez(tmp_path / "silent.npz", X=x, noise_type=kinds)
    assert load_clips(str(tmp_path / "silent.npz"), "", None, "cpu").sources == tuple(kinds[1:])
    np.savez(tmp_path / "both.npz", X=np.ones((8, 100), np.float32), noise_type=kinds, group=np.array(list("aaaabbbb")))
    assert load_clips(str(tmp_path / "both.npz"), "b", None, "cpu").sources == tuple(kinds[4:])
