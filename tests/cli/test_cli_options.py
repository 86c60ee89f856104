"""Options with values that make no sense: refused in a line that names a remedy which exists."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import optuna
import pytest
import typer

import autonoise
from autonoise.calling import config_of
from autonoise.cli.app import app
from autonoise.cli.searching import check_device, check_machine
from autonoise.errors import StudyError
from autonoise.study.config import StudyConfig
from autonoise.study.overview import overview
from autonoise.study.places import seconds_of

from .running import Command

ABSURD: dict[str, tuple[dict[str, Any], str]] = {
    "only what is not there": ({"noisy_val_only": True}, r"--noisy-val-only judges by --noisy-val alone: name"),
    "five of accuracy": (
        {"max_clean_drop": 5.0},
        r"^0 <= --max-clean-drop <= 1 \(accuracy; 0.01 is one point\) must hold, but got 5.0$",
    ),
    "objective": ({"objective": "best"}, r"--objective must be score or pareto, but got 'best'$"),
    "for ever": ({"timeout": float("inf")}, r"--timeout > 0 must hold, but got inf"),
    "seed": ({"seed": 2**63}, r"0 <= --seed < 2\^63 must hold"),
    "the data as noise": ({"noisy_val": "wine.csv", "data": "./wine.csv"}, r"--noisy-val wine.csv is the data itself"),
    "two ways to flip": ({"label_noise": 0.1, "label_matrix": "m.csv"}, r"give one of them"),
    "a form of no name": ({"steps": "two"}, r"--steps must be three .* or whole .*, but got 'two'$"),
    "the same target": ({"target": "y", "clean_target": "y"}, r"leave --clean-target out"),
    "model and proxy": ({"model": "m:f", "proxy": "mlp"}, r"--proxy would be ignored"),
    "model and wider proxies": ({"model": "m:f", "calibrate": True}, r"--calibrate trains wider proxies"),
    "lost trials": ({"storage": "sqlite:///:memory:"}, r"name a file, sqlite:///trials.db"),
    "lost trials, short": ({"storage": "sqlite://"}, r"--storage in memory would be lost"),
}


@pytest.mark.parametrize("case", ABSURD)
def test_settings_that_make_no_sense(case: str) -> None:
    settings, said = ABSURD[case]
    with pytest.raises(StudyError, match=said):
        StudyConfig(**{"data": "wine", "study": "s", "out": "o", **settings})


def test_limits_themselves_are_allowed() -> None:
    config = StudyConfig(
        data="wine",
        study="s",
        out="o",
        max_clean_drop=1.0,
        seed=2**63 - 1,
        objective="pareto",
        noisy_val="n.csv",
        noisy_val_only=True,
        target="y",
        clean_target="z",
        storage="sqlite:///trials.db",
    )
    assert config.noisy_val_only


@pytest.mark.parametrize("text", ["0", "-5", "inf", "nan", "1e400", "0s", "0h0m"])
def test_durations_are_above_zero_and_finite(text: str) -> None:
    with pytest.raises(StudyError, match=r"--timeout must be above 0 and finite"):
        seconds_of(text)
    assert seconds_of("1h30m") == 5400


@pytest.mark.parametrize("name", ["..", ".", "", " ", "a/b"])
def test_names_that_would_leave_the_folder_of_studies(name: str) -> None:
    with pytest.raises(StudyError, match="--study must be a plain name"):
        config_of("wine", {"study": name})


def test_what_this_machine_cannot_do(tmp_path: Path) -> None:
    file = tmp_path / "table.csv"
    file.write_text("a")
    config = StudyConfig(data="wine", study="s", out=str(file))
    with pytest.raises(StudyError, match=r"--out .*table.csv is a file: name a folder"):
        check_machine(config)
    with pytest.raises(StudyError, match=r"--workers 100000: this machine has \d+ processors"):
        check_machine(StudyConfig(data="wine", study="s", out=str(tmp_path), workers=100_000))
    check_machine(StudyConfig(data="wine", study="s", out=str(tmp_path), workers=64))
    with pytest.raises(StudyError, match="--device meta: not usable here"):
        check_device("meta")
    check_device("cpu")


def options() -> set[str]:
    found = {"--help"}
    waiting: list[Any] = [typer.main.get_command(app)]
    while waiting:
        command = waiting.pop()
        waiting += getattr(command, "commands", {}).values()
        for parameter in command.params:
            found |= {o for o in (*parameter.opts, *parameter.secondary_opts) if o.startswith("--")}
    return found


def test_every_option_that_a_message_names_exists() -> None:
    """A hint at --size, which there is not, was the remedy for a process that died."""
    package = Path(autonoise.__file__).parent
    known = options()
    assert {"--noisy-val", "--no-memory", "--strict", "--study"} <= known
    elsewhere = {"--artifact-dir", "--extra-index-url", "--index-url", "--upgrade"}
    for file in package.rglob("*.py"):
        for word in re.findall(r"(?<![\w-])--[a-z][a-z-]+", file.read_text()):
            assert word in known | elsewhere, f"{file.relative_to(package)} names {word}"


def test_status_counts_no_more_waiting_trials_than_will_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Seeds and presets are queued at once: 11 were "waiting" of 3 in all."""
    (tmp_path / "study.db").touch()
    study = optuna.create_study(direction="maximize")
    study.tell(study.ask(), 0.5)
    study.ask()
    for _ in range(11):
        study.enqueue_trial({})
    monkeypatch.setattr("autonoise.study.overview.optuna_study", lambda config: study)

    def counts(trials: int) -> dict[str, int]:
        found = overview(StudyConfig(data="w", study="s", out=str(tmp_path), trials=trials))["counts"]
        return {state: n for state, n in found.items() if n}

    assert counts(3) == {"complete": 1, "running": 1, "waiting": 1}
    assert counts(2) == {"complete": 1, "running": 1}
    assert counts(60) == {"complete": 1, "running": 1, "waiting": 58}


@pytest.mark.parametrize(
    "given",
    [
        ("",),
        ("wine", "--target", ""),
        ("wine", "--out", " "),
        (
            "wine",
            "--noisy-val=",
        ),
    ],
)
def test_empty_texts_of_a_search_are_refused(command: Command, given: tuple[str, ...], tmp_path: Path) -> None:
    done = command("search", *given)
    assert done.status == 2
    assert "is empty: give a value" in done.err
    assert not list(tmp_path.glob("studies/*"))
