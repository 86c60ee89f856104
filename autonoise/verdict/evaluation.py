"""Policies judged without a search: on data and a model of the user's own, by the statistics of a search's verdict."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import optuna

from autonoise.data import Dataset, split
from autonoise.errors import AttachError, AutonoiseError, StudyError, one_line
from autonoise.evaluation.predict import probabilities
from autonoise.policy import Policy
from autonoise.policy.judged import BETTER, NOT_MEASURABLE, WORSE
from autonoise.space.space import SearchSpace
from autonoise.study.budget import Budget
from autonoise.study.config import StudyConfig
from autonoise.study.folder import StudyFolder
from autonoise.study.observer import Observer
from autonoise.study.processes import Stop
from autonoise.study.result import Measured, Result
from autonoise.study.session import Session
from autonoise.training.task import Task
from autonoise.types import Array
from autonoise.verdict.conclude import described
from autonoise.verdict.decide import BROKEN, MARGIN, answer, recommend, sentence
from autonoise.verdict.judge import judge
from autonoise.verdict.trainings import Runner

RIVAL = "best of the others"
"""What the best of several further policies is called in the verdict's sentence."""


def contestants_of(policies: Sequence[Policy]) -> dict[str, Policy]:
    """Label → policy: "baseline" (no noise), "policy", and "policy 2", "policy 3" ... for further ones.

    Raises StudyError for a policy without steps, and for two that do the same.
    """
    out: dict[str, Policy] = {"baseline": Policy(policies[0].data_type, name="no-noise")}
    hashes: dict[str, str] = {}
    for number, policy in enumerate(policies, start=1):
        if not policy.steps or policy.strength == 0:
            raise StudyError(f"{policy.name} adds no noise, so there is nothing to compare: give another policy")
        if policy.hash in hashes:
            raise StudyError(f"{hashes[policy.hash]} and {policy.name} do the same: give different policies")
        hashes[policy.hash] = policy.name
        out["policy" if number == 1 else f"policy {number}"] = policy
    return out


def check_head(task: Task, named: str = "") -> None:
    """Raise StudyError where the user's model, ``named`` so, gives another number of outputs than of classes."""
    if task.factory is None:
        return
    option = f"--model {named}".rstrip()
    few = task.training(0).first(2)
    built = task.model(task.seed).to(task.device)
    try:
        outputs = probabilities(built, few.batch, device=task.device).shape[1]
    except AutonoiseError:
        raise
    except Exception as e:
        raise StudyError(f"{option} cannot be called on rows of {task.dataset.name}: {one_line(e)}") from e
    if outputs != task.dataset.classes:
        raise StudyError(
            f"{option} gives {outputs} outputs, but {task.dataset.name} has {task.dataset.classes} classes: make its "
            f"last layer as wide as the number of classes, which the factory is called with"
        )


def check_fit(policies: Sequence[Policy], task: Task, named: str = "") -> None:
    """Raise StudyError or AttachError, before anything is trained, where a policy fits the data or the model badly."""
    check_head(task, named)
    for policy in policies:
        if policy.data_type != task.dataset.data_type:
            raise StudyError(
                f"{policy.name} is for {policy.data_type} data, but {task.dataset.name} is {task.dataset.data_type}: "
                f"give data of the policy's type, or say --data-type"
            )
        model = task.model(task.seed)
        try:
            policy.attach(
                model, epochs=1, steps_per_epoch=1, input=task.spec(), num_classes=task.spec().classes
            ).detach()
        except AttachError as e:
            raise AttachError(f"{policy.name}: {e}") from None


def searched_on(policies: Sequence[Policy], dataset: Dataset) -> dict[int, str]:
    """Seed of a split → name of the policy, for the policies that were found by a search on these very data."""
    found: dict[int, str] = {}
    for policy in policies:
        seed = policy.provenance.get("seed")
        if policy.provenance.get("data") == dataset.fingerprint and isinstance(seed, int):
            found.setdefault(seed, policy.name)
    return found


def earlier_use(policies: Sequence[Policy], task: Task) -> list[str]:
    """What is wrong with the test rows, as sentences: a search chose a policy by them, or judged it on them before."""
    told = []
    test = task.splits.test
    for seed, name in searched_on(policies, task.dataset).items():
        before = split(task.dataset, seed=seed)
        chosen_by = np.unique(np.concatenate([np.concatenate([f.train, f.search, f.confirm]) for f in before.folds]))
        seen, judged = _shared(test, chosen_by), _shared(test, before.test)
        if seen:
            told.append(
                f"{name}: {seen} of the {len(test)} test rows helped to choose it in its search, which flatters it; "
                f"use the seed of that search (--seed {seed})"
            )
        elif judged:
            told.append(
                f"{name}: its own search has judged it on {judged} of these {len(test)} test rows, so that this "
                f"verdict is not independent of that one; new data would be"
            )
    return told


def _shared(a: Array, b: Array) -> int:
    return len(np.intersect1d(a, b))


def judge_policies(
    session: Session, policies: Mapping[str, Policy], *, processes: int, baseline_seconds: float, once: bool
) -> Result | None:
    """Train and test all contestants from the same seeds; None when stopped before the end.

    ``once``: one look at the test rows, with ``seeds`` trainings of each contestant; otherwise up to three looks, with
    further trainings of those whose comparison is open.
    """
    trainings = len(policies) * session.config.seeds
    runner = Runner(session.config, session.task, session.folder, processes, ahead=trainings * baseline_seconds)
    try:
        judged = judge(session, runner, policies, session.config.seeds, room=lambda further: not once)
    finally:
        runner.close()
    if judged is None:
        return None
    own = [p for label, p in policies.items() if label != "baseline"]
    result = described(session, judged, len(session.task.splits.test))
    result = replace(result, warnings=(*result.warnings, *earlier_use(own, session.task), _used_up(result)))
    label, _ = recommend(result)
    return replace(result, recommended=label, sentence=sentence(result, RIVAL), recommendation=_advice(result, label))


def _used_up(result: Result) -> str:
    """How often the test rows have served here, and what that means for whoever evaluates again."""
    if (result.verdicts or 1) == 1:
        return (
            "first evaluation on these test rows: each further one in this folder has to be surer, and policies that "
            "are chosen by repeated evaluations look better on them than on new data"
        )
    return "policies that are chosen by repeated evaluations look better on these test rows than on new data"


def _advice(result: Result, label: str) -> str:
    """What to train with, in words, for the label that the verdict recommends."""
    names = {k: c.name for k, c in result.contestants.items()}
    scores = {k: d.score for k, d in result.over_baseline.items()}
    found = {k: answer(s) for k, s in scores.items()}
    helping = [k for k, a in found.items() if a == BETTER]
    if label in scores:
        others = [names[k] for k in helping if k != label and result.clean_limit.get(k) != BROKEN]
        beside = f"; {', '.join(others)} also better than no noise" if others else ""
        return f"train with {names[label]}{beside}"
    if label == "baseline" and helping:
        return (
            f"train without noise: {names[helping[0]]} helps, but surely loses more clean accuracy than "
            f"--max-clean-drop allows"
        )
    if label == "baseline":
        if all(a == WORSE for a in found.values()):
            return f"train without noise: {' and '.join(names[k] for k in found)} surely lower the score"
        return f"train without noise: no policy moves the score up by {MARGIN:g} or more"
    if NOT_MEASURABLE in found.values():
        return (
            "undecided: every noise kept for judging is of a family that a policy trains on, so nothing can be said "
            "about new noise; judge on your own with --noisy-val"
        )
    best = max((k for k, a in found.items() if a != WORSE), key=lambda k: _mean(scores[k]))
    if _mean(scores[best]) <= 0:
        return "undecided: nothing is surely better than no noise, nor better on average"
    return (
        f"undecided: nothing is surely better than no noise; the most likely to be is {names[best]} "
        f"({_mean(scores[best]):+.3f} in score); more test rows or more --seeds would tell"
    )


def _mean(x: Measured | None) -> float:
    return float("-inf") if x is None else x.mean


def session_for(
    config: StudyConfig, task: Task, folder: StudyFolder, study: optuna.Study, observer: Observer, stop: Stop
) -> Session:
    """The session of an evaluation: that of a search whose trials have ended."""
    space = SearchSpace.load(str(task.dataset.data_type))
    budget = Budget(config, started=time.time(), begun=time.time())
    return Session(config, space, task, study, folder, budget, observer, stop)
