"""Tabular corruptions do what their amount says."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from corruption_samples import apply

from autonoise.corruptions import Corruption, Reference, corruptions_for, get_corruption
from autonoise.errors import DataError
from autonoise.types import DataType

N = 4000
_RNG = np.random.default_rng(3)
TABLE = pd.DataFrame(
    {
        "count": _RNG.integers(100, 200, N),
        "value": _RNG.normal(50, 4, N),
        "price": _RNG.normal(1000, 30, N),
        "colour": _RNG.choice(["red", "green", "blue"], N),
    }
)
NUMERIC = ["count", "value", "price"]


def table(name: str, amount: float, rows: pd.DataFrame = TABLE, train: pd.DataFrame | None = None) -> pd.DataFrame:
    reference = Reference(DataType.TABULAR, rows if train is None else train)
    out = apply(get_corruption("tabular", name), amount, rows, reference)
    assert isinstance(out, pd.DataFrame)
    return out


@pytest.mark.parametrize("c", corruptions_for("tabular"), ids=lambda c: c.name)
@pytest.mark.parametrize("frame", [
    pd.DataFrame({"x": [1.0, 2.0, 3.0]}),
    pd.DataFrame({"x": ["a", "b", "b"]}),
    pd.DataFrame({"x": [True, False, True]}),
    pd.DataFrame({"x": [np.nan] * 3, "y": [None] * 3}),
    pd.DataFrame({"x": [5, 5, 5], "y": ["a"] * 3}),
    pd.DataFrame({0: [1, 2, 3], 1: [1.5, np.nan, np.inf]}, index=[7, 7, 9]),
    pd.DataFrame({"x": pd.array([1, None, 3], dtype="Int64"), "y": pd.Categorical(["a", None, "b"])}),
    pd.DataFrame({"x": pd.array([True, None, False], dtype="boolean"), "y": pd.array([1.5, None, 2], dtype="Float64")}),
    pd.DataFrame({"x": pd.Categorical([1, 2, 2]), "y": pd.to_datetime(["2020-01-01", "2021-01-01", None])}),
], ids=["float", "text", "bool", "missing", "constant", "names", "nullable", "nullable2", "codes"])  # fmt: skip
def test_odd_tables(c: Corruption, frame: pd.DataFrame) -> None:
    before = frame.copy(deep=True)
    for amount in (c.mildest, *c.severities, c.harshest):
        out = apply(c, amount, frame, Reference(DataType.TABULAR, frame))
        assert list(out.columns) == list(frame.columns)
        assert out.index.equals(frame.index)
        assert len(out) == 3
    pd.testing.assert_frame_equal(frame, before)


@pytest.mark.parametrize("amount", [0.2, 1.0])
def test_jitter_is_in_training_standard_deviations(amount: float) -> None:
    out = table("jitter", amount)
    for name in NUMERIC:
        assert (out[name] - TABLE[name]).std() == pytest.approx(amount * TABLE[name].std(), rel=0.05)
    assert out["colour"].equals(TABLE["colour"])
    wide = TABLE.assign(value=TABLE["value"] * 10)
    assert (table("jitter", amount, train=wide)["value"] - TABLE["value"]).std() == pytest.approx(amount * 40, rel=0.08)


def test_covariate_shift_moves_every_number_by_its_amount() -> None:
    out = table("covariate_shift", 0.5)
    for name in NUMERIC:
        moved = (out[name] - TABLE[name]) / TABLE[name].std(ddof=0)
        assert moved.abs().to_numpy() == pytest.approx(np.full(N, 0.5))
        assert 0.3 < (moved > 0).mean() < 0.7
    signs = np.sign(np.column_stack([out[name] - TABLE[name] for name in NUMERIC]))
    assert len(np.unique(signs, axis=0)) <= 8


def test_missing_and_blackout_lose_their_fraction() -> None:
    lost = table("missing_at_random", 0.3).isna().to_numpy()
    assert lost.mean(axis=0) == pytest.approx(np.full(4, 0.3), abs=0.03)
    assert np.corrcoef(lost[:, 0], lost[:, 1])[0, 1] == pytest.approx(0, abs=0.05)
    block = table("column_blackout", 0.5).isna().to_numpy()
    assert set(block.sum(axis=1)) == {2}
    assert {tuple(row) for row in block.astype(int)} == {(1, 1, 0, 0), (0, 1, 1, 0), (0, 0, 1, 1), (1, 0, 0, 1)}


def test_cell_swap_draws_from_the_same_column() -> None:
    train = pd.DataFrame({"count": [1, 2], "value": [-1.0, -2.0], "price": [-3.0, -4.0], "colour": ["pink", "grey"]})
    out = table("cell_swap", 0.2, train=train)
    for name in TABLE:
        hit = out[name] != TABLE[name]
        assert hit.mean() == pytest.approx(0.2, abs=0.03)
        assert set(out.loc[hit, name]) == set(train[name])
    assert out["count"].dtype == TABLE["count"].dtype


def test_quantile_bins_by_hand() -> None:
    train = pd.DataFrame({"x": np.arange(101.0)})
    rows = pd.DataFrame({"x": [-5.0, 10, 49, 51, 99, 500, np.nan]})
    out = table("quantile_bins", 2, rows, train)["x"].to_numpy()
    assert out[:6].tolist() == [25, 25, 25, 75.5, 75.5, 75.5]  # medians of 0..50 and of 51..100
    assert np.isnan(out[6])
    many = pd.DataFrame({"x": np.full(2000, 10.0)})
    medians = table("quantile_bins", 2.25, many, train)["x"]
    assert sorted(set(medians)) == [16.5, 25.0]
    assert (medians == 25.0).mean() == pytest.approx(0.75, abs=0.04)


def test_quantile_bins_leave_the_zeros_of_a_sparse_column() -> None:
    train = pd.DataFrame({"x": [0.0] * 90 + [*range(1, 11)]})
    rows = pd.DataFrame({"x": [0.0, 1, 4, 10]})
    for amount in (2, 5, 10):
        assert table("quantile_bins", amount, rows, train)["x"].tolist() == [0, 5.5, 5.5, 5.5]


def test_category_flip_changes_to_another_known_category() -> None:
    out = table("category_flip", 0.3)
    assert (out["colour"] != TABLE["colour"]).mean() == pytest.approx(0.3, abs=0.03)
    assert set(out["colour"]) == {"red", "green", "blue"}
    assert out[NUMERIC].equals(TABLE[NUMERIC])
    every = table("category_flip", 0.95)
    assert pd.crosstab(TABLE["colour"], every["colour"]).to_numpy().min() > 30


def test_unknown_category_was_never_seen() -> None:
    out = table("unknown_category", 0.2)
    assert (out["colour"] == "__unseen__").mean() == pytest.approx(0.2, abs=0.03)
    assert out[NUMERIC].equals(TABLE[NUMERIC])
    coded = pd.DataFrame({"c": pd.Categorical(["a", "b"] * 50, categories=["a", "b"])})
    assert list(table("unknown_category", 0.5, coded)["c"].cat.categories) == ["a", "b", "__unseen__"]


def test_unit_errors_are_powers_of_ten() -> None:
    out = table("unit_error", 0.1)
    ratio = np.log10(out[NUMERIC].to_numpy(float) / TABLE[NUMERIC].to_numpy(float))
    assert np.abs(ratio) == pytest.approx(np.rint(np.abs(ratio)), abs=1e-9)
    shares = {k: np.mean(np.rint(ratio) == k) for k in (-2, -1, 1, 2)}
    assert list(shares.values()) == pytest.approx([0.025] * 4, abs=0.006)


def test_outliers_are_5_to_20_deviations_away() -> None:
    out = table("outliers", 0.05)
    for name in NUMERIC:
        hit = out[name] != TABLE[name]
        assert hit.mean() == pytest.approx(0.05, abs=0.012)
        far = ((out.loc[hit, name] - TABLE[name].mean()) / TABLE[name].std(ddof=0)).abs()
        assert 4.99 < far.min() < 7
        assert 18 < far.max() < 20.01


def test_column_swap_exchanges_two_numbers_in_a_row() -> None:
    out = table("column_swap", 0.4)
    assert np.sort(out[NUMERIC].to_numpy(float)) == pytest.approx(np.sort(TABLE[NUMERIC].to_numpy(float)))
    moved = (out[NUMERIC].to_numpy(float) != TABLE[NUMERIC].to_numpy(float)).sum(axis=1)
    assert set(moved) == {0, 2}
    assert np.mean(moved == 2) == pytest.approx(0.4, abs=0.03)


def test_availability_follows_the_columns() -> None:
    numbers = Reference(DataType.TABULAR, pd.DataFrame({"x": [1.0, 2.0]}))
    words = Reference(DataType.TABULAR, pd.DataFrame({"x": ["a", "b"]}))
    can = {r: {c.name for c in corruptions_for("tabular") if c.available(r)} for r in (numbers, words)}
    assert can[numbers].isdisjoint({"category_flip", "unknown_category", "column_swap"})
    assert can[words].isdisjoint({"jitter", "outliers", "unit_error", "quantile_bins", "covariate_shift"})
    assert {"missing_at_random", "cell_swap", "column_blackout"} <= can[numbers] & can[words]


def test_a_column_that_training_does_not_have_is_refused() -> None:
    with pytest.raises(DataError, match="column 'value' is not in the training table"):
        table("jitter", 0.5, train=TABLE[["count"]])
