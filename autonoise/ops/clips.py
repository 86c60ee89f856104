"""Recorded clips from an .npz file or a folder; they are read once, and whole batches are drawn from them."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Generator, Tensor

from autonoise.array_files import BROKEN_FILE, check_unfolded, open_npz
from autonoise.errors import MissingExtraError, PolicyError
from autonoise.ops.random import rand

# Endings of the sound files that are read from a folder, in lower case.
SUFFIXES = (".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".au", ".caf")
# Arrays of an .npz that may tell what a clip was cut from, or which kind of sound it is; the first that fits is used.
ORIGINS = ("recording", "source", "noise_type", "class", "label", "y")
FEWEST_ORIGINS = 4
"""The smallest number of different origins that is used: fewer could not be divided into two similar halves."""
MAX_FILTER = 10_000_000
"""Numbers in the filter that resamples clips: the product of both rates without their common divisor."""
MOST_FILES = 100_000
"""Files and folders that are looked at in a folder of clips; more are those of a whole disk, named by mistake."""
HALVES = ("search", "held_out")
"""The two values of an .npz's ``group`` array that say which clips are for the search and which are held out."""


@dataclass(frozen=True)
class Clips:
    """Clips of different length, each scaled to an RMS of 1 and stored one after the other.

    Attributes:
        samples: (N,) the samples of all clips.
        starts, lengths: (n,) where each clip begins in ``samples``, and how many samples it has.
        sources: what each clip was cut from, or which kind of sound it is, where the file or folder tells.
        halves: "search" or "held_out" for each clip, where an .npz tells; else empty strings.
    """

    samples: Tensor
    starts: Tensor
    lengths: Tensor
    sources: tuple[str, ...] = ()
    halves: tuple[str, ...] = ()

    def draw(self, batch: int, size: int, rng: Generator, like: Tensor) -> Tensor:
        """Return (batch, size) samples: for each row a random stretch of a random clip; short clips repeat."""
        u = rand((2, batch, 1), rng, self.samples)
        which = (u[0] * len(self.lengths)).long().clamp(max=len(self.lengths) - 1)
        length = self.lengths[which]
        places = torch.where(length > size, length - size + 1, length)
        offset = (u[1].double() * places).long().clamp(max=places - 1)
        index = (offset + torch.arange(size, device=length.device)) % length
        return self.samples[self.starts[which] + index].to(like.dtype)


@functools.lru_cache(maxsize=8)
def load_clips(path: str, group: str, sample_rate: int | None, device: str) -> Clips:
    """Read the clips of ``path`` and resample them to ``sample_rate`` (None: leave them as they are).

    An .npz holds X (n, samples) as int16 or float, and may hold ``sample_rate`` and ``group`` (n,). Of a folder all
    sound files (``SUFFIXES``) at any depth are read, and ``group`` names a sub-folder.

    The sources of an .npz are the first of its arrays recording, source, noise_type, class, label and y that has at
    least four different values; those of a folder are its sub-folders. Raises PolicyError if nothing can be read, and
    MissingExtraError if a package is missing: soundfile, which reads folders, or julius, which resamples.
    """
    source = Path(path)
    if not (source.is_file() or source.is_dir()):  # of a device or a pipe one could read for ever
        raise PolicyError(
            f"background clips {path!r} do not exist, or are neither file nor folder: correct the path, or leave "
            f"it empty for synthetic noise"
        )
    found = _from_folder(source, group) if source.is_dir() else _from_npz(source, group)
    read = [(_unit(_resampled(wave, rate, sample_rate)), origin, half) for wave, rate, origin, half in found]
    read = [(c, origin, half) for c, origin, half in read if len(c) and bool(c.any())]
    clips = [c for c, _, _ in read]
    if not clips:
        of_group = f" of group {group!r}" if group else ""
        raise PolicyError(f"no background clips{of_group} in {path!r}: it must hold at least one that is not silent")
    lengths = torch.tensor([len(c) for c in clips])
    return Clips(
        torch.cat(clips).to(device),
        (lengths.cumsum(0) - lengths).to(device),
        lengths.to(device),
        tuple(origin for _, origin, _ in read),
        tuple(half for _, _, half in read),
    )


def _from_npz(path: Path, group: str) -> Iterator[tuple[Tensor, int | None, str, str]]:
    """Yield each clip of an .npz with its sample rate, source and half."""
    try:
        with open_npz(path, PolicyError) as file:
            clips = np.asarray(file["X"])
            rate = int(file["sample_rate"]) if "sample_rate" in file else None
            groups = np.asarray(file["group"]) if "group" in file else None
            origins = _origins({k: np.asarray(file[k]) for k in ORIGINS if k in file}, len(clips))
    except BROKEN_FILE as e:
        raise PolicyError(
            f"background clips {str(path)!r} cannot be read as .npz with an array X: {_one_line(e)}"
        ) from None
    if clips.ndim != 2 or clips.dtype.kind not in "if":
        raise PolicyError(
            f"background clips {str(path)!r}: X must be (clips, samples) of int16 or float, "
            f"but is {clips.shape} of {clips.dtype}"
        )
    if groups is not None and groups.shape != (len(clips),):
        raise PolicyError(
            f"background clips {str(path)!r}: group must hold one value for each of the {len(clips)} clips, but its "
            f"shape is {groups.shape}"
        )
    if group:
        if groups is None:
            raise PolicyError(f"background clips {str(path)!r} have no array 'group': leave group empty")
        clips, origins = clips[groups == group], origins[groups == group]
    halves = [""] * len(clips)
    if not group and groups is not None and set(map(str, groups)) == set(HALVES):
        halves = list(map(str, groups))
    elif not group and groups is not None and not any(origins) and len(groups) == len(clips):
        origins = groups.astype(str)
    # integers are divided by their largest size, such as 32768 for int16, to lie in -1..1
    full = float(np.iinfo(clips.dtype).max) + 1 if clips.dtype.kind == "i" else 1.0
    for clip, origin, half in zip(clips, origins, halves, strict=True):
        yield torch.from_numpy((clip / full).astype(np.float32)), rate, str(origin), half


def _origins(arrays: dict[str, np.ndarray[Any, Any]], n: int) -> np.ndarray[Any, Any]:
    """Return the source of each of n clips: the first array with at least four different values, else empty strings."""
    for values in arrays.values():
        if values.shape == (n,) and len(np.unique(values)) >= FEWEST_ORIGINS:
            return values.astype(str)
    return np.full(n, "")


def _from_folder(path: Path, group: str) -> Iterator[tuple[Tensor, int | None, str, str]]:
    """Yield each clip of a folder, its channels averaged, with its sample rate, source and half (always empty)."""
    try:
        import soundfile
    except (ImportError, OSError):  # OSError: the package is installed, but its C library is missing
        raise MissingExtraError.of("soundfile", "audio", "reading a folder of clips") from None
    found = list(itertools.islice((path / group).rglob("*"), MOST_FILES + 1))
    if len(found) > MOST_FILES:
        raise PolicyError(
            f"background clips {str(path)!r}: more than {MOST_FILES:,} files: name the folder of the clips"
        )
    files = sorted(p for p in found if p.suffix.lower() in SUFFIXES and p.is_file())
    folders = {p.parent for p in files}
    for file in files:
        try:
            with soundfile.SoundFile(file) as opened:
                check_unfolded(4 * opened.frames * opened.channels, file, PolicyError)
                wave, rate = opened.read(dtype="float32", always_2d=True), opened.samplerate
        except (soundfile.SoundFileError, OSError, ValueError, TypeError, RuntimeError) as e:
            raise PolicyError(f"background clip {str(file)!r} cannot be read: {_one_line(e)}") from None
        origin = str(file.parent.relative_to(path)) if len(folders) >= FEWEST_ORIGINS else ""
        yield torch.from_numpy(wave.mean(1)), int(rate), origin, ""


def _resampled(wave: Tensor, rate: int | None, wanted: int | None) -> Tensor:
    """Return ``wave`` at the sample rate ``wanted``, or unchanged if either rate is unknown."""
    if rate is None or wanted is None or rate == wanted or not len(wave):
        return wave
    common = math.gcd(rate, wanted)
    if rate < 1 or (rate // common) * (wanted // common) > MAX_FILTER:
        raise PolicyError(
            f"background clips of {rate} Hz cannot be resampled to {wanted} Hz, since the two have no simple ratio: "
            f"convert them to a usual rate, such as 16000 Hz"
        )
    try:
        from julius.resample import resample_frac
    except ModuleNotFoundError:
        raise MissingExtraError.of("julius", "audio", f"resampling clips from {rate} to {wanted} Hz") from None
    resampled: Tensor = resample_frac(wave, rate, wanted)
    return resampled


def _one_line(e: BaseException) -> str:
    """Return the message of an exception in one line, or its type if it has none."""
    return " ".join(str(e).split()) or type(e).__name__


def _unit(wave: Tensor) -> Tensor:
    """Scale a clip to an RMS of 1; missing values become 0, and 1e-12 avoids a division by zero for silence."""
    wave = torch.nan_to_num(wave)
    return wave / wave.square().mean().clamp(min=1e-12).sqrt()
