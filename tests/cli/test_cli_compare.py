"""``autonoise compare``, ``studies`` and ``report``: studies that exist, side by side, as a list, and told again."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from study_samples import config_of, judged_folder, policy_of

from autonoise import Policy, Step
from autonoise.cli.status import age
from autonoise.study.storage import open_storage, open_study
from autonoise.study.trial_record import write_facts

from .running import Command

pytestmark = pytest.mark.filterwarnings("ignore:Heartbeat of storage:UserWarning")
BASE = (0.4, 0.4, 0.4)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    judged_folder(Path("studies/a"), {"baseline": BASE, "policy": (0.8, 0.81, 0.79)})
    judged_folder(Path("studies/b"), {"baseline": BASE, "policy": (0.5, 0.51, 0.49)}, policy=policy_of("dropout"))
    return tmp_path


def test_two_studies(place: Path, command: Command) -> None:
    done = command("compare", "a", "studies/b")
    assert (done.status, done.err) == (0, "")
    assert "a: found − b: found  paired over 3 seeds and 4 test rows" in done.out
    assert "clean +0.300 [+0.300, +0.300]" in done.out and "a is surely better" in done.out
    told = json.loads(command("compare", "a", "b", "--json").out)
    assert told["kind"] == "studies" and told["settings"] == []
    assert told["tests"][0]["difference"]["clean"] == [0.3, 0.3, 0.3]
    assert told["first"]["contestants"]["policy"]["steps"][0]["technique"] == "gaussian_noise"


def test_found_policies_are_told(place: Path, command: Command) -> None:
    for name, steps in (("a", [Step.of("gaussian_noise", std=0.1)]), ("b", [Step.of("gaussian_noise", std=0.2)])):
        Policy("tabular", steps).save(Path("studies") / name / "policies" / "found.yaml")
    assert "std (input scale)   0.1   0.2" in command("compare", "a", "b").out.replace("gaussian_noise", "")


def test_what_is_meaningless_is_one_line(place: Path, command: Command) -> None:
    judged_folder(Path("studies/c"), {"baseline": BASE, "policy": BASE}, outcome={"data": "sha256:other"}, data="iris")
    done = command("compare", "a", "c")
    assert (done.status, done.out) == (2, "")
    assert "a and c are of different data (wine, iris)" in done.err and done.err.count("\n") == 1
    config_of(Path("studies/d"), study="d").save(Path("studies/d/study.yaml"))
    assert "d has no verdict to compare" in command("compare", "a", "d").err
    assert "nothing is neither a study or an evaluation nor a policy file" in command("compare", "a", "nothing").err


def test_two_policies_and_how_to_judge_them(place: Path, command: Command) -> None:
    judged = {"verdict": "better", "clean": {"policy": 0.9}, "held_out": {"policy": 0.8}}
    Policy("tabular", [Step.of("dropout")], scores=judged).save(Path("studies/a/policy.yaml"))
    Policy("tabular", [Step.of("mixup")], name="mine").save(Path("mine.yaml"))
    done = command("compare", "a", "mine.yaml")
    assert done.status == 0
    assert "only in mine.yaml: mixup" in done.out
    assert "  autonoise evaluate studies/a/policy.yaml studies/a --policy mine.yaml" in done.out
    told = json.loads(command("compare", "mine.yaml", "a", "--json").out)
    assert told["kind"] == "policies" and told["second"]["clean"] == 0.9 and told["first"]["clean"] is None
    assert told["how_to_test"] == "autonoise evaluate mine.yaml studies/a --policy studies/a/policy.yaml"
    refused = command("compare", "mine.yaml", "image/fashion-mnist")
    assert refused.status == 2 and "there is nothing to compare" in refused.err


def test_studies_are_listed(place: Path, command: Command) -> None:
    (place / "studies" / "broken").mkdir()
    (place / "studies" / "broken" / "study.yaml").write_text("format: autonoise-study/1\n")
    rows = {row["study"]: row for row in json.loads(command("studies", "--json").out)}
    assert rows["a"]["verdict"] == "better" and rows["broken"]["phase"] == "unreadable"
    told = command("studies", place / "studies")
    assert told.status == 0 and "0/60" in told.out and "the setting 'data' is missing" in told.out
    assert json.loads(command("studies", "studies/a", "--json").out)[0]["study"] == "a"
    assert "there is no study in" in command("studies", place / "none").err


@pytest.mark.parametrize(
    ("begun", "words"),
    [
        ("2026-01-02T12:00:00+00:00", "just now"),
        ("2026-01-02T11:59:20+00:00", "1 minute ago"),
        ("2026-01-02T09:30:00+00:00", "2 hours ago"),
        ("2025-12-30T12:00:00+00:00", "3 days ago"),
        (None, "-"),
    ],
)
def test_ages(begun: str | None, words: str) -> None:
    assert age(begun, datetime(2026, 1, 2, 12, 0, 30, tzinfo=UTC)) == words


def test_the_report_is_made_again(place: Path, command: Command) -> None:
    """Also in another place, and without the data."""
    config = config_of(Path("studies/a"), study="a", data="gone.csv")
    config.save(Path("studies/a/study.yaml"))
    study = open_study(config, open_storage(config.storage_url))
    trial = study.ask()
    write_facts(trial, score=0.625, clean=0.75, noisy=0.5)
    study.tell(trial, 0.625)
    moved = place / "elsewhere"
    Path("studies/a").rename(moved)
    done = command("report", moved)
    assert (done.status, done.err) == (0, "")
    assert done.out == f"report  {moved / 'report.html'}  {moved / 'report.md'}\n"
    assert "0.625" in (moved / "report.html").read_text() and "better" in (moved / "report.md").read_text().lower()
    assert json.loads(command("report", moved, "--json").out)["files"][0] == str(moved / "report.html")
    (moved / "study.db").unlink()
    refused = command("report", moved)
    assert refused.status == 2 and "lie in study.db in its folder" in refused.err
    (moved / "result.json").unlink()
    assert "no verdict yet, and so no result.json" in command("report", moved).err
    (moved / "study.yaml").rename(moved / "evaluation.yaml")
    assert "holds an evaluation, which has no report" in command("report", moved).err
