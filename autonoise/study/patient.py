"""A storage that waits while its database cannot be reached, and that knows which trials nobody is at any more."""

from __future__ import annotations

import functools
import gc
import sys
import time
from collections.abc import Callable, Container, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from random import SystemRandom
from typing import Any

import optuna
from optuna.exceptions import StorageInternalError, UpdateFinishedTrialError
from optuna.storages import RDBStorage, RetryHeartbeatStaleTrialCallback
from optuna.storages._rdb import models
from optuna.storages._rdb.storage import _create_scoped_session
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, PendingRollbackError, SQLAlchemyError

from autonoise.errors import StudyError, one_line
from autonoise.study.address import hidden
from autonoise.study.identity import surely_gone, surely_there
from autonoise.study.trial_record import (
    ASKED,
    KILLED,
    MAX_RETRY,
    TrialRecord,
    attributes,
    facts_of,
    killed_for_good,
)

FIRST_WAIT, LONGEST_WAIT = 1.0, 30.0
"""Seconds before the first further try and, after doubling, at most between two."""
PATIENCE = 1800.0
"""Seconds without an answer of the database after which a process gives up."""
PIECE = 500
"""Trials that are read at once. Each is some 60 rows of the database, and each row some objects while it is read."""
_LAST_ID = 2**31 - 1
"""The largest id that the column of Optuna's tables can hold."""
_WAITING = ("08", "40", "57P01", "57P02", "57P03", "53300")
"""Beginnings of SQLSTATE codes that pass: lost connection, clash, shutdown, start-up, too many clients."""


def _origin(error: BaseException) -> BaseException:
    """What SQLAlchemy said, where Optuna wrapped that into an error of its own."""
    while error.__cause__ is not None and not isinstance(error, DBAPIError | PendingRollbackError):
        error = error.__cause__
    return error


def passing(error: BaseException, *, local: bool) -> bool:
    """Whether a fault of the database may be over when the same is tried again later. ``local``: it is SQLite."""
    error = _origin(error)
    if isinstance(error, PendingRollbackError):
        return True
    if not isinstance(error, DBAPIError):
        return False
    if local:
        return "locked" in str(error.orig)
    if error.connection_invalidated:
        return True
    code = getattr(error.orig, "sqlstate", None)
    # without a code there was no server to give one
    return isinstance(error, OperationalError | InterfaceError) and (code is None or code.startswith(_WAITING))


@contextmanager
def _no_collection() -> Iterator[None]:
    """Without looking for garbage, which takes half of the time while millions of objects are made."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


class QueueAgain(RetryHeartbeatStaleTrialCallback):
    """Queues the parameters of a trial whose worker is gone, at most ``MAX_RETRY`` times.

    Unlike Optuna's own it leaves behind what the lost trial had measured: its costs would count twice, the pruner
    would take the short training for done, and a constraint can be written only once.
    """

    def __init__(self) -> None:
        super().__init__(max_retry=MAX_RETRY)

    def __call__(self, study: optuna.Study, trial: FrozenTrial) -> None:
        asked = {name: fact for name, fact in facts_of(trial).items() if name in ASKED}
        trial.user_attrs = attributes(**asked, retry_of=trial.number)
        kept = ("fixed_params", "failed_trial", "retry_history")
        trial.system_attrs = {k: v for k, v in trial.system_attrs.items() if k in kept}
        super().__call__(study, trial)


class PatientStorage(RDBStorage):
    """Optuna's database storage for workers that come and go and for a database that does.

    Every call is repeated with growing pauses while the database cannot be reached; what is told then goes to ``say``.
    StudyError after ``PATIENCE`` seconds, or once ``stop`` is true. A trial counts as dead when its process on this
    machine has ended, or when its worker has given no sign of life for the grace period.
    """

    def __init__(self, url: str, **options: Any) -> None:
        self.local = url.startswith("sqlite")
        self.stop: Callable[[], bool] = lambda: False
        self.say: Callable[[str], None] = _to_stderr
        self.fault = ""
        """Why the storage was given up; empty while it was not."""
        self._seen: dict[int, float] = {}
        super().__init__(url, heartbeat_stale_trial_callback=QueueAgain(), **options)

    def patiently(self, call: Callable[[], Any]) -> Any:
        pause, since = FIRST_WAIT, None
        while True:
            try:
                result = call()
            except (SQLAlchemyError, StorageInternalError) as e:
                if not passing(e, local=self.local):
                    raise
                since = time.monotonic() if since is None else since
                self._pause(e, pause, time.monotonic() - since)
                pause = min(2 * pause, LONGEST_WAIT)
            else:
                if since is not None:
                    self.say(f"the storage answers again after {time.monotonic() - since:.0f} s; going on")
                return result

    def _pause(self, error: Exception, seconds: float, waited: float) -> None:
        """Wait for the next try. StudyError where there is to be none."""
        cause = hidden(one_line(getattr(_origin(error), "orig", None) or error), self.url)
        if waited > PATIENCE:
            self.fault = f"the storage has not answered for {waited:.0f} s ({cause}); start it and run the same command"
        elif self.stop():
            self.fault = f"stopped while the storage did not answer ({cause}); the same command goes on"
        if self.fault:
            raise StudyError(self.fault)
        if seconds == FIRST_WAIT or waited > LONGEST_WAIT:
            self.say(f"the storage does not answer ({cause}); trying again for up to {PATIENCE / 60:.0f} minutes")
        # many workers that were cut off at once should not come back at once
        until = time.monotonic() + seconds * SystemRandom().uniform(0.5, 1.0)
        while time.monotonic() < until and not self.stop():
            time.sleep(min(0.2, seconds))

    def _get_trials(
        self,
        study_id: int,
        states: Container[TrialState] | None,
        included_trial_ids: set[int],
        trial_id_greater_than: int,
    ) -> list[FrozenTrial]:
        """As Optuna's, but a whole study is read in pieces: so it takes a process less than half of time and memory."""

        def read(included: set[int], after: int) -> list[FrozenTrial]:
            return list(self.patiently(lambda: RDBStorage._get_trials(self, study_id, states, included, after)))

        if states is None and trial_id_greater_than < 0:
            ids: list[int] = self.patiently(lambda: self._ids(study_id))
            if len(ids) > PIECE:
                pieces = (set(ids[start : start + PIECE]) for start in range(0, len(ids), PIECE))
                with _no_collection():
                    return [trial for piece in pieces for trial in read(piece, _LAST_ID)]
        return read(included_trial_ids, trial_id_greater_than)

    def _ids(self, study_id: int) -> list[int]:
        with _create_scoped_session(self.scoped_session) as session:
            column = models.TrialModel.trial_id
            return [r[0] for r in session.query(column).filter(models.TrialModel.study_id == study_id).order_by(column)]

    def set_trial_state_values(self, trial_id: int, state: TrialState, values: Sequence[float] | None = None) -> bool:
        tries = 0

        def once() -> bool:
            nonlocal tries
            tries += 1
            try:
                return RDBStorage.set_trial_state_values(self, trial_id, state, values)
            except UpdateFinishedTrialError:
                # the try before this one was written, and only the answer got lost
                if tries > 1 and RDBStorage.get_trial(self, trial_id).state == state:
                    return True
                raise

        return bool(self.patiently(once))

    def record_heartbeat(self, trial_id: int) -> None:
        """A sign of life; one that is missed for a fault of the database is made up for by the next."""
        try:
            super().record_heartbeat(trial_id)
        except (SQLAlchemyError, StorageInternalError) as e:
            if not passing(e, local=self.local):
                raise

    def dead_trials(self, study_id: int) -> list[FrozenTrial]:
        """Running trials that no living worker is at."""
        running = self.get_all_trials(study_id, deepcopy=False, states=(TrialState.RUNNING,))
        if not running:
            return []
        silent, beating = self.patiently(lambda: self._heartbeats(study_id))
        return [t for t in running if self._dead(t, t._trial_id in silent, t._trial_id in beating)]

    def _heartbeats(self, study_id: int) -> tuple[set[int], set[int]]:
        """Ids of running trials without a sign of life for the grace period, and of those that ever gave one."""
        silent = set(super()._get_stale_trial_ids(study_id))
        with _create_scoped_session(self.scoped_session) as session:
            rows = (
                session.query(models.TrialHeartbeatModel.trial_id)
                .join(models.TrialModel, models.TrialModel.trial_id == models.TrialHeartbeatModel.trial_id)
                .filter(models.TrialModel.study_id == study_id, models.TrialModel.state == TrialState.RUNNING)
            )
            return silent, {row[0] for row in rows}

    def _dead(self, trial: FrozenTrial, silent: bool, beating: bool) -> bool:
        mark = TrialRecord.of(trial).process
        if mark and surely_gone(mark):
            return True
        if self.local and surely_there(mark):
            return False  # a computer that slept gave no sign of life either, and its workers go on
        if beating:
            return silent
        # its worker begins just now, or ended between asking for the trial and its first sign of life; clocks of
        # other machines may differ, so that time is counted here
        grace, now = float(self.grace_period or 0), time.monotonic()
        waited = now - self._seen.setdefault(trial._trial_id, now)
        if self.local and trial.datetime_start is not None:
            waited = max(waited, (datetime.now() - trial.datetime_start).total_seconds())
        return waited > grace

    def _get_stale_trial_ids(self, study_id: int) -> list[int]:
        """Ids of the dead trials, which Optuna fails and queues again; the reason is written while that is allowed."""
        found = []
        for trial in self.dead_trials(study_id):
            times = TrialRecord.of(trial).retries + 1
            reason = KILLED if times <= MAX_RETRY else killed_for_good(times)
            try:
                for name, value in attributes(reason=reason).items():
                    self.set_trial_user_attr(trial._trial_id, name, value)
            except UpdateFinishedTrialError:
                continue
            found.append(trial._trial_id)
        return found


def _to_stderr(text: str) -> None:
    with suppress(OSError):  # of a closed terminal
        sys.stderr.write(text + "\n")
        sys.stderr.flush()


def _waiting(name: str) -> Callable[..., Any]:
    method = getattr(RDBStorage, name)

    @functools.wraps(method)
    def call(self: PatientStorage, *args: Any, **options: Any) -> Any:
        return self.patiently(lambda: method(self, *args, **options))

    return call


for _name in (
    "create_new_study",
    "set_study_user_attr",
    "set_study_system_attr",
    "get_study_id_from_name",
    "get_study_name_from_id",
    "get_study_directions",
    "get_study_user_attrs",
    "get_study_system_attrs",
    "get_all_studies",
    "_create_new_trial",
    "_set_trial_param",
    "set_trial_intermediate_value",
    "set_trial_user_attr",
    "set_trial_system_attr",
    "get_trial_id_from_study_id_trial_number",
    "get_trial",
    "_get_best_trial_id",
):
    setattr(PatientStorage, _name, _waiting(_name))
