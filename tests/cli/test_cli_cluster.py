"""docs/cluster.md: its commands are understood, its scripts parse, its compose file lets nobody in."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from autonoise.cli.app import app

DOCS = Path(__file__).parents[2] / "docs"
SCRIPTS = re.findall(r"```sh\n(.*?)```", (DOCS / "cluster.md").read_text(), flags=re.S)
COMMANDS = [m for s in SCRIPTS for m in re.findall(r"\bautonoise (?:search|worker|status)\b[^&\n]*", s)]


def test_the_page_has_its_commands() -> None:
    assert len(SCRIPTS) == 7
    assert [c.split()[1] for c in COMMANDS] == ["search", "worker", "search", "search", "worker", "status", "status"]


@pytest.mark.parametrize("line", COMMANDS)
def test_each_command_is_understood(line: str) -> None:
    """Parsed as the command line does it, with unknown options and missing values refused, and not run."""
    program: Any = typer.main.get_command(app)
    _, name, *arguments = shlex.split(line)
    with program.make_context("autonoise", [name, *arguments], resilient_parsing=False) as context:
        _, command, rest = program.resolve_command(context, [name, *arguments])
        parsed = command.make_context(name, list(rest), parent=context).params
    assert parsed["study"] in ("shop", "photos")
    if name == "worker":
        from autonoise.study.places import seconds_of

        assert seconds_of(parsed["wait"], "--wait") == 1800.0
        assert parsed["timeout"] is None or seconds_of(parsed["timeout"]) == 13500.0


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda s: s.splitlines()[0][:30])
def test_each_script_parses(script: str) -> None:
    done = subprocess.run(["bash", "-n"], input=script, text=True, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_compose_file_has_no_password_and_listens_on_this_machine_alone() -> None:
    text = (DOCS / "compose.yaml").read_text()
    compose = yaml.safe_load(text)
    assert set(compose["services"]) == {"db", "dashboard"}
    for service in compose["services"].values():
        assert all(port.startswith("127.0.0.1:") for port in service["ports"])
        for name, value in service.get("environment", {}).items():
            assert "PASSWORD" not in name or (name.endswith("_FILE") and value.startswith("/run/secrets/"))
        assert set(service["secrets"]) <= set(compose["secrets"])
        named = {v.partition(":")[0] for v in service.get("volumes", [])}
        assert named <= set(compose["volumes"])
    assert not re.search(r"://[^/\s:@]+:[^/\s@]+@", text)
    assert compose["secrets"] == {"db_password": {"file": "./db_password"}}
    ignored = (DOCS.parent / ".gitignore").read_text().splitlines()
    assert "docs/db_password" in ignored
