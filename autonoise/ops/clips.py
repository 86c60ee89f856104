"""Recorded clips, from an .npz file or a folder, read once and drawn from in whole batches."""

from __future__ import annotations

import functools
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Generator, Tensor

from autonoise.errors import MissingExtraError, PolicyError
from autonoise.ops.random import rand

SUFFIXES = (".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".au", ".caf")
ORIGINS = ("recording", "source", "noise_type", "class", "label", "y")
FEWEST_ORIGINS = 4
"""Fewer kinds of clips could not be halved without making the halves too different."""
HALVES = ("search", "held_out")


@dataclass(frozen=True)
class Clips:
    """Clips of different length, one after the other in ``samples`` (N,), each scaled to unit RMS.

    ``sources``: what each was cut from or is a kind of, where the file or folder tells; ``halves``: "search" or
    "held_out" where an npz says so itself.
    """

    samples: Tensor
    starts: Tensor
    lengths: Tensor
    sources: tuple[str, ...] = ()
    halves: tuple[str, ...] = ()

    def draw(self, batch: int, size: int, rng: Generator, like: Tensor) -> Tensor:
        """(batch, size): a random stretch of a random clip each; clips that are too short repeat."""
        u = rand((2, batch, 1), rng, self.samples)
        which = (u[0] * len(self.lengths)).long().clamp(max=len(self.lengths) - 1)
        length = self.lengths[which]
        places = torch.where(length > size, length - size + 1, length)
        offset = (u[1].double() * places).long().clamp(max=places - 1)
        index = (offset + torch.arange(size, device=length.device)) % length
        return self.samples[self.starts[which] + index].to(like.dtype)


@functools.lru_cache(maxsize=8)
def load_clips(path: str, group: str, sample_rate: int | None, device: str) -> Clips:
    """Clips of ``path``, resampled to ``sample_rate`` (None: as they are).

    An .npz has X (n, samples) int16 or float and may have ``sample_rate`` and ``group`` (n,). Of a folder all
    sound files below it are read (``SUFFIXES``); there ``group`` names a sub-folder. Sources are the first array of
    an .npz among recording, source, noise_type, class, label and y that has four values or more, else sub-folders.
    Raises PolicyError where nothing can be read, and MissingExtraError without soundfile.
    """
    source = Path(path)
    if not source.exists():
        raise PolicyError(
            f"background clips {path!r} do not exist: correct the path, or leave it empty for synthetic noise"
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
    try:
        # numpy leaves a file open that it opened itself and could not read
        with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
            clips = np.asarray(file["X"])
            rate = int(file["sample_rate"]) if "sample_rate" in file else None
            groups = np.asarray(file["group"]) if "group" in file else None
            origins = _origins({k: np.asarray(file[k]) for k in ORIGINS if k in file}, len(clips))
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as e:
        raise PolicyError(
            f"background clips {str(path)!r} cannot be read as .npz with an array X: {_one_line(e)}"
        ) from None
    if clips.ndim != 2 or clips.dtype.kind not in "if":
        raise PolicyError(
            f"background clips {str(path)!r}: X must be (clips, samples) of int16 or float, "
            f"but is {clips.shape} of {clips.dtype}"
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
    full = float(np.iinfo(clips.dtype).max) + 1 if clips.dtype.kind == "i" else 1.0
    for clip, origin, half in zip(clips, origins, halves, strict=True):
        yield torch.from_numpy((clip / full).astype(np.float32)), rate, str(origin), half


def _origins(arrays: dict[str, np.ndarray[Any, Any]], n: int) -> np.ndarray[Any, Any]:
    """What each clip was cut from: the first array with four values or more, else n empty words."""
    for values in arrays.values():
        if values.shape == (n,) and len(np.unique(values)) >= FEWEST_ORIGINS:
            return values.astype(str)
    return np.full(n, "")


def _from_folder(path: Path, group: str) -> Iterator[tuple[Tensor, int | None, str, str]]:
    try:
        import soundfile
    except (ImportError, OSError):  # OSError: the package is there, its C library is not
        raise MissingExtraError.of("soundfile", "audio", "reading a folder of clips") from None
    files = sorted(p for p in (path / group).rglob("*") if p.suffix.lower() in SUFFIXES)
    folders = {p.parent for p in files}
    for file in files:
        try:
            wave, rate = soundfile.read(file, dtype="float32", always_2d=True)
        except soundfile.SoundFileError as e:
            raise PolicyError(f"background clip {str(file)!r} cannot be read: {_one_line(e)}") from None
        origin = str(file.parent.relative_to(path)) if len(folders) >= FEWEST_ORIGINS else ""
        yield torch.from_numpy(wave.mean(1)), int(rate), origin, ""


def _resampled(wave: Tensor, rate: int | None, wanted: int | None) -> Tensor:
    if rate is None or wanted is None or rate == wanted or not len(wave):
        return wave
    from julius.resample import resample_frac

    resampled: Tensor = resample_frac(wave, rate, wanted)
    return resampled


def _one_line(e: BaseException) -> str:
    return " ".join(str(e).split()) or type(e).__name__


def _unit(wave: Tensor) -> Tensor:
    wave = torch.nan_to_num(wave)
    return wave / wave.square().mean().clamp(min=1e-12).sqrt()
