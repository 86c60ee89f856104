"""Data sets of the Hugging Face ``datasets`` library: in memory, or a folder that ``save_to_disk`` wrote."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from autonoise.data.collected import Collected, Part, as_array
from autonoise.data.items import from_items
from autonoise.data.names import label_columns, split_name
from autonoise.errors import DataError, MissingExtraError

_MARKS = ("dataset_info.json", "dataset_dict.json")


def is_folder(path: Path) -> bool:
    """Whether ``save_to_disk`` wrote this folder."""
    return any((path / name).is_file() for name in _MARKS)


def load_folder(path: Path, target: str | None = None) -> Collected:
    """What ``save_to_disk`` wrote. Raises MissingExtraError without the ``datasets`` package, DataError else."""
    try:
        import datasets
    except ImportError:
        purpose = f"reading {path}, a folder of Hugging Face datasets,"
        raise MissingExtraError.of("datasets", "datasets", purpose) from None
    try:
        _check_arrow(path)
        data = datasets.load_from_disk(str(path))
    except Exception as e:
        reason = " ".join(str(e).split())[:160] or type(e).__name__
        raise DataError(f"{path}: unreadable folder of Hugging Face datasets ({reason}): save it again") from e
    return from_hub(data, target)


def _check_arrow(path: Path) -> None:
    """Read the Arrow files of a folder once and check them, lengths and texts too.

    Arrow maps files into memory and trusts the lengths in them: a damaged one would end the process with a
    segmentation fault. Raises what Arrow raises.
    """
    import pyarrow as pa

    for file in sorted(path.rglob("*.arrow")):
        with pa.OSFile(str(file)) as opened, pa.ipc.open_stream(opened) as reader:
            for batch in reader:
                batch.validate(full=True)


def from_hub(data: Any, target: str | None = None) -> Collected:
    """Rows and labels of a ``Dataset`` or ``DatasetDict``; class names come from its ClassLabel feature."""
    if not isinstance(data, Mapping):
        return _one(data, target)
    parts: dict[str, Part] = {}
    names: tuple[str, ...] | None = None
    rate: int | None = None
    for split, held in data.items():
        part = split_name(str(split))
        if part is None:
            raise DataError(f"split {str(split)!r} of the DatasetDict is no train, validation or test: leave it out")
        found = _one(held, target)
        parts[part], names, rate = found.parts[""], found.class_names, found.sample_rate
    if list(parts) == ["train"]:
        parts = {"": parts["train"]}
    return Collected(parts, names, rate)


def _one(data: Any, target: str | None) -> Collected:
    if not hasattr(data, "column_names") or not hasattr(data, "__len__"):
        raise DataError("a streaming data set has no length: load it without streaming=True, or take() a part of it")
    plain = data.with_format(None)
    columns = list(plain.column_names)
    features = plain.features
    label = target or next((c for c in columns if getattr(features[c], "names", None)), None)
    named_so = label_columns(columns)
    label = label or (named_so[0] if len(named_so) == 1 else None)
    if label is None or label not in columns:
        raise DataError(f"which column holds the labels? Say target= (columns: {', '.join(columns)})")
    named = getattr(features[label], "names", None)
    y = np.asarray(plain[label][:])
    names = tuple(map(str, named)) if named and y.dtype.kind in "iu" else None
    rest = [c for c in columns if c != label]
    kinds = {c: type(features[c]).__name__ for c in rest}
    media = [c for c in rest if kinds[c] in ("Image", "Audio")]
    if len(media) == 1 and kinds[media[0]] == "Image":
        pictures = from_items([(picture, 0) for picture in plain[media[0]]])
        return Collected({"": Part(pictures.parts[""].rows, y)}, names)
    if len(media) == 1:
        clips = [_clip(v) for v in plain[media[0]]]
        rates = {rate for _, rate in clips}
        if len(rates) > 1:
            raise DataError(f"clips of different sample rates ({sorted(rates)}): cast the column to one sampling_rate")
        return Collected({"": Part(as_array([wave for wave, _ in clips]), y)}, names, rates.pop())
    frame = plain.remove_columns([label]).to_pandas()
    assert isinstance(frame, pd.DataFrame)
    if len(rest) == 1 and all(isinstance(v, list | np.ndarray) for v in frame[rest[0]]):
        return Collected({"": Part(as_array([np.asarray(v.tolist()) for v in frame[rest[0]]]), y)}, names)
    return Collected({"": Part(frame, y)}, names)


def _clip(value: Any) -> tuple[Any, int]:
    """(mono wave, sample rate) of a decoded clip: a dict in older versions of the library, a decoder in newer."""
    if hasattr(value, "get_all_samples"):
        samples = value.get_all_samples()
        return samples.data.mean(dim=0).numpy(), int(samples.sample_rate)
    return np.asarray(value["array"]), int(value["sampling_rate"])
