"""Every mistake of a user: one line on stderr, status 2, no traceback, nothing half-written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from autonoise.policy import Policy, Step

from .running import Command, finish, listing, start


def refused(result: SimpleNamespace, *words: str) -> None:
    lines = result.err.splitlines()
    assert result.status == 2, result
    assert len(lines) == 1, result.err
    assert lines[0].startswith("autonoise: ")
    for word in words:
        assert word in lines[0], lines[0]
    assert "Traceback" not in result.out + result.err


def frame(labels: object) -> pd.DataFrame:
    x = np.random.default_rng(0).standard_normal((60, 3))
    return pd.DataFrame(x, columns=["a", "b", "c"]).assign(label=labels)


DATA = {
    "missing": (None, "table.csv"),
    "empty": ("", "table.csv"),
    "no label column": (frame([0, 1] * 30).rename(columns={"label": "z"}).to_csv(index=False), "z"),
    "one class": (frame("same").to_csv(index=False), "class"),
    "nan labels": (frame([0, 1, None] * 20).to_csv(index=False), "label"),
    "float targets": (frame(np.linspace(0, 1, 60)).to_csv(index=False), "target is continuous"),
}


@pytest.mark.parametrize("mistake", DATA)
def test_data_that_cannot_be_used(mistake: str, tmp_path: Path, command: Command) -> None:
    text, word = DATA[mistake]
    path, out = tmp_path / "table.csv", tmp_path / "out"
    if text is not None:
        path.write_text(text)
    before = listing(tmp_path)
    refused(command("search", path, "--out", out), word)
    refused(command("recommend", path), word)
    assert listing(tmp_path) == before and not out.exists()


HEAD = "format: autonoise-space/1\ndata_type: tabular\ntechniques:\n"
SPACES = {
    "did you mean gaussian_noise": HEAD + "  gausian_noise: {}\n",
    "swap the two": HEAD + "  gaussian_noise: {std: [0.5, 0.1]}\n",
    "autonoise-space/1": "data_type: tabular\ntechniques: {dropout: {}}\n",
}


@pytest.mark.parametrize("words", SPACES)
def test_spaces_that_contradict_themselves(words: str, tmp_path: Path, command: Command) -> None:
    path, out = tmp_path / "my_space.yaml", tmp_path / "out"
    path.write_text(SPACES[words])
    refused(command("search", "wine", "--space", path, "--out", out), words, "my_space.yaml")
    refused(command("spaces", path), words)
    assert not out.exists()


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("--trials", "-3", "--trials >= 1 must hold, but got -3"),
        ("--trials", "many", "--trials"),
        ("--noise-weight", "2", "0 <= --noise-weight <= 1 must hold, but got 2.0"),
        ("--noise-weight", "nan", "--noise-weight"),
        ("--timeout", "soon", "--timeout must be a duration such as 90s, 10m or 1h30m, but got 'soon'"),
        ("--timeout", "0", "--timeout must be above 0"),
        ("--trial-timeout", "soon", "--trial-timeout must be a duration such as 90s, 10m or 1h30m, but got 'soon'"),
        ("--trial-timeout", "-1", "--trial-timeout must be above 0"),
        ("--seeds", "1", "--seeds >= 3"),
        ("--objective", "speed", "--objective"),
        ("--data-type", "video", "video"),
        ("--data-type", "image", "image"),
        ("--study", "a/b", "plain name without slashes"),
        ("--device", "toaster", "--device toaster"),
        ("--model", "nowhere.py:make", "nowhere.py"),
        ("--proxy", "giant", "giant"),
        ("--storage", "sqlite:////nowhere/at/all/study.db", "--storage"),
        ("--space", "nowhere.yaml", "nowhere.yaml"),
        ("--colour", "red", "--colour"),
    ],
)
def test_options_out_of_range(option: str, value: str, words: str, tmp_path: Path, command: Command) -> None:
    refused(command("search", "wine", "--out", tmp_path / "out", option, value), words)
    assert not list(tmp_path.iterdir())


def test_what_was_there_before_a_refusal_stays(tmp_path: Path, command: Command) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    refused(command("search", "wine", "--out", tmp_path, "--proxy", "giant"), "giant")
    assert listing(tmp_path) == {"notes.txt": b"mine"}


def test_no_such_command_and_missing_argument(command: Command) -> None:
    refused(command("serach"), "serach")
    refused(command("search"), "data")


def policy_text(tmp_path: Path) -> str:
    path = tmp_path / "whole.yaml"
    Policy("tabular", (Step.of("gaussian_noise", std=0.3), Step.of("dropout", p=0.2)), "mine").save(path)
    return path.read_text()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: t.replace("autonoise-policy/1", "autonoise-policy/2"), "upgrade autonoise"),
        (lambda t: t[: len(t) * 2 // 3], "truncated"),
        (lambda t: t.replace("std: 0.3", "std: 0.4"), "changed since it was exported"),
        (lambda t: "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n", "aliases are not allowed"),
        (lambda t: "", "mapping"),
        (lambda t: "[1, 2]", "mapping"),
        (lambda t: "format: !!python/object/apply:os.system [echo]\n", "policy"),
    ],
    ids=["newer", "truncated", "tampered", "bomb", "empty", "list", "code"],
)
@pytest.mark.parametrize("name", ["show", "verify"])
def test_policies_that_are_none(
    name: str, change: Callable[[str], str], words: str, tmp_path: Path, command: Command
) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(change(policy_text(tmp_path)))
    refused(command(name, path), "bad.yaml", words)
    refused(command(name, tmp_path), "folder")


def test_out_that_cannot_be_written(tmp_path: Path, command: Command) -> None:
    (tmp_path / "file").write_text("in the way")
    refused(command("search", "wine", "--out", tmp_path / "file" / "study"), "cannot write to", "--out")
    refused(command("recommend", "wine", "--out", tmp_path / "file" / "p.yaml"), "file")
    assert (tmp_path / "file").read_text() == "in the way"


@pytest.mark.parametrize("name", ["status", "best", "export", "dashboard", "worker"])
def test_no_such_study(name: str, tmp_path: Path, command: Command) -> None:
    refused(command(name, tmp_path / "nothing"), "study.yaml")


def test_a_damaged_study_file(tmp_path: Path, command: Command) -> None:
    for text in ("", "format: autonoise-study/9\n", "format: autonoise-study/1\nspeed: 3\n"):
        (tmp_path / "study.yaml").write_text(text)
        refused(command("search", tmp_path / "study.yaml"), "study.yaml")
        refused(command("status", tmp_path), "study.yaml")


def test_a_study_that_has_not_begun(tmp_path: Path, command: Command) -> None:
    (tmp_path / "study.yaml").write_text("format: autonoise-study/1\ndata: wine\nstudy: wine\nout: gone\n")
    refused(command("best", tmp_path), "no policy was found yet")
    refused(command("export", tmp_path, "--trial", 0), "no trial was begun yet")
    refused(command("dashboard", tmp_path), "no trial was begun yet")
    assert [p.name for p in tmp_path.iterdir()] == ["study.yaml"]
    shown = command("status", tmp_path)
    assert shown.status == 0 and "not begun" in shown.out


@pytest.mark.slow
def test_a_finished_study_refuses_other_settings(finished_study: SimpleNamespace, command: Command) -> None:
    folder = finished_study.folder
    before = listing(folder)
    refused(
        command("search", "breast_cancer", "--trials", 6, "--epochs", 3, "--out", folder), "epochs: 2 → 3", "--study"
    )
    refused(command("search", folder, "--noise-weight", 0.9), "noise_weight: 0.5 → 0.9")
    refused(command("export", folder, "--trial", 99), "--trial 99 does not exist")
    assert listing(folder) == before


def test_real_processes_print_one_line_too(tmp_path: Path) -> None:
    for arguments in (["search", str(tmp_path / "none.csv")], ["search", "wine", "--noise-weight", "2"]):
        refused(finish(start(*arguments, cwd=tmp_path)))
    assert not list(tmp_path.iterdir())
