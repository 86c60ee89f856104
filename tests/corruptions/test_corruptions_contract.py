"""What every corruption of the registry promises."""

from __future__ import annotations

import ast
import itertools
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from corruption_samples import ALL, apply, distance, each_corruption, head, reference_of, rows_of

import autonoise.corruptions
from autonoise.corruptions import Corruption, Reference, corruption, corruptions_for, exposure, get_corruption
from autonoise.corruptions.frozen import checksum
from autonoise.errors import DataError, UnknownNameError
from autonoise.types import DataType, Family


@each_corruption
def test_same_seed_same_rows_and_the_input_is_not_changed(corruption: Corruption) -> None:
    rows = rows_of(corruption.data_type)
    before = checksum(rows)
    first = apply(corruption, corruption.severities[3], rows)
    assert checksum(first) == checksum(apply(corruption, corruption.severities[3], rows)) != before
    assert checksum(rows) == before


@each_corruption
def test_shape_type_and_padding_are_kept(corruption: Corruption) -> None:
    rows = rows_of(corruption.data_type)
    out = apply(corruption, corruption.severities[4], rows)
    assert type(out) is type(rows)
    assert len(out) == len(rows)
    if isinstance(rows, np.ndarray):
        assert out.shape == rows.shape
        assert out.dtype == rows.dtype
    if isinstance(rows, np.ndarray) and rows.dtype.kind == "f":
        assert np.isnan(out[np.isnan(rows)]).all()
        if corruption.name != "speed":
            assert np.isfinite(out[~np.isnan(rows)]).all()
    if corruption.data_type is DataType.AUDIO:
        assert np.nanmax(np.abs(out)) <= 1
    if isinstance(rows, list):
        assert all(isinstance(text, str) for text in out)
    if isinstance(rows, pd.DataFrame):
        assert list(out.columns) == list(rows.columns)
        assert out.index.equals(rows.index)
        for name in rows.columns:
            kinds = {"i": "if", "f": "f", "b": "bO", "O": "O"}[rows[name].dtype.kind]
            assert out[name].dtype.kind in kinds, name
        assert isinstance(out["size"].dtype, pd.CategoricalDtype)


def _moved(corruption: Corruption, amount: float) -> float:
    rows = rows_of(corruption.data_type)
    out = apply(corruption, amount, rows)
    if corruption.name == "speed":  # no sample stays at its place: what grows is the padding
        return float(np.isnan(out).sum() - np.isnan(np.asarray(rows)).sum())
    return distance(rows, out)


@each_corruption
def test_harsher_amounts_move_the_rows_further(corruption: Corruption) -> None:
    amounts = (corruption.mildest, *corruption.severities)
    far = [_moved(corruption, a) for a in amounts]
    assert all(a < b for a, b in itertools.pairwise(far[1:])), far
    assert far[0] < far[2], far
    assert _moved(corruption, corruption.harshest) >= far[-1] * 0.9


@each_corruption
def test_the_mildest_amount_is_near_the_clean_rows(corruption: Corruption) -> None:
    assert _moved(corruption, corruption.mildest) < _moved(corruption, corruption.harshest) / 3


@each_corruption
@pytest.mark.parametrize("n", [0, 1])
def test_one_row_or_none(corruption: Corruption, n: int) -> None:
    rows = head(rows_of(corruption.data_type), n)
    for amount in (corruption.mildest, corruption.severities[2], corruption.harshest):
        assert len(apply(corruption, amount, rows)) == n


@each_corruption
def test_amounts_outside_the_meaningful_range_are_refused(corruption: Corruption) -> None:
    wide = max(corruption.mildest, corruption.harshest) * 1.01 + 0.01
    with pytest.raises(DataError, match=rf"{corruption.name}: .* <= amount <= .* must hold, but got"):
        apply(corruption, wide)
    with pytest.raises(DataError, match="must hold"):
        apply(corruption, float("nan"))


@each_corruption
def test_rows_of_another_type_are_refused(corruption: Corruption) -> None:
    wrong = rows_of(DataType.TEXT if corruption.data_type is not DataType.TEXT else DataType.TABULAR)
    with pytest.raises(DataError, match=f"{corruption.name}: {corruption.data_type} rows must be"):
        apply(corruption, corruption.severities[0], wrong)
    other = reference_of(DataType.TEXT if corruption.data_type is not DataType.TEXT else DataType.IMAGE)
    with pytest.raises(DataError, match="but its reference is of"):
        apply(corruption, corruption.severities[0], reference=other)


@each_corruption
def test_it_is_described_and_found(corruption: Corruption) -> None:
    assert corruption.description.endswith(".")
    assert corruption.unit
    assert get_corruption(corruption.data_type, corruption.name) is corruption
    assert corruption in corruptions_for(corruption.data_type, corruption.group)
    assert corruption.available(reference_of(corruption.data_type))
    if corruption.log:
        assert min(corruption.mildest, corruption.harshest) > 0


@pytest.mark.parametrize("kind", list(DataType))
def test_held_out_families_are_not_searched(kind: DataType) -> None:
    families = {group: {c.family for c in corruptions_for(kind, group)} for group in ("search", "held_out")}
    assert families["search"].isdisjoint(families["held_out"])
    assert len(families["search"]) >= 3
    assert len(families["held_out"]) >= 4
    assert set(corruptions_for(kind)) == {c for c in ALL if c.data_type == kind}


def test_an_unknown_name_gets_a_suggestion() -> None:
    with pytest.raises(UnknownNameError, match="did you mean gaussian_noise"):
        get_corruption("image", "gausian_noise")
    with pytest.raises(UnknownNameError, match="unknown data type 'imges': did you mean image"):
        corruptions_for("imges")
    with pytest.raises(UnknownNameError, match="unknown corruption group"):
        corruptions_for("image", "heldout")  # type: ignore[arg-type]


def test_exposure_says_same_related_or_unseen() -> None:
    assert exposure(Family.BLUR, (), {Family.BLUR}) == "same"
    assert exposure(Family.RESAMPLING, (), {Family.BLUR}) == "related"
    assert exposure(Family.UNIT_ERROR, (Family.VALUE_SWAP,), {Family.VALUE_SWAP}) == "related"
    assert exposure(Family.RESAMPLING, (), {Family.MIXING}) == "unseen"
    assert get_corruption("tabular", "column_swap").exposure([Family.VALUE_SWAP]) == "related"


def test_registering_checks_order_and_name() -> None:
    def gaussian_noise(rows: np.ndarray, *rest: object) -> np.ndarray:
        return rows

    common = {"data_type": DataType.IMAGE, "family": Family.BLUR, "group": "search", "unit": "px"}
    with pytest.raises(ValueError, match="from mildest to harshest"):
        corruption(**common, severities=(1, 2, 4, 3, 5), mildest=0, harshest=9)(gaussian_noise)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="exists already"):
        corruption(**common, severities=(1, 2, 3, 4, 5), mildest=0, harshest=9)(gaussian_noise)  # type: ignore[arg-type]


def test_nothing_of_techniques_or_ops_is_imported() -> None:
    allowed = ("autonoise.errors", "autonoise.types", "autonoise.corruptions")
    files = sorted(Path(autonoise.corruptions.__file__).parent.glob("*.py"))
    assert len(files) > 10
    for file in files:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or "."] if isinstance(node, ast.ImportFrom) else []
            for name in names:
                assert not name.startswith((".", "autonoise")) or name.startswith(allowed), f"{file.name}: {name}"


def test_the_reference_is_a_sample_of_at_most_2000_rows() -> None:
    rows = [f"text {i}" for i in range(5000)]
    made = Reference.of(DataType.TEXT, rows, rng=np.random.default_rng(0))
    assert len(made.texts) == len(set(made.texts)) == 2000
    assert Reference.of(DataType.TEXT, rows[:7], rng=np.random.default_rng(0)).texts == rows[:7]
    with pytest.raises(DataError, match="empty"):
        Reference(DataType.TEXT, [])
    with pytest.raises(DataError, match="1 or 3 channels"):
        Reference(DataType.IMAGE, np.zeros((2, 8, 8, 4), np.uint8))
    with pytest.raises(DataError, match="background clips"):
        Reference(DataType.AUDIO, np.zeros((2, 8), np.float32), 8000, np.zeros(8, np.float32))


def test_audio_needs_a_sample_rate_and_background_needs_clips() -> None:
    bare = Reference(DataType.AUDIO, rows_of(DataType.AUDIO))
    with pytest.raises(DataError, match="sample rate"):
        apply(get_corruption("audio", "white_noise"), 30, reference=bare)
    background = get_corruption("audio", "background_clips")
    assert not background.available(bare)
    with pytest.raises(DataError, match="needs recordings"):
        apply(background, 20, reference=Reference(DataType.AUDIO, rows_of(DataType.AUDIO), 8000))
