"""What contestants and winners are called where people read of them."""

from __future__ import annotations

from collections.abc import Mapping

from autonoise.study.result import WinnerResult

WISHES = ("balanced", "robust", "cheap")
"""What a policy may be the best for: score, noisy accuracy, or few passes and techniques."""


def called(label: str) -> str:
    """A contestant's name for people: the policy that the search found, whose label is "policy", is called "found"."""
    return "found" if label == "policy" else label


def one_policy(winners: Mapping[str, WinnerResult]) -> tuple[str, ...]:
    """A line for each policy that is the best for several wishes, and so was written only once."""
    wishes: dict[str, list[str]] = {}
    for wish in sorted(winners, key=lambda w: (w not in WISHES, WISHES.index(w) if w in WISHES else 0)):
        wishes.setdefault(winners[wish].file, []).append(wish)
    return tuple(
        f"{', '.join(several[:-1])} and {several[-1]} are one policy: {file}"
        for file, several in wishes.items()
        if len(several) > 1
    )
