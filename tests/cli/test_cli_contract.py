"""What holds for every command: an example that parses, tables that fit, no escape codes in a pipe, completion."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest
import typer
from study_samples import config_of

from autonoise.cli import main
from autonoise.cli.app import app
from autonoise.cli.output import make_console, table
from autonoise.technique.registry import technique_names

from .running import Command
from .test_cli_json import commands

EVERY = dict(commands())


@pytest.mark.parametrize("name", EVERY)
def test_the_help_ends_with_an_example_that_parses(name: str, command: Command, tmp_path: Path) -> None:
    last = (EVERY[name].help or "").strip().splitlines()[-1]
    assert last.startswith("Example: "), name
    words = shlex.split(last.removeprefix("Example: ").removeprefix("watch ").partition(" > ")[0])
    assert words[: 1 + len(name.split())] == ["autonoise", *name.split()]
    found: Any = typer.main.get_command(app)
    arguments = words[1:]
    while arguments and arguments[0] in getattr(found, "commands", {}):
        found = found.commands[arguments.pop(0)]
    assert found.make_context(name, arguments) is not None
    assert last.split()[-1] in command(*name.split(), "--help").out


@pytest.mark.parametrize("width", [60, 80])
@pytest.mark.parametrize(
    "line",
    ["techniques --data-type tabular", "policies --type text", "corruptions", "spaces", "search --help", "--help"],
)
def test_nothing_is_cut(command: Command, monkeypatch: pytest.MonkeyPatch, width: int, line: str) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    done = command(*line.split())
    assert done.status == 0 and "…" not in done.out and "\x1b" not in done.out
    limit = width if "help" in line or line == "spaces" else width + 100  # closing sentences are left to the terminal
    assert max(map(len, done.out.splitlines())) <= limit


def test_a_table_too_wide_becomes_blocks(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    made = table(
        ("name", "words", "score"), [("found", "some words of text", "0.861 [0.853, 0.869]")], right=("score",)
    )
    monkeypatch.setenv("COLUMNS", "40")
    make_console().print(made)
    (line,) = [line for line in capsys.readouterr().out.splitlines() if "found" in line]
    assert line.split()[0] == "found" and "0.861 [0.853, 0.869]" in line
    monkeypatch.setenv("COLUMNS", "30")
    make_console().print(made)
    assert capsys.readouterr().out == "found\n  words: some words of text\n  score: 0.861 [0.853, 0.869]\n\n"


def test_columns_that_are_no_number_are_passed_over(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for given in ("", "0", "wide"):
        monkeypatch.setenv("COLUMNS", given)
        assert make_console().width == 160
    monkeypatch.setenv("COLUMNS", "72")
    assert make_console().width == 72


def completed(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, line: str) -> list[str]:
    monkeypatch.setenv("_AUTONOISE_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", line)
    monkeypatch.setenv("COMP_CWORD", str(len(line.split(" ")) - 1))
    with pytest.raises(SystemExit):
        main([])
    return capsys.readouterr().out.split()


def test_the_shell_completes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    config_of(Path("studies/shop"), study="shop").save(Path("studies/shop/study.yaml"))

    def offers(line: str) -> list[str]:
        return completed(capsys, monkeypatch, line)

    assert offers("autonoise status s") == ["shop"]
    assert offers("autonoise techniques mixu") == ["mixup"]
    assert len(offers("autonoise techniques ")) == len(technique_names())
    assert offers("autonoise show image/fash") == ["image/fashion-mnist"]
    assert offers("autonoise spaces tab") == ["tabular"] and offers("autonoise search x --space tim") == ["timeseries"]
    assert offers("autonoise inspect breast") == ["breast_cancer"]
    assert offers("autonoise policies --data-type te") == ["text"]
    assert offers("autonoise export p.yaml --to kor") == ["kornia"]
    assert "compare" in offers("autonoise comp")
