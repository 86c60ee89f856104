"""What each worker of a study has done so far, from the facts of its trials."""

from __future__ import annotations

from typing import Any

import optuna
from optuna.trial import TrialState

from autonoise.study.storage import dead_trials
from autonoise.study.trial_record import records_of

_COLUMNS = {
    TrialState.RUNNING: "running",
    TrialState.COMPLETE: "finished",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
}


def worker_rows(study: optuna.Study) -> list[dict[str, Any]]:
    """A row per worker, in the order of their first trials: its trials by how they ended, and whether it is stalled.

    ``retried``: its trials whose process was lost and whose parameters were queued again, which are not among the
    failed. ``stalled``: it is at a trial, but its process is gone or has given no sign of life for the grace period.
    """
    lost = {t.number for t in dead_trials(study)}
    rows: dict[str, dict[str, Any]] = {}
    for record in records_of(study):
        trial = record.trial
        if record.pid is None or trial.state not in _COLUMNS:
            continue
        name = f"{record.host}:{record.pid}"
        # the same number may belong to another process later, after a reboot for one
        row = rows.setdefault(
            record.process or name,
            {"worker": name, **dict.fromkeys(_COLUMNS.values(), 0), "retried": 0, "stalled": False},
        )
        row["retried" if record.killed else _COLUMNS[trial.state]] += 1
        row["stalled"] |= trial.number in lost
    return list(rows.values())


def worker_line(row: dict[str, Any]) -> str:
    """A row in words: "shop-3:4711  1 running · 12 finished · 3 pruned"; counts of nothing are left out."""
    names = (*_COLUMNS.values(), "retried")
    counts = " · ".join(f"{row[name]} {name}" for name in names if row[name])
    return f"{row['worker']}  {counts}" + ("  stalled" if row["stalled"] else "")
