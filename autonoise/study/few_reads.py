"""A cache of trials that asks the database once per question, where Optuna's asks dozens of times."""

from __future__ import annotations

import time
from collections.abc import Sequence

from optuna.storages._cached_storage import _CachedStorage
from optuna.storages._rdb.storage import RDBStorage
from optuna.trial import FrozenTrial, TrialState

FRESH = 2.0
"""Seconds for which a process that is at a trial takes what it has read of other trials for what is there."""


class FewReads(_CachedStorage):
    """Optuna's cache of finished trials, without its repeated reads while a trial is drawn.

    Optuna looks for news of other trials each time it needs them; TPE by groups does for each technique, thirty
    to forty times a trial. Here a process that is at a trial looks again only after ``FRESH`` seconds, or once it
    has written a state or an intermediate value, by which samplers and pruners go. A process without a trial of its own
    (that of the search, of status) always looks. So one worker sees all that it saw before, and of several each sees
    the others' news ``FRESH`` seconds later at most.
    """

    def __init__(self, backend: RDBStorage) -> None:
        super().__init__(backend)
        self._own: set[int] = set()
        self._read_at: dict[int, float] = {}

    def _read_trials_from_remote_storage(self, study_id: int) -> None:
        begun = time.monotonic()
        if self._own and begun - self._read_at.get(study_id, -FRESH) < FRESH:
            return
        super()._read_trials_from_remote_storage(study_id)
        self._read_at[study_id] = begun

    def create_new_trial(self, study_id: int, template_trial: FrozenTrial | None = None) -> int:
        trial_id = super().create_new_trial(study_id, template_trial)
        self._read_at.clear()
        if template_trial is None or template_trial.state == TrialState.RUNNING:
            self._own.add(trial_id)
        return trial_id

    def set_trial_state_values(self, trial_id: int, state: TrialState, values: Sequence[float] | None = None) -> bool:
        self._read_at.clear()
        if state.is_finished():
            # also where the write is refused: another process has ended the trial then
            self._own.discard(trial_id)
        done = super().set_trial_state_values(trial_id, state, values)
        if done and state == TrialState.RUNNING:
            self._own.add(trial_id)
        return done

    def set_trial_intermediate_value(self, trial_id: int, step: int, intermediate_value: float) -> None:
        self._read_at.clear()
        super().set_trial_intermediate_value(trial_id, step, intermediate_value)
