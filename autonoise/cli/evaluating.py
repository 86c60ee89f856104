"""``autonoise evaluate``: policies judged on one's own data and model, without a search."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from autonoise.cli import completing, options
from autonoise.cli.output import interval, make_console, number, print_json, stdout_is_for_json, table
from autonoise.cli.searching import check_device, check_machine, closed

if TYPE_CHECKING:
    from rich.console import Console

    from autonoise.evaluating import EvaluationResult
    from autonoise.study.result import Result


# Nothing has a default here: what was left out comes from the study that is given as DATA, or from StudyConfig.
def evaluate(
    policy: options.PolicyFile,
    data: Annotated[
        str,
        typer.Argument(
            metavar="DATA",
            help="A folder, a file, a built-in data set, or the folder of a study, whose settings are then taken over.",
            callback=options.filled,
            autocompletion=completing.data,
        ),
    ],
    also: Annotated[
        list[str] | None,
        typer.Option("--policy", metavar="FILE", help="A further policy to compare; may be given several times."),
    ] = None,
    model: Annotated[
        str | None, options.option("Your model: module:factory or file.py:factory (a small proxy of the data type).")
    ] = None,
    seeds: Annotated[
        int | None,
        options.option(
            "Trainings of each policy and without noise; up to three times as many if unclear (5).", panel=options.SCORE
        ),
    ] = None,
    once: Annotated[
        bool,
        typer.Option("--once", help="Never more than --seeds trainings of each.", rich_help_panel=options.SCORE),
    ] = False,
    epochs: Annotated[
        int | None, options.option("Epochs of a training (the proxy's own).", panel=options.SCORE)
    ] = None,
    noise_weight: options.JudgedNoiseWeight = None,
    max_clean_drop: options.JudgedMaxCleanDrop = None,
    proxy: options.JudgedProxy = None,
    out: Annotated[str | None, options.option("Folder that keeps the trainings (evaluations/NAME).")] = None,
    seed: Annotated[
        int | None, options.option("Seed of splits and trainings (that of the policy's search, else 0).")
    ] = None,
    workers: Annotated[int | None, options.option("Processes that train side by side (1 with --model).")] = None,
    device: options.JudgedDevice = None,
    quiet: Annotated[
        bool, typer.Option("--quiet", help="Print the verdict alone.", rich_help_panel=options.RUN)
    ] = False,
    as_json: options.Json = False,
    data_type: Annotated[
        str | None, options.option("image, text, tabular, timeseries or audio (the policy's).", panel=options.DATA)
    ] = None,
    target: options.JudgedTarget = None,
    clean_target: options.JudgedCleanTarget = None,
    group: options.JudgedGroup = None,
    text_column: options.JudgedTextColumn = None,
    train_rows: options.JudgedTrainRows = None,
    noise_data: Annotated[
        str | None, options.option("Your own background noise: clips to judge with.", panel=options.DATA)
    ] = None,
    noisy_val: options.JudgedNoisyVal = None,
    noisy_val_only: options.JudgedNoisyValOnly = None,
) -> None:
    """Train your model with and without a policy, from the same seeds, and print the verdict.

    The same command continues an evaluation that was stopped.

    Example: autonoise evaluate policy.yaml shop.csv --target bought --model model.py:build --seeds 5
    """
    beside = ("policy", "data", "also", "once", "quiet", "as_json")
    given = {k: v for k, v in locals().items() if v is not None and k not in (*beside, "beside")}
    raise typer.Exit(run([policy, *(also or [])], data, given, once=once, quiet=quiet, as_json=as_json))


def run(files: list[str], data: str, given: dict[str, Any], *, once: bool, quiet: bool, as_json: bool) -> int:
    """The evaluation with its display; returns the exit status."""
    from autonoise.calling import config_of
    from autonoise.cli.display import make_display
    from autonoise.data.notes import unlogged
    from autonoise.evaluating import evaluate
    from autonoise.study.places import EVALUATION, EVALUATIONS
    from autonoise.study.processes import ended_like_interrupted

    options.refuse_empty(data, given)
    config = config_of(data, given)
    check_device(config.device)
    check_machine(config)
    console = make_console(messages=as_json)
    try:
        with unlogged(), stdout_is_for_json(as_json), ended_like_interrupted():  # the display shows what is logged
            result = evaluate(list(files), data, once=once, progress=make_display(console, quiet=quiet), **given)
    except KeyboardInterrupt:
        folder = Path(given.get("out", EVALUATIONS / config.study))
        if not (folder / EVALUATION).is_file():
            raise
        return _say_how_to_continue(console)
    if result.stopped or result.numbers is None:
        return _say_how_to_continue(console)
    if as_json:
        print_json(result.to_dict())
    else:
        show(console, result, result.numbers, sentence=quiet)
    return 0


def _say_how_to_continue(console: Console) -> int:
    told = "stopped; every training that was finished is kept. The same command continues:"
    from autonoise.study.address import masked

    console.print(f"{told}\n  {shlex.join(['autonoise', *map(masked, sys.argv[1:])])}", soft_wrap=True)
    return 130


def show(console: Console, outcome: EvaluationResult, result: Result, *, sentence: bool) -> None:
    """The recommendation, what every contestant reached, what the policies change, what to know beside it.

    ``sentence``: print the verdict in a line as well, which the display has told already where there was one.
    """
    if sentence:
        console.print(result.sentence, soft_wrap=True)
    console.print(f"recommended: {result.recommendation}", soft_wrap=True)
    rows = [
        (
            c.name,
            *(interval(m) if m else "not measurable" for m in (c.clean, c.search, c.held_out)),
            number(c.worst),
            closed(result, c.gap_closed_held_out) if label != "baseline" else "-",
            f"{c.passes:.2f}",
            str(c.seeds),
        )
        for label, c in result.contestants.items()
    ]
    columns = (
        "",
        "clean",
        "noisy (searched)",
        "noisy (held out)",
        "worst family",
        "gap closed",
        "passes",
        "seeds",
    )
    console.print(table(columns, rows, right=columns[1:]))
    names = {label: c.name for label, c in result.contestants.items()}
    changes = [
        (
            f"{names[label]} − {names['baseline']}",
            *(_signed(m) for m in (d.clean, d.search, d.held_out, d.score)),
        )
        for label, d in result.over_baseline.items()
    ]
    figures = ("clean", "noisy (searched)", "noisy (held out)", "score")
    console.print(table(("difference", *figures), changes, right=figures))
    for warning in result.warnings:
        console.print(f"note: {warning}", soft_wrap=True)
    console.print(f"trainings and result.json  {outcome.folder.root}", soft_wrap=True)


def _signed(m: Any) -> str:
    return f"{m[0]:+.3f} [{m[1]:+.3f}, {m[2]:+.3f}]" if m else "not measurable"
