"""Corruptions with their amounts and seeds fixed for a study: the content of ``corruptions.json``."""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from autonoise.corruptions.base import (
    SEVERITIES,
    Corruption,
    Exposure,
    Group,
    Reference,
    exposure,
    get_corruption,
    name_kinds,
)
from autonoise.corruptions.rows import Rows
from autonoise.errors import StudyError
from autonoise.types import DataType, Family

if TYPE_CHECKING:
    import pandas as pd

FORMAT = "autonoise-corruptions/1"


@dataclass(frozen=True)
class FrozenCorruption:
    """A corruption with five amounts and five seeds that never change again.

    Attributes:
        checksums: "part/severity" to the checksum of the corrupted rows, where it was recorded.
        retentions: share of the baseline's accuracy that was measured at each amount, if calibrated.
        note: a warning of the calibration, such as that even the harshest amount is weak; "" for none.
    """

    name: str
    data_type: DataType
    group: Group
    family: Family
    amounts: tuple[float, ...]
    seeds: tuple[int, ...]
    near: tuple[Family, ...] = ()
    retentions: tuple[float, ...] = ()
    note: str = ""
    checksums: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        name_kinds(self)

    def with_checksum(self, part: str, severity: int, value: str) -> FrozenCorruption:
        return replace(self, checksums={**self.checksums, f"{part}/{severity}": value})

    def exposure(self, families: Iterable[Family]) -> Exposure:
        """Whether training on ``families`` met the same, a related or no family of this noise."""
        return exposure(self.family, self.near, families)


def seed_of(*words: object) -> int:
    """A 63-bit seed from a hash of the words: the same on every machine and in every process."""
    text = json.dumps([str(word) for word in words])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def fix(
    corruption: Corruption,
    amounts: Iterable[float] | None = None,
    *,
    study_seed: int,
    retentions: Iterable[float] = (),
    note: str = "",
) -> FrozenCorruption:
    """Freeze a corruption at ``amounts`` (its starting severities unless given)."""
    chosen = tuple(float(a) for a in (corruption.severities if amounts is None else amounts))
    if len(chosen) != len(SEVERITIES):
        raise StudyError(f"{corruption.name} needs five amounts, one per severity, but got {len(chosen)}")
    return FrozenCorruption(
        corruption.name,
        corruption.data_type,
        corruption.group,
        corruption.family,
        chosen,
        tuple(seed_of(study_seed, corruption.name, severity) for severity in SEVERITIES),
        corruption.near,
        tuple(float(r) for r in retentions),
        note,
    )


def freeze(corruptions: Iterable[FrozenCorruption]) -> dict[str, Any]:
    """Plain data for ``corruptions.json``."""
    return {"format": FORMAT, "corruptions": [json.loads(json.dumps(asdict(c))) for c in corruptions]}


def digest(corruptions: Iterable[FrozenCorruption]) -> str:
    """SHA-256, in hexadecimal, of what decides the corrupted rows: which corruptions, their amounts and their seeds.

    What was measured on the way there (retentions, notes) and what is checked apart (checksums) is no part of it.
    """
    rows = sorted((c.name, str(c.data_type), str(c.group), [float(a) for a in c.amounts], c.seeds) for c in corruptions)
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()


def thaw(data: Mapping[str, Any]) -> tuple[FrozenCorruption, ...]:
    """Inverse of :func:`freeze`. StudyError on another format or a malformed entry."""
    if not isinstance(data, Mapping) or data.get("format") != FORMAT:
        raise StudyError(f"corruptions.json must have format {FORMAT}: calibrate the corruptions again")
    try:
        return tuple(_thawed(entry) for entry in data["corruptions"])
    except (KeyError, TypeError, ValueError) as error:
        raise StudyError(f"corruptions.json is malformed ({error}): calibrate the corruptions again") from error


def _thawed(entry: Mapping[str, Any]) -> FrozenCorruption:
    known = {f.name for f in fields(FrozenCorruption)}
    if unknown := set(entry) - known:
        raise ValueError(f"unknown entry {min(unknown)!r}")
    if entry["group"] not in ("search", "held_out"):
        raise ValueError(f"unknown group {entry['group']!r}")
    if len(entry["amounts"]) != len(SEVERITIES) or len(entry["seeds"]) != len(SEVERITIES):
        raise ValueError(f"{entry['name']} needs five amounts and five seeds")
    return FrozenCorruption(
        str(entry["name"]),
        DataType(entry["data_type"]),
        cast("Group", entry["group"]),
        Family(entry["family"]),
        tuple(float(a) for a in entry["amounts"]),
        tuple(int(s) for s in entry["seeds"]),
        tuple(Family(f) for f in entry.get("near", ())),
        tuple(float(r) for r in entry.get("retentions", ())),
        str(entry.get("note", "")),
        {str(k): str(v) for k, v in entry.get("checksums", {}).items()},
    )


def corrupted(rows: Rows, frozen: FrozenCorruption, severity: int, part: str, reference: Reference) -> Rows:
    """The corrupted rows of a part ("search", "confirm", "test"): always the same for the same study."""
    if severity not in SEVERITIES:
        raise StudyError(f"severity must be one of {', '.join(map(str, SEVERITIES))}, but got {severity!r}")
    rng = np.random.default_rng(seed_of(frozen.seeds[severity - 1], part))
    made = get_corruption(frozen.data_type, frozen.name)
    return made(rows, frozen.amounts[severity - 1], rng=rng, reference=reference)


def checksum(rows: Rows) -> str:
    """A "sha256:..." of the values, shape and column names of any rows; equal rows have equal checksums."""
    digest = hashlib.sha256()
    if isinstance(rows, np.ndarray):
        little = np.ascontiguousarray(rows, dtype=rows.dtype.newbyteorder("<"))
        digest.update(f"{little.dtype.str}{rows.shape}".encode())
        digest.update(little.tobytes())
    elif isinstance(rows, list):
        digest.update(f"texts {len(rows)}".encode())
        for text in rows:
            _add_text(digest, text)
    else:
        digest.update(f"table {rows.shape}".encode())
        for name in rows.columns:
            _add_text(digest, str(name))
            _add_column(digest, rows[name])
    return f"sha256:{digest.hexdigest()}"


def _add_text(digest: Any, text: str) -> None:
    # The length goes first: ["ab", "c"] and ["a", "bc"] must differ. Lone surrogates occur in scraped text.
    data = text.encode("utf-8", "surrogatepass")
    digest.update(struct.pack("<q", len(data)))
    digest.update(data)


def _add_column(digest: Any, column: pd.Series) -> None:
    if column.dtype.kind in "iuf":
        # Not by dtype: an integer column that became float with the same values is the same table.
        values = column.to_numpy(dtype="<f8", na_value=np.nan)
        digest.update(np.where(np.isnan(values), np.nan, values).astype("<f8").tobytes())
        return
    for value, missing in zip(column.astype(object), column.isna(), strict=True):
        digest.update(b"\0" if missing else b"\1")
        if not missing:
            _add_text(digest, str(value))
