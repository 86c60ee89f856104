"""A ResNet-18 trained plainly and under a policy in turns, and the clock of a GPU, for step_cost_gpu.py."""

from __future__ import annotations

import copy
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from autonoise.policy import Policy
from autonoise.types import InputSpec

STEPS = 4
"""Steps of a turn."""


class Block(nn.Module):
    """Two convolutions beside a shortcut, as in He et al. 2016."""

    def __init__(self, given: int, made: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(given, made, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(made)
        self.conv2 = nn.Conv2d(made, made, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(made)
        self.downsample: nn.Module = nn.Identity()
        if stride > 1 or given != made:
            self.downsample = nn.Sequential(nn.Conv2d(given, made, 1, stride, bias=False), nn.BatchNorm2d(made))

    def forward(self, x: Tensor) -> Tensor:
        h = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(h)) + self.downsample(x))


def resnet18(classes: int) -> nn.Module:
    """torchvision's where it is installed, else the same by hand."""
    try:
        from torchvision.models import resnet18 as theirs
    except ImportError:
        stages = [Block(g, m, s) for g, m, s in ((64, 64, 1), (64, 64, 1), (64, 128, 2), (128, 128, 1))]
        stages += [Block(g, m, s) for g, m, s in ((128, 256, 2), (256, 256, 1), (256, 512, 2), (512, 512, 1))]
        stem = [nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(3, 2, 1)]
        return nn.Sequential(*stem, *stages, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, classes))
    return theirs(num_classes=classes)


class Clock:
    """Times of stretches of work on the device, read after all of it is done."""

    def __init__(self, device: torch.device) -> None:
        self._gpu = device.type == "cuda"
        self._marks: dict[str, list[tuple[object, object]]] = {}

    def _now(self) -> object:
        if not self._gpu:
            return time.perf_counter()
        event = torch.cuda.Event(enable_timing=True)
        event.record()
        return event

    def run(self, name: str, work: Callable[[], object], times: int = 1) -> None:
        start = self._now()
        for _ in range(times):
            work()
        self._marks.setdefault(name, []).append((start, self._now()))

    def milliseconds(self, name: str) -> list[float]:
        if self._gpu:
            torch.cuda.synchronize()
            return [a.elapsed_time(b) for a, b in self._marks[name]]  # type: ignore[attr-defined]
        return [1000 * (b - a) for a, b in self._marks[name]]  # type: ignore[operator]


@dataclass
class Bench:
    device: torch.device
    batch: int
    size: int
    turns: int
    x: Tensor = field(init=False)
    y: Tensor = field(init=False)
    spec: InputSpec = field(init=False)
    plain_ms: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        rng = torch.Generator().manual_seed(0)
        self.spec = InputSpec(data_type="image", layout=(3, self.size, self.size), classes=10)
        coarse = torch.rand((self.batch, 3, 8, 8), generator=rng)
        smooth = F.interpolate(coarse, (self.size, self.size), mode="bicubic", align_corners=False)
        x = (smooth + 0.03 * torch.randn(smooth.shape, generator=rng)).clamp(0, 1)
        self.x = x.to(self.device, memory_format=torch.channels_last)
        self.y = (torch.arange(self.batch) % 10).to(self.device)
        torch.manual_seed(0)
        made = resnet18(10).to(self.device, memory_format=torch.channels_last).train()
        self.models = made, copy.deepcopy(made)
        self.optimizers = [torch.optim.SGD(m.parameters(), lr=1e-4, momentum=0.9) for m in self.models]
        for _ in range(5):
            self.plain()
        self.wait()

    def wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize()

    def plain(self) -> None:
        model, optimizer = self.models[0], self.optimizers[0]
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast(self.device.type, dtype=torch.bfloat16):
            loss = F.cross_entropy(model(self.x), self.y)
        loss.backward()
        optimizer.step()

    def share(self, policy: Policy) -> tuple[float, float]:
        """(median of pairs of turns, half their interquartile range) of the cost of a step under a policy."""
        model, optimizer = self.models[1], self.optimizers[1]
        injector = policy.attach(model, epochs=1, steps_per_epoch=10**6, optimizer=optimizer, input=self.spec)
        rows = torch.arange(self.batch)

        def whole() -> None:
            with torch.autocast(self.device.type, dtype=torch.bfloat16):
                injector.training_step(self.x, self.y, optimizer, rows=rows)

        def three_lines() -> None:
            x, y = injector.perturb(self.x, self.y, rows=rows)
            optimizer.zero_grad(set_to_none=True)
            with torch.autocast(self.device.type, dtype=torch.bfloat16):
                loss = injector.loss(model(x), y)
            loss.backward()
            optimizer.step()
            injector.step()

        noisy = whole if policy.needs_whole_step else three_lines
        try:
            for _ in range(2):
                noisy()
            # the first batches are looked at more closely
            injector.clock.update = 100
            noisy()
            self.plain()
            self.wait()
            clock = Clock(self.device)
            for turn in range(self.turns):
                for name, work in (("plain", self.plain), ("noisy", noisy))[:: 1 if turn % 2 else -1]:
                    clock.run(name, work, STEPS)
            plain, times = clock.milliseconds("plain"), clock.milliseconds("noisy")
        finally:
            injector.detach()
        self.plain_ms += [p / STEPS for p in plain]
        ratios = [n / p for n, p in zip(times, plain, strict=True)]
        low, middle, high = statistics.quantiles(ratios, n=4) if len(ratios) > 1 else ratios * 3
        return middle, (high - low) / 2
