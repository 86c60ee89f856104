"""Rows of the data before and after a policy's noise, at points of its schedule, as values to show or to draw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from autonoise.batches import batch_adapter
from autonoise.data import Dataset, Preparation, Rows, prepare, split, take
from autonoise.data.splits import stratified_order
from autonoise.errors import DataError, PolicyError
from autonoise.injector.moment import multiplier, noisy_batch, noisy_texts, seen_in_input
from autonoise.pictures.values import Examples, Row, StepWords, kind_of
from autonoise.policy import Policy
from autonoise.technique.step import Step
from autonoise.technique.words import ordinal, settings
from autonoise.types import Array, Batch, Stage

POINTS = (0.0, 0.5, 1.0)
"""Shares of training at which a policy is shown: its start, its middle and its end."""
BATCH = 64
"""Training rows that go through the noise together, as in a batch of training; some of them are shown."""
LEAST_SHARE = 0.01
"""A class with a smaller share of a label is not named."""


def examples(
    policy: Policy, dataset: Dataset, *, rows: int | None = None, seed: int = 0, at: Sequence[float] = POINTS
) -> Examples:
    """What a policy does to training rows at the shares ``at`` of training.

    All points have the same random draws, but for those whose strengths are those of an earlier point.

    Raises PolicyError for a policy of another data type, DataError for numbers out of range.
    """
    if policy.data_type != dataset.data_type:
        raise PolicyError(f"{policy.name} is for {policy.data_type} data, but {dataset.name} is {dataset.data_type}")
    kind = kind_of(policy.data_type)
    rows = kind.ROWS if rows is None else rows
    if not 1 <= rows <= BATCH:
        raise DataError(f"--rows must be a whole number from 1 to {BATCH}, but is {rows}")
    points = tuple(float(t) for t in at)
    if not points or not all(0 <= t <= 1 for t in points) or len(points) > 5:
        raise DataError(f"--at must be one to five shares of training, 0 to 1, but is {', '.join(map(str, at))}")
    train = split(dataset, seed=0).folds[0].train
    index = stratified_order(train, dataset.y, np.random.default_rng(seed), every_class_first=False)[:BATCH]
    preparation = prepare(dataset, train)
    raw, about = take(dataset.x, index), kind.about(dataset, preparation, policy)
    clean = preparation(raw)
    labels = torch.from_numpy(dataset.y[index]).long()
    made = [
        _at(policy, raw, labels, preparation, t, s) for t, s in zip(points, _seeds(policy, points, seed), strict=True)
    ]
    adapter = batch_adapter(policy.data_type)
    before = adapter.main(clean)
    values = [kind.restored(raw, clean, clean, preparation, about)]
    values += [kind.restored(m.rows, m.batch, clean, preparation, about) for m in made]
    # of texts what is shown decides: noise on strings may leave the tokens as they are
    differs = np.stack(
        [
            np.array([a != b for a, b in zip(v, values[0], strict=True)])
            if isinstance(raw, list)
            else _differs(before, adapter.main(m.batch))
            for m, v in zip(made, values[1:], strict=True)
        ]
    )
    shown = np.argsort(~differs.any(0), kind="stable")[: min(rows, len(index))]
    names = dataset.class_names
    return Examples(
        policy.name,
        dataset.name,
        policy.data_type,
        points,
        tuple(
            Row(
                int(index[i]),
                names[dataset.y[index[i]]],
                values[0][i],
                tuple(v[i] for v in values[1:]),
                tuple(label_words(m.targets[i], names) for m in made),
                tuple(bool(d[i]) for d in differs),
            )
            for i in shown.tolist()
        ),
        tuple(float(d.mean()) for d in differs),
        tuple(_words(s, policy, points) for s in policy.steps),
        about,
    )


def _seeds(policy: Policy, points: Sequence[float], seed: int) -> list[int]:
    """A seed for each point: the same one, so that only the strength differs; another one where that is the same."""
    met: list[tuple[float, ...]] = []
    for t in points:
        met.append(tuple(multiplier(s, policy, t) for s in policy.steps))
    return [seed + 1_000_003 * met[:i].count(strengths) for i, strengths in enumerate(met)]


@dataclass(frozen=True)
class _Made:
    rows: Rows
    batch: Batch
    targets: Tensor


def _at(policy: Policy, raw: Rows, labels: Tensor, preparation: Preparation, t: float, seed: int) -> _Made:
    rows: Rows = raw
    if isinstance(raw, list) and policy.at_stage(Stage.RAW):
        rows = noisy_texts(policy, raw, range(len(raw)), progress=t, seed=seed)
    batch = preparation(rows)
    batch, targets = noisy_batch(policy, batch, labels, preparation.spec, progress=t, seed=seed)
    return _Made(rows, batch, targets)


def _differs(a: Tensor, b: Tensor) -> Array:
    differing: Array = (a != b).flatten(1).any(1).numpy()
    return differing


def label_words(target: Tensor, names: Sequence[str]) -> str:
    """A class index as its name; soft targets (C,) as the classes with the largest shares, ``cat 70 % + dog 30 %``."""
    if target.ndim == 0:
        return names[int(target)]
    share, order = target.sort(descending=True, stable=True)
    if float(share[0]) > 1 - LEAST_SHARE / 2:
        return names[int(order[0])]
    large = [(names[int(c)], float(s)) for s, c in zip(share[:2], order[:2], strict=True) if s >= LEAST_SHARE]
    # what two classes leave over is spread evenly by label smoothing: only the first is then worth its name
    if len(large) == 2 and len(names) > 2 and large[1][1] - float(share[2]) < LEAST_SHARE:
        large = large[:1]
    return " + ".join(f"{name} {100 * s:.0f} %" for name, s in large)


def _words(step: Step, policy: Policy, points: Sequence[float]) -> StepWords:
    technique = step.technique
    strengths = [multiplier(step, policy, t) for t in points]
    per_update = step.stage in (Stage.WEIGHT, Stage.LOSS, Stage.GRADIENT, Stage.STEP)
    if technique.multiplier == "probability":
        shares, acts = [step.probability * m for m in strengths], ""
        shown = tuple("off" if p == 0 else f"acts with probability {min(p, 1):.2g}" for p in shares)
    else:
        what = "updates" if per_update else "rows"
        acts = f"on {100 * step.probability:.3g} % of the {what}" if step.probability < 1 else ""
        shown = tuple("off" if m == 0 else f"{100 * m:.3g} %" for m in strengths)
    if step.magnitude == "uniform":
        acts = f"{acts}, each by a random share of it".removeprefix(", ")
    if step.gate.every > 1:
        acts = f"{acts}, in every {ordinal(step.gate.every)} {step.gate.unit}".removeprefix(", ")
    words = " ".join((type(technique).__doc__ or "").split("\n\n")[0].split())
    what = words.split(": ")[0].split(". ")[0].rstrip(".")
    return StepWords(step.name, what, settings(step), acts, shown, seen_in_input(step, policy), str(step.stage))
