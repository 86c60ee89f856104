"""A step in words: its parameters with their units, how often it acts, when in training, and where."""

from __future__ import annotations

from collections.abc import Sequence

from autonoise.technique.parameters import Range, parameters_of
from autonoise.technique.schedule import Gate, Schedule
from autonoise.technique.step import Step
from autonoise.types import Stage

PER_UPDATE = frozenset({Stage.WEIGHT, Stage.LOSS, Stage.GRADIENT, Stage.STEP})
"""Stages in which the probability of a step is drawn once for a whole update, and not for each sample."""


def settings(step: Step) -> str:
    """The parameters with their units: ``std 0.15 (input scale)``; empty for a technique without parameters."""
    parts = []
    known = parameters_of(type(step.technique))
    for name, value in step.technique.parameters().items():
        if value == "":  # a text that was not given
            continue
        parameter = known[name]
        unit = f" ({parameter.unit})" if isinstance(parameter, Range) and parameter.unit else ""
        parts.append(f"{name} {value_in_words(value)}{unit}")
    return ", ".join(parts)


def value_in_words(value: object) -> str:
    """A parameter's value; a number with four significant digits."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def how_often(step: Step) -> str:
    """``all samples``, ``70 % of samples``, ``all updates, every 2nd epoch``."""
    what = "updates" if step.stage in PER_UPDATE else "samples"
    drawn = f", where it is drawn from the group {step.one_of}" if step.one_of else ""
    return share_in_words(step.probability, what) + gate_in_words(step.gate) + drawn


def share_in_words(probability: float, what: str) -> str:
    """``all samples``, or ``70 % of samples``."""
    return f"all {what}" if probability >= 1 else f"{percent(probability)} of {what}"


def gate_in_words(gate: Gate) -> str:
    """``, every 2nd update``; empty for a gate that is always open."""
    return f", every {ordinal(gate.every)} {gate.unit}" if gate.every != 1 else ""


def when(schedule: Schedule) -> str:
    """The schedule in words: ``from 40 % of training to its end``."""
    start, end = schedule.limits
    part = f"from {percent(start)} to {percent(end)} of training"
    span = "over the whole training" if (start, end) == (0, 1) else part
    if schedule.shape in ("constant", "window"):
        if (start, end) == (0, 1):
            return "throughout"
        if end == 1:
            return f"from {percent(start)} of training to its end"
        return f"in the first {percent(end)} of training" if start == 0 else span
    words = {
        "ramp_up": f"growing from nothing to full {span}",
        "ramp_down": f"fading from full to nothing {span}",
        "cosine": f"fading along a cosine {span}",
        "step": f"rising in {counted(schedule.levels, 'step')} {span}",
        "warm_up": f"at full strength after a warm-up {span}",
    }
    return words[schedule.shape]


def where(step: Step) -> str:
    """The place at which a step acts: the word or the glob of its site, else what its stage changes."""
    site = step.site or step.technique.default_site
    if step.stage is Stage.PAIR:
        return "on pairs of inputs" if site == "input" else f"on pairs of samples, at {site}"
    return f"at {site}" if site else _PLACES[step.stage]


def line(step: Step) -> str:
    """A whole step on one line: technique, strengths in units, how often, when, where."""
    strength = settings(step)
    if step.magnitude == "uniform":
        strength += ", times U(0, 1)"
    return " · ".join(part for part in (step.name, strength, how_often(step), when(step.schedule), where(step)) if part)


def brief(step: Step) -> str:
    """A step as a part of a sentence: ``blur (sigma 1.5 px) on 50 % of samples from 30 % of training to its end``.

    What is usual is not said: that it acts on all samples, and throughout.
    """
    known = parameters_of(type(step.technique))
    parts = []
    for name, value in step.technique.parameters().items():
        if value == "":
            continue
        parameter = known[name]
        unit = f" {parameter.unit}" if isinstance(parameter, Range) and parameter.unit else ""
        parts.append(f"{_plain(name)} {value_in_words(value)}{unit}")
    weaker = " or weaker, at random" if step.magnitude == "uniform" else ""
    strength = f" ({', '.join(parts)}{weaker})" if parts else ""
    acts = how_often(step)
    often = "" if step.probability >= 1 and not step.one_of else f" on {acts}"
    if not often:
        often = gate_in_words(step.gate)
    time = when(step.schedule)
    return f"{_plain(step.name)}{strength}{often}" + ("" if time == "throughout" else f" {time}")


def policy_in_words(steps: Sequence[Step]) -> str:
    """A whole policy in one sentence: its steps joined by a plus sign; ``no noise`` where there is none."""
    return " + ".join(map(brief, steps)) or "no noise"


def _plain(name: str) -> str:
    return name.replace("_", " ")


_PLACES = {
    Stage.RAW: "on strings, before the tokenizer",
    Stage.INPUT: "on the input",
    Stage.ADVERSARIAL: "on the input, against the gradient",
    Stage.TARGET: "on the targets",
    Stage.EMBEDDING: "on the embedding",
    Stage.ACTIVATION: "on hidden layers",
    Stage.WEIGHT: "on the weights",
    Stage.LOSS: "on the loss",
    Stage.GRADIENT: "on the gradients",
    Stage.STEP: "on the whole training step",
}


def percent(share: float) -> str:
    """A share of 1 in whole percent; with more digits where it would round to 0 or 100 without being that."""
    return f"{100 * share:.0f} %" if share in (0, 1) or 0.005 < share < 0.995 else f"{100 * share:.3g} %"


def counted(n: int, noun: str) -> str:
    """``1 row``, ``1,800 rows``, ``1 class``, ``2 classes``, ``2 policies``."""
    plural = f"{noun}es" if noun.endswith("s") else f"{noun[:-1]}ies" if noun.endswith("icy") else f"{noun}s"
    return f"{n:,} {noun if n == 1 else plural}"


def ordinal(n: int) -> str:
    """``1st``, ``2nd``, ``11th``."""
    last = {1: "st", 2: "nd", 3: "rd"}.get(n % 10, "th") if n % 100 not in (11, 12, 13) else "th"
    return f"{n}{last}"
