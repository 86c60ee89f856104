"""Ways to damage a file, each a function of the file's content and a random generator; the seed decides everything.

Three layers: the bytes of any file; the lines and numbers of a text; the values of a document (YAML or JSON).
"""

from __future__ import annotations

import copy
import gzip
import json
import re
from collections.abc import Callable
from typing import Any

import numpy as np

from autonoise.files import dump_yaml

Rng = np.random.Generator
Change = Callable[[bytes, Rng], bytes]
SIXTY = ":".join(["59"] * 5000)
"""A number to the base of 60, as YAML 1.1 reads it: minutes to compute."""
NUMBERS = (
    "-1", "0", "-0.0", "1e308", "-1e308", "1e-320", ".nan", "NaN", "nan", ".inf", "-.inf", "Infinity", "-Infinity",
    "1e999999999", "9" * 30, "-" + "9" * 19, "9" * 5000, "0x" + "f" * 5000, SIXTY, "1:30", "1_000", "2147483648",
    "4294967296", "9223372036854775808", "1.5", "0b1", "0o7", "1e", "1/2", "1,5", "½", "٣", "true", "null", "~", "",
    "2001-01-01", "2001-02-30", "[]", "{}", "[1, 2]", "{a: 1}", "'7'", "- 1",
)  # fmt: skip
CANARY = "canary"
"""Name of the file that each hostile payload would make in the current folder, were it ever run."""
HOSTILE = (
    f"!!python/object/apply:os.system ['touch {CANARY}']",
    f"!!python/object/new:os.system ['touch {CANARY}']",
    f"!!python/object/apply:subprocess.check_output [[touch, {CANARY}]]",
    "!!python/name:os.system", "!!python/module:os", "!!python/tuple [1]", "!!binary aGk=", "!!binary '%'",
    "!!timestamp 2001-99-99", "!!int ''", "!!float x", "!!bool maybe", "!!set {a}", "!!omap [a: 1]", "!!map 3",
    "!!null x",
    "!!str [1]", "!!seq {}", "!unknown 1", "&a [*a]", "*a", "<<: {a: 1}", "=", "? [1, 2] : 3", "%YAML 9.9", "---",
    "...",
    f"__import__('os').system('touch {CANARY}')", f"${{{{touch {CANARY}}}}}", f"$(touch {CANARY})",
    f"`touch {CANARY}`",
    "{{ 7 * 7 }}", "<script>alert(1)</script>", "\x1b[31mred\x1b[0m", "\x00", "\ufeff", "\u202e",
    "../../../etc/passwd",
    "/dev/zero", "/dev/stdin", "s3://none/none", "file:///etc/passwd", "~", "%s%n", "{0}", "🎲" * 50, "\ud7ff",
    "a" * 300_000,
    "[" * 5000, "{a: " * 3000, "- " * 5000, "[" * 60 + "]" * 60, "'", '"', "|", ">", "@", "`", "\t", "x: y: z", "#",
)  # fmt: skip
VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2, 7, 10**9, -(10**9), 2**31, 2**63, -(2**63), 10**30, 10**400, 0.5, -0.5, 1.5,
    1e-300, 1e300,
    -1e300, float("nan"), float("inf"), float("-inf"), "", " ", "x", "nan", "1", "-1", "true", "..", "/", "a/b",
    "x" * 5000, "\x00",
    "\x1b[2J", "é", "\u202eabc", "<b>", [], [[]], [None], [1], [1, 2], [2, 1], [0.0] * 5, [float("nan")] * 3, ["a",
    "b", "c"],
    [1e300, -1e300, 1e300], list(range(300)), {}, {"": None}, {"a": 1}, {"low": 1, "high": 0}, {"choices": []},
    {"choices": [1, 2]},
    {"low": 0, "high": 1, "log": True}, {"low": 0, "high": 10**400}, [{}], [{"name": "a"}], "autonoise-policy/2",
    "image", "text",
    "tabular", "audio", "timeseries", "mixup", "gaussian_noise", "late", "uniform",
)  # fmt: skip


def pick(rng: Rng, options: Any) -> Any:
    return options[int(rng.integers(len(options)))]


def _span(content: bytes, rng: Rng) -> tuple[int, int]:
    """The beginning and end of a block of a file, of one byte up to a third of it."""
    start = int(rng.integers(len(content) + 1))
    return start, min(start + int(rng.integers(1, max(len(content) // 3, 2))), len(content))


def _flips(content: bytes, rng: Rng) -> bytes:
    out = bytearray(content)
    for at in rng.integers(max(len(out), 1), size=int(rng.integers(1, 20))):
        if out:
            out[at] ^= 1 << int(rng.integers(8))
    return bytes(out)


def _number_field(content: bytes, rng: Rng) -> bytes:
    """Four or eight bytes become an extreme number, as the sizes in the head of a binary file may be."""
    field = pick(
        rng, [b"\xff" * 4, b"\xff" * 8, b"\x00" * 4, b"\xff\xff\xff\x7f", b"\x7f\xff\xff\xff", b"\x00" * 7 + b"\x7f"]
    )
    at = int(rng.integers(min(len(content), 400) + 1)) if rng.random() < 0.7 else int(rng.integers(len(content) + 1))
    return content[:at] + field + content[at + len(field) :]


def _cut(content: bytes, rng: Rng) -> bytes:
    return content[: int(rng.integers(len(content) + 1))]


def _without(content: bytes, rng: Rng) -> bytes:
    start, end = _span(content, rng)
    return content[:start] + content[end:]


def _again(content: bytes, rng: Rng) -> bytes:
    start, end = _span(content, rng)
    return content[:end] + content[start:end] * int(pick(rng, [1, 2, 20])) + content[end:]


def _swapped(content: bytes, rng: Rng) -> bytes:
    a, b, c = sorted(int(v) for v in rng.integers(len(content) + 1, size=3))
    return content[:a] + content[b:c] + content[a:b] + content[c:]


def _inserted(content: bytes, rng: Rng) -> bytes:
    at = int(rng.integers(len(content) + 1))
    new = pick(
        rng, [b"\x00", b"\xff", b"\xfe\xff", b"\xef\xbb\xbf", b"\r", b"\n", b"\x80" * 9, b"\x1b[31m", rng.bytes(50)]
    )
    return content[:at] + new + content[at:]


def _blanked(content: bytes, rng: Rng) -> bytes:
    start, end = _span(content, rng)
    return content[:start] + pick(rng, [b"\x00", b"\xff", b" "]) * (end - start) + content[end:]


BYTES: tuple[Change, ...] = (
    _flips, _number_field, _cut, _without, _again, _swapped, _inserted, _blanked,
    lambda content, rng: b"",
    lambda content, rng: content + rng.bytes(100),
    lambda content, rng: rng.bytes(len(content)),
)  # fmt: skip


def _lines(content: bytes, rng: Rng) -> bytes:
    lines = content.split(b"\n")
    a, b = (int(v) for v in rng.integers(len(lines), size=2))
    way = int(rng.integers(5))
    if way == 0:
        lines[a], lines[b] = lines[b], lines[a]
    elif way == 1:
        del lines[a]
    elif way == 2:
        lines.insert(b, lines[a])
    elif way == 3:
        rng.shuffle(lines)
    else:
        lines[a] = pick(rng, [b" ", b"  ", b"\t", b"- ", b"# ", b"? ", b": "]) + lines[a]
    return b"\n".join(lines)


def _token(pattern: str, new: Callable[[str, Rng], str]) -> Change:
    """One match of a pattern in a text becomes another text."""

    def change(content: bytes, rng: Rng) -> bytes:
        text = content.decode("latin-1")
        found = list(re.finditer(pattern, text))
        if not found:
            return content + new("", rng).encode("utf-8", "replace")
        one = pick(rng, found)
        return (text[: one.start()].encode("latin-1") + new(one[0], rng).encode("utf-8", "replace")
                + text[one.end() :].encode("latin-1"))  # fmt: skip

    return change


def _encoded(content: bytes, rng: Rng) -> bytes:
    text = content.decode("utf-8", "replace")
    return text.encode(pick(rng, ["utf-16", "utf-16-le", "utf-32", "utf-8-sig", "utf-7", "cp1140"]), "replace")


TEXT: tuple[Change, ...] = (
    _lines,
    _token(r"-?\d+\.?\d*(e[-+]?\d+)?", lambda old, rng: pick(rng, NUMBERS)),
    _token(r"-?\d+\.?\d*(e[-+]?\d+)?", lambda old, rng: pick(rng, NUMBERS)),
    _token(r"[A-Za-z_]\w+", lambda old, rng: pick(rng, [old + "x", old.upper(), old[1:], "", f"{old} {old}",
    f"{old}:"])),
    _token(r"[\w.-]+", lambda old, rng: pick(rng, HOSTILE)),
    _token(r"[\w.-]+", lambda old, rng: pick(rng, HOSTILE)),
    _token(r"[,:;\t\n\"'\[\]{}]", lambda old, rng: pick(rng, [",", ":", ";", "\t", "\n", '"', "'", "[", "]", "{",
    "}", "", "\r\n"])),
    _encoded,
    lambda content, rng: content.replace(b"\n", pick(rng, [b"\r\n", b"\r", b"\n\n", b""])),
)  # fmt: skip


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    out = [path] if path else []
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in inside:
        out += _places(inner, (*path, key))
    return out


def document(values: Any, rng: Rng) -> Any:
    """A copy of a document in which one to three values are another, are gone, doubled, renamed, wrapped or swapped."""
    made = copy.deepcopy(values)
    for _ in range(int(pick(rng, [1, 1, 1, 2, 3]))):
        places = _places(made)
        if not places:
            return made
        path = pick(rng, places)
        parent = made
        for key in path[:-1]:
            parent = parent[key]
        key, way = path[-1], int(rng.integers(12))
        if way < 6:
            parent[key] = copy.deepcopy(pick(rng, VALUES))
        elif way == 6:
            del parent[key]
        elif way == 7 and isinstance(parent, dict):
            parent[pick(rng, [f"{key}_", 1, "", str(key).upper(), "x" * 2000, "\x1b[1m"])] = parent.pop(key)
        elif way == 8:
            parent[key] = pick(rng, [[parent[key]], {"a": parent[key]}, str(parent[key]), [parent[key]] * 60])
        elif way == 9 and isinstance(parent[key], int | float):
            parent[key] = parent[key] * pick(rng, [-1, 10, 1e6, 1e-6, 0]) + pick(rng, [0, 1, -1])
        elif way == 10:
            deep: Any = parent[key]
            for _ in range(int(pick(rng, [3, 40, 400]))):
                deep = pick(rng, [[deep], {"a": deep}])
            parent[key] = deep
        else:
            other = pick(rng, places)
            source = made
            for step in other:
                source = source[step] if not isinstance(source, dict) or step in source else None
                if source is None:
                    break
            parent[key] = copy.deepcopy(source)
    return made


def as_yaml(values: Any) -> bytes:
    try:
        return dump_yaml(values).encode("utf-8", "replace")
    except RecursionError:  # JSON is YAML, too
        return as_json(values)


def as_json(values: Any) -> bytes:
    return json.dumps(values).encode()


def changed(content: bytes, rng: Rng, *, text: bool) -> bytes:
    """A file's content after one to three changes; a text after changes of its lines, too."""
    for _ in range(int(pick(rng, [1, 1, 2, 3]))):
        content = pick(rng, TEXT if text and rng.random() < 0.75 else BYTES)(content, rng)
    return content


def changed_gzip(content: bytes, rng: Rng, *, text: bool = True) -> bytes:
    """The same of a gzip file: of what is in it, or of the file as it is."""
    if rng.random() < 0.4:
        return changed(content, rng, text=False)
    if rng.random() < 0.1:
        return gzip.compress(gzip.decompress(content)[:200] + b"1,2,3\n" * 20_000_000, 9)
    return gzip.compress(changed(gzip.decompress(content), rng, text=text))
