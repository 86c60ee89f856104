"""Examples in words: titles, points of the schedule, steps with their strength."""

from __future__ import annotations

from collections.abc import Sequence

from autonoise.errors import plain
from autonoise.pictures.values import Examples, StepWords
from autonoise.technique.words import counted

_NAMES = {0.0: "start", 0.5: "middle", 1.0: "end"}


def point(t: float) -> str:
    """``start``, ``middle`` and ``end`` of training, or its share in percent."""
    return _NAMES.get(t, f"{100 * t:.3g} %")


def headline(t: float) -> str:
    """The same as the head of a column."""
    return f"{_NAMES[t]} of training" if t in _NAMES else f"at {100 * t:.3g} % of training"


def title(e: Examples) -> str:
    return plain(f"{e.policy} on {e.data}")


def shares(e: Examples) -> str:
    """How many rows of a batch are changed at each point, in a sentence."""
    each = [f"{100 * c:.0f} % at the {point(t)}" if t in _NAMES else f"{100 * c:.0f} % at {point(t)}" for t, c in
            zip(e.at, e.changed, strict=True)]  # fmt: skip
    if not any(e.changed):
        return "No step changes the input itself."
    if len(set(e.changed)) == 1:
        each = [f"{100 * e.changed[0]:.0f} % throughout"]
    told = "Share of rows whose input is changed: " + ", ".join(each) + "."
    return told if max(e.changed) == 1 else f"{told} Rows that are changed come first."


def strengths(step: StepWords, at: Sequence[float]) -> str:
    """``0 % → 50 % → 100 %`` of the strength that the policy names, or ``100 % throughout``."""
    if len(set(step.strengths)) == 1:
        return f"{step.strengths[0]} throughout" if len(at) > 1 else step.strengths[0]
    return " → ".join(step.strengths)


def step_line(step: StepWords, at: Sequence[float]) -> str:
    """A step in a line: its name, its parameters, on how much it acts, its strength at each point."""
    parts = [step.settings, step.acts, f"strength {strengths(step, at)}"]
    if "probability" in "".join(step.strengths):
        parts[2] = strengths(step, at)
    return plain(f"{step.name}: {'; '.join(p for p in parts if p)}")


def step_lines(e: Examples) -> list[str]:
    """All steps in words, those that the rows show before those that they cannot show."""
    seen, hidden = [s for s in e.steps if s.seen], [s for s in e.steps if not s.seen]
    points = " → ".join(map(point, e.at))
    out = [shares(e)]
    if seen:
        out += [f"Seen in the rows (strength at {points}):", *(f"  {step_line(s, e.at)}" for s in seen)]
    if hidden:
        out += [f"Not to be seen in the rows (strength at {points}):"]
        out += [f"  {step_line(s, e.at)}: {s.what[:1].lower()}{s.what[1:]}" for s in hidden]
    return out


def label_line(label: str, labels: Sequence[str], at: Sequence[float]) -> str:
    """``label: cat``, and where the noise changes it, what it becomes at each point."""
    changed = [f"{point(t)} {new}" for t, new in zip(at, labels, strict=True) if new != label]
    if changed and len(set(labels)) == 1:
        changed = [labels[0]]
    return plain(f"label: {label}" + (f"  →  {';  '.join(changed)}" if changed else ""))


def alternative(e: Examples) -> str:
    seen = ", ".join(s.name for s in e.steps if s.seen) or "no step that changes the input"
    points = ", ".join(map(point, e.at))
    return plain(
        f"{counted(len(e.rows), 'row')} of {e.data} ({e.data_type}), clean and at {points} of training, under {seen}."
    )
