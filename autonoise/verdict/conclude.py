"""What follows the search: confirm, minimise, judge, export, report. All of it is repeatable and resumable."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import TrialState

from autonoise.policy import Policy
from autonoise.space.space import SearchSpace
from autonoise.study.bank import deposit
from autonoise.study.budget import Budget, Plan
from autonoise.study.config import StudyConfig
from autonoise.study.export import complete_policy, mean_of, scores_of, utc_now, versions
from autonoise.study.folder import StudyFolder
from autonoise.study.observer import Observer
from autonoise.study.prepare import describe, left_out
from autonoise.study.processes import Stop
from autonoise.study.result import Result
from autonoise.study.storage import completed, finished, write_trials
from autonoise.study.trial_record import TrialRecord, write_facts
from autonoise.training.task import Task
from autonoise.verdict.confirm import OPPONENTS, Contribution, Standing, minimise, pick_candidates, race, standing_of
from autonoise.verdict.decide import KEPT, decide, recommend, sentence
from autonoise.verdict.judge import judge
from autonoise.verdict.trainings import Job, Runner
from autonoise.verdict.transfer import SEEDS, SETTINGS, STRENGTHS, calibrate_strength
from autonoise.verdict.transfer import words as transfer_words
from autonoise.verdict.winners import front_table, named_winners


def conclude(
    config: StudyConfig,
    space: SearchSpace,
    task: Task,
    study: optuna.Study,
    folder: StudyFolder,
    runner: Runner,
    observer: Observer,
    stop: Stop,
    plan: Plan,
    budget: Budget,
) -> dict[str, Any] | None:
    """From the finished trials to the verdict; None when stopped on the way."""
    known = folder.load_result()
    key = _key(study, config)
    if known is not None and known.get("key") == key and ("transfer" in known or not config.calibrate):
        observer.line(known["sentence"])
        return known
    families = {f.name: str(f.family) for f in task.frozen} | ({"real": "real"} if task.real else {})
    trials = completed(study)
    candidates = pick_candidates(trials, plan.candidates)
    baseline = Policy(space.data_type, name="no-noise")
    entries: dict[str, tuple[Policy, str]] = {"baseline": (baseline, "baseline")}
    presets = _best_first([p for p in space.presets if _within_cost(p, config)], trials)[: plan.presets]
    entries |= {f"preset/{p.name}": (p, "preset") for p in presets}
    taken = {policy.hash for policy, _ in entries.values()}
    starts = [p for p in space.seeds if _within_cost(p, config) and p.hash not in taken]
    entries |= {f"start/{p.name}": (p, "start") for p in _best_first(starts, trials)[: plan.starts]}
    taken = {policy.hash for policy, _ in entries.values()}
    entries |= {f"found/{p.hash}": (p, "found") for p in candidates if p.hash not in taken}

    standings = race(
        entries,
        runner,
        config,
        families,
        plan.confirm_seeds,
        stop,
        _counter(observer, "confirm", plan.confirm_seeds * len(entries)),
        budget.another_round,
    )
    if stop():
        return None
    chosen = next((s for s in standings if s.role != "baseline" and _keeps_clean(s, standings, config)), None)
    # none keeps the clean accuracy: the one that comes nearest
    chosen = chosen or max((s for s in standings if s.role != "baseline"), key=lambda s: s.clean, default=None)
    if chosen is None:
        observer.line("no policy was found that could be confirmed: train without noise")
        return None
    plan = budget.rest(plan, [r for s in standings for r in s.results], len(chosen.policy.steps))
    policy, contributions = (
        minimise(
            chosen.policy,
            runner,
            config,
            families,
            plan.ablate_seeds,
            stop,
            _counter(observer, "minimise", plan.ablate_seeds * len(chosen.policy.steps)),
        )
        if plan.ablate_seeds
        else (chosen.policy, [])
    )
    if policy.hash != chosen.policy.hash and policy.hash not in {s.policy.hash for s in standings}:
        again = runner.run([Job(policy, "confirm", k) for k in range(len(chosen.results))], stop=stop)
        standings.append(standing_of(policy, "found", [r for r in again if r], config.noise_weight, families))
    policies = {"baseline": baseline} | opponents(standings, policy, OPPONENTS if plan.starts else ("preset",))
    policies["policy"] = policy
    verdict = judge(
        task,
        config,
        study,
        runner,
        policies,
        plan.verdict_seeds,
        stop,
        _counter(observer, "verdict", plan.verdict_seeds * len(policies)),
        lambda trainings: budget.time_for(trainings, [r for s in standings for r in s.results]),
    )
    if verdict is None:
        return None
    result = _result(config, task, study, verdict, standings, contributions, trials, policy, budget.started)
    result["key"] = key
    result["warnings"] += [f"{n}: harmless on these data at any amount, left out" for n in left_out(folder)]
    if config.calibrate:
        counter = _counter(observer, "calibrate strength", len(SETTINGS) * len(STRENGTHS) * SEEDS)
        found = calibrate_strength(policy, task, config, runner, families, stop, counter)
        if found is None:
            return None
        result["transfer"] = {**found, "sentence": transfer_words(found)}
        observer.line(transfer_words(found))
    others = {label: p for label, p in policies.items() if label in OPPONENTS}
    _export(config, task, study, folder, result, standings, policy, others)
    observer.line(result["sentence"])
    return result


def opponents(standings: Sequence[Standing], policy: Policy, roles: Sequence[str]) -> dict[str, Policy]:
    """Role → the best standing of it, where that is not the policy itself."""
    best = {role: next((s.policy for s in standings if s.role == role), None) for role in roles}
    return {role: p for role, p in best.items() if p is not None and p.hash != policy.hash}


def _key(study: optuna.Study, config: StudyConfig) -> str:
    """What the verdict rests on: with more trials it has to be reached again."""
    return f"{len(finished(study))}/{config.seeds}/looks"


def _best_first(presets: list[Policy], trials: list[TrialRecord]) -> list[Policy]:
    """Presets by their score in the search; those that it has not tried come last, in the order of the space."""
    scores = {t.policy_hash: t.score for t in trials}
    return sorted(presets, key=lambda p: -scores.get(p.hash, -1.0))


def _within_cost(policy: Policy, config: StudyConfig) -> bool:
    return config.max_cost is None or policy.passes <= config.max_cost


def _keeps_clean(s: Standing, standings: list[Standing], config: StudyConfig) -> bool:
    if config.max_clean_drop is None:
        return True
    base = next(x for x in standings if x.role == "baseline")
    return base.clean - s.clean <= config.max_clean_drop


def _counter(observer: Observer, phase: str, total: int) -> Callable[[int], None]:
    seen = [0]

    def done(_: int) -> None:
        seen[0] += 1
        observer.phase(phase, seen[0], max(total, seen[0]))

    observer.phase(phase, 0, total)
    return done


def _result(
    config: StudyConfig,
    task: Task,
    study: optuna.Study,
    verdict: dict[str, Any],
    standings: list[Standing],
    contributions: list[Contribution],
    trials: list[TrialRecord],
    policy: Policy,
    started: float,
) -> dict[str, Any]:
    ended = finished(study)
    states = [t.state for t in ended]
    warnings = []
    smallest = min(len(task.splits.folds[0].search), len(task.splits.test))
    if smallest < 300:
        warnings.append(f"small data: only {smallest} rows decide; the intervals are wide")
    if task.dataset.left_out is not None:
        warnings.append(f"no number here speaks of {task.dataset.left_out}")
    if verdict["verdicts"] > 1:
        level = f"{100 * (1 - verdict['level']):.4g} %"
        warnings.append(
            f"verdict number {verdict['verdicts']} on the same test rows: it had to be surer than the first ({level})"
        )
    warnings += [f"{f.name}: {f.note}" for f in task.frozen if f.note]
    result: dict[str, Any] = {
        "study": config.study,
        "data": task.dataset.fingerprint,
        "describe": describe(task),
        "data_type": str(task.dataset.data_type),
        "created": utc_now(),
        "versions": versions(),
        "config": {k: v for k, v in config.to_dict().items() if k not in ("storage", "out", "data")}
        | {"data": Path(config.data).name},
        "noise_weight": config.noise_weight,
        "warnings": warnings,
        **verdict,
        "verdict": decide(verdict["differences"], verdict["clean_limit"].get("policy", KEPT)),
        "contributions": [
            {
                "technique": c.technique,
                "mean": c.interval.mean,
                "low": c.interval.low,
                "high": c.interval.high,
                "kept": c.kept,
            }
            for c in contributions
        ],
        "standings": [
            {
                "name": s.policy.name,
                "role": s.role,
                "score": s.score,
                "clean": s.clean,
                "noisy": s.noisy,
                "seeds": len(s.results),
                "passes": s.policy.passes,
                "techniques": [x.name for x in s.policy.steps],
            }
            for s in standings
        ],
        "front": front_table(trials),
        "counts": {
            "complete": states.count(TrialState.COMPLETE),
            "pruned": states.count(TrialState.PRUNED),
            "failed": states.count(TrialState.FAIL),
            "seconds_last_run": time.time() - started,
            "seconds_search": sum(t.seconds for t in ended),
            "work": sum(t.work for t in ended),
        },
    }
    result["sentence"] = sentence(result)
    result["recommended"], result["recommendation"] = recommend(result)
    return result


def _export(
    config: StudyConfig,
    task: Task,
    study: optuna.Study,
    folder: StudyFolder,
    result: dict[str, Any],
    standings: list[Standing],
    policy: Policy,
    others: dict[str, Policy],
) -> None:
    created = result["created"]
    scores = scores_of(result)
    final = complete_policy(policy, task, config, scores, name=config.study, created=created)
    winners = named_winners(standings, policy)
    shown = {}
    for label, (winner, standing) in winners.items():
        own = scores if winner.hash == policy.hash else _confirmed(standing)
        made = complete_policy(winner, task, config, own, name=f"{config.study}-{label}", created=created)
        made.save(folder.policies / f"{label}.yaml")
        shown[label] = {
            "file": f"policies/{label}.yaml",
            "clean": standing.clean if standing else result["contestants"]["policy"]["clean"][0],
            "noisy": standing.noisy if standing else mean_of(result["contestants"]["policy"]["search"]),
            "passes": winner.passes,
            "techniques": [s.name for s in winner.steps],
        }
    for label, other in others.items():
        complete_policy(other, task, config, {"verdict": label}, name=other.name, created=created).save(
            folder.policies / f"{label}.yaml"
        )
    result["winners"] = shown
    write_trials(study, folder)
    final.save(folder.policy_file)
    write_study_report(folder, result, study)
    write_facts(study, verdict=result["verdict"], baseline=result["contestants"]["baseline"]["clean"][0])
    deposit(task, folder, result, final)
    folder.save_result(result)


def _confirmed(standing: Standing | None) -> dict[str, Any]:
    if standing is None:
        return {"verdict": "unconfirmed"}
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


def write_study_report(folder: StudyFolder, result: dict[str, Any], study: optuna.Study) -> None:
    """The report room lies above this one, so it is asked for by name only when a report is written."""
    import importlib

    importlib.import_module("autonoise.report").write_report(folder, Result.from_dict(result), trial_rows(study))
