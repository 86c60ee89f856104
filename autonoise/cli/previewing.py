"""``autonoise preview``: what a policy does to one's own data, at points of its schedule."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from autonoise.cli import completing, options
from autonoise.cli.output import make_console
from autonoise.errors import DataError


def preview(
    policy: options.PolicyFile,
    data: Annotated[
        str,
        typer.Argument(
            metavar="DATA",
            help="A folder, a file, a built-in data set (see: autonoise datasets), or the folder of a study.",
            callback=options.filled,
            autocompletion=completing.data,
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            help="Picture to write: .png, .svg or .pdf; left out: text and tables are printed.",
            callback=options.picture_file,
        ),
    ] = None,
    rows: Annotated[int | None, typer.Option(help="Rows to show; left out: 3 or 4.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of the rows and of the noise.")] = 0,
    at: Annotated[
        str,
        typer.Option(help="Points of the schedule, as shares of training between commas.", callback=options.filled),
    ] = "0,0.5,1",
    data_type: options.DataType = None,
    target: options.Target = None,
    group: options.Group = None,
    text_column: options.TextColumn = None,
) -> None:
    """Show what a policy does to rows of your data at the start, in the middle and at the end of training.

    Steps that act inside the model or on its training cannot be seen in the data: they are listed in words.

    Example: autonoise preview policy.yaml shop.csv --target bought -o preview.png
    """
    from autonoise.data.notes import unlogged
    from autonoise.previewing import preview as shown

    given = {"data_type": data_type, "target": target, "group": group, "text_column": text_column}
    with unlogged():
        found = shown(policy, data, rows=rows, seed=seed, at=_points(at), **given)
    console = make_console()
    if out is None:
        for line in str(found).splitlines():
            console.print(line, soft_wrap=True)
        return
    found.save(out)
    console.print(f"picture  {out}", soft_wrap=True)


def _points(text: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise DataError(f"--at must be shares of training such as 0,0.5,1, but is {text!r}") from None
