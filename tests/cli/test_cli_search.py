"""Whole searches through the command line: finished, repeated, killed, interrupted, faulty."""

from __future__ import annotations

import os
import shlex
import signal
import sqlite3
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest

from autonoise.calling import config_of
from autonoise.policy import load_policy

from .running import SMALL, Command, finish, listing, start, wait_until

pytestmark = pytest.mark.slow

QUICK_SPACE = """
format: autonoise-space/1
data_type: tabular
max_techniques: 2
expected_techniques: 1
techniques:
  gaussian_noise: {std: [0.05, 0.5]}
  feature_masking: {fraction: [0.05, 0.5]}
  dropout: {p: [0.05, 0.5]}
presets:
- {name: masking, source: a test, steps: [{technique: feature_masking, fraction: 0.2}]}
"""

MODEL = """
import torch

made = 0

class Net(torch.nn.Module):
    def __init__(self, columns, classes, faulty):
        super().__init__()
        self.layers = torch.nn.Sequential(torch.nn.Linear(columns, 16), torch.nn.ReLU(), torch.nn.Linear(16, classes))
        self.faulty, self.calls = faulty, 0

    def forward(self, x):
        self.calls += 1
        if self.faulty and self.calls % 2 == 0:
            raise RuntimeError("a fault of the user's own")
        return self.layers(x)

def sound(spec, classes):
    return Net(spec.layout[0], classes, False)

def sometimes(spec, classes):
    global made
    made += 1
    return Net(spec.layout[0], classes, 6 <= made <= 7)

def always(spec, classes):
    return Net(spec.layout[0], classes, True)
"""


@pytest.fixture
def quick(tmp_path: Path) -> list[str]:
    """Options of a search that takes seconds: a small space, and a model of one's own, which runs in one process."""
    (tmp_path / "space.yaml").write_text(QUICK_SPACE)
    (tmp_path / "own.py").write_text(MODEL)
    return [
        "--space",
        str(tmp_path / "space.yaml"),
        "--model",
        f"{tmp_path / 'own.py'}:sound",
        "--epochs",
        "15",
        "--seeds",
        "3",
    ]


def ended(folder: Path) -> dict[int, tuple[str, float | None]]:
    """State and value of the trials that have ended, by number."""
    file = folder / "study.db"
    if not file.is_file():
        return {}
    query = """SELECT number, state, value FROM trials LEFT JOIN trial_values USING (trial_id)
               WHERE state IN ('COMPLETE', 'PRUNED')"""
    try:
        connection = sqlite3.connect(f"file:{file}?mode=ro", uri=True)
        try:
            return {n: (state, value) for n, state, value in connection.execute(query)}
        finally:
            connection.close()
    except sqlite3.OperationalError:
        return {}


def trials(folder: Path) -> pd.DataFrame:
    """trials.csv without clock times and what was queued but not begun."""
    frame = pd.read_csv(folder / "trials.csv").query("state != 'WAITING'")
    return frame.drop(columns=[c for c in frame if c in ("seconds", "duration") or "datetime" in c])


def test_a_search_ends_with_a_policy_a_report_and_all_trials(finished_study: SimpleNamespace, command: Command) -> None:
    done, folder = finished_study, finished_study.folder
    assert done.status == 0 and done.err == "", done.err
    lines = done.out.splitlines()
    assert lines[0].startswith("tabular · 569 rows, 2 classes, 30 · train ")
    assert lines[1:3] == ["classes  2: benign (357), malignant (212)", next(x for x in lines if "numbers  30 col" in x)]
    assert lines[3].startswith("category_replacement is not offered")
    assert lines[4].startswith("baseline  clean 0.9")
    assert [line.split()[0] for line in lines[5:11]] == [f"{i}/6" for i in range(1, 7)]
    assert "recommended: " in done.out and f"autonoise dashboard {folder}" in done.out
    assert len(trials(folder)) == len(ended(folder)) == 6
    assert "<html" in (folder / "report.html").read_text() and (folder / "study.db").is_file()
    held = load_policy(folder / "policy.yaml", warn=False)
    policy = load_policy(folder / "policies" / "found.yaml", warn=False)
    assert policy.scores["verdict"] in ("better", "no significant gain", "worse")
    assert held.scores["found"] == policy.scores["verdict"]
    assert command("verify", folder / "policy.yaml").status == 0
    shown = command("status", folder)
    assert "tumours  done  6/6 trials" in shown.out.replace("breast_cancer", "tumours")
    assert policy.scores["verdict"] in shown.out
    best = command("best", folder).out
    assert best.startswith(f"verdict: {held.scores['verdict']}")
    assert ("what the search found: " in best) == (held.scores["contestant"] != "policy")


def test_any_completed_trial_can_be_exported(finished_study: SimpleNamespace, command: Command, tmp_path: Path) -> None:
    folder = finished_study.folder
    complete = [n for n, (state, _) in ended(folder).items() if state == "COMPLETE" and n > 0]
    out = tmp_path / "trial.json"
    done = command("export", folder, "--trial", complete[0], "--out", out)
    assert done.status == 0, done.err
    policy = load_policy(out, warn=False)
    assert policy.scores["verdict"] == "unconfirmed" and policy.scores["trial"] == complete[0]
    assert policy.input == load_policy(folder / "policy.yaml", warn=False).input
    assert command("verify", out).status == 0
    whole = tmp_path / "best.yaml"
    assert command("export", folder, "--out", whole).status == 0
    assert load_policy(whole, warn=False) == load_policy(folder / "policy.yaml", warn=False)


def test_the_same_command_again_changes_nothing_and_strict_tells(
    finished_study: SimpleNamespace, command: Command
) -> None:
    folder = finished_study.folder
    before = listing(folder)
    again = command("search", "breast_cancer", *SMALL, "--out", folder, "--strict")
    better = load_policy(folder / "policies" / "found.yaml", warn=False).scores["verdict"] == "better"
    assert again.status == (0 if better else 1), again.err
    after = listing(folder)
    assert {k for k in before if before[k] != after[k]} <= {"study.db", "trials.csv"}
    assert after["policy.yaml"] == before["policy.yaml"] and after.keys() == before.keys()


def test_the_same_seed_gives_the_same_trials_and_policy(quick: list[str], tmp_path: Path, command: Command) -> None:
    folders = [tmp_path / "first", tmp_path / "second"]
    for folder in folders:
        done = command("search", "wine", *quick, "--trials", 6, "--seed", 3, "--study", "same", "--out", folder)
        assert done.status == 0, done.err
    pd.testing.assert_frame_equal(trials(folders[0]), trials(folders[1]))
    first, second = (load_policy(f / "policy.yaml", warn=False) for f in folders)
    assert first.steps == second.steps and first.scores == second.scores


def test_kill_costs_the_running_trial_and_nothing_else(quick: list[str], tmp_path: Path, command: Command) -> None:
    folder = tmp_path / "killed"
    arguments = ["search", "wine", *quick, "--trials", 6, "--out", folder]

    def kill_when(true: object) -> None:
        process = start(*arguments)
        wait_until(true, process)  # type: ignore[arg-type]
        process.kill()
        process.communicate()

    kill_when(lambda: len(ended(folder)) >= 2)
    first = ended(folder)
    kill_when(lambda: any(folder.glob("runs/*-confirm-*.npz")))
    second = ended(folder)
    assert first.items() <= second.items() and len(second) == 6
    confirmed = {p: p.read_bytes() for p in folder.glob("runs/*-confirm-*.npz")}
    assert "6/6 trials" in command("status", folder).out
    done = finish(start(*arguments))
    assert done.status == 0, done.err
    assert ended(folder) == second
    assert all(p.read_bytes() == content for p, content in confirmed.items())
    assert command("verify", folder / "policy.yaml").status == 0
    assert not list(folder.rglob(".*.yaml*"))


def test_interrupt_keeps_everything_and_says_how_to_continue(
    quick: list[str], tmp_path: Path, command: Command
) -> None:
    folder = tmp_path / "interrupted study"
    process = start("search", "wine", *quick, "--trials", 500, "--seed", 5, "--out", folder)
    wait_until(lambda: len(ended(folder)) >= 2, process)
    os.kill(process.pid, signal.SIGINT)
    done = finish(process)
    assert done.status == 130 and done.err == ""
    assert "stopping after what is running now" in done.out
    words = shlex.split(done.out.splitlines()[-1])
    assert words[:2] == ["autonoise", "search"] and len(words) == 3
    config = config_of(words[2], {})
    assert (config.data, config.trials, config.seed, config.epochs) == ("wine", 500, 5, 15)
    assert len(trials(folder)) == len(ended(folder)) >= 2
    known = ended(folder)
    more = command("search", words[2], "--trials", len(known))
    assert more.status == 0, more.err
    assert ended(folder) == known and (folder / "report.html").is_file()


def test_a_model_that_fails_sometimes_costs_its_trials_only(quick: list[str], tmp_path: Path, command: Command) -> None:
    folder = tmp_path / "faulty"
    quick[quick.index("--model") + 1] = f"{tmp_path / 'own.py'}:sometimes"
    done = command("search", "wine", *quick, "--trials", 8, "--out", folder)
    assert done.status == 0, done.err
    assert done.err == ""
    frame = trials(folder)
    failed = frame[frame.state == "FAIL"]
    assert 1 <= len(failed) <= 2 and len(frame) == 8
    assert set(failed.reason) == {"RuntimeError: a fault of the user's own"}
    assert f"{len(failed)} trials failed" in done.out.replace("1 trial failed", "1 trials failed")
    assert load_policy(folder / "policies" / "found.yaml", warn=False).steps


def test_a_model_that_always_fails_is_one_line(quick: list[str], tmp_path: Path, command: Command) -> None:
    quick[quick.index("--model") + 1] = f"{tmp_path / 'own.py'}:always"
    done = command("search", "wine", *quick, "--out", tmp_path / "faulty")
    assert done.status == 2 and len(done.err.splitlines()) == 1
    assert "RuntimeError: a fault of the user's own (own.py, line 15)" in done.err
    assert not (tmp_path / "faulty").exists()


def test_a_worker_fills_up_a_study(quick: list[str], tmp_path: Path, command: Command) -> None:
    folder = tmp_path / "shared"
    done = command("search", "wine", *quick, "--trials", 3, "--out", folder)
    assert done.status == 0, done.err
    text = (folder / "study.yaml").read_text()
    (folder / "study.yaml").write_text(text.replace("trials: 3", "trials: 5"))
    moved = folder.rename(tmp_path / "moved")
    shown = command("status", moved)
    assert "done  3/5 trials" in shown.out and "(reached at 3 of 5 trials)" in shown.out
    worked = command("worker", moved)
    assert worked.status == 0 and "5 of 5 trials are there" in worked.out, worked.err
    assert len(ended(moved)) == 5
