"""How long each technique takes beside the fastest well-kept library that does the same, at the sizes people train at.

    pip install "autonoise[bench]"
    python benchmarks/throughput.py [--data image audio] [--only blur] [--turns 15] [--write]

Ours is ``injector.perturb`` with a policy of the one step, so that checks, clipping and everything else that a training
loop pays for is counted. A library gets a batch in the form that it likes best: kornia a batch of floats, albumentations
one picture of bytes (and one of floats) at a time, audiomentations, tsaug and nlpaug one NumPy array, one array of series
or one string at a time. Where no library has an operation, a few lines of NumPy, torch or Python that anybody would write
stand in for one.

All contestants of a technique take turns in one process, on one thread, and the medians of their processor time are
compared; the clock on the wall depends on what else the machine does.
"""

from __future__ import annotations

import argparse
import gc
import platform
import random
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from overhead import alone, processor
from throughput_libraries import contestants
from torch import Tensor, nn

import autonoise
from autonoise.injector.raw import RawTransform
from autonoise.policy import Policy, Step
from autonoise.space.space import SearchSpace
from autonoise.technique.parameters import parameters_of
from autonoise.technique.registry import techniques_for
from autonoise.types import DataType, InputSpec, Stage

RESULTS = Path(__file__).with_name("results") / "throughput.md"
WORDS = (
    "the quick brown fox jumps over a lazy dog while several quiet children watch from an old wooden bridge near town"
)
SIZES: dict[str, list[tuple[str, tuple[int, ...]]]] = {
    "image": [("64 x 3 x 32 x 32", (64, 3, 32, 32)), ("64 x 3 x 224 x 224", (64, 3, 224, 224))],
    "audio": [("64 clips of 2 s at 8 kHz", (64, 16_000)), ("64 clips of 2 s at 16 kHz", (64, 32_000))],
    "timeseries": [("64 x 3 x 256", (64, 3, 256)), ("64 x 1 x 1,000", (64, 1, 1000))],
    "text": [("64 strings of 20 words", (64,))],
    "tabular": [("256 x 40", (256, 40)), ("1,024 x 200", (1024, 200))],
}
"""The batches: what the table calls each of them, and its shape."""


class Anything(nn.Module):
    """A model that a policy can be attached to; it never runs."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.last = nn.Linear(1, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(x.flatten(1)[:, :1])


def data_for(data_type: str, shape: tuple[int, ...]) -> Any:
    """A batch in canonical units; images are pixels of 8 bits divided by 255, as most of them are."""
    rng = torch.Generator().manual_seed(0)
    if data_type == "text":
        return [WORDS] * shape[0]
    if data_type == "image":
        # smooth pictures with some texture: what a photograph costs, which white noise does not
        coarse = torch.rand((shape[0], shape[1], 8, 8), generator=rng)
        smooth = nn.functional.interpolate(coarse, shape[2:], mode="bicubic", align_corners=False)
        x = smooth + 0.03 * torch.randn(shape, generator=rng)
        return (x.clamp(0, 1) * 255).round() / 255
    x = torch.randn(shape, generator=rng)
    return (0.1 * x).clamp(-1, 1) if data_type == "audio" else x


def spec_for(data_type: str, shape: tuple[int, ...]) -> InputSpec:
    rate = shape[1] // 2 if data_type == "audio" else None
    numeric = tuple(range(shape[1])) if data_type == "tabular" else ()
    scale = "unit" if data_type in ("image", "audio") else "standardised"
    return InputSpec(
        data_type=DataType(data_type), layout=shape[1:], classes=10, sample_rate=rate, numeric=numeric, scale=scale
    )


def ours(step: Step, x: Any, spec: InputSpec) -> Callable[[], object]:
    """One call perturbs the batch as a training step would, and lets the result of the call before go."""
    policy = Policy(spec.data_type, (step,))
    if step.stage is Stage.RAW:
        transform = RawTransform(policy, epochs=1)
        rows = range(len(x))
        return lambda: transform.many(x, rows)
    y = torch.arange(len(x)) % spec.classes
    injector = policy.attach(Anything(spec.classes), epochs=1, steps_per_epoch=10**6, input=spec)
    kept: list[Any] = [None]

    def run() -> None:
        kept[0] = injector.perturb(x, y)
        injector.clock.update += 1
        injector.clock.micro = -1

    return run


def timed(run: Callable[[], object], times: int) -> float:
    start = time.process_time()
    for _ in range(times):
        run()
    return (time.process_time() - start) / times


def medians(runs: dict[str, Callable[[], object]], turns: int) -> dict[str, float]:
    """Median seconds of a call, by name. All take turns; a turn repeats quick calls until they take 5 ms."""
    times = {}
    for name, run in runs.items():
        run()
        times[name] = max(1, int(5e-3 / max(timed(run, 1), 1e-6)))
    measured: dict[str, list[float]] = {name: [] for name in runs}
    gc.collect()
    for turn in range(turns):
        for name in list(runs)[:: 1 if turn % 2 else -1]:
            measured[name].append(timed(runs[name], times[name]))
    return {name: statistics.median(m) for name, m in measured.items()}


def steps_of(data_type: str) -> dict[str, Step]:
    """Every technique that changes inputs, strings or pairs at the input, in the middle of its searched ranges."""
    space = SearchSpace.load(DataType(data_type))
    found = {}
    for kind in sorted(techniques_for(DataType(data_type)), key=lambda k: k.name):
        name = kind.name
        stages = (Stage.RAW,) if data_type == "text" else (Stage.INPUT, Stage.PAIR)
        if kind.stage not in stages or "clips" in parameters_of(kind):
            continue
        if name in space.techniques:
            (step,) = alone(space, name).steps
            found[name] = Step(step.technique, site="input" if kind.stage is Stage.PAIR else "")
        else:
            found[name] = Step(kind(), site="input" if kind.stage is Stage.PAIR else "")
    return found


def measure(data_type: str, turns: int, only: list[str] | None) -> tuple[list[str], list[tuple[float, str]]]:
    """The lines of one data type's table, and all ratios with what they are of."""
    lines = [
        f"## {data_type}",
        "",
        "| technique | batch | ours, us a row | fastest other, us a row | which | ours / fastest |",
        "|---|---|---:|---:|---|---:|",
    ]
    ratios = []
    for label, shape in SIZES[data_type]:
        x, spec = data_for(data_type, shape), spec_for(data_type, shape)
        for name, step in steps_of(data_type).items():
            if only and name not in only:
                continue
            others = contestants(name, step.technique, data_type, x, spec)
            random.seed(0)
            np.random.seed(0)
            found = medians({"ours": ours(step, x, spec), **others}, turns)
            us = {k: 1e6 * v / len(x) for k, v in found.items()}
            mine = us.pop("ours")
            if us:
                best = min(us, key=us.__getitem__)
                ratios.append((mine / us[best], f"{name}, {label}"))
                row = f"| {name} | {label} | {mine:,.1f} | {us[best]:,.1f} | {best} | {mine / us[best]:.2f} |"
            else:
                row = f"| {name} | {label} | {mine:,.1f} | | no library has it | |"
            lines.append(row)
            print(row, "  ", {k: round(v, 1) for k, v in us.items()}, flush=True)
    return lines, ratios


def summary(ratios: list[tuple[float, str]]) -> str:
    slower = sorted((r for r in ratios if r[0] > 1), reverse=True)
    told = "; ".join(f"{name} {ratio:.2f}" for ratio, name in slower) or "none"
    middle = statistics.median(r for r, _ in ratios)
    return f"Median of {len(ratios)} ratios: {middle:.2f}. Slower than the fastest other ({len(slower)}): {told}."


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", nargs="+", default=list(SIZES), choices=list(SIZES))
    parser.add_argument("--only", nargs="+", help="names of techniques")
    parser.add_argument("--turns", type=int, default=15, help="calls of each contestant, or rounds of quick calls")
    parser.add_argument("--write", action="store_true", help="write results/throughput.md")
    options = parser.parse_args()
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore")
    lines = [
        "# Time of each technique beside other libraries",
        "",
        f"Command: `python benchmarks/throughput.py {' '.join(sys.argv[1:])}`".strip(),
        f"Machine: {processor()}, one thread, torch {torch.__version__}, NumPy {np.__version__}, "
        f"Python {platform.python_version()}, autonoise {autonoise.__version__}.",
        "",
        *[line.strip() for line in (__doc__ or "").strip().splitlines()[5:]],
        "",
    ]
    everything = []
    for data_type in options.data:
        table, ratios = measure(data_type, options.turns, options.only)
        everything += ratios
        lines += [*table, "", summary(ratios) if ratios else "", ""]
        print(lines[-2], flush=True)
    lines += ["## All", "", summary(everything), ""]
    print(lines[-2], flush=True)
    if options.write:
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text("\n".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
