"""``autonoise corruptions``: the noise of the evaluation, listed or calibrated on data."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from autonoise.cli.catalogue import DataTypeOption, JsonFlag, data_type_of
from autonoise.cli.output import make_console, print_json, table

app = typer.Typer(invoke_without_command=True, help="List the corruptions, or calibrate them on data.")


@app.callback()
def _bare(context: typer.Context, data_type: DataTypeOption = None, as_json: JsonFlag = False) -> None:
    if context.invoked_subcommand is None:
        listing(data_type, as_json)


@app.command("list")
def listing(data_type: DataTypeOption = None, as_json: JsonFlag = False) -> None:
    """List the corruptions with their families, starting amounts and units (the same as without ``list``)."""
    from autonoise.corruptions.base import corruptions_for
    from autonoise.types import DataType

    wanted = data_type_of(data_type)
    found = [
        {
            "name": c.name,
            "data_type": str(c.data_type),
            "group": c.group,
            "family": str(c.family),
            "amounts": [float(f"{a:.4g}") for a in c.severities],
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
    return "  ".join(f"{v:.3g}" for v in values) if isinstance(values, list | tuple) else ""


@app.command()
def calibrate(
    data: Annotated[str, typer.Argument(help="A folder, a file or a built-in data set.")],
    out: Annotated[Path | None, typer.Option(help="Also write the frozen corruptions (JSON) to this file.")] = None,
    data_type: DataTypeOption = None,
    target: Annotated[str | None, typer.Option(help="Column or array of the labels.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of splits, training and noise.", min=0)] = 0,
    epochs: Annotated[int | None, typer.Option(help="Epochs of the baseline.", min=1)] = None,
    train_rows: Annotated[int, typer.Option(help="Training rows at most.", min=20)] = 10_000,
) -> None:
    """Train the baseline on data and find the amounts at which it keeps 97, 91, 84, 74 and 62 % of its accuracy."""
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
    rows = [
        (f.name, f.group, f.family, _amounts(f.amounts), "  ".join(f"{r:.2f}" for r in f.retentions), f.note)
        for f in frozen
    ]
    console = make_console()
    console.print(table(("name", "group", "family", "amounts, severity 1 to 5", "accuracy kept", "note"), rows))
    if out is not None:
        console.print(f"corruptions  {out}", soft_wrap=True)
