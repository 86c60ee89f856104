"""What there is to choose from: techniques, search spaces, built-in data sets."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from autonoise.cli import completing
from autonoise.cli.options import Json, ListedType, filled
from autonoise.cli.output import make_console, print_json, table
from autonoise.errors import AutonoiseError, UnknownNameError

if TYPE_CHECKING:
    from autonoise.space.dimension import Dimension
    from autonoise.space.space import SearchSpace
    from autonoise.technique.parameters import Parameter
    from autonoise.technique.registry import Technique
    from autonoise.types import DataType


def data_type_of(text: str | None) -> DataType | None:
    """The data type of that name, None where none was given. UnknownNameError lists the names there are."""
    from autonoise.types import DataType

    if text is not None and text not in set(DataType):
        raise UnknownNameError.of("data type", text, [str(d) for d in DataType])
    return None if text is None else DataType(text)


def techniques(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="[NAME]",
            help="A technique to be described in full.",
            callback=filled,
            autocompletion=completing.techniques,
        ),
    ] = None,
    data_type: ListedType = None,
    as_json: Json = False,
) -> None:
    """List the techniques with their parameters, or describe one of them in full.

    Example: autonoise techniques mixup
    """
    from autonoise.technique.registry import get_technique, techniques_for
    from autonoise.technique.words import counted

    console = make_console()
    if name is not None:
        if data_type is not None:
            raise AutonoiseError(
                "--data-type chooses what is listed: leave it out, or leave out the name of a technique"
            )
        kind = get_technique(name.replace("-", "_"))
        row = _described(kind)
        if as_json:
            print_json(row)
            return
        console.print(f"{row['name']} · {row['stage']} stage · {row['family']} · {', '.join(row['data_types'])}")
        console.print(f"\n{row['description']}\n", soft_wrap=True)
        fields = ("name", "default", "searched", "valid", "unit")
        console.print(table(fields, [[_shown(p[f]) for f in fields] for p in row["parameters"]]))
        console.print(f"cost {row['passes']:g} passes · a schedule scales its {row['multiplier']}")
        if row["reference"]:
            console.print(row["reference"], soft_wrap=True)
        return
    found = [_described(kind) for kind in techniques_for(data_type_of(data_type))]
    if as_json:
        print_json(found)
        return
    listed = [
        (
            r["name"],
            r["stage"],
            r["family"],
            " ".join(r["data_types"]),
            "\n".join(f"{p['name']} {p['searched']} {p['unit']}".strip() for p in r["parameters"]),
            f"{r['passes']:g}",
            r["reference"],
        )
        for r in found
    ]
    columns = ("name", "stage", "family", "data types", "parameters", "passes", "reference")
    console.print(table(columns, listed, right=("passes",)))
    console.print(f"{counted(len(listed), 'technique')}; autonoise techniques NAME describes one in full")


def _described(kind: type[Technique]) -> dict[str, Any]:
    from autonoise.technique.parameters import parameters_of

    return {
        "name": kind.name,
        "stage": str(kind.stage),
        "family": str(kind.family),
        "data_types": sorted(map(str, kind.data_types)),
        "version": kind.version,
        "passes": kind().passes,
        "multiplier": kind.multiplier,
        "reference": kind.reference,
        "description": inspect.getdoc(kind) or "",
        "parameters": [_parameter(kind, n, p) for n, p in parameters_of(kind).items()],
    }


def _parameter(kind: type[Technique], name: str, parameter: Parameter) -> dict[str, Any]:
    from autonoise.technique.parameters import Choice, Range

    default = getattr(kind(), name)
    out: dict[str, Any] = {"name": name, "default": default, "searched": "fixed", "valid": "text", "unit": ""}
    if isinstance(parameter, Range):
        searched = f"{parameter.low:.4g} to {parameter.high:.4g}" + (" log" if parameter.log else "")
        out |= {
            "searched": searched,
            "valid": f"{parameter.minimum:g} to {parameter.maximum:g}",
            "unit": parameter.unit,
            "default": default,
            "low": parameter.low,
            "high": parameter.high,
            "log": parameter.log,
            "minimum": parameter.minimum,
            "maximum": parameter.maximum,
            "integer": parameter.integer,
        }
    elif isinstance(parameter, Choice):
        words = " | ".join(parameter.options)
        out |= {"searched": words, "valid": words, "options": list(parameter.options)}
    return out


def _shown(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def spaces(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="[NAME]",
            help="A shipped space, or a YAML file, to be shown in full.",
            callback=filled,
            autocompletion=completing.spaces,
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """List the search spaces that come with autonoise, or show one; copy its file to make your own.

    Example: autonoise spaces image
    """
    from autonoise.files import resource_dir
    from autonoise.space.space import SearchSpace

    console = make_console()
    shipped = {p.stem: p for p in sorted(resource_dir("search_spaces").glob("*.yaml"))}
    if name is not None:
        if name not in shipped and not Path(name).exists():
            raise UnknownNameError.of("search space or file", name, shipped)
        space = SearchSpace.load(name)
        if as_json:
            presets = [p.to_dict() for p in space.presets]
            print_json({**space.describe(), "hash": space.hash, "presets": presets})
        else:
            _show_space(name, shipped.get(name, Path(name)), space)
        return
    loaded = {n: SearchSpace.load(n) for n in shipped}
    rows: list[dict[str, Any]] = [
        {
            "name": n,
            "data_type": str(s.data_type),
            "techniques": len(s.techniques),
            "max_techniques": s.max_techniques,
            "presets": [p.name for p in s.presets],
            "hash": s.hash,
            "file": str(shipped[n]),
        }
        for n, s in loaded.items()
    ]
    if as_json:
        print_json(rows)
        return
    columns = ("name", "data type", "techniques", "at once", "presets", "file")
    console.print(
        table(
            columns,
            [
                (r["name"], r["data_type"], r["techniques"], r["max_techniques"], ", ".join(r["presets"]), r["file"])
                for r in rows
            ],
            right=("techniques", "at once"),
        )
    )


def _show_space(name: str, file: Path, space: SearchSpace) -> None:
    console = make_console()
    console.print(f"{name} · {space.data_type} · at most {space.max_techniques} techniques at once · hash {space.hash}")
    rows = [
        (technique, ", ".join(f"{k} {_dimension(d)}" for k, d in dims.items() if d.searched))
        for technique, dims in space.techniques.items()
    ]
    console.print(table(("technique", "searched"), rows))
    for preset in space.presets:
        console.print(
            f"preset {preset.name}: {' + '.join(s.name for s in preset.steps)} "
            f"({preset.provenance.get('source', 'no source')})",
            soft_wrap=True,
        )
    console.print(f"file  {file}", soft_wrap=True)


def _dimension(d: Dimension) -> str:
    return " | ".join(map(str, d.choices)) if d.choices else f"{d.low:.4g} to {d.high:.4g}" + (" log" if d.log else "")


def schema() -> None:
    """Print the JSON Schema of policy files, with which editors complete and check them.

    Example: autonoise schema > policy.schema.json
    """
    from autonoise.policy.schema import policy_schema

    print_json(policy_schema())


def datasets(as_json: Json = False) -> None:
    """List the built-in data sets, which need no download.

    Example: autonoise datasets
    """
    from autonoise.data import builtin_names

    known = builtin_names()
    if as_json:
        print_json(known)
    else:
        make_console().print(table(("name", "what it is"), list(known.items())))
