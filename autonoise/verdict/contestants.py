"""The contestants of a verdict: what counts as held out for them, and their numbers with intervals."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from autonoise.corruptions.frozen import FrozenCorruption
from autonoise.evaluation.score import gap_closed
from autonoise.policy import Policy
from autonoise.study.folder import RunResult
from autonoise.study.result import ContestantResult, CorruptionResult, Difference, Gap, Measured
from autonoise.types import Array
from autonoise.verdict.statistics import LEVEL, Estimate, Interval, Side, estimate, linear_parts

NUMBERS = ("nll_clean", "nll_noisy", "ece_clean", "ece_noisy", "brier_clean", "brier_noisy", "balanced", "worst")
NO_GAP = 3.0
"""How many standard errors clean accuracy must be above noisy accuracy; below, a share of that gap means nothing."""


@dataclass(frozen=True)
class Contestant:
    """A policy with its runs on the test rows.

    ``label`` is "baseline", "policy", or the role of a recipe ("preset", "start"). ``folds``: for each run the number
    of the training set that it used; empty where there is only one.
    """

    label: str
    policy: Policy
    runs: tuple[RunResult, ...]
    folds: tuple[int, ...]


@dataclass(frozen=True)
class Held:
    """Names of the corruptions that count for each number.

    ``search``: those that the search saw; ``held_out``: held-out ones whose family no contestant trained on, nor on a
    related one; ``every_held_out``: all held-out ones. ``families`` and ``exposure``: name → family, and how close the
    contestants came to it in training ("same", "related", "unseen"). ``met``: hash of a policy → the held-out ones
    whose family, or a related one, it trained on.
    """

    families: Mapping[str, str]
    search: tuple[str, ...]
    held_out: tuple[str, ...]
    every_held_out: tuple[str, ...]
    exposure: Mapping[str, str]
    met: Mapping[str, frozenset[str]] = field(default_factory=dict)

    @property
    def pairwise(self) -> bool:
        """Whether the contestants together have met all held-out noise, so that each two have a set of their own."""
        return not self.held_out and bool(self.every_held_out)

    def between(self, *policies: Policy) -> tuple[str, ...]:
        """The held-out corruptions that count where these policies are compared; empty: they cannot be.

        Those that no contestant has met, the same for all pairs. Where none of these is left: those that none of
        ``policies`` has met.
        """
        if not self.pairwise:
            return self.held_out
        met = frozenset().union(*(self.met.get(p.hash, frozenset()) for p in policies))
        return tuple(name for name in self.every_held_out if name not in met)

    @classmethod
    def of(
        cls, frozen: Sequence[FrozenCorruption], policies: Sequence[Policy], *, real_alone: bool, real: bool
    ) -> Held:
        """A held-out corruption of a family that any contestant trained on, or a related one, counts for none.

        Unless nothing is left then (:meth:`between`).
        """
        trained = frozenset().union(*(p.families for p in policies)) if policies else frozenset()
        exposure = {f.name: f.exposure(trained) for f in frozen}
        unseen = tuple(f.name for f in frozen if f.group == "held_out" and exposure[f.name] == "unseen")
        families = {f.name: str(f.family) for f in frozen}
        search = () if real_alone else tuple(f.name for f in frozen if f.group == "search")
        if real:
            families["real"], search = "real", (*search, "real")
            unseen = ("real",) if real_alone else (*unseen, "real")
        every = tuple(f.name for f in frozen if f.group == "held_out" and not real_alone)
        met = {
            p.hash: frozenset(n.name for n in frozen if n.group == "held_out" and n.exposure(p.families) != "unseen")
            for p in policies
        }
        return cls(families, search, unseen, every or unseen, exposure, met)


@dataclass(frozen=True)
class Numbers:
    """How runs become means with intervals.

    ``weight``: weight of noisy accuracy in the score (0 to 1); ``groups``: for each part of the score the group of each
    test row, or None where rows are independent.
    """

    weight: float
    held: Held
    groups: Sequence[Array | None] = ()

    def side(self, c: Contestant, clean: float, noisy: float, keep: Sequence[str]) -> Side | None:
        """Scores clean * clean + noisy * noisy accuracy of the runs; None where no noise is there to measure it."""
        known = [n for n in c.runs[0].noisy if n in self.held.families and n in keep]
        if not known:
            return None if noisy else Side([[(clean, r.correct)] for r in c.runs], c.folds)
        return Side([linear_parts(r, clean, noisy, self.held.families, known) for r in c.runs], c.folds)

    def mean(self, c: Contestant, weight: float, keep: Sequence[str]) -> Estimate | None:
        """The mixed score of a contestant; its variance is that over seeds and over rows."""
        side = self.side(c, 1 - weight, weight, keep)
        return None if side is None else estimate(side, groups=self.groups)

    def between(self, a: Contestant, b: Contestant, weight: float, keep: Sequence[str]) -> Estimate | None:
        first, second = (self.side(c, 1 - weight, weight, keep) for c in (a, b))
        return None if first is None or second is None else estimate(first, second, self.groups)

    def score(self, a: Contestant, b: Contestant) -> Estimate | None:
        """Difference of the verdict's figure: the mixed score with what is held out."""
        return self.between(a, b, self.weight, self.held.between(a.policy, b.policy))

    def gap(self, baseline: Contestant, keep: Sequence[str]) -> Estimate | None:
        """What noise costs the baseline: clean minus noisy accuracy."""
        side = self.side(baseline, 1.0, -1.0, keep)
        return None if side is None else estimate(side, groups=self.groups)

    def gap_closed(self, c: Contestant, baseline: Contestant, keep: Sequence[str]) -> Measured | None:
        """(noisy - noisy of the baseline) / gap with its interval by the delta method; None where no gap is to close.

        With the ratio r, the numerator minus r * gap is noisy - (r * clean + (1 - r) * noisy of the baseline).
        """
        gap = self.gap(baseline, keep)
        noisy = [self.mean(x, 1.0, keep) for x in (c, baseline)]
        clean = self.mean(baseline, 0.0, ())
        if gap is None or noisy[0] is None or noisy[1] is None or clean is None or not is_gap(gap):
            return None
        ratio = gap_closed(noisy[0].mean, clean.mean, noisy[1].mean)
        if not np.isfinite(ratio):
            return None
        if c is baseline:
            return Measured(0.0, 0.0, 0.0)
        first, second = self.side(c, 0.0, 1.0, keep), self.side(baseline, ratio, 1 - ratio, keep)
        assert first is not None
        around = estimate(first, second, self.groups).interval().scaled(1 / gap.mean)
        return Interval(ratio, ratio + around.low, ratio + around.high).measured()


def is_gap(gap: Estimate) -> bool:
    """Whether the gap is at least ``NO_GAP`` standard errors wide, so that a share of it means something."""
    return math.isfinite(gap.variance) and gap.mean > 0 and gap.mean >= NO_GAP * math.sqrt(gap.variance)


def measured(e: Estimate | None, level: float = LEVEL) -> Measured | None:
    """The mean with an interval that misses with probability ``level``; None for what is not measurable."""
    return None if e is None else e.interval(level).measured()


def accuracy(e: Estimate | None) -> Measured | None:
    """The same for an accuracy, whose limits lie within 0 and 1."""
    found = measured(e)
    return found and found._replace(low=max(found.low, 0.0), high=min(found.high, 1.0))


def table_of(
    c: Contestant, baseline: Contestant, numbers: Numbers, found: Contestant | None = None
) -> ContestantResult:
    """All numbers of a contestant. Intervals are of the mean over all models and rows of this kind, at 95 %.

    Where pairs have held-out noise of their own, a contestant's is that of itself and the baseline; the baseline's is
    that of itself and ``found``, the policy in question.
    """
    held = numbers.held
    new = held.between(baseline.policy, found.policy if found is not None and c is baseline else c.policy)

    def noisy(keep: Sequence[str]) -> Measured | None:
        return accuracy(numbers.mean(c, 1.0, keep))

    return ContestantResult(
        c.policy.name,
        c.policy.hash,
        clean=accuracy(numbers.mean(c, 0.0, ())),
        search=noisy(held.search),
        held_out=noisy(new),
        held_out_all=noisy(held.every_held_out),
        score=accuracy(numbers.mean(c, numbers.weight, new)),
        gap_closed_search=numbers.gap_closed(c, baseline, held.search),
        gap_closed_held_out=numbers.gap_closed(c, baseline, new),
        gap_closed_held_out_all=numbers.gap_closed(c, baseline, held.every_held_out),
        numbers={
            f"{key}_{group}": float(np.mean([r.numbers[group][key] for r in c.runs]))
            for group in c.runs[0].numbers
            for key in NUMBERS
        },
        passes=c.policy.passes,
        seconds=float(np.mean([r.seconds for r in c.runs])),
        steps=tuple(s.to_dict() for s in c.policy.steps),
        families=tuple(sorted(map(str, c.policy.families))),
        diverged=sum(r.diverged for r in c.runs),
        seeds=len(c.runs),
        reliability=_reliability(c.runs),
    )


def _reliability(runs: Sequence[RunResult]) -> dict[str, tuple[tuple[float, ...], ...]]:
    """The reliability diagram in numbers, mean over trainings; empty where one of them was kept without it."""
    if not all(r.reliability for r in runs):
        return {}
    groups = runs[0].reliability
    kinds = {"clean": (next(iter(groups)), "clean"), **{g: (g, "noisy") for g in groups}}
    means = {k: np.mean([r.reliability[g][part] for r in runs], axis=0) for k, (g, part) in kinds.items()}
    return {k: tuple(tuple(map(float, row)) for row in v.round(6)) for k, v in means.items()}


def gaps_of(baseline: Contestant, found: Contestant, numbers: Numbers) -> dict[str, Gap | None]:
    """For each noisy column what noise costs the baseline, and whether that is a gap; None: not measurable."""
    held = numbers.held
    new = held.between(baseline.policy, found.policy)
    columns = {"search": held.search, "held_out": new, "held_out_all": held.every_held_out}
    gaps = {name: numbers.gap(baseline, keep) for name, keep in columns.items()}
    return {name: None if gap is None else Gap(measured(gap), is_gap(gap)) for name, gap in gaps.items()}


def difference_of(numbers: Numbers, a: Contestant, b: Contestant, score: Interval | None, level: float) -> Difference:
    """The difference a - b in all figures; ``score`` was found look by look, the others are at its last ``level``."""
    held = numbers.held
    return Difference(
        None if score is None else score.measured(),
        measured(numbers.between(a, b, 0.0, ()), level),
        measured(numbers.between(a, b, 1.0, held.search), level),
        measured(numbers.between(a, b, 1.0, held.between(a.policy, b.policy)), level),
    )


def corruption_table(
    frozen: Sequence[FrozenCorruption], contestants: Sequence[Contestant], held: Held, real: bool
) -> tuple[CorruptionResult, ...]:
    """The contestants' accuracy under each corruption; ``real``: the user's own noisy rows are one of them.

    Where pairs have held-out noise of their own, what counts and the exposure are those of the found policy against no
    noise.
    """
    found = [c.policy for c in contestants if c.label in ("policy", "baseline")]
    new = held.between(*found)
    trained = frozenset().union(*(p.families for p in found))
    out = []
    for f in frozen:
        accuracy = {
            c.label: tuple(np.mean([r.corruptions[f.group][f.name] for r in c.runs], axis=0).round(4).tolist())
            for c in contestants
            if f.name in c.runs[0].corruptions.get(f.group, {})
        }
        counts = f.name in new or f.group == "search"
        exposure = f.exposure(trained) if held.pairwise else held.exposure[f.name]
        amounts = tuple(f.amounts)
        if accuracy:
            out.append(CorruptionResult(f.name, f.group, str(f.family), exposure, counts, amounts, f.note, accuracy))
    if real:
        accuracy = {c.label: (float(np.mean([r.noisy["real"].mean() for r in c.runs])),) for c in contestants}
        note = "the user's own noisy set"
        out.append(CorruptionResult("real", "held_out", "real", "unseen", counts=True, note=note, accuracy=accuracy))
    return tuple(out)
