"""Damaged data files of every format that is read, and the commands that read them."""

from __future__ import annotations

import gzip
import io
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import mutations as m
import numpy as np
import pandas as pd
from damaged_documents import Calls

Arrays = dict[str, Any]
Y = np.arange(60) % 3


def calls_on(folder: Path, name: str, rng: m.Rng) -> Calls:
    """``inspect``, now and then told what the file holds, and all that a search does before its first training."""
    more: list[str] = []
    if rng.random() < 0.3:
        more = ["--data-type", m.pick(rng, ["tabular", "image", "text", "audio", "timeseries"])]
    elif rng.random() < 0.15:
        more = ["--target", m.pick(rng, ["y", "a", "label", "none"])]

    def prepares() -> None:
        from autonoise.errors import AutonoiseError
        from autonoise.study.config import StudyConfig
        from autonoise.study.prepare import build_task

        try:
            task = build_task(
                StudyConfig(name, "a", str(folder / "study"), data_type=more[1] if "--data-type" in more else None)
            )
            fold = task.splits.folds[0]
            spec = task.spec()
            assert spec.classes > 1 and len(fold.search) and task.reference(0) is not None
        except AutonoiseError as e:
            text = str(e)
            assert "\n" not in text and len(text) < 2000, text[:3000]

    last: Calls = [["inspect", name, "--json"]] if rng.random() < 0.3 else []
    return [["inspect", name, *more], prepares, *last]


def sentences(rng: m.Rng) -> list[str]:
    some = ["alpha", "beta", "gamma", "delta", "rain", "sun", "snow", "wind"]
    return [" ".join(rng.choice(some, 9)) + f" {i}" for i in range(60)]


def frame_of(rng: m.Rng) -> pd.DataFrame:
    return pd.DataFrame({
        "a": rng.normal(size=60).round(3), "b": rng.integers(0, 9, 60), "c": rng.choice(["red", "blue", "green"], 60),
        "d": [f"{1 + i % 28}.03.2024" for i in range(60)], "e": [f"1,{i:03}.5" for i in range(60)],
        "y": np.array(["u", "v", "w"])[Y],
    })  # fmt: skip


@cache
def _texts() -> dict[str, bytes]:
    rng = np.random.default_rng(1)
    frame = frame_of(rng)
    words = pd.DataFrame({"text": sentences(rng), "label": Y})
    series = rng.normal(size=(60, 2, 12)).round(3)
    ts = "@problemName a\n@timeStamps false\n@univariate false\n@classLabel true 0 1 2\n@data\n"
    ts += "\n".join(":".join(",".join(map(str, c)) for c in row) + f":{k}" for row, k in zip(series, Y, strict=True))
    tsv = "\n".join("\t".join([str(k), *map(str, row[0])]) for row, k in zip(series, Y, strict=True))
    return {k: v.encode() for k, v in {
        "table.csv": frame.to_csv(index=False), "texts.csv": words.to_csv(index=False),
        "semicolons.csv": frame.to_csv(index=False, sep=";"),
        "rows.jsonl": frame.to_json(orient="records", lines=True), "texts.jsonl": words.to_json(orient="records",
        lines=True),
        "series.ts": ts, "series.tsv": tsv, "table.tsv": frame.to_csv(index=False, sep="\t"),
    }.items()}  # fmt: skip


def text(*names: str, zipped: bool = False) -> Callable[[Path, m.Rng], Calls]:
    def make(folder: Path, rng: m.Rng) -> Calls:
        name = m.pick(rng, names)
        content = _texts()[name]
        if zipped:
            name, content = f"{name}.gz", m.changed_gzip(gzip.compress(content), rng)
        else:
            content = m.changed(content, rng, text=True)
        (folder / name).write_bytes(content)
        return calls_on(folder, name, rng)

    return make


def _arrays(rng: m.Rng) -> Arrays:
    """Arrays of a data set of one of the types."""
    y: Any = m.pick(rng, [Y, Y.astype(np.uint8), np.array(["u", "v", "w"])[Y], Y.astype(float)])
    return m.pick(rng, [
        {"X": rng.integers(0, 256, (60, 8, 8, 3)).astype(np.uint8), "y": y, "class_names": np.array(["a", "b", "c"])},
        {"X_train": rng.random((40, 9, 9)), "y_train": y[:40], "X_test": rng.random((20, 9, 9)), "y_test": y[40:]},
        {"X": rng.normal(size=(60, 2, 20)), "y": y, "length": rng.integers(3, 20, 60)},
        {"X": rng.integers(-9999, 9999, (60, 900)).astype(np.int16), "y": y, "sample_rate": np.array(8000),
        "speaker": np.arange(60) // 5},
        {"X": rng.normal(size=(60, 5)), "y": y, "group": np.arange(60) // 6}, {"X": np.array(sentences(rng)), "y": y},
        {"X": rng.integers(0, 1024, (60, 8, 8)).astype(np.uint16), "y": y, "full_scale": np.array(1023.0)},
    ])  # fmt: skip


def another(value: Any, rng: m.Rng) -> Any:
    """An array of other values, another shape or another type, or none at all."""
    value = np.asarray(value)
    way = int(rng.integers(16))
    if way < 4 and value.dtype.kind in "iuf" and value.size:
        made = value.astype(float).copy()
        made.flat[rng.integers(value.size, size=1 + value.size // int(m.pick(rng, [1, 3, 50])))] = m.pick(
            rng, [np.nan, np.inf, -np.inf, 1e300, -1e300, 0, -1, 1e18, 0.5, 255, 1e-300]
        )
        return made
    if way == 4 and value.ndim:
        return value[: int(m.pick(rng, [0, 1, 2, 5]))]
    if way == 5:
        return value.reshape(m.pick(rng, [(value.size,), (*value.shape, 1), (1, *value.shape), value.shape[::-1]]))
    if way == 6:
        with np.errstate(all="ignore"):
            return value.astype(m.pick(rng, ["S3", "U3", "O"])) if value.dtype.kind in "US" else value.astype(m.pick(
                rng, ["?", "i1", "u8", "f2", "f4", "c8", "S3", "U3", "M8[s]", "m8[s]", "O", ">f8", "g",
                "u2"]))  # fmt: skip
    if way == 7:
        return np.zeros_like(value)
    if way == 8:
        return m.pick(rng, [np.array(None), np.array("x"), np.array(-1), np.array(np.nan), np.array(10**18),
            np.array([]), np.array(0),
                            np.zeros((3, 0)), np.array([["a", "b"]]), np.array({"a": _Evil()}), np.array(1e30),
                            np.array("\x1b[1m"),
                            np.zeros(60, dtype=[("a", "i4"), ("b", "f8")]), np.arange(10**6), np.array(["\x1b[31m",
                            "\u202e"] * 30)])  # fmt: skip
    if way == 9:
        return np.concatenate([value, value]) if value.ndim else value
    if way == 10:
        return value.T
    if way == 11 and value.dtype.kind in "iuf":
        return rng.integers(0, 10**6, value.shape)
    return np.full_like(value, value.ravel()[0]) if value.size else value


class _Evil:
    """Would make the canary file, were it ever unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return Path(m.CANARY).touch, ()


def _changed_arrays(rng: m.Rng) -> Arrays:
    arrays = dict(_arrays(rng))
    for _ in range(int(m.pick(rng, [1, 1, 2]))):
        key = m.pick(rng, list(arrays))
        way = int(rng.integers(8))
        if way == 0:
            arrays[m.pick(rng, ["x", "X_dev", "X_weird", "y_test", "Y", "data", "a/b", "é", "group", "sample_rate",
                "length",
                                "class_names", "full_scale", "split"])] = arrays.pop(key)  # fmt: skip
        elif way == 1:
            del arrays[key]
            if not arrays:
                return arrays
        elif way == 2:
            arrays[
                m.pick(rng, ["sample_rate", "full_scale", "length", "class_names", "group", "X_test", "y_test", "z"])
            ] = another(m.pick(rng, [np.array(16000), np.array(255), arrays[key], np.arange(60)]), rng)
        else:
            arrays[key] = another(arrays[key], rng)
    return arrays


def header(shape: tuple[int, ...], kind: str = "<f8") -> bytes:
    """The head of an .npy that claims to hold an array of this shape."""
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": kind, "fortran_order": False, "shape": shape})
    return file.getvalue()


def npz(folder: Path, rng: m.Rng) -> Calls:
    file = folder / "rows.npz"
    save = m.pick(rng, [np.savez, np.savez_compressed])
    save(file, **(_changed_arrays(rng) if rng.random() < 0.7 else _arrays(rng)), allow_pickle=True)
    way = rng.random()
    if way < 0.25:
        file.write_bytes(m.changed(file.read_bytes(), rng, text=False))
    elif way < 0.4:
        rewritten(file, rng)
    return calls_on(folder, file.name, rng)


def rewritten(file: Path, rng: m.Rng) -> None:
    """The members of a zip file again: one with a head that claims too much, one that unfolds, or one outside of it."""
    with zipfile.ZipFile(file) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    name = m.pick(rng, list(members)) if members else "X.npy"
    way = int(rng.integers(6))
    if way == 0:
        shape = m.pick(rng, [(2**40,), (10**6, 10**6), (2**63 - 1, 2), (60, 2**30), (-1, 5), (60, 0, 2**40)])
        members[name] = header(shape, m.pick(rng, ["<f8", "|u1", "<U9999999", "|O", "<c16"])) + bytes(480)
    elif way == 1:
        members[name] = header((60, 2**20)) + bytes(60 * 2**20)
    elif way == 2:
        members[m.pick(rng, ["../../canary", "/canary", "x/y.npy", "X.npy/", " ", "a" * 5000])] = b"x"
    elif way == 3:
        members[name] = m.changed(members.get(name, b""), rng, text=False)
    elif way == 4:
        members[name] = m.pick(rng, [b"", b"\x93NUMPY", b"\x93NUMPY\x09\x00", header((60,))[:60], b"\x80\x04K\x01."])
    with zipfile.ZipFile(file, "w", m.pick(rng, [0, 8, 12, 14])) as archive:
        for key, content in members.items():
            archive.writestr(key, content)
        if way == 5:
            archive.comment = b"x" * 60_000


def tensors(ending: str) -> Callable[[Path, m.Rng], Calls]:
    def make(folder: Path, rng: m.Rng) -> Calls:
        import torch
        from safetensors.torch import save_file

        file = folder / f"rows{ending}"
        held: dict[str, Any] = {}
        for key, value in (_changed_arrays(rng) if rng.random() < 0.7 else _arrays(rng)).items():
            try:
                held[key] = torch.from_numpy(np.ascontiguousarray(value))
            except (TypeError, ValueError):
                held[key] = value.tolist()
        if ending == ".safetensors":
            save_file(
                {k: v.clone() for k, v in held.items() if isinstance(v, torch.Tensor)} or {"X": torch.zeros(3)}, file
            )
        else:
            odd: Any = m.pick(rng, [
                held, held, held, held, tuple(held.values()), list(held.values()), [held], _Evil(),
                torch.nn.Linear(2, 2), 3, {1: held},
                {**held, "z": _Evil()}, {"X": torch.zeros(1).expand(10**9, 900), "y": torch.zeros(60)}, {**held,
                "X": torch.zeros(60, 3).to_sparse()},
                torch.zeros(3, dtype=torch.bfloat16),
                {"X": torch.rand(60, 3, dtype=torch.bfloat16), "y": torch.arange(60) % 2}, {"X": torch.rand(60, 3,
                device="meta"), "y": torch.zeros(60)},
            ])  # fmt: skip
            torch.save(odd, file, _use_new_zipfile_serialization=rng.random() < 0.8)
        if rng.random() < 0.3:
            file.write_bytes(m.changed(file.read_bytes(), rng, text=False))
        return calls_on(folder, file.name, rng)

    return make


FORMATS: dict[str, Callable[[Path, m.Rng], Calls]] = {
    ".csv": text("table.csv", "texts.csv", "semicolons.csv"),
    ".csv.gz": text("table.csv", "texts.csv", zipped=True),
    ".tsv": text("series.tsv", "table.tsv"),
    ".ts": text("series.ts"),
    ".ts.gz": text("series.ts", "series.tsv", zipped=True),
    ".jsonl": text("rows.jsonl", "texts.jsonl"),
    ".jsonl.gz": text("rows.jsonl", "texts.jsonl", zipped=True),
    ".npz": npz,
    ".pt": tensors(".pt"),
    ".safetensors": tensors(".safetensors"),
}
"""Name of a format → a function that writes a damaged sample into a folder, and tells the commands that read it."""
