"""What a finished study found, as typed values: the content of result.json.

The verdict makes a ``Result``; the report, the bank and the command line read it. A file that an older version wrote
may lack parts: they then have their default. A number that is not known is NaN here and null in the file.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from pydantic import TypeAdapter

from autonoise.study.result_numbers import Number
from autonoise.study.result_transfer import Transfer


class Measured(NamedTuple):
    """A mean with the ends of its interval (95 % where nothing else is said); in the file a list of three numbers."""

    mean: Number
    low: Number
    high: Number


@dataclass(frozen=True)
class ContestantResult:
    """What one contestant of the verdict reached on the test rows; the mean over its trainings.

    ``clean``, ``search``, ``held_out`` and ``held_out_all`` are accuracies (0 to 1) on clean rows, under the families
    of corruptions that the search saw, under those held-out corruptions that no contestant trained on (or, see
    :attr:`Result.held_out_of`, not this one), and under all that are held out. ``score`` mixes clean and held-out
    accuracy. None: not measurable. ``gap_closed_...`` is the share of the baseline's loss of accuracy by that noise
    which is won back; None: no gap to close, or not measurable.
    """

    name: str = ""
    hash: str = ""
    clean: Measured | None = None
    search: Measured | None = None
    held_out: Measured | None = None
    held_out_all: Measured | None = None
    score: Measured | None = None
    gap_closed_search: Measured | None = None
    gap_closed_held_out: Measured | None = None
    gap_closed_held_out_all: Measured | None = None
    numbers: Mapping[str, Number] = field(default_factory=dict)
    """Further means by name: "nll_noisy_search", "ece_clean_held_out", "worst_search" ..."""
    passes: Number = math.nan
    """Forward and backward passes per training step; 1 for training without noise."""
    seconds: Number = math.nan
    """Seconds per training."""
    steps: tuple[Mapping[str, Any], ...] = ()
    """The policy's steps as they stand in a policy file."""
    families: tuple[str, ...] = ()
    """Families of noise that the policy trains on."""
    diverged: int = 0
    """Trainings that ended in numbers which are not finite."""
    seeds: int = 0
    """Trainings, each from a seed of its own."""
    reliability: Mapping[str, tuple[tuple[Number, ...], ...]] = field(default_factory=dict)
    """"clean", "search" or "held_out" → for each range of the confidence, lowest first: the share of all rows in it,
    and the sums of their confidence and of their hits, divided by the number of all rows; means over trainings."""

    @property
    def worst(self) -> float:
        """The accuracy (0 to 1) under the family of noise that costs the most, searched or held out; NaN if unknown."""
        known = [self.numbers[k] for k in ("worst_search", "worst_held_out") if k in self.numbers]
        return min(known, default=math.nan)


@dataclass(frozen=True)
class Difference:
    """One contestant minus another on the same test rows: score and accuracies (0 to 1); None: not measurable."""

    score: Measured | None = None
    clean: Measured | None = None
    search: Measured | None = None
    held_out: Measured | None = None


@dataclass(frozen=True)
class Gap:
    """What noise costs the baseline: clean minus noisy accuracy.

    ``closable``: the gap is so much larger than its error that a share of it means something.
    """

    gap: Measured | None = None
    closable: bool = False


@dataclass(frozen=True)
class CorruptionResult:
    """Accuracy under one corruption. ``accuracy``: label of a contestant → accuracy at each severity, mildest first.

    ``counts``: it is part of the verdict's noisy accuracy. ``exposure``: whether some contestant trained on the "same"
    family, on a "related" one, or on neither ("unseen").
    """

    name: str = ""
    group: str = ""
    family: str = ""
    exposure: str = ""
    counts: bool = False
    amounts: tuple[Number, ...] = ()
    note: str = ""
    accuracy: Mapping[str, tuple[Number, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class ContributionResult:
    """What a technique adds to the score on the confirm rows; ``kept``: it is still in the final policy."""

    technique: str = ""
    mean: Number = math.nan
    low: Number = math.nan
    high: Number = math.nan
    kept: bool = False


@dataclass(frozen=True)
class StandingResult:
    """What a candidate reached when it was confirmed: means over ``seeds`` trainings, on the confirm rows."""

    name: str = ""
    role: str = ""
    score: Number = math.nan
    clean: Number = math.nan
    noisy: Number = math.nan
    seeds: int = 0
    passes: Number = math.nan
    techniques: tuple[str, ...] = ()
    hash: str = ""


@dataclass(frozen=True)
class FrontResult:
    """A trial that no other beats in clean accuracy, noisy accuracy and passes per training step together."""

    trial: int = 0
    clean: Number = math.nan
    noisy: Number = math.nan
    passes: Number = math.nan
    techniques: tuple[str, ...] = ()


@dataclass(frozen=True)
class WinnerResult:
    """A policy that was written for one wish ("balanced", "robust", "cheap"). ``file``: inside the study's folder.

    The accuracies are of the test rows for the judged policy, else of the confirm rows.
    """

    file: str = ""
    clean: Number | str = math.nan
    noisy: Number | str = math.nan
    passes: Number = math.nan
    techniques: tuple[str, ...] = ()
    hash: str = ""


@dataclass(frozen=True)
class Counts:
    """What the search did: trials by how they ended, and what they cost.

    ``seconds_last_run``: wall clock of the run that reached the verdict; ``seconds_search``: sum over trials; ``work``:
    sum over trials in units of one full training without noise.
    """

    complete: int = 0
    pruned: int = 0
    failed: int = 0
    seconds_last_run: Number = math.nan
    seconds_search: Number = math.nan
    work: Number = math.nan


@dataclass(frozen=True)
class Spent:
    """What a phase of the study cost: how many trainings it took, and the seconds of all of them together."""

    trainings: int = 0
    seconds: Number = math.nan


@dataclass(frozen=True)
class Variance:
    """What the error of a comparison is made of, as variances of the difference in score.

    ``rows``: by the choice of test rows; ``folds``: what different training sets add; ``per_seed``: of a single
    training, for each side; ``seeds``: trainings of each side.
    """

    rows: Number = math.nan
    folds: Number = math.nan
    per_seed: tuple[Number, ...] = ()
    seeds: tuple[int, ...] = ()


@dataclass(frozen=True)
class Result:
    """All that a study found. Contestants go by a label: "baseline", "policy", and "preset" or "start" for recipes."""

    study: str = "study"
    verdict: str = "unconfirmed"
    sentence: str = ""
    recommended: str = "policy"
    """The label of the contestant to train with, or "undecided"."""
    exported: str = ""
    """The label of the contestant that policy.yaml holds; empty where that is not known."""
    recommendation: str = ""
    answers: Mapping[str, str] = field(default_factory=dict)
    """Question ("no noise", "best recipe") → answer ("better", "worse", "as good as" ...)."""
    contestants: Mapping[str, ContestantResult] = field(default_factory=dict)
    differences: Mapping[str, Difference] = field(default_factory=dict)
    """Opponent → the policy minus that opponent."""
    over_baseline: Mapping[str, Difference] = field(default_factory=dict)
    """Contestant → that contestant minus the baseline."""
    clean_limit: Mapping[str, str] = field(default_factory=dict)
    """Contestant → whether it keeps --max-clean-drop: "kept", "may be broken" or "broken"."""
    gaps: Mapping[str, Gap | None] = field(default_factory=dict)
    """Column of noise ("search", "held_out" ...) → what it costs the baseline; None: not measurable."""
    corruptions: tuple[CorruptionResult, ...] = ()
    held_out: tuple[str, ...] = ()
    """Names of the held-out corruptions that count, for the found policy against no noise."""
    held_out_of: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Contestant → names of the held-out corruptions that it has not met in training. Only where no corruption is left
    that none has met: a comparison of two then rests on what neither has met. Else empty: ``held_out`` is for all."""
    contributions: tuple[ContributionResult, ...] = ()
    standings: tuple[StandingResult, ...] = ()
    front: tuple[FrontResult, ...] = ()
    winners: Mapping[str, WinnerResult] = field(default_factory=dict)
    transfer: Transfer | None = None
    """None where the study was run without --calibrate."""
    warnings: tuple[str, ...] = ()
    counts: Counts | None = None
    spent: Mapping[str, Spent] = field(default_factory=dict)
    """Phase after the search ("confirm", "minimise", "verdict") → what it cost."""

    data: str = ""
    """Fingerprint of the data."""
    data_type: str = ""
    describe: str = ""
    """Data, split and proxy in a line."""
    created: str = ""
    """When the verdict was reached, as ISO time in UTC."""
    versions: Mapping[str, str] = field(default_factory=dict)
    config: Mapping[str, Any] = field(default_factory=dict)
    noise_weight: Number = math.nan
    """Weight of noisy accuracy in the score, 0 to 1."""

    seeds: int = 0
    """Trainings of each contestant at the first look."""
    seeds_of: Mapping[str, int] = field(default_factory=dict)
    """Contestant → trainings at the last look."""
    folds: int = 1
    looks: int | None = None
    """Looks at the test rows that all verdicts of this study have taken."""
    level: Number = math.nan
    """Probability with which this verdict may call a difference sure that is none."""
    verdicts: int | None = None
    """Which verdict of this study this is, from 1."""
    variances: Mapping[str, Variance] = field(default_factory=dict)
    """"policy - baseline" and the like → what the error of that comparison is made of."""
    test_rows: int | None = None
    test_groups: int | None = None
    """Groups among the test rows; None where rows are drawn one by one."""
    test_read_at: str = ""
    """When the test rows were first read, as ISO time in UTC."""
    test_reads: int | None = None
    """How many sets of contestants have been compared on the test rows."""
    key: str = ""
    """What the verdict rests on; with another key it has to be reached again."""

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Result:
        """The result of plain values; unknown keys are passed over. ValueError where a value is of a wrong kind."""
        return _PLAIN.validate_python(dict(values))

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as in result.json; a number that is not known is NaN."""
        plain: dict[str, Any] = _PLAIN.dump_python(self, mode="json")
        return plain


_PLAIN = TypeAdapter(Result)
