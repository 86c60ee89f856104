"""Every look is counted: levels against published bounds, who gets further seeds, what a study remembers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from scipy import stats
from study_samples import new_study

from autonoise.study.trial_record import PREFIX, write_facts
from autonoise.verdict.contestants import accuracy
from autonoise.verdict.looks import (
    Ledger,
    Pair,
    Settled,
    further,
    hopeful,
    information,
    level_of,
    next_level,
    pays,
    settle,
    spent,
)
from autonoise.verdict.statistics import Estimate

LABELS = ("baseline", "preset", "policy")


def bounds(shares: list[float], level: float) -> list[float]:
    levels: list[float] = []
    for k in range(len(shares)):
        levels.append(next_level(shares[: k + 1], levels, level))
    return [float(stats.norm.isf(p / 2)) for p in levels]


def test_levels_are_the_published_bounds() -> None:
    # Pocock-like spending of .05 over three equal looks, as computed by Lan and DeMets's programs
    assert bounds([1 / 3, 2 / 3, 1], 0.05) == pytest.approx([2.279, 2.295, 2.296], abs=2e-3)
    assert spent(0.5, 0.05) == pytest.approx(0.05 * math.log(1.859141), rel=1e-6)
    assert (spent(0.0, 0.05), spent(1.0, 0.05), spent(2.0, 0.05)) == (0.0, pytest.approx(0.05), pytest.approx(0.05))
    assert bounds([1.0], 0.05) == pytest.approx([1.95996], abs=1e-4)


@pytest.mark.parametrize("shares", [[0.35, 0.7, 1.0], [0.8, 0.9, 1.0], [0.5, 1.0]])
def test_all_looks_together_miss_as_often_as_said(shares: list[float]) -> None:
    rng = np.random.default_rng(0)
    edges = np.array(bounds(shares, 0.05))
    steps = np.sqrt(np.diff([0.0, *shares])) * rng.standard_normal((200_000, len(shares)))
    z = steps.cumsum(1) / np.sqrt(shares)
    assert (np.abs(z) > edges).any(1).mean() == pytest.approx(0.05, abs=0.0015)


def test_a_look_without_new_information_spends_nothing() -> None:
    assert next_level([0.6, 0.6], [spent(0.6, 0.05)], 0.05) == 0.0
    assert next_level([0.6, 0.6, 1.0], [spent(0.6, 0.05), 0.0], 0.05) > 0.01


def test_all_verdicts_of_a_study_share_the_level() -> None:
    assert level_of(1) == pytest.approx(0.0375)
    assert [level_of(v) for v in (2, 3, 4)] == pytest.approx([0.00625, 0.003125, 0.0015625])
    assert sum(level_of(v) for v in range(1, 60)) == pytest.approx(0.05)


def known(
    mean: float = 0.02,
    rows: float = 1e-5,
    per_seed: tuple[float, float] = (2e-4, 2e-4),
    seeds: tuple[int, int] = (5, 5),
) -> Estimate:
    terms = ((rows, 1000.0), *((v / k, 1000.0) for v, k in zip(per_seed, seeds, strict=True)))
    return Estimate(mean, rows, per_seed, seeds, terms)


def test_information_is_the_ratio_of_variances() -> None:
    e = known(rows=1e-5, per_seed=(1e-4, 2e-4))
    assert information(e, 15) == pytest.approx((1e-5 + 3e-4 / 15) / (1e-5 + 3e-4 / 5))
    assert pays(e, 15)
    assert not pays(known(rows=1e-3), 15)  # the rows decide, and no seed brings more of them
    assert information(known(rows=0.0, per_seed=(0.0, 0.0)), 15) == 1.0


def test_further_seeds_only_where_there_is_hope() -> None:
    # variance 9e-5 now (sd .0095), 3.67e-5 with 15 seeds (sd .0061, so the bound is at .0119 for the 5 %)
    assert hopeful(known(0.012), 15, 0.05)
    assert hopeful(known(-0.012), 15, 0.05)
    assert not hopeful(known(0.0), 15, 0.05)
    # P(N(.006, sqrt(5.33e-5)) > .0119) = .21, and .005 gives .17
    assert hopeful(known(0.006), 15, 0.05)
    assert not hopeful(known(0.0045), 15, 0.05)
    assert not hopeful(known(0.0, rows=0.0, per_seed=(0.0, 0.0)), 15, 0.05)


def test_the_noisier_side_gets_the_seeds() -> None:
    five = dict.fromkeys(LABELS, 5)
    assert further(five, {"baseline": 4.0, "policy": 1.0}, 5, 15) == {"baseline": 10, "preset": 5, "policy": 5}
    assert further(five, {"baseline": 4.0, "policy": 2.0}, 5, 15) == {"baseline": 10, "preset": 5, "policy": 10}
    assert further(five, {}, 5, 15) == five
    assert further(five, {"policy": 0.0}, 5, 15) == five
    full = {"baseline": 15, "preset": 5, "policy": 5}
    assert further(full, {"baseline": 4.0, "policy": 1.0}, 5, 15) == {"baseline": 15, "preset": 5, "policy": 10}
    assert further(full, {"baseline": 4.0}, 5, 15) == full


class Trained:
    """Comparisons with given means and variances, and which numbers of seeds were asked for."""

    def __init__(self, means: Mapping[Pair, float], noise: Mapping[str, float], rows: float = 1e-6) -> None:
        self.means, self.noise, self.rows = means, noise, rows
        self.asked: list[dict[str, int]] = []

    def __call__(self, counts: Mapping[str, int]) -> dict[Pair, Estimate]:
        self.asked.append(dict(counts))
        return {
            (a, b): known(m, self.rows, (self.noise[a], self.noise[b]), (counts[a], counts[b]))
            for (a, b), m in self.means.items()
        }


MEANS = {("policy", "baseline"): 0.014, ("policy", "preset"): 0.1, ("preset", "baseline"): 0.0}
NOISE = {"policy": 1e-5, "preset": 1e-5, "baseline": 4e-4}


def settled(trained: Trained, study: Any = None, key: str = "a+b+c", step: int = 5, room: Any = None) -> Settled:
    ledger = Ledger.of(study or new_study(), key, step)
    out = settle(ledger, LABELS, trained, room or (lambda n: True))
    assert out is not None
    return out


def test_a_clear_case_ends_after_the_first_look() -> None:
    trained = Trained(dict.fromkeys(MEANS, 0.1), NOISE)
    assert settled(trained).seeds == dict.fromkeys(LABELS, 5)
    futile = Trained(dict.fromkeys(MEANS, 0.0), NOISE)
    assert settled(futile).seeds == dict.fromkeys(LABELS, 5)


def test_an_open_case_gets_seeds_for_the_noisy_baseline() -> None:
    trained = Trained(MEANS, NOISE)
    found = settled(trained)
    assert trained.asked == [{"baseline": k, "preset": 5, "policy": 5} for k in (5, 10, 15)]
    assert found.seeds["baseline"] == 15
    # sure after 15 at last: sd .0055, but not after five: sd .0092
    assert found.found["policy", "baseline"].low > 0


def test_a_recipe_needs_no_seeds_where_the_policy_helps() -> None:
    means = {("policy", "baseline"): 0.1, ("policy", "preset"): 0.1, ("preset", "baseline"): 0.012}
    trained = Trained(means, NOISE)
    settled(trained)
    assert len(trained.asked) == 1
    means["policy", "baseline"] = 0.0
    again = Trained(means, NOISE)
    settled(again)
    assert len(again.asked) > 1


def test_no_further_look_without_time() -> None:
    trained, study = Trained(MEANS, NOISE), new_study()
    found = settled(trained, study, room=lambda n: False)
    assert len(trained.asked) == 1
    # what cannot be looked at later is spent at once
    assert found.levels["policy", "baseline"] == pytest.approx(level_of(1))


def test_stopping_leaves_no_look_behind() -> None:
    study = new_study()
    assert settle(Ledger.of(study, "x", 5), LABELS, lambda counts: None) is None
    assert not study.user_attrs.get(PREFIX + "verdict_looks")


def test_looks_are_kept_and_continued_verdicts_count() -> None:
    study = new_study()
    first = settled(Trained(MEANS, NOISE), study)
    ledger = Ledger.of(study, "a+b+c", 5)
    assert (ledger.verdict, ledger.level, ledger.all_looks) == (1, level_of(1), 3)
    assert settled(Trained(MEANS, NOISE), study).levels == first.levels  # the same verdict again is no new look
    assert Ledger.of(study, "a+b+c", 5).all_looks == 3
    # another policy, or more --seeds for the same, is another verdict at a smaller level
    for number, (key, step) in enumerate((("a+b+d", 5), ("a+b+c", 10)), start=2):
        other = Ledger.of(study, key, step)
        assert (other.verdict, other.level) == (number, level_of(number))
        wider = settled(Trained(MEANS, NOISE), study, key, step)
        assert wider.levels["policy", "baseline"] < first.levels["policy", "baseline"]
    assert Ledger.of(study, "a+b+d", 5).verdict == 2


def test_a_look_at_nothing_that_can_be_compared_is_none() -> None:
    study = new_study()
    empty = {"seeds": {"baseline": 5}, "last": True, "information": {}, "levels": {}}
    record = {"contestants": "a+b+c", "step": 5, "verdict": 1, "looks": [empty]}
    write_facts(study, verdict_looks=[record])
    ledger = Ledger.of(study, "a+b+c", 5)
    assert ledger.all_looks == 0
    assert ledger.verdict == 1


def test_verdicts_from_before_looks_were_kept_count() -> None:
    study = new_study()
    study.set_user_attr(PREFIX + "test_contestants", ["old+one", "old+two", "a+b+c"])
    assert Ledger.of(study, "a+b+c", 5).verdict == 3


def test_a_comparison_without_further_seeds_keeps_the_level_of_its_last_look() -> None:
    """At a level of 0 every other figure of that comparison would be told as [-inf, +inf]."""

    class OneSided(Trained):
        """Only the preset ever gets further seeds."""

        def __call__(self, counts: Mapping[str, int]) -> dict[Pair, Estimate]:
            held = {label: k if label == "preset" else 5 for label, k in counts.items()}
            return super().__call__(held)

    trained = OneSided(
        {("policy", "baseline"): 0.0, ("policy", "preset"): 0.014, ("preset", "baseline"): 0.0},
        {"policy": 1e-5, "preset": 4e-4, "baseline": 1e-5},
    )
    # the time is over after the second look, which was not known to be the last when its levels were set
    there_is_time = iter([True, True, True, False])
    found = settled(trained, room=lambda trainings: next(there_is_time))
    assert len(trained.asked) == 2
    assert all(level > 0.001 for level in found.levels.values())


def test_the_limits_of_an_accuracy_lie_within_0_and_1() -> None:
    found = accuracy(known(0.9, 0.01, (0.0,), (5,)))
    assert found is not None
    assert found.high == 1.0
    assert 0 < found.low < found.mean == 0.9
    low = accuracy(known(0.05, 0.01, (0.0,), (5,)))
    assert low is not None
    assert low.low == 0.0 < low.mean < low.high
    assert accuracy(None) is None
