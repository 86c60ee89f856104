"""Writing a verdict down: the policies with their scores, the report, the bank's file, result.json."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import optuna

from autonoise.policy import Policy
from autonoise.policy.judged import NOT_MEASURABLE, UNCONFIRMED
from autonoise.report import write_report
from autonoise.study.bank import deposit
from autonoise.study.export import complete_policy
from autonoise.study.result import Measured, Result, WinnerResult
from autonoise.study.session import Session
from autonoise.study.storage import write_trials
from autonoise.study.trial_record import TrialRecord, write_facts
from autonoise.verdict.confirm import Standing
from autonoise.verdict.winners import named_winners


def write_verdict(
    session: Session, result: Result, standings: Sequence[Standing], policy: Policy, others: Mapping[str, Policy]
) -> Result:
    """Write all that a study leaves; returns the result with the winners that were written.

    ``others``: label → the recipes that the policy was judged against. result.json comes last: where it is, everything
    else is there too.
    """
    config, task, study, folder = session.config, session.task, session.study, session.folder
    final = complete_policy(policy, task, config, scores_of(result), name=config.study, created=result.created)
    result = replace(result, winners=_write_winners(session, result, standings, policy))
    for label, other in others.items():
        complete_policy(other, task, config, {"verdict": label}, name=other.name, created=result.created).save(
            folder.policies / f"{label}.yaml"
        )
    write_trials(study, folder)
    final.save(folder.policy_file)
    write_study_report(session, result)
    baseline = result.contestants["baseline"].clean
    write_facts(study, verdict=result.verdict, baseline=None if baseline is None else baseline.mean)
    deposit(task, folder, result, final)
    folder.save_result(result)
    return result


def _write_winners(
    session: Session, result: Result, standings: Sequence[Standing], policy: Policy
) -> dict[str, WinnerResult]:
    """Write the policy of each wish ("balanced", "robust", "cheap"), and say what it reached."""
    config, folder = session.config, session.folder
    judged = result.contestants["policy"]
    shown = {}
    for label, (winner, standing) in named_winners(standings, policy).items():
        scores = scores_of(result) if winner.hash == policy.hash else _confirmed(standing)
        name = f"{config.study}-{label}"
        made = complete_policy(winner, session.task, config, scores, name=name, created=result.created)
        made.save(folder.policies / f"{label}.yaml")
        shown[label] = WinnerResult(
            f"policies/{label}.yaml",
            standing.clean if standing else mean_of(judged.clean),
            standing.noisy if standing else mean_of(judged.search),
            winner.passes,
            tuple(s.name for s in winner.steps),
        )
    return shown


def scores_of(result: Result) -> dict[str, Any]:
    """The verdict's numbers as they stand in the policy file."""
    contestants = result.contestants
    closed = contestants["policy"].gap_closed_held_out
    return {
        "clean": {label: mean_of(c.clean) for label, c in contestants.items()},
        "search": {label: mean_of(c.search) for label, c in contestants.items()},
        "held_out": {label: mean_of(c.held_out) for label, c in contestants.items()},
        "score": {label: mean_of(c.score) for label, c in contestants.items()},
        "gap_closed_held_out": list(closed)
        if closed
        else (NOT_MEASURABLE if result.gaps["held_out"] is None else "no gap to close"),
        "difference": {name: list(d.score) if d.score else NOT_MEASURABLE for name, d in result.differences.items()},
        "seeds": dict(result.seeds_of),
        "verdict": result.verdict,
        "answers": dict(result.answers),
        "recommended": result.recommended,
    }


def mean_of(numbers: Measured | None) -> float | str:
    """The mean, or the word that stands in its place."""
    return NOT_MEASURABLE if numbers is None else numbers.mean


def _confirmed(standing: Standing | None) -> dict[str, Any]:
    """The scores of a policy that was confirmed, but not judged."""
    if standing is None:
        return {"verdict": UNCONFIRMED}
    return {
        "clean": {"policy": standing.clean},
        "noisy": {"policy": standing.noisy},
        "seeds": len(standing.results),
        "verdict": "confirmed on validation rows, not judged on the test part",
    }


def trial_rows(study: optuna.Study) -> list[dict[str, Any]]:
    """One plain row per trial, for the report."""
    records = [TrialRecord.of(t) for t in study.get_trials(deepcopy=False)]
    return [
        {
            "number": r.number,
            "state": r.trial.state.name.lower(),
            "value": r.value,
            "clean": r.clean,
            "noisy": r.noisy,
            "passes": r.passes,
            "seconds": r.seconds,
            "rung": r.rung,
            "reason": r.reason or None,
            "techniques": list(r.techniques),
            "work": r.work,
        }
        for r in records
    ]


def write_study_report(session: Session, result: Result) -> None:
    """Write the report into the study's folder."""
    write_report(session.folder, result, trial_rows(session.study))
