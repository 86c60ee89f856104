"""Commands on policies: show, verify, recommend, policies."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from autonoise.cli import options
from autonoise.cli.output import make_console, percent, print_json, print_policy, signed, table
from autonoise.errors import InsufficientStudiesError, StudyError

if TYPE_CHECKING:
    from rich.console import Console

    from autonoise.data import Dataset
    from autonoise.policy import Policy
    from autonoise.study.advice import Advice
    from autonoise.study.bank import Recommendation


def show(file: options.PolicyFile, as_json: options.Json = False) -> None:
    """Print a policy file: its steps with units, what it costs, its scores, and where it comes from.

    Example: autonoise show policy.yaml
    """
    from autonoise.policy import load_policy

    policy = load_policy(file, warn=False)
    if as_json:
        print_json(policy.to_dict())
    else:
        print_policy(make_console(), policy)


def verify(file: options.PolicyFile, as_json: options.Json = False) -> None:
    """Recompute what a policy's noise does and compare it with what the file says; exit status 2 where it differs.

    Example: autonoise verify policy.yaml
    """
    from autonoise.policy import load_policy
    from autonoise.policy.verify import verify as recompute

    policy = load_policy(file, warn=False)
    lines = recompute(policy)
    if as_json:
        print_json({"policy": policy.name, "as_exported": True, "statistics": policy.check.get("statistics", {})})
        return
    console = make_console()
    for line in lines:
        console.print(line, soft_wrap=True)


def recommend(
    data: options.Data,
    out: options.PolicyOut = None,
    bank: Annotated[
        str | None,
        typer.Option(
            help="Folder that holds the folders of finished studies, to recommend from these alone; left out: from the "
            "measurements that come with autonoise.",
            callback=options.filled,
        ),
    ] = None,
    data_type: options.DataType = None,
    target: options.Target = None,
    group: options.Group = None,
    text_column: options.TextColumn = None,
    as_json: options.Json = False,
) -> None:
    """Recommend a policy without a search, from what was measured on other data.

    Example: autonoise recommend shop.csv --target bought --out policy.yaml
    """
    from autonoise.data import load
    from autonoise.study import bank as earlier
    from autonoise.study.advice import advise

    if bank is not None and not Path(bank).is_dir():
        raise StudyError(f"--bank {bank}: no such folder; it must hold the folders of finished studies")
    dataset = load(data, data_type=data_type, target=target, group=group, text_column=text_column)
    console = make_console(messages=as_json)
    rests_on: list[dict[str, Any]] = []
    advised = None if bank is not None else advise(dataset)
    if advised is not None:
        policy, advice, basis = _learned(advised, dataset, console)
    else:
        places = [Path(bank)] if bank is not None else earlier.places_for(Path("studies") / "any")
        policy, advice, basis = _nearest(dataset, places, console, rests_on)
    policy = replace(
        policy,
        scores={"verdict": "unconfirmed", "recommended": "undecided", "recommendation": advice},
        provenance={**policy.provenance, "recommended_for": dataset.fingerprint, "rests_on": basis},
    )
    if out is not None:
        policy = _with_input(policy, dataset, console)
        policy.save(out)
    if as_json:
        file = None if out is None else str(out)
        expected = None if advised is None else advised.numbers()
        body = {"data": dataset.name, "expected": expected, "rests_on": rests_on, "advice": advice, "file": file}
        print_json(body | {"policy": policy.to_dict()})
        return
    print_policy(console, policy)
    if out is not None:
        console.print(f"policy  {out}", soft_wrap=True)


def _learned(found: Advice, dataset: Dataset, console: Console) -> tuple[Policy, str, str]:
    """(policy, advice, what it rests on) from the measurements that ship with autonoise."""
    basis = f"{found.trainings} trainings on {found.sets} {dataset.data_type} data sets"
    console.print(f"learned from {basis}; nothing was trained on {dataset.name}", soft_wrap=True)
    expected = f"{percent(found.expected)} [{percent(found.low)}, {percent(found.high)}]"
    techniques = " + ".join(s.name for s in found.likeliest.steps)
    told = (
        f"expected to regain {expected} of the accuracy that noise costs, clean accuracy counted in (for data like "
        f"these the truth lies within the brackets in one of two cases)"
    )
    if found.policy.steps:
        return found.policy, f"{told}: {_COMPARE}", basis
    console.print(f"the policy that promises most, {techniques}, is {told}", soft_wrap=True)
    return (
        found.policy,
        "no policy helps in three of four cases on such data: run autonoise search to find out",
        basis,
    )


def _nearest(
    dataset: Dataset, places: list[Path], console: Console, rests_on: list[dict[str, Any]]
) -> tuple[Policy, str, str]:
    """(policy, advice, what it rests on) from finished studies of similar data, which are listed; else a preset."""
    from autonoise.study import bank as earlier

    try:
        found = earlier.recommend(dataset, places)
    except InsufficientStudiesError as e:
        console.print(str(e), soft_wrap=True)
        console.print(f"this is a published preset instead, not fitted to {dataset.name}:", soft_wrap=True)
        advice = f"nothing was trained on {dataset.name}: {_COMPARE}"
        return _preset(dataset), advice, "a preset: too few finished studies"
    fresh = "nothing was trained on these data" if found.same is None else f"{found.same} is of these very data"
    console.print(f"from studies of similar data, nearest first ({fresh}):")
    for name, distance, summary in found.rests_on:
        verdict = summary.get("verdict", "unknown")
        rests_on.append({"study": name, "distance": distance, "verdict": summary.get("verdict")})
        console.print(f"  {name}  distance {distance:.2f}  verdict there: {verdict}", soft_wrap=True)
    policy = replace(found.policy, name=f"recommended-{dataset.name}")
    return policy, _advice(found), ", ".join(name for name, _, _ in found.rests_on)


_COMPARE = "compare it with a training without noise, or run autonoise search"


def _advice(found: Recommendation) -> str:
    """What a policy from the bank is worth: the verdict on it where it was found, and what to do about that."""
    name, _, summary = found.rests_on[0]
    verdict = summary.get("verdict", "unknown")
    sure = verdict == "better"
    where = f"on {name}, " + ("which is of these very data" if found.same == name else "which is of other data")
    worth = "it was better than no noise there" if sure else f"the verdict on it there: {verdict}"
    return f"the policy was found {where}; {worth}: {_COMPARE}"


def policies(data_type: options.ListedType = None, as_json: options.Json = False) -> None:
    """List the policies that come with autonoise, with the verdict on each; load_policy takes their names.

    Example: autonoise policies --type image
    """
    from autonoise.cli.catalogue import data_type_of

    wanted = data_type_of(data_type)
    rows = [row for row in _shipped_rows() if wanted is None or row["data_type"] == str(wanted)]
    if as_json:
        print_json(rows)
        return
    from autonoise.technique.words import counted

    console = make_console()
    columns = ("name", "verdict", "score against no noise", "gap closed", "techniques", "passes", "needs")
    listed = [
        (
            row["name"],
            row["verdict"] or "none",
            signed(row["difference"]),
            percent(row["gap_closed"]),
            " + ".join(row["techniques"]),
            f"{row['passes']:.3g}",
            "; ".join(row["needs"]) or "nothing more",
        )
        for row in rows
    ]
    console.print(table(columns, listed, right=("passes",), whole=("name",)))
    better = sum(row["verdict"] == "better" for row in rows)
    console.print(
        f"{counted(len(rows), 'policy')}, {better} of them better than no noise and than every recipe; "
        'autonoise.load_policy("NAME") loads one, autonoise show NAME shows it in full',
        soft_wrap=True,
    )


def _shipped_rows() -> list[dict[str, Any]]:
    from autonoise.policy import Policy
    from autonoise.policy.format import read_policy
    from autonoise.policy.shipped import needs, shipped

    rows = []
    for name, one in shipped().items():
        # that a formula has changed since is told to whoever loads the policy
        policy = Policy.from_dict(read_policy(one.file), name, tell=False)
        judged = policy.judged
        rows.append(
            {
                "name": name,
                "data_type": str(policy.data_type),
                "verdict": judged.word,
                "difference": judged.difference,
                "gap_closed": judged.closed,
                "techniques": [step.name for step in policy.steps],
                "passes": policy.passes,
                "needs": needs(policy),
                "input": policy.input.to_dict() if policy.input is not None else None,
                "train_rows": policy.provenance.get("train_rows"),
                "file": str(one.file),
            }
        )
    return rows


def _preset(dataset: Dataset) -> Policy:
    from autonoise.space.space import SearchSpace

    return SearchSpace.load(str(dataset.data_type)).presets[0]


def _with_input(policy: Policy, dataset: Dataset, console: Console) -> Policy:
    """The policy with the input description of these data, as a search would prepare them, and without steps that
    cannot act on it.
    """
    from autonoise.data import prepare, split
    from autonoise.injector.acting import acting_steps
    from autonoise.policy.verify import check_of

    train = split(dataset, seed=0).folds[0].train
    spec = prepare(dataset, train).spec
    steps, reasons = acting_steps(policy, spec)
    for name, reason in reasons.items():
        console.print(f"{name} is left out, since it cannot act here: {reason}", soft_wrap=True)
    made = replace(policy, steps=steps, input=spec, check={})
    return replace(made, check=check_of(made))
