"""The strength of a step at each of its places, where the searched model had another number of places."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from autonoise.technique.step import Step


def spread(step: Step, places: int) -> Step:
    """The step as it acts in a model with so many ``places``: in sum over them its noise is that of the search.

    It stays as it is where either number of places is unknown (0).
    """
    if step.sites < 1 or places < 1 or places == step.sites:
        return step
    return replace(step, technique=step.technique.spread(step.sites / places), sites=places)


def words(step: Step, parameters: Mapping[str, object], places: int) -> str:
    """What of the parameters that act here is not as in the search, for people; empty where nothing is."""
    before = step.technique.parameters()
    moved = [f"{k} {v:g} -> {parameters[k]:.3g}" for k, v in before.items() if v != parameters[k]]
    return f", {places} places instead of {step.sites} in the search: {', '.join(moved)}" if moved else ""
