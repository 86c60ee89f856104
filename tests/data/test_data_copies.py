"""The user's own noisy set: noisy copies follow their clean rows, the rest is cut in stratified thirds."""

from __future__ import annotations

import logging
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from autonoise import search
from autonoise.data import Dataset, load
from autonoise.data.copies import NoisyParts, _points, deal_out
from autonoise.data.splits import Fold, Splits, equal_parts
from autonoise.errors import DataError, StudyError
from autonoise.study.config import StudyConfig
from autonoise.study.prepare import build_task, tell_few_groups, tell_noisy_parts
from autonoise.types import DataType

RNG = np.random.default_rng
PARTS = ("search", "confirm", "test")


def frame(values: np.ndarray[Any, Any]) -> pd.DataFrame:
    return pd.DataFrame(values, columns=[f"c{i}" for i in range(values.shape[1])])


def table(n: int, columns: int = 12, *, seed: int = 0, **more: Any) -> Dataset:
    x = frame(RNG(seed).standard_normal((n, columns)))
    return Dataset("t", DataType.TABULAR, x, np.arange(n) % 3, ("a", "b", "c"), **more)


def splits_of(n: int) -> Splits:
    """Rows 0.. are trained on up to 60 %, then 10 % each of search and confirm, 20 % of test."""
    rows = np.arange(n)
    a, b, c = (int(n * s) for s in (0.6, 0.7, 0.8))
    return Splits((Fold(rows[:a], rows[a:b], rows[b:c]),), rows[c:])


def dealt(parts: NoisyParts, splits: Splits, fold: int = 0) -> dict[str, list[int]]:
    return {p: parts.rows(p, fold, splits).tolist() for p in PARTS}


def test_other_rows_are_cut_in_thirds_of_all_classes() -> None:
    """Labels that cycle 0 1 2 gave each part one class when row i went to part i % 3."""
    clean, noisy = table(300), table(60, seed=9)
    parts = deal_out(noisy, clean, splits_of(300), labels=noisy.y, seed=0)
    assert parts.how == "" and (parts.owner == -1).all()
    found = dealt(parts, splits_of(300))
    assert sorted(r for rows in found.values() for r in rows) == list(range(60))
    for rows in found.values():
        assert len(rows) == 20
        assert np.bincount(noisy.y[rows], minlength=3).min() >= 6


def test_thirds_keep_groups_whole() -> None:
    noisy = table(90, seed=9, group=np.arange(90) // 6, group_names=tuple(f"new{i}" for i in range(15)))
    clean = table(300, group=np.arange(300), group_names=tuple(f"old{i}" for i in range(300)))
    found = dealt(deal_out(noisy, clean, splits_of(300), labels=noisy.y, seed=0), splits_of(300))
    sets = [set((np.array(rows) // 6).tolist()) for rows in found.values()]
    assert all(len(s) >= 4 for s in sets)
    assert not (sets[0] & sets[1] or sets[0] & sets[2] or sets[1] & sets[2])


def test_rows_of_a_group_follow_the_clean_rows_of_that_name() -> None:
    """Groups are compared by name: each set numbers its own in the order of appearance."""
    clean = table(100, group=np.arange(100) // 10, group_names=tuple("ABCDEFGHIJ"))  # test: I and J, search: G
    names = ("J", "A", "G", "H", "new")
    noisy = table(25, seed=9, group=np.arange(25) // 5, group_names=names)
    parts = deal_out(noisy, clean, splits_of(100), labels=noisy.y, seed=0)
    found = dealt(parts, splits_of(100))
    assert parts.how == "group"
    assert set(range(5)) <= set(found["test"])
    assert set(range(10, 15)) <= set(found["search"]) and set(range(15, 20)) <= set(found["confirm"])
    assert not set(range(5, 10)) & {r for rows in found.values() for r in rows}  # A is trained on
    assert parts.trained_on(splits_of(100)) >= 5


def noised(kind: str) -> tuple[Any, Any, DataType]:
    """(clean rows, noisy copies of rows 99 .. 0, data type)."""
    rng = RNG(1)
    if kind == "text":
        letters = np.array(list("abcdefghij"))
        clean = [" ".join("".join(rng.choice(letters, 5)) for _ in range(9)) for _ in range(100)]
        return clean, [s[:7] + "z" + s[8:20] + s[21:] for s in clean[::-1]], DataType.TEXT
    if kind == "table":
        x = frame(rng.standard_normal((100, 8)))
        x["word"] = pd.Series(np.array(["x", "y"])[np.arange(100) % 2], dtype=object)
        y = x[::-1].reset_index(drop=True)
        y["c0"] += 0.3
        y.loc[::7, "c3"] = np.nan
        return x, y, DataType.TABULAR
    if kind == "image":
        x = rng.integers(0, 256, (100, 12, 12, 1)).astype(np.uint8)
        return x, (x[::-1] * 0.5 + rng.normal(60, 10, x.shape)).clip(0, 255).astype(np.uint8), DataType.IMAGE
    x = rng.standard_normal((100, 1200)).astype(np.float32)
    y = 3 * x[::-1] + rng.normal(0, 1, x.shape).astype(np.float32)
    y[:, 1000:] = np.nan
    return x, y, DataType.AUDIO


@pytest.mark.parametrize("kind", ["text", "table", "image", "audio"])
def test_near_duplicates_follow_their_clean_rows(kind: str) -> None:
    x, copies, data_type = noised(kind)
    y = RNG(2).integers(0, 2, 100)
    clean = Dataset("c", data_type, x, y, ("a", "b"), sample_rate=8000 if kind == "audio" else None)
    order = np.array([*range(0, 90), 99])  # not all of them, so that the order tells nothing
    rows = copies.iloc[order].reset_index(drop=True) if kind == "table" else [copies[i] for i in order]
    rows = rows if kind in ("table", "text") else np.stack(rows)
    noisy = Dataset("n", data_type, rows, y[99 - order], ("a", "b"), sample_rate=clean.sample_rate)
    parts = deal_out(noisy, clean, splits_of(100), labels=noisy.y, seed=0)
    assert parts.how == "likeness"
    linked = parts.owner >= 0
    assert linked.mean() > 0.9
    np.testing.assert_array_equal(parts.owner[linked], 99 - order[linked])
    found = dealt(parts, splits_of(100))
    for part, (low, high) in {"search": (60, 70), "confirm": (70, 80), "test": (80, 100)}.items():
        own = parts.owner[found[part]]
        assert ((own < 0) | ((own >= low) & (own < high))).all()
    assert parts.trained_on(splits_of(100)) >= 50


def test_few_numbers_that_are_near_by_chance_are_no_copies() -> None:
    clean, noisy = table(400, columns=2), table(90, columns=2, seed=5)
    assert deal_out(noisy, clean, splits_of(400), labels=noisy.y, seed=0).how == ""


def test_a_set_in_the_order_of_the_official_test_part() -> None:
    y = RNG(3).integers(0, 3, 200)
    split = np.where(np.arange(200) < 100, "train", "test")
    clean = Dataset("c", DataType.TABULAR, frame(RNG(0).standard_normal((200, 3))), y, ("a", "b", "c"), split=split)
    noisy = Dataset("n", DataType.TABULAR, frame(RNG(7).standard_normal((100, 3))), y[100:], ("a", "b", "c"))
    rows = np.arange(200)
    splits = Splits((Fold(rows[:60], rows[60:80], rows[80:100]),), rows[100:])
    with pytest.raises(DataError, match=r"none is left for the part 'search'.*give noisy copies of all rows"):
        deal_out(noisy, clean, splits, labels=noisy.y, seed=0)
    thirds = Splits((Fold(rows[:60], rows[100:120], rows[120:140]),), rows[140:190])
    parts = deal_out(noisy, clean, thirds, labels=noisy.y, seed=0)
    assert parts.how == "order"
    assert set(range(20)) <= set(parts.rows("search", 0, thirds)) and set(range(40, 90)) <= set(
        parts.rows("test", 0, thirds)
    )


def test_a_row_is_never_judged_on_where_its_clean_row_is_trained_on() -> None:
    """Three folds: what one fold trains on another may search on, but each is looked at by its own."""
    rows = np.arange(90)
    folds = tuple(
        Fold(
            np.setdiff1d(rows[:60], rows[i * 10 : i * 10 + 20]),
            rows[i * 10 : i * 10 + 10],
            rows[i * 10 + 10 : i * 10 + 20],
        )
        for i in range(3)
    )
    splits = Splits(folds, rows[60:])
    clean = table(90, group=rows, group_names=tuple(map(str, rows)))
    noisy = table(90, seed=4, group=rows, group_names=tuple(map(str, rows)))
    parts = deal_out(noisy, clean, splits, labels=noisy.y, seed=0)
    for fold in range(3):
        found = dealt(parts, splits, fold)
        assert found == {
            "search": folds[fold].search.tolist(),
            "confirm": folds[fold].confirm.tolist(),
            "test": list(range(60, 90)),
        }


def test_what_cannot_be_cut_is_refused_in_a_line() -> None:
    with pytest.raises(DataError, match=r"--noisy-val: 2 rows cannot be divided over 3 parts: give more rows"):
        equal_parts(np.zeros(2, dtype=int), None, 3, seed=0, what="--noisy-val")
    with pytest.raises(DataError, match=r"--noisy-val: 2 group\(s\) cannot be divided over 3 parts"):
        equal_parts(np.zeros(8, dtype=int), np.arange(8) // 4, 3, seed=0, what="--noisy-val")


def write(path: Path, n: int, seed: int, people: bool) -> None:
    data = frame(RNG(seed).standard_normal((n, 4)))
    data["label"] = np.array(["yes", "no"])[np.arange(n) % 2]
    if people:
        data["patient"] = [f"p{99 - i // 10}" for i in range(n)]
    data.to_csv(path, index=False)


@pytest.mark.parametrize(
    ("people", "said"),
    [
        (True, "belong to rows of the data by group"),
        (False, "match no rows of the data"),
    ],
)
def test_how_it_was_dealt_out_is_told_once(
    tmp_path: Path, people: bool, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    write(tmp_path / "clean.csv", 300, 0, True)
    write(tmp_path / "noisy.csv", 300, 1, people)
    config = StudyConfig(
        data=str(tmp_path / "clean.csv"),
        noisy_val=str(tmp_path / "noisy.csv"),
        target="label",
        group="patient",
        out=str(tmp_path / "s"),
        study="s",
    )
    with caplog.at_level(logging.WARNING, "autonoise"):
        task = build_task(config)
        tell_noisy_parts(task)
    told = [r.getMessage() for r in caplog.records]
    assert sum(said in line for line in told) == 1
    assert any("its groups cannot be used" in line for line in told) == (not people)
    clean, noisy = task.dataset, task.real.dataset  # type: ignore[union-attr]
    trained = task.splits.folds[0].train
    if people:
        for part in PARTS:
            shown = task.noisy_parts.rows(part, 0, task.splits)
            mine = {clean.group_names[g] for g in clean.group[trained]}  # type: ignore[index]
            assert len(shown) and not mine & {noisy.group_names[g] for g in noisy.group[shown]}  # type: ignore[index]


def test_names_of_groups_stay_with_their_numbers(tmp_path: Path) -> None:
    write(tmp_path / "clean.csv", 100, 0, True)
    data = load(tmp_path / "clean.csv", target="label", group="patient")
    assert data.group is not None
    assert [data.group_names[g] for g in data.group] == [f"p{99 - i // 10}" for i in range(100)]


def test_a_study_without_a_noisy_set_tells_nothing(caplog: pytest.LogCaptureFixture) -> None:
    tell_noisy_parts(SimpleNamespace(real=None))  # type: ignore[arg-type]
    assert not caplog.records


def test_brightness_and_contrast_do_not_count() -> None:
    x = RNG(0).random((5, 6, 6, 1)).astype(np.float32)
    one, two = _points(x, 0.4 * x + 0.5, DataType.IMAGE, 0)
    np.testing.assert_allclose(one, two, atol=1e-4)


def test_owners_are_row_numbers_of_the_data() -> None:
    """Only rows 20 .. 99 are in a part; the others may be nobody's owner."""
    x, copies, data_type = noised("table")
    y = RNG(2).integers(0, 2, 100)
    rows = np.arange(100)
    splits = Splits((Fold(rows[20:60], rows[60:70], rows[70:80]),), rows[80:])
    noisy = Dataset("n", data_type, copies.iloc[:90].reset_index(drop=True), y[99 - rows[:90]], ("a", "b"))
    parts = deal_out(noisy, Dataset("c", data_type, x, y, ("a", "b")), splits, labels=noisy.y, seed=0)
    linked = parts.owner >= 0
    assert linked.sum() > 70 and parts.owner[linked].min() >= 20
    assert (parts.owner[linked] == 99 - rows[:90][linked]).mean() > 0.95


@pytest.mark.parametrize(
    ("groups", "said"),
    [
        (["p1"], "1 group alone, so no verdict can be sure"),
        (["p1", "p2", "p3"], "3 groups alone, so the verdict's intervals"),
        (["p1", "p2", "p3", "p4"], ""),
        (None, ""),
    ],
)
def test_few_groups_in_the_test_part_are_told(
    groups: list[str] | None, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    rows = None if groups is None else np.repeat(groups, 5)
    with caplog.at_level(logging.WARNING, "autonoise"):
        tell_few_groups(SimpleNamespace(test_groups=lambda: [rows]))  # type: ignore[arg-type]
    told = [r.getMessage() for r in caplog.records]
    assert len(told) == bool(said)
    assert not said or (said in told[0] and "--group none" in told[0])


def test_a_search_tells_few_groups_before_anything_is_trained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    write(tmp_path / "clean.csv", 40, 0, True)  # four patients, one for each part

    def ends(*_: object) -> None:
        raise StudyError("far enough")

    monkeypatch.setattr("autonoise.phases._space_for", ends)
    with caplog.at_level(logging.WARNING, "autonoise"), pytest.raises(StudyError, match="far enough"):
        search(tmp_path / "clean.csv", target="label", group="patient", out=tmp_path / "s")
    assert any("holds 1 group alone" in r.getMessage() for r in caplog.records)
