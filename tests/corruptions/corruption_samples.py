"""Rows of every data type for the tests of corruptions, and how far corrupted ones have moved."""

from __future__ import annotations

import difflib
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import ndimage
from sklearn.datasets import load_digits

from autonoise.corruptions import Corruption, Reference, Rows, corruptions_for
from autonoise.types import DataType

ALL = [c for kind in DataType for c in corruptions_for(kind)]


each_corruption = pytest.mark.parametrize("corruption", ALL, ids=[f"{c.data_type}-{c.name}" for c in ALL])


def _images(n: int = 96) -> np.ndarray:
    """Digits enlarged to 32x32 and coloured, away from black and white."""
    grey = ndimage.zoom(load_digits().images[:n], (1, 4, 4), order=1) / 16
    colour = np.stack([0.2 + 0.6 * grey, 0.7 - 0.4 * grey, 0.3 + 0.3 * grey], axis=-1)
    return np.rint(colour * 255).astype(np.uint8)


def _series(n: int = 60) -> np.ndarray:
    """Two channels of random waves, 80 steps, some rows shorter and some with holes."""
    rng = np.random.default_rng(5)
    t = np.arange(80) / 80
    waves = np.sin(2 * np.pi * (rng.uniform(1, 6, (n, 2, 1)) * t + rng.random((n, 2, 1))))
    rows = (waves * [[[2.0], [10.0]]] + [[[1.0], [50.0]]] + 0.1 * rng.standard_normal((n, 2, 80))).astype(np.float32)
    rows[: n // 3, :, 60:] = np.nan
    rows[n // 3 : n // 2, 1, 20:30] = np.nan
    return rows


def _audio(n: int = 30, length: int = 4000) -> np.ndarray:
    """Tone bursts at 8 kHz with silence around them, two thirds padded."""
    rng = np.random.default_rng(6)
    t = np.arange(length) / 8000
    clips = sum(0.2 * np.sin(2 * np.pi * (f * t + rng.random((n, 1)))) for f in (180.0, 700.0, 1600.0, 2500.0, 3300.0))
    clips = clips * ((t > 0.1) & (t < 0.35)) + 1e-5 * rng.standard_normal((n, length))
    clips = (0.5 * clips).astype(np.float32)
    clips[n // 3 :, 3200:] = np.nan
    return clips


_SENTENCE = """the quick brown fox receives a movie about beginning chemistry while nineteen clever dancers follow
their friends across Bulgaria and probably believe every single word of it"""
WORDS = _SENTENCE.split()


def _texts(n: int = 60) -> list[str]:
    rng = np.random.default_rng(7)
    return ["", "a", *(" ".join(rng.choice(WORDS, rng.integers(5, 25))) for _ in range(n - 2))]


def _table(n: int = 300) -> pd.DataFrame:
    rng = np.random.default_rng(8)
    frame = pd.DataFrame(
        {
            "age": rng.integers(18, 90, n),
            "income": np.exp(rng.normal(10, 1, n)),
            "height": rng.normal(170, 10, n).astype(np.float32),
            "town": rng.choice(["Bonn", "Ulm", "Jena"], n),
            "size": pd.Categorical(rng.choice(["s", "m", "l"], n), categories=["s", "m", "l"], ordered=True),
            "member": rng.random(n) < 0.4,
        }
    )
    frame.loc[rng.random(n) < 0.1, "income"] = np.nan
    frame.loc[rng.random(n) < 0.1, "town"] = None
    return frame


_ROWS: dict[DataType, Rows] = {
    DataType.IMAGE: _images(),
    DataType.TIMESERIES: _series(),
    DataType.AUDIO: _audio(),
    DataType.TEXT: _texts(),
    DataType.TABULAR: _table(),
}


def rows_of(kind: DataType) -> Rows:
    """A fresh copy of the example rows."""
    rows = _ROWS[DataType(kind)]
    return list(rows) if isinstance(rows, list) else rows.copy()


def reference_of(kind: DataType, rows: Rows | None = None) -> Reference:
    kind = DataType(kind)
    if kind is not DataType.AUDIO:
        return Reference(kind, rows_of(kind) if rows is None else rows)
    noise = np.random.default_rng(9).uniform(-0.3, 0.3, (4, 5000)).astype(np.float32)
    return Reference(kind, rows_of(kind) if rows is None else rows, 8000, noise)


def apply(
    c: Corruption, amount: float, rows: Rows | None = None, reference: Reference | None = None, seed: int = 0
) -> Any:
    return c(
        rows_of(c.data_type) if rows is None else rows,
        amount,
        rng=np.random.default_rng(seed),
        reference=reference or reference_of(c.data_type),
    )


def head(rows: Rows, n: int) -> Rows:
    return rows.iloc[:n] if isinstance(rows, pd.DataFrame) else rows[:n]


def distance(a: Rows, b: Rows) -> float:
    """Mean over the rows of how far they moved; of audio the magnitudes of the spectrum, as filters delay."""
    if isinstance(a, np.ndarray) and a.ndim == 2:
        x, y = (np.abs(np.fft.rfft(np.nan_to_num(clips), axis=1)) for clips in (a, b))
        return float(np.sqrt(np.mean((x - y) ** 2)))
    if isinstance(a, np.ndarray):
        return float(np.sqrt(np.mean((np.nan_to_num(a).astype(float) - np.nan_to_num(b).astype(float)) ** 2)))
    if isinstance(a, list):
        alike = [difflib.SequenceMatcher(None, x, y, autojunk=False).ratio() for x, y in zip(a, b, strict=True)]
        return 1 - float(np.mean(alike))
    return float(np.mean([_column_distance(a[c], b[c]) for c in a.columns]))


def _column_distance(a: pd.Series, b: pd.Series) -> float:
    if a.dtype.kind in "if":
        moved = (a.astype(float) - b.astype(float)).abs() / a.astype(float).std()
        return float(moved.clip(upper=3).mask(b.isna() & a.notna(), 3).fillna(0).mean())
    return float((a.astype(object).fillna("-").astype(str) != b.astype(object).fillna("-").astype(str)).mean())
