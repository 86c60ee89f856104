"""How the strength of a policy carries over to bigger models and to more rows: a part of the result."""

from __future__ import annotations

import math
from dataclasses import dataclass

from autonoise.study.result_numbers import Number


@dataclass(frozen=True)
class TransferSetting:
    """Mixed score at each of ``strengths`` for one model width and share of the training rows.

    ``best`` is the strength where a parabola through the scores is highest; ``flat``: no strength stands out.
    """

    size: Number = math.nan
    rows: Number = math.nan
    strengths: tuple[Number, ...] = ()
    scores: tuple[Number, ...] = ()
    best: Number = math.nan
    flat: bool = False


@dataclass(frozen=True)
class Transfer:
    """The strength (factor on all magnitudes) that suits the proxy, and a model ``bigger_factor`` times as wide."""

    settings: tuple[TransferSetting, ...] = ()
    proxy: Number = math.nan
    bigger: Number = math.nan
    bigger_factor: Number = math.nan
    bigger_interval: tuple[Number, ...] = ()
    sentence: str = ""
