"""Audio proxies on (B, T) or {"waveform", "lengths"}: log-mel frames, then a small CNN or a DS-CNN."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from autonoise.proxies.front_end import LogMel
from autonoise.proxies.layers import apply_mask, channels_last, halved, masked_mean, scaled, unpack, valid_steps
from autonoise.types import Batch, InputSpec


class AudioProxy(nn.Module):
    """``front_end`` (log-mel), convolutional layers, the mean over the true frames, a linear ``classifier``.

    Input: samples in -1..1, (B, T), or a dict with ``waveform`` and ``lengths`` (B,); logits (B, classes).
    ``layers`` pairs each module with its stride along time. Padding does not change the logits.
    Raises DataError without a sample rate.
    """

    def __init__(self, spec: InputSpec, layers: Sequence[tuple[nn.Module, int]], width: int) -> None:
        super().__init__()
        self.front_end = LogMel(spec.sample_rate)
        self.layers = nn.ModuleList(layer for layer, _ in layers)
        self.strides = tuple(stride for _, stride in layers)
        self.classifier = nn.Linear(width, spec.classes)
        self.layers.apply(channels_last)

    def forward(self, batch: Batch) -> Tensor:
        waveform, lengths = unpack(batch, "waveform")
        x: Tensor = self.front_end(waveform, lengths)
        frames = None if lengths is None else self.front_end.frames(lengths)
        mask = valid_steps(frames, x)
        x = apply_mask(x, None if mask is None else mask[:, None])
        x = x.contiguous(memory_format=torch.channels_last)
        for layer, stride in zip(self.layers, self.strides, strict=True):
            x = F.relu(layer(x))
            frames = halved(frames, stride)
            mask = valid_steps(frames, x)
            x = apply_mask(x, None if mask is None else mask[:, None])
        logits: Tensor = self.classifier(masked_mean(x.mean(2), mask))
        return logits


def _layer(inputs: int, outputs: int, stride: int) -> tuple[nn.Module, int]:
    conv = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(outputs)), stride


def _separable(width: int, stride: int) -> tuple[nn.Module, int]:
    depthwise = nn.Conv2d(width, width, 3, stride, 1, groups=width, bias=False)
    pointwise = nn.Conv2d(width, width, 1, bias=False)
    norms = nn.BatchNorm2d(width), nn.BatchNorm2d(width)
    return nn.Sequential(depthwise, norms[0], nn.ReLU(), pointwise, norms[1]), stride


def log_mel_cnn(spec: InputSpec, size: float) -> nn.Module:
    """Four strided 3x3 convolutions of 16, 32, 64 and 64 channels."""
    widths = (1, *(scaled(width, size) for width in (16, 32, 64, 64)))
    layers = [_layer(a, b, stride) for a, b, stride in zip(widths, widths[1:], (2, 2, 2, 1), strict=False)]
    return AudioProxy(spec, layers, widths[-1])


def ds_cnn(spec: InputSpec, size: float) -> nn.Module:
    """A strided convolution and four depthwise separable ones (Zhang 2017, "Hello Edge")."""
    width = scaled(64, size)
    return AudioProxy(spec, [_layer(1, width, 2), *(_separable(width, stride) for stride in (2, 1, 1, 1))], width)


PROXIES: dict[str, Callable[[InputSpec, float], nn.Module]] = {"log_mel_cnn": log_mel_cnn, "ds_cnn": ds_cnn}
