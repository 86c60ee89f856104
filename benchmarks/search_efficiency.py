"""Does the search find more than it starts from? This engine, plain TPE, random search, and the portfolio without a search.

    python benchmarks/search_efficiency.py run DATA... --work runs/efficiency   # can be stopped, and goes on
    python benchmarks/search_efficiency.py judge DATA... --work runs/efficiency
    python benchmarks/search_efficiency.py table --work runs/efficiency                   # the results' table

All methods search the same space on the same 2,000 rows of a data set with the same proxy, for equal budgets, counted in
full trainings (row passes over those of one full training without noise). ``portfolio`` trains the learned policies and
no noise again and again from other seeds, and takes the best mean. At 10, 20 and 40 trainings each method names its
policy: this engine spends the last 40 % of its budget on further trainings of its best trials and goes by the lower bound
of its model, as studies do; the others go by the best score. The policy is judged by a model that is
not the proxy, trained from fresh seeds, on test rows and corruptions that the search has not seen.
The data sets must be ones that the portfolio was not learned from.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import platform
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from bank import GROUPED, JUDGED_ROWS, TRAIN_ROWS, name_of, rows_of

HERE = Path(__file__).resolve().parent
METHODS = ("autonoise", "portfolio", "tpe", "random")
BUDGETS = (10, 20, 40)
RACE = 0.4
"""Share of a budget that this engine keeps for further trainings of the best trials."""
JUDGES = {"image": ("wrn_16_2", 1.0), "text": ("text_transformer", 1.0), "tabular": ("mlp", 3.0),
          "timeseries": ("inception_time", 1.0), "audio": ("ds_cnn", 1.0)}  # fmt: skip
JUDGED_SEEDS = 2
DEVICE = os.environ.get("AUTONOISE_BENCHMARK_DEVICE", "cpu")
"""Where models are trained: cpu or cuda."""


def prepared(
    path: Path, out: Path, seed: int, engine: str, proxy: str | None = None, size: float = 1.0
) -> tuple[Any, Any, Any]:
    """(config, task, folder) of a search with one fold; corruptions of one data set and seed are calibrated once."""
    from autonoise.data import Splits
    from autonoise.study.config import StudyConfig
    from autonoise.study.folder import StudyFolder
    from autonoise.study.prepare import build_task, ensure_corruptions

    group = "group" if name_of(path) in GROUPED else None
    config = StudyConfig(
        data=str(path), study=name_of(path), out=str(out), seed=seed, train_rows=TRAIN_ROWS, group=group,
        engine=engine, trials=10**6, proxy=proxy, size=size, device=DEVICE,
    )  # fmt: skip
    task, folder = build_task(config), StudyFolder(out)
    task.splits = Splits(task.splits.folds[:1], task.splits.test)  # one fold: a full training is one training
    if not folder.corruptions_file.exists():
        folder.create()
    ensure_corruptions(task, folder, seed=seed)
    return config, task, folder


def searched(path: Path, frozen: Path, seed: int, method: str) -> dict[int, Any]:
    """Budget to the policy that the method names after it."""
    with tempfile.TemporaryDirectory() as out:
        return (_portfolio if method == "portfolio" else _engine)(path, frozen, Path(out), seed, method)


def _engine(path: Path, frozen: Path, out: Path, seed: int, method: str) -> dict[int, Any]:
    """A search by Optuna's trials; autonoise's ends each budget with a race, as its studies do."""
    from dataclasses import replace

    from autonoise.policy import Policy
    from autonoise.space.space import SearchSpace
    from autonoise.study.budget import Budget
    from autonoise.study.session import Session
    from autonoise.study.storage import completed, open_storage, open_study
    from autonoise.study.trial_record import TrialRecord
    from autonoise.trials.acting import offered
    from autonoise.trials.guided import sampler_of
    from autonoise.trials.loop import enqueue
    from autonoise.trials.objective import Objective

    config, task, folder = prepared(path, frozen, seed, method)
    config = replace(config, out=str(out), trials=60)
    space = offered(SearchSpace.load(str(task.dataset.data_type)), task, tell=lambda _: None)
    study = open_study(config, open_storage(config.storage_url))
    study.sampler = sampler_of(config, space, task, trials=0, worker=0)
    session = Session(config, space, task, study, folder, Budget(config))
    if method == "autonoise":
        enqueue(session)
    else:
        study.enqueue_trial(space.parameters_of(Policy(space.data_type)))
    objective = Objective(task, space, replace(config, trials=10**6))
    work, named = 0.0, dict[int, Any]()
    for budget in BUDGETS:
        while work < budget * (1 - RACE if method == "autonoise" else 1):
            study.optimize(objective, n_trials=1, catch=(Exception,))
            work += TrialRecord.of(study.get_trials(deepcopy=False)[-1]).work
        named[budget] = _raced(session, seed, budget - work) if method == "autonoise" else completed(study)[0].policy
    return named


def _raced(session: Any, seed: int, left: float) -> Any:
    """The policy that the engine names after it has spent what is ``left`` on further trainings of the best trials.

    Five and no noise are trained once more, then the better three, then two, until the budget is spent. What the races
    of smaller budgets saw is not known to larger ones, nor does it count against them. As in a study, a policy is named
    even where no noise looks better: that is the verdict's to say.
    """
    from autonoise.evaluation.score import evaluate
    from autonoise.policy import Policy
    from autonoise.study.learned import scale_of
    from autonoise.trials.objective import FULL_SEVERITIES
    from autonoise.verdict.candidates import Raced, promise

    task, weight = session.task, session.config.noise_weight
    sets, full = task.sets("search", 0), len(task.training(0)) * task.recipe.epochs
    empty, rows = Policy(session.space.data_type), len(task.splits.folds[0].search)
    open_ = [empty, *(p for p, _, _ in promise(session))][:6]
    entries = {p.hash: p for p in open_}
    scores: dict[str, list[float]] = {key: [] for key in entries}
    base, scale, turn, ranking = 0.0, 1.0, 0, promise(session)
    while len(open_) > 1 and left > 0:
        for policy in open_:
            if left > 0:
                trained = task.train(policy, seed=5000 * (seed + 1) + turn)
                score = evaluate(trained.model, sets, FULL_SEVERITIES)
                scores[policy.hash].append(score.mixed(weight))
                left -= trained.passes / full
                if not policy.steps and turn == 0:
                    scale = scale_of(score.accuracy, score.noisy, weight)
        base, turn = float(np.mean(scores[empty.hash])), turn + 1
        raced = [Raced(entries[h], tuple(found), rows) for h, found in scores.items() if found and entries[h].steps]
        ranking = promise(session, raced, base, scale)
        known = {p.hash for p in open_}
        open_ = [empty, *(p for p, _, _ in ranking if p.hash in known)][: max(len(open_) // 2 + 1, 3)]
    return ranking[0][0] if ranking else empty


def _portfolio(path: Path, frozen: Path, out: Path, seed: int, method: str) -> dict[int, Any]:
    from autonoise.evaluation.score import evaluate
    from autonoise.policy import Policy
    from autonoise.space.space import SearchSpace
    from autonoise.study.learned import learned
    from autonoise.trials.acting import offered
    from autonoise.trials.objective import FULL_SEVERITIES

    config, task, _ = prepared(path, frozen, seed, "autonoise")
    space = offered(SearchSpace.load(str(task.dataset.data_type)), task, tell=lambda _: None)
    portfolio = learned(task.dataset.data_type).without(task.dataset.fingerprint).portfolio
    policies = [Policy(space.data_type), *(p for p in portfolio if all(s.name in space.techniques for s in p.steps))]
    sets = task.sets("search", 0)
    scores: dict[str, list[float]] = {p.hash: [] for p in policies}
    full, work, named, turn = len(task.training(0)) * task.recipe.epochs, 0.0, dict[int, Any](), 0
    while len(named) < len(BUDGETS):
        policy = policies[turn % len(policies)]
        trained = task.train(policy, seed=1000 * (seed + 1) + turn // len(policies))
        scores[policy.hash].append(evaluate(trained.model, sets, FULL_SEVERITIES).mixed(config.noise_weight))
        turn, work = turn + 1, work + trained.passes / full
        for budget in BUDGETS:
            if work >= budget and budget not in named:
                named[budget] = max(policies, key=lambda p: np.mean(scores[p.hash]) if scores[p.hash] else -1.0)
    return named


def judge_of(path: Path, frozen: Path, seed: int, file: Path) -> Callable[[Any], dict[str, float]]:
    """A function from a policy to its clean and held-out accuracy by the other model; kept in ``file``."""
    from autonoise.data import load
    from autonoise.evaluation.score import evaluate

    proxy, size = JUDGES[str(load(str(path)).data_type)]
    _, task, _ = prepared(path, frozen, seed, "autonoise", proxy, size)
    sets = task.sets("test", 0, "held_out").first(JUDGED_ROWS)
    known = {(r["policy"], r["study"]): r for r in rows_of(file)}

    def judge(policy: Any) -> dict[str, float]:
        if (policy.hash, seed) not in known:
            scores = [
                evaluate(task.train(policy, seed=70_000 + 100 * seed + k).model, sets, (2, 4))
                for k in range(JUDGED_SEEDS)
            ]
            row = {"policy": policy.hash, "study": seed, "clean": float(np.mean([s.accuracy for s in scores])),
                   "held_out": float(np.mean([s.noisy for s in scores]))}  # fmt: skip
            known[policy.hash, seed] = row
            with file.open("a") as f:
                f.write(json.dumps(row) + "\n")
        return known[policy.hash, seed]

    return judge


def run(paths: Sequence[Path], work: Path, seeds: Sequence[int], methods: Sequence[str]) -> None:
    """Searches that are missing; each is written down with the policies that it names, not judged yet."""
    for seed in seeds:
        for path in paths:
            name = name_of(path)
            file = work / f"{name}.searches.jsonl"
            done = {(r["seed"], r["method"]) for r in rows_of(file)}
            for method in methods:
                if (seed, method) in done:
                    continue
                begun = time.process_time()
                named = searched(path, work / f"{name}-{seed}", seed, method)
                row = {"set": name, "type": str(named[BUDGETS[0]].data_type), "seed": seed, "method": method,
                       "seconds": round(time.process_time() - begun, 1),
                       "named": {str(b): p.to_dict() for b, p in named.items()}}  # fmt: skip
                with file.open("a") as f:
                    f.write(json.dumps(row) + "\n")
                print(time.strftime("%H:%M:%S"), name, seed, method, row["seconds"], flush=True)


def judge(paths: Sequence[Path], work: Path) -> None:
    """Judge what is named and not judged yet, and no noise."""
    from autonoise.policy import Policy

    for path in paths:
        name = name_of(path)
        for row in rows_of(work / f"{name}.searches.jsonl"):
            judged = judge_of(path, work / f"{name}-{row['seed']}", row["seed"], work / f"{name}.judged.jsonl")
            policies = [Policy.from_dict(v, "", tell=False) for v in row["named"].values()]
            for policy in (Policy(policies[0].data_type), *policies):
                judged(policy)
            print(time.strftime("%H:%M:%S"), name, row["seed"], row["method"], flush=True)


def joined(work: Path) -> list[dict[str, Any]]:
    """The searches with their judged numbers."""
    from autonoise.policy import Policy

    out = []
    for file in sorted(work.glob("*.searches.jsonl")):
        known = {(r["policy"], r["study"]): r for r in rows_of(work / file.name.replace("searches", "judged"))}
        for row in rows_of(file):
            policies = {b: Policy.from_dict(v, "", tell=False) for b, v in row["named"].items()}
            base = known.get((Policy(row["type"]).hash, row["seed"]))
            found = {b: known.get((p.hash, row["seed"])) for b, p in policies.items()}
            if base is not None and all(found.values()):
                out.append(row | {"base": base, "found": found})
    return out


def _score(values: dict[str, float]) -> float:
    return 0.5 * values["clean"] + 0.5 * values["held_out"]


def interval(x: Sequence[float]) -> tuple[float, float, float]:
    """Mean with the ends of its 95 % interval (Student's t over data sets and seeds)."""
    from scipy.stats import t

    values = np.asarray(x)
    if len(values) < 2:
        return float(values.mean()), float("nan"), float("nan")
    half = t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    return float(values.mean()), float(values.mean() - half), float(values.mean() + half)


def table(work: Path) -> str:
    """Per data type: the gain in mixed score over no noise by method and budget, and this engine against the others."""
    rows = joined(work)
    lines = []
    for data_type in dict.fromkeys(r["type"] for r in rows):
        own = [r for r in rows if r["type"] == data_type]
        sets = sorted({r["set"] for r in own})
        lines += [
            f"\n## {data_type}: {', '.join(sets)}\n",
            "| method | runs | 10 | 20 | 40 | seconds |",
            "|---|---|---|---|---|---|",
        ]
        gains = {(r["set"], r["seed"], r["method"]): {b: _score(v) - _score(r["base"]) for b, v in r["found"].items()}
                 for r in own}  # fmt: skip
        for method in METHODS:
            such = [g for (_, _, m), g in gains.items() if m == method]
            if such:
                cells = [f"{100 * np.mean([g[str(b)] for g in such]):+.2f}" for b in BUDGETS]
                spent = np.mean([r["seconds"] for r in own if r["method"] == method])
                lines.append(f"| {method} | {len(such)} | {' | '.join(cells)} | {spent:.0f} |")
        for other in METHODS[1:]:
            pairs = [k[:2] for k in gains if k[2] == other and (*k[:2], "autonoise") in gains]
            if pairs:
                told = []
                for b in BUDGETS:
                    m, low, high = interval([gains[*k, "autonoise"][str(b)] - gains[*k, other][str(b)] for k in pairs])
                    known = "" if np.isnan(low) else f" [{100 * low:+.2f}, {100 * high:+.2f}]"
                    told.append(f"{100 * m:+.2f}{known} at {b}")
                lines.append(f"\nautonoise minus {other}, {len(pairs)} pairs, points of score: {'; '.join(told)}.")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=("run", "judge", "table"))
    parser.add_argument("data", nargs="*", type=Path)
    parser.add_argument("--work", type=Path, default=Path("runs/efficiency"))
    parser.add_argument("--seeds", type=int, nargs="*", default=list(range(5)), help="which, for example 0 1 2")
    parser.add_argument("--methods", nargs="*", default=list(METHODS))
    parser.add_argument("--out", type=Path, default=HERE / "results" / "search_efficiency.md")
    args = parser.parse_args()
    import torch

    if args.action == "run":
        import optuna

        torch.set_num_threads(1)
        logging.disable(logging.WARNING)
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        args.work.mkdir(parents=True, exist_ok=True)
        run(args.data, args.work, args.seeds, args.methods)
        return
    if args.action == "judge":
        torch.set_num_threads(1)
        logging.disable(logging.WARNING)
        judge(args.data, args.work)
        return
    head = (
        "# Search efficiency\n\nGain over no noise in points of the mixed score (clean and held-out accuracy in equal "
        "parts), judged by a model that is not the proxy, after 10, 20 and 40 full trainings.\n\nCommand: `python "
        "benchmarks/search_efficiency.py run DATA...`, then `judge` and `table`. Machine: "
        f"{platform.machine()}, {os.cpu_count()} cores, torch {torch.__version__}.\n"
    )
    text = head + table(args.work)
    args.out.write_text(text)
    print(text)


if __name__ == "__main__":
    main()
