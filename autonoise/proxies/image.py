"""Image proxies on (B, C, H, W): ResNet-8 to search with, WRN-16-2 to check that a policy transfers."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from autonoise.errors import DataError
from autonoise.proxies.layers import channels_last, scaled
from autonoise.types import InputSpec, Scale

SMALLEST_SIDE = 8


def _conv(inputs: int, outputs: int, stride: int = 1, kernel: int = 3) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut: relu(norm(conv(relu(norm(conv(x))))) + shortcut(x)) (He 2016)."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1, self.norm1 = _conv(inputs, outputs, stride), nn.BatchNorm2d(outputs)
        self.conv2, self.norm2 = _conv(outputs, outputs), nn.BatchNorm2d(outputs)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Sequential(_conv(inputs, outputs, stride, kernel=1), nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        out = self.norm2(self.conv2(F.relu(self.norm1(self.conv1(x)))))
        return F.relu(out + self.shortcut(x))


class PreActivationBlock(nn.Module):
    """The same with norms first: conv(relu(norm(conv(relu(norm(x)))))) + shortcut (Zagoruyko 2016)."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.norm1, self.conv1 = nn.BatchNorm2d(inputs), _conv(inputs, outputs, stride)
        self.norm2, self.conv2 = nn.BatchNorm2d(outputs), _conv(outputs, outputs)
        self.shortcut = _conv(inputs, outputs, stride, kernel=1) if stride != 1 or inputs != outputs else None

    def forward(self, x: Tensor) -> Tensor:
        activated = F.relu(self.norm1(x))
        short = x if self.shortcut is None else self.shortcut(activated)
        out: Tensor = self.conv2(F.relu(self.norm2(self.conv1(activated)))) + short
        return out


class ResNet(nn.Module):
    """Three stages of residual blocks, global average pooling and a linear ``classifier`` (He 2016).

    Input (B, C, H, W) in the scale of ``spec``, normalised inside; logits (B, classes). The stem brings pictures
    of 48 pixels and more to at most 32. From 16 pixels on, the first stage halves the map as well: on Fashion-MNIST
    that costs 2 instead of 5 s per epoch of 6,000 and gains two points. No map is made smaller than 4 x 4.
    Raises DataError for a layout that is not (C, H, W) with sides of at least 8.
    """

    def __init__(self, spec: InputSpec, *, stem: int, width: int, blocks: int, pre_activation: bool = False) -> None:
        super().__init__()
        if len(spec.layout) != 3 or min(spec.layout[1:]) < SMALLEST_SIDE:
            raise DataError(
                f"image proxies need a layout (C, H, W) with sides of at least {SMALLEST_SIDE}, "
                f"but got {spec.layout}: enlarge the images"
            )
        channels, *sides = spec.layout
        mean, std = _input_statistics(spec, channels)
        self.register_buffer("mean", mean)
        self.register_buffer("std", std)
        self.mean: Tensor
        self.std: Tensor
        side = min(sides)
        stem_stride = max(1, -(-side // 32)) if side >= 48 else 1
        side = -(-side // stem_stride)
        kernel = 3 if stem_stride <= 2 else 2 * stem_stride - 1
        self.stem = _conv(channels, stem, stem_stride, kernel)
        self.stem_norm = nn.Identity() if pre_activation else nn.Sequential(nn.BatchNorm2d(stem), nn.ReLU())
        block: Callable[[int, int, int], nn.Module] = PreActivationBlock if pre_activation else BasicBlock
        layers: list[nn.Module] = []
        inputs = stem
        for stage in range(3):
            outputs = width * 2**stage
            for index in range(blocks):
                stride = 2 if index == 0 and side >= (16 if stage == 0 else 7) else 1
                layers.append(block(inputs, outputs, stride))
                inputs, side = outputs, -(-side // stride)
        self.blocks = nn.Sequential(*layers)
        self.final_norm = nn.Sequential(nn.BatchNorm2d(inputs), nn.ReLU()) if pre_activation else nn.Identity()
        self.classifier = nn.Linear(inputs, spec.classes)
        self.apply(channels_last)

    def forward(self, x: Tensor) -> Tensor:
        x = ((x - self.mean) / self.std).contiguous(memory_format=torch.channels_last)
        x = self.final_norm(self.blocks(self.stem_norm(self.stem(x))))
        logits: Tensor = self.classifier(x.mean((2, 3)))
        return logits


def _input_statistics(spec: InputSpec, channels: int) -> tuple[Tensor, Tensor]:
    """Mean and std (1, C, 1, 1) in the numbers the batch comes in."""
    if spec.scale is Scale.STANDARDISED:
        return torch.zeros(1, channels, 1, 1), torch.ones(1, channels, 1, 1)
    unit = 255.0 if spec.scale is Scale.BYTE else 1.0
    mean, std = torch.tensor(spec.mean or (0.0,)), torch.tensor(spec.std or (1.0,))
    if not {len(mean), len(std)} <= {1, channels} or not bool((std > 0).all()):
        raise DataError(
            f"mean and std of an image input must have 1 or {channels} values and std > 0, "
            f"but got mean {spec.mean}, std {spec.std}: compute them per channel over the training pixels"
        )
    return (unit * mean.view(1, -1, 1, 1), unit * std.view(1, -1, 1, 1))


def resnet8(spec: InputSpec, size: float) -> nn.Module:
    """ResNet-8, 16 to 64 channels."""
    width = scaled(16, size)
    return ResNet(spec, stem=width, width=width, blocks=1)


def wrn_16_2(spec: InputSpec, size: float) -> nn.Module:
    """Wide ResNet 16-2, 32 to 128 channels."""
    return ResNet(spec, stem=scaled(16, size), width=scaled(32, size), blocks=2, pre_activation=True)


PROXIES: dict[str, Callable[[InputSpec, float], nn.Module]] = {"resnet8": resnet8, "wrn_16_2": wrn_16_2}
