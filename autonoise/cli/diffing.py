"""The command that compares two policies."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from autonoise.cli import completing, options
from autonoise.cli.output import make_console, print_json, table

if TYPE_CHECKING:
    from autonoise.policy import Policy
    from autonoise.policy.compare import Difference

DIFFERENT = 1
"""Exit status where the two are not equal."""
_Second = Annotated[
    str,
    typer.Argument(
        metavar="POLICY",
        help="The policy to compare it with.",
        callback=options.filled,
        autocompletion=completing.policies,
    ),
]


def diff(first: options.PolicyFile, second: _Second, as_json: options.Json = False) -> None:
    """Tell what two policies do otherwise: steps, strengths, schedules, places, input, verdict.

    Exit status: 0 where they are equal, 1 where they differ, 2 for a mistake. Names and origins do not count.

    Example: autonoise diff policy.yaml image/fashion-mnist
    """
    from autonoise.policy import load_policy
    from autonoise.policy.compare import compare
    from autonoise.technique.words import counted

    a, b = (load_policy(name, warn=False) for name in (first, second))
    equal = compare(a, b).equal
    if as_json:
        print_json(plain_diff(a, b, first, second))
    elif equal:
        make_console().print(f"equal: {counted(len(a.steps), 'step')}, input and verdict are the same", soft_wrap=True)
    else:
        show_diff(a, b, first, second)
    if not equal:
        raise typer.Exit(DIFFERENT)


def plain_diff(a: Policy, b: Policy, first: str, second: str) -> dict[str, Any]:
    """What two policies do otherwise, as plain values. ``first`` and ``second``: what they are called."""
    from autonoise.policy.compare import compare

    found = compare(a, b)
    return {
        "equal": found.equal,
        "first": first,
        "second": second,
        "only_in_first": [step.to_dict() for step in found.only_first],
        "only_in_second": [step.to_dict() for step in found.only_second],
        "differences": [asdict(d) for d in found.differences],
    }


def show_diff(a: Policy, b: Policy, first: str, second: str, title: str = "policy") -> None:
    """Print what two policies do otherwise; ``title`` stands before what is of the whole policies."""
    from autonoise.policy.compare import compare
    from autonoise.technique import words

    found = compare(a, b)
    console = make_console()
    if found.equal:
        console.print(f"{title}: equal", soft_wrap=True)
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
