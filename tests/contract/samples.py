"""Every technique of the registry beside each data type it works for."""

from __future__ import annotations

from autonoise.technique.registry import Technique, techniques_for
from autonoise.types import DataType, Stage

OWN = [kind for kind in techniques_for() if kind.__module__.startswith("autonoise.techniques.")]
PAIRS = [(kind, data_type) for kind in OWN for data_type in sorted(kind.data_types)]


def named(pairs: list[tuple[type[Technique], DataType]]) -> list[str]:
    return [f"{kind.name}-{data_type}" for kind, data_type in pairs]


def at_stages(*stages: Stage, but: tuple[Stage, ...] = ()) -> list[tuple[type[Technique], DataType]]:
    return [(k, d) for k, d in PAIRS if (not stages or k.stage in stages) and k.stage not in but]
