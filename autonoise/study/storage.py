"""The Optuna study behind a search: opening, comparing, cleaning up after killed workers, trials.csv."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Literal

import optuna
from optuna.pruners import BasePruner, NopPruner, SuccessiveHalvingPruner
from optuna.samplers import BaseSampler
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from autonoise.errors import StudyError, one_line
from autonoise.files import write_whole
from autonoise.study.address import NOT_KEPT, check_password, has_password, hidden, masked, with_password
from autonoise.study.config import StudyConfig
from autonoise.study.few_reads import FewReads
from autonoise.study.folder import StudyFolder
from autonoise.study.patient import PatientStorage
from autonoise.study.trial_record import RESTORE, TOLD, StudyRecord, TrialRecord, column_name, records_of, write_facts

HEARTBEAT, GRACE = 60, 180
"""Seconds between signs of life of a worker, and without any until its trial counts as lost."""
REDUCTION = 3
"""One trial in so many goes on from the short training to the full one; the others are pruned."""
_ENDED = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)

# a failed trial carries its reason; a traceback on the screen would say no more
optuna.logging.set_verbosity(optuna.logging.ERROR)
warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)


def open_storage(url: str) -> BaseStorage:
    """A storage with signs of life: SQLite with a long busy timeout, or another database that may be restarted.

    A password that is missing in the address is looked for in the environment. StudyError when it cannot be reached.
    """
    url = with_password(url)
    check_password(url)
    engine: dict[str, Any] = {"pool_pre_ping": True}
    if url.startswith("sqlite"):
        engine = {"connect_args": {"timeout": 100}}
    elif url.startswith("postgresql"):
        # a worker keeps one connection, since a thousand workers are many; its signs of life may take one for a moment
        engine |= {"connect_args": {"connect_timeout": 10}, "pool_size": 1, "max_overflow": 1}
    try:
        # Optuna fills in what stands in braces
        address = url.replace("{", "{{").replace("}", "}}")
        return FewReads(PatientStorage(address, heartbeat_interval=HEARTBEAT, grace_period=GRACE, engine_kwargs=engine))
    except ArgumentError:
        raise StudyError(
            f"--storage {masked(url)}: cannot be opened: it is not the address of a database, as in "
            "postgresql+psycopg://user@host/name or sqlite:///file.db; journal files are not offered: in them the "
            "trial of a lost worker would not be noticed"
        ) from None
    except Exception as e:
        why = hidden(one_line(e), url)
        lost = f"; {NOT_KEPT}" if "password" in why and not has_password(url) else ""
        raise StudyError(f"--storage {masked(url)}: cannot be opened ({why}){lost}") from None


def open_existing(url: str) -> BaseStorage:
    """As :func:`open_storage`. StudyError where an SQLite file is missing: opening it would make an empty one."""
    if url.startswith("sqlite"):
        with suppress(ArgumentError):
            file = make_url(url).database
            if file and not file.startswith((":memory:", "file:")) and not Path(file).exists():
                raise StudyError(f"--storage {url}: there is no file {file}: correct the path, or run the search first")
    return open_storage(url)


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
    check_readable(study)
    if [d.name.lower() for d in study.directions] != directions:
        raise StudyError(
            f"study {config.study!r} was searched with another --objective; give this one another --study name"
        )
    names = metric_names(config)
    if study.metric_names != names:
        study.set_metric_names(names)
    return study


@contextmanager
def readable(name: str) -> Iterator[None]:
    """Turn what Optuna and SQLAlchemy raise in the block on a damaged storage into a StudyError.

    ``name``: that of the study.
    """
    try:
        yield
    except (
        SQLAlchemyError,
        optuna.exceptions.OptunaError,
        ValueError,
        LookupError,
        TypeError,
        AttributeError,
        ArithmeticError,
        AssertionError,  # Optuna's, on values that its tables allow and it never writes
        RecursionError,
    ) as e:
        cause = e.__cause__ if isinstance(e, optuna.exceptions.OptunaError) and e.__cause__ is not None else e
        raise StudyError(f"study {name!r}: its storage is damaged ({one_line(cause, 120)}): {RESTORE}") from None


def check_readable(study: optuna.Study) -> optuna.Study:
    """Read a study once, all trials and facts; the study. StudyError where its storage is damaged.

    What has been read is kept by the storage, so that later reads find nothing new and nothing damaged.
    """
    with readable(study.study_name):
        StudyRecord.of(study)
        study._storage.get_study_system_attrs(study._study_id)
        records_of(study)
        dead_trials(study)
    return study


def metric_names(config: StudyConfig) -> list[str]:
    """What Optuna and its dashboard call the values of a trial."""
    if config.objective == "pareto":
        return ["clean accuracy", "noisy accuracy"]
    clean, noisy = 100 * (1 - config.noise_weight), 100 * config.noise_weight
    return [f"score ({clean:.4g} % clean + {noisy:.4g} % noisy accuracy)"]


def claim(study: optuna.Study, config: StudyConfig, facts: dict[str, str], other: str = "--study name") -> None:
    """Write what the study is about, and the settings that its scores rest on, into its attributes, or compare.

    StudyError with the differences. ``other``: what the user may give to have a fresh one.
    """
    claims = StudyRecord.of(study).claims
    known, now = claims.get("settings") or {}, config.comparable()
    if not isinstance(known, dict):
        raise StudyError(f"study {config.study!r}: what its storage says of its settings is damaged: {RESTORE}")
    changed = [f"{n}: {known[n]} → {now[n]}" for n in now if n in known and known[n] != now[n]]
    if changed:
        raise StudyError(
            f"study {config.study!r} was started with other settings ({'; '.join(changed)}): scores would not be "
            f"comparable; use another {other}, or the old settings"
        )
    for key, value in facts.items():
        if claims.get(key, value) != value:
            raise StudyError(
                f"study {config.study!r} was started with another {key.replace('_', ' ')} ({str(claims[key])[:24]} now "
                f"{value[:24]}): scores would not be comparable; use another {other}, or undo the change"
            )
    new = {key: value for key, value in {**facts, "settings": {**now, **known}}.items() if claims.get(key) != value}
    write_facts(study, **new)


def patient_storage(study: optuna.Study) -> PatientStorage | None:
    """The storage below Optuna's cache; None for one in memory, which dies with its only process."""
    storage = getattr(study._storage, "_backend", study._storage)
    return storage if isinstance(storage, PatientStorage) else None


def heed(study: optuna.Study, stop: Callable[[], bool], say: Callable[[str], None]) -> None:
    """Let the study's storage end its waiting for the database once ``stop`` is true, and tell it by ``say``."""
    storage = patient_storage(study)
    if storage is not None:
        storage.stop, storage.say = stop, say


def dead_trials(study: optuna.Study) -> list[FrozenTrial]:
    """Running trials whose worker is gone."""
    storage = patient_storage(study)
    return storage.dead_trials(study._study_id) if storage is not None else []


def sweep(study: optuna.Study) -> int:
    """Fail the running trials whose worker is gone, and queue their parameters again; returns how many there were."""
    dead = dead_trials(study)
    if dead:
        optuna.storages.fail_stale_trials(study)
    return len(dead)


def finished(study: optuna.Study) -> list[TrialRecord]:
    """Trials that count: completed, pruned, and failed for a fault of their own (not killed)."""
    return [r for r in records_of(study, _ENDED) if not r.killed]


def running(study: optuna.Study) -> int:
    """How many trials a living process is at."""
    there = len(study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)))
    return there and max(there - len(dead_trials(study)), 0)


def taken(study: optuna.Study) -> int:
    """How many trials of the total are finished or in work."""
    return len(finished(study)) + running(study)


def completed(study: optuna.Study, *, feasible: bool = True) -> list[TrialRecord]:
    """Fully trained trials, best mixed score first; ``feasible``: only those that keep the constraints."""
    records = records_of(study, (TrialState.COMPLETE,))
    kept = [r for r in records if r.scored and (not feasible or r.feasible)]
    return sorted(kept, key=lambda r: (-r.score, r.number))


def write_trials(study: optuna.Study, folder: StudyFolder) -> None:
    """trials.csv: one row per trial with state, scores, cost and parameters."""
    frame = study.trials_dataframe(attrs=("number", "state", "datetime_start", "duration", "params", "user_attrs"))
    frame.columns = [column_name(str(c)) for c in frame.columns]
    frame = frame[frame["state"] != "WAITING"]
    drop = [c for c in frame.columns if c in {"policy", "host", "pid", "process", "constraints", "profile", *TOLD}]
    write_whole(folder.trials_file, frame.drop(columns=drop).to_csv(index=False))
