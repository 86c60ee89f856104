"""Damaged Parquet, folders of pictures and sounds, saved data sets, background clips and label matrices."""

from __future__ import annotations

import io
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import mutations as m
import numpy as np
import pandas as pd
from damaged_data import Arrays, Y, another, calls_on, frame_of, rewritten, sentences
from damaged_documents import Calls


def _parquet(folder: Path, rng: m.Rng) -> Calls:
    import pyarrow as pa
    import pyarrow.parquet as pq

    frame = m.pick(rng, [frame_of(rng), pd.DataFrame({"text": sentences(rng), "label": Y})])
    table = pa.Table.from_pandas(frame)
    if rng.random() < 0.6:
        odd: Any = m.pick(rng, [
            pa.array([[1, 2]] * 60), pa.array([{"a": 1}] * 60), pa.array([None] * 60), pa.array([b"\xff\x00"] * 60),
            pa.nulls(60, pa.int32()),
            pa.array([10**18] * 60, pa.decimal128(38, 2)), pa.array([0] * 60, pa.date32()), pa.array([2**62] * 60,
            pa.timestamp("s")),
            pa.array([1] * 60, pa.duration("ns")), pa.array([True] * 60), pa.array([float("nan")] * 60),
            pa.array(["\x1b[1m"] * 60),
            pa.array(["a"] * 60).dictionary_encode(), pa.array([1.5] * 60, pa.float16()), pa.array([1] * 60,
            pa.time64("us")),
            pa.array([["a"], []] * 30), pa.array([[("k", 1)]] * 60, pa.map_(pa.string(), pa.int32())),
            pa.array([2**64 - 1] * 60, pa.uint64()),
            pa.array(["x" * 3_000_000] * 60), pa.array([{"y": [1] * 9}] * 60), pa.array([1e308, -1e308] * 30),
            pa.array(["", " "] * 30),
        ])  # fmt: skip
        name = m.pick(rng, [*table.column_names, "z", "split", "group", "", "y", "\x1b[1m"])
        table = (
            table.set_column(table.column_names.index(name), name, odd)
            if name in table.column_names
            else table.append_column(name, odd)
        )
    if rng.random() < 0.2:
        table = m.pick(
            rng,
            [table.slice(0, 0), table.slice(0, 2), table.select([0]), pa.concat_tables([table] * 200), pa.table({})],
        )
    file = folder / "rows.parquet"
    try:
        pq.write_table(table, file, compression=m.pick(rng, ["none", "snappy", "zstd", "gzip"]))
    except (pa.ArrowException, ValueError):
        pq.write_table(pa.Table.from_pandas(frame), file)
    if rng.random() < 0.4:
        file.write_bytes(m.changed(file.read_bytes(), rng, text=False))
    return calls_on(folder, file.name, rng)


@cache
def _pictures() -> Mapping[str, bytes]:
    from PIL import Image

    rng, out = np.random.default_rng(2), {}
    for ending in ("png", "jpg", "gif", "tif", "bmp", "webp", "ppm", "tga", "pcx"):
        for mode in ("RGB", "L"):
            file = io.BytesIO()
            picture = Image.fromarray(rng.integers(0, 256, (12, 10, 3)).astype(np.uint8)).convert(mode)
            picture.save(file, {"jpg": "JPEG", "tif": "TIFF"}.get(ending, ending.upper()))
            out[f"{mode}.{ending}"] = file.getvalue()
    deep = io.BytesIO()
    Image.fromarray(rng.integers(0, 65536, (12, 10)).astype(np.uint16)).save(deep, "PNG")
    out["deep.png"] = deep.getvalue()
    bomb = io.BytesIO()
    Image.new("1", (30000, 5900)).save(bomb, "PNG")
    out["bomb.png"] = bomb.getvalue()
    return out


def _pictures_in_folders(folder: Path, rng: m.Rng) -> Calls:
    kinds = _pictures()
    usual = m.pick(rng, [k for k in kinds if k != "bomb.png"])
    return _in_folders(folder, rng, lambda: (usual if rng.random() < 0.97 else m.pick(rng, list(kinds)), kinds))


@cache
def _sounds() -> Mapping[str, bytes]:
    import soundfile

    rng, out = np.random.default_rng(3), {}
    wave = rng.normal(size=(900, 1)) * 0.1
    for ending, subtype in (("wav", "PCM_16"), ("wav", "FLOAT"), ("wav", "PCM_U8"), ("flac", "PCM_16"), ("ogg",
        "VORBIS"), ("aiff", "PCM_24"),
                            ("au", "ULAW"), ("mp3", "MPEG_LAYER_III"), ("caf", "PCM_16"), ("wav",
                            "IMA_ADPCM")):  # fmt: skip
        file = io.BytesIO()
        soundfile.write(
            file, wave, 8000, format={"aiff": "AIFF", "ogg": "OGG"}.get(ending, ending.upper()), subtype=subtype
        )
        out[f"{subtype}.{ending}"] = file.getvalue()
    return out


def _sounds_in_folders(folder: Path, rng: m.Rng) -> Calls:
    kinds = _sounds()
    usual = m.pick(rng, list(kinds))
    return _in_folders(folder, rng, lambda: (usual if rng.random() < 0.95 else m.pick(rng, list(kinds)), kinds))


def _in_folders(folder: Path, rng: m.Rng, one: Callable[[], tuple[str, Mapping[str, bytes]]]) -> Calls:
    """A folder of three classes of twelve files, some of which are damaged, are links, or are nothing of the kind."""
    root = folder / "rows"
    files = []
    for name in ("u", "v", "w"):
        (root / name).mkdir(parents=True)
        for i in range(12):
            kind, kinds = one()
            file = root / name / f"{i}.{kind.rpartition('.')[2]}"
            file.write_bytes(kinds[kind])
            files.append(file)
    for _ in range(int(m.pick(rng, [1, 1, 2, 5]))):
        file, way = m.pick(rng, files), int(rng.integers(14))
        if file.is_symlink() or not file.is_file():
            continue
        if way < 9:
            file.write_bytes(m.changed(file.read_bytes(), rng, text=False))
            continue
        file.unlink()
        if way == 9:
            file.symlink_to(m.pick(rng, ["gone", file.name, "/dev/zero", "..", "../..", "/proc/self/mem"]))
        elif way == 10:
            file.mkdir()
        elif way == 11:
            file.with_suffix(
                m.pick(rng, [".txt", ".png", ".wav", "", ".gz", ".mp3", ".eps", ".pdf", ".svg"])
            ).write_bytes(rng.bytes(100))
        elif way == 12:
            shutil.move(
                file.parent, root / m.pick(rng, ["train", "test", "\x1b[1m", "x" * 200, ".hidden", " ", "\u202e"])
            )
        else:
            os.mkfifo(file)
        files = [f for f in files if f.exists() or f.is_symlink()]
        if not files:
            break
    return calls_on(folder, "rows", rng)


def _saved_by_datasets(folder: Path, rng: m.Rng) -> Calls:
    root = folder / "rows"
    shutil.copytree(_datasets_sample(), root)
    file = m.pick(rng, sorted(p for p in root.rglob("*") if p.is_file()))
    file.write_bytes(m.changed(file.read_bytes(), rng, text=file.suffix == ".json"))
    return calls_on(folder, "rows", rng)


@cache
def _datasets_sample() -> Path:
    import datasets

    place = Path(tempfile.mkdtemp()) / "saved"
    made = datasets.Dataset.from_dict({"text": sentences(np.random.default_rng(4)), "label": Y.tolist()})
    datasets.DatasetDict({"train": made, "test": made}).save_to_disk(str(place))
    return place


def _clips(folder: Path, rng: m.Rng) -> Calls:
    """Background clips that a policy names, which verifying it reads."""
    from autonoise.policy import Policy, Step
    from autonoise.types import InputSpec

    arrays: Arrays = {"X": rng.normal(size=(8, 900)).astype(np.float32), "sample_rate": np.array(8000),
        "group": np.array(["search", "held_out"] * 4),
                      "source": np.arange(8)}  # fmt: skip
    place = m.pick(
        rng,
        ["clips.npz", "clips.npz", "clips.npz", "rows", "pipe", "/dev/zero", "/dev/stdin", "/proc/self", ".", "gone"],
    )
    if place == "clips.npz":
        key = m.pick(rng, list(arrays))
        arrays[key] = another(arrays[key], rng)
        np.savez_compressed(folder / place, **arrays, allow_pickle=True)
        if rng.random() < 0.4:
            (folder / place).write_bytes(m.changed((folder / place).read_bytes(), rng, text=False))
        elif rng.random() < 0.3:
            rewritten(folder / place, rng)
    elif place == "rows":
        _sounds_in_folders(folder, rng)
    elif place == "pipe":
        os.mkfifo(folder / place)
    group = m.pick(rng, ["", "", "search", "nobody", "..", "../.."])
    spec = InputSpec(data_type="audio", layout=(2000,), classes=2, sample_rate=8000)
    checked = {"seed": 0, "statistics": {"0.background_noise": 0.1}}
    policy = Policy(
        "audio", [Step.of("background_noise", clips=place, group=group)], input=spec, check=checked
    ).to_dict()
    (folder / "policy.yaml").write_bytes(m.as_yaml(policy))
    return [["show", "policy.yaml"], ["verify", "policy.yaml"]]


def _matrix(folder: Path, rng: m.Rng) -> Calls:
    """Transition matrices of label noise."""
    values = np.full((3, 3), 0.1) + 0.7 * np.eye(3)
    name = m.pick(rng, ["matrix.csv", "matrix.npy", "matrix.json"])
    if name == "matrix.npy":
        np.save(folder / name, another(values, rng), allow_pickle=True)
        if rng.random() < 0.5:
            (folder / name).write_bytes(m.changed((folder / name).read_bytes(), rng, text=False))
    else:
        text = "\n".join(",".join(map(str, row)) for row in values) if name == "matrix.csv" else str(values.tolist())
        (folder / name).write_bytes(m.changed(text.encode(), rng, text=True))

    def reads() -> None:
        from autonoise.data.label_noise import read_matrix
        from autonoise.errors import DataError

        try:
            read_matrix(folder / name, 3)
        except DataError as e:
            assert "\n" not in str(e) and len(str(e)) < 2000, str(e)[:3000]

    return [reads]


FORMATS: dict[str, Callable[[Path, m.Rng], Calls]] = {
    ".parquet": _parquet,
    "pictures": _pictures_in_folders,
    "sounds": _sounds_in_folders,
    "datasets": _saved_by_datasets,
    "clips": _clips,
    "matrix": _matrix,
}
"""As in :mod:`damaged_data`."""
