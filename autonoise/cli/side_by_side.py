"""``autonoise compare``: two studies or two policies side by side, with a paired test where that can be had."""

from __future__ import annotations

import shlex
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from autonoise.cli import completing, options
from autonoise.cli.diffing import plain_diff, show_diff
from autonoise.cli.output import interval, make_console, number, percent, print_json, signed, table
from autonoise.errors import StudyError

if TYPE_CHECKING:
    from rich.console import Console

    from autonoise.comparing import Judged, SideBySide
    from autonoise.policy import Policy

_WHAT = "A study or an evaluation (folder or name), a policy file, or the name of a shipped policy."


def compare(
    first: Annotated[
        str,
        typer.Argument(
            metavar="FIRST",
            help=_WHAT,
            callback=options.filled,
            autocompletion=completing.studies_and_policies,
        ),
    ],
    second: Annotated[
        str,
        typer.Argument(
            metavar="SECOND",
            help="The same, to compare it with.",
            callback=options.filled,
            autocompletion=completing.studies_and_policies,
        ),
    ],
    as_json: options.Json = False,
) -> None:
    """Put two studies or two policies side by side: settings that differ, what the policies do, scores, a paired test.

    The test of two studies takes the trainings that they have kept: test rows, noise and seeds are the same for both.

    Example: autonoise compare studies/first studies/second
    """
    if all(is_judged(place) for place in (first, second)):
        _studies(first, second, as_json)
    else:
        _policies(first, second, as_json)


def is_judged(place: str) -> bool:
    """Whether a study or an evaluation lies there, or has that name, and no policy file."""
    from autonoise.study.places import judged_of

    if Path(place).is_file() and Path(place).name != "study.yaml":
        return False
    try:
        judged_of(place)
    except StudyError:
        if Path(place).is_dir():
            raise
        return False
    return True


def _studies(first: str, second: str, as_json: bool) -> None:
    from autonoise.comparing import side_by_side

    found = side_by_side(first, second)
    policies = [_found_policy(j) for j in (found.first, found.second)]
    if as_json:
        print_json(
            {
                "kind": "studies",
                "first": _plain(found.first),
                "second": _plain(found.second),
                "settings": [{"name": n, "first": a, "second": b} for n, (a, b) in found.settings.items()],
                "policies": None if None in policies else plain_diff(*_named(policies, found)),
                "tests": [asdict(test) for test in found.tests],
                "notes": list(found.notes),
            }
        )
        return
    console = make_console()
    names = _names(found)
    for name, study in zip(names, (found.first, found.second), strict=True):
        console.print(f"{name}  {study.result.verdict}  {study.folder.root}", soft_wrap=True)
    if found.settings:
        rows = [(n, *("-" if v is None else v for v in pair)) for n, pair in found.settings.items()]
        console.print(table(("setting", *names), rows))
    else:
        console.print("no setting differs")
    if None not in policies:
        show_diff(*_named(policies, found), title="found policies")
    console.print(_scores(found, names))
    for test in found.tests:
        _show_test(console, test, names)
    for note in found.notes:
        console.print(f"note: {note}", soft_wrap=True)


def _names(found: SideBySide) -> tuple[str, str]:
    """What the two are called: by their names, or by their folders where they have the same name."""
    a, b = found.first, found.second
    return (a.name, b.name) if a.name != b.name else (str(a.folder.root), str(b.folder.root))


def _found_policy(study: Judged) -> Policy | None:
    """The policy that a study found; None for an evaluation, which holds no policy file."""
    from autonoise.policy import load_policy

    file = study.folder.policies / "found.yaml"
    return load_policy(file, warn=False) if file.is_file() else None


def _named(policies: list[Any], found: SideBySide) -> tuple[Any, Any, str, str]:
    return (*policies, *_names(found))


def _plain(study: Judged) -> dict[str, Any]:
    told = study.result.to_dict()
    keys = ("verdict", "sentence", "recommended", "recommendation", "contestants", "seeds_of", "test_rows")
    return {"study": study.name, "folder": str(study.folder.root), **{k: told[k] for k in keys}}


def _scores(found: SideBySide, names: tuple[str, str]) -> Any:
    from autonoise.study.names import called

    rows = [
        (
            f"{name}: {called(label)}",
            *(interval(m) if m else "not measurable" for m in (c.score, c.clean, c.search, c.held_out)),
            f"{c.passes:.2f}",
            c.seeds,
        )
        for name, study in zip(names, (found.first, found.second), strict=True)
        for label, c in study.result.contestants.items()
    ]
    columns = ("", "score", "clean", "noisy (searched)", "noisy (held out)", "passes", "seeds")
    return table(columns, rows, right=columns[1:])


def _show_test(console: Console, test: Any, names: tuple[str, str]) -> None:
    from autonoise.study.names import called

    what = " − ".join(f"{name}: {called(label)}" for name, label in zip(names, test.labels, strict=True))
    console.print(f"{what}  paired over {test.seeds} seeds and {test.rows} test rows", soft_wrap=True)
    if test.same:
        console.print("  both are the same policy")
        return
    d = test.difference
    told = (("score", d.score), ("clean", d.clean), ("noisy (searched)", d.search), ("noisy (held out)", d.held_out))
    console.print("  " + " · ".join(f"{name} {signed(m)}" for name, m in told), soft_wrap=True)
    verdict = {
        "better": f"{names[0]} is surely better",
        "worse": f"{names[1]} is surely better",
        "as good as": "they are as good as each other, within 0.01 of score",
        "undecided": "undecided: which of them is better cannot be told from these trainings",
    }
    console.print(f"  {verdict.get(test.answer, test.answer)}", soft_wrap=True)


def _policies(first: str, second: str, as_json: bool) -> None:
    """Two policies; a study among them stands for its policy.yaml."""
    from autonoise.cli.studies import current
    from autonoise.policy import load_policy
    from autonoise.policy.shipped import shipped
    from autonoise.study.places import judged_of

    for place in (first, second):
        if not is_judged(place) and not Path(place).exists() and place.lower().replace("_", "-") not in shipped():
            raise StudyError(
                f"{place} is neither a study or an evaluation nor a policy file nor a shipped policy: what there is "
                f"is listed by autonoise studies and autonoise policies"
            )
    places = [
        str(Path(judged_of(p).out) / "policy.yaml") if is_judged(p) and current(judged_of(p)) else p
        for p in (first, second)
    ]
    a, b = (load_policy(p, warn=False) for p in places)
    if a.data_type != b.data_type:
        raise StudyError(
            f"{places[0]} is for {a.data_type} data and {places[1]} for {b.data_type}: there is nothing to compare"
        )
    how, notes = _how(places), _of_one_data(places, a, b)
    if as_json:
        print_json(
            {
                "kind": "policies",
                "first": _scores_of(places[0], a),
                "second": _scores_of(places[1], b),
                "policies": plain_diff(a, b, places[0], places[1]),
                "tests": [],
                "how_to_test": how,
                "notes": notes,
            }
        )
        return
    console = make_console()
    show_diff(a, b, places[0], places[1], title="policies")
    rows = [
        (
            told["source"],
            told["verdict"] or "none",
            number(told["clean"]),
            number(told["noisy"]),
            signed(told["difference"]),
            percent(told["gap_closed"]),
            f"{told['passes']:.2f}",
        )
        for told in map(_scores_of, places, (a, b))
    ]
    columns = ("", "verdict", "clean", "noisy", "score against no noise", "gap closed", "passes")
    console.print(table(columns, rows, right=columns[2:]))
    for note in notes:
        console.print(f"note: {note}", soft_wrap=True)
    console.print(f"a paired test on the same rows, with your model:\n  {how}", soft_wrap=True)


def _scores_of(source: str, policy: Policy) -> dict[str, Any]:
    judged = policy.judged
    return {
        "source": source,
        "name": policy.name,
        "study": policy.provenance.get("study"),
        "data": policy.provenance.get("data"),
        "verdict": judged.word,
        "clean": judged.clean,
        "noisy": judged.noisy,
        "difference": judged.difference,
        "gap_closed": judged.closed,
        "passes": policy.passes,
    }


def _of_one_data(places: list[str], a: Policy, b: Policy) -> list[str]:
    mine, theirs = (p.provenance.get("data") for p in (a, b))
    if mine and theirs and mine == theirs:
        return ["both were judged on the same data, but their scores stand alone: no paired test is kept in a file"]
    if mine and theirs:
        return [f"{places[0]} and {places[1]} were judged on different data: their scores cannot be compared"]
    return ["at least one of them was judged on no data: scores cannot be compared"]


def _how(places: list[str]) -> str:
    """The command that judges both policies; DATA is the study in whose folder one of them lies."""
    near = [p for place in places for p in Path(place).parents[:2] if (p / "study.yaml").is_file()]
    data = shlex.quote(str(near[0])) if near else "DATA"
    return f"autonoise evaluate {shlex.quote(places[0])} {data} --policy {shlex.quote(places[1])}"
