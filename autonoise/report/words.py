"""A policy's steps in words, and the lines of code that use it."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from autonoise.errors import UnknownNameError
from autonoise.report.numbers import number, significant
from autonoise.technique import words
from autonoise.technique.parameters import Range, parameters_of
from autonoise.technique.registry import RESERVED, Technique, get_technique
from autonoise.technique.schedule import Schedule
from autonoise.types import Stage


def technique_of(step: Mapping[str, Any]) -> type[Technique] | None:
    """The class of a step's technique; None where this installation does not know it."""
    try:
        return get_technique(str(step.get("technique", "")))
    except (UnknownNameError, ImportError):
        return None


def about(kind: type[Technique] | None) -> str:
    """One line on what a technique does: that of its module, or of its class."""
    if kind is None:
        return "a technique that this installation does not know"
    text = sys.modules[kind.__module__].__doc__ if kind.__module__ in sys.modules else None
    line = next((line.strip() for line in (text or kind.__doc__ or "").splitlines() if line.strip()), "")
    return line.replace("`", "")  # marks of code in a docstring, which the page does not set


def settings(step: Mapping[str, Any]) -> str:
    """``std 0.15 (input scale), start random``: the technique's own parameters with their units."""
    kind = technique_of(step)
    ranges = parameters_of(kind) if kind else {}
    parts = []
    for name, value in step.items():
        if name in RESERVED:
            continue
        parameter = ranges.get(name)
        unit = f" ({parameter.unit})" if isinstance(parameter, Range) and parameter.unit else ""
        parts.append(f"{name.replace('_', ' ')} {significant(value)}{unit}")
    if step.get("magnitude") == "uniform":
        parts.append("drawn anew between 0 and these values")
    if step.get("site"):
        parts.append(f"at {step['site']}")
    return ", ".join(parts)


def how_often(step: Mapping[str, Any]) -> str:
    """``70 % of samples``, ``every 2nd update``."""
    kind = technique_of(step)
    what = "updates" if kind is not None and kind.stage in words.PER_UPDATE else "samples"
    share = number(step.get("probability", 1.0))
    gate = step.get("gate") or {}
    every = int(gate.get("every", 1) or 1)
    text = words.share_in_words(1.0 if share is None else share, what)
    return text + (f", every {words.ordinal(every)} {gate.get('unit', 'update')}" if every != 1 else "")


def schedule_of(step: Mapping[str, Any]) -> Schedule | None:
    """The schedule of a step; None where this installation does not know its shape."""
    try:
        return Schedule(**(step.get("schedule") or {}))
    except (TypeError, ValueError):
        return None


def when(step: Mapping[str, Any]) -> str:
    """The schedule in words: ``from 40 % of training to its end``."""
    schedule = schedule_of(step)
    return "by a schedule that this installation does not know" if schedule is None else words.when(schedule)


def usage(steps: Sequence[Mapping[str, Any]], file: str) -> tuple[str, str]:
    """The lines of code that use a policy, and a sentence on what else it needs.

    A policy that acts on the whole update (SAM, for example) is used by ``training_step``.
    """
    kinds = [k for k in map(technique_of, steps) if k is not None]
    arguments = ["model", "epochs=epochs", "steps_per_epoch=len(loader)", "optimizer=optimizer"]
    lines = ["from autonoise import load_policy", "", f"policy = load_policy({json.dumps(file)})"]
    notes = []
    if any(k.stage == Stage.RAW for k in kinds):
        lines += ["# in the loader: text = noise(text, index)", "noise = policy.raw_transform(epochs=epochs)"]
        arguments.append("raw_transform=noise")
        notes.append("Call noise.set_epoch(epoch) at the start of each epoch.")
    lines += ["injector = policy.attach(", *(f"    {a}," for a in arguments), ")", ""]
    whole = [k.name for k in kinds if k.whole_step]
    if any(getattr(k, "pretrains", False) for k in kinds):
        lines += ["# once, before training", "injector.pretrain(lambda: (x for x, y in loader))"]
    if whole:
        lines += ["# one whole update: backward and optimiser too", "loss = injector.training_step(x, y, optimizer)"]
        notes.append(f"The policy needs the whole training step for {', '.join(whole)}.")
    else:
        lines += [
            "# in the loop, before the model",
            "x, y = injector.perturb(x, y)",
            "# in place of your loss function",
            "loss = injector.loss(model(x), y)",
            "# after optimizer.step()",
            "injector.step()",
        ]
    return "\n".join(lines), " ".join(notes)
