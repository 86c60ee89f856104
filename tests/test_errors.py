"""What errors say of faults that are not autonoise's own."""

from __future__ import annotations

from autonoise.errors import DataError, one_line


def test_a_fault_of_other_code_is_one_line_of_limited_length() -> None:
    assert one_line(ValueError("first\n   second\tthird")) == "ValueError: first second third"
    assert one_line(KeyError("x" * 300)) == ("KeyError: '" + "x" * 300)[:200]
    assert one_line(OSError("no space left"), 10) == "OSError: n"


def test_of_a_message_that_is_too_long_the_middle_is_left_out() -> None:
    told = str(DataError("a.csv: no column '" + "x" * 9000 + "': correct the name"))
    assert len(told) < 1500 and told.startswith("a.csv: no column 'xxx") and told.endswith("xxx': correct the name")
    assert str(DataError("short")) == "short"


def test_a_message_is_one_line_whatever_it_quotes() -> None:
    assert str(DataError("a.csv: none of label, class (columns: \n, b \r\n\n  c): name it\n")) == (
        "a.csv: none of label, class (columns: , b c): name it"
    )
    assert str(DataError("two  blanks\tstay")) == "two  blanks\tstay"
