"""Commands that tell where studies stand: status of one in full, studies as a list."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from autonoise.cli import completing, options
from autonoise.cli.output import make_console, number, print_json, table
from autonoise.errors import StudyError
from autonoise.study.places import STUDIES, optuna_study, study_of

if TYPE_CHECKING:
    from rich.console import Console

AGAIN = 5.0
"""Seconds between two looks of --watch."""
_BESIDE = {
    "repeated": "of them with a policy that had been scored before",
    "retried": "lost with their process and queued again",
    "lost": "stood still: their worker is gone",
}


def status(
    place: Annotated[
        str | None,
        typer.Argument(
            metavar="[STUDY]",
            help="Folder of a study, or its name; left out: all studies under studies/.",
            callback=options.filled,
            autocompletion=completing.studies,
        ),
    ] = None,
    storage: Annotated[
        str | None,
        typer.Option(help="Database URL of a study without its folder, with --study.", callback=options.filled),
    ] = None,
    study: Annotated[
        str | None, typer.Option(help="Name of the study in that database.", callback=options.filled)
    ] = None,
    watch: Annotated[
        bool, typer.Option("--watch", help="Show it again every few seconds, until the study is done.")
    ] = False,
    as_json: options.Json = False,
) -> None:
    """Tell where a study stands: its phases, its trials by how they ended, the best of them, its workers, the verdict.

    A worker is stalled when its process is gone or has given no sign of life for three minutes.

    Example: autonoise status shop --watch
    """
    look = _looking(place, storage, study)
    rows = look()
    if as_json:
        if watch:
            raise StudyError("--watch shows, --json prints once: give one of them")
        print_json(rows)
        return
    console = make_console()
    while True:
        if watch:
            console.clear()
        for row in rows:
            _show(console, row)
        if not watch or all(row["phase"] == "done" for row in rows):
            return
        time.sleep(AGAIN)
        rows = look()


def _looking(place: str | None, storage: str | None, study: str | None) -> Callable[[], list[dict[str, Any]]]:
    """A function that reads the rows to show; the trials that it has read once are not read again."""
    from autonoise.study.address import VARIABLE, masked
    from autonoise.study.overview import overview, overview_from, overviews
    from autonoise.study.shared import found_study
    from autonoise.study.storage import open_existing

    storage = storage or (os.environ.get(VARIABLE) if study is not None else None)
    if (storage is None) != (study is None) or (place is not None and study is not None):
        raise StudyError("name the study by its folder alone, or by both --storage URL and --study NAME")
    if storage is not None and study is not None:
        found, shown = found_study(open_existing(storage), study), masked(storage)
        return lambda: [overview_from(found, shown)]
    if place is None:
        return lambda: list(overviews(_files(STUDIES)))
    config, opened = study_of(place), list[Any]()

    def look() -> list[dict[str, Any]]:
        if not opened and (config.storage is not None or (Path(config.out) / "study.db").is_file()):
            opened.append(optuna_study(config))
        return [overview(config, *opened)]

    return look


def studies(
    folder: Annotated[
        Path,
        typer.Argument(metavar="[FOLDER]", help="Folder that holds the folders of studies; left out: studies."),
    ] = STUDIES,
    as_json: options.Json = False,
) -> None:
    """List studies: state, trials done of the total, best score so far, verdict, and when they were begun.

    Example: autonoise studies
    """
    from autonoise.study.overview import overviews

    rows = list(overviews(_files(folder)))
    if as_json:
        print_json(rows)
        return
    now = datetime.now(UTC)
    listed = [
        (
            row["study"],
            row["phase"],
            f"{row['done']}/{row['trials']}" if row["phase"] != "unreadable" else "-",
            number(row["best"]["score"] if row["best"] else None),
            row["verdict"] if row["phase"] != "unreadable" else "-",
            age(row["begun"], now),
            row["folder"],
        )
        for row in rows
    ]
    console = make_console()
    columns = ("study", "state", "trials", "best", "verdict", "begun", "folder")
    console.print(table(columns, listed, right=("trials", "best")))
    for row in rows:
        if row["phase"] == "unreadable":
            console.print(f"{row['folder']}: {row['sentence']}", soft_wrap=True)


def age(begun: str | None, now: datetime) -> str:
    """How long ago an ISO time was, in the largest unit of which one is over: ``3 days ago``; a dash where unknown."""
    if begun is None:
        return "-"
    seconds = max((now - datetime.fromisoformat(begun)).total_seconds(), 0.0)
    for unit, length in (("day", 86400), ("hour", 3600), ("minute", 60)):
        n = int(seconds // length)
        if n:
            return f"{n} {unit}{'s' if n > 1 else ''} ago"
    return "just now"


def _files(folder: Path) -> list[Path]:
    """The study files in the folders of a folder, and its own. Raises StudyError where there is none."""
    found = [f for f in (folder / "study.yaml", *sorted(folder.glob("*/study.yaml"))) if f.is_file()]
    if not found:
        where = f"./{folder}" if folder == STUDIES else str(folder)
        raise StudyError(f"there is no study in {where}: name the folder of one")
    return found


def _show(console: Console, row: dict[str, Any]) -> None:
    from autonoise.study.workers import worker_line
    from autonoise.technique.words import counted

    counts = " · ".join(f"{n} {state}" for state, n in row["counts"].items() if n) or "no trial yet"
    console.print(
        f"{row['study']}  {row['phase']}  {row['done']}/{counted(row['trials'], 'trial')}  ({counts})", soft_wrap=True
    )
    for name, words in _BESIDE.items():
        if row["beside"][name]:
            console.print(f"  {row['beside'][name]} {words}", soft_wrap=True)
    if row["best"] is not None:
        b = row["best"]
        console.print(
            f"  best {number(b['score'])} (clean {number(b['clean'])}, noisy {number(b['noisy'])})"
            f"  trial {b['trial']}: {' + '.join(b['techniques']) or 'no noise'}",
            soft_wrap=True,
        )
    if row["phases"]["confirm"] or row["phases"]["verdict"]:
        console.print(
            f"  trainings after the search  {row['phases']['confirm']} to confirm and minimise, "
            f"{row['phases']['verdict']} for the verdict",
            soft_wrap=True,
        )
    for line in row["workers"]:
        console.print(f"  worker {worker_line(line)}", soft_wrap=True)
    short = row["verdict_at"] is not None and row["verdict_at"] < row["trials"]
    reached = f"  (reached at {row['verdict_at']} of {counted(row['trials'], 'trial')})" if short else ""
    console.print(f"  verdict  {row['verdict']}{reached}", soft_wrap=True)
    if row["sentence"]:
        console.print(f"  {row['sentence']}", soft_wrap=True)
    if row["exports"]:
        console.print(f"  files  {'  '.join(row['exports'])}", soft_wrap=True)
