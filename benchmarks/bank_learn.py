"""From the bank's trainings to a portfolio and a model of gains, and how good they are on data that were left out.

    python benchmarks/bank_learn.py DATA... --work runs/bank               # studies/learned/<type>.json
    python benchmarks/bank_learn.py DATA... --work runs/bank --leave-out   # a table, for results/bank.md

DATA: the data sets that benchmarks/bank.py measured (their meta-features are made here).
"""

from __future__ import annotations

import argparse
import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from bank import GROUPED, LEFT_OUT, name_of, rows_of
from scipy.stats import spearmanr, t

HERE = Path(__file__).resolve().parent
PORTFOLIO = 6
WEIGHT = 0.5
RELATIVES = (
    ("snips", "atis"), ("tweet_sentiment", "tweet_offensive", "airline_tweets"),
    ("adiac", "osu_leaf", "phalanges", "medical_images", "swedish_leaf"), ("review_sentences", "sst2"),
    ("mnist", "fashion_mnist"), ("brain_mri", "pneumonia_mnist"), ("emodb4", "urdu_emotions"),
)  # fmt: skip
"""Sets of one source or kind: where one of them is left out, the others are left out, too."""


def source_of(name: str) -> str:
    return next((group[0] for group in RELATIVES if name in group), name)


def gather(paths: Sequence[Path], work: Path, keep_all: bool) -> dict[str, Any]:
    """The content of the learned file, as yet without fitted constants and portfolio."""
    from autonoise.data import load, split
    from autonoise.policy import Policy
    from autonoise.study.bank import features_of, training_rows
    from autonoise.study.gains import Hyper

    sets, runs, policies, pooled = [], [], {}, []
    data_type = ""
    files = {file.name.partition(".")[0]: json.loads(file.read_text()) for file in work.glob("*.policies.json")}
    by_hash = {
        Policy.from_dict(p, label, tell=False).hash: (label, p) for d in files.values() for label, p in d.items()
    }
    for path in paths:
        name = name_of(path)
        rows = [r for r in rows_of(work / f"{name}.jsonl") if "clean" in r and r["policy"] in by_hash]
        base = [r for r in rows if r["label"] == "no noise"]
        if len(base) < 2 or (name in LEFT_OUT and not keep_all):
            continue
        data = load(str(path), group="group" if name in GROUPED else None)
        data_type = str(data.data_type)
        largest = np.unique(data.y, return_counts=True)[1].max() / len(data.y)
        if np.mean([r["clean"] for r in base]) <= largest:
            print(name, "is passed over: without noise the model learns next to nothing there")
            continue
        noisy = [(r["search"] + r["held_out"]) / 2 for r in base]
        clean = [r["clean"] for r in base]
        pooled.append((np.var(clean, ddof=1), np.var(noisy, ddof=1)))
        meta = features_of(data, training_rows(split(data, seed=0, train_rows=2000)))
        sets.append({"name": name, "fingerprint": data.fingerprint, "source": source_of(name), "meta": meta,
                     "clean": float(np.mean(clean)), "noisy": float(np.mean(noisy)), "seeds": len(base)})  # fmt: skip
        for r in rows:
            if r["label"] != "no noise":
                at = policies.setdefault(r["policy"], len(policies))
                runs.append([len(sets) - 1, at, r["clean"], round((r["search"] + r["held_out"]) / 2, 4)])
    means = np.mean(pooled, 0)
    for s, own in zip(sets, pooled, strict=True):
        # three degrees of freedom of its own against the typical variance of all sets
        error = np.sqrt((3 * np.array(own) + 5 * means) / 8)
        s |= {"clean_error": round(float(error[0]), 5), "noisy_error": round(float(error[1]), 5)}
    listed = [{"name": title(*by_hash[h]), "steps": by_hash[h][1]["steps"]} for h in policies]
    return {"format": "autonoise-gains/1", "data_type": data_type, "sets": sets, "policies": listed, "runs": runs,
            "hyper": Hyper().to_dict(), "portfolio": []}  # fmt: skip


def title(label: str, policy: dict[str, Any]) -> str:
    """A name that says what is in it: that of a preset or starting policy, else the techniques."""
    kind, _, name = label.partition(": ")
    if kind in ("preset", "start"):
        return name
    words = [s["technique"].replace("_", " ") for s in policy["steps"]]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def fit(learned: Any, most: int = 700) -> Any:
    """The constants under which the measured gains are most probable; on a random part where there are many."""
    from scipy.optimize import minimize

    from autonoise.study.gains import GainModel, Hyper, Observed
    from autonoise.study.learned import Guide

    guide = Guide(learned, learned.sets[0].meta, weight=WEIGHT)
    o = guide._bank
    chosen = np.random.default_rng(0).permutation(len(o.gains))[:most]
    part = Observed(o.policies[chosen], o.sets[chosen], np.clip(o.gains[chosen], -3, 3), o.error[chosen], o.meta)
    start = Hyper().to_dict()
    names = list(start)

    def loss(x: Any) -> float:
        h = Hyper.of(dict(zip(names, np.exp(x), strict=True)))
        try:
            value = -GainModel(part, 0, h).log_likelihood()
        except np.linalg.LinAlgError:
            return 1e6
        return value + 0.5 * float((((x - first) / 1.0) ** 2).sum())  # stays near what is plausible

    first = np.log(list(start.values()))
    found = minimize(loss, first, method="L-BFGS-B", bounds=[(v - 4, v + 4) for v in first], options={"maxiter": 25})
    return Hyper.of(dict(zip(names, np.round(np.exp(found.x), 5), strict=True)))


def shrunken(learned: Any) -> tuple[Any, Any]:
    """(S, P) posterior mean and standard deviation of every policy's gain on every set of the bank."""
    from autonoise.study.gains import GainModel
    from autonoise.study.learned import Guide

    guide = Guide(learned, learned.sets[0].meta, weight=WEIGHT)
    described = guide.described(learned.policies)
    both = [GainModel(guide._bank, i, learned.hyper).posterior(described) for i in range(len(learned.sets))]
    return np.array([m for m, _ in both]), np.array([s for _, s in both])


def portfolio(learned: Any, size: int = PORTFOLIO) -> list[int]:
    """Policies chosen one after the other so that the best of them (or no noise) gains most on the mean set.

    Where none is left that surely adds something, the next ones are those that may: a search can try them.
    """
    mean, sd = shrunken(learned)
    surely = _greedy(learned, mean - 0.25 * sd, [], size)
    chosen = _greedy(learned, mean + 0.5 * sd, surely, size)
    for i in map(int, np.argsort(-(mean - 0.25 * sd).mean(0), kind="stable")):
        alike = {frozenset(s.name for s in learned.policies[k].steps) for k in chosen}
        if len(chosen) < size and frozenset(s.name for s in learned.policies[i].steps) not in alike:
            chosen.append(i)
    return chosen


def _greedy(learned: Any, gains: Any, chosen: list[int], size: int) -> list[int]:
    sources = [s.source for s in learned.sets]
    weight = np.array([1 / sources.count(s) for s in sources])
    chosen = list(chosen)
    best = np.maximum(gains[:, chosen].max(1), 0.0) if chosen else np.zeros(len(learned.sets))
    while len(chosen) < size:
        after = [float(weight @ np.maximum(best, g)) for g in gains.T]
        i = int(np.argmax(after))
        if after[i] <= float(weight @ best) + 1e-3 * weight.sum():
            break
        chosen.append(i)
        best = np.maximum(best, gains[:, i])
    return chosen


def learn(values: dict[str, Any]) -> dict[str, Any]:
    from autonoise.study.learned import Learned

    values |= {"hyper": fit(Learned.from_dict(values)).to_dict()}
    values |= {"portfolio": portfolio(Learned.from_dict(values))}
    return values


def leave_out(values: dict[str, Any]) -> list[dict[str, Any]]:
    """For every set: what is learned from the others, and what its recommendation really brought there."""
    from autonoise.study.advice import HALF_WIDTH
    from autonoise.study.gains import lower_bound
    from autonoise.study.learned import Guide, Learned

    whole = Learned.from_dict(values)
    out = []
    for i, s in enumerate(whole.sets):
        rest = whole.keeping([o.source != s.source for o in whole.sets])
        chosen = portfolio(rest)
        mean, sd = Guide(rest, s.meta, weight=WEIGHT).predict(whole.policies)
        real: dict[int, list[float]] = {}
        for _, p, clean, noisy in whole.runs[whole.runs[:, 0] == i]:
            real.setdefault(int(p), []).append(WEIGHT * (noisy - s.noisy) + (1 - WEIGHT) * (clean - s.clean))
        means = {p: float(np.mean(v)) for p, v in real.items()}
        best = max(means, key=lambda p: float(lower_bound(mean[p], sd[p])))
        scale, n = max(WEIGHT * (s.clean - s.noisy), 0.01), len(real[best])
        seed_error = abs(WEIGHT * s.noisy_error + (1 - WEIGHT) * s.clean_error)
        out.append({
            "set": s.name, "policy": whole.policies[best].name, "hash": whole.policies[best].hash, "seeds": n,
            "advised": bool(mean[best] > HALF_WIDTH * sd[best]), "expected": scale * float(mean[best]),
            "low": scale * float(mean[best] - HALF_WIDTH * sd[best]),
            "high": scale * float(mean[best] + HALF_WIDTH * sd[best]), "measured": means[best],
            "error": seed_error * float(np.sqrt(1 / n + 1 / s.seeds)),
            "portfolio": max([0.0, *(means[p] for p in chosen if p in means)]), "best": max(0.0, *means.values()),
            "any": float(np.mean(list(means.values()))), "policies": len(means),
            "rank": float(spearmanr([mean[p] for p in means], list(means.values())).statistic),
        })  # fmt: skip
    return out


def table(data_type: str, rows: Sequence[dict[str, Any]]) -> str:
    """Leave-one-out in Markdown, in points of the mixed score over no noise."""
    lines = [
        f"\n## {data_type}\n",
        "| left out | recommended | expected | measured | seeds | best of portfolio | best of all | mean of all | rank |",
        "|---|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for r in rows:
        name = r["policy"] if r["advised"] else f"no noise (most promising: {r['policy']})"
        lines.append(
            f"| {r['set']} | {name} | {100 * r['expected']:+.1f} [{100 * r['low']:+.1f}, {100 * r['high']:+.1f}] "
            f"| {100 * r['measured']:+.1f} ± {200 * r['error']:.1f} | {r['seeds']} | {100 * r['portfolio']:+.1f} "
            f"| {100 * r['best']:+.1f} ({r['policies']}) | {100 * r['any']:+.1f} | {r['rank']:+.2f} |"
        )
    got = np.array([r["measured"] if r["advised"] else 0.0 for r in rows])
    half = t.ppf(0.975, len(got) - 1) * got.std(ddof=1) / np.sqrt(len(got)) if len(got) > 1 else float("nan")
    worse = [r["set"] for r in rows if r["advised"] and r["measured"] + 2 * r["error"] < 0]
    inside = sum(r["low"] <= r["measured"] <= r["high"] for r in rows)
    lines.append(
        f"\nThe recommendation (no noise counts as 0) brings {100 * got.mean():+.2f} [{100 * (got.mean() - half):+.2f}, "
        f"{100 * (got.mean() + half):+.2f}] points on the mean of {len(rows)} sets; surely worse than no noise on "
        f"{', '.join(worse) or 'none'}. The even-odds interval held the measured gain {inside} times of {len(rows)}. Mean "
        f"rank correlation of predicted and measured gains: {np.mean([r['rank'] for r in rows]):.2f}."
    )
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="+", type=Path)
    parser.add_argument("--work", type=Path, default=Path("runs/bank"))
    parser.add_argument("--leave-out", action="store_true")
    parser.add_argument("--out", type=Path, default=HERE.parent / "studies" / "learned")
    args = parser.parse_args()
    logging.disable(logging.WARNING)
    values = learn(gather(args.data, args.work, keep_all=args.leave_out))
    print(values["hyper"], [values["policies"][i]["name"] for i in values["portfolio"]])
    if args.leave_out:
        rows = leave_out(values)
        (args.work / f"{values['data_type']}.chosen.json").write_text(json.dumps({r["set"]: [r["hash"]] for r in rows}))
        print(table(values["data_type"], rows))
        return
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / f"{values['data_type']}.json").write_text(json.dumps(values) + "\n")


if __name__ == "__main__":
    main()
