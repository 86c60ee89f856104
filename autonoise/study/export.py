"""Writing policies with their scores and provenance; policy.yaml is always current."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from importlib import metadata
from typing import Any

import optuna

from autonoise.policy import Policy
from autonoise.policy.places import counted
from autonoise.policy.verify import statistics_of
from autonoise.study.config import StudyConfig
from autonoise.study.folder import StudyFolder
from autonoise.study.storage import completed
from autonoise.study.trial_record import TrialRecord
from autonoise.training.task import Task
from autonoise.verdict.decide import NOT_MEASURABLE


def versions() -> dict[str, str]:
    """Versions of what the numbers depend on."""
    found = {"python": platform.python_version()}
    for package in ("autonoise", "torch", "optuna", "numpy", "scikit-learn"):
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = "unknown"
    return found


def complete_policy(
    policy: Policy, task: Task, config: StudyConfig, scores: Mapping[str, Any], *, name: str, created: str | None = None
) -> Policy:
    """The policy as exported: with its input description, scores, provenance and check statistics."""
    provenance = {
        "study": config.study,
        "data": task.dataset.fingerprint,
        "seed": config.seed,
        "train_rows": len(task.splits.folds[0].train),
        "epochs": task.recipe.epochs,
        "trials": config.trials,
        "versions": versions(),
        "created": created or utc_now(),
    }
    policy = counted(policy, task.model(config.seed), input=task.spec(), num_classes=task.spec().classes)
    made = replace(policy, name=name, input=task.spec(), scores=dict(scores), provenance=provenance, check={})
    return replace(made, check={"seed": 0, "statistics": statistics_of(made)})


def utc_now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def write_current(study: optuna.Study, task: Task, config: StudyConfig, folder: StudyFolder, known: list[int]) -> None:
    """policy.yaml of the best trial so far, verdict ``unconfirmed``; nothing when the best has not changed."""
    best = next((record for record in completed(study) if record.techniques), None)
    if best is None or known == [best.number]:
        return
    known[:] = [best.number]
    policy_of_trial(best, task, config).save(folder.policy_file)


def policy_of_trial(record: TrialRecord, task: Task, config: StudyConfig) -> Policy:
    """The policy of a completed trial as exported, with the scores of the search."""
    scores = {
        "clean": {"policy": record.clean},
        "noisy": {"policy": record.noisy},
        "trial": record.number,
        "verdict": "unconfirmed",
    }
    return complete_policy(record.policy, task, config, scores, name=f"{config.study}-trial-{record.number}")


def scores_of(result: Mapping[str, Any]) -> dict[str, Any]:
    """The verdict's numbers as they stand in the policy file."""
    contestants = result["contestants"]
    out: dict[str, Any] = {
        key: {label: mean_of(c[key]) for label, c in contestants.items()}
        for key in ("clean", "search", "held_out", "score")
    }
    gap = result["gaps"]["held_out"]
    closed = contestants["policy"]["gap_closed_held_out"]
    out["gap_closed_held_out"] = closed or (NOT_MEASURABLE if gap is None else "no gap to close")
    out["difference"] = {name: d["score"] or NOT_MEASURABLE for name, d in result["differences"].items()}
    out["seeds"] = dict(result["seeds_of"])
    out["verdict"] = result["verdict"]
    out["answers"] = dict(result["answers"])
    out["recommended"] = result["recommended"]
    return out


def mean_of(numbers: Sequence[float] | None) -> float | str:
    """The first of [mean, low, high], or the word that stands in its place."""
    return NOT_MEASURABLE if numbers is None else numbers[0]
