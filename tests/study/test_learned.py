"""What was learned from other data: reading it, leaving relatives out, gains by hand, predictions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from study_samples import policy_of

from autonoise.errors import StudyError
from autonoise.files import resource_dir
from autonoise.study.learned import Guide, Learned, Own, scale_of
from autonoise.types import DataType


def values(**changes: Any) -> dict[str, Any]:
    def a_set(name: str, source: str, noisy: float) -> dict[str, Any]:
        return {
            "name": name, "fingerprint": f"print-{name}", "source": source, "meta": {"size": 1.0, "classes": noisy},
            "clean": 0.9, "noisy": noisy, "clean_error": 0.01, "noisy_error": 0.02, "seeds": 4,
        }  # fmt: skip

    return {
        "format": "autonoise-gains/1",
        "data_type": "tabular",
        "sets": [a_set("a", "x", 0.7), a_set("b", "x", 0.88), a_set("c", "y", 0.5)],
        "policies": [{"name": "noise", "steps": [{"technique": "gaussian_noise", "std": 0.3}]},
                     {"name": "drop", "steps": [{"technique": "dropout", "p": 0.3}]}],
        "runs": [[0, 0, 0.91, 0.76], [0, 1, 0.88, 0.72], [1, 0, 0.9, 0.885], [2, 0, 0.9, 0.7], [2, 1, 0.9, 0.5]],
        "hyper": {},
        "portfolio": [1, 0],
        **changes,
    }  # fmt: skip


def test_gains_by_hand() -> None:
    gains, errors = Learned.from_dict(values()).gains(0.5)
    # set a: the gap of .2 counts half, so one unit is .1; half of (.01 + .06) is .035
    assert gains == pytest.approx([0.35, 0.0, 0.0025 / 0.02, 0.5, 0.0])
    assert errors == pytest.approx(np.sqrt(1.25) * 0.015 / np.array([0.1, 0.1, 0.02, 0.2, 0.2]))
    clean, _ = Learned.from_dict(values()).gains(0.0)
    assert clean[0] == pytest.approx(0.01 / 0.02)
    assert scale_of(0.9, 0.7, 0.25) == pytest.approx(0.05) and scale_of(0.9, 0.89, 0.5) == 0.02


def test_what_is_left_out_leaves_with_its_relatives() -> None:
    rest = Learned.from_dict(values()).without("print-a")
    assert [s.name for s in rest.sets] == ["c"]
    assert rest.runs.tolist() == [[0, 0, 0.9, 0.7], [0, 1, 0.9, 0.5]]
    assert [s.name for s in Learned.from_dict(values()).without("unknown").sets] == ["a", "b", "c"]
    assert Learned.from_dict(values()).without("print-c").runs[:, 0].tolist() == [0, 0, 1]


def test_a_guide_prefers_what_helped_elsewhere_and_believes_its_own_trainings() -> None:
    guide = Guide(Learned.from_dict(values()), {"size": 1.0, "classes": 0.6, "other": 3.0}, techniques=["mixup"])
    noise, drop, unknown = policy_of("gaussian_noise", std=0.3), policy_of("dropout", p=0.3), policy_of("mixup")
    mean, sd = guide.predict([noise, drop, unknown])
    assert mean[0] > mean[1] + 0.02 and abs(mean[2]) < 0.1
    assert sd[2] > sd[1]  # nothing was measured of it
    mean, _ = guide.predict([noise, drop], Own((noise, drop), (-1.0, 1.0), (0.02, 0.02)))
    assert mean[0] < 0 < mean[1]


def test_without_measurements_nothing_is_expected() -> None:
    guide = Guide(Learned.nothing(DataType.TABULAR), {"size": 1.0}, techniques=["dropout"])
    mean, sd = guide.predict([policy_of("dropout")])
    assert mean[0] == 0.0 and sd[0] > 0.05


def test_reading(tmp_path: Path) -> None:
    assert not Learned.load("tabular", tmp_path).sets
    (tmp_path / "tabular.json").write_text(json.dumps(values()))
    found = Learned.load("tabular", tmp_path)
    assert [p.name for p in found.portfolio] == ["drop", "noise"] and found.hyper.noise == 0.05
    for broken in ("{", json.dumps(values(format="autonoise-gains/9")), json.dumps(values(sets=[{}]))):
        (tmp_path / "tabular.json").write_text(broken)
        with pytest.raises(StudyError, match=r"tabular.json of the learned studies cannot be read"):
            Learned.load("tabular", tmp_path)


@pytest.mark.parametrize("data_type", list(DataType))
def test_what_ships_can_be_read(data_type: DataType) -> None:
    found = Learned.load(data_type, resource_dir("studies") / "learned")
    assert len(found.portfolio) <= 8
    assert all(p.data_type == data_type and p.steps for p in found.portfolio)
    gains, errors = found.gains(0.5)
    assert np.isfinite(gains).all() and (errors > 0).all() and len(gains) == len(found.runs)


def test_the_error_between_seeds_is_that_of_the_median_set() -> None:
    def known(*errors: tuple[float, float]) -> Learned:
        head = {"source": "s", "meta": {}, "clean": 0.9, "noisy": 0.7, "seeds": 4}
        sets = [
            head | {"name": f"s{i}", "fingerprint": f"f{i}", "clean_error": c, "noisy_error": n}
            for i, (c, n) in enumerate(errors)
        ]
        values = {"format": "autonoise-gains/1", "data_type": "tabular", "sets": sets, "policies": [], "runs": []}
        return Learned.from_dict(values | {"hyper": {}, "portfolio": []})

    # seeds move clean and noisy accuracy together
    assert known((0.01, 0.02), (0.04, 0.08), (0.002, 0.004)).seed_error(0.25) == pytest.approx(0.0125)
    assert known().seed_error(0.5) == 0.006
