"""Tables: the cells of a row, clean and at each point, those that the noise changes marked."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from autonoise.batches import batch_adapter
from autonoise.data import Dataset, Preparation, Rows
from autonoise.data.tabular import Category, TablePreparation
from autonoise.errors import plain
from autonoise.pictures.values import Examples
from autonoise.pictures.words import headline, point
from autonoise.policy import Policy
from autonoise.types import Array, Batch

ROWS = 3
"""Rows that are shown where nobody says how many."""
MISSING = "missing"
COLUMNS = 20
"""Columns of the data that are shown of a row at most: those that the noise changes come first."""
LEAST = 0.05
"""Share of a mixed category from which on it is named."""
LINE, SIZE = 0.185, 7.5
"""Height of a line (inches), size of type (points)."""


@dataclass(frozen=True)
class Numbers:
    """``digits``: for each numeric column, the digits after the point that its values have in the data."""

    digits: dict[str, int]


def about(dataset: Dataset, preparation: Preparation, policy: Policy) -> Numbers:
    """How many digits the numbers of each column have."""
    assert isinstance(preparation, TablePreparation) and isinstance(dataset.x, pd.DataFrame)
    return Numbers({name: _digits(dataset.x[name].to_numpy()[:2000]) for name in preparation.numeric})


def _digits(values: Array) -> int:
    known = values[np.isfinite(values)]
    return next((d for d in range(6) if np.allclose(known, np.round(known, d), rtol=0, atol=1e-9)), 6)


def restored(rows: Rows, batch: Batch, clean: Batch, preparation: Preparation, about: Numbers) -> list[Any]:
    """Batch → for each row, name of a column → its cell in words.

    A cell that is as before is shown as the data have it: preparing cuts off far values and rounds.
    """
    assert isinstance(preparation, TablePreparation) and isinstance(rows, pd.DataFrame)
    adapter, spec = batch_adapter(preparation.spec.data_type), preparation.spec
    x, before = adapter.main(batch).numpy().astype(np.float64), adapter.main(clean).numpy().astype(np.float64)
    cells: dict[str, list[str]] = {}
    flags = {owner: flag for flag, owner in spec.flags}
    for j, name in enumerate(preparation.numeric):
        own = [j, *([flags[j]] if j in flags else [])]
        gone = x[:, flags[j]] > 0.5 if j in flags else np.zeros(len(x), dtype=bool)
        digits = about.digits[name]
        new = [
            _number(z, spec.mean[j], spec.std[j], digits, missing=g, beside=v)
            for z, g, v in zip(x[:, j], gone, rows[name], strict=True)
        ]
        old = [MISSING if not np.isfinite(v) else f"{v:,.{digits}f}" for v in rows[name]]
        cells[name] = _kept(x[:, own], before[:, own], old, new)
    for group, category in zip(spec.onehot, preparation.categories, strict=True):
        own = list(group)
        new = [_category(v, category) for v in x[:, own]]
        old = [MISSING if pd.isna(v) else str(v) for v in rows[category.name]]
        cells[category.name] = _kept(x[:, own], before[:, own], old, new)
    order = [c for c in rows.columns if c in cells]
    return [{name: cells[name][i] for name in order} for i in range(len(x))]


def _number(z: float, mean: float, std: float, digits: int, *, missing: bool, beside: float = math.nan) -> str:
    """A standardised number in the units of its column; a lost number becomes the mean.

    ``beside``: the number without noise, from which it shall look different where it is.
    """
    if missing:
        return MISSING
    value = z * std + mean
    # of a column of whole numbers, or nearly so, a digit more tells what was computed from what came from another row
    own = digits
    digits += digits < 2 and abs(value - round(value, digits)) > 1e-5 * max(abs(value), 1)
    if round(value, digits) == beside:  # 0 beside 0.0 would tell nothing
        digits = next((d for d in range(digits + 1, own + 4) if round(value, d) != beside), own)
    return f"{value:,.{digits}f}" + (" (the mean)" if z == 0 else "")


def _kept(x: Array, before: Array, old: list[str], new: list[str]) -> list[str]:
    same = (x == before).all(axis=1)
    return [o if s else n for s, o, n in zip(same, old, new, strict=True)]


def _category(hot: Array, category: Category) -> str:
    """The category of a one-hot group, or the two with the largest shares of a mixed one; what is all 0 is missing."""
    names = [*category.values, *([MISSING] if category.missing else []), MISSING]
    hot = np.append(hot, 1 - hot.sum())
    shares = [(str(names[i]), float(hot[i])) for i in np.argsort(-hot, kind="stable")[:2] if hot[i] >= LEAST]
    if len(shares) == 1 and shares[0][1] > 0.995:
        return shares[0][0]
    return " + ".join(f"{name} {100 * s:.0f} %" for name, s in shares)


def shown(row: Any) -> tuple[list[str], int]:
    """(names of the columns to show, in their order; how many further ones change and are left out)."""
    names = list(row.clean)
    changed = [n for n in names if any(cells[n] != row.clean[n] for cells in row.noisy)]
    chosen = {*changed[:COLUMNS], *[n for n in names if n not in changed][: max(COLUMNS - len(changed), 0)]}
    return [n for n in names if n in chosen], max(len(changed) - COLUMNS, 0)


def rest(row: Any) -> str:
    """The columns that are not shown, in words."""
    names, changed = shown(row)
    left = len(row.clean) - len(names)
    if not left:
        return ""
    more = f"and {left} further column{'s' if left > 1 else ''}"
    return f"{more}, {changed} of them changed" if changed else f"{more}, unchanged"


def body(e: Examples, width: float) -> tuple[float, Any]:
    """(height in inches, what draws it)."""
    heights = [LINE * (len(shown(r)[0]) + 1 + bool(rest(r))) + 0.2 for r in e.rows]
    names = min(1.75, 0.38 * width)
    each = (width - names) / (1 + len(e.at))

    def draw(page: Any, top: float) -> None:
        from autonoise.pictures.page import ADDED, GRID, MUTED, fitted

        left = (page.width - width) / 2
        lefts = [left + names + i * each for i in range(1 + len(e.at))]
        page.text(left, top, "column", size=8, weight="bold")
        for x, head in zip(lefts, ["clean", *map(headline, e.at)], strict=True):
            page.text(x, top, fitted(head, each - 0.08, 8), size=8, weight="bold")
        y = top + 0.25
        for row, height in zip(e.rows, heights, strict=True):
            page.line(left, y - 0.05, left + width, "#9aa5b1", 0.8)
            table = [("label", [row.label, *row.labels])]
            table += [(n, [row.clean[n], *(cells[n] for cells in row.noisy)]) for n in shown(row)[0]]
            line = y
            for number, (name, cells) in enumerate(table):
                weight = "normal" if number else "bold"
                page.text(left, line, fitted(name, names - 0.1, SIZE), size=SIZE, weight=weight)
                for i, (x, cell) in enumerate(zip(lefts, cells, strict=True)):
                    differs = i > 0 and cell != cells[0]
                    if differs:
                        page.box(x - 0.04, line - 0.025, each - 0.04, LINE - 0.02, ADDED)
                    colour = MUTED if cell == MISSING or (i > 0 and not differs) else "#1f2933"
                    how = {"style": "italic"} if cell == MISSING else {}
                    page.text(x, line, fitted(cell, each - 0.12, SIZE), size=SIZE, color=colour, weight=weight, **how)
                line += LINE
                page.line(left, line - 0.04, left + width, GRID, 0.5)
            if rest(row):
                page.text(left, line, rest(row), size=SIZE, color=MUTED)
            y += height

    return 0.25 + sum(heights), draw


def lines(e: Examples) -> list[str]:
    """For the terminal: each row as a table of its cells; ``*`` marks those that are changed."""
    out = ["* changed; numbers in the units of their columns"]
    for row in e.rows:
        names, _ = shown(row)
        table = [("column", ["clean", *map(point, e.at)]), ("label", [row.label, *row.labels])]
        table += [(n, [row.clean[n], *(cells[n] for cells in row.noisy)]) for n in names]
        texts = [
            [_short(name), *(f"{_short(c)}{' *' if i and k and c != cells[0] else ''}" for k, c in enumerate(cells))]
            for i, (name, cells) in enumerate(table)
        ]
        widths = [max(len(t[k]) for t in texts) for k in range(len(texts[0]))]
        out += ["", f"row {row.number}"]
        out += ["  " + "  ".join(t.ljust(w) for t, w in zip(line, widths, strict=True)).rstrip() for line in texts]
        out += [f"  {rest(row)}"] if rest(row) else []
    return out


def _short(text: str, most: int = 32) -> str:
    text = plain(" ".join(text.split()))
    return text if len(text) <= most else f"{text[: most - 1]}…"
