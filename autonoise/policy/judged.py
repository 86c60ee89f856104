"""What a policy's file says of how the policy was judged, and the warning where that is not ``better``."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

BETTER, NO_GAIN, WORSE = "better", "no significant gain", "worse"
BREAKS, NOT_MEASURABLE = "breaks the clean limit", "not measurable"
UNCONFIRMED = "unconfirmed"
"""No fresh training has confirmed the policy: it is the best of the search so far, or stems from other data."""
NO_NOISE = "no noise"
"""The word of a policy without steps that stands for the recommendation to train without noise."""
Interval = tuple[float, float, float]
"""A mean and the ends of its interval."""
_COMPARE = "compare it with a training without noise"
_ADVICE = {
    WORSE: "Recommended instead: train without noise",
    NO_GAIN: f"It is not surely better than no noise: {_COMPARE}",
    UNCONFIRMED: f"Nothing was recommended yet: let autonoise search reach its verdict, or {_COMPARE}",
}
"""What can be said where a file, written by an older version, does not say what was recommended."""


@dataclass(frozen=True)
class Judged:
    """How a policy was judged, from the ``scores`` of its file.

    Attributes:
        word: the verdict, ``better``, ``no significant gain``, ``worse`` ...; empty where no search judged the policy.
        contestant: which contestant of the verdict the policy was: ``policy`` (the one that the search found),
            ``preset``, ``start`` or ``baseline`` (no noise); empty where it was none, or the file does not say.
        difference: its score minus that of training without noise (accuracies, 0 to 1), with the ends of the interval.
        closed: the share of what held-out noise costs that it wins back, with the ends of the interval.
        clean, noisy: its accuracies on clean rows and under the noise that it was measured with; NaN where unknown.
        recommended: the label of the contestant that was recommended, or ``undecided``.
        recommendation: the same in words.
    """

    word: str = ""
    contestant: str = ""
    difference: Interval | None = None
    closed: Interval | None = None
    clean: float = math.nan
    noisy: float = math.nan
    recommended: str = ""
    recommendation: str = ""

    @classmethod
    def of(cls, scores: Mapping[str, Any]) -> Judged:
        """Read from a policy's scores, which anybody may have written: what is of another kind is passed over."""
        told = {k: _text(scores.get(k)) for k in ("verdict", "contestant", "recommended", "recommendation")}
        key = told["contestant"] or "policy"
        noisy = _number(_entry(scores.get("held_out"), key))
        return cls(
            told["verdict"],
            told["contestant"],
            _interval(_entry(scores.get("difference"), "baseline")),
            _interval(scores.get("gap_closed_held_out")),
            _number(_entry(scores.get("clean"), key)),
            noisy if math.isfinite(noisy) else _number(_entry(scores.get("noisy"), key)),
            told["recommended"],
            told["recommendation"],
        )

    @property
    def sentence(self) -> str:
        """The verdict with its numbers: ``worse: score -0.020 [-0.031, -0.009] against no noise``."""
        parts = []
        if self.difference is not None:
            parts.append("score {:+.3f} [{:+.3f}, {:+.3f}] against no noise".format(*self.difference))
        if self.closed is not None:
            parts.append("{:.0f} % [{:.0f}, {:.0f}] of the gap closed".format(*(100 * x for x in self.closed)))
        if self.difference is None and math.isfinite(self.clean) and math.isfinite(self.noisy):
            parts.append(f"clean accuracy {self.clean:.3f}, noisy accuracy {self.noisy:.3f}")
        return self.word + (f": {', '.join(parts)}" if parts else "")

    @property
    def advice(self) -> str:
        """What was recommended, as a sentence; for a file that does not say it, what its numbers allow to say."""
        if self.recommendation and self.recommended == "undecided":
            return f"{self.recommendation[0].upper()}{self.recommendation[1:]}"
        if self.recommendation:
            return f"Recommended{'' if self.own else ' instead'}: {self.recommendation}"
        if self.word == NO_GAIN and self.difference is not None and self.difference[1] > 0:
            return "It is surely better than no noise, but not than every published recipe: compare it with one"
        return _ADVICE.get(self.word, f"Before you train with it, {_COMPARE}")

    @property
    def own(self) -> bool:
        """Whether this policy is the one that was recommended."""
        return bool(self.contestant) and self.contestant == self.recommended

    @property
    def doubtful(self) -> bool:
        """Whether whoever trains with the policy has to know more than that it is there."""
        return self.word not in ("", BETTER, NO_NOISE) and not self.own

    def warning(self, what: str) -> str:
        """The text for whoever loads a doubtful policy; ``what`` names it."""
        return f"{what}: the verdict on this policy is {self.sentence}. {self.advice}"


def _entry(values: Any, key: str) -> Any:
    return values.get(key) if isinstance(values, Mapping) else None


def _text(value: Any) -> str:
    return " ".join(value.split()) if isinstance(value, str) else ""


def _number(value: Any) -> float:
    real = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if real else math.nan


def _interval(value: Any) -> Interval | None:
    if not isinstance(value, list | tuple) or len(value) != 3:
        return None
    mean, low, high = (_number(v) for v in value)
    return (mean, low, high) if all(map(math.isfinite, (mean, low, high))) else None
