"""Map-style data sets (``torch.utils.data.Dataset`` and anything like it): read item by item."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np

from autonoise.data.base import SIZE_LIMIT
from autonoise.data.checks import check_size
from autonoise.data.collected import Collected, Part, as_array
from autonoise.data.names import LABELS, label_columns
from autonoise.errors import DataError
from autonoise.types import Array

_INPUTS = ("x", "image", "pixel_values", "audio", "waveform", "input_values", "series", "text", "sentence", "input")


def is_items(data: object) -> bool:
    """Whether ``data`` can be read by position, as a map-style data set can."""
    return hasattr(data, "__getitem__") and hasattr(data, "__len__") and not isinstance(data, str | bytes | Mapping)


def from_items(data: Any) -> Collected:
    """Rows and labels of all items of a data set.

    An item is ``(input, label)`` or a mapping with an input and a label, the input a PIL image, a tensor, an array
    or a string. ``data.classes``, where torchvision's data sets keep it, names the classes. Raises DataError.
    """
    if not len(data):
        raise DataError("the data set holds no item: give one with rows in it")
    first, _ = _parted(data[0])
    size = np.asarray(first).nbytes * len(data)
    part = "give a part of it, such as torch.utils.data.Subset(data, range(10_000))"
    check_size(size, SIZE_LIMIT, "the data set in memory", remedy=part)
    rows, labels = [], []
    for i in range(len(data)):
        x, y = _parted(data[i])
        rows.append(x)
        labels.append(y.item() if hasattr(y, "item") else y)
    names = getattr(data, "classes", None) or getattr(getattr(data, "dataset", None), "classes", None)
    named = isinstance(names, list | tuple) and all(isinstance(v, int | np.integer) for v in labels)
    x = _pictures(rows) if _is_picture(rows[0]) else as_array(rows)
    return Collected({"": Part(x, np.asarray(labels))}, tuple(map(str, names)) if named and names is not None else None)


def _parted(item: Any) -> tuple[Any, Any]:
    if isinstance(item, Mapping):
        x = next((item[k] for k in _INPUTS if k in item), None)
        named = label_columns([str(k) for k in item])
        y = item.get(named[0]) if len(named) == 1 else None
        if x is None or y is None:
            raise DataError(
                f"an item has the keys {', '.join(map(str, item))}: it needs an input ({', '.join(_INPUTS[:4])} ...) "
                f"and one label ({', '.join(LABELS)})"
            )
        return x, y
    if isinstance(item, tuple | list) and len(item) == 2:
        return item[0], item[1]
    kind = type(item).__name__
    raise DataError(f"an item of the data set must be (input, label), but is a {kind}: wrap the data set")


def _is_picture(value: object) -> bool:
    return type(value).__module__.startswith("PIL.")


def _pictures(rows: list[Any]) -> Array:
    """(N, H, W[, 3]) of PIL images, uint8 unless all have more bits; those of another size than most are stretched."""
    from PIL import Image

    from autonoise.data.pictures import is_grey, on_white

    size = Counter(p.size for p in rows).most_common(1)[0][0]
    deep = [p.mode.startswith(("I", "F")) for p in rows]
    if all(deep):  # their own numbers: converting them to 8 bits would cut at 255
        return np.stack([np.asarray(p if p.size == size else p.convert("F").resize(size)) for p in rows])
    if any(deep):
        raise DataError("some pictures have 8 bits and some have more: convert all of them to 8 bits, white = 255")
    grey = all(is_grey(p) for p in rows)
    shown = [on_white(p).convert("L" if grey else "RGB") for p in rows]
    return np.stack([np.asarray(p if p.size == size else p.resize(size, Image.Resampling.BILINEAR)) for p in shown])
