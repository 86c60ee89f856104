"""What becomes of the columns of a table: numbers, categories, text, identifiers; and what is told of it."""

import datetime
import json
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from autonoise import data
from autonoise.data import leaks
from autonoise.data.columns import is_id
from autonoise.errors import DataError
from autonoise.types import DataType

N = 60
RNG = np.random.default_rng(0)
WORDS = [f"w{i}" for i in range(40)]


def sentence(words=9):
    return " ".join(RNG.choice(WORDS, words))


def table(tmp_path, columns, name="t.csv", **how):
    frame = pd.DataFrame({**columns, "label": np.arange(len(next(iter(columns.values())))) % 2})
    frame.to_csv(tmp_path / name, index=False)
    return data.load(tmp_path / name, **how)


def told(dataset, *words):
    return any(all(w in note for w in words) for note in dataset.notes)


def test_numbers_with_marks_and_slips(tmp_path):
    price = [f"{1000 + i:,}.50" for i in range(N)]
    price[3], price[4] = "-", "call us"
    d = table(tmp_path, {"price": price, "v": np.linspace(0, 1, N)})
    assert d.x["price"].dtype == np.float64 and d.x["price"][0] == 1000.5 and d.x["price"].isna().sum() == 2
    assert told(d, "'price'", "numbers written as text", "2 cells are missing", "'call us'")


def test_semicolons_with_decimal_commas_and_points_for_thousands(tmp_path):
    lines = ["a;b;c;label"] + [f"{i},5;{1 + i}.250;{i}.5;{i % 2}" for i in range(N)]
    (tmp_path / "t.csv").write_text("\n".join(lines))
    d = data.load(tmp_path / "t.csv")
    assert list(d.x["a"][:2]) == [0.5, 1.5]
    assert list(d.x["b"][:2]) == [1250, 2250]  # beside decimal commas, points set off thousands
    assert list(d.x["c"][:2]) == [0.5, 1.5]


def test_parquet_decimals_dates_and_mixed_types(tmp_path):
    frame = pd.DataFrame(
        {
            "money": [Decimal(i) / 4 for i in range(N)],
            "day": [datetime.date(1970, 1, 1) + datetime.timedelta(days=i) for i in range(N)],
            "when": pd.Timestamp("1970-01-02") + pd.to_timedelta(np.arange(N), unit="h"),
            "flag": [True, False, None] * (N // 3),
            "label": np.arange(N) % 2,
        }
    )
    frame.to_parquet(tmp_path / "t.parquet")
    d = data.load(tmp_path / "t.parquet")
    assert list(d.x["money"][:2]) == [0, 0.25] and list(d.x["day"][:2]) == [0, 1]
    np.testing.assert_allclose(d.x["when"][:2], [1, 1 + 1 / 24])
    assert list(d.x["flag"][:2]) == ["True", "False"] and d.x["flag"].isna().sum() == N // 3
    assert told(d, "'day'", "days since 1970-01-01") and told(d, "'when'", "days since 1970-01-01")

    rows = [{"mixed": [i, str(i), f"{i}.5", None][i % 4], "v": i / 7, "label": i % 2} for i in range(N)]
    (tmp_path / "t.jsonl").write_text("\n".join(map(json.dumps, rows)))
    d = data.load(tmp_path / "t.jsonl")
    assert list(d.x["mixed"][:3]) == [0, 1, 2.5] and np.isnan(d.x["mixed"][3])


def test_strings_that_are_no_categories_are_left_out(tmp_path):
    columns = {
        "ticket": [f"T-{i}" for i in range(N)],
        "customer_id": np.arange(N) * 7 + 3,
        "empty": [""] * N,
        "city": [f"town {i % 15}" for i in range(N)],
        "step": np.arange(N),  # numbers the rows, but does not say that it is an index
        "gone": np.arange(N) % 9,
    }
    d = table(tmp_path, columns)
    assert list(d.x.columns) == ["city", "step", "gone"]
    assert told(d, "'ticket' is left out", "60 distinct strings in 60")
    assert told(d, "'customer_id' is left out", "identifier") and told(d, "'empty' is left out", "no value")


@pytest.mark.parametrize("index", [np.arange(N), np.arange(N) + 1, RNG.permutation(N), np.arange(N) % 40])
def test_a_saved_index_is_dropped(tmp_path, index):
    frame = pd.DataFrame({"v": RNG.normal(size=N), "label": np.arange(N) % 2}, index=index)
    frame.to_csv(tmp_path / "t.csv")
    d = data.load(tmp_path / "t.csv")
    assert list(d.x.columns) == ["v"] and told(d, "Unnamed", "saved index")


def test_a_nameless_column_of_measurements_is_kept(tmp_path):
    frame = pd.DataFrame({"v": RNG.normal(size=N), "label": np.arange(N) % 2}, index=RNG.integers(0, 9, N))
    frame.to_csv(tmp_path / "t.csv")
    assert len(data.load(tmp_path / "t.csv").x.columns) == 2


def test_names_of_identifiers():
    assert all(map(is_id, ["id", "ID", "Id", "customer_id", "PassengerId", "customerID", "uuid", "row-id", "index"]))
    assert not any(map(is_id, ["humid", "paid", "acid", "video", "index_price", "width", "solid", "Grid"]))


def test_test_rows_have_no_say(tmp_path):
    split = ["train"] * 40 + ["test"] * 20
    number, kind = [str(i / 4) for i in range(N)], [f"k{i % 3}" for i in range(40)] + [f"new {i}" for i in range(20)]
    number[50:58] = ["broken"] * 8
    columns = {"number": number, "kind": kind, "late": [""] * 40 + ["1"] * 20, "split": split}
    d = table(tmp_path, columns)
    assert d.x["number"].dtype == np.float64 and d.x["number"][50:58].isna().all() and d.x["number"][49] == 49 / 4
    assert list(d.x.columns) == ["number", "kind"]  # "kind" has three categories in training, "late" nothing
    spec = data.prepare(d, np.flatnonzero(d.split == "train"))(d.x)
    assert spec.shape[1] == 1 + 3 and not spec[40:, 1:].any()


@pytest.mark.parametrize("extra", [{}, {"source": ["web", "mail", "app"] * (N // 3)}])
def test_one_column_of_sentences_is_text(tmp_path, extra):
    texts = [sentence() for _ in range(N - 1)] + ["NA"]
    d = table(tmp_path, {"id": np.arange(N) + 5, "words": texts, **extra})
    assert d.data_type is DataType.TEXT and d.x == texts
    assert told(d, "'words' is read as text", "'id'", "left out", *map(repr, extra))


def test_names_and_titles_leave_a_table_a_table(tmp_path):
    columns = {"name": [sentence(3) + f" mister {i}" for i in range(N)], "age": RNG.normal(size=N)}
    d = table(tmp_path, columns)
    assert d.data_type is DataType.TABULAR and list(d.x.columns) == ["age"] and told(d, "'name' is left out")


def test_two_columns_of_sentences_need_a_word(tmp_path):
    columns = {"title": [sentence(7) for _ in range(N)], "body": [sentence(12) for _ in range(N)]}
    with pytest.raises(DataError, match="'title', 'body' hold sentences: choose one with --text-column"):
        table(tmp_path, columns)
    with pytest.raises(DataError, match="'title', 'body' hold sentences: choose one with --text-column"):
        table(tmp_path, {**columns, "source": ["web", "mail", "app"] * (N // 3)})
    d = table(tmp_path, columns, text_column="body")
    assert d.data_type is DataType.TEXT and d.x == columns["body"] and told(d, "'title'", "left out")
    with pytest.raises(DataError, match="which column holds the text"):
        table(tmp_path, columns, data_type="text")
    with pytest.raises(DataError, match="no feature column is left"):
        table(tmp_path, columns, data_type="tabular")
    with pytest.raises(DataError, match="no column 'boddy'"):
        table(tmp_path, columns, text_column="boddy")
    with pytest.raises(DataError, match="leave one of the two out"):
        table(tmp_path, columns, text_column="body", data_type="tabular")


def test_sentences_beside_a_whole_table_need_a_word(tmp_path):
    columns = {"remark": [sentence() for _ in range(N)], **{f"v{i}": RNG.normal(size=N) for i in range(4)}}
    with pytest.raises(DataError, match="'remark' holds sentences, beside 4 columns of a table"):
        table(tmp_path, columns)
    assert table(tmp_path, columns, data_type="text").x == columns["remark"]
    assert len(table(tmp_path, columns, data_type="tabular").x.columns) == 4


def test_hashes_and_paths_are_no_sentences(tmp_path):
    columns = {"file": [f"/data/pictures/{i:032x}.png" for i in range(N)], "v": RNG.normal(size=N)}
    assert list(table(tmp_path, columns).x.columns) == ["v"]


def test_groups_of_a_table(tmp_path):
    columns = {"v": RNG.normal(size=N), "Speaker": [f"s{i // 6}" for i in range(N)]}
    d = table(tmp_path, columns)
    assert list(d.x.columns) == ["v"] and d.group[5] == d.group[0] != d.group[6] and told(d, "Speaker", "--group none")
    d = table(tmp_path, columns, group="none")
    assert d.group is None and list(d.x.columns) == ["v", "Speaker"]
    few = {"v": RNG.normal(size=N), "group": ["treated", "control"] * (N // 2)}
    d = table(tmp_path, few)
    assert d.group is None and list(d.x.columns) == ["v", "group"] and told(d, "'group' is not used as groups")
    subject = {"subject": [sentence(3) for _ in range(N)], "text": [sentence() for _ in range(N)]}
    assert table(tmp_path, subject).group is None


def test_a_further_table_takes_over_the_columns(tmp_path):
    first = table(tmp_path, {"v": RNG.normal(size=N), "kind": ["a", "b", "c"] * (N // 3)})
    more = {"kind": [f"odd {i}" for i in range(30)], "v": ["1,5", "x y"] * 15, "further": np.arange(30)}
    d = table(tmp_path, more, "noisy.csv", like=first)
    assert list(d.x.columns) == ["v", "kind"] and d.x["kind"][0] == "odd 0"
    np.testing.assert_array_equal(d.x["v"][:3], [1.5, np.nan, 1.5])


def test_a_text_column_of_what_has_no_columns_is_refused(tmp_path):
    np.savez(tmp_path / "a.npz", X=np.ones((20, 3)), y=np.arange(20) % 2)
    for source in (tmp_path / "a.npz", "wine"):
        with pytest.raises(DataError, match="text_column cannot be chosen"):
            data.load(source, text_column="x")


def test_the_accuracy_of_a_column_alone_by_hand():
    # "k" tells two of the three classes apart in 36 of 40 rows of each half: 90 % right, .45 without it
    y = np.array(([0] * 18 + [1] * 18 + [0] * 4) * 2)
    k = pd.Series((["p"] * 18 + ["q"] * 18 + ["q"] * 4) * 2, dtype=object)
    half = np.arange(80) < 40
    assert leaks._right(leaks._places(k), y, half).mean() == 0.9
    assert list(leaks.suspects(pd.DataFrame({"k": k}), y)) == []
    perfect = pd.Series([f"v{v}" for v in y], dtype=object)
    ((name, accuracy, chance),) = leaks.suspects(pd.DataFrame({"k": k, "same": perfect}), y)
    assert (name, accuracy, chance) == ("same", 1.0, 0.55)
    assert list(leaks.suspects(pd.DataFrame({"same": perfect[:40]}), y[:40])) == []  # too few rows to tell


def test_a_number_that_is_missing_for_one_class_holds_the_answer():
    y = np.arange(400) % 2
    values = np.where(y == 1, np.nan, np.random.default_rng(0).normal(size=400))
    ((name, accuracy, _),) = leaks.suspects(pd.DataFrame({"v": values}), y)
    assert name == "v" and accuracy == 1.0


def test_a_column_is_judged_on_rows_it_was_not_learnt_from():
    y = np.arange(100) % 2
    place = np.arange(100)  # another value in every row explains the rows it was learnt from, and no others
    half = np.arange(100) < 50
    assert leaks._right(place, y, half).mean() == leaks._right(place, y, ~half).mean() == 0.5
    assert list(leaks.suspects(pd.DataFrame({"v": [f"k{i}" for i in place]}), y)) == []
