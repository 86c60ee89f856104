"""The facts of trials and studies: written under autonoise's prefix, read back by name and type."""

from __future__ import annotations

import gc
import math
import weakref
from pathlib import Path

import optuna
import pytest
from optuna.storages import InMemoryStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

from autonoise.policy.policy import TRIAL_ATTRIBUTE
from autonoise.study.trial_record import KILLED, StudyRecord, TrialRecord, attributes, facts_of, records_of, write_facts

POLICY = {"steps": [{"technique": "dropout", "p": 0.1}, {"technique": "mixup"}]}


def test_a_running_trial_writes_facts_that_its_record_reads() -> None:
    study = optuna.create_study(direction="maximize")
    trial = study.ask()
    before = TrialRecord.of(trial)
    assert (before.seconds, before.work, before.rung, before.pid, before.reason) == (0.0, 0.0, None, None, "")
    assert math.isnan(before.score)
    assert not before.scored
    assert not before.without_noise  # it has no policy yet
    trial.set_user_attr("score", 0.1)  # somebody else's
    write_facts(trial, policy=POLICY, score=0.75, clean=None, pid=7, rung=1, **{"noisy.blur": 0.5})
    study.tell(trial, 0.75)
    frozen = study.trials[0]
    assert frozen.user_attrs["autonoise.score"] == 0.75
    assert frozen.user_attrs[TRIAL_ATTRIBUTE] == POLICY  # where SearchSpace.suggest and Policy.from_trial have it
    assert frozen.user_attrs["autonoise.noisy.blur"] == 0.5
    record = TrialRecord.of(frozen)
    assert (record.number, record.score, record.pid, record.rung) == (0, 0.75, 7, 1)
    assert record.techniques == ("dropout", "mixup")
    assert math.isnan(record.clean)
    assert set(facts_of(frozen)) == {"policy", "score", "clean", "pid", "rung", "noisy.blur"}


def test_what_a_record_says_of_its_trial() -> None:
    def record(state: TrialState = TrialState.COMPLETE, **facts: object) -> TrialRecord:
        value = 0.5 if state is TrialState.COMPLETE else None
        reports = {1: 0.25} if state is TrialState.PRUNED else {}
        return TrialRecord.of(
            optuna.trial.create_trial(
                state=state, value=value, user_attrs=attributes(**facts), intermediate_values=reports
            )
        )

    assert record(policy={"steps": []}).without_noise
    assert not record(policy=POLICY).without_noise
    assert record(constraints={"cost": 0.0, "clean_drop": -0.1}).feasible
    assert not record(constraints={"cost": -1.0, "clean_drop": 0.1}).feasible
    assert record().feasible
    assert record(TrialState.FAIL, reason=KILLED).killed
    assert not record(TrialState.FAIL, reason="out of memory").killed
    assert not record(reason=KILLED).killed
    assert record(TrialState.PRUNED).value == 0.25
    assert record(score=0.5).value == 0.5
    assert math.isnan(record().value)


def test_the_record_of_a_study() -> None:
    study = optuna.create_study()
    assert StudyRecord.of(study) == StudyRecord({}, False, None, (), ())
    looks = [{"verdict": 1, "looks": []}]
    write_facts(study, seeded=True, test_contestants=["a+b"], verdict_looks=looks, space_hash="abc")
    record = StudyRecord.of(study)
    assert (record.seeded, record.test_contestants, record.verdict_looks) == (True, ("a+b",), tuple(looks))
    assert record.claims["space_hash"] == "abc"


@pytest.mark.parametrize("kind", ["memory", "sqlite", "journal"])
def test_records_of_finished_trials_are_made_once(kind: str, tmp_path: Path) -> None:
    """Of two studies in one storage. What still runs is read anew each time."""
    storage: optuna.storages.BaseStorage = InMemoryStorage()
    if kind == "journal":
        storage = optuna.storages.JournalStorage(JournalFileBackend(str(tmp_path / "log")))
    url = f"sqlite:///{tmp_path}/t.db"
    one, two = (optuna.create_study(storage=url if kind == "sqlite" else storage, study_name=n) for n in ("a", "b"))
    done, ran = one.ask(), one.ask()
    write_facts(two.ask(), reason="of the other study")
    write_facts(done, reason="first")
    one.tell(done, 0.5)
    write_facts(ran, reason="once")
    first = records_of(one)
    assert [r.reason for r in first] == ["first", "once"]
    write_facts(ran, reason="twice")
    second = records_of(one)
    assert second[0] is first[0] and second[1].reason == "twice"
    one.tell(ran, state=TrialState.FAIL)
    third = records_of(one)
    assert third[0] is first[0]
    assert (third[1].reason, third[1].state) == ("twice", TrialState.FAIL)
    assert records_of(one)[1] is third[1]
    assert [r.number for r in records_of(one, (TrialState.FAIL,))] == [1]
    assert [r.reason for r in records_of(two)] == ["of the other study"]


def test_records_go_with_their_storage() -> None:
    study = optuna.create_study()
    study.tell(study.ask(), 0.5)
    gone = weakref.ref(records_of(study)[0])
    del study
    gc.collect()
    assert gone() is None
