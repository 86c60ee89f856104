"""Groups that a source brings along: columns or arrays that say which rows belong together."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd

from autonoise.types import Array

GROUP_NAMES = ("group", "patient", "subject", "participant", "speaker", "session")
"""Names that are taken for groups without being asked for, the first one found; also as ``speakers``, ``speaker_id``.

The coarser comes first: a patient has several sessions, and rows of one patient must not be separated.
"""
NO_GROUP = "none"
"""What a caller gives as group to have no groups although the source has some."""


def group_names(names: Iterable[str]) -> list[str]:
    """Those of the given names that mean groups, the one to use first; upper and lower case are the same."""
    return sorted((n for n in names if _rank(n) is not None), key=lambda n: _rank(n) or 0)


def _rank(name: str) -> int | None:
    word = name.strip().lower().removesuffix("id").rstrip("_- ").removesuffix("s")
    return GROUP_NAMES.index(word) if word in GROUP_NAMES else None


def too_few(group: Array, split: Array | None) -> str:
    """Why groups that nobody asked for cannot be kept together, or "" if they can.

    Four parts need four groups; an official test part leaves three to find.
    """
    ids, _ = pd.factorize(group, sort=False)
    official_test = np.zeros(len(ids), dtype=bool) if split is None else split == "test"
    inside, outside = np.unique(ids[~official_test]), np.unique(ids[official_test])
    shared = bool(np.isin(inside, outside).any())
    found, needed = (len(np.unique(ids)), 4) if shared or not len(outside) else (len(inside), 3)
    return "" if found >= needed else f"{found} groups cannot be divided over {needed} parts"


def used(name: str, group: Array) -> str:
    """The sentence that tells that a group was found and is used."""
    return (
        f"rows of one {name!r} are kept in one part ({len(pd.unique(group))} groups; "
        f"--group {NO_GROUP} to split them freely)"
    )
