"""The typer application: which commands there are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer

from autonoise import __version__
from autonoise.cli import (
    catalogue,
    corruptions,
    diffing,
    evaluating,
    exporting,
    inspecting,
    joining,
    policies,
    previewing,
    reporting,
    searching,
    side_by_side,
    status,
    studies,
)
from autonoise.cli.options import WithRay

app = typer.Typer(
    name="autonoise",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Finds, by search, which noise to train a model with, and hands it over as a portable policy.\n\n"
    "Example: autonoise search shop.csv --target bought --timeout 20m",
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"autonoise {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None: ...


_commands: list[Callable[..., None]] = [
    inspecting.inspect,
    searching.search,
    evaluating.evaluate,
    joining.worker,
    status.status,
    status.studies,
    studies.best,
    reporting.report,
    exporting.export,
    studies.dashboard,
    policies.show,
    previewing.preview,
    policies.verify,
    policies.recommend,
    policies.policies,
    diffing.diff,
    side_by_side.compare,
    catalogue.techniques,
    catalogue.spaces,
    catalogue.datasets,
    catalogue.schema,
]
for _command in _commands:
    app.command(cls=WithRay if _command is searching.search else None)(_command)
app.add_typer(corruptions.app, name="corruptions")
