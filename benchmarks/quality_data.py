"""What policy_quality.py trains and judges on, written once so that training needs no other library.

One file per data set, ``WORK/<set>.npz`` (no pickle), whose entries are packed bytes: the training and test rows as a
model gets them (pictures and clips as bytes and 16-bit numbers, texts in UTF-8), copies of the training rows made by the
recipes of other libraries, and the test rows under corruptions, autonoise's held-out ones and those of other libraries.
"""

from __future__ import annotations

import json
import lzma
import os
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import quality_recipes as peers
import torch
from bank import JUDGED_ROWS, TRAIN_ROWS, name_of, open_task
from torch import Tensor

from autonoise.types import InputSpec

SEVERITIES = (2, 4)
AT_HAND = ("image", "audio")
"""Data types whose rows and held-out corruptions are read and made anew where models are trained: they would be large."""
COPIES = {"image": 4, "text": 6, "audio": 3, "timeseries": 5, "tabular": 0}
"""Augmented copies of each training row; a training draws one of them per row and epoch. More would not fit the folder."""
GREYS = {"pool": 6, "test": 2}
"""Grey levels of 256 that become one where copies and corrupted pictures are stored: off by 3 at most, and half as large."""
CLIP_ERROR = {"pool": 10**-2.2, "test": 10**-2.35}
"""Rounding error of stored clips as a share of their root mean square: 44 and 47 dB below it."""


@dataclass
class Material:
    """One data set, as tensors and texts.

    ``tests``: "clean", "held/NAME/SEVERITY" and "third/NAME" to rows. ``pools``: recipe to a list of copies. ``families``:
    the kind of noise of each corruption, by the same NAME with its group in front.
    """

    name: str
    data_type: str
    spec: InputSpec
    x: Any
    y: np.ndarray[Any, Any]
    test_y: np.ndarray[Any, Any]
    tests: dict[str, Any]
    pools: dict[str, list[Any]]
    families: dict[str, str] = field(default_factory=dict)


def packed(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The array as compressed bytes: whole numbers as differences of neighbours, byte planes, LZMA."""
    a = array
    if a.dtype.kind in "iu":
        a = np.diff(a, axis=_along(a), prepend=a.dtype.type(0))
    planes = np.ascontiguousarray(a).view(np.uint8).reshape(-1, a.dtype.itemsize).T
    return np.frombuffer(lzma.compress(planes.tobytes(), preset=6), dtype=np.uint8)


def unpacked(code: np.ndarray[Any, Any], dtype: str, shape: tuple[int, ...]) -> np.ndarray[Any, Any]:
    kind = np.dtype(dtype)
    planes = np.frombuffer(lzma.decompress(code.tobytes()), dtype=np.uint8).reshape(kind.itemsize, -1)
    a = np.ascontiguousarray(planes.T).reshape(-1).view(kind).reshape(shape)
    return np.cumsum(a, axis=_along(a), dtype=kind) if kind.kind in "iu" else a


def _along(a: np.ndarray[Any, Any]) -> int:
    """Along a row of pixels (N, H, W, C), else along time."""
    return -2 if a.dtype == np.uint8 and a.ndim >= 4 else -1


class Store:
    """Named rows in one npz file."""

    def __init__(self) -> None:
        self.arrays: dict[str, np.ndarray[Any, Any]] = {}
        self.meta: dict[str, Any] = {"entries": {}}

    def put(self, key: str, rows: Any) -> None:
        """Rows of a data type: bytes of pictures, clips (floats (N, T)), texts, standardised series and tables."""
        name, group, extra = f"e{len(self.meta['entries'])}", key.split("/", maxsplit=1)[0], {}
        if isinstance(rows, list):
            code = np.frombuffer(lzma.compress("\x00".join(t.replace("\x00", " ") for t in rows).encode()), np.uint8)
            extra = {"kind": "texts"}
        elif rows.dtype == np.uint8:
            rows = rows // GREYS[group]
            code, extra = packed(rows), {"kind": "pictures", "dtype": "uint8", "shape": rows.shape}
        elif rows.ndim == 2 and self.meta["data_type"] == "audio":
            loud = np.sqrt((rows.astype(np.float64) ** 2).mean(1)) + 1e-5
            step = (loud * CLIP_ERROR[group] * np.sqrt(12)).astype(np.float32)
            whole = np.clip(np.round(rows / step[:, None]), -32767, 32767).astype(np.int16)
            self.arrays[f"{name}s"] = step
            code, extra = packed(whole), {"kind": "clips", "dtype": "int16", "shape": whole.shape}
        else:
            code, extra = packed(rows.astype(np.float16)), {"kind": "numbers", "dtype": "float16", "shape": rows.shape}
        self.arrays[name] = code
        self.meta["entries"][key] = {"at": name, **extra}

    def save(self, file: Path) -> None:
        meta = np.frombuffer(json.dumps(self.meta).encode(), dtype=np.uint8)
        with file.with_suffix(".part").open("wb") as f:
            np.savez(f, meta=meta, **self.arrays)
        file.with_suffix(".part").replace(file)


class Stored:
    """What a Store wrote; ``rows(key)``: pictures float (N, C, H, W), clips and numbers float32, texts a list."""

    def __init__(self, file: Path) -> None:
        self.file = np.load(file, allow_pickle=False)
        self.meta = json.loads(self.file["meta"].tobytes())

    def keys(self, group: str) -> list[str]:
        return [k for k in self.meta["entries"] if k.startswith(group)]

    def rows(self, key: str) -> Any:
        entry = self.meta["entries"][key]
        code = self.file[entry["at"]]
        if entry["kind"] == "texts":
            return lzma.decompress(code.tobytes()).decode().split("\x00")
        a = unpacked(code, entry["dtype"], tuple(entry["shape"]))
        if entry["kind"] == "pictures":
            greys = GREYS[key.split("/", maxsplit=1)[0]]
            return pictures(np.minimum(a.astype(np.int16) * greys + greys // 2, 255))
        if entry["kind"] == "clips":
            return torch.from_numpy(a * self.file[f"{entry['at']}s"][:, None]).float()
        return torch.from_numpy(a.astype(np.float32))


def pictures(rows: np.ndarray[Any, Any]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(rows.transpose(0, 3, 1, 2))).float() / 255


def plain(rows: Any, preparation: Any, data_type: str) -> Any:
    """Raw rows as they are stored: series and tables standardised, clips padded with silence, the rest as it is."""
    if data_type == "audio":
        return np.nan_to_num(rows)
    if data_type in ("timeseries", "tabular"):
        found = preparation(rows)
        return (found["series"] if isinstance(found, dict) else found).numpy()
    return rows


def prepare(path: Path, work: Path) -> None:
    """Write ``WORK/<set>.npz`` and ``WORK/<set>.policies.json``; nothing where they are."""
    from autonoise.corruptions.frozen import corrupted
    from autonoise.data import take

    file = work / f"{name_of(path)}.npz"
    if file.exists():
        return
    task, _ = open_task(path, work)
    data_type, preparation = str(task.dataset.data_type), task.training(0).preparation
    fold, store = task.splits.folds[0], Store()
    index = np.concatenate([fold.train, fold.search, fold.confirm])[:TRAIN_ROWS]
    sets = task.sets("test", 0, "held_out").first(JUDGED_ROWS)
    store.meta |= {"data_type": data_type, "name": name_of(path), "spec": preparation.spec.to_dict(),
                   "y": task.dataset.y[index].tolist(), "test_y": sets.labels.tolist(), "families": {},
                   "fingerprint": task.dataset.fingerprint}  # fmt: skip
    raw = take(task.dataset.x, index)
    # tsaug and audiomentations need numbers without gaps
    early = data_type in ("audio", "timeseries")
    train, test = (plain(r, preparation, data_type) if early else r for r in (raw, sets.rows))
    if data_type in AT_HAND:
        store.meta["index"] = index.tolist()
    else:
        store.put("train", plain(raw, preparation, data_type))
        store.put("test/clean", plain(sets.rows, preparation, data_type))
    for frozen in sets.frozen:
        store.meta["families"][f"held/{frozen.name}"] = str(frozen.family)
        for severity in SEVERITIES if data_type not in AT_HAND else ():
            rows = corrupted(sets.rows, frozen, severity, sets.part, task.reference(0))
            store.put(f"test/held/{frozen.name}/{severity}", plain(rows, preparation, data_type))
    rate = task.dataset.sample_rate
    for number, (name, (family, change)) in enumerate(peers.corruptions(data_type, rate).items()):
        peers.seeded(100 + number)
        store.meta["families"][f"third/{name}"] = family
        rows = change(test)
        store.put(f"test/third/{name}", rows if early else plain(rows, preparation, data_type))
    for name, change in peers.recipes(data_type, rate).items():
        for copy in range(COPIES[data_type]):
            peers.seeded(copy)
            store.put(f"pool/{name}/{copy}", change(train))
    (work / f"{name_of(path)}.policies.json").write_text(json.dumps(unsearched(task), indent=0) + "\n")
    store.save(file)


def unsearched(task: Any) -> dict[str, Any]:
    """What autonoise says without a search: its recommendation, the best policy of the portfolio, published presets."""
    from autonoise.injector.acting import acting_steps
    from autonoise.space.space import SearchSpace
    from autonoise.study.advice import advise
    from autonoise.study.learned import learned

    data_type = str(task.dataset.data_type)
    advice = advise(task.dataset)
    known = learned(task.dataset.data_type).without(task.dataset.fingerprint)
    acting = [p for p in known.portfolio if not p.needs_whole_step and not acting_steps(p, task.spec())[1] and p.steps]
    found = {"recommendation": advice.policy if advice else None, "portfolio": acting[0] if acting else None}
    presets = {p.name: p for p in SearchSpace.load(data_type).presets}
    found |= {f"recipe: {n}": presets[n] for n in peers.AS_POLICY.get(data_type, ())}
    return {n: p.to_dict() for n, p in found.items() if p is not None}


@cache
def material(path: Path, work: Path) -> Material:
    """The data set as it was prepared, ready for training; kept in ``WORK/<set>.ready.pt``, which is quicker to read."""
    from quality_models import Pieces

    name = name_of(path)
    ready = work / f"{name}.ready.pt"
    stored = Stored(work / f"{name}.npz")
    meta = stored.meta
    data_type, y = meta["data_type"], np.array(meta["y"])
    parts = torch.load(ready, weights_only=True) if ready.exists() else _unpack(path, work, stored)
    if not ready.exists():
        part = ready.with_suffix(f".{os.getpid()}")
        torch.save(parts, part)
        part.replace(ready)
    spec, x = InputSpec.from_dict(data_type, meta["spec"]), parts["x"]
    if data_type == "text":
        pieces = Pieces(x)
        spec, x = pieces.spec(int(y.max()) + 1), (x, pieces)
    test_y = np.array(meta["test_y"])
    return Material(name, data_type, spec, x, y, test_y, parts["tests"], parts["pools"], meta["families"])


def _unpack(path: Path, work: Path, stored: Stored) -> dict[str, Any]:
    from quality_models import Pieces

    tests = {k.removeprefix("test/"): stored.rows(k) for k in stored.keys("test/")}
    pools: dict[str, list[Any]] = {}
    for key in stored.keys("pool/"):
        pools.setdefault(key.split("/", 1)[1].rsplit("/", 1)[0], []).append(stored.rows(key))
    if stored.meta["data_type"] in AT_HAND:
        x, made = _from_data(path, work, np.array(stored.meta["index"]))
        tests = made | tests
    else:
        x = stored.rows("train")
    if stored.meta["data_type"] == "text":
        pieces = Pieces(x)
        tests = {k: pieces(t) for k, t in tests.items()}
        pools = {k: [pieces(t) for t in copies] for k, copies in pools.items()}
    return {"x": x, "tests": tests, "pools": pools}


def _from_data(path: Path, work: Path, index: np.ndarray[Any, Any]) -> tuple[Tensor, dict[str, Tensor]]:
    """Training rows, and the test rows clean and under held-out corruptions, from the seeds that the study froze."""
    from autonoise.corruptions.frozen import corrupted

    task, _ = open_task(path, work)
    sets = task.sets("test", 0, "held_out").first(JUDGED_ROWS)

    def tensor(rows: Any) -> Tensor:
        return torch.from_numpy(np.nan_to_num(rows)) if task.dataset.sample_rate else pictures(rows)

    out = {"clean": tensor(sets.rows)}
    for frozen in sets.frozen:
        for severity in SEVERITIES:
            rows = corrupted(sets.rows, frozen, severity, sets.part, task.reference(0))
            out[f"held/{frozen.name}/{severity}"] = tensor(rows)
    return tensor(np.asarray(task.dataset.x)[index]), out
