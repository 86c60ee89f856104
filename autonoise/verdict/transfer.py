"""Strength transfer (``--calibrate``): how the best global strength moves with model size and data, and what to use.

The best strength grows with model and data size (RandAugment, Cubuk 2020), so a policy found on a small proxy may
be too weak for the user's model.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from autonoise.policy import Policy
from autonoise.study.result_transfer import Transfer, TransferSetting
from autonoise.study.session import Session
from autonoise.types import Array
from autonoise.verdict.statistics import parts_of, value
from autonoise.verdict.trainings import Job, Runner

STRENGTHS = (0.5, 0.75, 1.0, 1.5, 2.0)
SETTINGS = ((1.0, 1.0), (2.0, 1.0), (1.0, 0.5), (0.5, 1.0))
"""(factor on the proxy's width, share of the training rows) at which the best strength is measured."""
BIGGER = 4.0
"""How many times as wide as the proxy the model is that the recommendation is given for."""
SEEDS = 2
"""Trainings at each strength and setting."""
_LIMITS = (math.log(STRENGTHS[0]), math.log(STRENGTHS[-1]))


@dataclass(frozen=True)
class Peak:
    """The strength with the best mixed score at one setting; ``flat`` when no strength stands out."""

    size: float
    rows: float
    scores: tuple[float, ...]
    log_strength: float
    flat: bool


def measure_transfer(session: Session, runner: Runner, policy: Policy) -> Transfer | None:
    """Measure on the confirm part and recommend a strength for the same model and for one four times as wide.

    The recommendation's interval holds 80 %, by resampling within the seeds' error; None when stopped.
    """
    settings = [s for s in SETTINGS if session.task.factory is None or s[0] == 1.0]
    jobs = [
        Job(policy.scaled(s), "confirm", k, size=size, rows=rows)
        for size, rows in settings
        for s in STRENGTHS
        for k in range(SEEDS)
    ]
    done = session.counter("transfer strength", len(SETTINGS) * len(STRENGTHS) * SEEDS)
    runs = runner.run(jobs, stop=session.stop, done=done)
    if any(r is None for r in runs):
        return None
    weight, families = session.config.noise_weight, session.families
    scores = np.array([value(parts_of(r, weight, families)) for r in runs if r is not None])
    table = scores.reshape(len(settings), len(STRENGTHS), SEEDS)
    peaks = [_peak(size, rows, table[i].mean(1), table[i]) for i, (size, rows) in enumerate(settings)]
    resampled = _resample(table, settings)
    best, bigger = _fit(settings, [p.log_strength for p in peaks])
    low, high = np.percentile([b for _, b in resampled], [10, 90])
    found = Transfer(
        tuple(TransferSetting(p.size, p.rows, STRENGTHS, p.scores, math.exp(p.log_strength), p.flat) for p in peaks),
        proxy=math.exp(best),
        bigger=math.exp(bigger),
        bigger_factor=BIGGER,
        bigger_interval=(math.exp(float(low)), math.exp(float(high))),
    )
    return replace(found, sentence=words(found))


def _peak(size: float, rows: float, means: Array, table: Array) -> Peak:
    noise = float(np.sqrt(np.mean(table.var(axis=1, ddof=1)) / table.shape[1]))
    flat = float(means.max() - means.min()) < 2 * noise
    return Peak(size, rows, tuple(float(m) for m in means), _vertex(means), flat)


def _vertex(means: Array) -> float:
    """Where a parabola through the scores over log strength is highest, inside the strengths that were tried."""
    x = np.log(STRENGTHS)
    a, b, _ = np.polyfit(x, means, 2)
    top = -b / (2 * a) if a < 0 else float(x[int(np.argmax(means))])
    return float(min(max(top, _LIMITS[0]), _LIMITS[1]))


def _fit(settings: list[tuple[float, float]], peaks: list[float]) -> tuple[float, float]:
    """(log strength at the proxy, at a model ``BIGGER`` times as wide) by least squares over log size and log rows.

    A little ridge keeps a slope that rests on three points from running away.
    """
    x = np.array([[1.0, math.log(size), math.log(rows)] for size, rows in settings])
    penalty = np.diag([0.0, 0.1, 0.1])
    weights = np.linalg.solve(x.T @ x + penalty, x.T @ np.array(peaks))
    bigger = float(weights @ np.array([1.0, math.log(BIGGER), 0.0]))
    return float(weights[0]), float(min(max(bigger, _LIMITS[0] * 1.5), _LIMITS[1] * 1.5))


def _resample(table: Array, settings: list[tuple[float, float]], rounds: int = 200) -> list[tuple[float, float]]:
    rng = np.random.default_rng(0)
    spread = np.sqrt(np.mean(table.var(axis=2, ddof=1)) / table.shape[2])
    means = table.mean(2)
    return [_fit(settings, [_vertex(row + rng.normal(0, spread, row.shape)) for row in means]) for _ in range(rounds)]


def words(found: Transfer) -> str:
    """The recommendation in a line."""
    low, high = found.bigger_interval
    return (
        f"strength {found.proxy:.2f} suits the proxy; for a model {found.bigger_factor:.0f} times as wide use "
        f"about {found.bigger:.2f} [{low:.2f}, {high:.2f}]: policy.scaled({found.bigger:.2f})"
    )
