"""Which short training ranks policies best for its cost? Rank correlation of rungs with the score after full training.

    python benchmarks/rungs.py --data digits --data cylinder_bell_funnel --policies 30

Policies are drawn at random from the search space (and its seeds and presets). The *true* score of each is its mixed
score on the confirm part, mean over fresh seeds of full trainings. A rung is a complete training on a share of the rows
for a share of the epochs, scored as the search scores it. Printed per rung: its cost in full trainings, the Spearman
correlation with the true score, and how often the truly best policy (and one of the best three) is among the survivors.
"""

from __future__ import annotations

import argparse
import os
import platform
import tempfile
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
RUNGS = ((0.5, 0.35), (0.5, 0.7), (0.5, 1.0), (1.0, 0.2), (1.0, 0.35), (1.0, 0.5), (1.0, 0.7))
KEEP = (2, 3, 4)
"""Reduction factors: one in so many survives."""


def measure(data: str, seed: int, policies: int, truths: int, train_rows: int) -> dict[str, object]:
    """Scores of all rungs and the true scores for one data set and seed."""
    import optuna
    import torch

    from autonoise.space.space import SearchSpace
    from autonoise.study.config import StudyConfig
    from autonoise.study.folder import StudyFolder
    from autonoise.study.prepare import build_task, ensure_corruptions
    from autonoise.training.task import Fidelity
    from autonoise.trials.objective import Objective
    from autonoise.trials.sampler import make_sampler
    from autonoise.verdict.statistics import parts_of, value
    from autonoise.verdict.trainings import Job, run_job

    torch.set_num_threads(1)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with tempfile.TemporaryDirectory() as out:
        name = Path(data).name.split(".")[0]
        config = StudyConfig(data=data, study=name, out=out, seed=seed, train_rows=train_rows)
        task, folder = build_task(config), StudyFolder(out)
        folder.create()
        ensure_corruptions(task, folder, seed=seed)
        space = SearchSpace.load(str(task.dataset.data_type))
        study = optuna.create_study(sampler=make_sampler("random", prior=space.prior, seed=seed, trials=0, worker=0))
        drawn = [*space.seeds, *space.presets]
        while len(drawn) < policies:
            policy = space.suggest(study.ask())
            if policy.steps:
                drawn.append(policy)
        families = {f.name: str(f.family) for f in task.frozen}
        objective = Objective(task, space, config)
        rungs: dict[tuple[float, float], list[float]] = {r: [] for r in RUNGS}
        truth = []
        for policy in drawn[:policies]:
            for rows, epochs in RUNGS:
                score, _ = objective._fit(policy, Fidelity(rows=rows, epochs=epochs), quick=True)
                rungs[rows, epochs].append(objective._value(score))
            runs = [run_job(task, folder, Job(policy, "confirm", k)) for k in range(truths)]
            truth.append(float(np.mean([value(parts_of(r, 0.5, families)) for r in runs])))
    return {"data": name, "rungs": rungs, "truth": truth}


def table(results: list[dict[str, object]]) -> str:
    from scipy.stats import spearmanr

    lines = []
    for data in dict.fromkeys(str(r["data"]) for r in results):
        own = [r for r in results if r["data"] == data]
        lines += [
            f"\n### {data}\n",
            "| rows | epochs | cost | rank correlation, per seed | "
            + " | ".join(f"best survives 1 in {k} | of the best 3 survive" for k in KEEP)
            + " |",
            "|---" * (4 + 2 * len(KEEP)) + "|",
        ]
        for rows, epochs in RUNGS:
            correlations, cells = [], []
            kept: dict[int, list[tuple[bool, float]]] = {k: [] for k in KEEP}
            for r in own:
                rungs = r["rungs"]
                assert isinstance(rungs, dict)
                short, truth = np.array(rungs[rows, epochs]), np.array(r["truth"])
                correlations.append(float(spearmanr(short, truth).statistic))
                best = np.argsort(-truth)
                for k in KEEP:
                    alive = set(np.argsort(-short)[: max(len(short) // k, 1)].tolist())
                    kept[k].append((int(best[0]) in alive, len(alive & set(best[:3].tolist())) / 3))
            for k in KEEP:
                cells += [f"{sum(a for a, _ in kept[k])} of {len(own)}", f"{np.mean([b for _, b in kept[k]]):.2f}"]
            shown = ", ".join(f"{c:.2f}" for c in correlations)
            lines.append(f"| {rows} | {epochs} | {rows * epochs:.2f} | {shown} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    import torch

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", action="append", required=True)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--policies", type=int, default=30)
    parser.add_argument("--truths", type=int, default=3, help="full trainings per policy")
    parser.add_argument("--train-rows", type=int, default=10_000)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--out", type=Path, default=HERE / "results" / "rungs.md")
    args = parser.parse_args()
    jobs = [(d, s) for d in args.data for s in range(args.seeds)]
    results = []
    with ProcessPoolExecutor(args.processes, get_context("spawn")) as pool:
        futures = [pool.submit(measure, d, s, args.policies, args.truths, args.train_rows) for d, s in jobs]
        for (data, seed), future in zip(jobs, futures, strict=True):
            results.append(future.result())
            print(data, seed, flush=True)
    names = " ".join(f"--data {Path(d).name}" for d in args.data)
    text = (
        f"# Rungs\n\nCommand: `python benchmarks/rungs.py {names} --seeds {args.seeds} --policies {args.policies} "
        f"--truths {args.truths} --train-rows {args.train_rows}`\n\n"
        f"Machine: {platform.processor() or platform.machine()}, {os.cpu_count()} cores, "
        f"Python {platform.python_version()}, torch {torch.__version__}.\n{table(results)}\n"
    )
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(text)
    print(text)


if __name__ == "__main__":
    main()
