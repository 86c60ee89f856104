"""Do searched policies help models and against corruptions that autonoise does not know? Against published recipes, too.

    python benchmarks/policy_quality.py prepare DATA... --work runs/quality      # needs the peers' libraries
    cp runs/efficiency/*.searches.jsonl runs/quality/                            # the searches of search_efficiency.py
    python benchmarks/policy_quality.py ready DATA... --work runs/quality        # unpacks, once for all that train
    python benchmarks/policy_quality.py train DATA... --work runs/quality --share 0/16      # 16 such processes
    python benchmarks/policy_quality.py table --work runs/quality                # benchmarks/results/policy_quality.md

Every stage can be stopped and goes on. A model that is no proxy is trained in a plain loop (AdamW, cosine, to
convergence) on the rows that the search had, under: no noise; the usual recipe of other libraries (kornia,
albumentations, audiomentations, nlpaug, tsaug: copies of the rows made beforehand, one drawn for each row and epoch) and
published formulas; what ``autonoise recommend`` says; the best policy of the portfolio; what a search named
after 40 trainings (for each seed another search). Policies act by the three public lines. It is judged on clean test rows, on autonoise's held-out
corruptions and on those of other libraries. Equal epochs, and for policies of several passes once more equal time.
"""

from __future__ import annotations

import argparse
import json
import logging
import math
import os
import platform
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import quality_recipes as peers
import torch
import torch.nn.functional as F
from bank import name_of, rows_of
from quality_data import Material, material, prepare
from quality_models import BATCHES, EPOCHS, RATES, model_for
from quality_table import NOTHING, SEARCHED, named_by_searches, table
from torch import Tensor, nn

from autonoise import Policy
from autonoise.types import Stage

HERE = Path(__file__).resolve().parent
Job = tuple[Path, int, str, str]
"""Data set, seed, condition, budget ("epochs" or "time")."""


def conditions(path: Path, work: Path, seed: int) -> dict[str, Any]:
    """Name to a policy, the name of a pool or of a recipe by hand; those that are not known yet are missing."""
    found = material(path, work)
    out: dict[str, Any] = {NOTHING: Policy(found.data_type)}
    out |= {f"recipe: {n}": n for n in (*found.pools, *peers.BY_HAND.get(found.data_type, ()))}
    file = work / f"{found.name}.policies.json"
    values = json.loads(file.read_text()) if file.exists() else {}
    out |= {n: Policy.from_dict(v, n, tell=False) for n, v in values.items()}
    searched = named_by_searches(found.name, work)
    return out | ({SEARCHED: searched[seed % len(searched)]} if searched else {})


def key_of(condition: Any) -> str:
    """What is trained: two names of one policy are trained once."""
    return condition.hash if isinstance(condition, Policy) else f"recipe: {condition}"


def jobs(paths: list[Path], work: Path, seeds: list[int], only: list[str] | None) -> Iterator[tuple[Job, Any]]:
    """Seeds outermost, so that a stopped run has all conditions for some seeds."""
    for seed in seeds:
        for path in paths:
            done = set()
            for name, condition in conditions(path, work, seed).items():
                if key_of(condition) in done or (only and not any(name.startswith(o) for o in only)):
                    continue
                done.add(key_of(condition))
                yield (path, seed, name, "epochs"), condition
                if isinstance(condition, Policy) and condition.passes > 1:
                    yield (path, seed, name, "time"), condition


def train(args: argparse.Namespace) -> None:
    share, of = (int(n) for n in args.share.split("/"))
    out = args.work / f"results.{share}of{of}.jsonl"
    done = {(r["set"], r["seed"], r["key"], r["budget"]) for f in args.work.glob("results.*.jsonl") for r in rows_of(f)}
    for number, (job, condition) in enumerate(jobs(args.data, args.work, args.seeds, args.only)):
        path, seed, name, budget = job
        if args.minutes * 60 < time.time() - args.begun:
            return
        if number % of != share or (name_of(path), seed, key_of(condition), budget) in done:
            continue
        data = material(path, args.work)
        passes = condition.passes if isinstance(condition, Policy) else 1.0
        epochs = max(1, round(args.epochs * EPOCHS[data.data_type] / (passes if budget == "time" else 1)))
        head = {"set": data.name, "type": data.data_type, "seed": seed, "key": key_of(condition), "condition": name,
                "budget": budget, "epochs": epochs, "passes": round(passes, 3)}  # fmt: skip
        begun = time.perf_counter()
        try:
            model = trained(data, condition, seed=seed, epochs=epochs, device=args.device)
            spent = time.perf_counter() - begun
            row = head | {"seconds": round(spent, 2)} | judged(model, data, args.device)
        except Exception as e:
            row = head | {"error": f"{type(e).__name__}: {e}"[:300]}
        with out.open("a") as f:
            f.write(json.dumps(row) + "\n")
        told = {k: row[k] for k in ("set", "seed", "condition", "budget", "seconds", "clean", "error") if k in row}
        print(time.strftime("%H:%M:%S"), *told.values(), flush=True)


class Rows:
    """The training rows of a condition: batches of an epoch, on the device."""

    def __init__(self, data: Material, condition: Any, device: str, rng: np.random.Generator) -> None:
        self.data, self.device, self.rng = data, device, rng
        pool = data.pools.get(condition) if isinstance(condition, str) else None
        texts = data.data_type == "text"
        self.strings, self.pieces = data.x if texts else ([], None)
        rows = pool if pool is not None else [self.pieces(self.strings) if texts else data.x]
        self.copies = [moved(r, device) for r in rows]
        self.y = torch.from_numpy(data.y).long().to(device)

    def __len__(self) -> int:
        return len(self.data.y)

    def copy_of_each(self) -> Any:
        """One copy of every row, drawn anew; the same object where there is only one."""
        if len(self.copies) == 1:
            return self.copies[0]
        which = torch.from_numpy(self.rng.integers(len(self.copies), size=len(self))).to(self.device)
        if isinstance(self.copies[0], dict):
            return {k: _drawn([c[k] for c in self.copies], which) for k in self.copies[0]}
        return _drawn(self.copies, which)

    def noisy_texts(self, transform: Any, index: np.ndarray[Any, Any]) -> Any:
        assert self.pieces is not None
        return moved(self.pieces(transform.views([self.strings[i] for i in index], index)), self.device)


def _drawn(copies: list[Tensor], which: Tensor) -> Tensor:
    out = copies[0].clone()
    for number, copy in enumerate(copies[1:], 1):
        out[which == number] = copy[which == number]
    return out


def moved(rows: Any, device: str) -> Any:
    return {k: v.to(device) for k, v in rows.items()} if isinstance(rows, dict) else rows.to(device)


def some(rows: Any, index: Tensor) -> Any:
    return {k: v[index] for k, v in rows.items()} if isinstance(rows, dict) else rows[index]


def by_hand(recipe: Any, rng: torch.Generator) -> Callable[[Tensor, Tensor, int], tuple[Tensor, Tensor]]:
    """Swap noise (each value from another row with a chance of 15 %) or mixup (Beta(0.2, 0.2), one draw per batch)."""

    def change(x: Tensor, y: Tensor, classes: int) -> tuple[Tensor, Tensor]:
        if recipe == "swap noise 15 %":
            other = x.gather(0, torch.randint(len(x), x.shape, generator=rng).to(x.device))
            return torch.where((torch.rand(x.shape, generator=rng) < 0.15).to(x.device), other, x), y
        if recipe == "mixup 0.2":
            weight = float(np.random.default_rng(int(torch.randint(2**31, (), generator=rng))).beta(0.2, 0.2))
            order, soft = torch.randperm(len(x), generator=rng).to(x.device), F.one_hot(y, classes).float()
            return weight * x + (1 - weight) * x[order], weight * soft + (1 - weight) * soft[order]
        return x, y

    return change


def trained(data: Material, condition: Any, *, seed: int, epochs: int, device: str) -> nn.Module:
    """A model trained under the condition: a policy through perturb, loss and step; all else is an ordinary loop."""
    torch.manual_seed(seed)
    rng = torch.Generator().manual_seed(seed)
    rows = Rows(data, condition, device, np.random.default_rng(seed))
    model = model_for(data.spec).to(device).train()
    size = BATCHES[data.data_type]
    steps = math.ceil(len(rows) / size) if len(rows) % size > 1 else max(1, len(rows) // size)
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATES[data.data_type], weight_decay=0.05, fused=True)
    total, warm = epochs * steps, max(1, epochs * steps // 20)
    scheduler = torch.optim.lr_scheduler.LambdaLR(
        optimizer,
        lambda i: min(1.0, (i + 1) / warm) * (0.5 + 0.5 * math.cos(math.pi * max(0, i - warm) / max(1, total - warm))),
    )
    policy = condition if isinstance(condition, Policy) else Policy(data.data_type)
    hand, soft = by_hand(condition, rng), isinstance(condition, str)
    injector = policy.attach(
        model, epochs=epochs, steps_per_epoch=steps, optimizer=optimizer, input=data.spec, seed=seed, allow_partial=True,
        num_classes=data.spec.classes,
    )  # fmt: skip
    transform = injector.raw_transform() if policy.at_stage(Stage.RAW) else None
    if policy.pretrains:
        injector.pretrain(lambda: (some(rows.copies[0], i) for i in torch.randperm(len(rows)).to(device).split(size)))
    for epoch in range(epochs):
        if transform is not None:
            transform.set_epoch(epoch)
        now, order = rows.copy_of_each(), torch.randperm(len(rows), generator=rng)
        for index in order.split(size)[:steps]:
            here = index.to(device)
            x = some(now, here) if transform is None else rows.noisy_texts(transform, index.numpy())
            y = rows.y[here]
            if soft:
                x, y = hand(x, y, data.spec.classes)
                loss = F.cross_entropy(model(x), y)
            else:
                x, y = injector.perturb(x, y, rows=index)
                loss = injector.loss(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            injector.step()
            scheduler.step()
    with injector.averaged():
        final = {k: v.detach().clone() for k, v in model.state_dict().items()}
    injector.detach()
    model.load_state_dict(final)
    return model.eval()


@torch.no_grad()
def judged(model: nn.Module, data: Material, device: str) -> dict[str, Any]:
    """Accuracy clean and under each corruption, the mean over its severities."""
    y, found = torch.from_numpy(data.test_y).to(device), dict[str, list[float]]()
    for name, rows in data.tests.items():
        x = moved(rows, device)
        guesses = [model(some(x, i)).argmax(1) for i in torch.arange(len(y), device=device).split(500)]
        kind = name.rsplit("/", 1)[0] if name.startswith("held/") else name
        found.setdefault(kind, []).append(float((torch.cat(guesses) == y).float().mean()))
    noisy = {k: round(float(np.mean(v)), 4) for k, v in found.items() if k != "clean"}
    return {"clean": round(found["clean"][0], 4), "noisy": noisy}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=("prepare", "ready", "train", "table"))
    parser.add_argument("data", nargs="*", type=Path)
    parser.add_argument("--work", type=Path, default=Path("runs/quality"))
    parser.add_argument("--device", default="cpu", help="where models are trained: cpu or cuda")
    parser.add_argument("--seeds", type=int, nargs="*", default=list(range(5)), help="which, for example 0 1 2")
    parser.add_argument("--share", default="0/1", help="I/N: the I-th of N processes that divide the trainings")
    parser.add_argument("--only", nargs="*", help="only conditions whose name begins so, for example 'recipe'")
    parser.add_argument("--minutes", type=float, default=1e9, help="begin no training after so many minutes")
    parser.add_argument("--epochs", type=float, default=1.0, help="times the usual length of a training")
    parser.add_argument("--figure", type=Path, help="table also draws the picture of the README into this file")
    parser.add_argument("--out", type=Path, default=HERE / "results" / "policy_quality.md")
    args = parser.parse_args()
    args.begun = time.time()
    torch.set_num_threads(1)
    logging.disable(logging.WARNING)
    args.work.mkdir(parents=True, exist_ok=True)
    if args.action == "table":
        from quality_figure import figure

        args.out.write_text(table(args.work))
        if args.figure:
            figure(args.work, args.figure)
        print(args.out.read_text())
        return
    machine = f"{platform.machine()}, {os.cpu_count()} cores, torch {torch.__version__}, {args.device}"
    (args.work / f"machine.{args.action}.txt").write_text(machine + "\n")
    if args.action == "train":
        train(args)
    for path in args.data if args.action != "train" else ():
        if args.action == "prepare":
            prepare(path, args.work)
        else:
            material(path, args.work)
        print(time.strftime("%H:%M:%S"), args.action, name_of(path), flush=True)


if __name__ == "__main__":
    main()
