"""One trial: a policy is drawn, trained shortly and, unless it is pruned then, trained fully."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import optuna
from optuna.trial import TrialState

from autonoise.errors import StudyError, one_line
from autonoise.evaluation.score import Score, evaluate
from autonoise.ops.random import seed_from
from autonoise.policy import Policy
from autonoise.space.space import SearchSpace
from autonoise.study.config import StudyConfig
from autonoise.study.folder import UNUSABLE
from autonoise.study.identity import process_mark
from autonoise.study.processes import limited
from autonoise.study.trial_record import REPEATED, TrialRecord, facts_of, records_of, tell, write_facts
from autonoise.technique.words import policy_in_words
from autonoise.training.task import FULL, Fidelity, Task

SHORT = Fidelity(rows=0.5, epochs=0.7)
"""The short training: half of the rows and 0.7 of the epochs, about a third of the cost of a full one.

Still shorter ones rank policies badly (benchmarks/results/rungs.md): noise pays only once a model has learnt something.
"""
QUICK_ROWS, QUICK_SEVERITIES = 512, (3,)
"""Rows and severities that a model is evaluated on after the short training, at most."""
FULL_SEVERITIES = (2, 4)
"""Severities that a model is evaluated on after the full training."""


@dataclass
class Objective:
    """Callable on an Optuna trial; returns the mixed score (or clean and noisy, for ``--objective pareto``)."""

    task: Task
    space: SearchSpace
    config: StudyConfig
    watch: Callable[[str], None] = lambda text: None
    attach: Callable[[optuna.Trial], None] = lambda trial: None
    """Called on a trial that is about to complete: nothing can be added to it afterwards."""
    overhead: float = 0.0
    evaluation: float = 0.0
    hopeless: str = ""
    """Why no trial of this search can mean anything; empty as long as nothing is known against it."""

    def __call__(self, trial: optuna.Trial) -> float | tuple[float, float]:
        write_facts(trial, process=process_mark(), host=socket.gethostname(), pid=os.getpid())
        tell(trial)
        policy = self.space.suggest(trial)
        write_facts(trial, policy_hash=policy.hash, passes=policy.passes)
        tell(trial, policy_in_words(policy.steps))
        self.watch(policy_in_words(policy.steps))
        self._cost_constraint(trial, policy)
        known = self._known(trial, policy)
        if known is not None:
            return self._repeat(trial, known)
        started = time.perf_counter()
        try:
            with limited(self.config.trial_timeout, "--trial-timeout"):
                return self._run(trial, policy, started)
        except optuna.TrialPruned:
            raise
        except Exception as e:
            write_facts(trial, reason=one_line(e, 300))
            raise
        finally:
            write_facts(trial, seconds=time.perf_counter() - started)

    def _run(self, trial: optuna.Trial, policy: Policy, started: float) -> float | tuple[float, float]:
        baseline = not policy.steps
        if self.rungs and not baseline:
            score, work = self._fit(policy, SHORT, quick=True)
            write_facts(trial, rung=0, work=work)
            value = self._value(score)
            trial.report(value, step=1)
            if score is None:
                return self._finish(trial, None)
            # a short training may misjudge strong noise: what was chosen with knowledge gets its full chance
            if trial.should_prune() and not TrialRecord.of(trial).origin:
                reason = "pruned after the short training"
                write_facts(trial, clean=score.accuracy, noisy=score.noisy, reason=reason)
                write_facts(trial, worst=score.worst[1], worst_family=score.worst[0])
                tell(trial, result=f"{_result(score.accuracy, score.noisy, score)}, after the short training")
                raise optuna.TrialPruned
        score, work = self._fit(policy, replace(FULL, folds=self.task.folds), quick=False)
        if baseline and score is None:
            self.hopeless = UNUSABLE
            raise StudyError(UNUSABLE)
        write_facts(trial, rung=1, work=work + TrialRecord.of(trial).work)
        return self._finish(trial, score)

    @property
    def rungs(self) -> bool:
        return self.config.objective == "score" and self.config.engine == "autonoise"

    def _fit(self, policy: Policy, fidelity: Fidelity, *, quick: bool) -> tuple[Score | None, float]:
        """(score or None when training diverged, work in full trainings of one fold)."""
        scores: list[Score] = []
        work = 0.0
        for fold in range(fidelity.folds):
            trained = self.task.train(policy, seed=seed_from(self.config.seed, 1) % 2**31, fold=fold, fidelity=fidelity)
            full = len(self.task.training(fold)) * self.task.recipe.epochs
            work += trained.passes / full
            if trained.diverged:
                return None, work
            start = time.perf_counter()
            sets = self.task.sets("search", fold)
            if quick:
                scores.append(evaluate(trained.model, self._quick(fold), QUICK_SEVERITIES))
            else:
                scores.append(evaluate(trained.model, sets, FULL_SEVERITIES))
            if not scores[-1].usable:
                return None, work
            self.evaluation += time.perf_counter() - start
        return _mean_of(scores), work

    def _quick(self, fold: int) -> Any:
        cache: dict[int, Any] = self.__dict__.setdefault("_quick_sets", {})
        if fold not in cache:
            cache[fold] = self.task.sets("search", fold).first(QUICK_ROWS)
        return cache[fold]

    def _value(self, score: Score | None) -> float:
        return self.task.chance if score is None else score.mixed(self.config.noise_weight)

    def _finish(self, trial: optuna.Trial, score: Score | None) -> float | tuple[float, float]:
        chance = self.task.chance
        numbers = score.flat() if score is not None else {"clean": chance, "noisy": chance, "worst": chance}
        write_facts(trial, **{k: float(v) if np.isfinite(v) else None for k, v in numbers.items()})
        if score is None:
            write_facts(trial, reason="training diverged; counted at chance")
        else:
            write_facts(trial, worst_family=score.worst[0])
            accuracy = {name: [float(a) for a in values] for name, values in score.corruptions.items()}
            write_facts(trial, profile={"severities": FULL_SEVERITIES, "accuracy": accuracy})
        value = self._value(score)
        write_facts(trial, score=value)
        base = self._baseline(trial.study)
        if base is not None:
            write_facts(trial, clean_drop=base - numbers["clean"])
            if self.config.max_clean_drop is not None:
                _constrain(trial, "clean_drop", base - numbers["clean"] - self.config.max_clean_drop)
        tell(trial, result=_result(numbers["clean"], numbers["noisy"], score))
        self.attach(trial)
        return (numbers["clean"], numbers["noisy"]) if self.config.objective == "pareto" else value

    def _cost_constraint(self, trial: optuna.Trial, policy: Policy) -> None:
        if self.config.max_cost is None:
            return
        excess = policy.passes - self.config.max_cost
        _constrain(trial, "cost", excess)
        if excess > 0 and self.config.objective == "score":
            write_facts(trial, reason=f"costs {policy.passes:.2f} passes, above --max-cost")
            raise optuna.TrialPruned

    def _baseline(self, study: optuna.Study) -> float | None:
        """Clean accuracy of the trial without noise, if it has finished."""
        for record in records_of(study, (TrialState.COMPLETE,)):
            if record.passes == 1.0 and record.without_noise:
                return record.clean
        return None

    def _known(self, trial: optuna.Trial, policy: Policy) -> TrialRecord | None:
        states, wanted = (TrialState.COMPLETE, TrialState.PRUNED), policy.hash
        for record in records_of(trial.study, states):
            if record.policy_hash == wanted and record.rung is not None:
                return record
        return None

    def _repeat(self, trial: optuna.Trial, known: TrialRecord) -> float | tuple[float, float]:
        """A policy that was scored already keeps its score; nothing is trained."""
        own = {
            "process",
            "host",
            "pid",
            "policy",
            "policy_hash",
            "passes",
            "seconds",
            "work",
            "reason",
            "constraints",
        } | {"retry_of"}
        write_facts(trial, **{name: value for name, value in facts_of(known.trial).items() if name not in own})
        write_facts(trial, seconds=0.0, work=0.0, reason=f"{REPEATED} {known.number}")
        for name, value in (known.constraints or {}).items():
            if name != "cost":
                _constrain(trial, name, value)
        if known.state == TrialState.PRUNED:
            if 1 in known.trial.intermediate_values:
                trial.report(known.trial.intermediate_values[1], step=1)
            raise optuna.TrialPruned
        self.attach(trial)
        values = known.trial.values
        return tuple(values) if len(values) > 1 else values[0]


def _constrain(trial: optuna.Trial, name: str, value: float) -> None:
    """A constraint (feasible at 0 and below) in Optuna's way, in an attribute, and where the dashboard looks."""
    trial.set_constraint(name, value)
    known = {**(TrialRecord.of(trial).constraints or {}), name: value}
    write_facts(trial, constraints=known)
    trial.storage.set_trial_system_attr(trial._trial_id, "constraints", list(known.values()))


def _result(clean: float, noisy: float, score: Score | None) -> str:
    """What a trial reached, for people."""
    worst = "" if score is None else f", worst family {score.worst[1]:.3f} ({score.worst[0].replace('_', ' ')})"
    return f"clean {clean:.3f}, noisy {noisy:.3f}{worst}"


def _mean_of(scores: list[Score]) -> Score:
    """The mean over folds of every number; rows are of different folds, so only the first's are kept."""
    if len(scores) == 1:
        return scores[0]
    names = (
        "accuracy",
        "balanced",
        "nll",
        "brier",
        "ece",
        "noisy",
        "noisy_nll",
        "noisy_brier",
        "noisy_ece",
        "error_auroc",
    )
    means = {n: float(np.mean([getattr(s, n) for s in scores])) for n in names}
    families = {f: float(np.mean([s.families[f] for s in scores])) for f in scores[0].families}
    corruptions = {c: np.mean([s.corruptions[c] for s in scores], axis=0).tolist() for c in scores[0].corruptions}
    return replace(scores[0], **means, families=families, corruptions=corruptions)  # type: ignore[arg-type]
