"""Table batches (B, D), or a dict of numeric (B, N) and integer-coded categorical (B, K) columns."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar

import torch
from torch import Generator, Tensor

from autonoise.batches.base import BatchAdapter, entry, few, known_values, log, standardise
from autonoise.batches.mappings import rebuilt
from autonoise.batches.timeseries import moments, plausible
from autonoise.errors import AttachError
from autonoise.types import Batch, BatchInfo, DataType, InputSpec, Scale


class Adapter(BatchAdapter):
    data_type: ClassVar[DataType] = DataType.TABULAR
    keys: ClassVar[tuple[str, ...]] = ("numeric", "x")
    ranks: ClassVar[tuple[int, ...]] = (2,)
    shape_words: ClassVar[str] = "(B, D)"

    def main(self, batch: Batch) -> Tensor:
        codes = entry(batch, "categorical")
        if codes is not None:
            numeric = entry(batch, "numeric")
            numeric = codes.new_zeros((codes.shape[0], 0), dtype=torch.float32) if numeric is None else numeric
            # in half precision codes above 256 would become their neighbours
            wide = torch.promote_types(numeric.dtype, torch.float32)
            return torch.cat([numeric.to(wide), codes.to(wide)], dim=1)
        return super().main(batch)

    def replace(self, batch: Batch, main: Tensor) -> Batch:
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
            return spec
        if isinstance(batch, Mapping) and "categorical" in batch:
            width = columns - batch["categorical"].shape[1]
            spec = replace(
                spec,
                layout=(columns,),
                numeric=tuple(range(width)),
                codes=tuple(range(width, columns)),
                onehot=(),
                flags=(),
                scale=Scale.STANDARDISED,
                mean=(),
                std=(),
            )
        elif spec.layout != (columns,) or not self._holds(x, spec):
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

    @staticmethod
    def _holds(x: Tensor, spec: InputSpec) -> bool:
        binary = [c for g in spec.onehot for c in g] + [f for f, _ in spec.flags]
        part = x[:, binary] if binary else x[:, :0]
        return bool(((part == 0) | (part == 1)).all())

    def affine(self, x: Tensor, spec: InputSpec) -> tuple[Tensor, Tensor] | None:
        pair = standardise(x, spec, len(spec.numeric), (-1,)) if spec.numeric else None
        if pair is None:
            return None
        factor, shift = x.new_ones(x.shape[1]), x.new_zeros(x.shape[1])
        index = torch.tensor(spec.numeric, device=x.device)
        factor[index], shift[index] = pair[0].to(x.dtype), pair[1].to(x.dtype)
        return factor, shift

    def open(self, batch: Batch, spec: InputSpec) -> tuple[Tensor, BatchInfo]:
        x, _ = super().open(batch, spec)
        feature, categorical = _columns(spec, x.shape[1])
        return x, BatchInfo(
            spec=spec, valid=known_values(x), feature_of=feature.to(x.device), categorical=categorical.to(x.device)
        )

    def code_columns(self, spec: InputSpec, x: Tensor) -> Tensor | None:
        if not spec.codes:
            return None
        mask = torch.zeros(x.shape[1], dtype=torch.bool, device=x.device)
        # a flag that says "missing" goes with its code
        mask[[*spec.codes, *(flag for flag, owner in spec.flags if owner in spec.codes)]] = True
        return mask

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
def _columns(spec: InputSpec, width: int) -> tuple[Tensor, Tensor]:
    feature = torch.full((width,), -1, dtype=torch.long)
    categorical = torch.zeros(width, dtype=torch.bool)
    groups = [(c,) for c in spec.numeric] + [(c,) for c in spec.codes] + list(spec.onehot)
    for index, group in enumerate(groups):
        feature[list(group)] = index
    for column in (*spec.codes, *(c for g in spec.onehot for c in g)):
        categorical[column] = True
    for flag, owner in spec.flags:
        feature[flag] = feature[owner]
    return feature, categorical


def infer_columns(x: Tensor, spec: InputSpec) -> InputSpec:
    """Guess the columns of a float table from one batch: runs of 0/1 columns of which at most one is set are
    one-hot groups, everything else is numeric.
    """
    binary = ((x == 0) | (x == 1)).all(0).tolist()
    groups: list[tuple[int, ...]] = []
    run: list[int] = []
    for column in range(x.shape[1]):
        if not binary[column] or (run and bool((x[:, [*run, column]].sum(1) > 1).any())):
            groups += [tuple(run)] if run else []
            run = []
        if binary[column]:
            run.append(column)
    groups += [tuple(run)] if run else []
    numeric = tuple(c for c in range(x.shape[1]) if not binary[c])
    return replace(
        spec,
        layout=(x.shape[1],),
        numeric=numeric,
        onehot=tuple(groups),
        codes=(),
        flags=(),
        scale=Scale.STANDARDISED,
        mean=(),
        std=(),
    )
