"""What errors say of faults that are not autonoise's own."""

from __future__ import annotations

from autonoise.errors import one_line


def test_a_fault_of_other_code_is_one_line_of_limited_length() -> None:
    assert one_line(ValueError("first\n   second\tthird")) == "ValueError: first second third"
    assert one_line(KeyError("x" * 300)) == ("KeyError: '" + "x" * 300)[:200]
    assert one_line(OSError("no space left"), 10) == "OSError: n"
