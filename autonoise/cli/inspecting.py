"""``autonoise inspect``: how data are read, shown before anything is trained."""

from __future__ import annotations

from typing import Annotated

import typer

from autonoise.cli import completing, options
from autonoise.cli.output import make_console, print_json


def inspect(
    data: Annotated[
        str,
        typer.Argument(
            metavar="DATA",
            help="A folder, a file, a built-in data set (see: autonoise datasets), or the folder of a study.",
            callback=options.filled,
            autocompletion=completing.data,
        ),
    ],
    data_type: options.DataType = None,
    target: options.Target = None,
    clean_target: options.CleanTarget = None,
    group: options.Group = None,
    text_column: options.TextColumn = None,
    train_rows: Annotated[int | None, typer.Option(help="Training rows at most; left out: 10000.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of the split into parts; left out: 0.")] = None,
    as_json: options.Json = False,
) -> None:
    """Show how data are read, before anything is trained: rows, classes, columns, what was dropped or converted.

    Example: autonoise inspect shop.csv --target bought
    """
    from autonoise.calling import config_of
    from autonoise.data import split, summary
    from autonoise.data.notes import unlogged
    from autonoise.study.prepare import load_data

    given = {k: v for k, v in locals().items() if v is not None and k in _PASSED}
    config = config_of(data, given)
    with unlogged():
        dataset = load_data(config)
    parts = split(dataset, seed=config.seed, train_rows=config.train_rows)
    first = parts.folds[0]
    sizes = {"train": len(first.train), "search": len(first.search), "confirm": len(first.confirm)}
    if as_json:
        told = summary.summary(dataset)
        print_json({**told, "parts": {"folds": len(parts.folds), **sizes, "test": len(parts.test)}})
        return
    console = make_console()
    for line in summary.lines(dataset):
        console.print(line, soft_wrap=True)
    folds = f" ({len(parts.folds)} folds)" if len(parts.folds) > 1 else ""
    each = " / ".join(f"{name} {n:,}" for name, n in sizes.items())
    console.print(f"parts  {each}{folds} / test {len(parts.test):,}", soft_wrap=True)


_PASSED = ("data_type", "target", "clean_target", "group", "text_column", "train_rows", "seed")
