"""``autonoise corruptions``: the noise that models are tested with, listed or calibrated on data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from autonoise.cli import options
from autonoise.cli.catalogue import data_type_of
from autonoise.cli.output import make_console, print_json, table
from autonoise.errors import AutonoiseError

app = typer.Typer(
    invoke_without_command=True,
    help="List the corruptions that models are tested with, or calibrate them on data.\n\n"
    "Example: autonoise corruptions --data-type audio",
)


@app.callback()
def _bare(context: typer.Context, data_type: options.ListedType = None, as_json: options.Json = False) -> None:
    if context.invoked_subcommand is None:
        listing(data_type, as_json)
    elif data_type is not None or as_json:
        given = "--data-type" if data_type is not None else "--json"
        name = context.invoked_subcommand
        raise AutonoiseError(f"{given} stands before {name!r} and would be ignored: write it behind {name!r}")


@app.command("list")
def listing(data_type: options.ListedType = None, as_json: options.Json = False) -> None:
    """List the corruptions with their families, starting amounts and units (the same as without list).

    Example: autonoise corruptions list --data-type image
    """
    from autonoise.corruptions.base import corruptions_for
    from autonoise.types import DataType

    wanted = data_type_of(data_type)
    found = [
        {
            "name": c.name,
            "data_type": str(c.data_type),
            "group": c.group,
            "family": str(c.family),
            "amounts": list(c.severities),
            "unit": c.unit,
            "description": c.description,
            "reference": c.reference,
        }
        for kind in ([wanted] if wanted else list(DataType))
        for c in corruptions_for(kind)
    ]
    if as_json:
        print_json(found)
        return
    columns = ("name", "data type", "group", "family", "amounts, severity 1 to 5", "unit")
    rows = [(c["name"], c["data_type"], c["group"], c["family"], _amounts(c["amounts"]), c["unit"]) for c in found]
    console = make_console()
    console.print(table(columns, rows))
    console.print("a study calibrates the amounts on its own baseline: autonoise corruptions calibrate DATA")


def _amounts(values: object) -> str:
    return "  ".join(f"{v:.3g}" for v in values) if isinstance(values, Sequence) else ""


@app.command()
def calibrate(
    data: options.Data,
    out: Annotated[
        Path | None,
        typer.Option(help="File (.json) to write the frozen corruptions to, too.", callback=options.json_file),
    ] = None,
    data_type: options.DataType = None,
    target: options.Target = None,
    group: options.Group = None,
    text_column: options.TextColumn = None,
    seed: Annotated[int, typer.Option(help="Seed of splits, training and noise.", min=0)] = 0,
    epochs: Annotated[
        int | None, typer.Option(help="Epochs of the baseline; left out: the proxy's own number.", min=1)
    ] = None,
    train_rows: Annotated[int, typer.Option(help="Training rows at most.", min=20)] = 10_000,
    as_json: options.Json = False,
) -> None:
    """Find the amounts of noise at which the baseline keeps 97, 91, 84, 74 and 62 % of its accuracy on data.

    The baseline is a small model that is trained on the data without noise.

    Example: autonoise corruptions calibrate photos/ --out corruptions.json
    """
    from autonoise.files import write_whole
    from autonoise.study.config import StudyConfig
    from autonoise.study.folder import StudyFolder
    from autonoise.study.prepare import build_task, ensure_corruptions

    with TemporaryDirectory(prefix="autonoise-") as place:
        config = StudyConfig(
            data,
            "calibration",
            place,
            data_type=data_type,
            target=target,
            group=group,
            text_column=text_column,
            seed=seed,
            epochs=epochs,
            train_rows=train_rows,
        )
        task = build_task(config)
        folder = StudyFolder(place)
        folder.create()
        frozen = ensure_corruptions(task, folder, seed=seed)
        if out is not None:
            write_whole(out, folder.corruptions_file.read_bytes())
    if as_json:
        print_json([{**asdict(f), "data_type": str(f.data_type), "family": str(f.family)} for f in frozen])
        return
    rows = [
        (f.name, f.group, f.family, _amounts(f.amounts), "  ".join(f"{r:.2f}" for r in f.retentions), f.note)
        for f in frozen
    ]
    console = make_console()
    console.print(table(("name", "group", "family", "amounts, severity 1 to 5", "accuracy kept", "note"), rows))
    if out is not None:
        console.print(f"corruptions  {out}", soft_wrap=True)
