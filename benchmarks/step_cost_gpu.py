"""What a training step costs on a GPU with each policy for images, and with each technique alone.

    python benchmarks/step_cost_gpu.py [--device cuda] [--size 224] [--batch 64] [--turns 12] [--budget 100] [--write]

The step is that of a ResNet-18 on 64 x 3 x 224 x 224 under autocast to bfloat16, with channels last. Two copies of the
model take turns of a few steps each, one trained plainly, one under the policy, in alternating order. The GPU's own
clock measures (events in its queue), and nothing waits for it before all turns are over. The figure is the median over
the pairs of turns of (time with the policy / time without).

A second table has what ``injector.perturb`` takes by itself: on the GPU, and of the thread that gives the GPU its work.
Where both are about as long, the GPU is waiting for its work rather than working.
"""

from __future__ import annotations

import argparse
import logging
import platform
import statistics
import sys
import time
import warnings
from pathlib import Path

import torch
from gpu_bench import STEPS, Bench, Clock
from overhead import COSTLY, alone, processor
from torch import Tensor, nn

import autonoise
from autonoise.errors import AutonoiseError
from autonoise.policy import Policy, Step, load_policy
from autonoise.policy.shipped import shipped
from autonoise.space.space import SearchSpace
from autonoise.technique.registry import techniques_for
from autonoise.types import DataType, InputSpec, Stage

RESULTS = Path(__file__).with_name("results") / "step_cost_gpu.md"
SHAPES = {"image": (3, 224, 224), "audio": (32_000,), "timeseries": (3, 256), "tabular": (200,)}


class Anything(nn.Module):
    """A model that a policy can be attached to; it never runs."""

    def __init__(self) -> None:
        super().__init__()
        self.last = nn.Linear(1, 10)


def perturbing(step: Step, x: Tensor, y: Tensor, spec: InputSpec, turns: int) -> tuple[float, float]:
    """(milliseconds on the device, milliseconds of the calling thread) of one ``perturb``, medians."""
    device, calls = x.device, 5
    policy = Policy(spec.data_type, (step,))
    injector = policy.attach(Anything().to(device), epochs=1, steps_per_epoch=10**6, input=spec)

    def work() -> None:
        injector.perturb(x, y)
        injector.clock.update += 1
        injector.clock.micro = -1

    for _ in range(2):
        work()
    injector.clock.update = 100
    work()
    clock, host = Clock(device), []
    for _ in range(turns):
        if device.type == "cuda":
            torch.cuda.synchronize()
        start = time.perf_counter()
        clock.run("it", work, calls)
        host.append(1000 * (time.perf_counter() - start) / calls)
    return statistics.median(clock.milliseconds("it")) / calls, statistics.median(host)


def middles(data_type: str, only: list[str] | None) -> dict[str, Policy]:
    """Each technique of a data type in the middle of its ranges, alone."""
    space, found = SearchSpace.load(DataType(data_type)), {}
    for kind in sorted(techniques_for(DataType(data_type)), key=lambda k: k.name):
        if only and kind.name not in only:
            continue
        if kind.stage is not Stage.RAW and not getattr(kind, "pretrains", False):
            in_space = kind.name in space.techniques
            found[kind.name] = (
                alone(space, kind.name) if in_space else Policy(DataType(data_type), (Step(kind()),), name=kind.name)
            )
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--size", type=int, default=224, help="height and width of the images")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--turns", type=int, default=12, help="pairs of turns for each policy")
    parser.add_argument("--only", nargs="+", help="names of techniques")
    parser.add_argument("--budget", type=float, default=100.0, help="seconds in all; what is left then is left out")
    parser.add_argument("--write", action="store_true", help=f"write results/{RESULTS.name}")
    parser.add_argument("--out", type=Path, help="write there instead")
    options = parser.parse_args()
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")
    began, device = time.monotonic(), torch.device(options.device)
    if device.type == "cuda":
        torch.backends.cudnn.benchmark = True
    bench = Bench(device, options.batch, options.size, options.turns)
    card = torch.cuda.get_device_name(device) if device.type == "cuda" else "no GPU"
    out = options.out or (RESULTS if options.write else None)
    head = [
        "# What a step costs on a GPU",
        "",
        f"Command: `python benchmarks/step_cost_gpu.py {' '.join(sys.argv[1:])}`".strip(),
        f"Machine: {card}, {processor()}, torch {torch.__version__}, Python {platform.python_version()}, "
        f"autonoise {autonoise.__version__}.",
        "",
        f"ResNet-18, {options.batch} x 3 x {options.size} x {options.size}, autocast to bfloat16, channels last. Median "
        f"of {options.turns} interleaved pairs of turns of {STEPS} steps, time with the policy / time without, and half "
        "their interquartile range.",
        "",
    ]
    policies: dict[str, Policy] = {}
    for name, one in shipped().items():
        if one.data_type is DataType.IMAGE and load_policy(name).steps:
            policies[name] = load_policy(name)
    lines: list[str] = []

    def add(table: list[str]) -> None:
        """Written after each table, so that a run that is stopped leaves what it has."""
        lines.extend(table)
        if out is not None:
            median = statistics.median(bench.plain_ms) if bench.plain_ms else 0.0
            out.parent.mkdir(exist_ok=True)
            text = [*head, f"A plain step takes {median:.2f} ms.", "", *lines, ""]
            out.write_text("\n".join(text), encoding="utf-8")

    add(_steps(bench, "Policies that come with autonoise", policies, began + options.budget, sort=False))
    alone_title = "Each technique alone, in the middle of its searched range, in every step"
    # the rest of the time is for perturb by itself
    add(_steps(bench, alone_title, middles("image", options.only), began + 0.75 * options.budget))
    for data_type, shape in SHAPES.items():
        shape = (3, options.size, options.size) if data_type == "image" else shape
        add(_perturbs(bench, middles(data_type, options.only), data_type, shape, began + options.budget))
    print(f"{time.monotonic() - began:.0f} s in all")


def _steps(bench: Bench, title: str, policies: dict[str, Policy], until: float, *, sort: bool = True) -> list[str]:
    measured, failed = [], []
    for name, policy in policies.items():
        if time.monotonic() > until:
            failed.append(f"{name}: no time was left")
            continue
        try:
            cost, spread = bench.share(policy)
        except (AutonoiseError, RuntimeError) as e:
            failed.append(f"{name}: {str(e).splitlines()[0][:200]}")
            continue
        own = any(s.stage in COSTLY for s in policy.steps)
        stages = ", ".join(dict.fromkeys(str(s.stage) for s in policy.steps))
        names = ", ".join(s.name for s in policy.steps)
        measured.append((cost, own, f"| {name} | {stages if sort else names} | {cost:.3f} ± {spread:.3f} |"))
        print(measured[-1][2], flush=True)
    lines = [f"## {title}", "", f"| policy | {'stage' if sort else 'steps'} | cost |", "|---|---|---:|"]
    ordered = sorted(measured, key=lambda m: -m[0]) if sort else measured
    lines += [line for _, own, line in ordered if not own]
    quick = [cost for cost, own, _ in measured if not own]
    if quick:
        over = sum(c > 1.05 for c in quick)
        lines += ["", f"Median {statistics.median(quick):.3f}, largest {max(quick):.3f}, {over} of {len(quick)} "
                  "above 1.05."]  # fmt: skip
    if any(own for _, own, _ in measured):
        lines += ["", "With passes of their own (attacks, several versions of the rows, whole steps):", ""]
        lines += ["| policy | stage | cost |", "|---|---|---:|", *(line for _, own, line in ordered if own)]
    return [*lines, "", *(f"Left out: {f}\n" for f in failed)]


def _perturbs(
    bench: Bench, policies: dict[str, Policy], data_type: str, shape: tuple[int, ...], until: float
) -> list[str]:
    rows = 1024 if data_type == "tabular" else bench.batch
    x = bench.x
    numeric = tuple(range(shape[0])) if data_type == "tabular" else ()
    if data_type != "image":
        x = torch.randn((rows, *shape), generator=torch.Generator().manual_seed(0)).to(bench.device)
        x = (0.1 * x).clamp(-1, 1) if data_type == "audio" else x
    spec = InputSpec(
        data_type=data_type, layout=shape, classes=10, numeric=numeric,
        scale="unit" if data_type in ("image", "audio") else "standardised",
        sample_rate=16_000 if data_type == "audio" else None,
    )  # fmt: skip
    y = (torch.arange(rows) % 10).to(bench.device)
    found, failed = [], []
    for name, policy in policies.items():
        if policy.steps[0].stage not in (Stage.INPUT, Stage.PAIR, Stage.TARGET):
            continue
        if time.monotonic() > until:
            failed.append(f"{name}: no time was left")
            continue
        try:
            own, host = perturbing(policy.steps[0], x, y, spec, 3)
        except (AutonoiseError, RuntimeError) as e:
            failed.append(f"{name}: {str(e).splitlines()[0][:200]}")
            continue
        found.append((own, f"| {name} | {1000 * own / rows:.2f} | {own:.3f} | {host:.3f} |"))
    lines = [f"## perturb by itself: {data_type}, {rows} x {' x '.join(map(str, shape))}", ""]
    lines += ["| technique | us per row | ms per batch | of the calling thread, ms |", "|---|---:|---:|---:|"]
    lines += [line for _, line in sorted(found, reverse=True)]
    print("\n".join(lines), flush=True)
    return [*lines, "", *(f"Left out: {f}\n" for f in failed)]


if __name__ == "__main__":
    main()
