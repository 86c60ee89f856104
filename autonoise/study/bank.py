"""The bank of finished studies: what a study leaves for later ones, and what a new study takes from it.

The bank is made of the ``studies`` folder that ships with autonoise, and of the folder in which a study's own folder
lies. Each study has a file ``memory.json`` there.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from autonoise.data import Dataset, Rows, Splits, split, take
from autonoise.errors import AutonoiseError, InsufficientStudiesError
from autonoise.files import read_json, resource_dir, write_json
from autonoise.policy import Policy
from autonoise.study.folder import StudyFolder
from autonoise.study.learned import learned
from autonoise.study.result import Measured, Result
from autonoise.training.task import Task
from autonoise.types import Array, DataType

FORMAT = "autonoise-memory/1"
NAME = "memory.json"
NEAREST = 3
"""How many studies of the most similar data give their policies to a new search."""
LEAST_STUDIES = 3
"""Without a search a policy is recommended only where the bank has as many studies of the data type."""


@dataclass(frozen=True)
class Banked:
    """One finished study of the bank. ``features`` describe its data, ``policies`` are best first."""

    name: str
    data_type: DataType
    fingerprint: str
    features: Mapping[str, float]
    policies: tuple[Policy, ...]
    summary: Mapping[str, Any]


def training_rows(splits: Splits) -> Array:
    """Row numbers (N,) that some fold trains on; none of them is a test row."""
    return np.unique(np.concatenate([fold.train for fold in splits.folds]))


def features_of(dataset: Dataset, rows: Array) -> dict[str, float]:
    """Meta-features that need no training: size, classes, balance, dimensions, signal statistics.

    All but the number of rows and of classes is measured on ``rows`` (N,), the training rows: what is known of a new
    data set before its verdict must not depend on its test rows.
    """
    shares = np.bincount(dataset.y[rows]) / len(rows)
    entropy = -float(np.sum(shares[shares > 0] * np.log(shares[shares > 0])))
    out = {
        "log_rows": math.log10(len(dataset)),
        "log_classes": math.log10(dataset.classes),
        "balance": entropy / math.log(dataset.classes),
    }
    return out | _signal(take(dataset.x, rows))


def _signal(x: Rows) -> dict[str, float]:
    if isinstance(x, np.ndarray):
        part = x[:500].astype(np.float64)
        flat = part.reshape(len(part), -1)
        scale = float(np.nanstd(flat)) or 1.0
        axis = 1 if part.ndim == 4 else -1
        step = float(np.sqrt(np.nanmean(np.diff(part, axis=axis) ** 2))) / scale
        return {
            "log_dimensions": math.log10(flat.shape[1]),
            "roughness": step,
            "within": float(np.nanmean(np.nanstd(flat, axis=1))) / scale,
        }
    if isinstance(x, list):
        words = [len(t.split()) for t in x[:2000]]
        return {"log_dimensions": math.log10(1 + float(np.mean(words))), "spread": float(np.std(words)) / 10}
    numeric = sum(x[c].dtype.kind in "iuf" for c in x.columns)
    return {
        "log_dimensions": math.log10(x.shape[1]),
        "numeric": numeric / max(x.shape[1], 1),
        "missing": float(x.isna().mean().mean()),
    }


def deposit(task: Task, folder: StudyFolder, result: Result, final: Policy) -> None:
    """Leave what later studies may learn from in the study's folder."""
    contestants = result.contestants
    frozen = {f.name: f.amounts[2] for f in task.frozen}
    gap_closed = contestants["policy"].gap_closed_held_out

    def mean(measured: Measured | None) -> float | None:
        return None if measured is None else measured.mean

    body = {
        "format": FORMAT,
        "study": result.study,
        "data_type": result.data_type,
        "fingerprint": task.dataset.fingerprint,
        "tolerance": frozen,
        "features": features_of(task.dataset, training_rows(task.splits)),
        "summary": {
            "data": result.describe,
            "verdict": result.verdict,
            "clean": {n: mean(c.clean) for n, c in contestants.items()},
            "search": {n: mean(c.search) for n, c in contestants.items()},
            "held_out": {n: mean(c.held_out) for n, c in contestants.items()},
            "score": {n: mean(c.score) for n, c in contestants.items()},
            "answers": dict(result.answers),
            "gap_closed": None if gap_closed is None else list(gap_closed),
            "found": sum(s.role == "found" for s in result.standings),
        },
        "policies": [_bare(final)],
    }
    write_json(folder.root / NAME, body)


def _bare(policy: Policy) -> dict[str, Any]:
    """A policy without its input: for other data only the steps mean something."""
    return Policy(policy.data_type, policy.steps, policy.name, strength=policy.strength).to_dict()


def bank(data_type: DataType, places: Iterable[Path]) -> list[Banked]:
    """All readable studies of a data type; a damaged or foreign file is passed over."""
    found: dict[str, Banked] = {}
    for place in places:
        for path in sorted(place.glob(f"*/{NAME}")):
            study = _read(path)
            if study is not None and study.data_type == data_type:
                found.setdefault(study.name, study)
    return list(found.values())


def _read(path: Path) -> Banked | None:
    try:
        values = read_json(path)
        if values["format"] != FORMAT:
            return None
        # starting points of a search, which are trained anew: a formula that changed since is nothing to warn of
        policies = tuple(Policy.from_dict(p, str(path), tell=False) for p in values["policies"])
        return Banked(
            str(values["study"]),
            DataType(values["data_type"]),
            str(values["fingerprint"]),
            {str(k): float(v) for k, v in values["features"].items()},
            policies,
            dict(values["summary"]),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError, AutonoiseError):
        return None


def places_for(folder: Path | None) -> list[Path]:
    shipped = resource_dir("studies")
    return [shipped] if folder is None else [folder.resolve().parent, shipped]


def nearest(features: Mapping[str, float], studies: list[Banked]) -> list[tuple[float, Banked]]:
    """(distance, study), nearest first: Euclidean over shared features, each scaled by its spread in the bank."""
    scale = {
        k: float(np.std([s.features[k] for s in studies if k in s.features] + [v])) or 1.0 for k, v in features.items()
    }

    def distance(s: Banked) -> float:
        shared = [k for k in features if k in s.features]
        return math.sqrt(sum(((features[k] - s.features[k]) / scale[k]) ** 2 for k in shared) / max(len(shared), 1))

    return sorted(((distance(s), s) for s in studies), key=lambda pair: (pair[0], pair[1].name))


def warm_start(task: Task, folder: StudyFolder) -> list[Policy]:
    """The best policies of the nearest studies that were better than no noise; none where there are no studies.

    Studies of the same data are left out: two runs with one seed must not depend on which came first, and a
    policy that met these test rows already would be no fair start.
    """
    places = places_for(folder.root)
    if learned(task.dataset.data_type).portfolio:
        places = places[:1]  # the portfolio was chosen among the policies of the shipped studies, too
    studies = bank(task.dataset.data_type, places)
    studies = [s for s in studies if s.fingerprint != task.dataset.fingerprint and _helped(s)]
    chosen = nearest(features_of(task.dataset, training_rows(task.splits)), studies)[:NEAREST] if studies else []
    return [s.policies[0] for _, s in chosen if s.policies]


def helpful(dataset: Dataset, studies: list[Banked]) -> list[tuple[float, Banked]]:
    """(distance, study) of those that were better than no noise, nearest first; all of them where none was."""
    ranked = nearest(features_of(dataset, training_rows(split(dataset, seed=0))), studies)
    return [(d, s) for d, s in ranked if _helped(s)] or ranked


def _helped(study: Banked) -> bool:
    score = study.summary.get("score", {})
    policy, baseline = score.get("policy"), score.get("baseline")
    return policy is not None and baseline is not None and bool(policy > baseline)


@dataclass(frozen=True)
class Recommendation:
    """A policy without a search, and what it rests on: (study, distance, summary).

    ``same``: the study among them, if any, that was made with these very data.
    """

    policy: Policy
    rests_on: tuple[tuple[str, float, Mapping[str, Any]], ...]
    same: str | None = None


def recommend(dataset: Dataset, places: Iterable[Path]) -> Recommendation:
    """The policy of the nearest study of the same data type that helped there.

    Raises InsufficientStudiesError with fewer than three studies of the type.
    """
    studies = [s for s in bank(dataset.data_type, places) if s.policies]
    if len(studies) < LEAST_STUDIES:
        raise InsufficientStudiesError(
            f"{len(studies)} finished studies of {dataset.data_type} data are in the bank, {LEAST_STUDIES} are needed "
            f"to recommend from: run autonoise search, or take the preset"
        )
    helped = helpful(dataset, studies)
    rests = tuple((s.name, d, s.summary) for d, s in helped[:NEAREST])
    same = next((s.name for _, s in helped[:NEAREST] if s.fingerprint == dataset.fingerprint), None)
    return Recommendation(helped[0][1].policies[0], rests, same)
