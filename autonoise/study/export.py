"""Writing policies with their scores and provenance; policy.yaml is always current."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from autonoise.files import version_of
from autonoise.policy import Policy
from autonoise.policy.places import counted
from autonoise.policy.verify import check_of
from autonoise.study.config import StudyConfig
from autonoise.study.session import Session
from autonoise.study.storage import completed
from autonoise.study.trial_record import TrialRecord
from autonoise.training.task import Task


def versions() -> dict[str, str]:
    """Versions of what the numbers depend on."""
    packages = ("autonoise", "torch", "optuna", "numpy", "scikit-learn")
    return {"python": platform.python_version()} | {package: version_of(package) for package in packages}


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
        "runs_in": policy.form,
        "versions": versions(),
        "created": created or utc_now(),
    }
    if policy.provenance.get("source"):  # a published recipe stays one
        provenance["source"] = policy.provenance["source"]
    policy = counted(policy, task.model(config.seed), input=task.spec(), num_classes=task.spec().classes)
    made = replace(policy, name=name, input=task.spec(), scores=dict(scores), provenance=provenance, check={})
    return replace(made, check=check_of(made))


def utc_now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def write_current(session: Session, written: int | None) -> int | None:
    """Write policy.yaml of the best trial so far, verdict ``unconfirmed``; returns that trial's number.

    ``written``: the number of the trial that policy.yaml holds; nothing is written when it is still the best.
    """
    best = next((record for record in completed(session.study) if record.techniques), None)
    if best is None or written == best.number:
        return written
    policy_of_trial(best, session.task, session.config).save(session.folder.policy_file)
    return best.number


def policy_of_trial(record: TrialRecord, task: Task, config: StudyConfig) -> Policy:
    """The policy of a completed trial as exported, with the scores of the search."""
    scores = {
        "clean": {"policy": record.clean},
        "noisy": {"policy": record.noisy},
        "trial": record.number,
        "verdict": "unconfirmed",
    }
    return complete_policy(record.policy, task, config, scores, name=f"{config.study}-trial-{record.number}")
