"""The command that compares two policies."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from autonoise.cli import options
from autonoise.cli.output import make_console, print_json, table

if TYPE_CHECKING:
    from autonoise.policy.compare import Comparison, Difference

DIFFERENT = 1
"""Exit status where the two are not equal."""
_Second = Annotated[
    str,
    typer.Argument(metavar="POLICY", help="The policy to compare it with.", callback=options.filled),
]


def diff(first: options.PolicyFile, second: _Second, as_json: options.Json = False) -> None:
    """Tell what two policies do otherwise: steps, strengths, schedules, places, input, verdict.

    Exit status: 0 where they are equal, 1 where they differ, 2 for a mistake. Names and origins do not count.

    Example: autonoise diff policy.yaml image/fashion-mnist
    """
    from autonoise.policy import load_policy
    from autonoise.policy.compare import compare

    a, b = (load_policy(name, warn=False) for name in (first, second))
    found = compare(a, b)
    if as_json:
        print_json(_plain(found, first, second))
    elif found.equal:
        make_console().print(f"equal: {len(a.steps)} steps, input and verdict are the same", soft_wrap=True)
    else:
        _show(found, first, second)
    if not found.equal:
        raise typer.Exit(DIFFERENT)


def _plain(found: Comparison, first: str, second: str) -> dict[str, Any]:
    return {
        "equal": found.equal,
        "first": first,
        "second": second,
        "only_in_first": [step.to_dict() for step in found.only_first],
        "only_in_second": [step.to_dict() for step in found.only_second],
        "differences": [asdict(d) for d in found.differences],
    }


def _show(found: Comparison, first: str, second: str) -> None:
    from autonoise.technique import words

    console = make_console()
    for name, steps in ((first, found.only_first), (second, found.only_second)):
        for step in steps:
            console.print(f"only in {name}: {words.line(step)}", soft_wrap=True)
    if found.differences:
        rows = [(d.step or "policy", _what(d), _value(d.first), _value(d.second)) for d in found.differences]
        console.print(table(("", "what", first, second), rows))


def _what(difference: Difference) -> str:
    return difference.what + (f" ({difference.unit})" if difference.unit else "")


def _value(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
