"""Cells written as text: numbers, dates and marks for missing values, each against a number written by hand."""

import datetime
from decimal import Decimal

import numpy as np
import pytest

from autonoise.data import cells

NAN = float("nan")


def read(*values, comma=False, rows=None):
    rows = np.ones(len(values), dtype=int) if rows is None else np.array(rows)
    found = cells.numbers(values, rows, comma=comma)
    return None if found is None else list(found.values)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["1,882.43", "12", "3.5", "-"], [1882.43, 12, 3.5, NAN]),
        (["1882,43", "12", "3,5", "na"], [1882.43, 12, 3.5, NAN]),
        (["1.882,43", "12", "3,5", "#DIV/0!"], [1882.43, 12, 3.5, NAN]),
        (["12 %", "3%", "4.5 %"], [12, 3, 4.5]),
        (["$3", "$1,200.50", "-$ 4", "($7)"], [3, 1200.5, -4, -7]),
        (["3 €", "1.200,50 €"], [3, 1200.5]),
        (["1 882", "2\u00a0000", "3\u202f500,5"], [1882, 2000, 3500.5]),
        (["1'000.5", "2"], [1000.5, 2]),
        (["12,34,567", "2.5"], [1234567, 2.5]),
        (["1,234,567.8", "2"], [1234567.8, 2]),
        (["0,123", "1,882"], [0.123, 1.882]),  # no group of thousands begins with a nought
        (["1.5e3", "\u22122", ".5", "+4"], [1500, -2, 0.5, 4]),
        ([Decimal("1.10"), Decimal("NaN"), None, 2], [1.1, NAN, NAN, 2]),
        (["1", "N/A", "?", "null", "--", "unknown", "#N/A", "n.a.", ""], [1, *[NAN] * 8]),
    ],
)
def test_numbers(values, expected):
    np.testing.assert_allclose(read(*values), expected, rtol=0, atol=0)


def test_a_comma_that_may_be_either_is_told():
    values = ["1,882", "12,345"]
    assert read(*values) == [1882, 12345]
    assert read(*values, comma=True) == [1.882, 12.345]
    assert "a guess" in cells.numbers(values, np.ones(2)).how
    assert "a guess" not in cells.numbers(["1,882.5", "2"], np.ones(2)).how


@pytest.mark.parametrize(
    "values",
    [
        ["a", "b", "1"],
        ["2", "3", "4", "5more"],
        ["12 %", "0.12"],  # two units
        ["$3", "3 €"],
        ["12:30", "13:45"],
        ["1.2.3", "4.5.6"],
        ["1,88,2", "3"],
        ["-", "na"],
    ],
)
def test_no_numbers(values):
    assert read(*values) is None


def test_nearly_all_training_rows_decide():
    # 19 of 20 filled training rows are 95 %; a row that is not for training has no say, and is missing
    assert read("1", "slip", rows=[19, 1])[0] == 1
    assert read("1", "slip", rows=[18, 1]) is None
    assert np.isnan(read("1", "text", rows=[3, 0])[1])
    assert read("text", "1", rows=[3, 0]) is None
    assert cells.numbers(["1", "slip", "-"], np.array([19, 1, 5])).lost == ("slip",)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["1970-01-02", "1970-01-03 12:00:00", "1970-01-01T06:00:00Z", None], [1, 2.5, 0.25, NAN]),
        ([datetime.date(2000, 1, 1), datetime.date(1969, 12, 31)], [10957, -1]),
        (["31/12/1999", "01/02/2000"], [10956, 10988]),  # day before month
        (["12/31/1999", "01/02/2000"], [10956, 10958]),  # month before day
        (["13.01.1970", "-"], [12, NAN]),
        (["3 Jan 1970", "1 Feb 1970"], [2, 31]),
        (["Jan 3, 1970", "unknown"], [2, NAN]),
        (["1970/01/03"], [2]),
    ],
)
def test_days(values, expected):
    found = cells.days(values, np.ones(len(values)))
    np.testing.assert_array_equal(found.values, expected)
    assert "guess" not in found.how


def test_days_of_two_orders_and_of_no_dates():
    found = cells.days(["01/02/2000"], np.ones(1))
    assert list(found.values) == [10988] and "guess" in found.how
    assert cells.days(["32/13/2000", "a"], np.ones(2)) is None
    assert cells.days(["2000-01-01", "late"], np.array([18, 1])) is None
    assert cells.days(["2000-01-01", "late"], np.array([19, 1])).lost == ("late",)


def test_points_that_set_off_thousands():
    assert cells.thousands_with_points(["1.234", "950", "-12.345.678", ""])
    assert not cells.thousands_with_points(["1.23", "950"])
    assert not cells.thousands_with_points(["950", "12"])
    assert cells.writes_decimal_commas(["4", "3,5"]) and cells.writes_decimal_commas(["1.882,43"])
    assert not cells.writes_decimal_commas(["1,882"]) and not cells.writes_decimal_commas(["a, b", "1,882.5"])


def test_the_order_that_fits_more_rows_is_taken():
    # both orders fit 30 of 31 rows, and one row decides
    assert list(cells.days(["01/02/2000", "31/12/1999"], np.array([30, 1])).values) == [10988, 10956]
    assert list(cells.days(["01/02/2000", "12/31/1999"], np.array([30, 1])).values) == [10958, 10956]


def test_a_column_that_no_training_row_fills_is_no_column_of_numbers():
    assert read("1", "2", rows=[0, 0]) is None and cells.days(["2000-01-01"], np.array([0])) is None
