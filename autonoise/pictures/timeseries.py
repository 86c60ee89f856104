"""Series: the noisy one over the clean one, in the units of the data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from autonoise.batches import batch_adapter
from autonoise.batches.base import entry
from autonoise.data import Dataset, Preparation, Rows
from autonoise.pictures.grid import heads, summary
from autonoise.pictures.values import Examples
from autonoise.pictures.words import label_line
from autonoise.policy import Policy
from autonoise.types import Batch

ROWS = 3
"""Rows that are shown where nobody says how many."""
CHANNELS = 3
"""Channels of a row that are drawn at most: those that the noise moves most."""
LEFT, GAP, HEIGHT, LABEL, ABOVE = 0.55, 0.12, 0.95, 0.22, 0.45
_LEGEND = "grey: clean; blue: noisy; in the units of the data, over the steps of the series"


@dataclass(frozen=True)
class Channels:
    """``names`` of the channels; mean and standard deviation turn standardised numbers into those of the data."""

    names: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]


def about(dataset: Dataset, preparation: Preparation, policy: Policy) -> Channels:
    """What turns standardised values back into those of the data."""
    spec = preparation.spec
    names = tuple(f"channel {i}" for i in range(spec.layout[0])) if spec.layout[0] > 1 else ("",)
    return Channels(names, spec.mean, spec.std)


def restored(rows: Rows, batch: Batch, clean: Batch, preparation: Preparation, about: Channels) -> list[Any]:
    """Batch → float32 (C, L) for each row, in the units of the data, without its padding."""
    x = batch_adapter(preparation.spec.data_type).main(batch).numpy()
    values = x * np.array(about.std)[:, None] + np.array(about.mean)[:, None]
    lengths = entry(batch, "lengths")
    ends = [x.shape[2]] * len(x) if lengths is None else lengths.tolist()
    return [v[:, :n] for v, n in zip(values, ends, strict=True)]


def moved(row: Any) -> list[int]:
    """The channels to draw, in their order: those that the noise moves most, in units of their own spread."""
    clean = row.clean
    spread = clean.std(axis=1) + 1e-9
    distance = np.zeros(len(clean))
    for noisy in row.noisy:
        n = min(clean.shape[1], noisy.shape[1])
        distance = np.maximum(distance, np.abs(noisy[:, :n] - clean[:, :n]).mean(axis=1) / spread)
    return sorted(np.argsort(-distance, kind="stable")[:CHANNELS].tolist())


def body(e: Examples, width: float) -> tuple[float, Any]:
    """(height in inches, what draws it)."""
    columns = len(e.at)
    each = (width - LEFT - GAP * (columns - 1)) / columns
    chosen = [moved(row) for row in e.rows]
    heights = [LABEL + len(c) * (HEIGHT + 0.12) + 0.2 for c in chosen]

    def draw(page: Any, top: float) -> None:
        left = (page.width - width) / 2 + LEFT
        lefts = [left + i * (each + GAP) for i in range(columns)]
        heads(page, e, top, lefts, each, clean=False)
        page.text(lefts[0], top + 0.19, _LEGEND, size=7, color="#5f6b7a")
        y = top + ABOVE
        for row, channels, height in zip(e.rows, chosen, heights, strict=True):
            _row(page, e, row, channels, y, lefts, each)
            y += height

    return ABOVE + sum(heights), draw


def _row(page: Any, e: Examples, row: Any, channels: list[int], top: float, lefts: list[float], each: float) -> None:
    from autonoise.pictures.page import CLEAN, MUTED, NOISY, fitted

    told = label_line(row.label, row.labels, e.at)
    rest = len(row.clean) - len(channels)
    told += f"   ({len(channels)} of {len(row.clean)} channels)" if rest else ""
    page.text(lefts[0], top, fitted(told, page.width - lefts[0] - 0.3, 8), size=8)
    for place, c in enumerate(channels):
        y = top + LABEL + place * (HEIGHT + 0.12)
        every = np.concatenate([row.clean[c], *(n[c] for n in row.noisy)])
        low, high = float(every.min()), float(every.max())
        room = 0.06 * (high - low or 1.0)
        for i, (noisy, left) in enumerate(zip(row.noisy, lefts, strict=True)):
            axes = page.axes(left, y, each, HEIGHT)
            axes.plot(row.clean[c], color=CLEAN, lw=1.6, alpha=0.7)
            if row.changed[i]:
                axes.plot(noisy[c], color=NOISY, lw=0.9)
            axes.set(xlim=(0, max(len(row.clean[c]), len(noisy[c])) - 1), ylim=(low - room, high + room))
            axes.locator_params(axis="y", nbins=3)
            axes.locator_params(axis="x", nbins=5, integer=True)
            if i:
                axes.set_yticklabels([])
            if place < len(channels) - 1:
                axes.set_xticklabels([])
            if e.about.names[c]:
                axes.annotate(
                    e.about.names[c], (1, 1), xycoords="axes fraction", ha="right", va="top", fontsize=6.5, color=MUTED
                )
            if not row.changed[i]:
                axes.annotate("unchanged", (0.02, 0.9), xycoords="axes fraction", fontsize=6.5, color=MUTED)


def lines(e: Examples) -> list[str]:
    """For the terminal: which rows change, and how their labels do; the curves are in the picture."""
    return summary(e, "the curves are in the picture (-o preview.png)", label_line)
