"""Files from and to disk: read without trust, written whole or not at all."""

from __future__ import annotations

import json
import os
import re
import tempfile
from importlib import metadata
from pathlib import Path
from typing import Any

import yaml

from autonoise.errors import AutonoiseError

MAX_BYTES = 512 * 1024
"""Size limit of a YAML or JSON file (512 KiB): policies and spaces take kilobytes, and reading more takes long (PyYAML
reads some 150 KB in a second)."""
MAX_JSON = 32 * 2**20
"""Size limit of a JSON file that a search writes (32 MiB): its largest, result.json, has less than one."""
MAX_DIGITS = 400
"""Digits that a number in a file may have: no setting needs more than 20."""
# explicit tags such as !!int "" fail in PyYAML's constructors with whatever their code runs into
_MALFORMED = (yaml.YAMLError, RecursionError, ValueError, LookupError, AttributeError, TypeError, ArithmeticError)


class _Loader(yaml.SafeLoader):
    """SafeLoader without aliases (a few lines of nested ones can unfold to gigabytes) and double keys.

    Reads 1e-05 as a number, as JSON and YAML 1.2 do; PyYAML's own rule asks for a dot. Numbers to the base of 60
    (1:30 for 90), which YAML 1.2 dropped, stay text: a long one takes minutes to compute.
    """

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.events.AliasEvent):
            event = self.peek_event()  # type: ignore[no-untyped-call]
            raise yaml.YAMLError(f"line {event.start_mark.line + 1}: aliases are not allowed")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in seen:
                raise yaml.YAMLError(f"line {key.start_mark.line + 1}: {key.value!r} stands twice")
            seen.add(key.value if isinstance(key, yaml.ScalarNode) else None)
        return super().construct_mapping(node, deep)

    def construct_yaml_int(self, node: Any) -> int:
        self._check_number(node)
        return super().construct_yaml_int(node)

    def construct_yaml_float(self, node: Any) -> float:
        self._check_number(node)
        return super().construct_yaml_float(node)

    def _check_number(self, node: Any) -> None:
        text = self.construct_scalar(node)
        if ":" in text or len(text) > MAX_DIGITS:
            shown = text if len(text) <= 40 else f"{text[:40]}..."
            raise yaml.YAMLError(f"line {node.start_mark.line + 1}: {shown!r} is no number that can be read")


def _without_base_60() -> None:
    """Replace PyYAML's rules of which text is a number by the same ones without those for numbers to the base of 60."""
    number, whole = "tag:yaml.org,2002:float", "tag:yaml.org,2002:int"
    _Loader.yaml_implicit_resolvers = {
        first: [(tag, rule) for tag, rule in rules if tag not in (number, whole)]
        for first, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    _Loader.add_implicit_resolver(
        number,
        re.compile(r"[-+]?[0-9][0-9_]*\.[0-9_]*([eE][-+][0-9]+)?$|\.[0-9][0-9_]*([eE][-+][0-9]+)?$"
                   r"|[-+]?\.(inf|Inf|INF)$|\.(nan|NaN|NAN)$"),
        list("-+.0123456789"),
    )  # fmt: skip
    _Loader.add_implicit_resolver(
        whole,
        re.compile(r"[-+]?(0b[0-1_]+|0[0-7_]+|0|[1-9][0-9_]*|0x[0-9a-fA-F_]+)$"),
        list("-+0123456789"),
    )
    _Loader.add_constructor(number, _Loader.construct_yaml_float)
    _Loader.add_constructor(whole, _Loader.construct_yaml_int)


_without_base_60()


def read_data(path: str | Path, error: type[AutonoiseError], what: str) -> dict[str, Any]:
    """Read a mapping from a YAML or JSON file.

    ``what`` names the file in messages ("policy file"). Raises ``error`` with one line when the file is missing,
    larger than 512 KiB, not UTF-8, not YAML, uses aliases, or is no mapping.
    """
    path = Path(path)
    try:
        if path.exists() and not path.is_file():
            raise error(f"{path}: a folder or device, not a {what}; name the file")
        if path.stat().st_size > MAX_BYTES:
            raise error(f"{path}: larger than {MAX_BYTES} bytes, so it is no {what}; check the path")
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise error(f"{path}: no such {what}; check the path") from None
    except (OSError, ValueError) as e:  # of text that is not UTF-8, and of a path with a zero byte
        raise error(f"{path}: not a readable {what} ({_first_line(e)})") from None
    return parse_data(text, error, what, str(path))


def parse_data(text: str, error: type[AutonoiseError], what: str, where: str) -> dict[str, Any]:
    """Parse YAML (of which JSON is a part) into a mapping; ``where`` names the source in messages."""
    if len(text) > MAX_BYTES:
        raise error(f"{where}: larger than {MAX_BYTES} bytes, so it is no {what}; check the path")
    try:
        value = yaml.load(text, Loader=_Loader)  # noqa: S506 - a SafeLoader
    except _MALFORMED as e:
        raise error(f"{where}: not a valid {what} ({_first_line(e)}); it may be truncated") from None
    if not isinstance(value, dict):
        raise error(f"{where}: not a {what}: expected a mapping at the top, found {type(value).__name__}")
    return value


def read_json(path: Path) -> Any:
    """What a JSON file of a study holds. OSError where there is none, ValueError where it is damaged.

    Larger files than ``MAX_JSON`` count as damaged; a link to a device would be read without end.
    """
    size = path.stat().st_size
    if not path.is_file() or size > MAX_JSON:
        raise ValueError(f"{path}: no file, or one of {size:,} bytes")
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except RecursionError:
        raise ValueError(f"{path}: nested too deeply") from None


def write_whole(path: str | Path, content: str | bytes, *, mode: int = 0o644) -> None:
    """Write a file so that readers see the old content or the new, never a part: temporary file, then rename.

    ``mode``: who may read and write the file; the default lets everybody read it, 0o600 only its owner.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    data = content.encode() if isinstance(content, str) else content
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(mode)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def write_json(path: str | Path, value: Any) -> None:
    """Write JSON with sorted keys, whole or not at all; ValueError for NaN and infinity, which JSON does not know."""
    write_whole(path, json.dumps(value, indent=1, sort_keys=True, allow_nan=False) + "\n")


class _Dumper(yaml.SafeDumper):
    """Lists of plain values on one line; no aliases."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _flow_short_lists(dumper: yaml.SafeDumper, data: list[Any]) -> yaml.Node:
    flow = all(not isinstance(v, dict | list) for v in data)
    return dumper.represent_sequence("tag:yaml.org,2002:seq", data, flow_style=flow)


_Dumper.add_representer(list, _flow_short_lists)
for _kind in (_Loader, _Dumper):  # the dumper must know too, or it would leave such text (a hash) unquoted
    _kind.add_implicit_resolver(
        "tag:yaml.org,2002:float", re.compile(r"[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+$"), list("-+.0123456789")
    )


def dump_yaml(value: Any) -> str:
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110)


def _first_line(e: BaseException) -> str:
    return " ".join(str(e).split())[:200] or type(e).__name__


_HERE = Path(__file__).resolve().parent


def version_of(package: str) -> str:
    """The version of an installed package; "unknown" where it runs from its sources without being installed."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "unknown"


def resource_dir(name: str) -> Path:
    """The folder ``search_spaces`` or ``studies`` that came with the package: in the wheel, or beside the sources."""
    packed = _HERE / f"_{name}"
    return packed if packed.is_dir() else _HERE.parent / name
