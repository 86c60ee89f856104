"""Tabular corruptions that no search sees; they act on raw tables, before any preprocessing."""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd

from autonoise.corruptions.base import Reference, corruption
from autonoise.corruptions.columns import (
    UNSEEN,
    categorical_columns,
    edit,
    floats,
    has_categorical,
    has_numeric,
    has_two_numeric,
    moments,
    numeric_columns,
    put,
    replaced,
)
from autonoise.corruptions.rows import stochastic_round
from autonoise.types import DataType, Family

_held_out = partial(corruption, data_type=DataType.TABULAR, group="held_out", log=True)
_SITES = 8
"""Rows are thought to come from so many sites, each of which measures with a shift of its own."""


@_held_out(
    family=Family.UNIT_ERROR,
    severities=(0.005, 0.01, 0.02, 0.04, 0.07),
    mildest=0.001,
    harshest=0.7,
    unit="fraction of numeric cells",
    reference="Schelter et al. 2021, JENGA",
    near=(Family.GAIN, Family.OUTLIER),
    available=has_numeric,
)
def unit_error(rows: pd.DataFrame, amount: float, rng: np.random.Generator, reference: Reference) -> pd.DataFrame:
    """Multiply this fraction of the numbers by 0.01, 0.1, 10 or 100."""

    def change(column: pd.Series, train: pd.Series) -> pd.Series:
        factor = rng.choice([0.01, 0.1, 10.0, 100.0], len(column))
        hit = (rng.random(len(column)) < amount) & ~np.isnan(floats(column))
        return put(column, hit, floats(column) * factor)

    return edit(rows, reference, numeric_columns(rows), change)


@_held_out(
    family=Family.OUTLIER,
    severities=(0.003, 0.006, 0.012, 0.025, 0.05),
    mildest=0.001,
    harshest=0.7,
    unit="fraction of numeric cells",
    available=has_numeric,
)
def outliers(rows: pd.DataFrame, amount: float, rng: np.random.Generator, reference: Reference) -> pd.DataFrame:
    """Move this fraction of the numbers to 5 to 20 training standard deviations from the mean."""

    def change(column: pd.Series, train: pd.Series) -> pd.Series:
        mean, std = moments(train)
        far = mean + std * rng.uniform(5, 20, len(column)) * rng.choice([-1.0, 1.0], len(column))
        return put(column, (rng.random(len(column)) < amount) & ~np.isnan(floats(column)), far)

    return edit(rows, reference, numeric_columns(rows), change)


@_held_out(
    family=Family.UNIT_ERROR,
    severities=(0.1, 0.2, 0.4, 0.6, 0.9),
    mildest=0.005,
    harshest=1.0,
    unit="fraction of rows",
    near=(Family.VALUE_SWAP,),
    available=has_two_numeric,
)
def column_swap(rows: pd.DataFrame, amount: float, rng: np.random.Generator, reference: Reference) -> pd.DataFrame:
    """Exchange the values of two random numeric columns in this fraction of the rows."""
    names = numeric_columns(rows)
    if len(names) < 2:
        return rows.copy()
    values = np.column_stack([floats(rows[name]) for name in names])
    first = rng.integers(len(names), size=len(rows))
    second = (first + rng.integers(1, len(names), size=len(rows))) % len(names)
    hit = np.flatnonzero(rng.random(len(rows)) < amount)
    a, b = first[hit], second[hit]
    moved = np.zeros(values.shape, dtype=bool)
    moved[hit, a] = moved[hit, b] = True
    values[hit, a], values[hit, b] = values[hit, b], values[hit, a]
    return replaced(rows, {name: put(rows[name], moved[:, i], values[:, i]) for i, name in enumerate(names)})


@_held_out(
    family=Family.OCCLUSION,
    severities=(0.1, 0.2, 0.3, 0.4, 0.5),
    mildest=0.02,
    harshest=0.95,
    unit="fraction of columns",
)
def column_blackout(rows: pd.DataFrame, amount: float, rng: np.random.Generator, reference: Reference) -> pd.DataFrame:
    """Lose a block of neighbouring columns in each row, like a page of a form left blank."""
    width = len(rows.columns)
    size = stochastic_round(np.full(len(rows), amount * width), rng)
    offset = (np.arange(width)[None] - rng.integers(max(1, width), size=len(rows))[:, None]) % max(1, width)
    lost = offset < size[:, None]
    return replaced(rows, {name: rows[name].mask(lost[:, i]) for i, name in enumerate(rows.columns)})


@_held_out(
    family=Family.SHIFT,
    severities=(0.25, 0.5, 0.75, 1.0, 1.5),
    mildest=0.05,
    harshest=8.0,
    unit="training standard deviations",
    reference="Rabanser et al. 2019",
    available=has_numeric,
)
def covariate_shift(rows: pd.DataFrame, amount: float, rng: np.random.Generator, reference: Reference) -> pd.DataFrame:
    """Shift every number by this size, up or down by column and by which of eight sites the row is from."""
    site = rng.integers(_SITES, size=len(rows))

    def change(column: pd.Series, train: pd.Series) -> pd.Series:
        sign = rng.permutation(np.repeat([-1.0, 1.0], _SITES // 2))[site]
        return put(column, ~np.isnan(floats(column)), floats(column) + amount * moments(train)[1] * sign)

    return edit(rows, reference, numeric_columns(rows), change)


@_held_out(
    family=Family.OCCLUSION,
    severities=(0.05, 0.1, 0.2, 0.35, 0.5),
    mildest=0.003,
    harshest=0.95,
    unit="fraction of categorical cells",
    near=(Family.CATEGORY,),
    available=has_categorical,
)
def unknown_category(rows: pd.DataFrame, amount: float, rng: np.random.Generator, reference: Reference) -> pd.DataFrame:
    """Replace this fraction of the categories by one that never occurs in training."""

    def change(column: pd.Series, train: pd.Series) -> pd.Series:
        hit = (rng.random(len(column)) < amount) & column.notna().to_numpy()
        return put(column, hit, np.full(len(column), UNSEEN, dtype=object))

    return edit(rows, reference, categorical_columns(rows), change)
