"""``autonoise inspect``."""

from __future__ import annotations

from typing import Annotated

import typer

from autonoise.cli.output import make_console, print_json

_DataType = Annotated[
    str | None, typer.Option("--data-type", help="image, text, tabular, timeseries or audio (found out).")
]


def inspect(
    data: Annotated[
        str, typer.Argument(help="A folder, a file, a built-in data set (see: autonoise datasets), or a study.yaml.")
    ],
    data_type: _DataType = None,
    target: Annotated[str | None, typer.Option(help="Column or array of the labels.")] = None,
    clean_target: Annotated[
        str | None, typer.Option(help="Column of the true labels, where those of --target are noisy.")
    ] = None,
    group: Annotated[
        str | None, typer.Option(help="Column of the groups whose rows belong in one part; none: use no groups.")
    ] = None,
    text_column: Annotated[
        str | None, typer.Option(help="Column of the text of a table; the others are left out.")
    ] = None,
    train_rows: Annotated[int | None, typer.Option(help="Training rows at most (10000).")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of the parts (0).")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """Show how data are read, before anything is trained: rows, classes, columns, what was dropped or converted."""
    from autonoise.cli.searching import make_config
    from autonoise.data import split, summary
    from autonoise.data.notes import unlogged
    from autonoise.study.prepare import load_data

    given = {k: v for k, v in locals().items() if v is not None and k in _PASSED}
    config = make_config(data, given)
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
