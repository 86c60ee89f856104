"""What follows the search: confirm the best candidates, minimise the winner, judge it, write everything down.

Every training is kept on disk, so that a run which was stopped or killed goes on where it ended.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from optuna.trial import FixedTrial, TrialState

from autonoise.policy import Policy
from autonoise.space.space import SearchSpace
from autonoise.study.budget import Plan
from autonoise.study.config import StudyConfig
from autonoise.study.export import utc_now, versions
from autonoise.study.folder import RunResult
from autonoise.study.prepare import describe, left_out
from autonoise.study.result import ContributionResult, Counts, Result, Spent, StandingResult
from autonoise.study.session import Session
from autonoise.study.storage import completed, finished
from autonoise.study.trial_record import TrialRecord
from autonoise.verdict.candidates import by_promise, candidates, starts
from autonoise.verdict.confirm import OPPONENTS, Contribution, Standing, minimise, race, standing_of
from autonoise.verdict.decide import KEPT, decide, exported, recommend, sentence
from autonoise.verdict.export import write_verdict
from autonoise.verdict.judge import judge
from autonoise.verdict.trainings import Job, Runner
from autonoise.verdict.transfer import measure_transfer
from autonoise.verdict.winners import front_table

FEW_ROWS = 300
"""Rows of the search or test part below which the user is warned that the intervals will be wide."""


def conclude(session: Session, runner: Runner, plan: Plan) -> Result | None:
    """From the finished trials to the verdict; None when stopped on the way, or when there is nothing to confirm."""
    config, budget = session.config, session.budget
    known = session.folder.load_result()
    key = _key(session)
    if known is not None and known.key == key and (known.transfer is not None or not config.calibrate):
        session.observer.line(known.sentence)
        return known
    trials = completed(session.study)
    entries = _entries(session, trials, plan)
    standings = race(session, runner, entries, plan.confirm_seeds)
    if session.stop():
        return None
    chosen = _chosen(by_promise(session, standings), standings, config)
    if chosen is None:
        session.observer.line("no policy was found that could be confirmed: train without noise")
        return None
    plan = budget.rest(plan, _runs(standings), len(chosen.policy.steps))
    policy, contributions = chosen.policy, list[Contribution]()
    if plan.ablate_seeds:
        policy, contributions = minimise(session, runner, chosen.policy, plan.ablate_seeds)
    if policy.hash not in {s.policy.hash for s in standings}:
        again = runner.run([Job(policy, "confirm", k) for k in range(len(chosen.results))], stop=session.stop)
        runs = [r for r in again if r is not None]
        if len(runs) < len(again):
            return None
        standings.append(standing_of(policy, "found", runs, config.noise_weight, session.families))
    policies = {"baseline": Policy(session.space.data_type, name="no-noise")}
    policies |= opponents(standings, policy, OPPONENTS if plan.starts else ("preset",))
    # the name of the trial that drew it tells nobody anything
    policies["policy"] = policy = replace(policy, name="found")
    judged = judge(
        session, runner, policies, plan.verdict_seeds, lambda trainings: budget.time_for(trainings, _runs(standings))
    )
    if judged is None:
        return None
    result = replace(_told(session, judged, standings, contributions, trials), key=key)
    if config.calibrate:
        transfer = measure_transfer(session, runner, policy)
        if transfer is None:
            return None
        result = replace(result, transfer=transfer)
        session.observer.line(transfer.sentence)
    result = write_verdict(session, result, standings, policies)
    session.observer.line(result.sentence)
    return result


def _entries(session: Session, trials: list[TrialRecord], plan: Plan) -> dict[str, tuple[Policy, str]]:
    """Name → (policy, role) of all that are confirmed: baseline, presets, starting policies, the best that was found.

    No policy comes twice: a trial that repeats a preset is confirmed as the preset.
    """
    space, config = session.space, session.config
    entries: dict[str, tuple[Policy, str]] = {"baseline": (Policy(space.data_type, name="no-noise"), "baseline")}
    presets = _best_first([p for p in space.presets if _within_cost(p, config)], trials, space)[: plan.presets]
    entries |= {f"preset/{p.name}": (p, "preset") for p in presets}
    taken = {policy.hash for policy, _ in entries.values()}
    begun = [p for p in starts(session) if _within_cost(p, config) and p.hash not in taken]
    entries |= {f"start/{p.name}": (p, "start") for p in _best_first(begun, trials, space)[: plan.starts]}
    taken = {policy.hash for policy, _ in entries.values()}
    found = candidates(session, trials, plan.candidates)
    return entries | {f"found/{p.hash}": (p, "found") for p in found if p.hash not in taken}


def _chosen(tried: Sequence[Standing], standings: Sequence[Standing], config: StudyConfig) -> Standing | None:
    """The first of ``tried``, best first, that keeps the clean accuracy; where none does, the one that is nearest."""
    kept = next((s for s in tried if _keeps_clean(s, standings, config)), None)
    return kept or max(tried, key=lambda s: s.clean, default=None)


def opponents(standings: Sequence[Standing], policy: Policy, roles: Sequence[str]) -> dict[str, Policy]:
    """Role → the best standing of it, where that is not the policy itself."""
    best = {role: next((s.policy for s in standings if s.role == role), None) for role in roles}
    return {role: p for role, p in best.items() if p is not None and p.hash != policy.hash}


def _key(session: Session) -> str:
    """What the verdict rests on: with more trials, or other --seeds, it has to be reached again."""
    return f"{len(finished(session.study))}/{session.config.seeds}/looks"


def _runs(standings: Sequence[Standing]) -> list[RunResult]:
    return [r for s in standings for r in s.results]


def _best_first(presets: list[Policy], trials: list[TrialRecord], space: SearchSpace) -> list[Policy]:
    """Presets by their score in the search; those that it has not tried come last, in the order of the space.

    Of a preset that lies outside the space, the search has tried the nearest policy that the space allows.
    """
    scores = {t.policy_hash: t.score for t in trials}

    def score(preset: Policy) -> float:
        nearest = space.suggest(FixedTrial(space.parameters_of(preset)))
        return scores.get(preset.hash, scores.get(nearest.hash, -1.0))

    return sorted(presets, key=lambda p: -score(p))


def _within_cost(policy: Policy, config: StudyConfig) -> bool:
    return config.max_cost is None or policy.passes <= config.max_cost


def _keeps_clean(s: Standing, standings: Sequence[Standing], config: StudyConfig) -> bool:
    if config.max_clean_drop is None:
        return True
    base = next(x for x in standings if x.role == "baseline")
    return base.clean - s.clean <= config.max_clean_drop


def _told(
    session: Session,
    judged: Result,
    standings: Sequence[Standing],
    contributions: Sequence[Contribution],
    trials: Sequence[TrialRecord],
) -> Result:
    """The judged numbers with the verdict in words, and with what else a reader wants to know of the study."""
    splits = session.task.splits
    result = described(session, judged, min(len(splits.folds[0].search), len(splits.test)))
    result = replace(
        result,
        warnings=(*_unchanged(judged, standings), *result.warnings),
        contributions=tuple(
            ContributionResult(c.technique, c.interval.mean, c.interval.low, c.interval.high, c.kept)
            for c in contributions
        ),
        standings=_standing_results(standings, judged.contestants["policy"].hash),
        front=front_table(trials),
        counts=_counts(session),
        spent=_spent(session, standings, judged),
    )
    result = replace(result, sentence=sentence(result))
    recommended, recommendation = recommend(result)
    result = replace(result, recommended=recommended, recommendation=recommendation)
    return replace(result, exported=exported(result))


def described(session: Session, judged: Result, deciding: int) -> Result:
    """The judged numbers with the verdict in a word, the data, the settings, and what a reader is warned of.

    ``deciding``: rows of the smallest part that anything was decided by.
    """
    config, task = session.config, session.task
    settings = {k: v for k, v in config.to_dict().items() if k not in ("storage", "out", "data")}
    return replace(
        judged,
        data=task.dataset.fingerprint,
        describe=describe(task),
        data_type=str(task.dataset.data_type),
        created=utc_now(),
        versions=versions(),
        config=settings | {"data": Path(config.data).name},
        noise_weight=config.noise_weight,
        warnings=tuple(_warnings(session, judged, deciding)),
        verdict=decide(judged.differences, judged.clean_limit.get("policy", KEPT)),
    )


def _standing_results(standings: Sequence[Standing], found: str) -> tuple[StandingResult, ...]:
    """The race as it stands in the result. ``found``: hash of the policy that was chosen, after minimising.

    Candidates of the search are numbered, best first, since the names that they had as trials tell nothing.
    """
    out, number = [], 0
    for s in standings:
        name = s.policy.name
        if s.role == "found":
            number += 1
            name = "found" if s.policy.hash == found else f"candidate {number}"
        techniques = tuple(x.name for x in s.policy.steps)
        numbers = (s.score, s.clean, s.noisy, len(s.results), s.policy.passes)
        out.append(StandingResult(name, s.role, *numbers, techniques, s.policy.hash))
    return tuple(out)


def _unchanged(judged: Result, standings: Sequence[Standing]) -> list[str]:
    """The warning that the search has found nothing but a recipe, where that is so."""
    chosen = next(s for s in standings if s.policy.hash == judged.contestants["policy"].hash)
    if chosen.role not in OPPONENTS:
        return []
    kind = "published recipe" if chosen.role == "preset" else "starting policy"
    return [f"the found policy is the {kind} {chosen.policy.name}: the search has not changed it"]


def _warnings(session: Session, judged: Result, deciding: int) -> list[str]:
    task, out = session.task, list[str]()
    if deciding < FEW_ROWS:
        out.append(f"small data: only {deciding} rows decide; the intervals are wide")
    if task.dataset.left_out is not None:
        out.append(f"no number here speaks of {task.dataset.left_out}")
    if judged.verdicts is not None and judged.verdicts > 1:
        level = f"{100 * (1 - judged.level):.4g} %"
        out.append(
            f"verdict number {judged.verdicts} on the same test rows: it had to be surer than the first ({level})"
        )
    out += [f"{f.name}: {f.note}" for f in task.frozen if f.note]
    return [*out, *(f"{n}: harmless on these data at any amount, left out" for n in left_out(session.folder))]


def _counts(session: Session) -> Counts:
    ended = finished(session.study)
    states = [t.state for t in ended]
    return Counts(
        states.count(TrialState.COMPLETE),
        states.count(TrialState.PRUNED),
        states.count(TrialState.FAIL),
        seconds_last_run=time.time() - session.budget.started,
        seconds_search=sum(t.seconds for t in ended),
        work=sum(t.work for t in ended),
    )


def _spent(session: Session, standings: Sequence[Standing], judged: Result) -> dict[str, Spent]:
    """What the phases after the search cost, from the runs that they have left on disk, earlier calls included.

    Minimising is what was trained for the confirm rows beyond confirming.
    """
    confirm = [r.seconds for r in _runs(standings)]
    files = (f for f in session.folder.runs.glob("*-confirm-*.npz") if not f.stem.partition("-confirm-")[2].count("-z"))
    every = [r.seconds for r in map(RunResult.load, files) if r is not None]
    verdict = [(c.seeds, c.seconds * c.seeds) for c in judged.contestants.values()]
    out = {
        "confirm": Spent(len(confirm), sum(confirm)),
        "minimise": Spent(len(every) - len(confirm), sum(every) - sum(confirm)),
        "verdict": Spent(sum(n for n, _ in verdict), sum(seconds for _, seconds in verdict)),
    }
    return {name: s for name, s in out.items() if s.trainings > 0}
