"""Measures many noise policies on many data sets: what the learned portfolios and priors are made from.

    python benchmarks/bank.py measure DATA... --work runs/bank    # can be stopped at any time, and goes on
    python benchmarks/bank.py export --work runs/bank             # tables in benchmarks/results/bank/

Every policy of a data type is trained once on every data set, with the proxy and its usual recipe on at most 2,000 rows,
and judged on at most 1,000 rows of the test part: clean, and under every corruption of the type at severities 2 and 4.
These sets are for learning only, so that their test parts may be looked at as often as one likes. The baseline is
trained with more seeds, because every gain is a difference from it; ``--seeds 2`` and more repeat every policy.
One line of JSON per training is appended to ``WORK/<set>.jsonl``; what is there is not trained again.
"""

from __future__ import annotations

import argparse
import csv
import json
import logging
import os
import platform
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).resolve().parent
TRAIN_ROWS, JUDGED_ROWS, SEVERITIES = 2000, 1000, (2, 4)
BASELINE_SEEDS = 4
RANDOM_POLICIES = 20
GROUPED = {"blood_cells", "omniglot_alphabets", "emodb4", "urban_sounds", "urdu_emotions"}
"""Sets whose rows come in groups (speakers, pictures) that must stay on one side; their column is called ``group``."""
LEFT_OUT = {"dry_bean", "satimage", "snips", "review_sentences", "sign_digits", "pneumonia_mnist", "racket_sports",
            "strawberry", "instruments", "emodb4"}  # fmt: skip
"""Two sets of each type that no portfolio or prior is learned from: the benchmarks of search and policies use them."""


def policies(data_type: str) -> dict[str, Any]:
    """Name to policy: no noise, presets, starting points, shipped policies, single techniques at two strengths, random."""
    import optuna

    from autonoise.policy import Policy
    from autonoise.space.space import SearchSpace
    from autonoise.study.bank import bank, places_for
    from autonoise.trials.sampler import make_sampler

    space = SearchSpace.load(data_type)
    found: dict[str, Any] = {"no noise": Policy(space.data_type)}
    found |= {f"preset: {p.name}": p for p in space.presets}
    found |= {f"start: {p.name}": p for p in space.seeds}
    found |= {f"found: {s.name}": s.policies[0] for s in bank(space.data_type, places_for(None)) if s.policies}
    study = optuna.create_study(sampler=make_sampler("random", prior=space.prior, seed=7, trials=0, worker=0))
    drawn: list[Any] = []
    while len(drawn) < RANDOM_POLICIES:
        policy = space.suggest(study.ask())
        if len(policy.steps) > 1:
            drawn.append(policy)
    numbered = [(f"random: {i + 1}", p) for i, p in enumerate(drawn)]
    half = RANDOM_POLICIES // 2
    found |= dict(numbered[:half]) | dict(_singles(space, 0.6)) | dict(numbered[half:]) | dict(_singles(space, 0.25))
    unique: dict[str, tuple[str, Any]] = {}
    for label, policy in found.items():
        unique.setdefault(policy.hash, (label, policy))
    return dict(unique.values())


def kept(data_type: str, work: Path) -> dict[str, Any]:
    """The policies of an earlier run first, since a space that has changed draws others; then what is new."""
    from autonoise.policy import Policy

    file = work / f"{data_type}.policies.json"
    before = json.loads(file.read_text()) if file.exists() else {}
    found = {label: Policy.from_dict(values, label, tell=False) for label, values in before.items()}
    known = {p.hash for p in found.values()}
    drawn = any(label.startswith("random") for label in found)
    for label, policy in policies(data_type).items():
        if policy.hash not in known and not (drawn and label.startswith("random")):
            found[label if label not in found else f"{label} ({policy.hash})"] = policy
    # several processes may share the folder: each writes a file of its own and puts it in place whole
    fresh = file.with_suffix(f".{os.getpid()}")
    fresh.write_text(json.dumps({label: p.to_dict() for label, p in found.items()}, indent=0))
    fresh.replace(file)
    return found


def _singles(space: Any, share: float) -> Iterator[tuple[str, Any]]:
    """Each technique alone, every number at this share of its range, without a schedule."""
    from autonoise.policy import Policy, Step

    for name in space.techniques:
        step = space._step(_Fixed(name, share), name)
        alone = Step(step.technique, step.probability, magnitude=step.magnitude, site=step.site)
        yield f"single: {name} {share:g}", Policy(space.data_type, (alone,))


class _Fixed:
    """Answers the questions of a search space for one technique: numbers at a share of their range, else the first."""

    def __init__(self, name: str, share: float) -> None:
        self.name, self.share = name, share

    def suggest_float(self, name: str, low: float, high: float, *, log: bool = False, **_: Any) -> float:
        if log and low > 0:
            return float(low * (high / low) ** self.share)
        return low + self.share * (high - low)

    def suggest_int(self, name: str, low: int, high: int, *, log: bool = False, **_: Any) -> int:
        return round(self.suggest_float(name, low, high, log=log))

    def suggest_categorical(self, name: str, choices: Any) -> Any:
        return choices[0]


def open_task(path: Path, work: Path, device: str = "cpu") -> tuple[Any, Any]:
    """The task of a data set and the search space of what can act on it; calibrated once."""
    from autonoise.space.space import SearchSpace
    from autonoise.study.config import StudyConfig
    from autonoise.study.folder import StudyFolder
    from autonoise.study.prepare import build_task, ensure_corruptions
    from autonoise.trials.acting import offered

    name = name_of(path)
    out = work / name
    group = "group" if name in GROUPED else None
    config = StudyConfig(
        data=str(path), study=name, out=str(out), seed=0, train_rows=TRAIN_ROWS, group=group, device=device
    )
    task, folder = build_task(config), StudyFolder(out)
    if not folder.corruptions_file.exists():
        folder.create()
    ensure_corruptions(task, folder, seed=0)
    return task, offered(SearchSpace.load(str(task.dataset.data_type)), task, tell=lambda _: None)


def name_of(path: Path) -> str:
    return path.name.split(".")[0]


class Measured:
    """One data set, opened when its first policy is due: its task, the rows to judge on, and what was measured before."""

    def __init__(self, path: Path, work: Path, device: str = "cpu") -> None:
        self.device = device
        self.path, self.name, self.file = path, name_of(path), work / f"{name_of(path)}.jsonl"
        self.done = {(r["policy"], r["seed"]) for r in rows_of(self.file)}
        self.work, self.task, self.fault = work, None, ""

    def open(self) -> None:
        if self.task is None:
            self.task, self.space = open_task(self.path, self.work, self.device)
            self.sets = {g: self.task.sets("test", 0, g).first(JUDGED_ROWS) for g in ("search", "held_out")}
            self.head = {"set": self.name, "type": str(self.task.dataset.data_type)}
            self.head["fingerprint"] = self.task.dataset.fingerprint

    def measure(self, seed: int, label: str, policy: Any) -> None:
        if self.fault or (policy.hash, seed) in self.done:
            return
        try:
            self.open()
        except Exception as e:
            self.fault = f"{type(e).__name__}: {e}"
            print(self.name, "is passed over:", self.fault[:300], flush=True)
            return
        known = _techniques(str(self.task.dataset.data_type))
        if any(s.name in known and s.name not in self.space.techniques for s in policy.steps):
            return  # it holds a technique that cannot act on these data
        head = self.head | {"policy": policy.hash, "label": label, "seed": seed}
        try:
            row = head | one(self.task, policy, seed, self.sets)
        except Exception as e:
            row = head | {"error": f"{type(e).__name__}: {e}"[:200]}
        with self.file.open("a") as f:
            f.write(json.dumps(row) + "\n")


def measure(args: argparse.Namespace) -> None:
    """Policies of one data type on all its sets: policy after policy, so that the table grows evenly."""
    from autonoise.data import load

    deadline = time.time() + 60 * args.minutes
    types = {str(load(str(p)).data_type) for p in args.data}
    if len(types) != 1:
        raise SystemExit(f"give the data sets of one data type at a time, not of {', '.join(sorted(types))}")
    sets = [Measured(p, args.work, args.device) for p in args.data]
    listed = list(kept(types.pop(), args.work).items())[: args.policies]
    plan = list(_plan(dict(listed), args.seeds))
    chosen = json.loads(args.chosen.read_text()) if args.chosen else None
    for i, (seed, label, policy) in enumerate(plan):
        if args.only and not label.startswith(args.only):
            continue
        for each in sets:
            if time.time() > deadline:
                return
            if chosen is None or not policy.steps or policy.hash in chosen.get(each.name, ()):
                each.measure(seed, label, policy)
        print(time.strftime("%H:%M:%S"), f"{i + 1} of {len(plan)}", label, seed, flush=True)


@cache
def _techniques(data_type: str) -> frozenset[str]:
    from autonoise.space.space import SearchSpace

    return frozenset(SearchSpace.load(data_type).techniques)


def _plan(found: dict[str, Any], seeds: int) -> Iterator[tuple[int, str, Any]]:
    """(seed, label, policy): the baseline with all its seeds first, since every gain is a difference from it."""
    for label, policy in found.items():
        if not policy.steps:
            yield from ((seed, label, policy) for seed in range(max(seeds, BASELINE_SEEDS)))
    for seed in range(seeds):
        yield from ((seed, label, policy) for label, policy in found.items() if policy.steps)


def one(task: Any, policy: Any, seed: int, sets: dict[str, Any]) -> dict[str, Any]:
    """Train once and judge: accuracies clean and per corruption (mean over the severities), cost."""
    from autonoise.evaluation.score import evaluate
    from autonoise.ops.random import seed_from

    begun = time.process_time()
    trained = task.train(policy, seed=seed_from(seed, 99) % 2**31)
    spent = time.process_time() - begun
    base = {"passes": policy.passes, "seconds": round(spent, 3)}
    if trained.diverged:
        return base | {"diverged": True}
    scores = {g: evaluate(trained.model, s, SEVERITIES) for g, s in sets.items()}
    noisy = {n: round(float(np.mean(a)), 4) for s in scores.values() for n, a in s.corruptions.items()}
    return base | {
        "clean": round(scores["search"].accuracy, 4),
        "search": round(scores["search"].noisy, 4),
        "held_out": round(scores["held_out"].noisy, 4),
        "noisy": noisy,
        "judging": round(time.process_time() - begun - spent, 3),
    }


def rows_of(file: Path) -> list[dict[str, Any]]:
    if not file.exists():
        return []
    out = []
    for line in file.read_text().splitlines():
        try:
            out.append(json.loads(line))
        except ValueError:
            continue  # the last line of a run that was killed
    return out


def export(work: Path, out: Path) -> None:
    """One CSV of trainings and one JSON of policies per data type."""
    by_type: dict[str, list[dict[str, Any]]] = {}
    for file in sorted(work.glob("*.jsonl")):
        for row in rows_of(file):
            by_type.setdefault(row["type"], []).append(row)
    out.mkdir(parents=True, exist_ok=True)
    for data_type, rows in by_type.items():
        names = sorted({n for r in rows for n in r.get("noisy", {})})
        head = ["set", "fingerprint", "policy", "seed", "diverged", "passes", "seconds", "clean", "search", "held_out"]
        with (out / f"{data_type}.csv").open("w", newline="") as f:
            writer = csv.writer(f)
            writer.writerow(head + names)
            for r in rows:
                cells = [r.get(k, "") for k in head] + [r.get("noisy", {}).get(n, "") for n in names]
                writer.writerow(cells)
        named = kept(data_type, work).items()
        known = {p.hash: {"label": label, "steps": p.to_dict()["steps"]} for label, p in named}
        used = {r["policy"] for r in rows}
        listed = {h: known[h] for h in sorted(used) if h in known}
        (out / f"{data_type}.policies.json").write_text(json.dumps(listed, indent=0) + "\n")
        print(data_type, len(rows), "trainings,", len({r["set"] for r in rows}), "sets,", len(listed), "policies")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=("measure", "export"))
    parser.add_argument("data", nargs="*", type=Path)
    parser.add_argument("--work", type=Path, default=Path("runs/bank"))
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--only", help="only policies whose label begins so, for example 'preset'")
    parser.add_argument("--chosen", type=Path, help="JSON, data set to hashes of policies: measure only these there")
    parser.add_argument("--policies", type=int, default=1000, help="only the first so many policies of the type")
    parser.add_argument("--device", default="cpu", help="where models are trained: cpu or cuda")
    parser.add_argument("--minutes", type=float, default=1e9, help="stop after so many minutes")
    parser.add_argument("--out", type=Path, default=HERE / "results" / "bank")
    args = parser.parse_args()
    if args.action == "export":
        export(args.work, args.out)
        return
    import optuna
    import torch

    torch.set_num_threads(1)
    logging.disable(logging.WARNING)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    args.work.mkdir(parents=True, exist_ok=True)
    (args.work / "machine.txt").write_text(f"{platform.machine()}, {os.cpu_count()} cores, torch {torch.__version__}\n")
    measure(args)


if __name__ == "__main__":
    main()
