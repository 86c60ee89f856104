"""The typed result and the plain values of result.json say the same."""

from __future__ import annotations

import json
import math

import pytest

from autonoise.study.result import ContestantResult, Counts, Difference, Gap, Measured, Result

PLAIN = {
    "study": "s",
    "verdict": "better",
    "contestants": {
        "policy": {
            "name": "p",
            "clean": [0.9, 0.88, 0.92],
            "held_out": None,
            "score": [0.8, None, None],
            "steps": [{"technique": "dropout", "p": 0.2}],
            "passes": 1,
            "numbers": {"nll_noisy_search": None},
        }
    },
    "differences": {"baseline": {"score": [0.1, 0.05, 0.15]}},
    "gaps": {"search": {"gap": [0.2, 0.1, 0.3], "closable": True}, "held_out": None},
    "counts": {"complete": 4},
    "something": "of a later version",
}


def test_plain_values_become_attributes() -> None:
    result = Result.from_dict(PLAIN)
    policy = result.contestants["policy"]
    assert policy.clean == Measured(0.9, 0.88, 0.92)
    assert policy.clean.low == 0.88
    assert policy.held_out is None
    assert policy.score is not None
    assert policy.score.mean == 0.8
    assert math.isnan(policy.score.high)
    assert math.isnan(policy.numbers["nll_noisy_search"])
    assert policy.steps[0]["technique"] == "dropout"
    assert result.gaps == {"search": Gap(Measured(0.2, 0.1, 0.3), closable=True), "held_out": None}
    assert result.counts is not None
    assert (result.counts.complete, result.counts.pruned) == (4, 0)
    assert math.isnan(result.counts.work)
    assert result.transfer is None


def test_a_result_is_the_same_after_a_round_by_the_file() -> None:
    result = Result(
        "s",
        "better",
        contestants={"policy": ContestantResult("p", clean=Measured(0.9, 0.8, 1.0), passes=1.5, seconds=2.0)},
        differences={"baseline": Difference(Measured(0.1, 0.05, 0.15))},
        counts=Counts(1, 2, 3, 4.0, 5.0, 6.0),
        noise_weight=0.5,
        level=0.0375,
        test_rows=30,
    )
    assert Result.from_dict(json.loads(json.dumps(result.to_dict()))) == result
    assert result.to_dict()["contestants"]["policy"]["clean"] == [0.9, 0.8, 1.0]


def test_a_value_of_a_wrong_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="contestants"):
        Result.from_dict({"contestants": 3})
    with pytest.raises(ValueError, match="score"):
        Result.from_dict({"differences": {"baseline": {"score": [0.1]}}})
