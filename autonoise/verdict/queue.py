"""The trainings after the search, handed out through the study's storage: whoever is there runs them.

Each training is a trial of a second Optuna study in the same storage, named after the searched one. It holds what to
train and, at its end, the result. Signs of life, lost workers and retries are those of the trials of a search.
"""

from __future__ import annotations

import base64
import binascii
import os
import socket
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages._heartbeat import get_heartbeat_thread
from optuna.trial import FrozenTrial, TrialState, create_trial

from autonoise.errors import AutonoiseError, StudyError
from autonoise.study.identity import process_mark
from autonoise.study.patient import PatientStorage
from autonoise.study.shared import TRAININGS
from autonoise.study.storage import patient_storage, sweep
from autonoise.study.trial_record import TrialRecord, attributes, facts_of
from autonoise.verdict.trainings import Job


@dataclass(frozen=True)
class Ticket:
    """A training that this process has taken on. ``key``: the name of its result, which no other training has."""

    trial_id: int
    key: str
    job: Job


class Queue:
    """The trainings of one study, for the process that wants them and for those that run them."""

    def __init__(self, study: optuna.Study, storage: PatientStorage) -> None:
        self._study, self._storage, self._id = study, storage, study._study_id

    @classmethod
    def of(cls, searched: optuna.Study) -> Queue | None:
        """The queue of a study; None where its storage is no database."""
        storage = patient_storage(searched)
        if storage is None:
            return None
        study = optuna.create_study(
            storage=searched._storage,
            study_name=searched.study_name + TRAININGS,
            load_if_exists=True,
            sampler=optuna.samplers.RandomSampler(),
        )
        return cls(study, storage)

    def hand_out(self, jobs: Mapping[str, Job]) -> None:
        """Queue the trainings, by their keys, that nobody has run, runs or will run."""
        there = {key for key, trial in self._newest().items() if trial.state != TrialState.FAIL}
        for key, job in jobs.items():
            if key not in there:
                facts = attributes(job={"key": key, **job.to_dict()})
                self._study.add_trial(create_trial(state=TrialState.WAITING, user_attrs=facts))

    def take(self) -> Ticket | None:
        """Take on the training that has waited longest; None where none waits."""
        # not through Optuna's cache, which would read the results of all others
        waiting = self._storage.get_all_trials(self._id, deepcopy=False, states=(TrialState.WAITING,))
        for trial in sorted(waiting, key=lambda t: t.number):
            try:
                if not self._storage.set_trial_state_values(trial._trial_id, TrialState.RUNNING):
                    continue
                told = facts_of(trial)["job"]
                self._write(trial._trial_id, process=process_mark(), host=socket.gethostname(), pid=os.getpid())
                return Ticket(trial._trial_id, str(told["key"]), Job.from_dict(told))
            except UpdateFinishedTrialError:
                continue
            except (KeyError, TypeError, ValueError, AutonoiseError):
                self._end(trial._trial_id, reason="what it should train cannot be read")
        return None

    def busy(self) -> bool:
        """Whether a training waits or is being run."""
        states = (TrialState.WAITING, TrialState.RUNNING)
        return bool(self._storage.get_all_trials(self._id, deepcopy=False, states=states))

    @contextmanager
    def alive(self, ticket: Ticket) -> Iterator[None]:
        """Give signs of life for a training while it is run."""
        with get_heartbeat_thread(ticket.trial_id, self._storage):
            yield

    def finish(self, ticket: Ticket, result: bytes) -> bool:
        """Hand in a result; False where the training had been given to another worker meanwhile."""
        return self._end(ticket.trial_id, result=base64.b64encode(result).decode())

    def fail(self, ticket: Ticket, reason: str) -> bool:
        """Tell why a training has failed; False as for :meth:`finish`."""
        return self._end(ticket.trial_id, reason=reason)

    def results(self, keys: Iterable[str]) -> dict[str, bytes]:
        """The results, by key, that are there. StudyError where a training has failed on another machine."""
        newest, out = self._newest(), {}
        for key in keys:
            trial = newest.get(key)
            record = None if trial is None else TrialRecord.of(trial)
            if trial is None or record is None:
                continue
            if trial.state == TrialState.FAIL and not record.killed:
                raise StudyError(f"a training failed on {record.host} ({record.reason}): mend that and run again")
            if trial.state == TrialState.COMPLETE:
                try:
                    out[key] = base64.b64decode(facts_of(trial)["result"], validate=True)
                except (KeyError, TypeError, binascii.Error):
                    raise StudyError(f"the result of a training that {record.host} sent cannot be read") from None
        return out

    def sweep(self) -> int:
        """Hand out again what workers had that are gone; returns how many trainings."""
        return sweep(self._study)

    def _newest(self) -> dict[str, FrozenTrial]:
        """Key → the trial of a training that was begun last: a lost one has successors."""
        trials = self._study.get_trials(deepcopy=False)
        return {str(facts_of(t).get("job", {}).get("key")): t for t in trials}

    def _write(self, trial_id: int, **facts: Any) -> None:
        for name, value in attributes(**facts).items():
            self._storage.set_trial_user_attr(trial_id, name, value)

    def _end(self, trial_id: int, **facts: Any) -> bool:
        state, values = (TrialState.COMPLETE, [0.0]) if "result" in facts else (TrialState.FAIL, None)
        try:
            self._write(trial_id, **facts)
            self._storage.set_trial_state_values(trial_id, state, values)
        except UpdateFinishedTrialError:
            return False
        return True
