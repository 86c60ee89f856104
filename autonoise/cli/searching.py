"""``autonoise search``."""

from __future__ import annotations

import shlex
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from autonoise.cli import completing, options
from autonoise.errors import StudyError

if TYPE_CHECKING:
    from rich.console import Console

    from autonoise.found import SearchResult
    from autonoise.study.config import StudyConfig
    from autonoise.study.result import Measured, Result

UNKNOWN = "not measurable"
_STRICT = "Exit with 1 unless the policy is better than no noise, with 3 unless it is better than the best recipe, too."


# Nothing has a default here: what was left out comes from study.yaml or from StudyConfig.
def search(
    data: Annotated[
        str,
        typer.Argument(
            help="A folder, a file, a built-in data set (see: autonoise datasets), or a study.yaml.",
            autocompletion=completing.data,
        ),
    ],
    trials: Annotated[int | None, options.option("Trials in total, those of earlier runs included (60).")] = None,
    timeout: Annotated[
        str | None, options.option("Time for everything, confirmation and export included: 90s, 10m, 1h30m.")
    ] = None,
    trial_timeout: Annotated[
        str | None, options.option("Time for one trial, or one training after the search: 90s, 10m (no limit).")
    ] = None,
    seed: Annotated[int | None, options.option("Seed of splits, search and trainings (0).")] = None,
    study: Annotated[str | None, options.option("Name of the study (the name of the data).")] = None,
    out: Annotated[str | None, options.option("Folder of the study (studies/NAME).")] = None,
    storage: Annotated[
        str | None,
        options.option("Database URL of the trials, or AUTONOISE_STORAGE in the environment (study.db in the folder)."),
    ] = None,
    workers: Annotated[int | None, options.option("Processes that search side by side (1).")] = None,
    ray: Annotated[
        str | None,
        typer.Option(
            metavar="[ADDRESS]",
            help="Let Ray place the workers: on this machine, or a cluster's by auto or HOST:PORT.",
            rich_help_panel=options.RUN,
            show_default=False,
        ),
    ] = None,
    cpus_per_trial: Annotated[float | None, options.option("CPUs that Ray gives a worker (1).")] = None,
    gpus_per_trial: Annotated[
        float | None, options.option("GPUs that Ray gives a worker: 0.25, 1, 2 (--device cuda: 1).")
    ] = None,
    device: options.JudgedDevice = None,
    quiet: Annotated[
        bool, typer.Option("--quiet", help="Print nothing but errors.", rich_help_panel=options.RUN)
    ] = False,
    strict: Annotated[bool, typer.Option("--strict", help=_STRICT, rich_help_panel=options.RUN)] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the result as JSON, messages to stderr.", rich_help_panel=options.RUN)
    ] = False,
    data_type: Annotated[
        str | None, options.option("image, text, tabular, timeseries or audio (found out).", panel=options.DATA)
    ] = None,
    target: options.JudgedTarget = None,
    clean_target: options.JudgedCleanTarget = None,
    group: options.JudgedGroup = None,
    text_column: options.JudgedTextColumn = None,
    train_rows: options.JudgedTrainRows = None,
    label_noise: Annotated[
        float | None, options.option("Share of training labels to flip on purpose (0).", panel=options.DATA)
    ] = None,
    label_matrix: Annotated[
        str | None, options.option("CSV of class-to-class probabilities of label noise.", panel=options.DATA)
    ] = None,
    noise_data: Annotated[
        str | None, options.option("Your own background noise: clips to mix in.", panel=options.DATA)
    ] = None,
    noisy_val: options.JudgedNoisyVal = None,
    noisy_val_only: options.JudgedNoisyValOnly = None,
    noise_weight: options.JudgedNoiseWeight = None,
    objective: Annotated[
        str | None, options.option("score, or pareto for clean against noisy (score).", panel=options.SCORE)
    ] = None,
    max_cost: Annotated[
        float | None, options.option("Passes per training step that a policy may cost.", panel=options.SCORE)
    ] = None,
    max_clean_drop: options.JudgedMaxCleanDrop = None,
    seeds: Annotated[
        int | None,
        options.option("Fresh seeds of the verdict; up to three times as many if unclear (5).", panel=options.SCORE),
    ] = None,
    epochs: Annotated[
        int | None, options.option("Epochs of a full training (the proxy's own).", panel=options.SCORE)
    ] = None,
    space: Annotated[
        str | None,
        options.option(
            "Search space: a YAML file or a shipped name (the data type's).",
            panel=options.SCORE,
            complete=completing.spaces,
        ),
    ] = None,
    steps: Annotated[
        str | None,
        options.option(
            "The form of your training code: three (perturb, loss, step), or whole, which can call training_step and "
            "so run SAM, too (three).",
            panel=options.SCORE,
        ),
    ] = None,
    memory: Annotated[
        bool | None,
        typer.Option(
            "--memory/--no-memory",
            help="Start from the policies of earlier studies (yes).",
            rich_help_panel=options.SCORE,
            show_default=False,
        ),
    ] = None,
    model: Annotated[
        str | None,
        options.option("Your model instead of the proxy: module:factory or file.py:factory.", panel=options.SCORE),
    ] = None,
    proxy: options.JudgedProxy = None,
    precision: Annotated[
        str | None,
        options.option("fp32, or bf16: faster where the processor has it (auto; --model: fp32).", panel=options.SCORE),
    ] = None,
    calibrate: Annotated[
        bool | None,
        typer.Option(
            "--calibrate",
            help="Find how strength transfers to bigger models and more data.",
            rich_help_panel=options.SCORE,
            show_default=False,
        ),
    ] = None,
) -> None:
    """Search which noise to train with: search, confirm, minimise, judge, export.

    The same command continues a search that was stopped or killed.

    Example: autonoise search shop.csv --target bought --timeout 20m
    """
    given = {k: v for k, v in locals().items() if v is not None and k not in ("data", "quiet", "strict", "as_json")}
    raise typer.Exit(run(data, given, quiet=quiet, strict=strict, as_json=as_json))


def check_device(name: str) -> None:
    """Refuse a device that cannot be used here."""
    import torch

    try:
        # a device of shapes alone ("meta") fails at the number
        torch.zeros(1, device=name).item()
    except (RuntimeError, AssertionError, NotImplementedError) as e:
        why = str(e).splitlines()[0].rstrip(".")[:120]
        raise StudyError(f"--device {name}: not usable here ({why}); try cpu") from None


def check_machine(config: StudyConfig) -> None:
    """Refuse more processes than could be meant, and a file in the place of the study's folder."""
    import os

    processors = os.cpu_count() or 1
    if config.ray is None and config.workers > max(64, 4 * processors):
        raise StudyError(f"--workers {config.workers}: this machine has {processors} processors; give about as many")
    out = Path(config.out).expanduser()
    if out.exists() and not out.is_dir():
        raise StudyError(f"--out {config.out} is a file: name a folder for the study")


def run(data: str, given: dict[str, Any], *, quiet: bool, strict: bool, as_json: bool = False) -> int:
    """The search with its display; returns the exit status."""
    from autonoise.calling import config_of
    from autonoise.cli.display import make_display
    from autonoise.cli.output import make_console, stdout_is_for_json
    from autonoise.data.notes import unlogged
    from autonoise.run import search
    from autonoise.study.processes import ended_like_interrupted

    options.refuse_empty(data, given)
    config = config_of(data, given)
    check_device(config.device)
    check_machine(config)
    console = make_console(messages=as_json)
    try:
        with unlogged(), stdout_is_for_json(as_json), ended_like_interrupted():  # the display shows what is logged
            result = search(data, progress=make_display(console, quiet=quiet), **given)
    except KeyboardInterrupt:
        _say_how_to_continue(console, config)
        return 130
    if result.stopped:
        _say_how_to_continue(console, config)
        return 130
    if as_json:
        _print_result(result)
    elif not quiet:
        show_outcome(console, config, result)
    return strict_status(result.numbers) if strict else 0


def _print_result(found: SearchResult) -> None:
    from autonoise.cli.output import print_json
    from autonoise.study.overview import exports

    told = {"verdict": None, "contestants": {}} if found.numbers is None else found.numbers.to_dict()
    print_json({**told, "folder": str(found.folder.root), "files": exports(found.folder)})


def strict_status(result: Result | None) -> int:
    """0: better than no noise and than the best recipe; 3: than no noise alone; 1: neither is sure, or no verdict.

    A policy that surely loses more clean accuracy than --max-clean-drop allows is not better than anything.
    """
    if result is None or result.answers["no noise"] != "better" or result.verdict == "breaks the clean limit":
        return 1
    return 0 if result.answers.get("best recipe", "better") == "better" else 3


def _say_how_to_continue(console: Console, config: StudyConfig) -> None:
    from autonoise.study.address import NOT_KEPT, masked, told_by_environment

    if (Path(config.out) / "study.yaml").is_file():
        # every setting is in the folder's study file, so this is the whole command
        text, command = "everything that was finished is kept. Continue with", ["search", config.out]
    else:
        text, command = "nothing was begun. Start again with", [masked(a) for a in sys.argv[1:]]
    with suppress(OSError):  # of a closed terminal
        console.print(f"stopped; {text}:\n  {shlex.join(['autonoise', *command])}", soft_wrap=True)
        if not told_by_environment(config.storage):
            console.print(NOT_KEPT, soft_wrap=True)


def show_outcome(console: Console, config: StudyConfig, outcome: SearchResult) -> None:
    """Recommendation, the three contestants, and where everything lies; the verdict was told already."""
    from autonoise.cli.output import interval, spent_in_words, table
    from autonoise.study.names import called, one_policy
    from autonoise.technique.words import counted

    result, folder = outcome.numbers, outcome.folder
    if result is None:
        return
    counts = result.counts
    if counts is not None and counts.failed:
        console.print(
            f"{counted(counts.failed, 'trial')} failed, the last with: {_last_reason(config)}", soft_wrap=True
        )
    console.print(f"recommended: {result.recommendation}", soft_wrap=True)
    rows = [
        (
            called(label),
            c.name if label != "policy" else " + ".join(str(s.get("technique")) for s in c.steps),
            *(interval(m) if m else UNKNOWN for m in (c.clean, c.search, c.held_out)),
            closed(result, c.gap_closed_held_out) if label != "baseline" else "-",
            f"{c.passes:.2f}",
        )
        for label, c in result.contestants.items()
    ]
    columns = ("", "name", "clean", "noisy (searched)", "noisy (held out)", "gap closed", "passes")
    console.print(table(columns, rows, right=columns[2:]))
    for line in filter(None, (f"runs in {outcome.policy.form}", spent_in_words(result))):
        console.print(line, soft_wrap=True)
    for line in one_policy(result.winners):
        console.print(line, soft_wrap=True)
    for warning in result.warnings:
        console.print(f"note: {warning}", soft_wrap=True)
    dashboard = f"autonoise dashboard {shlex.quote(config.out)}"
    where = f"policy  {folder.policy_file}      report  {folder.report_html}      dashboard  {dashboard}"
    console.print(where, soft_wrap=True)


def closed(result: Result, gap: Measured | None) -> str:
    """The share of the gap that is closed, in percent, or why there is none."""
    from autonoise.cli.output import percent

    if gap:
        return percent(gap)
    return UNKNOWN if result.gaps["held_out"] is None else "no gap to close"


def _last_reason(config: StudyConfig) -> str:
    from autonoise.study.places import optuna_study
    from autonoise.study.trial_record import TrialRecord

    failed = [t for t in optuna_study(config).get_trials(deepcopy=False) if t.state.name == "FAIL"]
    return (TrialRecord.of(failed[-1]).reason if failed else "") or "unknown"
