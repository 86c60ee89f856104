"""Tabular proxies on preprocessed columns (B, D): an MLP to search with, a small FT-Transformer to check."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from autonoise.errors import DataError
from autonoise.proxies.layers import EncoderBlock, scaled
from autonoise.types import InputSpec


def _columns(spec: InputSpec) -> int:
    if len(spec.layout) != 1 or spec.layout[0] < 1:
        raise DataError(f"tabular proxies need a layout (D,) with D >= 1, but got {spec.layout}: flatten the rows")
    return spec.layout[0]


class MLP(nn.Module):
    """Hidden layers relu(norm(linear(x))) and a linear ``classifier``: (B, D) to logits (B, classes).

    Layer norm was as good as batch norm or better on two tables, and couples no rows.
    """

    def __init__(self, spec: InputSpec, *, width: int, layers: int = 2) -> None:
        super().__init__()
        inputs, hidden = _columns(spec), []
        for _ in range(layers):
            hidden += [nn.Linear(inputs, width), nn.LayerNorm(width), nn.ReLU()]
            inputs = width
        self.hidden = nn.Sequential(*hidden)
        self.classifier = nn.Linear(inputs, spec.classes)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.classifier(self.hidden(x))
        return logits


class FTTransformer(nn.Module):
    """One token per feature, a class token, pre-norm encoder blocks (Gorishniy 2021): (B, D) to (B, classes).

    Token of feature f: bias_f + sum over its columns c of x_c * weight_c. A number has one column, a category its
    one-hot columns. Raises DataError if ``spec.onehot`` names a column outside the layout.
    """

    def __init__(self, spec: InputSpec, *, width: int, heads: int = 4, blocks: int = 2) -> None:
        super().__init__()
        columns = _columns(spec)
        grouped = {column for group in spec.onehot for column in group}
        features = [*spec.onehot, *((column,) for column in range(columns) if column not in grouped)]
        if grouped and max(grouped) >= columns:
            raise DataError(f"one-hot column {max(grouped)} lies outside the {columns} columns: correct the spec")
        members = torch.zeros(len(features), columns)
        for index, group in enumerate(features):
            members[index, list(group)] = 1.0
        self.register_buffer("members", members, persistent=False)
        self.members: Tensor
        self.weight = nn.Parameter(torch.randn(columns, width) * width**-0.5)
        self.bias = nn.Parameter(torch.randn(len(features), width) * width**-0.5)
        self.class_token = nn.Parameter(torch.randn(1, 1, width) * width**-0.5)
        self.blocks = nn.Sequential(*(EncoderBlock(width, heads) for _ in range(blocks)))
        self.feature_norm = nn.LayerNorm(width)
        self.classifier = nn.Linear(width, spec.classes)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.members @ (x[..., None] * self.weight) + self.bias
        tokens = self.blocks(torch.cat((self.class_token.expand(len(x), -1, -1), tokens), 1))
        logits: Tensor = self.classifier(self.feature_norm(tokens[:, 0]))
        return logits


def mlp(spec: InputSpec, size: float) -> nn.Module:
    """Two hidden layers of 256."""
    return MLP(spec, width=scaled(256, size))


def ft_transformer(spec: InputSpec, size: float) -> nn.Module:
    """FT-Transformer with two blocks of width 64."""
    return FTTransformer(spec, width=scaled(64, size))


PROXIES: dict[str, Callable[[InputSpec, float], nn.Module]] = {"mlp": mlp, "ft_transformer": ft_transformer}
