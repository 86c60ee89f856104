"""Are the proxies' trainings long enough to tell good policies from bad ones? Compared with trainings four times as long.

    python benchmarks/fidelity.py DATA... --work runs/fidelity      # can be stopped at any time, and goes on
    python benchmarks/fidelity.py --work runs/fidelity --table      # benchmarks/results/fidelity.md

Of every data set, 24 varied policies (presets, starting points, random ones) and no noise are trained with 3 seeds (or
``--policies`` and ``--seeds``) for the usual time and for four times as long. A training is long enough where (a) the clean accuracy without noise is within
one point of that of the long one, and (b) the policies' ranking by the mixed score, its noisy half on held-out families,
agrees with that of the long one: a Spearman correlation of at least .8 between the means over seeds. The search's short
rung is shown beside it, and the policies' spread: the standard deviation of the long trainings' scores. Where it is not much
above the error of a single training (about .6 points on tables, 1 to 2 on small sets) no ranking can agree.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import platform
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np
from bank import GROUPED, JUDGED_ROWS, SEVERITIES, name_of, open_task, policies, rows_of

HERE = Path(__file__).resolve().parent
POLICIES, SEEDS = 24, 3
WIDE = 1.0
"""Spread of the policies' scores, in points, from which their ranking means something with few seeds."""
LENGTHS = {"usual": (1.0, 1.0), "four times": (1.0, 4.0), "short rung": (0.5, 0.7)}
"""Name to (share of the rows, share of the epochs)."""


def chosen(data_type: str, n: int) -> dict[str, Any]:
    """No noise and ``n`` policies, in turn a random one, a starting point and a preset."""
    found = policies(data_type)
    groups = [[label for label in found if label.startswith(kind)] for kind in ("random", "start", "preset")]
    in_turn = [label for three in zip_longest(*groups) for label in three if label is not None]
    return {label: found[label] for label in ["no noise", *in_turn[:n]]}


def measure(path: Path, work: Path, n: int, seeds: int, device: str) -> None:
    from autonoise.evaluation.score import evaluate
    from autonoise.training.task import Fidelity

    name = name_of(path)
    file = work / f"{name}.jsonl"
    done = {(r["label"], r["seed"], r["length"]) for r in rows_of(file)}
    task, space = open_task(path, work, device)
    sets = {g: task.sets("test", 0, g).first(JUDGED_ROWS) for g in ("search", "held_out")}
    for seed in range(seeds):
        for label, policy in chosen(str(task.dataset.data_type), n).items():
            if any(s.name not in space.techniques for s in policy.steps):
                continue
            for length, (rows, epochs) in LENGTHS.items():
                if (label, seed, length) in done:
                    continue
                trained = task.train(policy, seed=seed + 1, fidelity=Fidelity(rows=rows, epochs=epochs))
                row: dict[str, Any] = {"set": name, "type": str(task.dataset.data_type), "label": label, "seed": seed,
                                       "length": length, "seconds": round(trained.seconds, 2)}  # fmt: skip
                if not trained.diverged:
                    scores = {g: evaluate(trained.model, s, SEVERITIES) for g, s in sets.items()}
                    row |= {"clean": scores["search"].accuracy, "held_out": scores["held_out"].noisy}
                with file.open("a") as f:
                    f.write(json.dumps(row) + "\n")


def table(work: Path) -> str:
    """The table, and how many of its sets keep the two conditions."""
    from scipy.stats import spearmanr

    kept: list[tuple[bool, bool, float]] = []

    lines = [
        "| data type | set | clean, usual | clean, 4 times | rank correlation usual - 4 times | of one seed | short rung - 4 times | policies' spread, points | policies | seeds |",
        "|---" * 10 + "|",
    ]
    measured = [[r for r in rows_of(file) if "clean" in r] for file in sorted(work.glob("*.jsonl"))]
    for rows in sorted(filter(None, measured), key=lambda found: (found[0]["type"], found[0]["set"])):
        score: dict[str, dict[str, dict[int, float]]] = {}
        clean: dict[str, list[float]] = {}
        for r in rows:
            score.setdefault(r["length"], {}).setdefault(r["label"], {})[r["seed"]] = (r["clean"] + r["held_out"]) / 2
            if r["label"] == "no noise":
                clean.setdefault(r["length"], []).append(r["clean"])
        both = sorted(set.intersection(*(set(score.get(n, {})) for n in LENGTHS)))
        if len(both) < 5:
            continue

        def means(
            length: str, seeds: tuple[int, ...] | None = None, both: list[str] = both, score: Any = score
        ) -> list[float]:
            return [
                float(np.mean([v for s, v in score[length][b].items() if seeds is None or s in seeds])) for b in both
            ]

        long = means("four times")
        singles = [float(spearmanr(means("usual", (s,)), long).statistic) for s in range(SEEDS)
                   if all(s in score["usual"][b] for b in both)]  # fmt: skip
        agree, spread = spearmanr(means("usual"), long).statistic, 100 * np.std(long, ddof=1)
        kept.append((np.mean(clean["four times"]) - np.mean(clean["usual"]) <= 0.01, agree >= 0.8, spread))
        lines.append(
            f"| {rows[0]['type']} | {rows[0]['set']} | {np.mean(clean['usual']):.3f} | {np.mean(clean['four times']):.3f} | "
            f"{agree:.2f} | {', '.join(f'{s:.2f}' for s in singles)} | "
            f"{spearmanr(means('short rung'), long).statistic:.2f} | {spread:.1f} | {len(both)} | {len(clean['four times'])} |"
        )
    wide = [agrees for _, agrees, spread in kept if spread >= WIDE]
    lines.append(
        f"\n(a) holds on {sum(a for a, _, _ in kept)} of {len(kept)} sets, (b) on {sum(b for _, b, _ in kept)}; of the "
        f"{len(wide)} whose policies spread by at least {WIDE:g} point, (b) on {sum(wide)}."
    )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="*", type=Path)
    parser.add_argument("--work", type=Path, default=Path("runs/fidelity"))
    parser.add_argument(
        "--policies", type=int, default=POLICIES, help="beside no noise; random ones, starting ones, presets"
    )
    parser.add_argument("--seeds", type=int, default=SEEDS, help="trainings of each policy at each length")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--table", action="store_true")
    args = parser.parse_args()
    import optuna
    import torch

    torch.set_num_threads(1)
    logging.disable(logging.WARNING)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    if args.table:
        text = (
            f"# Are the proxies' trainings long enough?\n\n{(__doc__ or '').splitlines()[0]}\n\n"
            f"Of every{(__doc__ or '').split('Of every')[1]}\n"
            "Command: `python benchmarks/fidelity.py DATA...` (the columns tell how many policies and seeds there are), then `--table`. "
            f"Machine: {platform.machine()}, {os.cpu_count()} cores, torch {torch.__version__}; at most 2,000 training rows, "
            f"groups kept together on {', '.join(sorted(GROUPED))}.\n\n{table(args.work)}\n"
        )
        (HERE / "results" / "fidelity.md").write_text(text)
        print(text)
        return
    args.work.mkdir(parents=True, exist_ok=True)
    for path in args.data:
        measure(path, args.work, args.policies, args.seeds, args.device)
        print(path.name, "measured", flush=True)


if __name__ == "__main__":
    main()
