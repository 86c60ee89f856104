"""Thousands of damaged files: each is read, or refused in one line, in little time and memory; no code in it runs.

``make test`` tries a few of each kind, ``make test-faults`` all. AUTONOISE_MUTATED multiplies their number.
"""

from __future__ import annotations

import gc
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import damaged_data
import damaged_documents
import damaged_folders
import judged
import numpy as np
import optuna
import pytest
from judged import MEMORY, SECONDS, import_everything, judge, judge_process
from mutations import CANARY, Rng

from autonoise.policy import Policy, Step
from autonoise.study.config import StudyConfig

MANY = float(os.environ.get("AUTONOISE_MUTATED", "1"))
FORMATS = damaged_data.FORMATS | damaged_folders.FORMATS
Make = Callable[[Path, Rng], damaged_documents.Calls]


@pytest.fixture(scope="module")
def imported() -> Iterator[None]:
    import_everything()
    gc.collect()
    gc.freeze()  # or collecting garbage would copy all of this process's memory into each forked one
    yield
    gc.unfreeze()


def trying(kind: str, make: Make, count: int, root: Path, *, processes: int = 0, first: int = 0) -> None:
    """Damage ``count`` files and judge what became of the commands that read them.

    ``processes``: so many are also read by a process that Python starts from nothing. ``first``: the first seed.
    """
    ended, faults, slowest, most = Counter[str](), list[str](), 0.0, 0
    for seed in range(first, first + count):
        folder = root / f"{kind.strip('.')}{seed}"
        folder.mkdir()
        calls = make(folder, np.random.default_rng([seed, sum(map(ord, kind))]))
        accepted = (0, 1, 2) if kind == "policy" else (0, 2)  # diff ends with 1 where two policies differ
        if seed - first < processes:
            typed = [c for c in calls if not callable(c)][:1]
            faults += [f"{kind} {seed}, a process: {f}" for c in typed for f in judge_process(c, folder, accepted)]
        out = judge(calls, folder, accepted)
        ended["refused" if out.refused else "accepted"] += 1
        slowest, most = max(slowest, out.seconds), max(most, out.memory)
        faults += [f"{kind} {seed}: {f}" for f in out.faults]
        shutil.rmtree(folder)
    counts = f"{count} | {ended['accepted']} | {ended['refused']} | {len(faults)}"
    sys.stdout.write(f"\n| {kind} | {counts} | {slowest:.1f} s | {most / 2**20:.0f} MiB |\n")
    assert not faults, "\n".join(faults[:20])
    assert slowest <= SECONDS and most <= MEMORY


def small_study(folder: Path) -> Path:
    """What lies in the folder of a study of one finished trial."""
    study = folder / "shop"
    (study / "runs").mkdir(parents=True)
    StudyConfig("wine", "shop", str(study), trials=1).save(study / "study.yaml")
    made = optuna.create_study(storage=f"sqlite:///{study}/study.db", study_name="shop")
    policy = Policy("tabular", (Step.of("gaussian_noise"),), "mine")
    facts = {
        "autonoise.policy": policy.to_dict(),
        "autonoise.score": 0.5,
        "autonoise.clean": 0.5,
        "autonoise.seconds": 1.5,
    }
    made.add_trial(optuna.trial.create_trial(value=0.5, user_attrs=facts))
    policy.save(study / "policy.yaml")
    for name, text in (
        ("result.json", "{}"),
        ("corruptions.json", "{}"),
        ("memory.json", "{}"),
        ("trials.csv", "number\n0\n"),
    ):
        (study / name).write_text(text)
    np.savez(study / "runs" / "a-test-f0-s0.npz", correct=np.ones(3))
    (study / "resolved_space.yaml").write_text(
        "format: autonoise-space/1\ndata_type: tabular\ntechniques: {mixup: {}}\n"
    )
    return study


def test_a_few_damaged_documents(imported: None, tmp_path: Path) -> None:
    trying("policy", damaged_documents.policy, 8, tmp_path)
    trying("space", damaged_documents.space, 6, tmp_path)
    trying("study", partial(damaged_documents.study, sample=small_study(tmp_path)), 6, tmp_path)


@pytest.mark.parametrize("kind", [".csv", ".npz", ".pt", ".parquet", ".ts.gz", "pictures", "clips"])
def test_a_few_damaged_data_files(kind: str, imported: None, tmp_path: Path) -> None:
    trying(kind, FORMATS[kind], 3, tmp_path)


def test_counts_that_end_pyarrow_are_not_asked_for(imported: None, tmp_path: Path) -> None:
    """In this Parquet file a column's histogram has a wrong size, which ended the process."""
    calls = FORMATS[".parquet"](tmp_path, np.random.default_rng([1334, sum(map(ord, ".parquet"))]))
    assert judge(calls, tmp_path, (0, 2)).faults == []


@pytest.mark.faults
@pytest.mark.parametrize(("kind", "count"), [("policy", 850), ("space", 800)])
def test_damaged_documents(kind: str, count: int, imported: None, tmp_path: Path) -> None:
    made: dict[str, Make] = {"policy": damaged_documents.policy, "space": damaged_documents.space}
    trying(kind, made[kind], round(count * MANY), tmp_path, processes=4, first=1000)


@pytest.mark.faults
def test_damaged_studies(imported: None, tmp_path: Path, finished: Path) -> None:
    """The commands that read them, the search that goes on with them, the worker that joins, and the dashboard."""
    reading = partial(damaged_documents.study, sample=finished)
    trying("study", reading, round(350 * MANY), tmp_path, processes=4, first=1000)
    trying("search", partial(reading, mode="search"), round(30 * MANY), tmp_path, first=1000)
    trying("join", partial(reading, mode="join"), round(40 * MANY), tmp_path, first=1000)


@pytest.mark.faults
@pytest.mark.parametrize("kind", FORMATS)
def test_damaged_data_files(kind: str, imported: None, tmp_path: Path) -> None:
    trying(kind, FORMATS[kind], round(40 * MANY), tmp_path, processes=1, first=1000)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a study that a real search has made, from start to verdict."""
    root = tmp_path_factory.mktemp("search")
    small = ["--trials", "6", "--epochs", "2", "--seeds", "3", "--train-rows", "100", "--out", str(root / "wine")]
    assert not judge_process(["search", "wine", *small], root)
    return root / "wine"


def _raises() -> None:
    raise RuntimeError("a\nb")


def _takes_memory() -> None:
    np.ones(6 * 10**7)


def _never_ends() -> None:
    time.sleep(600)


def _starts_a_program() -> None:
    subprocess.run(["true"], check=True)


def _leaves_a_mark() -> None:
    Path(CANARY).touch()


def _dies() -> None:
    os.kill(os.getpid(), signal.SIGSEGV)


def _computes() -> None:
    sum(range(3 * 10**6))


def _shows_an_escape() -> None:
    sys.stdout.write("\x1b[2J")


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (_raises, "RuntimeError: a"),
        (_takes_memory, "MiB"),
        (_never_ends, "ended with status"),
        (_starts_a_program, "caused ['subprocess.Popen'"),
        (_leaves_a_mark, "code of the file was run"),
        (_dies, "ended with status -11"),
        (_computes, "took"),
        (_shows_an_escape, "control characters"),
    ],
)
def test_what_goes_wrong_is_noticed(
    call: Callable[[], None], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(judged, "PATIENCE", 1.0 if call is _never_ends else 60.0)
    monkeypatch.setattr(judged, "MEMORY", 2**28)
    monkeypatch.setattr(judged, "SECONDS", 0.02 if call is _computes else 10.0)
    faults = judge([call], tmp_path).faults
    assert faults and words in " ".join(faults), faults


def test_a_refusal_is_one_line_that_can_be_read(tmp_path: Path) -> None:
    (tmp_path / "policy.yaml").write_text("format: autonoise-policy/1\ndata_type: image\nname: 3\n")
    out = judge([["show", "policy.yaml"]], tmp_path)
    assert (out.statuses, out.faults) == ([2], [])
    for err in ("", "autonoise: a\nautonoise: b\n", "Traceback\nautonoise: a\n", "autonoise: " + "x" * 3000, "usage\n"):
        assert list(judged._faults({"status": 2, "err": err, "out": "", "seconds": 0.0, "events": []}, (0, 2))), err
    assert judge([["show", "policy.yaml"]], tmp_path, accepted=(0,)).faults
