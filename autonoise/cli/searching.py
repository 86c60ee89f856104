"""``autonoise search``."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from autonoise.errors import StudyError

if TYPE_CHECKING:
    from rich.console import Console

    from autonoise.found import SearchResult
    from autonoise.study.config import StudyConfig
    from autonoise.study.result import Measured, Result

_DATA, _SCORE, _RUN = "Data", "Score", "Running"
UNKNOWN = "not measurable"
_STRICT = "Exit with 1 unless the policy is better than no noise, with 3 unless it is better than the best recipe, too."


def _option(text: str, *, panel: str = _RUN) -> Any:
    return typer.Option(help=text, rich_help_panel=panel, show_default=False)


# Nothing has a default here: what was left out comes from study.yaml or from StudyConfig.
def search(
    data: Annotated[
        str, typer.Argument(help="A folder, a file, a built-in data set (see: autonoise datasets), or a study.yaml.")
    ],
    trials: Annotated[int | None, _option("Trials in total, those of earlier runs included (60).")] = None,
    timeout: Annotated[
        str | None, _option("Time for everything, confirmation and export included: 90s, 10m, 1h30m.")
    ] = None,
    seed: Annotated[int | None, _option("Seed of splits, search and trainings (0).")] = None,
    study: Annotated[str | None, _option("Name of the study (the name of the data).")] = None,
    out: Annotated[str | None, _option("Folder of the study (studies/NAME).")] = None,
    storage: Annotated[str | None, _option("Database URL of the trials (study.db in the folder).")] = None,
    workers: Annotated[int | None, _option("Processes that search side by side (1).")] = None,
    device: Annotated[str | None, _option("cpu, cuda, cuda:1 ... (cpu).")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print nothing but errors.", rich_help_panel=_RUN)] = False,
    strict: Annotated[bool, typer.Option("--strict", help=_STRICT, rich_help_panel=_RUN)] = False,
    data_type: Annotated[
        str | None, _option("image, text, tabular, timeseries or audio (found out).", panel=_DATA)
    ] = None,
    target: Annotated[str | None, _option("Column or array of the labels.", panel=_DATA)] = None,
    clean_target: Annotated[
        str | None, _option("Column of the true labels, where those of --target are noisy.", panel=_DATA)
    ] = None,
    group: Annotated[
        str | None,
        _option("Column of the groups whose rows belong in one part; none: use no groups, even if found.", panel=_DATA),
    ] = None,
    text_column: Annotated[
        str | None, _option("Column of the text of a table; the others are left out.", panel=_DATA)
    ] = None,
    train_rows: Annotated[int | None, _option("Training rows at most (10000).", panel=_DATA)] = None,
    label_noise: Annotated[
        float | None, _option("Share of training labels to flip on purpose (0).", panel=_DATA)
    ] = None,
    label_matrix: Annotated[
        str | None, _option("CSV of class-to-class probabilities of label noise.", panel=_DATA)
    ] = None,
    noise_data: Annotated[str | None, _option("Your own background noise: clips to mix in.", panel=_DATA)] = None,
    noisy_val: Annotated[
        str | None, _option("Your own noisy labelled data, evaluated as a held-out noise.", panel=_DATA)
    ] = None,
    noisy_val_only: Annotated[
        bool | None,
        typer.Option(
            "--noisy-val-only", help="Evaluate on --noisy-val alone.", rich_help_panel=_DATA, show_default=False
        ),
    ] = None,
    noise_weight: Annotated[float | None, _option("w in (1 - w) clean + w noisy accuracy (0.5).", panel=_SCORE)] = None,
    objective: Annotated[str | None, _option("score, or pareto for clean against noisy (score).", panel=_SCORE)] = None,
    max_cost: Annotated[float | None, _option("Passes per training step that a policy may cost.", panel=_SCORE)] = None,
    max_clean_drop: Annotated[float | None, _option("Clean accuracy that a policy may lose.", panel=_SCORE)] = None,
    seeds: Annotated[
        int | None, _option("Fresh seeds of the verdict; up to three times as many if unclear (5).", panel=_SCORE)
    ] = None,
    epochs: Annotated[int | None, _option("Epochs of a full training (the proxy's own).", panel=_SCORE)] = None,
    space: Annotated[
        str | None, _option("Search space: a YAML file or a shipped name (the data type's).", panel=_SCORE)
    ] = None,
    steps: Annotated[
        str | None,
        _option(
            "The form of your training code: three (perturb, loss, step), or whole, which can call training_step and "
            "so run SAM, too (three).",
            panel=_SCORE,
        ),
    ] = None,
    memory: Annotated[
        bool | None,
        typer.Option(
            "--memory/--no-memory",
            help="Start from the policies of earlier studies (yes).",
            rich_help_panel=_SCORE,
            show_default=False,
        ),
    ] = None,
    model: Annotated[
        str | None, _option("Your model instead of the proxy: module:factory or file.py:factory.", panel=_SCORE)
    ] = None,
    proxy: Annotated[str | None, _option("Another proxy of the data type by name.", panel=_SCORE)] = None,
    precision: Annotated[
        str | None, _option("fp32, or bf16: faster where the processor has it (auto; --model: fp32).", panel=_SCORE)
    ] = None,
    calibrate: Annotated[
        bool | None,
        typer.Option(
            "--calibrate",
            help="Find how strength transfers to bigger models and more data.",
            rich_help_panel=_SCORE,
            show_default=False,
        ),
    ] = None,
) -> None:
    """Search which noise to train with: search, confirm, minimise, judge, export.

    The same command continues a search that was stopped or killed.

    Example: autonoise search shop.csv --target bought --timeout 20m
    """
    given = {k: v for k, v in locals().items() if v is not None and k not in ("data", "quiet", "strict")}
    raise typer.Exit(run(data, given, quiet=quiet, strict=strict))


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
    if config.workers > max(64, 4 * processors):
        raise StudyError(f"--workers {config.workers}: this machine has {processors} processors; give about as many")
    out = Path(config.out).expanduser()
    if out.exists() and not out.is_dir():
        raise StudyError(f"--out {config.out} is a file: name a folder for the study")


def run(data: str, given: dict[str, Any], *, quiet: bool, strict: bool) -> int:
    """The search with its display; returns the exit status."""
    from autonoise.calling import config_of
    from autonoise.cli.display import make_display
    from autonoise.cli.output import make_console
    from autonoise.data.notes import unlogged
    from autonoise.run import search

    empty = [name for name, value in {"data": data, **given}.items() if isinstance(value, str) and not value.strip()]
    if empty:
        what = "DATA" if empty[0] == "data" else f"--{empty[0].replace('_', '-')}"
        raise StudyError(f"{what} is empty: give a value, or leave it out")
    config = config_of(data, given)
    check_device(config.device)
    check_machine(config)
    console = make_console()
    try:
        with unlogged():  # the display shows them
            result = search(data, progress=make_display(console, quiet=quiet), **given)
    except KeyboardInterrupt:
        _say_how_to_continue(console, config)
        return 130
    if result.stopped:
        _say_how_to_continue(console, config)
        return 130
    if not quiet:
        show_outcome(console, config, result)
    return strict_status(result.numbers) if strict else 0


def strict_status(result: Result | None) -> int:
    """0: better than no noise and than the best recipe; 3: than no noise alone; 1: neither is sure, or no verdict.

    A policy that surely loses more clean accuracy than --max-clean-drop allows is not better than anything.
    """
    if result is None or result.answers["no noise"] != "better" or result.verdict == "breaks the clean limit":
        return 1
    return 0 if result.answers.get("best recipe", "better") == "better" else 3


def _say_how_to_continue(console: Console, config: StudyConfig) -> None:
    if (Path(config.out) / "study.yaml").is_file():
        # every setting is in the folder's study file, so this is the whole command
        text, command = "everything that was finished is kept. Continue with", ["search", config.out]
    else:
        text, command = "nothing was begun. Start again with", sys.argv[1:]
    console.print(f"stopped; {text}:\n  {shlex.join(['autonoise', *command])}", soft_wrap=True)


def show_outcome(console: Console, config: StudyConfig, outcome: SearchResult) -> None:
    """Recommendation, the three contestants, and where everything lies; the verdict was told already."""
    from autonoise.cli.output import interval, table
    from autonoise.study.names import called, one_policy

    result, folder = outcome.numbers, outcome.folder
    if result is None:
        return
    counts = result.counts
    if counts is not None and counts.failed:
        console.print(f"{counts.failed} trials failed, the last with: {_last_reason(config)}", soft_wrap=True)
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
    console.print(f"runs in {outcome.policy.form}", soft_wrap=True)
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
