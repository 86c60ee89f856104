"""How much time a policy adds to a training step, side by side with plain training in one run.

    python benchmarks/overhead.py [--data image tabular] [--repeats 80] [--write]

Two copies of a proxy take turns, one plain step and one step under the policy, in alternating order; the figure is
the median over the pairs of (processor time with policy / processor time without) - 1.
Processor time of one thread, because other processes on the machine change the wall clock, but not that.
"""

from __future__ import annotations

import argparse
import copy
import gc
import math
import platform
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import autonoise
from autonoise.batches.rows import rows_in
from autonoise.data import Preparation, load, prepare, take
from autonoise.errors import AutonoiseError
from autonoise.policy import Policy, Step
from autonoise.proxies import build_proxy
from autonoise.space.dimension import Dimension
from autonoise.space.space import SearchSpace
from autonoise.technique.registry import get_technique
from autonoise.types import Batch, DataType, InputSpec, Stage

RESULTS = Path(__file__).with_name("results") / "overhead.md"
LEAST_STEP = 2e-3
BUILTIN = {
    "text": "toy_topics",
    "tabular": "breast_cancer",
    "timeseries": "cylinder_bell_funnel",
    "audio": "tone_words",
}
SIZES = {"image": 64, "text": 64, "tabular": 128, "timeseries": 64, "audio": 64}
COSTLY = (Stage.ADVERSARIAL, Stage.STEP)


@dataclass
class Bench:
    """One batch of a data type and a model big enough for steps of at least two milliseconds."""

    spec: InputSpec
    batch: Batch
    labels: Tensor
    model: nn.Module
    texts: list[str] | None = None
    preparation: Preparation | None = None
    plain_ms: float = 0.0


def bench_for(data_type: DataType) -> Bench:
    rng = torch.Generator().manual_seed(0)
    size = SIZES[data_type]
    texts, preparation = None, None
    if data_type is DataType.IMAGE:
        spec = InputSpec(data_type=data_type, layout=(3, 32, 32), classes=10)
        batch: Batch = torch.rand((size, *spec.layout), generator=rng)
        labels = torch.randint(10, (size,), generator=rng)
    else:
        data = load(BUILTIN[data_type])
        preparation = prepare(data, np.arange(len(data)))
        spec = preparation.spec
        rows = take(data.x, np.arange(size))
        texts = rows if isinstance(rows, list) else None
        batch, labels = preparation(rows), torch.from_numpy(data.y[:size])
    width = 1.0
    while True:
        bench = Bench(spec, batch, labels, build_proxy(spec, size=width), texts, preparation)
        run = plain(bench, raw=False)
        run()
        seconds = statistics.median(timed(run) for _ in range(25))
        if seconds >= LEAST_STEP:
            return replace(bench, plain_ms=1000 * seconds)
        width *= 1.3


def plain(bench: Bench, raw: bool) -> Callable[[], None]:
    """The usual training step; ``raw``: with the tokenizer in it, as where the texts change from epoch to epoch."""
    model = copy.deepcopy(bench.model).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)

    def step() -> None:
        batch = bench.preparation(bench.texts) if raw and bench.preparation and bench.texts else bench.batch
        optimizer.zero_grad(set_to_none=True)
        loss = F.cross_entropy(model(batch), bench.labels)
        loss.backward()
        optimizer.step()
        loss.detach()

    return step


def noisy(bench: Bench, policy: Policy) -> Callable[[], None]:
    """The same step under a policy."""
    model = copy.deepcopy(bench.model).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
    injector = policy.attach(model, epochs=1, steps_per_epoch=10**6, optimizer=optimizer, input=bench.spec)
    transform = injector.raw_transform() if policy.at_stage(Stage.RAW) else None
    indices = range(rows_in(bench.batch))

    def step() -> None:
        batch = bench.batch
        if transform is not None and bench.preparation and bench.texts:
            batch = bench.preparation(transform.many(bench.texts, indices))
        injector.training_step(batch, bench.labels, optimizer, rows=torch.arange(len(bench.labels)))

    return step


def timed(run: Callable[[], None]) -> float:
    start = time.process_time()
    run()
    return time.process_time() - start


def added(bench: Bench, policy: Policy, repeats: int) -> tuple[float, float, float]:
    """Added share of time: median of pairs, half their interquartile range; that of each side's fastest tenth."""
    a, b = plain(bench, bool(policy.at_stage(Stage.RAW))), noisy(bench, policy)
    for run in (a, b, a, b):
        run()
    ratios, noisy_times, plain_times = [], [], []
    gc.collect()
    for turn in range(repeats):
        if turn % 2:
            with_policy, without = timed(b), timed(a)
        else:
            without, with_policy = timed(a), timed(b)
        ratios.append(with_policy / without - 1)
        noisy_times.append(with_policy)
        plain_times.append(without)
    low, middle, high = statistics.quantiles(ratios, n=4)
    fastest = statistics.quantiles(noisy_times, n=10)[0] / statistics.quantiles(plain_times, n=10)[0] - 1
    return middle, (high - low) / 2, fastest


def middle_of(d: Dimension) -> object:
    """The middle of a dimension, geometric on a log scale; the first of some choices."""
    if d.choices:
        return d.choices[0]
    value = math.sqrt(d.low * d.high) if d.log else (d.low + d.high) / 2
    return round(value) if d.integer else value


def alone(space: SearchSpace, name: str) -> Policy:
    """A technique in the middle of its ranges, acting in every step."""
    values = {key: middle_of(d) for key, d in space.techniques[name].items() if key != "schedule"}
    probability, magnitude, site = (
        values.pop(k, v) for k, v in (("probability", 1.0), ("magnitude", "fixed"), ("site", ""))
    )
    step = Step(get_technique(name)(**values), probability, site=site, magnitude=magnitude)  # type: ignore[arg-type]
    return Policy(space.data_type, (step,), name=name)


def typical(space: SearchSpace, number: int) -> Iterator[Policy]:
    """Policies of three techniques of the space, drawn at random, none of them adversarial or multi-view."""
    rng = np.random.default_rng(0)
    cheap = [n for n in space.techniques if get_technique(n).stage not in COSTLY]
    while number:
        names = sorted(rng.choice(cheap, 3, replace=False))
        try:
            policy = Policy(space.data_type, tuple(s for n in names for s in alone(space, n).steps))
        except AutonoiseError:
            continue
        number -= 1
        yield replace(policy, name=" + ".join(s.name for s in policy.steps))


def measure(data_type: DataType, repeats: int, number: int, only: list[str] | None) -> list[str]:
    bench, space = bench_for(data_type), SearchSpace.load(data_type)
    policies = [Policy(data_type, name="(no technique)")]
    policies += [alone(space, n) for n in space.techniques if not only or n in only]
    policies += [] if only else typical(space, number)
    lines = [
        f"## {data_type}: a plain step takes {bench.plain_ms:.1f} ms",
        "",
        "| policy | stages | passes | added time | fastest tenth |",
        "|---|---|---:|---:|---:|",
    ]
    cheap = []
    for policy in policies:
        share, spread, quiet = added(bench, policy, repeats)
        if not any(s.stage in COSTLY for s in policy.steps):
            cheap.append(share)
        stages = ", ".join(dict.fromkeys(str(s.stage) for s in policy.steps))
        lines.append(f"| {policy.name} | {stages} | {policy.passes:g} | {share:+.1%} ± {spread:.1%} | {quiet:+.1%} |")
        print(lines[-1], flush=True)
    over = sum(share > 0.15 for share in cheap)
    lines += [
        "",
        f"Without adversarial and whole-step techniques: median {statistics.median(cheap):+.1%}, worst "
        f"{max(cheap):+.1%}, {over} of {len(cheap)} above 15 %.",
        "",
    ]
    print("\n".join(lines[-2:]), flush=True)
    return lines


def processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", nargs="+", default=list(DataType), choices=list(DataType))
    parser.add_argument("--only", nargs="+", help="names of techniques")
    parser.add_argument("--repeats", type=int, default=80, help="pairs of steps per policy")
    parser.add_argument("--typical", type=int, default=6, help="policies of three techniques per data type")
    parser.add_argument("--write", action="store_true", help="write results/overhead.md")
    options = parser.parse_args()
    torch.set_num_threads(1)
    lines = [
        "# Time that a policy adds to a training step",
        "",
        f"Command: `python benchmarks/overhead.py {' '.join(sys.argv[1:])}`".strip(),
        f"Machine: {processor()}, one thread, torch {torch.__version__}, Python {platform.python_version()}, "
        f"autonoise {autonoise.__version__}.",
        "",
        "Each technique alone, in the middle of its ranges in the search space, acting in every update; then "
        "policies of three techniques drawn at random. Median of interleaved pairs of steps, and half their "
        "interquartile range; the last column compares the fastest tenth of the steps of each side, which other "
        "processes on the machine disturbed least.",
        "",
    ]
    for data_type in options.data:
        lines += measure(DataType(data_type), options.repeats, options.typical, options.only)
        if options.write:
            RESULTS.parent.mkdir(exist_ok=True)
            RESULTS.write_text("\n".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
