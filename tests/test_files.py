"""Files are read without trust and written whole."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autonoise.errors import PolicyError
from autonoise.files import MAX_BYTES, dump_yaml, parse_data, read_data, write_json, write_whole


def parse(text: str) -> dict[str, Any]:
    return parse_data(text, PolicyError, "policy file", "p.yaml")


@pytest.mark.parametrize(("text", "value"), [
    ("a: 1e-05", 1e-05), ("a: 1E3", 1000.0), ("a: -2e-7", -2e-7), ("a: 1.5e-3", 0.0015), ("a: .5e1", 5.0),
    ("a: 3", 3), ("a: '1e-05'", "1e-05"), ("a: 1e", "1e"), ("a: e5", "e5"), ("a: 0.25", 0.25), ('{"a": 1e-07}', 1e-07),
    ("a: [1e-1, x]", [0.1, "x"]),
])  # fmt: skip
def test_numbers_are_read_as_json_reads_them(text: str, value: object) -> None:
    assert parse(text) == {"a": value}
    assert type(parse(text)["a"]) is type(value)


BOMB = "a: &a [x, x]\n" + "\n".join(f"{n}: &{n} [*{p}, *{p}]" for p, n in zip("abcdefgh", "bcdefghi"))


@pytest.mark.parametrize(("text", "rule"), [
    ("", "expected a mapping at the top, found NoneType"),
    ("- a\n- b", "expected a mapping at the top, found list"),
    ("just words", "found str"),
    ("a: [1, 2", "may be truncated"),
    ('{"a": {"b": 1', "may be truncated"),
    ("a: !!python/object/apply:os.system [echo]", "not a valid policy file"),
    ("a: !!python/name:os.system", "not a valid policy file"),
    (BOMB, "aliases are not allowed"),
    ("a: 1\nb: 2\na: 3", "line 3: 'a' stands twice"),
    ("a: " + "[" * 5000, "not a valid policy file"),
    ("a: " + "{b: " * 3000, "not a valid policy file"),
    ("a: !!int ''", "not a valid policy file"),
    ("a: !!bool maybe", "not a valid policy file"),
    ("a: !!timestamp soon", "not a valid policy file"),
    ("a: !!float x", "not a valid policy file"),
    ("? [1, 2]\n: 3", "not a valid policy file"),
    ("a: \x00", "not a valid policy file"),
    ("a: b: c", "not a valid policy file"),
    ("x: '" + "y" * MAX_BYTES + "'", "larger than 524288 bytes"),
    ("a: " + "9" * 10_000, "not a valid policy file"),
])  # fmt: skip
def test_what_is_no_mapping_of_plain_data(text: str, rule: str) -> None:
    with pytest.raises(PolicyError, match=rule) as caught:
        parse(text)
    assert str(caught.value).startswith("p.yaml: ")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


@settings(max_examples=150, deadline=None, derandomize=True, database=None)
@given(st.text(st.sampled_from("ab:-[]{},#&*!|>'\"%@`? \n\t019.e~<=\\"), max_size=40))
def test_any_text_is_a_mapping_or_one_line(text: str) -> None:
    try:
        assert isinstance(parse(text), dict)
    except PolicyError as e:
        assert "\n" not in str(e)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    def refused(path: Path, rule: str) -> None:
        with pytest.raises(PolicyError, match=rule) as caught:
            read_data(path, PolicyError, "policy file")
        assert "\n" not in str(caught.value)

    refused(tmp_path / "none.yaml", "no such policy file; check the path")
    refused(tmp_path, "a folder or device")
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00\x81")
    refused(tmp_path / "binary.yaml", "not a readable policy file")
    with (tmp_path / "huge.yaml").open("wb") as file:
        file.truncate(10 * 2**30)  # sparse: takes no room, and must not be read
    refused(tmp_path / "huge.yaml", "larger than")
    os.mkfifo(tmp_path / "pipe.yaml")
    refused(tmp_path / "pipe.yaml", "a folder or device")


words = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S", "Zs")), max_size=8)
words |= st.from_regex(r"[0-9]{1,3}[eE.:-][0-9]{1,2}", fullmatch=True)  # text that looks like a number
plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**12), 10**12) | st.floats(allow_nan=False) | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=80, deadline=None, derandomize=True, database=None)
@given(st.dictionaries(words, plain, max_size=4))
def test_plain_data_comes_back(value: dict[str, Any]) -> None:
    assert parse(dump_yaml(value)) == value


def test_writing_is_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "deep" / "p.yaml"
    write_whole(path, "old")
    assert path.read_text() == "old"
    assert oct(path.stat().st_mode & 0o777) == "0o644"

    def broken(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("os.fsync", broken)
    with pytest.raises(OSError, match="disk full"):
        write_whole(path, "new")
    assert path.read_text() == "old"
    assert [p.name for p in path.parent.iterdir()] == ["p.yaml"]


def test_json_refuses_what_json_has_no_word_for(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"b": 1, "a": [0.5]})
    assert json.loads((tmp_path / "a.json").read_text()) == {"a": [0.5], "b": 1}
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "b.json", {"a": float("nan")})
    assert not (tmp_path / "b.json").exists()


def test_lists_of_plain_values_stand_on_one_line() -> None:
    assert dump_yaml({"mean": [0.5, 0.25], "steps": [{"a": 1}]}) == "mean: [0.5, 0.25]\nsteps:\n- a: 1\n"


@pytest.mark.parametrize("text", ["1:30", "59:59", "1:30.5", "-2:03:04", "59:" * 30_000 + "59"])
def test_numbers_to_the_base_of_60_stay_text(text: str) -> None:
    """YAML 1.1 reads 1:30 as 90; a long one took minutes."""
    assert parse(f"a: {text}") == {"a": text}


@pytest.mark.parametrize("text", ["!!int 1:30", "!!float 1:30.5", "9" * 401, "0x" + "f" * 5000, "1." + "0" * 5000])
def test_numbers_that_nobody_means(text: str) -> None:
    with pytest.raises(PolicyError, match=r"p\.yaml: .*line 1: .* is no number that can be read"):
        parse(f"a: {text}")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0x1f", 31),
        ("0b101", 5),
        ("017", 15),
        ("1_000", 1000),
        ("-.inf", float("-inf")),
        ("-3.25", -3.25),
        ("-.5", "-.5"),
    ],
)
def test_other_numbers_are_read_as_before(text: str, value: object) -> None:
    assert parse(f"a: {text}") == {"a": value}


def test_only_the_owner_may_read_what_is_secret(tmp_path: Path) -> None:
    write_whole(tmp_path / "open", "x")
    write_whole(tmp_path / "secret", "x", mode=0o600)
    assert [(tmp_path / n).stat().st_mode & 0o777 for n in ("open", "secret")] == [0o644, 0o600]
