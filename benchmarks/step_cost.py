"""What a training step with each policy that comes with autonoise costs, beside the same step without it.

    python benchmarks/step_cost.py [--only text/trec] [--repeats 60] [--write]

As in overhead.py, two copies of a proxy take turns, and processor time of one thread is compared. The proxy is widened
until a plain step takes 5 ms: the shares hold for steps of that length and longer. Policies that attack or compare
versions of the rows need passes of their own, and are left out.
"""

from __future__ import annotations

import argparse
import logging
import platform
import statistics
import sys
import warnings
from pathlib import Path

import overhead
import torch

import autonoise
from autonoise.policy import load_policy
from autonoise.policy.shipped import shipped

RESULTS = Path(__file__).with_name("results") / "step_cost.md"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", nargs="+", help="names of policies")
    parser.add_argument("--repeats", type=int, default=60, help="pairs of steps for each policy")
    parser.add_argument("--write", action="store_true", help="write results/step_cost.md")
    options = parser.parse_args()
    torch.set_num_threads(1)
    logging.disable(logging.WARNING)
    overhead.LEAST_STEP = 5e-3
    lines = [
        "# What a step costs with the policies that come with autonoise",
        "",
        f"Command: `python benchmarks/step_cost.py {' '.join(sys.argv[1:])}`".strip(),
        f"Machine: {overhead.processor()}, one thread, torch {torch.__version__}, Python {platform.python_version()}, "
        f"autonoise {autonoise.__version__}.",
        "",
        "Median of interleaved pairs of steps, time with the policy / time without, and half their interquartile range; "
        "the last column compares the fastest tenth of the steps of each side. Policies with attacks or consistency "
        "are left out. In text, both sides tokenise the strings.",
        "",
        "| policy | steps | plain step | cost | fastest tenth |",
        "|---|---|---:|---:|---:|",
    ]
    benches: dict[str, overhead.Bench] = {}
    shares = []
    for name, found in shipped().items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            policy = load_policy(name)
        if (options.only and name not in options.only) or not policy.steps:
            continue
        if any(s.stage in overhead.COSTLY for s in policy.steps):
            continue
        kind = found.data_type
        bench = benches.setdefault(kind, overhead.bench_for(kind) if kind not in benches else benches[kind])
        share, spread, quiet = overhead.added(bench, policy, options.repeats)
        shares.append(1 + share)
        names = ", ".join(s.name for s in policy.steps)
        lines.append(
            f"| {name} | {names} | {bench.plain_ms:.1f} ms | {1 + share:.2f} ± {spread:.2f} | {1 + quiet:.2f} |"
        )
        print(lines[-1], flush=True)
    over = sum(s > 1.15 for s in shares)
    lines += [
        "",
        f"Median {statistics.median(shares):.2f}, largest {max(shares):.2f}, {over} of {len(shares)} above 1.15.",
        "",
    ]
    print(lines[-2])
    if options.write:
        RESULTS.write_text("\n".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
