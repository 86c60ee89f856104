"""Small batches and models of every data type, and comparing them bit for bit."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import torch
from torch import Generator, Tensor, nn

from autonoise.types import Batch, DataType, InputSpec, Scale

SIZE, CLASSES, VOCABULARY, LENGTH = 8, 3, 40, 12
"""Rows of a batch, classes, token ids of the vocabulary, tokens of a text."""

SPECS = {
    DataType.IMAGE: InputSpec(data_type=DataType.IMAGE, layout=(3, 12, 12)),
    DataType.TEXT: InputSpec(
        data_type=DataType.TEXT,
        layout=(LENGTH,),
        pad_id=0,
        unk_id=1,
        special_ids=(2, 3),
        mask_id=4,
        vocabulary_size=VOCABULARY,
    ),
    # columns: 3 numbers, a category of 3 and one of 2, a code, and flags of the first number and the first category
    DataType.TABULAR: InputSpec(
        data_type=DataType.TABULAR,
        layout=(11,),
        scale=Scale.STANDARDISED,
        numeric=(0, 1, 2),
        onehot=((3, 4, 5), (6, 7)),
        codes=(8,),
        flags=((9, 0), (10, 3)),
    ),
    DataType.TIMESERIES: InputSpec(data_type=DataType.TIMESERIES, layout=(2, 48), scale=Scale.STANDARDISED),
    DataType.AUDIO: InputSpec(data_type=DataType.AUDIO, layout=(800,), sample_rate=2000),
}


def tensor_batch(data_type: DataType, dtype: torch.dtype = torch.float32, seed: int = 0) -> Tensor:
    """A batch of SIZE rows as one tensor; the seed decides its content."""
    rng = Generator().manual_seed(seed)
    if data_type is DataType.IMAGE:
        return torch.rand(SIZE, 3, 12, 12, generator=rng).to(dtype)
    if data_type is DataType.TEXT:
        ids = torch.randint(5, VOCABULARY, (SIZE, LENGTH), generator=rng)
        ids[:, 0], ids[:, 6] = 2, 3
        ids[1:4, 7:] = 0
        return ids
    if data_type is DataType.TABULAR:
        x = torch.zeros(SIZE, 11)
        x[:, :3] = torch.randn(SIZE, 3, generator=rng)
        x[torch.arange(SIZE), 3 + torch.randint(3, (SIZE,), generator=rng)] = 1
        x[torch.arange(SIZE), 6 + torch.randint(2, (SIZE,), generator=rng)] = 1
        x[:, 8] = torch.randint(0, 6, (SIZE,), generator=rng).float()
        x[2, [0, 9]] = torch.tensor([0.0, 1.0])
        x[3, [3, 4, 5, 10]] = torch.tensor([0.0, 0.0, 0.0, 1.0])
        return x.to(dtype)
    if data_type is DataType.TIMESERIES:
        return torch.randn(SIZE, 2, 48, generator=rng).to(dtype)
    time = torch.arange(800) / 2000
    pitch = 100 + 400 * torch.rand(SIZE, 1, generator=rng)
    tone = 0.4 * torch.sin(2 * torch.pi * pitch * time) + 0.02 * torch.randn(SIZE, 800, generator=rng)
    return tone.clamp(-1, 1).to(dtype)


def dict_batch(data_type: DataType, dtype: torch.dtype = torch.float32, seed: int = 0) -> dict[str, Tensor]:
    """The same content as a dict, with what only a dict can say: masks, lengths, codes, missing values."""
    x = tensor_batch(data_type, dtype, seed)
    if data_type is DataType.IMAGE:
        return {"pixel_values": x}
    if data_type is DataType.TEXT:
        return {"input_ids": x, "attention_mask": (x != 0).long()}
    if data_type is DataType.TABULAR:
        numeric = x[:, :3].clone()
        numeric[1, 1] = numeric[4, 0] = torch.nan
        return {"numeric": numeric, "categorical": x[:, 8:9].long()}
    lengths = torch.tensor([x.shape[-1]] * (SIZE - 3) + [x.shape[-1] // 2] * 3)
    for row, length in enumerate(lengths.tolist()):
        x[row, ..., length:] = 0.25  # padding that is not 0 shows every touch
    if data_type is DataType.TIMESERIES:
        x[0, 1, 5:9] = torch.nan
        return {"series": x, "lengths": lengths}
    return {"waveform": x, "lengths": lengths}


def spec_of(data_type: DataType, batch: Batch) -> InputSpec:
    """What describes such a batch: a table as a dict has its numbers and its codes in tensors of their own."""
    if data_type is DataType.TABULAR and isinstance(batch, dict):
        return InputSpec(data_type=data_type, layout=(4,), scale=Scale.STANDARDISED, numeric=(0, 1, 2), codes=(3,))
    return SPECS[data_type]


def targets(seed: int = 0) -> Tensor:
    """Class indices (SIZE,)."""
    return torch.randint(CLASSES, (SIZE,), generator=Generator().manual_seed(100 + seed))


class Residual(nn.Module):
    """x + branch(x), for techniques that act on residual branches."""

    def __init__(self, branch: nn.Module) -> None:
        super().__init__()
        self.branch = branch

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.branch(x)
        return out


class Neighbours(nn.Module):
    """A convolution over tokens (B, L, E), so that each state sees its context."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv1d(width, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.conv(x.transpose(1, 2)).transpose(1, 2).relu()
        return out


class FrontEnd(nn.Module):
    """Frames of a waveform as (B, F, T), as a log spectrogram would be."""

    def __init__(self) -> None:
        super().__init__()
        self.filters = nn.Conv1d(1, 8, 64, stride=32)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.filters(x[:, None]).square().add(1e-3).log()
        return out


class Model(nn.Module):
    """Norms, a residual branch and a linear classifier, for tensors and dicts of one data type."""

    def __init__(self, data_type: DataType, batch: Batch) -> None:
        super().__init__()
        self.data_type = data_type
        width = 8
        if data_type is DataType.TEXT:
            self.embedding = nn.Embedding(VOCABULARY, width, padding_idx=0)
        if data_type is DataType.AUDIO:
            self.front_end = FrontEnd()
        if data_type in (DataType.TEXT, DataType.TABULAR):
            columns = 4 if isinstance(batch, dict) else 11
            self.first: nn.Module = nn.Linear(width if data_type is DataType.TEXT else columns, width)
            self.norm: nn.Module = nn.LayerNorm(width)
            linear = nn.Sequential(nn.Linear(width, width), nn.ReLU())
            self.block = Residual(Neighbours(width) if data_type is DataType.TEXT else linear)
        elif data_type is DataType.IMAGE:
            self.first, self.norm = nn.Conv2d(3, width, 3, padding=1), nn.BatchNorm2d(width)
            self.block = Residual(nn.Sequential(nn.Conv2d(width, width, 3, padding=1), nn.ReLU()))
        else:
            channels = 2 if data_type is DataType.TIMESERIES else 8
            self.first, self.norm = nn.Conv1d(channels, width, 3, padding=1), nn.BatchNorm1d(width)
            self.block = Residual(nn.Sequential(nn.Conv1d(width, width, 3, padding=1), nn.ReLU()))
        self.head = nn.Linear(width, CLASSES)

    def forward(self, batch: Batch) -> Tensor:
        x = batch
        if isinstance(batch, dict):
            x = next(v for k, v in batch.items() if k not in ("attention_mask", "lengths", "categorical"))
            if "categorical" in batch:
                x = torch.cat([x, batch["categorical"].to(x.dtype)], dim=1)
        assert isinstance(x, Tensor)
        if self.data_type is DataType.TEXT:
            mask = (batch["attention_mask"] if isinstance(batch, dict) else x != 0)[..., None]
            h = self.block(self.norm(self.first(self.embedding(x)))) * mask
            logits: Tensor = self.head(h.sum(1) / mask.sum(1).clamp(min=1))
            return logits
        x = torch.nan_to_num(x)
        x = self.front_end(x) if self.data_type is DataType.AUDIO else x
        h = self.block(self.norm(self.first(x)))
        out: Tensor = self.head(h.flatten(2).mean(2) if h.ndim > 2 else h)
        return out


@lru_cache(maxsize=64)
def _fresh(data_type: DataType, is_dict: bool) -> Model:
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)  # of the CPU alone, which the fork gives back
        return Model(data_type, {} if is_dict else torch.empty(0))


def model_for(data_type: DataType, batch: Batch, dtype: torch.dtype = torch.float32) -> Model:
    """A small model in training mode for such batches; the same weights each time."""
    return copy.deepcopy(_fresh(data_type, isinstance(batch, dict))).to(dtype).train()


def clone(batch: Any) -> Any:
    """A copy of a tensor, or of each tensor of a dict."""
    return {k: v.clone() for k, v in batch.items()} if isinstance(batch, dict) else batch.clone()


def leaves(value: Any) -> Iterator[Tensor]:
    """The tensors in nested dicts, lists and dataclasses' dicts, in a fixed order."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, dict):
        for key in sorted(value, key=str):
            yield from leaves(value[key])
    elif isinstance(value, list | tuple):
        for item in value:
            yield from leaves(item)


def same(a: Any, b: Any) -> bool:
    """Bit for bit, missing values equal to missing values."""
    xs, ys = list(leaves(a)), list(leaves(b))
    return len(xs) == len(ys) and all(
        x.shape == y.shape and x.dtype == y.dtype and torch.equal(_bits(x), _bits(y)) for x, y in zip(xs, ys)
    )


def _bits(x: Tensor) -> Tensor:
    return torch.nan_to_num(x, nan=1234.5) if x.is_floating_point() else x
