"""Joining a study by the address of its storage: what is checked, what is run, what is not needed."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState
from sklearn.datasets import load_wine
from study_samples import config_of, policy_of, space_of, with_few_corruptions

from autonoise import joining
from autonoise.corruptions.frozen import digest
from autonoise.errors import DataError, StudyError
from autonoise.joining import Place, join
from autonoise.phases import run_search
from autonoise.study.folder import RunResult, StudyFolder
from autonoise.study.identity import process_mark
from autonoise.study.prepare import build_task, ensure_corruptions
from autonoise.study.session import Session
from autonoise.study.shared import KEY, Shared, sha256_of, share
from autonoise.study.storage import claim, finished, open_storage, open_study
from autonoise.study.trial_record import KILLED, StudyRecord, TrialRecord, write_facts
from autonoise.trials.objective import Objective
from autonoise.verdict import sharing
from autonoise.verdict.queue import Queue
from autonoise.verdict.trainings import Job, Runner

pytestmark = pytest.mark.filterwarnings("ignore:Heartbeat of storage:UserWarning")
MODEL = """import torch

def make(spec, classes):
    return torch.nn.Linear(13, classes)
"""


def begin(folder: Path, **changes: Any) -> SimpleNamespace:
    """A study as it is once its search has calibrated its noise, in a database outside its folder."""
    folder.mkdir()
    frame = load_wine(as_frame=True).frame
    frame.to_csv(folder / "wine.csv", index=False)
    given = {"trials": 2, "epochs": 1, "study": "shop", "engine": "random", **changes}
    storage = f"sqlite:///{folder}/trials.db"
    config = config_of(folder / "out", data=str(folder / "wine.csv"), target="target", storage=storage, **given)
    task, space, home = build_task(config), space_of(), StudyFolder(config.out)
    home.create()
    study = open_study(config, open_storage(storage))
    claim(study, config, {"space_hash": space.hash, "data_fingerprint": task.dataset.fingerprint})
    frozen = ensure_corruptions(task, home, seed=config.seed)
    claim(study, config, {"frozen_corruptions": digest(frozen)})
    share(study, config, space, task, home)
    write_facts(study, phase="search")
    shutil.copy(folder / "wine.csv", folder / "elsewhere.csv")
    place = Place(storage, "shop", data=str(folder / "elsewhere.csv"))
    return SimpleNamespace(folder=folder, config=config, task=task, study=study, home=home, place=place, space=space)


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimpleNamespace]:
    with pytest.MonkeyPatch.context() as patch:
        with_few_corruptions(patch)
        yield begin(tmp_path_factory.mktemp("begun") / "driver")


@pytest.fixture
def begun(original: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A copy of the begun study's database and data on "another machine", without the study's folder."""
    monkeypatch.setattr(sharing, "IDLE", 0.0)
    for name in ("trials.db", "elsewhere.csv"):
        shutil.copy(original.folder / name, tmp_path / name)
    storage = f"sqlite:///{tmp_path}/trials.db"
    study = optuna.load_study(study_name="shop", storage=open_storage(storage))
    place = Place(storage, "shop", data=str(tmp_path / "elsewhere.csv"))
    return SimpleNamespace(folder=tmp_path, study=study, place=place)


def rewrite(begun: SimpleNamespace, **changes: Any) -> None:
    """Change what the storage says of the study."""
    shared = Shared.of(begun.study)
    assert shared is not None
    values = {"format": "autonoise-shared/1", **vars(replace(shared, **changes))}
    begun.study._storage.set_study_system_attr(begun.study._study_id, KEY, values)


def settings(begun: SimpleNamespace, **changes: Any) -> dict[str, Any]:
    shared = Shared.of(begun.study)
    assert shared is not None
    return {**shared.settings, **changes}


def test_a_worker_needs_the_address_and_the_data_and_stops_at_the_total(begun: SimpleNamespace) -> None:
    config, done, ran = join(begun.place)
    assert (done, ran, config.trials) == (2, 0, 2)
    trials = begun.study.get_trials()
    assert [t.state.is_finished() for t in trials] == [True, True]
    assert any(TrialRecord.of(t).scored for t in trials)
    assert not Path(config.out).exists()  # the worker's own folder
    assert sorted(p.name for p in begun.folder.iterdir()) == ["elsewhere.csv", "trials.db"]
    assert join(begun.place)[1] == 2  # a second one has nothing to do


def test_workers_and_the_search_train_alike(begun: SimpleNamespace, original: SimpleNamespace, tmp_path: Path) -> None:
    """The same policy trained by the search's own task and by a worker has the same scores to the last digit."""
    begun.study.enqueue_trial(original.space.parameters_of(policy_of("mixup", alpha=0.2)))
    rewrite(begun, settings=settings(begun, trials=1))
    join(begun.place)
    record = TrialRecord.of(begun.study.get_trials()[0])
    here = optuna.create_study(direction="maximize", sampler=optuna.samplers.RandomSampler(seed=0))
    here.enqueue_trial(original.space.parameters_of(policy_of("mixup", alpha=0.2)))
    here.optimize(Objective(original.task, original.space, original.config), n_trials=1)
    assert (record.clean, record.noisy) == pytest.approx(
        (TrialRecord.of(here.trials[0]).clean, TrialRecord.of(here.trials[0]).noisy), abs=0
    )


def test_no_trial_is_begun_once_the_search_has_ended(begun: SimpleNamespace) -> None:
    write_facts(begun.study, phase="verdict")
    assert join(begun.place)[1] == 0


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"version": "0.0.9"}, r"begun with autonoise 0\.0\.9, and here is .*pip install \"autonoise==0\.0\.9\""),
        ({"space": {**space_of().source, "max_techniques": 1}}, "other search space .*same version"),
        ({"noisy": "sha256:1"}, "other noisy rows than None .*--noisy-val"),
    ],
)
def test_what_differs_is_refused_in_one_line(begun: SimpleNamespace, changes: dict[str, Any], told: str) -> None:
    rewrite(begun, **changes)
    with pytest.raises(StudyError, match=told) as e:
        join(begun.place)
    assert "\n" not in str(e.value)
    assert not begun.study.get_trials()


def test_other_data_are_refused(begun: SimpleNamespace) -> None:
    path = begun.folder / "elsewhere.csv"
    path.write_text(path.read_text().replace("14.23", "14.24"))
    with pytest.raises(StudyError, match=r"other data than .*elsewhere\.csv \(there sha256.*give the study's data"):
        join(begun.place)
    with pytest.raises(DataError, match=r"no such file.*--data says where"):
        join(replace(begun.place, data=str(begun.folder / "nowhere.csv")))


def test_other_corruptions_or_rows_of_them_are_refused(begun: SimpleNamespace) -> None:
    shared = Shared.of(begun.study)
    assert shared is not None
    last = shared.corruptions["corruptions"][-1]
    others = shared.corruptions["corruptions"][:-1]
    stronger = {**last, "amounts": [2 * a for a in last["amounts"]]}
    rewrite(begun, corruptions={**shared.corruptions, "corruptions": [*others, stronger]})
    with pytest.raises(StudyError, match="other frozen corruptions"):
        join(begun.place)
    unlike = {**last, "checksums": {"search0/3": "sha256:1"}}
    rewrite(begun, corruptions={**shared.corruptions, "corruptions": [*others, unlike]})
    with pytest.raises(StudyError, match=f"other rows after the corruption {last['name']} .*versions of the libraries"):
        join(begun.place)


def test_a_model_is_named_by_the_worker_and_never_by_the_database(begun: SimpleNamespace) -> None:
    (begun.folder / "mine.py").write_text(MODEL)
    path, other = f"{begun.folder}/mine.py:make", f"{begun.folder}/other.py:make"
    with pytest.raises(StudyError, match="leave --model out"):
        join(replace(begun.place, model=path))
    model = settings(begun, model="/home/me/mine.py:make")
    rewrite(begun, settings=model, digests={"model": sha256_of(begun.folder / "mine.py")})
    with pytest.raises(StudyError, match=r"by --model, as in --model /home/me/mine\.py:make"):
        join(begun.place)
    with pytest.raises(StudyError, match="name the same function"):
        join(replace(begun.place, model=path.replace(":make", ":build")))
    (begun.folder / "other.py").write_text(MODEL.replace("13", "12 + 1"))
    with pytest.raises(StudyError, match=r"other code than .*other\.py"):
        join(replace(begun.place, model=other))
    assert join(replace(begun.place, model=path))[1] == 2
    rewrite(begun, settings=settings(begun, model="in memory:build"))
    with pytest.raises(StudyError, match="function in memory"):
        join(begun.place)


def test_clips_must_lie_at_their_place(begun: SimpleNamespace) -> None:
    rewrite(begun, clips=f"{begun.folder}/clips.npz", digests={"clips": "0"})
    with pytest.raises(StudyError, match=r"clips\.npz, which this machine lacks"):
        join(begun.place)
    (begun.folder / "clips.npz").write_bytes(b"other")
    with pytest.raises(StudyError, match="other clips than"):
        join(begun.place)


def test_a_study_that_is_not_there_is_told_with_those_that_are(begun: SimpleNamespace) -> None:
    Queue.of(begun.study)
    with pytest.raises(StudyError, match=r"no study 'shp' \(there are: shop\).*--wait 10m"):
        join(replace(begun.place, study="shp"))
    begun.study._storage.set_study_system_attr(begun.study._study_id, KEY, {"format": "autonoise-shared/9"})
    with pytest.raises(StudyError, match="in another way"):
        join(begun.place)
    begun.study._storage.set_study_system_attr(begun.study._study_id, KEY, {"format": "autonoise-shared/1"})
    with pytest.raises(StudyError, match="is damaged"):
        join(begun.place)
    begun.study._storage.set_study_system_attr(begun.study._study_id, KEY, None)
    with pytest.raises(StudyError, match="has to calibrate its noise first"):
        join(begun.place, wait=0.01)


def test_a_worker_that_waits_for_trainings_runs_a_trial_that_another_lost(
    begun: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = begun.study.ask()
    write_facts(theirs, process=process_mark())
    looks: list[bool] = []

    def waits(queue: Queue, task: Any, config: Any, stop: Any, over: Callable[[], bool], say: Any) -> int:
        looks.append(over())
        if len(looks) == 1:
            write_facts(theirs, reason=KILLED)
            begun.study.tell(theirs, state=TrialState.FAIL)
            assert over()
        return 1

    monkeypatch.setattr(joining, "serve", waits)
    assert join(begun.place)[1:] == (2, 2)
    assert looks == [False, False]  # both of two trials were taken, and both are finished
    assert [t.state for t in begun.study.get_trials()].count(TrialState.FAIL) == 1


def test_the_trainings_after_the_search_are_run_by_workers(begun: SimpleNamespace, original: SimpleNamespace) -> None:
    """A search without processes of its own gets from a worker what it would have trained itself."""
    write_facts(begun.study, phase="verdict")
    jobs = [Job(policy_of("mixup", alpha=0.2), "confirm", 1), Job(policy_of("dropout"), "test", 100)]
    queue = Queue.of(begun.study)
    assert queue is not None
    config, folder = replace(original.config, out=str(begun.folder / "out")), StudyFolder(begun.folder / "out")
    folder.create()
    runner = sharing.SharedRunner(config, original.task, folder, 0, queue=queue)
    queue.hand_out({runner._file(job).stem: job for job in jobs})
    assert join(begun.place)[2] == 2
    told: list[int] = []
    found = runner.run([*jobs, jobs[0]], done=told.append)
    assert told == [1, 2]
    own = Runner(original.config, original.task, original.home, 1).run(jobs)
    for a, b in zip(found, [*own, own[0]], strict=True):
        assert isinstance(a, RunResult) and isinstance(b, RunResult)
        assert a.corruptions == b.corruptions and (a.correct == b.correct).all()
        assert {k: v.tolist() for k, v in a.noisy.items()} == {k: v.tolist() for k, v in b.noisy.items()}


def test_a_search_goes_on_from_another_folder_with_the_same_corruptions(
    begun: SimpleNamespace, original: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Calibrating again would give other amounts on a machine that rounds otherwise; scores would not compare."""

    class ReachedError(Exception): ...

    def stop_here(session: Session) -> None:
        raise ReachedError(digest(session.task.frozen), session.space.hash)

    def calibrated(*given: Any) -> None:
        raise AssertionError("calibrated again")

    monkeypatch.setattr("autonoise.phases.enqueue", stop_here)
    monkeypatch.setattr("autonoise.study.prepare._calibrate", calibrated)
    out, data = str(begun.folder / "new"), str(begun.folder / "elsewhere.csv")
    config = replace(original.config, out=out, data=data, storage=begun.place.storage)
    with pytest.raises(ReachedError) as e:
        run_search(config, original.space)
    assert e.value.args == (digest(original.task.frozen), original.space.hash)
    assert StudyRecord.of(begun.study).claims["frozen_corruptions"] == e.value.args[0]


def test_finished_trials_of_others_count(begun: SimpleNamespace) -> None:
    for _ in range(2):
        begun.study.tell(begun.study.ask(), state=TrialState.FAIL)
    assert len(finished(begun.study)) == 2 == join(begun.place)[1]
