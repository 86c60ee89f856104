"""What the columns of a table are: guessed from one batch, or found by their names."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from autonoise.errors import AttachError
from autonoise.types import InputSpec, Scale

COVERED = 0.5
"""0/1 columns of which never two are set are a one-hot group with missing values only if one is set in half of the
rows. In fewer rows they are rather rare flags that happened not to meet."""
SHOWN = 3
"""The number of names that a message lists."""


def infer_columns(x: Tensor, spec: InputSpec) -> InputSpec:
    """Guess the columns of a float table from one batch: 0/1 columns are one-hot groups or flags, the rest is numeric.

    Neighbouring 0/1 columns of which exactly one is set in every row are a group. What lies between such groups is one
    where at most one is set in each row and one in at least half of them. A 0/1 column in no group, and one that is 0
    in the whole batch at a group's edge, stands alone: a rare category of one group could else be taken into the next.
    """
    binary = ((x == 0) | (x == 1)).all(0).tolist()
    groups: list[tuple[int, ...]] = []
    column = 0
    while column < x.shape[1]:
        if not binary[column]:
            column += 1
            continue
        end = next((c for c in range(column, x.shape[1]) if not binary[c]), x.shape[1])
        groups += [tuple(range(column + a, column + b)) for a, b in _groups(x[:, column:end])]
        column = end
    return replace(
        spec,
        layout=(x.shape[1],),
        numeric=tuple(c for c in range(x.shape[1]) if not binary[c]),
        onehot=tuple(groups),
        codes=(),
        flags=(),
        names=spec.names if len(spec.names) == x.shape[1] else (),
        scale=Scale.STANDARDISED,
        mean=(),
        std=(),
    )


def _groups(run: Tensor) -> list[tuple[int, int]]:
    """(first column, one beyond the last) of each group in a run of 0/1 columns (B, n)."""
    # sums of rows over the first k columns, so that a group's is a difference
    sums = torch.cat([run.new_zeros(len(run), 1), run.cumsum(1)], dim=1)
    empty = (run == 0).all(0).tolist()
    width = run.shape[1]

    def whole(first: int) -> int | None:
        """Where the group that begins here has exactly one column set in every row; None if it never has."""
        for end in range(first + 1, width + 1):
            of = sums[:, end] - sums[:, first]
            if bool((of > 1).any()):
                return None
            if bool((of == 1).all()):
                return end
        return None

    out: list[tuple[int, int]] = []
    first = 0
    while first < width:
        end = None if empty[first] else whole(first)
        if end is None and not empty[first]:
            # up to the next whole group, and as far as no row has two set
            limit = next((c for c in range(first + 1, width) if not empty[c] and whole(c) is not None), width)
            end = max(c for c in range(first + 1, limit + 1) if not bool((sums[:, c] - sums[:, first] > 1).any()))
            while empty[end - 1]:
                end -= 1
            if float((sums[:, end] - sums[:, first]).mean()) < COVERED:
                end = None
        out.append((first, first + 1 if end is None else end))
        first = out[-1][1]
    return out


def by_names(names: tuple[str, ...], known: InputSpec) -> InputSpec:
    """The description ``known`` for a table whose columns have these names, in whatever order.

    Raises AttachError where the names are not those of ``known``.
    """
    if not known.names:
        raise AttachError(
            "input= gives names alone, and the policy does not name its columns: describe numeric=, onehot=, codes= "
            "and flags= too"
        )
    missing = [n for n in known.names if n not in set(names)]
    new = [n for n in names if n not in set(known.names)]
    if missing or new:
        said = [f"{few_names(missing)} of the policy missing"] if missing else []
        said += [f"{few_names(new)} unknown to it"] if new else []
        raise AttachError(
            f"the names in input= are not those of the policy's columns ({'; '.join(said)}): name them alike, or "
            f"describe numeric=, onehot=, codes= and flags= too"
        )
    place = {n: i for i, n in enumerate(names)}
    at = [place[n] for n in known.names]
    return replace(
        known,
        layout=(len(names),),
        names=names,
        # in the policy's order, which mean and std follow
        numeric=tuple(at[c] for c in known.numeric),
        onehot=tuple(tuple(at[c] for c in group) for group in known.onehot),
        codes=tuple(at[c] for c in known.codes),
        flags=tuple((at[flag], at[owner]) for flag, owner in known.flags),
    )


def few_names(names: list[str]) -> str:
    """The first of some names, for messages."""
    return ", ".join(repr(n)[:60] for n in names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if names[SHOWN:] else "")


def not_one_hot(x: Tensor, spec: InputSpec) -> str:
    """What of a table (B, D) contradicts its description: a one-hot column or flag with other values than 0 and 1, or a
    group with two columns set; empty if nothing does.
    """
    for group in (*spec.onehot, *((flag,) for flag, _ in spec.flags)):
        part = torch.nan_to_num(x[:, list(group)])  # a missing category may be said so
        if not bool(((part == 0) | (part == 1)).all()):
            return f"{_called(group, spec)} holds other values than 0 and 1"
        if bool((part.sum(1) > 1).any()):
            return f"a row has several of {_called(group, spec)} set"
    return ""


def _called(group: tuple[int, ...], spec: InputSpec) -> str:
    if spec.names:
        return few_names([spec.names[c] for c in group])
    return f"column {group[0]}" if len(group) == 1 else f"the columns {group[0]} to {group[-1]}"
