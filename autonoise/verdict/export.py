"""Writing a verdict down: the policies with their scores, the report, the bank's file, result.json."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import optuna

from autonoise.errors import one_line
from autonoise.pictures.examples import examples
from autonoise.pictures.values import Examples
from autonoise.policy import Policy
from autonoise.policy.judged import NOT_MEASURABLE, UNCONFIRMED
from autonoise.report import shown_label, write_report
from autonoise.report.examples import forget
from autonoise.study.bank import deposit
from autonoise.study.export import complete_policy
from autonoise.study.folder import StudyFolder
from autonoise.study.names import WISHES, called
from autonoise.study.result import Measured, Result, WinnerResult
from autonoise.study.session import Session
from autonoise.study.storage import write_trials
from autonoise.study.trial_record import records_of, write_facts
from autonoise.verdict.confirm import OPPONENTS, Standing
from autonoise.verdict.decide import exported, verdict_on
from autonoise.verdict.winners import named_winners

FOUND = called("policy")
"""The name of the found policy's file in ``policies``."""
Winners = Mapping[str, tuple[Policy, Standing | None]]
"""Wish → the policy that is best for it, with its standing where it was confirmed."""


def write_verdict(
    session: Session, result: Result, standings: Sequence[Standing], policies: Mapping[str, Policy]
) -> Result:
    """Write all that a study leaves; returns the result with the winners that were written.

    ``policies``: label → the contestants of the verdict. policy.yaml becomes the recommended one, which has no steps
    where no noise is recommended. result.json comes last: where it is, everything else is there too.
    """
    task, study, folder = session.task, session.study, session.folder
    named = named_winners(standings, policies["policy"])
    files = _files(named, policies)
    result = replace(result, winners=_winners(result, named, files))
    made = _made(session, result, policies, named, files)
    for name, policy in made.items():
        wishes = [wish for wish in named if files[wish] == name]
        scores = {**policy.scores, "best_for": wishes} if wishes else policy.scores
        replace(policy, scores=scores).save(folder.policies / f"{name}.yaml")
    for stale in {*WISHES, *OPPONENTS} - set(made):  # of an earlier verdict of this study
        (folder.policies / f"{stale}.yaml").unlink(missing_ok=True)
    write_trials(study, folder)
    chosen = exported(result)
    _complete(session, result, policies[chosen], "", scores_of(result, chosen)).save(folder.policy_file)
    write_study_report(session, result, policies)
    baseline = result.contestants["baseline"].clean
    write_facts(study, verdict=result.verdict, baseline=None if baseline is None else baseline.mean)
    deposit(task, folder, result, replace(made[FOUND], name=session.config.study))
    folder.save_result(result)
    return result


def _files(named: Winners, policies: Mapping[str, Policy]) -> dict[str, str]:
    """Wish → the name of the file that holds its policy; a policy has one file, whatever it is the best for."""
    first = {policy.hash: called(label) for label, policy in policies.items()}
    return {wish: first.setdefault(policy.hash, wish) for wish, (policy, _) in named.items()}


def _made(
    session: Session, result: Result, policies: Mapping[str, Policy], named: Winners, files: Mapping[str, str]
) -> dict[str, Policy]:
    """Name of the file → the policy as it is written: all contestants but no noise, and the other winners."""
    made = {
        called(label): _complete(session, result, policy, called(label), scores_of(result, label))
        for label, policy in policies.items()
        if label != "baseline"
    }
    for wish, (policy, standing) in named.items():
        if files[wish] not in made:
            made[wish] = _complete(session, result, policy, wish, _confirmed(result, standing))
    return made


def _winners(result: Result, named: Winners, files: Mapping[str, str]) -> dict[str, WinnerResult]:
    """What the policy for each wish ("balanced", "robust", "cheap") reached, and where it lies."""
    judged = result.contestants["policy"]
    return {
        label: WinnerResult(
            f"policies/{files[label]}.yaml",
            standing.clean if standing else mean_of(judged.clean),
            standing.noisy if standing else mean_of(judged.search),
            winner.passes,
            tuple(s.name for s in winner.steps),
            winner.hash,
        )
        for label, (winner, standing) in named.items()
    }


def _complete(session: Session, result: Result, policy: Policy, name: str, scores: Mapping[str, Any]) -> Policy:
    """A policy as it is exported; its name is that of the study, and the part that it played there."""
    study = session.config.study
    whole = f"{study}-{name}" if name else study
    return complete_policy(policy, session.task, session.config, scores, name=whole, created=result.created)


def scores_of(result: Result, label: str = "policy") -> dict[str, Any]:
    """The verdict's numbers as they stand in the file of one contestant.

    ``verdict``, ``difference`` and ``gap_closed_held_out`` are of this contestant; ``answers`` are of the found policy.
    """
    contestants = result.contestants
    closed = contestants[label].gap_closed_held_out
    differences = result.differences
    if label != "policy":
        differences = {"baseline": result.over_baseline[label]} if label in result.over_baseline else {}
    return {
        "verdict": verdict_on(result, label),
        "contestant": label,
        "recommended": result.recommended,
        "recommendation": result.recommendation,
        "clean": {k: mean_of(c.clean) for k, c in contestants.items()},
        "search": {k: mean_of(c.search) for k, c in contestants.items()},
        "held_out": {k: mean_of(c.held_out) for k, c in contestants.items()},
        "score": {k: mean_of(c.score) for k, c in contestants.items()},
        "gap_closed_held_out": list(closed)
        if closed
        else (NOT_MEASURABLE if result.gaps["held_out"] is None else "no gap to close"),
        "difference": {name: list(d.score) if d.score else NOT_MEASURABLE for name, d in differences.items()},
        "seeds": dict(result.seeds_of),
        "found": result.verdict,
        "answers": dict(result.answers),
    }


def mean_of(numbers: Measured | None) -> float | str:
    """The mean, or the word that stands in its place."""
    return NOT_MEASURABLE if numbers is None else numbers.mean


def _confirmed(result: Result, standing: Standing | None) -> dict[str, Any]:
    """The scores of a policy that was confirmed, but not judged."""
    told = {"recommended": result.recommended, "recommendation": result.recommendation}
    if standing is None:
        return {"verdict": UNCONFIRMED, **told}
    return {
        "verdict": "confirmed on validation rows, not judged on the test part",
        **told,
        "clean": {"policy": standing.clean},
        "noisy": {"policy": standing.noisy},
        "seeds": len(standing.results),
    }


def trial_rows(study: optuna.Study) -> list[dict[str, Any]]:
    """One plain row per trial, for the report."""
    records = records_of(study)
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


def write_study_report(session: Session, result: Result, policies: Mapping[str, Policy]) -> None:
    """Write the report into the study's folder, with examples of what the policy does to rows of the data."""
    shown = _examples(session, policies[shown_label(result)])
    if shown is None:
        forget(session.folder)
    write_report(session.folder, result, trial_rows(session.study), shown)


def report_again(folder: StudyFolder, result: Result, study: optuna.Study) -> None:
    """Write the report of a study that has ended, from its folder and its trials alone."""
    write_report(folder, result, trial_rows(study))


def _examples(session: Session, policy: Policy) -> Examples | None:
    """What the policy does to rows of the data; None where that cannot be shown, which costs no study its report."""
    try:
        return examples(policy, session.task.dataset, seed=session.config.seed)
    except Exception as e:
        session.observer.line(f"the report is made without examples of the noise: {one_line(e)}")
        return None
