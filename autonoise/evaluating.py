"""``autonoise.evaluate``: policies judged on one's own data and model, without a search."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import nn

from autonoise.calling import explained, kept, loaded_for, main_not_imported_again, placed, quiet_optuna
from autonoise.corruptions.frozen import digest
from autonoise.data import Dataset, summary
from autonoise.data.objects import is_path
from autonoise.errors import StudyError
from autonoise.files import version_of
from autonoise.found import Judged
from autonoise.phases import pool_size
from autonoise.policy import Policy, load_policy
from autonoise.study.config import StudyConfig
from autonoise.study.folder import StudyFolder, finite
from autonoise.study.noise_data import with_noise_data
from autonoise.study.notebook import observer_for
from autonoise.study.observer import Observer
from autonoise.study.places import EVALUATION, EVALUATIONS
from autonoise.study.prepare import (
    baseline_numbers,
    build_task,
    describe,
    ensure_corruptions,
    share_sets,
    tell_few_groups,
    tell_noisy_parts,
)
from autonoise.study.processes import Stop, one_thread, stop_on_interrupt
from autonoise.study.result import Result
from autonoise.study.storage import claim, open_storage, open_study
from autonoise.training.factory import ModelFactory
from autonoise.verdict.evaluation import check_fit, contestants_of, judge_policies, searched_on, session_for

if TYPE_CHECKING:
    from autonoise.types import InputSpec

_OF_A_SEARCH: dict[str, Any] = {"storage": None, "timeout": None, "calibrate": False, "space": None}
"""Settings of a study given as the data that mean nothing here."""


@dataclass(frozen=True, repr=False)
class EvaluationResult(Judged):
    """How an evaluation ended; shows itself as a table in a notebook.

    Attributes:
        config: the settings.
        folder: where its trainings and ``result.json`` lie.
        numbers: the verdict's numbers, None where the evaluation was stopped before its end.
        stopped: whether somebody stopped it; the same call goes on with it.
    """

    def to_dict(self) -> dict[str, Any]:
        """The numbers as plain values, as in result.json. Raises StudyError before the verdict."""
        if self.numbers is None:
            raise StudyError("there is no verdict yet: the same call goes on with the evaluation")
        return dict(finite(self.numbers.to_dict()))


def evaluate(
    policy: Policy | str | Path | Sequence[Policy | str | Path],
    data: Any,
    *,
    model: str | Callable[[InputSpec, int], nn.Module] | None = None,
    seeds: int = 5,
    once: bool = False,
    target: str | None = None,
    out: str | Path | None = None,
    progress: bool | Observer = True,
    **settings: Any,
) -> EvaluationResult:
    """Train a model with and without a policy, from the same seeds, and judge both by the verdict's statistics.

    The rows are split as in a search, and the models are judged on the test part, under noise of the families that a
    search sees and of families that no contestant trained on. Every training is kept in ``out``: the same call goes on
    with an evaluation that was stopped.

    Args:
        policy: a policy, its file, or several of them; the first is the one that the verdict speaks of.
        data: whatever :func:`autonoise.search` takes; the folder of a study brings all its settings.
        model: ``factory(spec, classes)`` that makes a fresh model, or ``"file.py:factory"``; None: a small proxy.
        seeds: trainings of each policy, and as many without noise; up to three times as many while a comparison is
            open.
        once: never more than ``seeds`` trainings of each.
        target: the column or array of labels.
        out: the folder; None: ``evaluations/`` and the name of the data.
        progress: print a line now and then (in a notebook: an HTML block), say nothing (False), or tell an
            :class:`Observer`.
        settings: any other option of ``autonoise evaluate`` by its name (``workers=2``, ``noise_weight=0.3`` ...).

    Raises DataError, PolicyError, AttachError or StudyError with one line.

    Example:
        >>> import autonoise, tempfile
        >>> from sklearn.datasets import load_iris
        >>> policy = autonoise.Policy("tabular", [autonoise.Step.of("gaussian_noise", std=0.2)])
        >>> quick = {"epochs": 1, "seeds": 3, "once": True, "progress": False, "out": tempfile.mkdtemp()}
        >>> result = autonoise.evaluate(policy, load_iris(return_X_y=True), **quick)
        >>> list(result.table().index)
        ['baseline', 'policy']
    """
    policies = _policies(policy)
    named = {"target": target, "out": None if out is None else str(out), "seeds": seeds}
    given = {**settings, **{k: v for k, v in named.items() if v is not None}}
    observer = observer_for(progress)
    with ExitStack() as stack:
        config, factory, made = placed(data, given, model, stack, home=EVALUATIONS)
        if is_path(data) and "out" not in given:
            config = replace(config, out=str(EVALUATIONS / config.study))
        config = replace(config, **_OF_A_SEARCH)
        folder = folder_of(config)
        stack.enter_context(folder.nothing_half_begun())
        if made is not None:
            stack.enter_context(kept(made, Path(config.data), folder.study_file))
        with quiet_optuna(), main_not_imported_again(), explained(config):
            config, result, stopped = _run(config, policies, given, folder, observer, factory, stack, once=once)
    return EvaluationResult(config, folder, result, stopped)


def folder_of(config: StudyConfig) -> StudyFolder:
    """The folder of an evaluation. Raises StudyError for that of a search, whose files it would overwrite."""
    folder = StudyFolder(config.out)
    if folder.study_file.is_file():
        raise StudyError(f"{folder.root} holds a search: name another folder for the evaluation by --out")
    folder.study_file = folder.root / EVALUATION
    return folder


def _policies(given: Policy | str | Path | Sequence[Policy | str | Path]) -> list[Policy]:
    several: Sequence[Policy | str | Path] = [given] if isinstance(given, Policy | str | Path) else list(given)
    if not several:
        raise StudyError("no policy was given: name a policy file")
    return [p if isinstance(p, Policy) else load_policy(p, warn=False) for p in several]


def _seed_of_the_search(
    config: StudyConfig, given: dict[str, Any], folder: StudyFolder, policies: Sequence[Policy], dataset: Dataset
) -> StudyConfig:
    """With the seed by which a search split these very data, unless the caller names one.

    The test rows are then those that no trial of that search has seen; by another seed, most of them would have helped
    to choose the policy.
    """
    if "seed" in given:
        return config
    if folder.study_file.is_file():
        return replace(config, seed=StudyConfig.load(folder.study_file).seed)
    seeds = searched_on(policies, dataset)
    return replace(config, seed=next(iter(seeds))) if seeds and config.seed not in seeds else config


def _compare_with_disk(config: StudyConfig, folder: StudyFolder) -> None:
    changed = config.differences(StudyConfig.load(folder.study_file)) if folder.study_file.is_file() else []
    if changed:
        raise StudyError(
            f"{folder.root} holds an evaluation with other settings ({'; '.join(changed)}): numbers would not be "
            f"comparable; name another folder by --out, or give the old settings"
        )


def _run(
    config: StudyConfig,
    policies: Sequence[Policy],
    given: dict[str, Any],
    folder: StudyFolder,
    observer: Observer,
    factory: ModelFactory | None,
    held: ExitStack,
    *,
    once: bool,
) -> tuple[StudyConfig, Result | None, bool]:
    one_thread()
    contestants = contestants_of(policies)
    config, dataset = loaded_for(config, policies[0])
    config = _seed_of_the_search(config, given, folder, policies, dataset)
    _compare_with_disk(config, folder)
    task = build_task(config, dataset, factory)
    tell_noisy_parts(task)
    tell_few_groups(task)
    check_fit(policies, task, "" if factory is not None else config.model or "")
    folder.create(searched=False)
    held.enter_context(folder.alone("evaluation"))
    stop = Stop()
    study = open_study(config, open_storage(config.storage_url))
    facts = {"data_fingerprint": task.dataset.fingerprint, "version_of_autonoise": version_of("autonoise")}
    claim(study, config, facts, "--out")
    session = session_for(config, task, folder, study, observer, stop)
    with_noise_data(config, session.space, task, folder)
    config.save(folder.study_file)
    for line in [describe(task), *summary.lines(task.dataset)[1:]]:
        observer.line(line)
    try:
        with stop_on_interrupt(stop, observer.line):
            observer.phase("calibrate", 0, 1)
            frozen = ensure_corruptions(task, folder, seed=config.seed)
            claim(study, config, {"frozen_corruptions": digest(frozen)}, "--out")
            share_sets(task, folder)
            if stop():
                return config, None, True
            seconds = baseline_numbers(folder)["seconds"]
            result = judge_policies(
                session, contestants, processes=pool_size(config), baseline_seconds=seconds, once=once
            )
            if result is None:
                return config, None, True
            folder.save_result(result)
            folder.forget_sets()
            observer.line(result.sentence)
            return config, result, False
    finally:
        observer.close()
