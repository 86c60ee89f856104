"""Graphs of a study for the dashboard, as figures of plotly."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from optuna.trial import TrialState

from autonoise.dashboard.importance import Gain, gains
from autonoise.dashboard.notes import sentence_of
from autonoise.dashboard.plain_text import in_graph
from autonoise.report.drawing import LOOKS
from autonoise.report.numbers import plain, plural
from autonoise.study.result import Result
from autonoise.study.trial_record import TrialRecord, facts_of

if TYPE_CHECKING:
    import plotly.graph_objects as go

MANY = 500
"""Trials that are drawn as points, the best by score: more would make the page slow."""
SHOWN = 12
"""Techniques that are drawn over time, those tried most often."""
NOW = 20
"""Trials before each one, itself included, that its share of use is taken over."""
BASELINE, BEST, OTHER = LOOKS["baseline"].colour, LOOKS["policy"].colour, LOOKS["preset"].colour


def figures(records: Sequence[TrialRecord], result: Result | None) -> dict[str, go.Figure]:
    """Identifier → graph; those for which nothing is known yet are left out."""
    done = [r for r in records if r.state == TrialState.COMPLETE and not math.isnan(r.clean + r.noisy)]
    made = {
        "clean-against-noisy": trade_off(done) if done else None,
        "robustness-profile": profile(done, result),
        "gain-per-technique": gain_per_technique(gains(records)),
        "use-over-time": use_over_time(records),
    }
    return {name: figure for name, figure in made.items() if figure is not None}


def _figure(title: str, x: str, y: str, height: int = 450, **layout: Any) -> go.Figure:
    import plotly.graph_objects as go

    figure = go.Figure()
    figure.update_layout(
        title={"text": title, "font": {"size": 16}},
        xaxis_title=x,
        yaxis_title=y,
        height=height,
        template="plotly_white",
        margin={"l": 60, "r": 20, "t": 90, "b": 60},
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
        **layout,
    )
    return figure


def front(records: Sequence[TrialRecord]) -> list[TrialRecord]:
    """Trials that no other beats in clean and noisy accuracy together, by falling clean accuracy."""
    kept: list[TrialRecord] = []
    for r in sorted(records, key=lambda r: (-r.clean, -r.noisy, r.number)):
        if not kept or r.noisy > kept[-1].noisy:
            kept.append(r)
    return kept


def trade_off(done: Sequence[TrialRecord]) -> go.Figure:
    """Clean against noisy accuracy of completed trials, with the front and training without noise."""
    figure = _figure("Clean against noisy accuracy", "clean accuracy", "noisy accuracy")
    best = front([r for r in done if r.feasible])
    first = sorted(done, key=lambda r: (not r.scored, -r.score if r.scored else 0.0, r.number))[:MANY]
    on_front = {r.number for r in best}
    base = [r for r in first if r.without_noise][:1] or [r for r in done if r.without_noise][:1]
    rest = [r for r in first if r.number not in on_front and not r.without_noise]
    for name, rows, options in (
        ("completed trials", rest, {"mode": "markers", "marker": {"color": "#9fb3c8", "size": 8}}),
        (
            "front: none is better in both",
            best,
            {"mode": "lines+markers", "line": {"color": BEST, "shape": "hv"}, "marker": {"size": 9}},
        ),
        (
            "no noise",
            base,
            {"mode": "markers", "marker": {"color": "#1f2933", "size": 13, "symbol": "x"}},
        ),
    ):
        figure.add_scatter(
            x=[r.clean for r in rows],
            y=[r.noisy for r in rows],
            name=name,
            text=[f"trial {r.number}<br>{_folded(sentence_of(r))}" for r in rows],
            hovertemplate="%{text}<br>clean %{x:.3f}, noisy %{y:.3f}<extra></extra>",
            **options,
        )
    return figure


def _folded(sentence: str) -> str:
    return in_graph(sentence).replace(" + ", "<br>+ ")


def profile(done: Sequence[TrialRecord], result: Result | None) -> go.Figure | None:
    """Accuracy under each corruption at each severity: the found policy minus training without noise, in points.

    On the test rows once there is a verdict; before that of the best trial, on the rows of the search.
    """
    if result is not None and result.corruptions:
        rows = {
            c.name: (c.family, c.accuracy.get("policy", ()), c.accuracy.get("baseline", ())) for c in result.corruptions
        }
        names, where = ["1", "2", "3", "4", "5"], "found policy, test rows"
    else:
        base = next((facts_of(r.trial).get("profile") for r in done if r.without_noise), None)
        best = max((r for r in done if r.scored and r.feasible and r.techniques), key=lambda r: r.score, default=None)
        mine = facts_of(best.trial).get("profile") if best is not None else None
        if best is None or not base or not mine:
            return None
        rows = {n: ("", mine["accuracy"][n], base["accuracy"].get(n, ())) for n in mine["accuracy"]}
        names, where = list(map(str, mine["severities"])), f"trial {best.number}, rows of the search"
    rows = {n: r for n, r in rows.items() if len(r[1]) == len(r[2]) == len(names)}
    if not rows:
        return None
    order = sorted(rows, key=lambda n: (rows[n][0], n), reverse=True)
    ours = np.array([rows[n][1] for n in order], dtype=float)
    theirs = np.array([rows[n][2] for n in order], dtype=float)
    title = f"Robustness profile<br><sup>accuracy, in brackets minus no noise in points ({where})</sup>"
    figure = _figure(title, "severity", "", height=160 + 26 * len(order))
    change = 100 * (ours - theirs)
    limit = max(float(np.nanmax(np.abs(change))), 1.0) if np.isfinite(change).any() else 1.0
    figure.add_heatmap(
        x=names,
        y=[in_graph(plain(n)) for n in order],
        z=_plain_rows(change),
        zmin=-limit,
        zmax=limit,
        colorscale=[[0, OTHER], [0.5, "#f7f7f7"], [1, BEST]],
        text=[
            [f"{a:.3f} ({b:+.1f})" if math.isfinite(a + b) else "" for a, b in zip(x, y, strict=True)]
            for x, y in zip(ours, change, strict=True)
        ],
        texttemplate="%{text}",
        customdata=_plain_rows(theirs),
        hovertemplate="%{y}, severity %{x}<br>%{text} points<br>no noise %{customdata:.3f}<extra></extra>",
        colorbar={"title": {"text": "points"}},
    )
    figure.update_xaxes(type="category")
    figure.update_yaxes(automargin=True)
    return figure


def _plain_rows(values: np.ndarray[Any, Any]) -> list[list[float | None]]:
    return [[float(v) if math.isfinite(v) else None for v in row] for row in values]


def gain_per_technique(found: Sequence[Gain]) -> go.Figure | None:
    """The gain of each technique with its interval, the best on top."""
    if not found:
        return None
    shown = sorted(found, key=lambda g: g.mean)
    what = "after the short training, which all have had" if shown[0].short else "of completed trials"
    figure = _figure(
        f"Gain per technique: trials with it minus trials without it<br><sup>mean score {what}, 95 % intervals"
        "<br>the search tries what looks good more often, so this is a hint and no proof</sup>",
        "difference in score",
        "",
        height=170 + 24 * len(shown),
    )
    figure.add_scatter(
        x=[g.mean for g in shown],
        y=[in_graph(plain(g.technique)) for g in shown],
        mode="markers",
        marker={"color": [BEST if g.low > 0 else OTHER if g.high < 0 else BASELINE for g in shown], "size": 9},
        error_x={
            "type": "data",
            "symmetric": False,
            "array": [g.high - g.mean for g in shown],
            "arrayminus": [g.mean - g.low for g in shown],
            "color": "#9fb3c8",
        },
        text=[f"{plural(g.on, 'trial')} with it, {g.off} without" for g in shown],
        hovertemplate="%{y}: %{x:+.4f}<br>%{text}<extra></extra>",
        showlegend=False,
    )
    figure.add_vline(x=0, line_color="#52606d", line_width=1)
    figure.update_yaxes(automargin=True, type="category", dtick=1)
    return figure


def use_over_time(records: Sequence[TrialRecord]) -> go.Figure | None:
    """The share of the last trials that used a technique, at each trial."""
    drawn = sorted((r for r in records if r.has_policy), key=lambda r: r.number)
    counts: dict[str, int] = {}
    for r in drawn:
        for name in set(r.techniques):
            counts[name] = counts.get(name, 0) + 1
    if len(drawn) < 2 or not counts:
        return None
    most = sorted(counts, key=lambda n: (-counts[n], n))[:SHOWN]
    rest = f", the {SHOWN} tried most often of {len(counts)}" if len(counts) > SHOWN else ""
    title = f"Use over time<br><sup>share of the last {NOW} trials with each technique{rest}</sup>"
    figure = _figure(title, "trial", "share of trials", yaxis={"range": [0, 1], "tickformat": ".0%"})
    figure.update_layout(legend={"orientation": "v", "x": 1.02, "y": 1, "yanchor": "top", "xanchor": "left"})
    step = max(1, len(drawn) // MANY)
    for i, name in enumerate(most):
        on = np.cumsum([0, *(name in r.techniques for r in drawn)])
        share = [(on[k + 1] - on[max(k + 1 - NOW, 0)]) / min(k + 1, NOW) for k in range(len(drawn))]
        figure.add_scatter(
            x=[r.number for r in drawn][::step],
            y=[float(s) for s in share][::step],
            mode="lines",
            line={"dash": ("solid", "dot", "dash")[i // 4 % 3], "width": 2},
            name=in_graph(plain(name)),
            hovertemplate="trial %{x}: %{y:.0%}",
        )
    return figure
