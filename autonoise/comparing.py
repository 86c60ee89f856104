"""Two studies, or two evaluations, side by side: their settings, and a paired test of what they found.

The test needs no training: both have kept which test rows each of their models got right, and where data, split and
corruptions are the same, these are the same rows under the same noise.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from autonoise.corruptions.frozen import FrozenCorruption, digest
from autonoise.errors import DataError, StudyError
from autonoise.policy import Policy
from autonoise.policy.format import FORMAT
from autonoise.space.space import SearchSpace
from autonoise.study.config import StudyConfig
from autonoise.study.folder import RunResult, StudyFolder
from autonoise.study.places import judged_of
from autonoise.study.prepare import build_task
from autonoise.study.result import ContestantResult, Difference, Result
from autonoise.types import Array
from autonoise.verdict.contestants import Contestant, Held, Numbers, measured
from autonoise.verdict.decide import answer, exported
from autonoise.verdict.statistics import Estimate, paired_estimate

OF_A_SEARCH = {"objective", "max_cost", "max_clean_drop", "steps", "noise_weight"}
"""Settings that decide what is searched and preferred, but neither the rows of the test nor how a model is trained."""
_PLACES = {"out", "study", "storage", "data"}
_RUN = re.compile(r"-test-f(\d+)-s(\d+)\.npz$")


@dataclass(frozen=True)
class Judged:
    """A study or an evaluation as it lies on disk, with its verdict and the corruptions it was judged under."""

    name: str
    config: StudyConfig
    folder: StudyFolder
    result: Result
    frozen: tuple[FrozenCorruption, ...]

    @classmethod
    def of(cls, place: str) -> Judged:
        """Raises StudyError for what is no study or evaluation, and where there is no verdict yet."""
        config = judged_of(place)
        folder = StudyFolder(config.out)
        result, frozen = folder.load_result(), folder.load_corruptions()
        if result is None or frozen is None or "policy" not in result.contestants:
            raise StudyError(
                f"{place} has no verdict to compare: let it run to its end (autonoise status {place} tells where it "
                f"stands)"
            )
        return cls(config.study, config, folder, result, frozen)

    def runs(self, label: str) -> dict[tuple[int, int], RunResult]:
        """(seed, fold) → the kept run of a contestant on the test rows."""
        found = {}
        for path in sorted(self.folder.runs.glob(f"{self.result.contestants[label].hash}-test-*.npz")):
            match = _RUN.search(path.name)
            run = RunResult.load(path) if match else None
            if match and run is not None:
                found[int(match[2]), int(match[1])] = run
        return found


@dataclass(frozen=True)
class Test:
    """One contestant minus another, on the same test rows, after trainings from the same seeds.

    ``labels`` and ``names`` are those of the two contestants; ``same``: they are one and the same policy. ``answer``
    says what the difference in score means, or that it is not measurable. The intervals are of 95 %.
    """

    labels: tuple[str, str]
    names: tuple[str, str]
    difference: Difference
    answer: str
    seeds: int
    rows: int
    same: bool = False


@dataclass(frozen=True)
class SideBySide:
    """Two judged studies: ``settings`` name → (first, second) where they differ, the tests, and what to know beside."""

    first: Judged
    second: Judged
    settings: Mapping[str, tuple[Any, Any]]
    tests: tuple[Test, ...]
    notes: tuple[str, ...]


def side_by_side(first: str, second: str) -> SideBySide:
    """Compare two studies or evaluations given by folder or name.

    Raises StudyError, in a line that names the remedy, where their numbers do not speak of the same thing: other data,
    other test rows, other training, other corruptions. DataError where groups of rows are needed and the data are gone.
    """
    a, b = Judged.of(first), Judged.of(second)
    refuse_unequal(a, b)
    groups = _groups(a)
    labels = dict.fromkeys([("policy", "policy"), (exported(a.result), exported(b.result))])
    tests = tuple(_test(a, b, pair, groups) for pair in labels)
    return SideBySide(a, b, unequal_settings(a, b), tests, tuple(_notes(a, b, tests)))


def refuse_unequal(a: Judged, b: Judged) -> None:
    """Raise StudyError where two studies cannot be compared row by row."""
    if a.folder.root.resolve() == b.folder.root.resolve():
        raise StudyError(f"{a.folder.root} was given twice: name two studies")
    if a.result.data_type != b.result.data_type:
        raise StudyError(
            f"{a.name} is of {a.result.data_type} data and {b.name} of {b.result.data_type} data: neither they nor "
            f"their policies can be compared; name two studies of one data type"
        )
    if a.result.data != b.result.data:
        raise StudyError(
            f"{a.name} and {b.name} are of different data ({a.config.data}, {b.config.data}), so that their numbers "
            f"cannot be compared: {_evaluate(a, b)}"
        )
    mine, theirs = ({**j.config.comparable(), **_of_rows(j.config)} for j in (a, b))
    changed = [f"{n}: {mine[n]} and {theirs[n]}" for n in mine if n not in OF_A_SEARCH and mine[n] != theirs[n]]
    if changed:
        raise StudyError(
            f"{a.name} and {b.name} were split, trained or judged differently ({'; '.join(changed)}), so that their "
            f"numbers cannot be compared: {_evaluate(a, b)}"
        )
    if digest(a.frozen) != digest(b.frozen):
        raise StudyError(
            f"{a.name} and {b.name} were judged under different corruptions (their baselines were calibrated apart), "
            f"so that their numbers cannot be compared: {_evaluate(a, b)}"
        )


def _of_rows(config: StudyConfig) -> dict[str, Any]:
    return {"group": config.group, "clean_target": config.clean_target, "target": config.target}


def _evaluate(a: Judged, b: Judged) -> str:
    """The command that judges both policies on the same rows."""
    mine, theirs = a.folder.policy_file, b.folder.policy_file
    if not (mine.is_file() and theirs.is_file()):
        return "judge the policies on the same data by autonoise evaluate"
    return f"judge their policies on the same rows by autonoise evaluate {mine} DATA --policy {theirs}"


def unequal_settings(a: Judged, b: Judged) -> dict[str, tuple[Any, Any]]:
    """Name → (first, second) of all settings that differ, of the search space, and of the versions of libraries."""
    mine, theirs = a.config.to_dict(), b.config.to_dict()
    names = [n for n in dict.fromkeys((*mine, *theirs)) if n not in _PLACES]
    found = {n: (mine.get(n), theirs.get(n)) for n in names}
    found["search space"] = (_space(a.folder), _space(b.folder))
    for package in dict.fromkeys((*a.result.versions, *b.result.versions)):
        found[f"version of {package}"] = (a.result.versions.get(package), b.result.versions.get(package))
    return {name: pair for name, pair in found.items() if pair[0] != pair[1]}


def _space(folder: StudyFolder) -> str | None:
    return SearchSpace.load(folder.space_file).hash if folder.space_file.is_file() else None


def _groups(study: Judged) -> list[Array | None]:
    """The group of each test row, for which the data are read; nothing where rows are independent."""
    if study.result.test_groups is None:
        return []
    try:
        # the model plays no part, and its file may be gone
        return build_task(replace(study.config, model=None, noise_data=None)).test_groups()
    except DataError as e:
        raise DataError(
            f"the rows of {study.name} belong together in groups, which are needed from the data: {e}; put the data "
            f"back, or correct the line 'data:' of {study.folder.study_file}"
        ) from None


def _test(a: Judged, b: Judged, labels: tuple[str, str], groups: Sequence[Array | None]) -> Test:
    contestants = [j.result.contestants[label] for j, label in zip((a, b), labels, strict=True)]
    names = (contestants[0].name, contestants[1].name)
    runs = [j.runs(label) for j, label in zip((a, b), labels, strict=True)]
    common = sorted(set(runs[0]) & set(runs[1]))
    same = contestants[0].hash == contestants[1].hash
    if len(common) < 2:
        raise StudyError(
            f"{a.name} and {b.name} share {len(common)} training seed(s) of {labels[0]} and {labels[1]} whose results "
            f"were kept, and two are needed: let autonoise search {a.folder.root} and {b.folder.root} reach their "
            f"verdicts again"
        )
    folds = tuple(fold for _, fold in common) if len({fold for _, fold in common}) > 1 else ()
    sides = [
        Contestant(label, _policy(c, j), tuple(kept[k] for k in common), folds)
        for label, c, j, kept in zip(labels, contestants, (a, b), runs, strict=True)
    ]
    rows = {len(r.correct) for side in sides for r in side.runs}
    if len(rows) > 1:
        raise StudyError(
            f"{a.name} and {b.name} were tested on different rows ({sorted(rows)}): they cannot be compared"
        )
    held = Held.of(
        a.frozen,
        [side.policy for side in sides],
        real=bool(a.config.noisy_val),
        real_alone=a.config.noisy_val_only,
    )
    weight = a.config.noise_weight if a.config.noise_weight == b.config.noise_weight else None
    numbers = Numbers(0.5 if weight is None else weight, held, groups)

    def between(weight: float | None, keep: Sequence[str]) -> Estimate | None:
        if weight is None:
            return None
        first, second = (numbers.side(s, 1 - weight, weight, keep) for s in sides)
        return None if first is None or second is None else paired_estimate(first, second, groups)

    score = measured(between(weight, held.held_out))
    difference = Difference(
        score, measured(between(0.0, ())), measured(between(1.0, held.search)), measured(between(1.0, held.held_out))
    )
    found = "the same policy" if same else answer(score)
    return Test(labels, names, difference, found, len(common), rows.pop(), same)


def _policy(contestant: ContestantResult, study: Judged) -> Policy:
    """The contestant's policy, of which the families of its noise are needed."""
    values = {
        "format": FORMAT,
        "name": contestant.name or "policy",
        "data_type": study.result.data_type,
        "steps": [dict(step) for step in contestant.steps],
    }
    return Policy.from_dict(values, f"{study.folder.result_file}", tell=False)


def _notes(a: Judged, b: Judged, tests: Sequence[Test]) -> list[str]:
    """What a reader has to weigh beside the test."""
    out = []
    if a.config.noise_weight != b.config.noise_weight:
        out.append(
            f"the scores weigh noisy accuracy by {a.config.noise_weight:g} and by {b.config.noise_weight:g}, so that "
            f"only accuracies are compared"
        )
    mine, theirs = a.runs("baseline"), b.runs("baseline")
    common = set(mine) & set(theirs)
    if any(not np.array_equal(mine[k].correct, theirs[k].correct) for k in common):
        out.append(
            "the trainings without noise, from the same seeds, came out differently in the two: versions, machine or "
            "code differ, and a part of the difference may come from that"
        )
    if any(t.difference.held_out is None for t in tests):
        out.append("no held-out noise is left that neither policy trained on: the score is not measurable")
    if not all(t.same for t in tests):
        out.append(
            "both verdicts have used these test rows: a policy that was chosen after many looks at them seems better "
            "than it is on new data"
        )
    return out
