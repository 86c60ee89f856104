"""Where a study stands, as plain values: its phases, its trials by how they ended, its files, its age."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import TrialState

from autonoise.errors import AutonoiseError, StudyError
from autonoise.study.config import StudyConfig
from autonoise.study.folder import StudyFolder
from autonoise.study.places import optuna_study, study_of
from autonoise.study.shared import Shared, trainings
from autonoise.study.storage import completed, dead_trials
from autonoise.study.trial_record import REPEATED, StudyRecord, records_of
from autonoise.study.workers import worker_rows

_ENDED = {TrialState.COMPLETE: "complete", TrialState.PRUNED: "pruned", TrialState.FAIL: "failed"}


def overview(config: StudyConfig, study: optuna.Study | None = None) -> dict[str, Any]:
    """Where one study stands. StudyError where its files cannot be read.

    ``study``: its trials, where they are open already; they are read again only where they have changed.

    ``counts`` says how many trials are complete, pruned, failed, running and still to begin ("waiting"). Their sum is
    ``trials``, the total that was asked for, or more where more have ended. ``beside`` counts what is within or beside
    these: "repeated" (of the complete and pruned: the policy had been scored before), "retried" (its process was lost
    and its parameters were queued again; no part of the total), "lost" (running, but its worker is gone: it will run
    again and stands under "waiting").
    """
    folder = StudyFolder(config.out)
    row = nothing_yet(config.study, config.out, config.trials)
    row["exports"] = exports(folder)
    row["phases"]["calibrate"] = int(folder.corruptions_file.is_file())
    if config.storage is not None or (folder.root / "study.db").is_file():
        _trials(row, study or optuna_study(config), config.trials)
        parts = Counter(path.name.split("-")[1] for path in folder.runs.glob("*-*-*.npz"))
        row["phases"] |= {"search": row["done"], "confirm": parts["confirm"], "verdict": parts["test"]}
        row["phase"] = _phase(row, config.trials)
    result = folder.load_result()
    if result is None and folder.result_file.exists():
        raise StudyError(f"{folder.result_file} is damaged: delete it and run autonoise search {config.out} again")
    if result is not None:
        # a search that ran out of time, or that was given more trials later, has its verdict below the total
        counts = result.counts
        row["verdict_at"] = row["done"] if counts is None else counts.complete + counts.pruned + counts.failed
        row |= {"verdict": result.verdict, "sentence": result.sentence}
        row["changed"] = max(filter(None, (row["changed"], result.created)), default=None)
        going_on = any(worker["running"] and not worker["stalled"] for worker in row["workers"])
        row["phase"] = "search" if going_on and row["done"] < config.trials else "done"
    return row


def overview_from(study: optuna.Study, storage: str) -> dict[str, Any]:
    """Where a study stands by its storage alone: a row as of :func:`overview`, without files.

    ``storage``: the address that is shown in place of a folder.
    """
    shared, record = Shared.of(study), StudyRecord.of(study)
    total = int(shared.settings.get("trials", 0)) if shared is not None else 0
    row = nothing_yet(study.study_name, storage, total)
    _trials(row, study, total)
    parts = Counter(trainings(study))
    row["phases"] = {
        "calibrate": int(shared is not None),
        "search": row["done"],
        "confirm": parts["confirm"],
        "verdict": parts["test"],
    }
    row["phase"] = record.phase or "not begun"
    return row | {"verdict": record.verdict or "unconfirmed", "sentence": record.sentence}


def nothing_yet(study: str, folder: str, trials: int) -> dict[str, Any]:
    """The row of a study of which no trial was begun."""
    return {
        "study": study,
        "folder": folder,
        "trials": trials,
        "done": 0,
        "counts": {"complete": 0, "pruned": 0, "failed": 0, "running": 0, "waiting": trials},
        "beside": {"repeated": 0, "retried": 0, "lost": 0},
        "best": None,
        "phase": "not begun",
        "phases": {"calibrate": 0, "search": 0, "confirm": 0, "verdict": 0},
        "workers": [],
        "verdict": "unconfirmed",
        "verdict_at": None,
        "sentence": "",
        "exports": [],
        "begun": None,
        "changed": None,
    }


def overviews(places: Sequence[Path]) -> Iterator[dict[str, Any]]:
    """The rows of the studies whose study files these are; one that cannot be read must not hide the others."""
    for file in places:
        try:
            yield overview(study_of(str(file.parent)))
        except AutonoiseError as e:
            row = nothing_yet(file.parent.name, str(file.parent), 0)
            yield {**row, "phase": "unreadable", "sentence": str(e)}


def exports(folder: StudyFolder) -> list[str]:
    """The files that a study has left for others, by their names inside its folder."""
    single = (folder.policy_file, folder.report_html, folder.report_md, folder.trials_file, folder.result_file)
    found = [*(p for p in single if p.is_file()), *sorted(folder.policies.glob("*.yaml"))]
    return [p.relative_to(folder.root).as_posix() for p in found]


def _trials(row: dict[str, Any], study: optuna.Study, total: int) -> None:
    """What the trials tell: how many there are of each kind, the best of them, their workers and times."""
    records = records_of(study)
    lost = {t.number for t in dead_trials(study)}
    counted = Counter(_ENDED[r.state] for r in records if r.state in _ENDED and not r.killed)
    row["done"] = counted.total()
    running = sum(r.state == TrialState.RUNNING and r.number not in lost for r in records)
    # starting policies are queued whatever the total is, so that the queue says nothing of how many will run
    waiting = max(total - row["done"] - running, 0)
    row["counts"] = {name: counted[name] for name in _ENDED.values()} | {"running": running, "waiting": waiting}
    row["beside"] = {
        "repeated": sum(r.reason.startswith(REPEATED) and r.state != TrialState.FAIL for r in records),
        "retried": sum(r.killed for r in records),
        "lost": len(lost),
    }
    best = next(iter(completed(study)), None)
    if best is not None:
        row["best"] = {
            "trial": best.number,
            "score": best.score,
            "clean": best.clean,
            "noisy": best.noisy,
            "techniques": list(best.techniques),
        }
    row["workers"] = worker_rows(study)
    times = [t for r in records for t in (r.trial.datetime_start, r.trial.datetime_complete) if t is not None]
    row["begun"], row["changed"] = (utc(pick(times)) if times else None for pick in (min, max))


def utc(moment: datetime) -> str:
    """An ISO time in UTC of one without a time zone, which is how Optuna writes down local time."""
    return moment.astimezone(UTC).isoformat(timespec="seconds")


def _phase(row: dict[str, Any], total: int) -> str:
    """The last phase that has left results of trainings; minimising leaves the same kind of files as confirming."""
    if row["done"] < total:
        return "search"
    if row["phases"]["verdict"]:
        return "verdict"
    return "confirm" if row["phases"]["confirm"] else "search done"
