"""How often a process asks the database for trials, and what it sees all the same."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.storages import RDBStorage
from study_samples import config_of

from autonoise.study import few_reads, patient
from autonoise.study.storage import open_storage, open_study, patient_storage

pytestmark = pytest.mark.filterwarnings("ignore:Heartbeat of storage:UserWarning")


@pytest.fixture
def two(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[optuna.Study, optuna.Study, list[int]]]:
    """A study as two processes see it, and a list that grows with each read of trials by the first."""
    config, reads = config_of(tmp_path, storage=f"sqlite:///{tmp_path}/t.db"), list[int]()
    mine, other = (open_study(config, open_storage(config.storage_url)) for _ in range(2))
    backend = patient_storage(mine)
    assert backend is not None
    before = backend._get_trials

    def counted(*given: object, **options: object) -> object:
        reads.append(1)
        return before(*given, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(backend, "_get_trials", counted)
    monkeypatch.setattr(few_reads, "FRESH", 1000.0)
    yield mine, other, reads
    for study in (mine, other):
        storage = patient_storage(study)
        assert storage is not None
        storage.remove_session()
        storage.engine.dispose()


def test_a_process_without_a_trial_sees_all_at_once(two: tuple[optuna.Study, optuna.Study, list[int]]) -> None:
    mine, other, _ = two
    for n in range(3):
        other.tell(other.ask(), 0.5)
        assert len(mine.get_trials()) == n + 1


def test_a_trial_is_drawn_with_one_read(two: tuple[optuna.Study, optuna.Study, list[int]]) -> None:
    mine, other, reads = two
    mine.sampler = optuna.samplers.TPESampler(seed=0, multivariate=True, group=True, n_startup_trials=2)
    for _ in range(4):
        trial = mine.ask()
        reads.clear()
        for i in range(12):
            if trial.suggest_categorical(f"use.{i}", (True, False)):
                trial.suggest_float(f"x.{i}", 0, 1)
        assert len(reads) <= 1
        mine.tell(trial, 0.5)
    assert len(other.get_trials()) == 4


def test_what_changes_its_own_trial_lets_it_look_again(two: tuple[optuna.Study, optuna.Study, list[int]]) -> None:
    mine, other, _ = two
    trial = mine.ask()
    assert len(mine.get_trials()) == 1
    other.tell(other.ask(), 0.5)
    assert len(mine.get_trials()) == 1  # not asked for again yet
    trial.report(0.1, 1)
    assert len(mine.get_trials()) == 2
    mine.tell(trial, 0.5)
    other.tell(other.ask(), 0.5)
    assert [t.value for t in mine.get_trials()] == [0.5] * 3


def test_news_are_old_after_a_while(
    two: tuple[optuna.Study, optuna.Study, list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, other, _ = two
    mine.ask()
    mine.get_trials()
    other.tell(other.ask(), 0.5)
    monkeypatch.setattr(few_reads, "FRESH", 0.0)
    assert len(mine.get_trials()) == 2


def test_a_trial_that_was_taken_away_ends_it(two: tuple[optuna.Study, optuna.Study, list[int]]) -> None:
    """Another process has ended the trial of one that stood still, which must not take its news for fresh for ever."""
    mine, other, _ = two
    trial = mine.ask()
    other.get_trials()
    other._storage.set_trial_state_values(trial._trial_id, optuna.trial.TrialState.FAIL)
    with pytest.raises((ValueError, RuntimeError)):
        mine._storage.set_trial_state_values(trial._trial_id, optuna.trial.TrialState.COMPLETE, [0.5])
    other.tell(other.ask(), 0.5)
    mine.get_trials()
    other.tell(other.ask(), 0.5)
    assert len(mine.get_trials()) == 3


@pytest.mark.parametrize("piece", [1, 3, 4, 9, 10])
def test_a_whole_study_is_read_in_pieces(
    two: tuple[optuna.Study, optuna.Study, list[int]], monkeypatch: pytest.MonkeyPatch, piece: int
) -> None:
    """Trials of two studies, whose ids alternate, in several states: as many pieces as needed, each trial once."""
    mine, other, _ = two
    foreign = optuna.create_study(storage=other._storage, study_name="another")
    for n in range(9):
        trial = other.ask()
        foreign.tell(foreign.ask(), 7.0)
        trial.suggest_float("x", 0, n + 1)
        trial.set_user_attr("n", [n, "a"])
        if n % 4:
            other.tell(trial, n / 10)
    monkeypatch.setattr(patient, "PIECE", piece)
    asked: list[set[int]] = []
    once = RDBStorage._get_trials

    def counted(self: RDBStorage, study_id: int, states: Any, included: set[int], after: int) -> Any:
        asked.append(included)
        return once(self, study_id, states, included, after)

    monkeypatch.setattr(RDBStorage, "_get_trials", counted)
    backend = patient_storage(mine)
    assert backend is not None
    found = backend._get_trials(mine._study_id, None, set(), -1)
    assert gc.isenabled()
    assert [len(ids) for ids in asked] == (
        [0] if piece >= 9 else [len(range(9)[i : i + piece]) for i in range(0, 9, piece)]
    )
    assert found == once(backend, mine._study_id, None, set(), -1)
    assert [t.number for t in found] == list(range(9)) and [t.user_attrs["n"][0] for t in found] == list(range(9))
