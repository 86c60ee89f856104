"""Two judged studies side by side: the paired test against numbers worked out by hand, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from study_samples import judged_folder, policy_of

from autonoise.comparing import side_by_side
from autonoise.errors import DataError, StudyError
from autonoise.study.folder import StudyFolder
from autonoise.study.prepare import build_task
from autonoise.study.result import Result
from autonoise.verdict.statistics import Side, paired_estimate

BASE = (0.4, 0.4, 0.4)


def two(tmp_path: Path, **second: Any) -> tuple[str, str]:
    """Differences of 0.1, 0.2 and 0.3 of the first over the second in clean accuracy, seed by seed."""
    judged_folder(tmp_path / "a", {"baseline": BASE, "policy": (0.5, 0.7, 0.9)})
    given = {"clean": {"baseline": BASE, "policy": (0.4, 0.5, 0.6)}, "policy": policy_of("dropout"), **second}
    judged_folder(tmp_path / "b", **given)
    return str(tmp_path / "a"), str(tmp_path / "b")


def test_seeds_are_paired(tmp_path: Path) -> None:
    """The variance is that of 0.1, 0.2, 0.3: 0.01 / 3, with two degrees of freedom (t = 4.30265)."""
    found = side_by_side(*two(tmp_path))
    (test,) = found.tests
    half = 4.30265 * (0.01 / 3) ** 0.5
    assert test.difference.clean == pytest.approx((0.2, 0.2 - half, 0.2 + half), abs=2e-5)
    assert (test.seeds, test.rows, test.same, test.labels) == (3, 4, False, ("policy", "policy"))
    # two held-out families: one follows the clean rows, the other is the same for both
    assert test.difference.held_out == pytest.approx((0.1, 0.1 - half / 2, 0.1 + half / 2), abs=2e-5)
    # half clean, half noisy
    assert test.difference.score == pytest.approx((0.15, 0.15 - 0.75 * half, 0.15 + 0.75 * half), abs=2e-5)
    assert test.answer == "undecided"
    assert found.settings == {}
    assert found.notes[-1].startswith("both verdicts have used these test rows")


def test_a_clear_difference_is_told(tmp_path: Path) -> None:
    judged_folder(tmp_path / "a", {"baseline": BASE, "policy": (0.8, 0.81, 0.79)})
    judged_folder(tmp_path / "b", {"baseline": BASE, "policy": (0.5, 0.51, 0.49)}, policy=policy_of("dropout"))
    assert side_by_side(str(tmp_path / "a"), str(tmp_path / "b")).tests[0].answer == "better"
    assert side_by_side(str(tmp_path / "b"), str(tmp_path / "a")).tests[0].answer == "worse"


def test_only_common_seeds_count(tmp_path: Path) -> None:
    more = {"baseline": BASE, "policy": (0.5, 0.6, 0.7, 0.1, 0.1)}
    found = side_by_side(*two(tmp_path, clean=more))
    assert found.tests[0].seeds == 3
    assert found.tests[0].difference.clean.mean == pytest.approx(0.1)  # type: ignore[union-attr]


def test_noise_that_one_policy_trained_on_does_not_count_as_held_out(tmp_path: Path) -> None:
    found = side_by_side(*two(tmp_path, policy=policy_of("outlier_noise")))
    assert found.tests[0].difference.held_out == pytest.approx((0.0, 0.0, 0.0))
    assert found.tests[0].difference.search.mean == pytest.approx(0.2)  # type: ignore[union-attr]


def test_the_same_policy(tmp_path: Path) -> None:
    found = side_by_side(*two(tmp_path, policy=policy_of("gaussian_noise")))
    assert found.tests[0].same and found.tests[0].answer == "the same policy"
    assert found.notes == ()


def test_settings_and_notes(tmp_path: Path) -> None:
    lower = {"baseline": (0.4, 0.39, 0.4), "policy": (0.4, 0.5, 0.6)}
    found = side_by_side(*two(tmp_path, clean=lower, noise_weight=0.3, trials=7, outcome={"versions": {"torch": "3"}}))
    assert found.settings == {"trials": (60, 7), "noise_weight": (0.5, 0.3), "version of torch": (None, "3")}
    assert found.tests[0].difference.score is None and found.tests[0].answer == "not measurable"
    assert found.tests[0].difference.clean is not None
    told = " ".join(found.notes)
    assert "weigh noisy accuracy by 0.5 and by 0.3" in told and "came out differently in the two" in told


@pytest.mark.parametrize(
    ("second", "said"),
    [
        (
            {"outcome": {"data": "sha256:other"}},
            r"^a and b are of different data \(wine, wine\), .* autonoise evaluate",
        ),
        (
            {"outcome": {"data": "sha256:other", "data_type": "text"}},
            r"^a is of tabular data and b of text data: neither",
        ),
        ({"seed": 1}, r"^a and b were split, trained or judged differently \(seed: 0 and 1\)"),
        ({"group": "patient"}, r"\(group: None and patient\)"),
        ({"rows": 5}, r"were tested on different rows \(\[4, 5\]\)"),
        ({"first_seed": 200}, r"share 0 training seed\(s\)"),
    ],
)
def test_what_cannot_be_compared(tmp_path: Path, second: dict[str, Any], said: str) -> None:
    with pytest.raises(StudyError, match=said):
        side_by_side(*two(tmp_path, **second))


def test_other_corruptions_are_refused(tmp_path: Path) -> None:
    a, b = two(tmp_path)
    folder = StudyFolder(b)
    frozen = folder.load_corruptions()
    assert frozen is not None
    folder.save_corruptions((replace(frozen[0], amounts=tuple(2 * x for x in frozen[0].amounts)), *frozen[1:]), {})
    with pytest.raises(StudyError, match="judged under different corruptions"):
        side_by_side(a, b)
    with pytest.raises(StudyError, match="was given twice"):
        side_by_side(a, a + "/")
    folder.save_result(Result())
    with pytest.raises(StudyError, match="has no verdict to compare"):
        side_by_side(a, b)


def test_rows_of_a_group_are_one_draw(tmp_path: Path) -> None:
    """The data are read for the groups of the test rows; where they are gone, a line says what is missing."""
    rng = np.random.default_rng(0)
    lines = [f"{x:.3f},{x > 0:d},g{i // 4}" for i, x in enumerate(rng.normal(size=240))]
    data = tmp_path / "d.csv"
    data.write_text("\n".join(["x,y,g", *lines]))
    settings = {"data": str(data), "target": "y", "group": "g"}
    clean = {"baseline": BASE, "policy": (0.5, 0.7, 0.9)}
    first = judged_folder(tmp_path / "a", clean, **settings)
    from autonoise.study.config import StudyConfig

    (groups,) = build_task(StudyConfig.load(first.study_file)).test_groups()
    assert groups is not None
    told = {"test_groups": len(np.unique(groups))}
    for name, policy in (("a", policy_of("gaussian_noise")), ("b", policy_of("dropout"))):
        judged_folder(tmp_path / name, clean, policy=policy, rows=len(groups), outcome=told, **settings)
    assert side_by_side(str(tmp_path / "a"), str(tmp_path / "b")).tests[0].rows == len(groups)
    data.unlink()
    with pytest.raises(DataError, match=r"belong together in groups, which are needed from the data: .*'data:' of"):
        side_by_side(str(tmp_path / "a"), str(tmp_path / "b"))


def test_paired_estimates_need_the_same_seeds() -> None:
    run = [(1.0, np.array([1.0, 0.0]))]
    with pytest.raises(ValueError, match="same seeds and folds"):
        paired_estimate(Side([run, run]), Side([run]))
    assert paired_estimate(Side([run, run]), Side([run, run])).variance == 0
