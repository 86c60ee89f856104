"""Frozen corruptions come back the same from their file, in every process."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from corruption_samples import each_corruption, reference_of, rows_of

from autonoise.corruptions import Corruption, get_corruption
from autonoise.corruptions.frozen import checksum, corrupted, fix, freeze, seed_of, thaw
from autonoise.errors import StudyError
from autonoise.types import DataType


@each_corruption
def test_the_file_brings_back_every_corruption(corruption: Corruption) -> None:
    frozen = fix(corruption, study_seed=3, retentions=(0.97, 0.9, 0.8, 0.7, 0.6), note="weak")
    frozen = frozen.with_checksum("test", 2, "sha256:1")
    (back,) = thaw(json.loads(json.dumps(freeze([frozen]))))
    assert back == frozen
    assert back.amounts == corruption.severities
    assert back.checksums == {"test/2": "sha256:1"}


def test_seeds_are_hashes() -> None:
    frozen = fix(get_corruption("image", "fog"), study_seed=0)
    # sha256 of '["0", "fog", "1"]', its first eight bytes halved: computed with another program.
    assert frozen.seeds[0] == seed_of(0, "fog", 1) == 7217145077427985225
    other, later = get_corruption("image", "elastic"), fix(get_corruption("image", "fog"), study_seed=1)
    assert len({*frozen.seeds, *fix(other, study_seed=0).seeds, *later.seeds}) == 15
    assert seed_of("a", "bc") != seed_of("ab", "c")


@pytest.mark.parametrize("kind", list(DataType))
def test_corrupted_rows_depend_on_severity_part_and_seed_only(kind: DataType) -> None:
    rows, reference = rows_of(kind), reference_of(kind)
    name = {"image": "fog", "text": "misspelling", "tabular": "jitter", "timeseries": "drift", "audio": "babble"}[kind]
    frozen, other = (fix(get_corruption(kind, name), study_seed=seed) for seed in (0, 1))
    first = checksum(corrupted(rows, frozen, 3, "search", reference))
    assert first == checksum(corrupted(rows, frozen, 3, "search", reference))
    rest = {
        checksum(corrupted(rows, frozen, 4, "search", reference)),
        checksum(corrupted(rows, frozen, 3, "test", reference)),
        checksum(corrupted(rows, other, 3, "search", reference)),
        checksum(rows),
    }
    assert len(rest | {first}) == 5


def test_bad_severities_amounts_and_files_are_refused() -> None:
    fog = get_corruption("image", "fog")
    frozen = fix(fog, study_seed=0)
    with pytest.raises(StudyError, match="severity must be one of 1, 2, 3, 4, 5, but got 0"):
        corrupted(rows_of(DataType.IMAGE), frozen, 0, "test", reference_of(DataType.IMAGE))
    with pytest.raises(StudyError, match="fog needs five amounts"):
        fix(fog, (1, 2), study_seed=0)
    good = freeze([frozen])
    with pytest.raises(StudyError, match="must have format"):
        thaw({**good, "format": "autonoise-corruptions/9"})
    for change in ({"family": "fogs"}, {"group": "held out"}, {"amounts": [1]}, {"surprise": 1}, {"seeds": ["x"] * 5}):
        with pytest.raises(StudyError, match="malformed"):
            thaw({**good, "corruptions": [{**good["corruptions"][0], **change}]})
    with pytest.raises(StudyError, match="malformed"):
        thaw({"format": good["format"]})


def test_checksums_of_arrays_see_values_shape_and_type() -> None:
    a = np.arange(6, dtype=np.float32).reshape(2, 3)
    assert checksum(a) == checksum(np.asfortranarray(a)) == checksum(a.astype(">f4"))
    assert len({checksum(x) for x in (a, a.reshape(3, 2), a.astype(np.float64), a + 1)}) == 4


def test_checksums_of_texts_see_where_one_ends() -> None:
    assert checksum(["ab", "c"]) == checksum(["ab", "c"])
    assert len({checksum(x) for x in (["ab", "c"], ["a", "bc"], ["abc"], ["c", "ab"], [], ["\ud800"])}) == 6


def test_checksums_of_tables_see_values_not_storage() -> None:
    base = pd.DataFrame({"n": [1, 2], "c": ["a", None]})
    same = pd.DataFrame({"n": [1.0, 2.0], "c": pd.Categorical(["a", np.nan])})
    assert checksum(base) == checksum(same) == checksum(base.astype({"n": "Int64"}))
    changed = [
        base.rename(columns={"n": "m"}),
        base.assign(n=[1, 3]),
        base.assign(c=["a", "None"]),
        base[["c", "n"]],
        base.assign(n=[1, np.nan]),
        base.iloc[:1],
    ]
    assert len({checksum(x) for x in [base, *changed]}) == 7
