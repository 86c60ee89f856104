"""The verdict on the test rows: found policy, baseline and best recipes, trained from fresh seeds and compared."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import optuna

from autonoise.errors import StudyError
from autonoise.policy import Policy
from autonoise.study.config import StudyConfig
from autonoise.study.result import Difference, Result, Variance
from autonoise.study.session import Session
from autonoise.study.trial_record import StudyRecord, write_facts
from autonoise.types import Array
from autonoise.verdict.contestants import Contestant, Held, Numbers, corruption_table, difference_of, gaps_of, table_of
from autonoise.verdict.decide import answers, limit_of
from autonoise.verdict.looks import Ledger, Pair, Settled, settle
from autonoise.verdict.statistics import LEVEL, Estimate
from autonoise.verdict.trainings import Job, Runner

FIRST_SEED = 100
"""Number of the verdict's first training seed; confirming and minimising use those from 0, so no run counts twice."""


def judge(
    session: Session,
    runner: Runner,
    policies: Mapping[str, Policy],
    seeds: int,
    room: Callable[[int], bool] = lambda trainings: True,
) -> Result | None:
    """Train and test all contestants and compare them, look by look; None when stopped before the end.

    The result has the numbers of the verdict; what they mean in words is not yet said.

    ``policies``: label → policy, with "baseline" and "policy"; every other label is a recipe. ``seeds``: trainings
    of each contestant at the first look, rounded up so that every fold has equally many. ``room`` says whether there is
    time for so many more trainings.
    """
    if not policies["policy"].steps:
        raise StudyError("the policy to judge is empty")
    task, config, study = session.task, session.config, session.study
    done = session.counter("verdict", seeds * len(policies))
    reads = _remember_reading(study, policies)
    held = Held.of(
        task.frozen,
        list(policies.values()),
        real=task.real is not None,
        real_alone=task.real is not None and task.real.alone,
    )
    numbers = Numbers(config.noise_weight, held, task.test_groups())
    ledger = Ledger.of(study, "+".join(p.hash for p in policies.values()), -(-seeds // task.folds) * task.folds)
    trained: dict[str, Contestant] = {}

    def compared(counts: Mapping[str, int]) -> dict[Pair, Estimate] | None:
        trained.update(_train(runner, policies, counts, task.folds, session.stop, done) or {})
        whole = all(len(trained[label].runs) == k for label, k in counts.items() if label in trained)
        return _compared(trained, numbers) if trained and whole else None

    settled = settle(ledger, list(policies), compared, room)
    if settled is None:
        return None
    told = _compare(trained, config, numbers, settled)
    return replace(
        told,
        gaps=gaps_of(trained["baseline"], trained["policy"], numbers),
        corruptions=corruption_table(task.frozen, list(trained.values()), held, task.real is not None),
        held_out=held.between(policies["baseline"], policies["policy"]),
        held_out_of={k: held.between(p) for k, p in policies.items()} if held.pairwise else {},
        seeds=ledger.step,
        seeds_of=settled.seeds,
        folds=task.folds,
        looks=ledger.all_looks,
        level=ledger.level,
        verdicts=ledger.verdict,
        variances={f"{a} - {b}": _variance(e) for (a, b), e in settled.known.items()},
        test_rows=len(task.splits.test),
        test_groups=_number_of(numbers.groups),
        test_read_at=StudyRecord.of(study).test_read_at or "",
        test_reads=reads,
    )


def _compare(trained: Mapping[str, Contestant], config: StudyConfig, numbers: Numbers, settled: Settled) -> Result:
    """The contestants' numbers, all differences, and the answers that follow from them."""

    def difference(a: str, b: str) -> Difference:
        return difference_of(
            numbers,
            trained[a],
            trained[b],
            settled.found.get((a, b)),
            settled.levels.get((a, b), LEVEL),
        )

    recipes = [label for label in trained if label not in ("baseline", "policy")]
    differences = {label: difference("policy", label) for label in trained if label != "policy"}
    over = {"policy": differences["baseline"], **{label: difference(label, "baseline") for label in recipes}}
    base, found = trained["baseline"], trained["policy"]
    return Result(
        config.study,
        contestants={label: table_of(c, base, numbers, found) for label, c in trained.items()},
        differences=differences,
        over_baseline=over,
        answers=answers(differences),
        clean_limit={label: limit_of(d.clean, config.max_clean_drop) for label, d in over.items()},
    )


def _number_of(groups: Sequence[Array | None]) -> int | None:
    return None if not groups or groups[0] is None else len(np.unique(groups[0]))


def _train(
    runner: Runner,
    policies: Mapping[str, Policy],
    counts: Mapping[str, int],
    folds: int,
    stop: Callable[[], bool],
    done: Callable[[int], None],
) -> dict[str, Contestant] | None:
    """The contestants with so many runs each; None when stopped before all have ended."""
    wanted = [
        (label, Job(policy, "test", FIRST_SEED + k))
        for k in range(max(counts.values()))
        for label, policy in policies.items()
        if k < counts[label]
    ]
    results = runner.run([job for _, job in wanted], stop=stop, done=done)
    out = {}
    for label, policy in policies.items():
        own = [(r, job.fold(folds)) for r, (of, job) in zip(results, wanted, strict=True) if of == label]
        runs = tuple(r for r, _ in own if r is not None)
        if len(runs) < len(own):
            return None
        out[label] = Contestant(label, policy, runs, tuple(f for _, f in own) if folds > 1 else ())
    return out


def _compared(trained: Mapping[str, Contestant], numbers: Numbers) -> dict[Pair, Estimate]:
    """The policy against all others, and each recipe against no noise, in the mixed score; nothing if unmeasurable."""
    others = [label for label in trained if label != "policy"]
    pairs = [("policy", o) for o in others] + [(o, "baseline") for o in others if o != "baseline"]
    compared = {(a, b): numbers.score(trained[a], trained[b]) for a, b in pairs}
    return {pair: e for pair, e in compared.items() if e is not None}


def _variance(e: Estimate) -> Variance:
    """What the error of a comparison is made of; the benchmark of the verdict's power simulates studies from it."""
    return Variance(e.rows, e.excess, e.per_seed, e.seeds)


def _remember_reading(study: optuna.Study, policies: Mapping[str, Policy]) -> int:
    """Write into the study that the test part is read, first when; returns how many sets of contestants have met on it.

    One after a search; more when it was continued, and each choice then rests a little on the test part too.
    """
    record = StudyRecord.of(study)
    if record.test_read_at is None:
        write_facts(study, test_read_at=datetime.now(UTC).isoformat(timespec="seconds"))
    met = record.test_contestants
    now = "+".join(p.hash for p in policies.values())
    if now not in met:
        write_facts(study, test_contestants=[*met, now])
    return len({*met, now})
