"""Where the search spaces and the bank of studies lie: in the wheel, or beside the package in a checkout."""

from __future__ import annotations

from pathlib import Path

_HERE = Path(__file__).resolve().parent


def resource_dir(name: str) -> Path:
    """Directory ``search_spaces`` or ``studies`` as shipped."""
    packed = _HERE / f"_{name}"
    return packed if packed.is_dir() else _HERE.parent / name
