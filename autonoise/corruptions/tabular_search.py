"""Tabular corruptions that a search may see; they act on raw tables, before any preprocessing."""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd

from autonoise.corruptions.base import Reference, corruption
from autonoise.corruptions.columns import (
    categorical_columns,
    categories,
    edit,
    floats,
    has_categories,
    has_numeric,
    moments,
    numeric_columns,
    put,
    replaced,
)
from autonoise.corruptions.rows import stochastic_round
from autonoise.types import DataType, Family

_search = partial(corruption, data_type=DataType.TABULAR, group="search", log=True)


@_search(
    family=Family.INDEPENDENT,
    severities=(0.1, 0.2, 0.4, 0.7, 1.0),
    mildest=0.02,
    harshest=8.0,
    unit="training standard deviations",
    available=has_numeric,
)
def jitter(rows: pd.DataFrame, amount: float, rng: np.random.Generator, reference: Reference) -> pd.DataFrame:
    """Add white Gaussian noise to every number that is there."""

    def change(column: pd.Series, train: pd.Series) -> pd.Series:
        noise = amount * moments(train)[1] * rng.standard_normal(len(column))
        return put(column, ~np.isnan(floats(column)), floats(column) + noise)

    return edit(rows, reference, numeric_columns(rows), change)


@_search(
    family=Family.MISSINGNESS,
    severities=(0.05, 0.1, 0.2, 0.35, 0.5),
    mildest=0.003,
    harshest=0.95,
    unit="fraction of cells",
    reference="Rubin 1976",
)
def missing_at_random(
    rows: pd.DataFrame, amount: float, rng: np.random.Generator, reference: Reference
) -> pd.DataFrame:
    """Lose this fraction of the cells, numbers and categories alike, whatever their value."""
    lost = rng.random(rows.shape) < amount
    return replaced(rows, {name: rows[name].mask(lost[:, i]) for i, name in enumerate(rows.columns)})


@_search(
    family=Family.VALUE_SWAP,
    severities=(0.05, 0.1, 0.2, 0.35, 0.5),
    mildest=0.003,
    harshest=0.95,
    unit="fraction of cells",
    reference="Bahri et al. 2022, SCARF",
)
def cell_swap(rows: pd.DataFrame, amount: float, rng: np.random.Generator, reference: Reference) -> pd.DataFrame:
    """Replace this fraction of the cells by the same column of a random training row."""

    def change(column: pd.Series, train: pd.Series) -> pd.Series:
        donors = train.astype(object).to_numpy()[rng.integers(len(train), size=len(column))]
        return put(column, rng.random(len(column)) < amount, donors)

    return edit(rows, reference, [*rows.columns], change)


@_search(
    family=Family.QUANTISATION,
    severities=(10, 6, 4, 3, 2),
    mildest=100,
    harshest=1,
    unit="bins",
    available=has_numeric,
)
def quantile_bins(rows: pd.DataFrame, amount: float, rng: np.random.Generator, reference: Reference) -> pd.DataFrame:
    """Replace numbers by the median of their training quantile bin; a fraction of a bin is drawn per row."""
    bins = stochastic_round(np.full(len(rows), amount), rng)

    def change(column: pd.Series, train: pd.Series) -> pd.Series:
        known, values = floats(train), floats(column)
        known = np.sort(known[~np.isnan(known)])
        if len(known) == 0:
            return column.copy()
        out = values.copy()
        for count in np.unique(bins):
            # A value that fills several quantiles (the zeros of a sparse column) is one bin, and stays as it is.
            edges = np.unique(np.quantile(known, np.arange(1, count) / count))
            inside = np.split(known, np.searchsorted(known, edges, side="right"))
            medians = np.array([np.median(part) if len(part) else known[-1] for part in inside])
            drawn = bins == count
            out[drawn] = medians[np.searchsorted(edges, values[drawn], side="left")]
        return put(column, ~np.isnan(values), out)

    return edit(rows, reference, numeric_columns(rows), change)


@_search(
    family=Family.CATEGORY,
    severities=(0.02, 0.05, 0.1, 0.2, 0.3),
    mildest=0.005,
    harshest=0.95,
    unit="fraction of categorical cells",
    available=has_categories,
)
def category_flip(rows: pd.DataFrame, amount: float, rng: np.random.Generator, reference: Reference) -> pd.DataFrame:
    """Replace this fraction of the categories by another training category of the column."""

    def change(column: pd.Series, train: pd.Series) -> pd.Series:
        options = categories(train)
        if len(options) < 2:
            return column.copy()
        code = pd.Index(options).get_indexer(pd.Index(column.astype(object)))
        step = rng.integers(1, len(options), size=len(column))
        flip = (rng.random(len(column)) < amount) & column.notna().to_numpy()
        return put(column, flip, options[(np.maximum(code, 0) + step) % len(options)])

    return edit(rows, reference, categorical_columns(rows), change)
