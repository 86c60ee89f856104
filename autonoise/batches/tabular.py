"""Table batches (B, D), or a dict of numeric (B, N) and integer-coded categorical (B, K) columns."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar

import torch
from torch import Generator, Tensor

from autonoise.batches.base import BatchAdapter, entry, few, known_values, log, standardise
from autonoise.batches.columns import by_names, few_names, infer_columns, not_one_hot
from autonoise.batches.mappings import rebuilt
from autonoise.batches.timeseries import moments, plausible
from autonoise.errors import AttachError
from autonoise.ops.devices import constant, on_device
from autonoise.types import Batch, BatchInfo, DataType, InputSpec, Scale

_DESCRIBE = (
    "describe the columns, attach(..., input=InputSpec(data_type='tabular', layout=(D,), numeric=, onehot=, ...))"
)


class Adapter(BatchAdapter):
    data_type: ClassVar[DataType] = DataType.TABULAR
    keys: ClassVar[tuple[str, ...]] = ("numeric", "x")
    ranks: ClassVar[tuple[int, ...]] = (2,)
    shape_words: ClassVar[str] = "(B, D)"

    def __init__(self) -> None:
        super().__init__()
        self.names: tuple[str, ...] = ()
        """Names of the columns; a batch may be a mapping from them to columns (B,) or (B, 1)."""

    def complete(self, given: InputSpec | None, known: InputSpec | None) -> InputSpec | None:
        """A description that only names the columns, and so their order, gets the rest from the policy's."""
        roles = given is not None and (given.numeric or given.onehot or given.codes or given.flags)
        nothing = InputSpec(data_type=self.data_type, layout=())
        if given is not None and given.names and not roles:
            by_name = by_names(given.names, known or nothing)
            self.names = by_name.names
            return by_name
        self.names = (given or known or nothing).names
        return None

    def main(self, batch: Batch) -> Tensor:
        if isinstance(batch, Tensor):
            return batch
        named = self._named(batch)
        if named is not None:
            wide = functools.reduce(torch.promote_types, (c.dtype for c in named), torch.float32)
            return torch.stack([c.reshape(len(c)).to(wide) for c in named], dim=1)
        codes = entry(batch, "categorical")
        if codes is not None:
            numeric = entry(batch, "numeric")
            numeric = codes.new_zeros((codes.shape[0], 0), dtype=torch.float32) if numeric is None else numeric
            # in half precision codes above 256 would become their neighbours
            wide = torch.promote_types(numeric.dtype, torch.float32)
            return torch.cat([numeric.to(wide), codes.to(wide)], dim=1)
        return super().main(batch)

    def _named(self, batch: Batch) -> list[Tensor] | None:
        """The columns of a batch that is a mapping by their names, in the order of the description."""
        if isinstance(batch, Tensor) or not isinstance(batch, Mapping) or not self.names:
            return None
        if any(key in batch for key in ("categorical", *self.keys) if key not in self.names):
            return None
        columns = [entry(batch, n) for n in self.names]
        found = [c for c in columns if c is not None]
        if len(found) < len(columns):
            absent = [n for n, c in zip(self.names, columns, strict=True) if c is None]
            raise AttachError(
                f"the batch has no column {few_names(absent)}, which the description names: give all, or a tensor"
            )
        wrong = next((n for n, c in zip(self.names, found, strict=True) if c.numel() != len(found[0])), None)
        if wrong is not None:
            raise AttachError(f"the column {wrong!r:.60} of the batch must be (B,) or (B, 1), as the others are")
        return found

    def replace(self, batch: Batch, main: Tensor) -> Batch:
        named = self._named(batch)
        if named is not None and isinstance(batch, Mapping):
            new = {}
            for n, column, values in zip(self.names, named, main.unbind(1), strict=True):
                whole = values if column.is_floating_point() else values.round()
                new[n] = whole.to(column.dtype).reshape(column.shape)
            return rebuilt(batch, new)
        if isinstance(batch, Mapping) and "categorical" in batch:
            width = batch["numeric"].shape[1] if "numeric" in batch else 0
            codes = main[:, width:].round().to(batch["categorical"].dtype)
            numeric = {"numeric": main[:, :width].to(batch["numeric"].dtype)} if "numeric" in batch else {}
            return rebuilt(batch, {**numeric, "categorical": codes})
        return super().replace(batch, main)

    def fixed(self, x: Tensor) -> int | None:
        return x.shape[1]

    def fit(self, batch: Batch, spec: InputSpec, *, explicit: bool) -> InputSpec:
        x = self.main(batch)
        columns = x.shape[1]
        described = {*spec.numeric, *spec.codes, *(c for g in spec.onehot for c in g), *(f for f, _ in spec.flags)}
        if explicit:
            if described and max(described) >= columns:
                raise AttachError(
                    f"the input describes column {max(described)}, but the first batch has {columns} columns: "
                    f"correct numeric, onehot, codes and flags in input="
                )
            wrong = not_one_hot(x, spec)
            if wrong:
                raise AttachError(f"{wrong}, unlike input= says: correct its onehot and flags, or its names")
            return spec
        if isinstance(batch, Mapping) and "categorical" in batch:
            width = columns - batch["categorical"].shape[1]
            flags = [c for c in range(width) if bool(((x[:, c] == 0) | (x[:, c] == 1)).all())]
            if flags:
                log.warning(
                    "columns %s of 'numeric' hold 0 and 1 alone: taken as flags, which get no noise of numbers; if "
                    "they are numbers, say so by numeric= in attach(..., input=InputSpec(...))",
                    ", ".join(map(str, flags)),
                )
            spec = replace(
                spec,
                layout=(columns,),
                numeric=tuple(c for c in range(width) if c not in flags),
                codes=tuple(range(width, columns)),
                onehot=tuple((c,) for c in flags),
                names=(),
                flags=(),
                scale=Scale.STANDARDISED,
                mean=(),
                std=(),
            )
        elif spec.layout == (columns,) and spec.names and (wrong := not_one_hot(x, spec)):
            raise AttachError(
                f"the batch has as many columns as the policy's table, but not in its order, since {wrong}: give their "
                f"names, attach(..., input=InputSpec(data_type='tabular', layout=({columns},), names=[...])), or "
                f"describe numeric=, onehot=, codes= and flags= there"
            )
        elif spec.layout != (columns,) or not_one_hot(x, spec):
            spec = infer_columns(x, spec)
            log.warning(
                "the columns are not those of the search: took %d as numeric and %d groups as one-hot",
                len(spec.numeric),
                len(spec.onehot),
            )
        numeric = x[:, list(spec.numeric)].float() if spec.numeric else x[:, :0].float()
        if spec.numeric and not plausible(numeric, (0,)):
            raw = replace(spec, scale=Scale.UNIT)
            own = standardise(numeric, raw, numeric.shape[1], (-1,))
            searched = own is not None and len(spec.mean) == len(spec.std) == numeric.shape[1]
            if own is not None and searched and plausible(own[0] * numeric + own[1], (0,)):
                log.warning("numeric columns look raw; strengths are in the searched data's standard deviations")
                return raw
            mean, std = moments(numeric, (0,))
            log.warning(
                "numeric columns are not standardised (first batch: mean %s, std %s); strengths are in those standard "
                "deviations; say scale=, mean= and std= in attach(..., input=InputSpec(...)) where you know them",
                few(mean),
                few(std),
            )
            return replace(raw, mean=mean, std=std)
        return replace(spec, scale=Scale.STANDARDISED)

    def recheck(self, batch: Batch, spec: InputSpec) -> None:
        wrong = not_one_hot(self.main(batch), spec)
        if wrong:
            raise AttachError(f"{wrong} in this batch, unlike in the first: {_DESCRIBE}")

    def affine(self, x: Tensor, spec: InputSpec) -> tuple[Tensor, Tensor] | None:
        pair = standardise(x, spec, len(spec.numeric), (-1,)) if spec.numeric else None
        if pair is None:
            return None
        factor, shift = x.new_ones(x.shape[1]), x.new_zeros(x.shape[1])
        index = constant(tuple(spec.numeric), torch.long, x.device)
        factor[index], shift[index] = pair[0].to(x.dtype), pair[1].to(x.dtype)
        return factor, shift

    def open(self, batch: Batch, spec: InputSpec) -> tuple[Tensor, BatchInfo]:
        x, _ = super().open(batch, spec)
        feature, categorical = _columns(spec, x.shape[1], x.device)
        return x, BatchInfo(spec=spec, valid=known_values(x), feature_of=feature, categorical=categorical)

    def code_columns(self, spec: InputSpec, x: Tensor) -> Tensor | None:
        if not spec.codes:
            return None
        # a flag that says "missing" goes with its code
        whole = {*spec.codes, *(flag for flag, owner in spec.flags if owner in spec.codes)}
        return constant(tuple(c in whole for c in range(x.shape[1])), torch.bool, x.device)

    def synthetic(self, spec: InputSpec, size: int, rng: Generator) -> Batch:
        width = spec.layout[0]
        x = torch.zeros(size, width)
        for column in spec.numeric:
            x[:, column] = torch.randn(size, generator=rng)
        for group in spec.onehot:
            chosen = torch.randint(len(group), (size,), generator=rng)
            x[torch.arange(size), torch.tensor(group)[chosen]] = 1
        return x


@functools.lru_cache(maxsize=16)
def _columns(spec: InputSpec, width: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """(the feature of each column, which columns hold categories), kept for the next batches."""
    feature = torch.full((width,), -1, dtype=torch.long)
    categorical = torch.zeros(width, dtype=torch.bool)
    groups = [(c,) for c in spec.numeric] + [(c,) for c in spec.codes] + list(spec.onehot)
    for index, group in enumerate(groups):
        feature[list(group)] = index
    for column in (*spec.codes, *(c for g in spec.onehot for c in g)):
        categorical[column] = True
    for flag, owner in spec.flags:
        feature[flag] = feature[owner]
    return on_device(feature, device), on_device(categorical, device)
