"""The picture of policy_quality.py's results in the README: accuracy under noise, of four ways to train, by data type."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from bank import rows_of
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from quality_table import AIMS, GROUPS, NOTHING, SEARCHED, OneSet

NAMES = {"image": "images", "text": "texts", "audio": "audio", "timeseries": "time series", "tabular": "tables"}
COLOURS = {"no noise": "#b9bec6", "best published recipe": "#7fa7c9", "recommended without a search": "#f0a860",
           "searched": "#d1495b"}  # fmt: skip


def figure(work: Path, file: Path) -> None:
    """Two panels, held-out and third-party corruptions; bars are means over sets and seeds, lines the mean clean accuracy."""
    rows = [r for f in sorted(work.glob("results.*.jsonl")) for r in rows_of(f)]
    sets = [OneSet(n, [r for r in rows if r["set"] == n], work) for n in dict.fromkeys(r["set"] for r in rows)]
    types = [t for t in AIMS if any(s.type == t and (SEARCHED, "epochs") in s.rows for s in sets)]
    page = Figure(figsize=(10, 3.6), dpi=120, layout="constrained")
    FigureCanvasAgg(page)
    for axes, (group, title) in zip(page.subplots(1, 2, sharey=True), GROUPS.items(), strict=True):
        for number, data_type in enumerate(types):
            own = [s for s in sets if s.type == data_type and (SEARCHED, "epochs") in s.rows]
            shown = {
                "no noise": [NOTHING] * len(own),
                "best published recipe": [s.best_recipe(f"mixed {group}") for s in own],
                "recommended without a search": ["recommendation"] * len(own),
                "searched": [SEARCHED] * len(own),
            }
            for at, (label, conditions) in enumerate(shown.items()):
                found = [
                    list(s.values(c, group).values()) for s, c in zip(own, conditions, strict=True) if c is not None
                ]
                place, mean = number + (at - 1.5) * 0.2, float(np.mean([np.mean(v) for v in found if v]))
                axes.bar(place, 100 * mean, 0.18, color=COLOURS[label], label=label if number == 0 else None)
                axes.text(place, 100 * mean + 0.6, f"{100 * mean:.0f}", ha="center", fontsize=7, color="#333")
            clean = np.mean([np.mean(list(s.values(NOTHING, "clean").values())) for s in own])
            axes.plot([number - 0.42, number + 0.42], [100 * clean] * 2, color="#333", linewidth=1, linestyle=":",
                      label="no noise, clean rows" if number == 0 else None)  # fmt: skip
        axes.set_xticks(range(len(types)), [NAMES[t] for t in types])
        axes.set_title(f"{title} corruptions", fontsize=10, loc="left")
        axes.set_ylim(50, 102)
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
    page.axes[0].set_ylabel("accuracy, %")
    page.legend(
        *page.axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=5, frameon=False, fontsize=8
    )
    page.savefig(file)
