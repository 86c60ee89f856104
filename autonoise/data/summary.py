"""What was read, to be shown before anything is trained: rows, classes, columns, and what reading did to them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from autonoise.data.base import Dataset, row_lengths
from autonoise.data.splits import GIVEN_UP, split_is_given_up
from autonoise.types import DataType

_SHOWN = 8
"""Classes or columns that are named; the rest are counted."""


def summary(dataset: Dataset) -> dict[str, Any]:
    """JSON-able: name, data type, rows (of each official part), classes with their rows, form, groups, notes."""
    split = dataset.split
    rows = {} if split is None else {p: int(np.sum(split == p)) for p in ("train", "valid", "test")}
    counts = np.bincount(dataset.y, minlength=dataset.classes)
    order = np.argsort(-counts, kind="stable")
    groups = None if dataset.group is None else len(np.unique(dataset.group))
    left = dataset.left_out
    return {
        "name": dataset.name,
        "data_type": str(dataset.data_type),
        "rows": len(dataset),
        "official_split": {p: n for p, n in rows.items() if n} or None,
        "classes": {dataset.class_names[c]: int(counts[c]) for c in order},
        "form": _form(dataset),
        "groups": groups,
        "left_out": None if left is None else {
            "classes": list(left.classes), "rows": left.rows, "test_rows": left.test_rows
        },
        "notes": [*dataset.notes, *([GIVEN_UP] if split_is_given_up(dataset) else [])],
        "fingerprint": dataset.fingerprint,
    }  # fmt: skip


def lines(dataset: Dataset) -> list[str]:
    """The same in a few lines of text."""
    told = summary(dataset)
    split = told["official_split"]
    given_up = " of an official split that is given up" if split_is_given_up(dataset) else ""
    of_split = "no split of its own" if split is None else ", ".join(f"{n:,} {part}" for part, n in split.items())
    groups = "" if told["groups"] is None else f" · {told['groups']} groups"
    out = [f"{told['name']} · {told['data_type']} · {told['rows']:,} rows ({of_split}{given_up}){groups}"]
    counts = [f"{name} ({n:,})" for name, n in told["classes"].items()]
    smallest = f", the smallest {counts[-1]}" if len(counts) > _SHOWN else ""
    out.append(f"classes  {len(counts)}: {_some(counts)}{smallest}")
    out += [f"{key}  {value}" for key, value in _words(told["form"])]
    return out + [f"note  {note}" for note in told["notes"]]


def _form(dataset: Dataset) -> dict[str, Any]:
    x = dataset.x
    if isinstance(x, pd.DataFrame):
        numeric = [str(c) for c in x.columns if x[c].dtype.kind == "f"]
        other = [str(c) for c in x.columns if x[c].dtype.kind != "f"]
        return {
            "numeric": numeric,
            "categorical": {c: int(x[c].nunique()) for c in other},
            "missing_cells": int(x.isna().sum().sum()),
        }
    if isinstance(x, list):
        words = [len(t.split()) for t in x]
        return {"median_words": float(np.median(words)), "most_words": max(words), "empty": words.count(0)}
    if dataset.data_type is DataType.IMAGE:
        return {"height": x.shape[1], "width": x.shape[2], "channels": x.shape[3]}
    steps = row_lengths(x)
    lengths = {"shortest": int(steps.min()), "longest": int(steps.max())}
    if dataset.data_type is DataType.AUDIO:
        return {"sample_rate": dataset.sample_rate, **lengths}
    return {"channels": x.shape[1], **lengths}


def _words(form: Mapping[str, Any]) -> list[tuple[str, str]]:
    if "numeric" in form:
        kinds = {
            "numbers": list(form["numeric"]),
            "categories": [f"{name} ({values})" for name, values in form["categorical"].items()],
        }
        out = [(kind, f"{_many(len(names), 'column')}: {_some(names)}") for kind, names in kinds.items() if names]
        return [*out, ("missing", _many(form["missing_cells"], "cell"))] if form["missing_cells"] else out
    if "median_words" in form:
        empty = f", {form['empty']} empty" if form["empty"] else ""
        return [("texts", f"{form['median_words']:g} words (median), {form['most_words']} at most{empty}")]
    if "height" in form:
        colours = {1: "grey", 3: "colour"}.get(form["channels"], f"{form['channels']} channels")
        return [("pictures", f"{form['height']}x{form['width']} pixels, {colours}")]
    low, high = form["shortest"], form["longest"]
    if "sample_rate" in form:
        low, high = (f"{v / form['sample_rate']:.3g}" for v in (low, high))
        return [("clips", f"{low if low == high else f'{low} to {high}'} s at {form['sample_rate']} Hz")]
    steps = f"{low if low == high else f'{low} to {high}'} steps"
    return [("series", f"{_many(form['channels'], 'channel')}, {steps}")]


def _many(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _some(words: list[str]) -> str:
    more = len(words) - _SHOWN
    return ", ".join(words[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
