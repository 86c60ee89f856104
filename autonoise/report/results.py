"""Sections on the verdict's numbers: the main table, severities, single corruptions, calibration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from autonoise.report.figures import corruption_panel, curves, mean_of, severity_panels, severity_picture
from autonoise.report.numbers import (
    NONE,
    Triple,
    duration,
    fixed,
    interval,
    number,
    percent,
    plain,
    plural,
    signed,
    triple,
)
from autonoise.report.page import Cell, Figure, Section, Table, Tone

Result = Mapping[str, Any]
LABELS = ("baseline", "preset", "start", "policy")
NOTABLE = 0.01
UNKNOWN = "not measurable"
_EXPOSURE = {"same": "● same", "related": "◐ related", "unseen": "○ unseen"}


def contestants(result: Result) -> dict[str, Mapping[str, Any]]:
    """Label → numbers, in the order baseline, preset, start (a starting policy, unchanged), policy."""
    known = result.get("contestants") or {}
    return {label: known[label] for label in LABELS if known.get(label)}


def counted(result: Result, group: str) -> list[Mapping[str, Any]]:
    return [c for c in result.get("corruptions") or [] if c.get("group") == group and c.get("counts")]


def main_section(result: Result) -> Section:
    """The comparison on the test part."""
    shown = contestants(result)
    if not shown:
        return Section("results", "Result on the test part")
    differences = {k: d for k, d in (result.get("differences") or {}).items() if k in shown and d}
    head = ["", *shown, *(f"policy − {k}" for k in differences)]
    weight = number(result.get("noise_weight"))
    held = len(counted(result, "held_out"))
    rows = [
        _accuracy("clean accuracy", "clean", shown, differences),
        _accuracy("noisy accuracy, search families", "search", shown, differences),
        _accuracy(f"noisy accuracy, held-out families{f' ({held})' if held else ''}", "held_out", shown, differences),
        _gap("gap closed, search", "search", shown, result, len(differences)),
        _gap("gap closed, held out", "held_out", shown, result, len(differences)),
        _accuracy("score", "score", shown, differences, strong=True),
        *_further(shown, len(differences)),
        _cost("passes per training step", shown, lambda c: fixed(c.get("passes"), 2), len(differences)),
        _cost("seconds per training", shown, lambda c: duration(c.get("seconds")), len(differences)),
    ]
    formula = (
        f"score = {fixed(1 - weight, 2)} × clean + {fixed(weight, 2)} × noisy accuracy on held-out families. "
        if weight is not None
        else ""
    )
    text = (
        f"{formula}Brackets hold 95 % intervals for new models on new rows like these: they cover the chance of the "
        "seeds and of the test rows, which are the same for all, so that differences are surer than the columns of "
        f"the contestants suggest.{_level(result)} Gap closed: the share of the baseline's loss of accuracy by noise "
        "that is won back. "
    )
    names = "; ".join(
        f"{k}: {c.get('name')}" + (f" ({plural(len(c.get('steps') or []), 'technique')})" if c.get("steps") else "")
        for k, c in shown.items()
        if c.get("name")
    )
    return Section(
        "results", "Result on the test part", text=_answers(result), tables=[Table(head, rows, note=text + names)]
    )


def _answers(result: Result) -> list[str]:
    """The two answers in a sentence; none for results of before they were asked apart."""
    told = result.get("answers") or {}
    if not told:
        return []
    parts = (f"{question}: {found}" for question, found in told.items())
    return [f"The policy against {'; against '.join(parts)}."]


def _level(result: Result) -> str:
    level = number(result.get("level"))
    if level is None:
        return ""
    return (
        f" Differences in the score hold at all looks at these rows together; this verdict may miss in "
        f"{fixed(100 * level, 2)} %."
    )


def _accuracy(title: str, key: str, shown: Result, differences: Result, *, strong: bool = False) -> list[Cell]:
    cells = [Cell(title, tone="strong" if strong else "")]
    for c in shown.values():
        t = triple(c.get(key))
        missing = UNKNOWN if key in c and c[key] is None else NONE
        cells.append(Cell(fixed(t[0]) if t else missing, interval(t), "strong" if strong else ""))
    return [*cells, *(difference_cell(triple(d.get(key))) for d in differences.values())]


def difference_cell(t: Triple | None) -> Cell:
    """A difference with its interval, coloured where the interval leaves out 0."""
    if t is None:
        return Cell(NONE)
    tone: Tone = "good" if t[1] > 0 else "bad" if t[2] < 0 else "muted"
    return Cell(signed(t[0]), interval(t, sign=True), tone)


def _gap(title: str, column: str, shown: Result, result: Result, extra: int) -> list[Cell]:
    gaps = result.get("gaps") or {}
    why = NONE if column not in gaps else UNKNOWN if gaps[column] is None else "no gap to close"
    cells = [Cell(title)]
    for label, c in shown.items():
        t = triple(c.get(f"gap_closed_{column}"))
        if label == "baseline" or t is None:
            cells.append(Cell(NONE if label == "baseline" else why, tone="muted"))
        else:
            low, high = (fixed(100 * v, 0) for v in t[1:])
            cells.append(Cell(percent(t[0]), f"[{low}, {high}]"))
    return [*cells, *[Cell("")] * extra]


def _further(shown: Result, extra: int) -> list[list[Cell]]:
    """Worst families, and balanced accuracy where it is another number than accuracy."""
    rows = []
    numbers = {k: c.get("numbers") or {} for k, c in shown.items()}
    balanced = [number(n.get("balanced_search")) for n in numbers.values()]
    clean = [number((c.get("clean") or [None])[0]) for c in shown.values()]
    if any(b is not None and a is not None and abs(b - a) > 0.005 for a, b in zip(clean, balanced, strict=True)):
        rows.append(("balanced clean accuracy", "balanced_search"))
    rows += [("worst family, search", "worst_search"), ("worst family, all held out", "worst_held_out")]
    return [
        [Cell(title), *(Cell(fixed(n.get(key))) for n in numbers.values()), *[Cell("")] * extra]
        for title, key in rows
        if any(number(n.get(key)) is not None for n in numbers.values())
    ]


def _cost(title: str, shown: Result, show: Any, extra: int) -> list[Cell]:
    return [Cell(title), *(Cell(show(c)) for c in shown.values()), *[Cell("")] * extra]


def severity_section(result: Result) -> tuple[Section, bytes | None]:
    """Figure 1, and the same as a PNG; None where no corruption has five severities."""
    clean = {k: c["clean"][0] for k, c in contestants(result).items() if triple(c.get("clean"))}
    corruptions = result.get("corruptions") or []
    by_group = {g: lines for g in ("held_out", "search") if (lines := curves(corruptions, clean, g))}
    if not by_group:
        return Section("severity", "Accuracy against severity"), None
    number_of = {
        g: sum(len((c.get("accuracy") or {}).get("baseline") or []) == 5 for c in counted(result, g)) for g in by_group
    }
    figures = [
        Figure(svg, _describe(group, by_group[group])) for group, svg in severity_panels(by_group, number_of).items()
    ]
    text = (
        "Mean over corruptions of a family, then over families. Severities 1 to 5 were set on the baseline before the "
        "search. The search saw the search families; no contestant trained on a held-out family that counts, or on a "
        "related one."
    )
    section = Section("severity", "Accuracy against severity", figures=figures, tables=[_by_severity(by_group, text)])
    return section, severity_picture(by_group, number_of)


def _by_severity(by_group: Mapping[str, Mapping[str, Sequence[float]]], note: str) -> Table:
    lines = [(f"{plain(g)}: {k}", line) for g, by_label in by_group.items() for k, line in by_label.items()]
    rows = [[Cell(name), *(Cell(fixed(line[i])) for _, line in lines)] for i, name in enumerate(("clean", *"12345"))]
    return Table(["severity", *(name for name, _ in lines)], rows, note=note)


def _describe(group: str, lines: Mapping[str, Sequence[float]]) -> str:
    parts = [f"{k} falls from {fixed(v[0])} to {fixed(v[-1])}" for k, v in lines.items()]
    return f"Accuracy from clean to severity 5, {plain(group)} families: {'; '.join(parts)}."


def corruption_section(result: Result) -> Section:
    """Accuracy per corruption as pictures and as a table with exposure and whether it counts."""
    corruptions = [c for c in result.get("corruptions") or [] if c.get("accuracy")]
    labels = [k for k in contestants(result) if any(mean_of(c, k) is not None for c in corruptions)]
    title = "Single corruptions"
    if not corruptions or not labels:
        return Section("corruptions", title)
    groups = [g for g in ("held_out", "search") if any(c.get("group") == g for c in corruptions)]
    figures = []
    for group in groups:
        svg = corruption_panel(corruptions, group, labels)
        if svg is not None:
            alt = f"Mean accuracy per corruption, {plain(group)} families; the table has the numbers."
            figures.append(Figure(svg, alt))
    rows = [
        _corruption_row(c, labels)
        for g in groups
        for c in sorted(
            (c for c in corruptions if c.get("group") == g), key=lambda c: (str(c.get("family")), str(c.get("name")))
        )
    ]
    head = [
        "corruption",
        "family",
        "group",
        "exposure",
        "counts",
        *labels,
        *(["policy − baseline"] if {"policy", "baseline"} <= set(labels) else []),
        "at severity 5",
    ]
    note = (
        "Accuracies are means over severities. Exposure: some contestant trained on ● the same family, on ◐ a related "
        "family, or none on either (○ unseen). A held-out corruption counts only if it is unseen, and then for all. "
        "There are no intervals here; differences have a colour from 0.01 on."
    )
    return Section("corruptions", title, figures=figures, tables=[Table(head, rows, note=note, lead=5)])


def _corruption_row(c: Mapping[str, Any], labels: Sequence[str]) -> list[Cell]:
    means = {k: mean_of(c, k) for k in labels}
    tone: Tone = "" if c.get("counts") else "muted"
    cells = [
        Cell(str(c.get("name")), tone="code"),
        Cell(plain(c.get("family"))),
        Cell(plain(c.get("group", ""))),
        Cell(_EXPOSURE.get(str(c.get("exposure")), str(c.get("exposure", NONE)))),
        Cell("yes" if c.get("counts") else "no", tone=tone),
        *(Cell(fixed(m), tone=tone) for m in means.values()),
    ]
    if {"policy", "baseline"} <= means.keys():
        a, b = means["policy"], means["baseline"]
        change = a - b if a is not None and b is not None else None
        cells.append(Cell(signed(change), tone=tone or _tone(change)))
    last = {k: (c["accuracy"].get(k) or [None]) for k in labels if k in ("baseline", "policy")}
    ends = [fixed(v[4]) if len(v) == 5 else NONE for v in last.values()]
    return [*cells, Cell(" → ".join(ends) if any(e != NONE for e in ends) else NONE, tone=tone)]


def _tone(gain: float | None) -> Tone:
    """The colour of a difference without an interval: none below ``NOTABLE``."""
    return "" if gain is None else "good" if gain >= NOTABLE else "bad" if gain <= -NOTABLE else ""


_MEASURES = (("nll", "NLL"), ("ece", "ECE"), ("brier", "Brier"))
_PARTS = (("clean_search", "clean"), ("noisy_search", "search families"), ("noisy_held_out", "held-out families"))


def calibration_section(result: Result) -> Section:
    """NLL, ECE and Brier score of the contestants on clean and noisy rows."""
    shown = contestants(result)
    rows = []
    for key, name in _MEASURES:
        for part, where in _PARTS:
            values = [number((c.get("numbers") or {}).get(f"{key}_{part}")) for c in shown.values()]
            if not any(v is not None for v in values):
                continue
            by_label = dict(zip(shown, values, strict=True))
            change = None
            base, policy = by_label.get("baseline"), by_label.get("policy")
            if base is not None and policy is not None:
                change = policy - base
            tone = _tone(None if change is None else -change)
            rows.append([Cell(f"{name}, {where}"), *(Cell(fixed(v)) for v in values), Cell(signed(change), tone=tone)])
    if not rows:
        return Section("calibration", "Calibration")
    note = (
        "Lower is better; means over seeds. NLL: mean negative log-likelihood in nats. ECE: how far confidence is from "
        "accuracy, 15 bins. Brier: squared error of the probabilities. The held-out rows hold all held-out "
        "corruptions, also those that do not count above. Differences have a colour from 0.01 on."
    )
    return Section("calibration", "Calibration", tables=[Table(["", *shown, "policy − baseline"], rows, note=note)])


def cautions(result: Result) -> list[str]:
    """What a reader has to know beside the verdict: overused noise, lost clean accuracy, diverged runs."""
    shown, out = contestants(result), []
    if {"baseline", "policy"} <= shown.keys():
        told = (_overused(shown["baseline"], shown["policy"], g) for g in ("search", "held_out"))
        out += [t for t in told if t][:1]  # the second would say the same of other families
    clean = triple(((result.get("differences") or {}).get("baseline") or {}).get("clean"))
    if clean and clean[2] < 0:
        change = f"{signed(clean[0])} {interval(clean, sign=True)}"
        out.append(f"The policy costs clean accuracy: {change} against the baseline.")
    for label, c in shown.items():
        if c.get("diverged"):
            out.append(f"{plural(int(c['diverged']), 'training')} of {label} diverged; the accuracy counts as it is.")
    return out


def _overused(base: Mapping[str, Any], policy: Mapping[str, Any], group: str) -> str:
    """Accuracy under noise rose while the loss or the calibration on the same rows got worse."""
    before, after = triple(base.get(group)), triple(policy.get(group))
    a, b = base.get("numbers") or {}, policy.get("numbers") or {}
    if before is None or after is None or after[0] <= before[0]:
        return ""
    worse = []
    for key, name in _MEASURES[:2]:
        old, new = number(a.get(f"{key}_noisy_{group}")), number(b.get(f"{key}_noisy_{group}"))
        if old is not None and new is not None and new - old > max(0.02 * old, 0.002):
            worse.append(f"{name} rose from {fixed(old)} to {fixed(new)}")
    if not worse:
        return ""
    return (
        f"Noise may be overused: on {plain(group).replace('held out', 'held-out')} families accuracy rose by "
        f"{fixed(after[0] - before[0])}, but {' and '.join(worse)}, so the probabilities are less to be trusted. Try "
        f"the policy with less strength (policy.scaled(0.5)), or calibrate the model afterwards."
    )
