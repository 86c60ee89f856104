"""The bank of studies: features, distances by hand, damaged files, warm starts, recommendations."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from study_samples import policy_of

from autonoise.data import Dataset, load, split
from autonoise.errors import InsufficientStudiesError
from autonoise.study.bank import Banked, bank, features_of, nearest, recommend, training_rows, warm_start
from autonoise.study.folder import StudyFolder
from autonoise.types import DataType


@pytest.fixture(autouse=True)
def _nothing_shipped(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("autonoise.study.bank.resource_dir", lambda name: tmp_path / "shipped")


@pytest.fixture(scope="module")
def wine() -> Dataset:
    return load("wine")


def leave(
    place: Path, name: str, rows: float, p: float, *, policy: float = 0.8, fingerprint: str = "", **changes: Any
) -> None:
    body = {
        "format": "autonoise-memory/1",
        "study": name,
        "data_type": "tabular",
        "fingerprint": fingerprint or name,
        "features": {"log_rows": rows},
        "policies": [policy_of("dropout", p=p).to_dict()],
        "summary": {"score": {"policy": policy, "baseline": 0.7}},
        **changes,
    }
    (place / name).mkdir(parents=True)
    (place / name / "memory.json").write_text(json.dumps(body))


def test_features_by_hand(wine: Dataset) -> None:
    found = features_of(wine, np.arange(178))
    shares = np.array([59, 71, 48]) / 178
    assert found["log_rows"] == pytest.approx(math.log10(178))
    assert found["log_classes"] == pytest.approx(math.log10(3))
    assert found["balance"] == pytest.approx(-(shares * np.log(shares)).sum() / math.log(3))
    assert (found["log_dimensions"], found["numeric"], found["missing"]) == (pytest.approx(math.log10(13)), 1.0, 0.0)


def test_features_of_arrays_and_texts() -> None:
    x = np.zeros((4, 1, 4), np.float32)
    x[:, 0, 1::2] = 2.0  # standard deviation 1, every step of size 2
    series = features_of(Dataset("s", DataType.TIMESERIES, x, np.array([0, 1, 0, 1]), ("a", "b")), np.arange(4))
    assert (series["roughness"], series["within"]) == (pytest.approx(2.0), pytest.approx(1.0))
    assert series["log_dimensions"] == pytest.approx(math.log10(4))
    texts = features_of(Dataset("t", DataType.TEXT, ["a b", "a b c d"], np.array([0, 1]), ("a", "b")), np.arange(2))
    assert texts["log_dimensions"] == pytest.approx(math.log10(4))
    assert texts["spread"] == pytest.approx(0.1)


def test_features_are_those_of_training_rows(wine: Dataset) -> None:
    splits = split(wine, seed=0)
    rows = training_rows(splits)
    assert not np.isin(splits.test, rows).any()
    assert set(rows) == set(np.concatenate([f.train for f in splits.folds]))
    x, y = wine.x.copy(), wine.y.copy()  # type: ignore[union-attr]
    x.iloc[splits.test], y[splits.test] = np.nan, 0
    changed = dataclasses.replace(wine, x=x, y=y)
    assert features_of(changed, rows) == features_of(wine, rows)
    assert features_of(changed, np.arange(178)) != features_of(wine, np.arange(178))


def test_nearest_by_hand() -> None:
    def study(name: str, **features: float) -> Banked:
        return Banked(name, DataType.TABULAR, name, features, (), {})

    studies = [study("far", a=10.0, b=0.0), study("near", a=1.0, b=2.0), study("one", a=2.0)]
    found = nearest({"a": 0.0, "b": 0.0}, studies)
    # spreads with the new one: a over 10 1 2 0, b over 0 2 0
    a, b = np.std([10, 1, 2, 0]), np.std([0, 2, 0])
    by_hand = {"far": math.sqrt((10 / a) ** 2 / 2), "near": math.sqrt(((1 / a) ** 2 + (2 / b) ** 2) / 2), "one": 2 / a}
    assert {s.name: d for d, s in found} == pytest.approx(by_hand)
    assert [s.name for _, s in found] == sorted(by_hand, key=lambda n: by_hand[n])


def test_damaged_and_foreign_files_are_passed_over(tmp_path: Path) -> None:
    leave(tmp_path, "good", 2.0, 0.1)
    leave(tmp_path, "image", 2.0, 0.1, data_type="image", policies=[])
    leave(tmp_path, "newer", 2.0, 0.1, format="autonoise-memory/2")
    leave(tmp_path, "no-number", 2.0, 0.1, features={"log_rows": None})
    leave(tmp_path, "bad-policy", 2.0, 0.1, policies=[{"format": "autonoise-policy/1"}])
    for name, text in (("cut", '{"format": "auto'), ("list", "[1]"), ("empty", ""), ("null", "null")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "memory.json").write_text(text)
    assert [s.name for s in bank(DataType.TABULAR, [tmp_path, tmp_path / "absent"])] == ["good"]


def test_warm_start_takes_the_nearest_that_helped_and_never_the_same_data(tmp_path: Path, wine: Dataset) -> None:
    class Task:
        dataset = wine
        splits = split(wine, seed=0)

    place = tmp_path / "studies"
    folder = StudyFolder(place / "mine")
    assert warm_start(Task, folder) == []  # type: ignore[arg-type]
    rows = math.log10(178)
    leave(place, "same", rows, 0.11, fingerprint=wine.fingerprint)
    leave(place, "useless", rows, 0.12, policy=0.6)
    for i, distance in enumerate((3.0, 0.1, 2.0, 1.0)):
        leave(place, f"study{i}", rows + distance, 0.2 + 0.1 * i)
    found = [p.steps[0].technique.parameters()["p"] for p in warm_start(Task, folder)]  # type: ignore[arg-type]
    assert found == pytest.approx([0.3, 0.5, 0.4])


def test_a_recommendation_needs_three_studies(tmp_path: Path, wine: Dataset) -> None:
    rows = math.log10(178)
    leave(tmp_path, "a", rows, 0.1, policy=0.6)
    leave(tmp_path, "b", rows + 1, 0.2)
    with pytest.raises(InsufficientStudiesError, match=r"2 finished studies of tabular data.*3 are needed") as e:
        recommend(wine, [tmp_path])
    assert "\n" not in str(e.value)
    leave(tmp_path, "c", rows + 2, 0.3)
    found = recommend(wine, [tmp_path])
    assert found.policy.steps[0].technique.parameters()["p"] == 0.2  # the nearest did not help
    assert [name for name, _, _ in found.rests_on] == ["b", "c"]
    assert found.same is None
    leave(tmp_path, "d", rows, 0.4, fingerprint=wine.fingerprint)
    assert recommend(wine, [tmp_path]).same == "d"


def test_reading_the_shipped_studies_warns_of_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """Their policies are starting points that are trained anew, so a formula that changed since is no news."""
    studies = [s for data_type in DataType for s in bank(data_type, [Path(__file__).resolve().parents[2] / "studies"])]
    assert len(studies) > 10
    assert caplog.records == []
