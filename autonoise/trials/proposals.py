"""Policies that a search might try next: drawn anew, or changed from ones that did well."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from autonoise.policy import Policy
from autonoise.space.space import SearchSpace

SWITCH, RANK = "use.", "rank."
LOSES, GAINS = 0.15, 0.5
"""Probability that a changed policy loses each of its techniques, and the mean number of techniques that it gains."""
KEEPS = 0.4
"""Probability that a changed policy keeps a number as it was."""
WIDTHS = (0.08, 0.25)
"""Spread (standard deviation) of a changed number, as a share of its range: small or large, each time one of these."""


class Draw:
    """Answers a search space like an Optuna trial: from the parameters of a parent, changed a little, else at random.

    ``params`` holds all answers. ``fixed``: techniques stay as they are, only numbers move.
    """

    def __init__(
        self, rng: np.random.Generator, prior: float, parent: Mapping[str, Any] | None = None, *, fixed: bool = False
    ) -> None:
        self.params: dict[str, Any] = {}
        self._rng, self._prior, self._parent, self._fixed = rng, prior, parent, fixed
        self._width = float(rng.choice(WIDTHS))
        off = 0 if parent is None else sum(k.startswith(SWITCH) and not v for k, v in parent.items())
        self._gain = GAINS / max(off, 1)

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        rng, parent = self._rng, self._parent
        if name.startswith(SWITCH):
            if parent is None:
                value: Any = bool(rng.random() < self._prior)
            else:
                on = bool(parent.get(name, False))
                value = on if self._fixed else on != bool(rng.random() < (LOSES if on else self._gain))
        elif parent is not None and parent.get(name) in choices and rng.random() >= LOSES:
            value = parent[name]
        else:
            value = choices[int(rng.integers(len(choices)))]
        self.params[name] = value
        return value

    def suggest_float(self, name: str, low: float, high: float, *, log: bool = False) -> float:
        rng, parent = self._rng, self._parent
        if parent is None or name not in parent or name.startswith(RANK):
            place = rng.random()
        else:
            before = min(max(float(parent[name]), low), high)
            if rng.random() < KEEPS:
                self.params[name] = before
                return before
            at = math.log(before / low) / math.log(high / low) if log else (before - low) / (high - low)
            place = min(max(at + rng.normal() * self._width, 0.0), 1.0)
        value = low * (high / low) ** place if log else low + place * (high - low)
        self.params[name] = min(max(float(value), low), high)
        return float(self.params[name])

    def suggest_int(self, name: str, low: int, high: int) -> int:
        value = round(self.suggest_float(name, low - 0.499, high + 0.499))
        self.params[name] = min(max(value, low), high)
        return int(self.params[name])


def crossed(a: Mapping[str, Any], b: Mapping[str, Any], rng: np.random.Generator) -> dict[str, Any]:
    """Technique by technique the parameters of one of two parents; what only one has comes along two times in three."""
    out: dict[str, Any] = {}
    for switch in [k for k in a if k.startswith(SWITCH)]:
        name = switch.removeprefix(SWITCH)
        on_a, on_b = bool(a[switch]), bool(b.get(switch))
        giver = (a if rng.random() < 0.5 else b) if on_a == on_b else (a if on_a else b)
        out[switch] = on_a if on_a == on_b else bool(rng.random() < 2 / 3)
        out |= {k: v for k, v in giver.items() if k.startswith(f"{name}.")}
    return out


def proposals(
    space: SearchSpace, parents: Sequence[Mapping[str, Any]], rng: np.random.Generator, n: int, *, tuning: bool = False
) -> list[tuple[Policy, dict[str, Any]]]:
    """Up to ``n`` policies with the parameters that give them; the first parents are taken most often.

    One in four is drawn anew, the others are changed from one parent or two. With ``tuning`` only the parents' numbers
    move.
    """
    found = []
    weights = np.arange(len(parents), 0, -1, dtype=float)
    for _ in range(n):
        parent = None
        if parents and (tuning or rng.random() >= 0.25):
            first, second = rng.choice(len(parents), 2, p=weights / weights.sum())
            parent = parents[first]
            if not tuning and rng.random() < 0.4:
                parent = crossed(parent, parents[second], rng)
        draw = Draw(rng, space.prior, parent, fixed=tuning)
        policy = space.suggest(draw)
        if policy.steps:
            found.append((policy, draw.params))
    return found
