"""Writing notes and graphs into the storage of a study, where every Optuna dashboard finds them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import optuna
from optuna.trial import TrialState

from autonoise.dashboard.graphs import figures
from autonoise.dashboard.notes import Facts, study_note, trial_note
from autonoise.errors import AutonoiseError, MissingExtraError
from autonoise.files import read_data
from autonoise.study.config import StudyConfig
from autonoise.study.folder import StudyFolder
from autonoise.study.storage import completed, finished
from autonoise.study.trial_record import StudyRecord, TrialRecord

NOTED = 100
"""Trials that get a note, at most.

Optuna keeps all notes in one set of attributes of the study, and the dashboard reads the whole set once for each trial
that it shows: with notes on all of 5,000 trials it needs minutes for a page. The attributes of every trial say
the same, its policy in words first.
"""
OWN = "---\n\n*What you write below this line is kept.*\n"
"""The end of the study's note; what follows it is the reader's."""


class _Storage:
    """The attributes of a study, read once; only what changes is written."""

    def __init__(self, study: optuna.Study) -> None:
        self._storage, self._id = study._storage, study._study_id
        self._known = dict(self._storage.get_study_system_attrs(self._id))

    def get_study_system_attrs(self, study_id: int) -> dict[str, Any]:
        return self._known

    def set_study_system_attr(self, study_id: int, key: str, value: Any) -> None:
        if self._known.get(key) != value:
            self._storage.set_study_system_attr(study_id, key, value)
            self._known[key] = value


class _Target:
    """A study (``trial_id`` None) or a finished trial, as optuna-dashboard writes to it.

    It offers ``save_note`` only for running trials, by their type, though notes are attributes of the study.
    """

    def __init__(self, storage: _Storage, study_id: int, trial_id: int | None = None) -> None:
        self.storage = self._storage = storage
        self.study, self._study_id, self._trial_id = self, study_id, trial_id


def publish(study: optuna.Study, config: StudyConfig) -> None:
    """Write the notes of trials and study, and the graphs. What has not changed is not written again.

    A trial's note is written once, so that what somebody changes in it stays. Raises MissingExtraError without
    optuna-dashboard.
    """
    try:
        from optuna_dashboard import get_note, save_note, save_plotly_graph_object
    except ImportError:
        raise MissingExtraError.of("optuna-dashboard", "dashboard", "the notes of a study") from None
    storage, folder = _Storage(study), StudyFolder(config.out)
    records = finished(study)
    baseline = next((r for r in records if r.without_noise and r.scored), None)
    noted = worth_a_note(records)
    for record in noted:
        target: Any = _Target(storage, study._study_id, record.trial._trial_id)
        if not get_note(target):
            save_note(target, trial_note(record, baseline))
    best = next((r for r in completed(study) if r.techniques), None)
    techniques, presets = _searched(folder)
    counts = Counter(t.state.name.lower() for t in study.get_trials(deepcopy=False))
    about = StudyRecord.of(study).claims.get("about", ())
    result = folder.load_result()
    facts = Facts(config, about, techniques, presets, counts, baseline, best, result, len(noted), _exported(folder))
    whole: Any = _Target(storage, study._study_id)
    before = get_note(whole)
    _, mark, own = before.partition(OWN)
    note = f"{study_note(facts)}\n\n{OWN}{own if mark else before and f'{chr(10)}{before}'}"
    if note != before:
        save_note(whole, note)
    for name, figure in figures(records, result).items():
        save_plotly_graph_object(whole, figure, graph_object_id=name)


def worth_a_note(records: Sequence[TrialRecord]) -> list[TrialRecord]:
    """At most ``NOTED`` trials, by number: training without noise, then the best, then the last that did not complete.

    Of the best and of the others there is at least half each, where there are so many.
    """
    done = sorted(
        (r for r in records if r.state == TrialState.COMPLETE),
        key=lambda r: (not r.without_noise, not r.scored, -r.score if r.scored else 0.0, r.number),
    )
    others = sorted((r for r in records if r.state != TrialState.COMPLETE), key=lambda r: -r.number)
    best = max(NOTED - len(others), NOTED // 2)
    kept = [*done[:best], *others[: NOTED - min(len(done), best)]]
    return sorted(kept, key=lambda r: r.number)


def _searched(folder: StudyFolder) -> tuple[list[str], int]:
    """The techniques of the space and how many recipes it lists; nothing where its file cannot be read."""
    try:
        space = read_data(folder.space_file, AutonoiseError, "search space")
    except AutonoiseError:
        return [], 0
    return list(space.get("techniques") or {}), len(space.get("presets") or ())


def _exported(folder: StudyFolder) -> tuple[dict[str, Any], ...]:
    """The steps in policy.yaml; none where there is no such file that can be read."""
    try:
        return tuple(dict(s) for s in read_data(folder.policy_file, AutonoiseError, "policy").get("steps") or ())
    except AutonoiseError:
        return ()
