"""The one look at the test part: found policy, baseline and best preset from fresh seeds, compared with intervals."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import optuna

from autonoise.corruptions.frozen import FrozenCorruption
from autonoise.errors import StudyError
from autonoise.policy import Policy
from autonoise.score import gap_closed
from autonoise.study.config import StudyConfig
from autonoise.study.folder import RunResult
from autonoise.study.jobs import Job, Runner
from autonoise.study.statistics import Interval, Parts, paired, parts_of, spread, value
from autonoise.study.storage import PREFIX
from autonoise.task import Task

BETTER, NO_GAIN, WORSE = "better", "no significant gain", "worse"
NUMBERS = ("nll_clean", "nll_noisy", "ece_clean", "ece_noisy", "brier_clean", "brier_noisy", "balanced", "worst")
FIRST_SEED = 100
"""Seeds of the verdict; confirming uses those from 0."""


@dataclass(frozen=True)
class Contestant:
    """A policy on the test part. ``label`` is "baseline", "preset" or "policy"."""

    label: str
    policy: Policy
    runs: tuple[RunResult, ...]


@dataclass(frozen=True)
class Held:
    """Which corruptions count for what: ``families`` of all, ``held_out`` those that no contestant trained on."""

    families: Mapping[str, str]
    search: tuple[str, ...]
    held_out: tuple[str, ...]
    every_held_out: tuple[str, ...]
    exposure: Mapping[str, str]

    @classmethod
    def of(
        cls, frozen: Sequence[FrozenCorruption], policies: Sequence[Policy], *, real_alone: bool, real: bool
    ) -> Held:
        """A held-out corruption of a family that any contestant trained on, or a related one, does not count."""
        trained = frozenset().union(*(p.families for p in policies)) if policies else frozenset()
        exposure = {f.name: f.exposure(trained) for f in frozen}
        unseen = tuple(f.name for f in frozen if f.group == "held_out" and exposure[f.name] == "unseen")
        families = {f.name: str(f.family) for f in frozen}
        search = () if real_alone else tuple(f.name for f in frozen if f.group == "search")
        if real:
            families["real"], search = "real", (*search, "real")
            unseen = ("real",) if real_alone else (*unseen, "real")
        every = tuple(f.name for f in frozen if f.group == "held_out" and not real_alone)
        return cls(families, search, unseen, every or unseen, exposure)


def judge(
    task: Task, config: StudyConfig, study: optuna.Study, runner: Runner, policies: Mapping[str, Policy], seeds: int,
    stop: Callable[[], bool], done: Callable[[int], None],
) -> dict[str, Any] | None:
    """Train and test all contestants and compare them; None when stopped before the end.

    ``policies``: label → policy, with "baseline" and "policy", and "preset" where there is one.
    """
    reads = _remember_reading(study, policies)
    jobs = [Job(p, "test", FIRST_SEED + k) for k in range(seeds) for p in policies.values()]
    results = runner.run(jobs, stop=stop, done=done)
    runs = [r for r in results if r is not None]
    if len(runs) < len(jobs):
        return None
    if not policies["policy"].steps:
        raise StudyError("the policy to judge is empty")
    contestants = [
        Contestant(label, policy, tuple(runs[i :: len(policies)])) for i, (label, policy) in enumerate(policies.items())
    ]
    real = task.real is not None
    held = Held.of(
        task.frozen, list(policies.values()), real=real, real_alone=task.real is not None and task.real.alone
    )
    return {
        "contestants": {c.label: _table(c, contestants[0], config.noise_weight, held) for c in contestants},
        "differences": _differences(contestants, config.noise_weight, held),
        "corruptions": _per_corruption(task.frozen, contestants, held, real),
        "held_out": list(held.held_out),
        "seeds": seeds,
        "test_rows": len(task.splits.test),
        "test_read_at": study.user_attrs[PREFIX + "test_read_at"],
        "test_reads": reads,
    }


def _remember_reading(study: optuna.Study, policies: Mapping[str, Policy]) -> int:
    """Write into the study that the test part is read, first when; returns how many sets of contestants have met on it.

    One after a search; more when it was continued, and each choice then rests a little on the test part too.
    """
    if study.user_attrs.get(PREFIX + "test_read_at") is None:
        study.set_user_attr(PREFIX + "test_read_at", datetime.now(UTC).isoformat(timespec="seconds"))
    met: list[str] = study.user_attrs.get(PREFIX + "test_contestants", [])
    now = "+".join(p.hash for p in policies.values())
    if now not in met:
        study.set_user_attr(PREFIX + "test_contestants", [*met, now])
    return len({*met, now})


def decide(differences: Mapping[str, Mapping[str, Sequence[float]]]) -> str:
    """``better`` when the mixed score's interval is above 0 against every opponent, ``worse`` when it is below 0
    against the baseline or every opponent, else ``no significant gain``.
    """
    scores = {name: d["score"] for name, d in differences.items()}
    if all(s[1] > 0 for s in scores.values()):
        return BETTER
    if scores["baseline"][2] < 0:
        return WORSE
    return NO_GAIN


def _parts(runs: Sequence[RunResult], weight: float, held: Held, keep: Sequence[str]) -> list[Parts]:
    return [parts_of(r, weight, held.families, keep) for r in runs]


def _means(runs: Sequence[RunResult], weight: float, held: Held, keep: Sequence[str]) -> list[float]:
    return [value(p) for p in _parts(runs, weight, held, keep)]


def _table(c: Contestant, baseline: Contestant, weight: float, held: Held) -> dict[str, Any]:
    clean = [float(r.correct.mean()) for r in c.runs]
    base_clean = float(np.mean([r.correct.mean() for r in baseline.runs]))
    rows: dict[str, Any] = {"clean": spread(clean).to_list()}
    columns = (("search", held.search), ("held_out", held.held_out), ("held_out_all", held.every_held_out))
    for name, keep in columns:
        noisy = _means(c.runs, 1.0, held, keep)
        base = _means(baseline.runs, 1.0, held, keep)
        rows[name] = spread(noisy).to_list()
        rows[f"gap_closed_{name}"] = _gap(c, baseline, held, keep, base_clean, float(np.mean(base)))
    rows["score"] = spread(_means(c.runs, weight, held, held.held_out)).to_list()
    numbers = {
        f"{key}_{group}": float(np.mean([r.numbers[group][key] for r in c.runs]))
        for group in c.runs[0].numbers
        for key in NUMBERS
    }
    return {
        **rows, "numbers": numbers, "name": c.policy.name, "hash": c.policy.hash, "passes": c.policy.passes,
        "seconds": float(np.mean([r.seconds for r in c.runs])), "steps": [s.to_dict() for s in c.policy.steps],
        "diverged": sum(r.diverged for r in c.runs), "families": sorted(map(str, c.policy.families)),
    }


def _gap(
    c: Contestant, baseline: Contestant, held: Held, keep: Sequence[str], clean: float, noisy: float
) -> list[float] | None:
    """Gap closed with the paired interval of the difference; the gap itself is taken as known."""
    if not np.isfinite(gap_closed(noisy, clean, noisy)):
        return None
    if c is baseline:
        return [0.0, 0.0, 0.0]
    difference = paired(_parts(c.runs, 1.0, held, keep), _parts(baseline.runs, 1.0, held, keep))
    return difference.scaled(1 / (clean - noisy)).to_list()


def _differences(contestants: Sequence[Contestant], weight: float, held: Held) -> dict[str, dict[str, list[float]]]:
    by_label = {c.label: c for c in contestants}
    found = by_label["policy"]
    out: dict[str, dict[str, list[float]]] = {}
    for label, other in by_label.items():
        if label == "policy":
            continue

        def against(w: float, keep: Sequence[str], other: Contestant = other) -> Interval:
            return paired(_parts(found.runs, w, held, keep), _parts(other.runs, w, held, keep))

        out[label] = {
            "score": against(weight, held.held_out).to_list(), "clean": against(0.0, held.held_out).to_list(),
            "search": against(1.0, held.search).to_list(), "held_out": against(1.0, held.held_out).to_list(),
        }
    return out


def _per_corruption(
    frozen: Sequence[FrozenCorruption], contestants: Sequence[Contestant], held: Held, real: bool
) -> list[dict[str, Any]]:
    out: list[dict[str, Any]] = []
    for f in frozen:
        accuracy = {
            c.label: np.mean([r.corruptions[f.group][f.name] for r in c.runs], axis=0).round(4).tolist()
            for c in contestants
            if f.name in c.runs[0].corruptions.get(f.group, {})
        }
        if accuracy:
            out.append({
                "name": f.name, "group": f.group, "family": str(f.family), "exposure": held.exposure[f.name],
                "counts": f.name in held.held_out or f.group == "search", "amounts": list(f.amounts), "note": f.note,
                "accuracy": accuracy,
            })
    if real:
        accuracy = {
            c.label: [float(np.mean([r.noisy["real"].mean() for r in c.runs]))] for c in contestants
        }
        out.append({"name": "real", "group": "held_out", "family": "real", "exposure": "unseen", "counts": True,
                    "amounts": [], "note": "the user's own noisy set", "accuracy": accuracy})
    return out


def sentence(result: Mapping[str, Any]) -> str:
    """The verdict in a line."""
    base, policy = result["contestants"]["baseline"], result["contestants"]["policy"]
    gap = policy["gap_closed_held_out"]
    clean = result["differences"]["baseline"]["clean"]
    cost_before = base["clean"][0] - base["held_out"][0]
    cost_after = base["clean"][0] - policy["held_out"][0]
    score = result["differences"]["baseline"]["score"]
    over = ""
    if result["verdict"] == NO_GAIN and score[1] > 0 and "preset" in result["contestants"]:
        name = result["contestants"]["preset"]["name"]
        by = f"{score[0]:.3f} [{score[1]:.3f}, {score[2]:.3f}]"
        over = f" over the preset {name}, but better than no noise by {by}"
    closed = f" (gap closed {_percent(gap[0])} [{_percent(gap[1])}, {_percent(gap[2])}])" if gap else ""
    return (
        f"{result['verdict']}{over}: noise never trained on costs {cost_after:.3f} instead of {cost_before:.3f}"
        f"{closed}; "
        f"clean accuracy {clean[0]:+.3f} [{clean[1]:+.3f}, {clean[2]:+.3f}]"
    )


def _percent(x: float) -> str:
    return f"{100 * x:.0f} %"
