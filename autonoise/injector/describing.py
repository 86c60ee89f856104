"""What an attached policy does, in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from autonoise.injector.depth import words
from autonoise.injector.status import InjectorStatus, StepStatus
from autonoise.technique.step import Step
from autonoise.technique.words import counted, how_often, percent, settings, when, where

SHOWN = 6
"""The number of places in the model that are named for a step; further ones are only counted."""
_KNOWN = {
    "described": "as described",
    "first batch": "as the first batch looks",
    "not yet": "no batch seen yet: the first one may show another scale",
}


def description(status: InjectorStatus, steps: Sequence[Step]) -> str:
    """Where training stands and how the input is understood, then one line per step."""
    mode = "detached" if status.detached else "training" if status.training else "in eval mode, where nothing acts"
    head = ", ".join((
        f"{status.policy}: {status.data_type}",
        counted(len(status.steps), "step"),
        f"input {status.scale}",
        f"{_KNOWN[status.known]}; update {status.update} of {status.updates}",
        f"strength {status.strength:g}",
        f"{status.passes:.3g} passes",
        mode,
    ))  # fmt: skip
    return "\n".join([head, *(f"  {_line(s, step)}" for s, step in zip(status.steps, steps, strict=True))])


def _line(status: StepStatus, step: Step) -> str:
    if status.left_out:
        return (
            f"{status.technique} [{status.stage}] is left out: {status.left_out.removeprefix(status.technique + ': ')}"
        )
    here = replace(step, technique=type(step.technique)(**status.parameters))
    strength = settings(here) + (", times U(0, 1)" if step.magnitude == "uniform" else "")
    parts = (
        f"{status.technique} [{status.stage}]",
        strength,
        how_often(step),
        when(step.schedule),
        _where(status, step),
    )
    text = (
        " · ".join(part for part in parts if part) + _replaced(status) + words(step, status.parameters, status.number)
    )
    if status.before_branches:
        text += f", {status.number} places, most of them before residual branches, so that its numbers stay as they are"
    if status.now != 1:
        text += f", now at {percent(status.now)} of that strength" if status.now else ", not acting now"
    if status.needs:
        text += f", needs {status.needs}"
    return text + (", not run yet" if status.ran is False else "")


def _where(status: StepStatus, step: Step) -> str:
    if not status.places:
        return where(step)
    more = f" and {len(status.places) - SHOWN} more" if len(status.places) > SHOWN else ""
    return f"at {', '.join(status.places[:SHOWN])}{more}"


def _replaced(status: StepStatus) -> str:
    """Which of the model's own dropouts a step replaces: those that it was placed at, or one that may stand before."""
    if not status.replaced:
        return ""
    named = {p.removesuffix(":output") for p in status.places}
    if named.issuperset(status.replaced):
        return f", takes over {len(status.replaced)} nn.Dropout"
    return f", takes over {' or '.join(status.replaced)} if it stands directly before"
