"""Best-so-far score against training work spent: autonoise's engine, random search, plain TPE.

All engines search the same space on the same data with the same proxy. Work is counted in full trainings (row
passes of a trial over those of one full training without noise). The incumbent of an engine after each trial is
the trial with the best score it has seen; what is plotted is that incumbent's *true* score: the mixed score of its
policy trained from fresh seeds on the confirm part, so that nobody profits from a lucky trial.

    python benchmarks/search_efficiency.py --data digits --data cylinder_bell_funnel --seeds 3 --budget 100
"""

from __future__ import annotations

import argparse
import os
import platform
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np

ENGINES = ("autonoise", "tpe", "random")
HERE = Path(__file__).resolve().parent
GRID = (2, 4, 6, 8, 10, 15, 20, 30, 50, 75, 100)


def run(data: str, engine: str, seed: int, budget: int, epochs: int | None, train_rows: int) -> dict[str, object]:
    """One search without its conclusion; returns the incumbents' true scores over work, and where time went."""
    import torch

    from autonoise.data import Splits
    from autonoise.space.space import SearchSpace
    from autonoise.study.budget import Budget
    from autonoise.study.config import StudyConfig
    from autonoise.study.folder import StudyFolder
    from autonoise.study.prepare import build_task, ensure_corruptions
    from autonoise.study.session import Session
    from autonoise.study.storage import open_storage, open_study
    from autonoise.study.trial_record import TrialRecord
    from autonoise.trials.loop import enqueue
    from autonoise.trials.objective import Objective
    from autonoise.trials.sampler import make_sampler
    from autonoise.verdict.statistics import parts_of, value
    from autonoise.verdict.trainings import Job, run_job

    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as out:
        name = Path(data).name.split(".")[0]
        config = StudyConfig(
            data=data,
            study=name,
            out=out,
            seed=seed,
            epochs=epochs,
            train_rows=train_rows,
            engine=engine,
            trials=10**6,
        )
        task = build_task(config)
        task.splits = Splits(task.splits.folds[:1], task.splits.test)  # one fold: a full training is one training
        folder = StudyFolder(out)
        folder.create()
        ensure_corruptions(task, folder, seed=seed)
        space = SearchSpace.load(str(task.dataset.data_type))
        study = open_study(config, open_storage(config.storage_url))
        study.sampler = make_sampler(engine, prior=space.prior, seed=seed, trials=0, worker=0)
        if engine == "autonoise":
            enqueue(Session(config, space, task, study, folder, Budget(config)))
        objective = Objective(task, space, config)
        wall = time.perf_counter()
        inside, work, best, points = 0.0, 0.0, -1.0, []
        while work < budget:
            study.optimize(objective, n_trials=1)
            trial = next(t for t in reversed(study.get_trials(deepcopy=False)) if t.state.is_finished())
            record = TrialRecord.of(trial)
            work += record.work
            inside += record.seconds
            if record.scored and record.score > best:
                best = record.score
                points.append((work, record.policy))
        wall = time.perf_counter() - wall
        families = {f.name: str(f.family) for f in task.frozen}
        curve = []
        for at, policy in points:
            runs = [run_job(task, folder, Job(policy, "confirm", k)) for k in range(3)]
            curve.append((at, float(np.mean([value(parts_of(r, 0.5, families)) for r in runs])), len(policy.steps)))
        trials = len(study.get_trials(deepcopy=False))
    return {
        "data": name,
        "engine": engine,
        "seed": seed,
        "curve": curve,
        "trials": trials,
        "wall": wall,
        "overhead": 1 - inside / wall,
        "evaluation": objective.evaluation / wall,
        "seconds_per_trial": wall / trials,
        "baseline": None,
    }


def at(curve: list[tuple[float, float, int]], work: float) -> float:
    """True score of the incumbent after so much work."""
    reached = [score for spent, score, _ in curve if spent <= work]
    return reached[-1] if reached else float("nan")


def first_reach(curve: list[tuple[float, float, int]], target: float) -> float:
    return next((spent for spent, score, _ in curve if score >= target), float("inf"))


def table(results: list[dict[str, object]], seeds: int) -> str:
    lines = []
    for data in dict.fromkeys(str(r["data"]) for r in results):
        lines += [f"\n### {data}: true score of the incumbent, mean of {seeds} seeds (± half the range)\n"]
        lines += ["| work (full trainings) | " + " | ".join(map(str, GRID)) + " |", "|---" * (len(GRID) + 1) + "|"]
        curves = {}
        for engine in ENGINES:
            curves[engine] = [r["curve"] for r in results if r["data"] == data and r["engine"] == engine]
            cells = []
            for g in GRID:
                values = np.array([at(c, g) for c in curves[engine]])  # type: ignore[arg-type]
                known = values[~np.isnan(values)]
                cells.append(f"{known.mean():.3f} ± {np.ptp(known) / 2:.3f}" if len(known) else "-")
            lines.append(f"| {engine} | " + " | ".join(cells) + " |")
        targets = [at(c, GRID[-1]) for c in curves["random"]]  # type: ignore[arg-type]
        target = float(np.mean(targets))
        for engine in ("autonoise", "tpe"):
            reach = [first_reach(c, target) for c in curves[engine]]  # type: ignore[arg-type]
            shown = ", ".join(f"{r:.1f}" for r in reach)
            lines.append(
                f"\n{engine} reaches random search's score at {GRID[-1]} ({target:.3f}) after {shown} full trainings."
            )
        for engine in ENGINES:
            own = [r for r in results if r["data"] == data and r["engine"] == engine]
            keys = ("overhead", "evaluation", "seconds_per_trial", "trials")
            mean = {k: float(np.mean([r[k] for r in own])) for k in keys}  # type: ignore[arg-type]
            lines.append(
                f"\n{engine}: {mean['trials']:.0f} trials, {mean['seconds_per_trial']:.1f} s each, "
                f"{100 * mean['overhead']:.1f} % of the time outside training and evaluation, "
                f"{100 * mean['evaluation']:.1f} % in evaluation."
            )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", action="append", default=None)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--budget", type=int, default=100)
    parser.add_argument("--own-budget", type=int, default=20, help="full trainings for this engine")
    parser.add_argument("--tpe-budget", type=int, default=50, help="full trainings for plain TPE")
    parser.add_argument("--epochs", type=int, default=None)
    parser.add_argument("--train-rows", type=int, default=10_000)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--out", type=Path, default=HERE / "results" / "search_efficiency.md")
    args = parser.parse_args()
    data = args.data or ["digits", "cylinder_bell_funnel"]
    budgets = {"autonoise": args.own_budget, "tpe": args.tpe_budget, "random": args.budget}
    jobs = [(d, e, s) for s in range(args.seeds) for d in data for e in ENGINES]
    results = []
    with ProcessPoolExecutor(args.processes, get_context("spawn")) as pool:
        futures = [pool.submit(run, d, e, s, budgets[e], args.epochs, args.train_rows) for d, e, s in jobs]
        for future in futures:
            result = future.result()
            results.append(result)
            print(*(result[k] for k in ("data", "engine", "seed", "wall")), result["curve"][-1], flush=True)  # type: ignore[index]
    import torch

    names = " ".join(f"--data {Path(d).name}" for d in data)
    extra = f" --epochs {args.epochs}" if args.epochs else ""
    head = (
        f"# Search efficiency\n\nCommand: `python benchmarks/search_efficiency.py {names} --seeds {args.seeds} "
        f"--budget {args.budget} --own-budget {args.own_budget} "
        f"--tpe-budget {args.tpe_budget}{extra} --train-rows {args.train_rows}`\n\n"
        f"Machine: {platform.processor() or platform.machine()}, {os.cpu_count()} cores, "
        f"Python {platform.python_version()}, torch {torch.__version__}.\n"
    )
    text = head + table(results, args.seeds) + "\n"
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(text)
    print(text)


if __name__ == "__main__":
    main()
