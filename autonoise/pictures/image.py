"""Images: each row clean, and beside it as the noise leaves it."""

from __future__ import annotations

from typing import Any

import numpy as np

from autonoise.batches import batch_adapter
from autonoise.data import Dataset, Preparation, Rows
from autonoise.pictures.grid import heads, summary
from autonoise.pictures.values import Examples
from autonoise.pictures.words import label_line
from autonoise.policy import Policy
from autonoise.types import Batch

ROWS = 4
"""Rows that are shown where nobody says how many."""
LARGEST = 1.75
"""Largest side of an image on the page, in inches."""
GAP = 0.08


def about(dataset: Dataset, preparation: Preparation, policy: Policy) -> None:
    """Images need nothing beside their pixels."""


def restored(rows: Rows, batch: Batch, clean: Batch, preparation: Preparation, about: None) -> list[Any]:
    """Batch → uint8 (H, W, C) for each row."""
    x, _ = batch_adapter(preparation.spec.data_type).open(batch, preparation.spec)
    pixels = x.clamp(0, 1).mul(255).round().byte().permute(0, 2, 3, 1).contiguous().numpy()
    return list(pixels)


def body(e: Examples, width: float) -> tuple[float, Any]:
    """(height in inches, what draws it)."""
    columns = 1 + len(e.at)
    high, wide = e.rows[0].clean.shape[:2]
    side = min((width - GAP * (columns - 1)) / columns, LARGEST)
    scale = side / max(high, wide)
    w, h, step = wide * scale, high * scale, side + GAP if columns * (side + GAP) > width / 1.2 else width / columns
    caption = 0.19

    def draw(page: Any, top: float) -> None:
        left = (page.width - width) / 2
        heads(page, e, top, [left + i * step for i in range(columns)], step)
        y = top + 0.26
        for row in e.rows:
            for i, pixels in enumerate((row.clean, *row.noisy)):
                axes = page.axes(left + i * step, y, w, h)
                axes.axis("off")
                shown = np.squeeze(pixels, 2) if pixels.shape[2] == 1 else pixels
                axes.imshow(shown, cmap="gray", vmin=0, vmax=255, interpolation="nearest", aspect="auto")
            _labels(page, row, e, left, y + h + 0.02, step)
            y += h + caption + 0.1

    return 0.26 + len(e.rows) * (h + caption + 0.1), draw


def _labels(page: Any, row: Any, e: Examples, left: float, top: float, step: float) -> None:
    from autonoise.pictures.page import MUTED, NOISY, fitted

    page.text(left, top, fitted(row.label, step - 0.1, 7.5), size=7.5)
    for i, (label, changed) in enumerate(zip(row.labels, row.changed, strict=True), start=1):
        other = label != row.label
        text = label if changed or other else f"{label} (unchanged)"
        colour = NOISY if other else MUTED
        page.text(left + i * step, top, fitted(text, step - 0.1, 7.5), size=7.5, color=colour)


def lines(e: Examples) -> list[str]:
    """For the terminal: which rows change, and how their labels do; the pixels are in the picture."""
    return summary(e, "the images are in the picture (-o preview.png)", label_line)
