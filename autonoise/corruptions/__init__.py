"""Evaluation-time noise with five severities, in two disjoint groups of families: search and held out."""

from autonoise.corruptions.base import (
    Corruption,
    Reference,
    corruption,
    corruptions_for,
    exposure,
    get_corruption,
)
from autonoise.corruptions.rows import Rows

__all__ = ["Corruption", "Reference", "Rows", "corruption", "corruptions_for", "exposure", "get_corruption"]
