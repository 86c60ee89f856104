"""How often a verdict may look: the level spent over looks and verdicts, and who gets further seeds.

A verdict looks at its contestants after 5, 10 and 15 seeds (or multiples of ``--seeds``). Within a verdict its level is
spent by the Pocock-like function of Lan and DeMets (1983), level * ln(1 + (e - 1) * t), at the share t of the
information that the last look would have. A study that is continued reaches several verdicts on the same test rows; the
first has three quarters of the 5 %, and of the rest each later one has half of what is left: together never over 5 %,
however the verdicts depend on each other.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import optuna
from scipy import optimize, stats
from scipy.special import ndtr

from autonoise.study.trial_record import StudyRecord, write_facts
from autonoise.types import Array
from autonoise.verdict.statistics import LEVEL, Estimate, Interval

Pair = tuple[str, str]
"""Labels of two contestants; the first minus the second."""

FIRST_SHARE = 0.75
"""Share of the level that the first verdict of a study may spend."""
LOOKS = 3
"""Looks at the test rows that a verdict may take at most."""
PAYS = 0.8
"""Further looks are planned only where their seeds would lower the variance of a comparison to less than this share."""
HOPE = 0.2
"""Further seeds are futile when, going by the numbers so far, they lead to a sure answer less often than this."""
NOISIER = 0.5
"""A contestant gets further seeds when its variance between seeds is at least this share of the noisiest one's."""
_GRID, _HIGHEST = 201, 9.0
"""Points of the numerical integral, and the bound (in standard errors) that stands for one never crossed."""


def level_of(verdict: int) -> float:
    """The probability of a false sure answer that a study's first (1), second (2) ... verdict may have."""
    if verdict == 1:
        return LEVEL * FIRST_SHARE
    return LEVEL * float(1 - FIRST_SHARE) * 0.5 ** (verdict - 1)


def spent(information: float, level: float) -> float:
    """The part of ``level`` that the looks so far may have used up when this share of the information is there."""
    return level * math.log(1 + (math.e - 1) * min(max(information, 0.0), 1.0))


def next_level(information: Sequence[float], levels: Sequence[float], level: float) -> float:
    """The level (probability of missing) of the interval at the newest look.

    ``information``: the share of the final information at every look, the newest last; ``levels``: what this function
    gave at the earlier ones. The statistic at a look is correlated with that of an earlier one by the root of the ratio
    of their information (also where rows are shared: the covariance of two looks is the variance at the later one).
    """
    if len(information) == 1:
        return spent(information[0], level)
    share = [max(information[0], 1e-6)]
    for t in information[1:]:
        share.append(max(t, share[-1] * 1.0001))
    bounds = [min(float(stats.norm.isf(p / 2)), _HIGHEST) for p in levels]
    allowed = spent(information[-1], level) - spent(max(information[:-1]), level)
    if allowed <= 0:
        return 0.0
    points, density = _still_inside(share[:-1], bounds)
    step = math.sqrt(share[-1] - share[-2])

    def excess(bound: float) -> float:
        edge = bound * math.sqrt(share[-1])
        crossing = ndtr((points - edge) / step) + ndtr((-edge - points) / step)
        return float(np.trapezoid(crossing * density, points)) - allowed

    bound = optimize.brentq(excess, 0.0, _HIGHEST) if excess(_HIGHEST) < 0 < excess(0.0) else _HIGHEST
    return float(2 * stats.norm.sf(bound))


def _still_inside(share: Sequence[float], bounds: Sequence[float]) -> tuple[Array, Array]:
    """Density of the score process at the last of these looks, on the paths that have crossed no bound."""
    edge = bounds[0] * math.sqrt(share[0])
    points = np.linspace(-edge, edge, _GRID)
    density = _normal(points, math.sqrt(share[0]))
    for earlier, now, bound in zip(share, share[1:], bounds[1:], strict=False):
        edge = bound * math.sqrt(now)
        onto = np.linspace(-edge, edge, _GRID)
        kernel = _normal(onto[:, None] - points[None, :], math.sqrt(now - earlier))
        points, density = onto, np.trapezoid(kernel * density, points, axis=1)
    return points, density


def _normal(x: Array, sd: float) -> Array:
    density: Array = np.exp(-0.5 * (x / sd) ** 2) / (sd * math.sqrt(2 * math.pi))
    return density


def information(e: Estimate, most: int) -> float:
    """The information (1 / variance) that a comparison has, as a share of that of ``most`` seeds on each side."""
    full = e.variance_with([max(most, k) for k in e.seeds])
    return 1.0 if not 0 < e.variance < math.inf else full / e.variance


def hopeful(e: Estimate, most: int, level: float) -> bool:
    """Whether ``most`` seeds on each side would, if the mean stays, give a sure answer in a share ``HOPE`` of cases."""
    full = e.variance_with([max(most, k) for k in e.seeds])
    if not 0 < full < math.inf:
        return False
    edge = float(stats.norm.isf(level / 2)) * math.sqrt(full)
    apart = math.sqrt(max(e.variance - full, 1e-12))
    return float(stats.norm.sf((edge - e.mean) / apart) + stats.norm.cdf((-edge - e.mean) / apart)) >= HOPE


def further(seeds: Mapping[str, int], shares: Mapping[str, float], step: int, most: int) -> dict[str, int]:
    """Contestant → its number of seeds at the next look.

    ``shares``: of each contestant in an open comparison, the variance between its seeds divided by their number.
    """
    noisiest = max((v for k, v in shares.items() if seeds[k] < most), default=0.0)
    out = dict(seeds)
    for label, share in shares.items():
        if noisiest > 0 and share >= NOISIER * noisiest:
            out[label] = min(seeds[label] + step, most)
    return out


@dataclass
class Ledger:
    """The looks at the test part that a study has taken, kept in its storage, so that continuing it counts them.

    The same contestants at the same ``--seeds`` are the same verdict: repeating it is no new look.
    """

    study: optuna.Study
    records: list[dict[str, Any]]
    record: dict[str, Any]

    @classmethod
    def of(cls, study: optuna.Study, contestants: str, step: int) -> Ledger:
        """``step``: seeds of each contestant at the first look."""
        kept = StudyRecord.of(study)
        records = list(kept.verdict_looks)
        for r in records:
            if (r["contestants"], r["step"]) == (contestants, step):
                # an older version compared nothing where no noise was new to all contestants: that was no look
                r["looks"] = [x for x in r["looks"] if x["levels"]]
                return cls(study, records, r)
        # verdicts of a version that kept no looks count, too
        met = {*kept.test_contestants} - {contestants}
        before = len(records) + len(met - {r["contestants"] for r in records})
        record = {"contestants": contestants, "step": step, "verdict": before + 1, "looks": []}
        return cls(study, [*records, record], record)

    @property
    def step(self) -> int:
        return int(self.record["step"])

    @property
    def most(self) -> int:
        return LOOKS * self.step

    @property
    def verdict(self) -> int:
        """Which verdict of the study this is, from 1."""
        return int(self.record["verdict"])

    @property
    def level(self) -> float:
        return level_of(self.verdict)

    @property
    def all_looks(self) -> int:
        return sum(len(r["looks"]) for r in self.records)

    def look(
        self, number: int, seeds: Mapping[str, int], known: Mapping[Pair, Estimate], *, last: bool
    ) -> dict[Pair, float]:
        """The level of every comparison at a look (from 0), written down before anything is decided by it."""
        looks: list[dict[str, Any]] = self.record["looks"]
        if number == len(looks):
            share = {f"{a} - {b}": 1.0 if last else information(e, self.most) for (a, b), e in known.items()}
            levels = {
                pair: next_level(
                    [*(x["information"][pair] for x in looks), t], [x["levels"][pair] for x in looks], self.level
                )
                for pair, t in share.items()
            }
            looks.append({"seeds": dict(seeds), "last": last, "information": share, "levels": levels})
            write_facts(self.study, verdict_looks=self.records)
        return {(a, b): looks[number]["levels"][f"{a} - {b}"] for a, b in known}

    def ended(self, number: int) -> bool:
        """Whether the whole level was spent at this look."""
        return bool(self.record["looks"][number]["last"])


def pays(e: Estimate, most: int) -> bool:
    """Whether further seeds could narrow a comparison enough to be worth planning for."""
    return information(e, most) < PAYS


@dataclass(frozen=True)
class Settled:
    """How a verdict ended.

    ``seeds``: contestant → trainings. For each comparison: ``known``, its last estimate; ``found``, the interval that
    holds at all looks together; ``levels``, the level of the last look that had further seeds.
    """

    seeds: Mapping[str, int]
    known: Mapping[Pair, Estimate]
    found: Mapping[Pair, Interval]
    levels: Mapping[Pair, float]


def settle(
    ledger: Ledger,
    labels: Sequence[str],
    compared: Callable[[Mapping[str, int]], Mapping[Pair, Estimate] | None],
    room: Callable[[int], bool] = lambda trainings: True,
) -> Settled | None:
    """Look, and look again after further seeds, until every comparison is sure or further seeds are futile.

    ``compared`` trains the contestants from so many seeds each and compares them; None from it ends without a verdict.
    ``room`` says whether there is time for so many further trainings.
    """
    counts = dict.fromkeys(labels, ledger.step)
    found: dict[Pair, Interval] = {}
    used: dict[Pair, float] = {}
    for look in range(LOOKS):
        now = compared(counts)
        if now is None:
            return None
        known = now
        # whether this look is the last is told by variances alone: it may not depend on what the look shows
        last = look == LOOKS - 1 or not any(pays(e, ledger.most) for e in known.values()) or not room(ledger.step)
        levels = ledger.look(look, counts, known, last=last)
        for pair, e in known.items():
            found[pair] = e.interval(levels[pair]).within(found.get(pair))
            # a comparison without further seeds has nothing to spend at this look: the level of its last one stays
            used[pair] = levels[pair] or used.get(pair, levels[pair])
        more = next_counts(known, found, counts, ledger)
        if ledger.ended(look) or more == counts or not room(sum(more.values()) - sum(counts.values())):
            break
        counts = more
    return Settled(counts, known, found, used)


def next_counts(
    known: Mapping[Pair, Estimate], found: Mapping[Pair, Interval], counts: Mapping[str, int], ledger: Ledger
) -> dict[str, int]:
    """Seeds of the next look: more for those that make an open comparison unsure, where more could make it sure."""
    helps = found[("policy", "baseline")].low > 0 if found else False
    shares: dict[str, float] = {}
    for pair, e in known.items():
        if found[pair].low > 0 or found[pair].high < 0 or not hopeful(e, ledger.most, ledger.level):
            continue
        if "policy" not in pair and helps:
            continue  # whether a recipe helps matters only where the policy does not
        for label, variance, k in zip(pair, e.per_seed, e.seeds, strict=True):
            shares[label] = max(shares.get(label, 0.0), variance / k)
    return further(counts, shares, ledger.step, ledger.most)
