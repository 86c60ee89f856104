"""The Optuna study behind a search: opening, comparing, cleaning up after killed workers, trials.csv."""

from __future__ import annotations

import os
import socket
import warnings
from datetime import datetime
from typing import Literal

import optuna
from optuna.pruners import BasePruner, NopPruner, SuccessiveHalvingPruner
from optuna.samplers import BaseSampler
from optuna.storages import BaseStorage, RDBStorage
from optuna.trial import FrozenTrial, TrialState

from autonoise.errors import StudyError, one_line
from autonoise.files import write_whole
from autonoise.study.config import StudyConfig
from autonoise.study.folder import StudyFolder
from autonoise.study.trial_record import (
    KILLED,
    StudyRecord,
    TrialRecord,
    attributes,
    column_name,
    write_facts,
)

HEARTBEAT, GRACE = 60, 180
"""Seconds between signs of life of a worker in a shared database, and without any until its trial counts as failed."""
BEGINNING = 60
"""Seconds that a running trial may be without a process id: its worker writes it just after the trial begins."""
REDUCTION = 3
"""One trial in so many goes on from the short training to the full one; the others are pruned."""

# a failed trial carries its reason; a traceback on the screen would say no more
optuna.logging.set_verbosity(optuna.logging.ERROR)
warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)


def open_storage(url: str) -> BaseStorage:
    """SQLite with a long busy timeout, any other RDB URL with heartbeats. StudyError when it cannot be reached."""
    local = url.startswith("sqlite")
    try:
        if local:
            return RDBStorage(url, engine_kwargs={"connect_args": {"timeout": 100}})
        return RDBStorage(url, heartbeat_interval=HEARTBEAT, grace_period=GRACE)
    except Exception as e:
        raise StudyError(f"--storage {_masked(url)}: cannot be opened ({one_line(e)})") from None


def _masked(url: str) -> str:
    head, at, tail = url.rpartition("@")
    return f"{head.split('://')[0]}://***@{tail}" if at else url


def make_pruner(config: StudyConfig) -> BasePruner:
    if config.objective == "pareto" or config.engine != "autonoise":
        return NopPruner()
    return SuccessiveHalvingPruner(min_resource=1, reduction_factor=REDUCTION)


def open_study(config: StudyConfig, storage: BaseStorage, *, sampler: BaseSampler | None = None) -> optuna.Study:
    """Create the study or load it. StudyError when a study of that name has other directions."""
    directions: list[Literal["maximize"]] = ["maximize"] * (2 if config.objective == "pareto" else 1)
    study = optuna.create_study(
        storage=storage,
        study_name=config.study,
        directions=directions,
        load_if_exists=True,
        sampler=sampler,
        pruner=make_pruner(config),
    )
    if [d.name.lower() for d in study.directions] != directions:
        raise StudyError(
            f"study {config.study!r} was searched with another --objective; give this one another --study name"
        )
    return study


def claim(study: optuna.Study, config: StudyConfig, facts: dict[str, str], other: str = "--study name") -> None:
    """Write what the study is about into its attributes, or compare. StudyError with the differences.

    ``other``: what the user may give to have a fresh one.
    """
    claims = StudyRecord.of(study).claims
    for key, value in facts.items():
        known = claims.get(key)
        if known is None:
            write_facts(study, **{key: value})
        elif known != value:
            raise StudyError(
                f"study {config.study!r} was started with another {key.replace('_', ' ')} ({known[:24]} now "
                f"{value[:24]}): scores would not be comparable; use another {other}, or undo the change"
            )


def sweep(study: optuna.Study) -> int:
    """Fail the running trials whose process is gone, and queue their parameters again; returns how many."""
    swept = 0
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        if _at_work(trial):
            continue
        storage = study._storage
        for name, value in attributes(reason=KILLED).items():
            storage.set_trial_user_attr(trial._trial_id, name, value)
        storage.set_trial_state_values(trial._trial_id, state=TrialState.FAIL)
        known = TrialRecord.of(trial).origin
        origin = {"origin": known} if known else {}
        if trial.params:
            study.enqueue_trial(trial.params, user_attrs=attributes(**origin, retry_of=trial.number))
        elif "fixed_params" in trial.system_attrs:
            study.enqueue_trial(trial.system_attrs["fixed_params"], user_attrs=attributes(**origin))
        swept += 1
    return swept


def _at_work(trial: FrozenTrial) -> bool:
    """Whether the process of a running trial is there; a trial of another host is taken to be."""
    record = TrialRecord.of(trial)
    if record.host not in (None, socket.gethostname()):
        return True
    return _alive(record.pid) if record.pid is not None else _beginning(trial)


def _beginning(trial: FrozenTrial) -> bool:
    """Another worker's trial between being created and saying whose it is."""
    start = trial.datetime_start
    return start is not None and (datetime.now() - start).total_seconds() < BEGINNING


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def finished(study: optuna.Study) -> list[TrialRecord]:
    """Trials that count: completed, pruned, and failed for a fault of their own (not killed)."""
    records = [TrialRecord.of(t) for t in study.get_trials(deepcopy=False) if t.state.is_finished()]
    return [r for r in records if not r.killed]


def running(study: optuna.Study) -> int:
    """How many trials a living process is at."""
    return sum(_at_work(t) for t in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)))


def taken(study: optuna.Study) -> int:
    """How many trials of the total are finished or in work."""
    return len(finished(study)) + running(study)


def completed(study: optuna.Study, *, feasible: bool = True) -> list[TrialRecord]:
    """Fully trained trials, best mixed score first; ``feasible``: only those that keep the constraints."""
    records = [TrialRecord.of(t) for t in study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))]
    kept = [r for r in records if r.scored and (not feasible or r.feasible)]
    return sorted(kept, key=lambda r: (-r.score, r.number))


def write_trials(study: optuna.Study, folder: StudyFolder) -> None:
    """trials.csv: one row per trial with state, scores, cost and parameters."""
    frame = study.trials_dataframe(attrs=("number", "state", "datetime_start", "duration", "params", "user_attrs"))
    frame.columns = [column_name(str(c)) for c in frame.columns]
    frame = frame[frame["state"] != "WAITING"]
    drop = [c for c in frame.columns if c in {"policy", "host", "pid", "constraints"}]
    write_whole(folder.trials_file, frame.drop(columns=drop).to_csv(index=False))
