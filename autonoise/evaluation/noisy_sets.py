"""Clean and noisy validation sets for a model's own batches, from whatever a user has at hand."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol, cast, runtime_checkable

import numpy as np
import torch
from torch import Tensor

from autonoise.batches.base import BatchAdapter
from autonoise.batches.mappings import rebuilt
from autonoise.corruptions.base import Corruption, Reference, corruptions_for, get_corruption
from autonoise.corruptions.frozen import FrozenCorruption, corrupted, fix
from autonoise.corruptions.rows import Rows
from autonoise.errors import DataError, search_extra
from autonoise.types import Batch, BatchInfo, DataType, InputSpec

SEVERITY = 3
"""Severity of the corruptions while training: the middle one of 1 to 5."""
Chosen = Sequence[str | Corruption | FrozenCorruption] | None
_HINT = "give (x, y), a list of such batches, or {'clean': (x, y), 'fog': (x, y), ...}"


@runtime_checkable
class Evaluation(Protocol):
    """What is used here of :class:`~autonoise.evaluation.sets.EvaluationSets`, whose import would import pandas."""

    labels: Any
    frozen: tuple[FrozenCorruption, ...]
    real: Any

    def clean(self) -> Batch: ...
    def noisy(self, frozen: FrozenCorruption, severity: int) -> Batch: ...
    def real_noisy(self) -> tuple[Batch, Any]: ...


@dataclass(frozen=True)
class ValidationSet:
    """One clean or noisy set: ``make()`` gives the model's inputs, ``labels`` (N,) int64 the classes.

    Sets of one ``family`` count together as much as one set of another family.
    """

    name: str
    family: str
    make: Callable[[], Batch]
    labels: Tensor


def from_evaluation(sets: Evaluation, chosen: Chosen) -> list[ValidationSet]:
    """The clean part of evaluation sets, then each corruption at severity 3 and the user's own noise."""
    labels = torch.as_tensor(sets.labels).long()
    names = None if chosen is None else [c if isinstance(c, str) else c.name for c in chosen]
    unknown = sorted(set(names or ()) - {f.name for f in sets.frozen})
    if unknown:
        known = ", ".join(f.name for f in sets.frozen) or "none"
        raise DataError(f"these evaluation sets have no corruption {unknown[0]!r}; they have {known}")
    out = [ValidationSet("clean", "clean", sets.clean, labels)]
    for frozen in sets.frozen:
        if names is None or frozen.name in names:
            out.append(ValidationSet(frozen.name, str(frozen.family), partial(sets.noisy, frozen, SEVERITY), labels))
    if sets.real is not None and names is None:
        real = torch.as_tensor(sets.real_noisy()[1]).long()
        out.append(ValidationSet("real", "real", lambda: sets.real_noisy()[0], real))
    return out


def from_mapping(validation: Mapping[str, Any], chosen: Chosen) -> list[ValidationSet]:
    """Sets the user has made, "clean" first; each of the others is a family of its own."""
    if chosen is not None:
        raise DataError("corruptions= makes noisy sets from clean ones, but noisy sets were given: leave it out")
    if "clean" not in validation or len(validation) < 2:
        raise DataError(
            f"the validation sets need one named 'clean' and at least one noisy one, but are "
            f"{', '.join(map(str, validation)) or 'none'}: {_HINT}"
        )
    out = [_fixed(name, *pair(validation[name], f"validation[{name!r}]")) for name in validation]
    return sorted(out, key=lambda s: s.name != "clean")


def from_clean(x: Batch, labels: Tensor, adapter: BatchAdapter, spec: InputSpec, chosen: Chosen) -> list[ValidationSet]:
    """The clean set, then it under corruptions at severity 3 in canonical units (default: the search group).

    Images pass through bytes; of a table only the numeric columns are corrupted, and values that get lost become
    the column's mean, with the flag set where the table has one.
    """
    main, info = adapter.open(x, spec)
    main = main.detach().cpu()
    rows = _rows(spec, main, info)
    rng = np.random.default_rng(0)
    reference = Reference.of(spec.data_type, rows, rng=rng, sample_rate=spec.sample_rate)
    out = [_fixed("clean", x, labels)]
    for frozen in _frozen(spec.data_type, chosen, reference):
        values = corrupted(rows, frozen, SEVERITY, "monitor", reference)
        noisy = adapter.close(x, _canonical(values, main, spec).to(adapter.main(x).device), spec)
        out.append(_fixed(frozen.name, noisy, labels, str(frozen.family)))
    if len(out) == 1:
        raise DataError("none of the corruptions can be applied to this validation data; name others in corruptions=")
    return out


def check_clean(data_type: DataType, sample_rate: int | None) -> None:
    """Raise DataError where noisy sets cannot be made from a model's inputs."""
    if data_type is DataType.TEXT:
        raise DataError(
            "text is corrupted before the tokenizer, so noisy sets cannot be made from token ids: "
            "give {'clean': (x, y), 'typos': (x, y), ...} or autonoise.evaluation.sets.EvaluationSets"
        )
    if data_type is DataType.AUDIO and sample_rate is None:
        raise DataError("audio corruptions need the sample rate: set sample_rate in the policy's input, in Hz")


def pair(given: Any, where: str) -> tuple[Batch, Tensor]:
    """(x, y) from such a pair or from an iterable of such batches. Raises DataError."""
    if isinstance(given, tuple) and len(given) == 2 and not isinstance(given[0], tuple | list):
        x, y = given
        labels = torch.as_tensor(y).detach().cpu()
        tensors = list(x.values()) if isinstance(x, Mapping) else [x]
        if not tensors or not all(isinstance(t, Tensor) for t in tensors):
            raise DataError(f"{where}: x must be a tensor or a dict of tensors, but got {type(x).__name__}")
        if labels.ndim != 1 or labels.is_floating_point() or not len(labels):
            raise DataError(f"{where}: y must be class indices (N,), but is {labels.dtype} {tuple(labels.shape)}")
        if any(t.shape[0] != len(labels) for t in tensors):
            raise DataError(f"{where}: x has {tensors[0].shape[0]} rows, but y has {len(labels)}: give one y per row")
        return x, labels.long()
    if not isinstance(given, Iterable) or isinstance(given, Tensor | str):
        raise DataError(f"{where} must hold pairs of inputs and labels, but is a {type(given).__name__}: {_HINT}")
    parts = [pair(tuple(p) if isinstance(p, list) else p, where) for p in given]
    if not parts:
        raise DataError(f"{where} is empty: {_HINT}")
    y = torch.cat([labels for _, labels in parts])
    first = parts[0][0]
    if isinstance(first, Mapping):
        joined = {key: torch.cat([cast("Mapping[str, Tensor]", x)[key] for x, _ in parts]) for key in first}
        return rebuilt(first, joined), y
    return torch.cat([cast("Tensor", x) for x, _ in parts]), y


def _fixed(name: str, x: Batch, labels: Tensor, family: str = "") -> ValidationSet:
    return ValidationSet(name, family or name, lambda: x, labels)


def _frozen(data_type: DataType, chosen: Chosen, reference: Reference) -> list[FrozenCorruption]:
    if chosen is None:
        return [fix(c, study_seed=0) for c in corruptions_for(data_type, "search") if c.available(reference)]
    out: list[FrozenCorruption] = []
    for item in chosen:
        known = get_corruption(data_type, item) if isinstance(item, str) else item
        out.append(known if isinstance(known, FrozenCorruption) else fix(known, study_seed=0))
    return out


def _rows(spec: InputSpec, x: Tensor, info: BatchInfo) -> Rows:
    """Canonical inputs in the raw form of their data type, as corruptions want them."""
    if spec.data_type is DataType.IMAGE:
        return cast("Rows", x.float().mul(255).round().clamp(0, 255).byte().permute(0, 2, 3, 1).contiguous().numpy())
    if spec.data_type is DataType.TABULAR:
        with search_extra("corrupting a table"):
            import pandas as pd

        if not spec.numeric:
            raise DataError(f"this table has no numeric columns to corrupt: {_HINT}")
        return pd.DataFrame({str(c): x[:, c].double().numpy() for c in spec.numeric})
    if info.valid is not None:
        x = x.float().masked_fill(~info.valid.cpu(), torch.nan)
    return cast("Rows", x.float().numpy())


def _canonical(rows: Rows, clean: Tensor, spec: InputSpec) -> Tensor:
    """Inverse of :func:`_rows`; what is invalid or missing in ``clean`` stays as it is there."""
    if spec.data_type is DataType.IMAGE:
        return torch.from_numpy(cast("Any", rows)).permute(0, 3, 1, 2).to(clean.dtype) / 255
    if spec.data_type is DataType.TABULAR:
        values = torch.from_numpy(np.array(cast("Any", rows), dtype=np.float64)).to(clean.dtype)
        out, columns = clean.clone(), list(spec.numeric)
        lost = torch.isnan(values) & ~torch.isnan(clean[:, columns])
        out[:, columns] = torch.where(lost, torch.zeros_like(values), values)
        for flag, owner in spec.flags:
            if owner in spec.numeric:
                out[lost[:, columns.index(owner)], flag] = 1
        return out
    values = torch.from_numpy(cast("Any", rows)).to(clean.dtype)
    return torch.where(torch.isnan(values), clean, values)
