"""The user's own noise clips (``--noise-data``): half for training with, half for evaluating on."""

from __future__ import annotations

import copy
import io
from typing import Any

import numpy as np

from autonoise.array_files import BROKEN_FILE, open_npz
from autonoise.data.notes import log
from autonoise.errors import DataError, one_line
from autonoise.files import write_whole
from autonoise.ops.clips import Clips, load_clips
from autonoise.space.space import SearchSpace
from autonoise.study.config import StudyConfig
from autonoise.study.folder import StudyFolder
from autonoise.training.task import Task

CLIPS_FILE = "noise_clips.npz"
CLIPS_PARAMETER, GROUP_PARAMETER = "clips", "group"
TRAIN, HELD_OUT = "search", "held_out"


def with_noise_data(config: StudyConfig, space: SearchSpace, task: Task, folder: StudyFolder) -> SearchSpace:
    """Split the clips, give one half to the corruptions and the other to every technique that takes clips.

    The halves are written to ``noise_clips.npz`` in the study's folder, which the exported policy names.
    """
    if not config.noise_data:
        return space
    rate = task.dataset.sample_rate
    if rate is None:
        raise DataError(f"--noise-data is for data with a sample rate, but {config.data} has none")
    found = load_clips(config.noise_data, "", rate, "cpu")
    waves = [found.samples[s : s + n].numpy() for s, n in zip(found.starts, found.lengths, strict=True)]
    if len(waves) < 2:
        raise DataError(f"--noise-data {config.noise_data}: at least 2 clips are needed, one to train and one to judge")
    size = max(len(w) for w in waves)
    x = np.stack([np.resize(w, size) for w in waves]).astype(np.float32)
    x = x / np.maximum(np.abs(x).max(1, keepdims=True), 1e-9)
    groups = halves(found)
    held = int((groups == HELD_OUT).sum())
    log.warning("--noise-data: %d clips to train with, %d others to judge with%s", len(groups) - held, held, by(found))
    path = (folder.root / CLIPS_FILE).resolve()
    buffer = io.BytesIO()
    np.savez_compressed(buffer, X=x, group=groups, sample_rate=np.array(rate))
    write_whole(path, buffer.getvalue())
    task.clips = x[groups == HELD_OUT]
    source: dict[str, Any] = copy.deepcopy(dict(space.source))
    own = {CLIPS_PARAMETER: str(path), GROUP_PARAMETER: TRAIN}
    taking = {name for name, dims in space.techniques.items() if own.keys() <= dims.keys()}
    for name in taking:
        source["techniques"][name] = {**(source["techniques"].get(name) or {}), **own}
    # published recipes and starting policies mean "background noise", and that is now the user's
    for policy in (*source.get("seeds", ()), *source.get("presets", ())):
        for step in policy["steps"]:
            if step["technique"] in taking and not step.get(CLIPS_PARAMETER):
                step.update(own)
    return SearchSpace.from_dict(source)


def halves(found: Clips) -> np.ndarray[Any, np.dtype[Any]]:
    """(N,) "search" or "held_out" for each clip: as the file says; else clips of one source stay together.

    In random order (of a fixed seed), since files are mostly sorted by kind.
    """
    if all(found.halves):
        return np.array(found.halves)
    n = len(found.lengths)
    sources = np.array(found.sources if all(found.sources) else [str(i) for i in range(n)])
    out = np.full(n, HELD_OUT, dtype="<U8")
    trained = held = 0
    for source in np.random.default_rng(n).permutation(np.unique(sources)):
        # each goes to the half that has fewer clips so far
        members = sources == source
        if trained <= held:
            out[members] = TRAIN
            trained += int(members.sum())
        else:
            held += int(members.sum())
    return out


def by(found: Clips) -> str:
    """Words for how :func:`halves` decides."""
    if all(found.halves):
        return " (as the file says)"
    return " (clips of one source stay together)" if all(found.sources) else ""


def clips_of(folder: StudyFolder) -> np.ndarray[Any, np.dtype[np.float32]] | None:
    """The evaluation half, for workers of a study that is running. DataError where the file is damaged."""
    path = folder.root / CLIPS_FILE
    if not path.exists():
        return None
    try:
        with open_npz(path, DataError) as file:
            held: np.ndarray[Any, np.dtype[np.float32]] = file["X"][file["group"] == HELD_OUT]
            return held
    except BROKEN_FILE as e:
        raise DataError(f"{path} is damaged ({one_line(e, 80)}): delete it, and run autonoise search again") from None
