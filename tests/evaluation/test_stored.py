"""Corrupted rows on disk: made once, the same as made anew, shared by processes, bounded, and gone at the end."""

from __future__ import annotations

import itertools
import multiprocessing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from study_samples import with_few_corruptions

from autonoise.corruptions.base import corruptions_for
from autonoise.corruptions.frozen import fix
from autonoise.data import load
from autonoise.data.splits import split
from autonoise.evaluation.stored import StoredSets
from autonoise.phases import run_search
from autonoise.study.config import StudyConfig
from autonoise.study.folder import StudyFolder
from autonoise.study.prepare import build_task, share_sets
from autonoise.training.task import Task


def counted(calls: list[int], value: Any) -> Any:
    calls.append(1)
    return value


def test_what_was_made_is_read_and_another_identity_is_not(tmp_path: Path) -> None:
    calls: list[int] = []
    value = np.arange(12, dtype=np.uint8).reshape(3, 4)
    for _ in range(3):
        found = StoredSets(tmp_path, "a").array(("x", 1), lambda: counted(calls, value))
        assert found.dtype == np.uint8 and (found == value).all()
    assert len(calls) == 1
    StoredSets(tmp_path, "b").array(("x", 1), lambda: counted(calls, value))
    StoredSets(tmp_path, "a").array(("x", 2), lambda: counted(calls, value))
    StoredSets(tmp_path, "a").of(7).array(("x", 1), lambda: counted(calls, value))
    assert len(calls) == 4
    StoredSets(tmp_path, "a").of(7).array(("x", 1), lambda: counted(calls, value))
    assert len(calls) == 4


def test_batches_of_tensors_and_of_mappings_come_back_alike(tmp_path: Path) -> None:
    store = StoredSets(tmp_path)
    batch = {"input_ids": torch.arange(6).reshape(2, 3), "attention_mask": torch.ones(2, 3)}
    for _ in range(2):
        found = store.batch(("m",), lambda: batch)
        assert isinstance(found, dict) and list(found) == list(batch)
        assert all(torch.equal(found[k], batch[k]) and found[k].dtype == batch[k].dtype for k in batch)
    for _ in range(2):
        one = store.batch(("t",), lambda: torch.eye(3))
        assert isinstance(one, torch.Tensor) and torch.equal(one, torch.eye(3))


def test_a_reader_may_write_and_harms_nobody(tmp_path: Path) -> None:
    store = StoredSets(tmp_path)
    for _ in range(3):
        array = store.array(("x",), lambda: np.zeros(4))
        assert (array == 0).all()
        array += 1
        batch = store.batch(("y",), lambda: torch.zeros(4))
        assert isinstance(batch, torch.Tensor) and bool((batch == 0).all())
        batch += 1


def test_the_bound_holds_and_what_does_not_fit_is_made_anew(tmp_path: Path) -> None:
    calls: list[int] = []
    store = StoredSets(tmp_path, limit=3000)
    for i in (1, 2, 3, 3):
        found = store.array((i,), lambda i=i: counted(calls, np.full(1200, i, np.uint8)))  # type: ignore[misc]
        assert (found == i).all()
    assert len(calls) == 4
    assert len(list(tmp_path.glob("*.npy"))) == 2
    assert sum(f.stat().st_size for f in tmp_path.iterdir()) <= 3000


def test_what_is_broken_on_disk_is_made_anew(tmp_path: Path) -> None:
    store = StoredSets(tmp_path)
    store.array(("x",), lambda: np.zeros(4))
    store.batch(("y",), lambda: torch.zeros(4))
    for file in tmp_path.glob("*.[np][pt]*"):
        file.write_bytes(b"broken")
    assert (store.array(("x",), lambda: np.ones(4)) == 1).all()
    assert (StoredSets(tmp_path).array(("x",), lambda: np.zeros(4)) == 1).all()
    assert torch.equal(store.batch(("y",), lambda: torch.ones(4)), torch.ones(4))  # type: ignore[arg-type]
    assert not list(tmp_path.glob("*.half"))


def test_a_disk_that_cannot_be_written_costs_nothing_but_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: Any, **options: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("autonoise.evaluation.stored._save_array", full)
    store = StoredSets(tmp_path)
    assert (store.array(("x",), lambda: np.ones(4)) == 1).all()
    assert not list(tmp_path.glob("*.npy")) and not list(tmp_path.glob("*.half"))
    nowhere = StudyFolder(tmp_path / "file" / "study")
    (tmp_path / "file").write_text("")
    task = build_task(StudyConfig(data="wine", study="s", out=str(tmp_path / "s")))
    share_sets(task, nowhere)
    assert task.stored is None


def _slowly(folder: str, n: int, results: Any) -> None:
    import time

    def make() -> np.ndarray[Any, Any]:
        results.put("made")
        time.sleep(0.3)
        return np.full(5, n)

    found = StoredSets(Path(folder)).array(("x",), make)
    results.put(int(found[0]))


def test_two_processes_that_need_a_set_at_once_make_it_once(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    processes = [context.Process(target=_slowly, args=(str(tmp_path), n, results)) for n in (1, 2)]
    for p in processes:
        p.start()
    found = [results.get(timeout=60) for _ in range(3)]
    for p in processes:
        p.join()
    assert found.count("made") == 1
    assert len({x for x in found if x != "made"}) == 1


@pytest.mark.parametrize("name", ["wine", "toy_topics", "digits"])
def test_stored_sets_equal_those_made_anew(tmp_path: Path, name: str) -> None:
    data = load(name)
    frozen = tuple(fix(c, study_seed=3) for c in corruptions_for(data.data_type, "search")[:2])
    made = Task(data, split(data, seed=0), data.y, data.y, frozen=frozen)
    for _ in range(2):  # the second time from disk
        stored = Task(data, split(data, seed=0), data.y, data.y, frozen=frozen, stored=StoredSets(tmp_path))
        for f in frozen:
            for part, severity in itertools.product(("search", "confirm"), (2, 5)):
                a, b = (task.sets(part, group=f.group).noisy(f, severity) for task in (made, stored))
                _assert_equal(a, b)
            _assert_equal(
                made.sets("search", group=f.group).first(20).noisy(f, 2),
                stored.sets("search", group=f.group).first(20).noisy(f, 2),
            )
    files = len([f for f in tmp_path.iterdir() if f.suffix != ".lock"])
    assert files == 5 * len(frozen)
    # other rows of the same part, such as those of another fold or seed, are other sets
    other = Task(data, split(data, seed=1), data.y, data.y, seed=1, frozen=frozen, stored=StoredSets(tmp_path))
    other.sets("search", group=frozen[0].group).noisy(frozen[0], 2)
    assert len([f for f in tmp_path.iterdir() if f.suffix != ".lock"]) == files + 1


def _assert_equal(a: Any, b: Any) -> None:
    if isinstance(a, torch.Tensor):
        assert torch.equal(a, b)
    else:
        assert list(a) == list(b) and all(torch.equal(a[k], b[k]) for k in a)


def test_the_processes_of_a_study_share_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[int] = []
    forget = StudyFolder.forget_sets
    monkeypatch.setattr(
        StudyFolder,
        "forget_sets",
        lambda folder: (kept.append(len(list(folder.sets.glob("*.pt")))), forget(folder))[1],
    )
    with_few_corruptions(monkeypatch)
    config = StudyConfig(data="wine", study="s", out=str(tmp_path / "s"), trials=1, epochs=1, seeds=3)
    assert run_search(config).result is not None
    # one of every corruption at two severities of the search rows at least, and all five of the test rows
    assert kept and kept[0] >= 4 * 2 + 4 * 5
    assert not (tmp_path / "s" / "sets").exists()
