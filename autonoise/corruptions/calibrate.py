"""Choosing the five amounts of a corruption once per study, so that severities mean the same everywhere."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn.isotonic import IsotonicRegression

from autonoise.corruptions.base import Corruption, Reference
from autonoise.corruptions.rows import Rows
from autonoise.errors import StudyError

TARGETS = (0.97, 0.91, 0.84, 0.74, 0.62)
"""Share of its accuracy above chance that the baseline shall keep at the severities 1 to 5."""
_GAP = 0.01
"""Least distance between two severities, as a share of the way from the mildest to the harshest amount."""
_TOLERANCE = 1e-6
"""Retentions that differ by less are equal: isotonic regression returns means, which are rounded."""
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Calibration:
    """The five amounts, the retention measured at each, and the whole curve that was measured, from mild to harsh.

    ``note`` says when targets are out of reach ("weak: ...") or below the mildest amount ("harsh: ...").
    """

    amounts: tuple[float, ...]
    retentions: tuple[float, ...]
    grid: tuple[float, ...]
    grid_retentions: tuple[float, ...]
    note: str = ""


def calibrate(
    corruption: Corruption,
    accuracy: Callable[[Rows], float],
    rows: Rows,
    *,
    clean: float,
    chance: float,
    rng_seed: int,
    reference: Reference,
    targets: Sequence[float] = TARGETS,
    grid: int = 9,
    rounds: int = 2,
) -> Calibration:
    """Amounts at which the baseline keeps the target shares of its accuracy.

    retention(a) = (accuracy(corrupted rows) - chance) / (clean - chance), measured on a grid from the
    mildest to the harshest amount, made monotone by isotonic regression and inverted by straight lines.
    Each round measures the amounts found and adds them to the grid. Where even the harshest amount does
    not reach a target, amounts are spread evenly from the last one reached to the harshest. StudyError
    unless chance < clean, targets fall and there are 2 amounts in the grid and 1 round at least.
    """
    if not chance < clean:
        raise StudyError(
            f"corruptions cannot be calibrated: the baseline's accuracy {clean:.3f} must be above chance "
            f"{chance:.3f}: train it longer or check the labels"
        )
    falling = all(0 < t < 1 for t in targets) and list(targets) == sorted(set(targets), reverse=True)
    if grid < 2 or rounds < 1 or not falling:
        raise StudyError(
            "grid >= 2, rounds >= 1 and 1 > targets > 0, falling, must hold, "
            f"but got (grid={grid}, rounds={rounds}, targets={tuple(targets)})"
        )

    def retention(amount: float) -> float:
        # The same draws at every amount: the curve then varies with the amount only.
        noisy = corruption(rows, amount, rng=np.random.default_rng(rng_seed), reference=reference)
        return (accuracy(noisy) - chance) / (clean - chance)

    curve = {float(u): retention(amount_at(corruption, u)) for u in np.linspace(0, 1, grid)}
    for _ in range(rounds):
        position = np.array(sorted(curve))
        fitted = IsotonicRegression(increasing=False).fit_transform(position, [curve[u] for u in position])
        places, note = _places(position, fitted, targets)
        curve.update({float(u): retention(amount_at(corruption, u)) for u in places if u not in curve})

    def amounts(positions: Iterable[float]) -> tuple[float, ...]:
        return tuple(amount_at(corruption, u) for u in positions)

    along = sorted(curve)
    return Calibration(
        amounts(places), tuple(curve[float(u)] for u in places), amounts(along), tuple(curve[u] for u in along), note
    )


def amount_at(corruption: Corruption, position: float) -> float:
    """The amount at a position from 0 (mildest) to 1 (harshest), by ratio where the corruption is ``log``."""
    mild, harsh = corruption.mildest, corruption.harshest
    if corruption.log:
        amount = math.exp((1 - position) * math.log(mild) + position * math.log(harsh))
    else:
        amount = (1 - position) * mild + position * harsh
    return min(max(amount, min(mild, harsh)), max(mild, harsh))


def _places(position: Floats, fitted: Floats, targets: Sequence[float]) -> tuple[Floats, str]:
    """Positions of the targets, at least ``_GAP`` apart, and what to say about them."""
    reached = [t for t in targets if fitted[-1] <= t + _TOLERANCE]
    missed = list(targets[len(reached) :])
    places = [_first_at_or_below(position, fitted, t) for t in reached]
    note = ""
    if missed:
        start = places[-1] if places else 0.0
        places += list(np.linspace(start, 1, len(missed) + 1)[1:])
        share = ", ".join(f"{t:.2f}" for t in missed)
        note = f"weak: even the harshest amount keeps {fitted[-1]:.2f} of the accuracy; not reached: {share}"
    elif fitted[0] < targets[0] - _TOLERANCE:
        note = f"harsh: the mildest amount already keeps only {fitted[0]:.2f} of the accuracy"
    n = len(places)
    gap = min(_GAP, 1 / (2 * n))
    out = np.array(places)
    for i in range(1, n):
        out[i] = max(out[i], out[i - 1] + gap)
    for i in range(n - 1, -1, -1):
        out[i] = min(out[i], 1 - (n - 1 - i) * gap)
    return out, note


def _first_at_or_below(position: Floats, fitted: Floats, target: float) -> float:
    i = int(np.argmax(fitted <= target + _TOLERANCE))
    if i == 0:
        return 0.0
    above, below = fitted[i - 1], fitted[i]
    part = min(1.0, (above - target) / (above - below))
    return float(position[i - 1] + part * (position[i] - position[i - 1]))
