"""How much memory a Parquet file unfolds to: half a megabyte of repeated values may be gigabytes of cells."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from autonoise.array_files import UNFOLD_FREE, check_unfolded, unfold_limit
from autonoise.data.text_files import MAX_TEXT
from autonoise.errors import DataError

_CELL = 8
"""Bytes that a cell takes in memory at least: a number of 64 bits, or where to find its text."""
_BATCH = 65_536
"""Rows that are unpacked at once, at most, to measure what they take."""


def check_parquet(path: Path) -> None:
    """Raise DataError where a Parquet file unfolds to more than it may.

    Numbers are counted by the file's own list of its cells. Texts and lists are of any length, and one that is repeated
    is stored once: where they could be too much, the rows are unpacked and measured, a few at a time.
    """
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        groups = [file.metadata.row_group(g) for g in range(file.metadata.num_row_groups)]
        columns = list(enumerate(file.metadata.schema.column(c) for c in range(file.metadata.num_columns)))
        check_unfolded(_CELL * sum(_cells(g, c, kind) for g in groups for c, kind in columns), path, DataError)
        stored = sum(group.total_byte_size for group in groups)
        check_unfolded(stored, path, DataError)
        texts = [(c, kind) for c, kind in columns if kind.physical_type in ("BYTE_ARRAY", "FIXED_LEN_BYTE_ARRAY")]
        # a text is stored once at least, so none is longer than all that its row group stores
        most = sum(_cells(g, c, kind) * (_CELL + g.total_byte_size) for g in groups for c, kind in texts)
        if most > unfold_limit(path.stat().st_size, MAX_TEXT):
            _measure(file, path, widest=stored)


def _cells(group: Any, number: int, column: Any) -> int:
    """Cells of a column in a row group.

    Only lists are asked for their count: pyarrow 26 ends the process where what a file says of a column is damaged.
    """
    return int(group.column(number).num_values if column.max_repetition_level > 0 else group.num_rows)


def _measure(file: Any, path: Path, widest: int) -> None:
    """Unpack a file in batches of which even the worst is bounded, and add up what all but its numbers take.

    Texts may unfold to less than numbers do, as in compressed text files: a cell takes several times as much memory as
    its letters.
    """
    import pyarrow as pa

    rows = min(max(UNFOLD_FREE // max(widest, 1), 16), _BATCH)
    size = 0
    for batch in file.iter_batches(batch_size=rows):
        size += sum(_unfolded(column) for column in batch.columns if not pa.types.is_primitive(column.type))
        check_unfolded(size, path, DataError, free=MAX_TEXT)


def _unfolded(column: Any) -> int:
    """Bytes of a column in memory; of one that stores each different text once (a category), those of all its rows."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not pa.types.is_dictionary(column.type):
        return int(column.nbytes)
    try:
        lengths = pc.binary_length(column.dictionary)
    except pa.ArrowNotImplementedError:  # categories that are no texts are numbers
        return int(column.nbytes)
    return int(pc.sum(lengths.take(column.indices)).as_py() or 0)
