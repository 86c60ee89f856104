"""Arguments and options that several commands share, and the check of each before anything is read or trained."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from typer.core import TyperCommand

from autonoise.cli import completing
from autonoise.errors import StudyError
from autonoise.study.config import LOCAL, is_ray_address

T = TypeVar("T")
DATA, SCORE, RUN = "Data", "Score", "Running"
"""The panels of the help of search and evaluate."""
PICTURE_ENDINGS = (".png", ".svg", ".pdf")
POLICY_ENDINGS = (".yaml", ".yml", ".json")


def filled(value: T) -> T:
    """Refuse an empty text: a shell passes one on for a variable that was never set."""
    if isinstance(value, str) and not value.strip():
        raise typer.BadParameter("it is empty; give a value or leave it out")
    return value


def option(text: str, *, panel: str = RUN, complete: Callable[[str], list[str]] | None = None) -> Any:
    """An option of search or evaluate; what it is where it is left out stands in the text."""
    return typer.Option(help=text, rich_help_panel=panel, show_default=False, autocompletion=complete)


class WithRay(TyperCommand):
    """A command whose ``--ray`` may stand alone, which typer does not know of options: it means ``--ray local``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        return super().parse_args(ctx, _with_address(args))


def _with_address(args: list[str]) -> list[str]:
    ends = args.index("--") if "--" in args else len(args)
    # ray:// is refused, with what is right, once it is taken for the address that it is meant as
    named = {i for i in range(ends - 1) if is_ray_address(args[i + 1]) or args[i + 1].startswith("ray://")}
    alone = {i for i in range(ends) if args[i] == "--ray" and i not in named}
    return [f"--ray={LOCAL}" if i in alone else arg for i, arg in enumerate(args)]


def refuse_empty(data: str, given: Mapping[str, Any]) -> None:
    """Refuse empty texts among DATA and the options by name. Raises StudyError."""
    empty = [name for name, value in {"data": data, **given}.items() if isinstance(value, str) and not value.strip()]
    if empty:
        what = "DATA" if empty[0] == "data" else f"--{empty[0].replace('_', '-')}"
        raise StudyError(f"{what} is empty: give a value, or leave it out")


def policy_file(path: Path | None) -> Path | None:
    """Refuse a place where no policy file can be written, or whose ending names another kind of file."""
    return _writable(path, POLICY_ENDINGS)


def code_file(path: Path | None) -> Path | None:
    """Refuse a place where no file of Python code can be written."""
    return _writable(path, (".py",))


def json_file(path: Path | None) -> Path | None:
    """Refuse a place where no JSON file can be written."""
    return _writable(path, (".json",))


def picture_file(path: Path | None) -> Path | None:
    """Refuse a place where no picture can be written, or whose ending names another kind of file."""
    return _writable(path, PICTURE_ENDINGS)


def _writable(path: Path | None, endings: tuple[str, ...]) -> Path | None:
    if path is None:
        return None
    if path.is_dir():
        raise typer.BadParameter(f"{path} is a folder; name the file to write")
    if path.suffix.lower() not in endings:
        raise typer.BadParameter(f"{path} must end in {' or '.join(endings)}")
    blocking = next((p for p in path.parents if p.exists() and not p.is_dir()), None)
    if blocking is not None:
        raise typer.BadParameter(f"{path} cannot be written, since {blocking} is a file and not a folder")
    return path


Data = Annotated[
    str,
    typer.Argument(
        metavar="DATA",
        help="A folder, a file or a built-in data set.",
        callback=filled,
        autocompletion=completing.data,
    ),
]
DataType = Annotated[
    str | None,
    typer.Option(
        help="image, text, tabular, timeseries or audio; left out: found from the data.",
        callback=filled,
        autocompletion=completing.data_types,
        show_default=False,
    ),
]
ListedType = Annotated[
    str | None,
    typer.Option(
        "--data-type",
        "--type",
        help="image, text, tabular, timeseries or audio; left out: all of them.",
        callback=filled,
        autocompletion=completing.data_types,
        show_default=False,
    ),
]
Target = Annotated[
    str | None, typer.Option(help="Column or array that holds the labels.", callback=filled, show_default=False)
]
CleanTarget = Annotated[
    str | None,
    typer.Option(
        help="Column of the true labels, where those of --target are noisy.", callback=filled, show_default=False
    ),
]
Group = Annotated[
    str | None,
    typer.Option(
        help="Column or array of groups (patients, speakers ...), whose rows must not be split over training and "
        "judging; none: use no groups, even if found.",
        callback=filled,
        show_default=False,
    ),
]
TextColumn = Annotated[
    str | None,
    typer.Option(
        help="Column of a table that holds the text; the other columns are left out.",
        callback=filled,
        show_default=False,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print as JSON.")]
Study = Annotated[
    str,
    typer.Argument(
        metavar="STUDY",
        help="Folder of a study, or its name under studies/.",
        callback=filled,
        autocompletion=completing.studies,
    ),
]
PolicyFile = Annotated[
    str,
    typer.Argument(
        metavar="POLICY",
        help="A policy file, or the name of a shipped policy.",
        callback=filled,
        autocompletion=completing.policies,
    ),
]
PolicyOut = Annotated[
    Path | None, typer.Option(help="File to write the policy to: .yaml or .json.", callback=policy_file)
]

# what a search and an evaluation ask in the same words
JudgedNoiseWeight = Annotated[float | None, option("w in (1 - w) clean + w noisy accuracy (0.5).", panel=SCORE)]
JudgedMaxCleanDrop = Annotated[float | None, option("Clean accuracy that a policy may lose.", panel=SCORE)]
JudgedProxy = Annotated[str | None, option("Another proxy of the data type by name.", panel=SCORE)]
JudgedDevice = Annotated[str | None, option("cpu, cuda, cuda:1 ... (cpu).")]
JudgedTarget = Annotated[str | None, option("Column or array of the labels.", panel=DATA)]
JudgedCleanTarget = Annotated[
    str | None, option("Column of the true labels, where those of --target are noisy.", panel=DATA)
]
JudgedGroup = Annotated[
    str | None,
    option("Column of the groups whose rows belong in one part; none: use no groups, even if found.", panel=DATA),
]
JudgedTextColumn = Annotated[str | None, option("Column of the text of a table; the others are left out.", panel=DATA)]
JudgedTrainRows = Annotated[int | None, option("Training rows at most (10000).", panel=DATA)]
JudgedNoisyVal = Annotated[
    str | None, option("Your own noisy labelled data, evaluated as a held-out noise.", panel=DATA)
]
JudgedNoisyValOnly = Annotated[
    bool | None,
    typer.Option("--noisy-val-only", help="Evaluate on --noisy-val alone.", rich_help_panel=DATA, show_default=False),
]
