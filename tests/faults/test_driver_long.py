"""The search itself killed by SIGKILL in every phase: the same command goes on, on PostgreSQL, with a password."""

from __future__ import annotations

import importlib
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from forked import made
from postgres import PASSWORD, Cluster
from sqlalchemy import create_engine, text
from table import row

from autonoise.policy import load_policy
from autonoise.study.folder import StudyFolder
from autonoise.study.observer import WhileSeen

pytestmark = pytest.mark.faults
PHASES = ("search", "confirm", "minimise", "verdict", "export")
NAME = "kills"


def die(*_: object, **__: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def killed_at(phase: str, back: str | None, file: Path) -> Callable[[], None]:
    """Sets up a process to kill itself in a phase; it leaves a file when it has reached the phase ``back`` again."""

    def reached(name: str) -> None:
        if (back is None or PHASES.index(name) >= PHASES.index(back)) and not file.exists():
            file.touch()

    def progress(self: object, progress: object) -> None:
        reached("search")
        if phase == "search" and progress.done == 2:  # type: ignore[attr-defined]
            die()

    def told(self: object, name: str, done: int, total: int) -> None:
        if name in PHASES:
            reached(name)
        if (name, done) == (phase, 1):
            die()

    def before() -> None:
        WhileSeen.progress, WhileSeen.phase = progress, told  # type: ignore[assignment, method-assign]
        if phase == "export":
            importlib.import_module("autonoise.verdict.export").deposit = die

    return before


def test_kill_in_every_phase(cluster: Cluster, tmp_path: Path) -> None:
    engine = create_engine(cluster.url)

    def values() -> dict[int, float]:
        # not those of the study beside it, in which the trainings after the search are queued
        query = """select t.number, v.value from trials t join trial_values v using (trial_id)
            join studies s using (study_id) where t.state = 'COMPLETE' and s.study_name = :name"""
        with engine.connect() as connection:
            return {row.number: row.value for row in connection.execute(text(query), {"name": NAME})}

    with made(tmp_path) as place:
        known: dict[int, float] = {}
        runs: set[str] = set()
        back = None
        for phase in PHASES:
            begun = time.time()
            process = place.search(
                storage=cluster.url, study=NAME, trials=3, before=killed_at(phase, back, tmp_path / phase)
            )
            assert process.wait(400) == -signal.SIGKILL, process.told()
            if back is not None:
                row(f"kill -9 of the search in: {back}", 1, 0, (tmp_path / phase).stat().st_mtime - begun)
            assert known.items() <= values().items()  # no finished trial is lost
            there = {p.name for p in (place.out / "runs").glob("*.npz")}
            assert runs <= there
            assert StudyFolder(place.out).load_result() is None  # it comes last, so that it means a whole verdict
            known, runs, back = values(), there, phase
        begun = time.time()
        process = place.search(storage=cluster.url, study=NAME, trials=3)
        assert process.wait(400) == 0, process.told()
        row("kill -9 of the search in: export", 1, 0, time.time() - begun)
        assert values() == known and len(known) == 3
        assert runs == {p.name for p in (place.out / "runs").glob("*.npz")}  # nothing is trained twice
        assert load_policy(place.out / "policy.yaml", warn=False) is not None
        result = StudyFolder(place.out).load_result()
        assert result is not None and [c.technique for c in result.contributions] == ["gaussian_noise", "mixup"]
        for file in (p for p in tmp_path.rglob("*") if p.is_file()):
            assert not any(form.encode() in file.read_bytes() for form in (PASSWORD, PASSWORD[:5])), file
    engine.dispose()
