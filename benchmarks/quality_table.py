"""The table of policy_quality.py: what each condition reaches, which share of the gap it closes, and the aims beside it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from bank import rows_of

NOTHING, SEARCHED = "no noise", "searched"
AIMS = {"image": 0.60, "text": 0.60, "audio": 0.45, "timeseries": 0.50, "tabular": 0.30}
"""Share of the gap that the searched policy is to close (issue "A search that finds more than was put in")."""
SMALLEST_GAP = 0.005
"""Accuracy that noise must cost on average for a share of it to be told."""
GROUPS = {"held": "held-out", "third": "third-party"}
HEAD = """# Policy quality

A model that is no proxy, trained in a plain loop to convergence on at most 2,000 rows of data sets that no portfolio was
learned from (residual network, bidirectional GRU on pieces of words, log-mel frames with convolutions and a GRU, fully
convolutional network, residual MLP: `benchmarks/quality_models.py`), and judged on at most 1,000 test rows: clean, under
autonoise's held-out corruptions at severities 2 and 4, and under corruptions of other libraries (albumentations, nlpaug,
audiomentations, tsaug, tab_err: `benchmarks/quality_recipes.py`). Accuracies are means over seeds; those under noise are
means over corruptions of a family, then over families. The gap closed is the share of the accuracy that the noise costs
a training without noise which is won back: a ratio of means over seeds, with its paired 95 % interval (Student's t, delta
method). Recipes of libraries are a few copies of each row made beforehand, one drawn for each row and epoch; with 16 copies of
pictures instead of 4 albumentations' recipe came .006 (clean), .011 (held out) and .013 (third-party) further on sign_digits,
seed 0. "Recommendation" is that of `autonoise recommend`, "portfolio" the first policy of the learned portfolio,
"searched" what this engine named after 40 trainings (`benchmarks/search_efficiency.py`): for each seed the policy of another
search, with splits of its own, or of the searches in turn where there are fewer than seeds.
"""


class Estimate(NamedTuple):
    """A mean with the ends of its 95 % interval (NaN with fewer than two seeds), and one value for each seed."""

    mean: float
    low: float
    high: float
    values: tuple[float, ...]

    @classmethod
    def of(cls, values: Sequence[float]) -> Estimate:
        from scipy.stats import t

        x = np.asarray(values, dtype=float)
        if len(x) < 2:
            return cls(float(x.mean()) if len(x) else float("nan"), float("nan"), float("nan"), tuple(x))
        half = t.ppf(0.975, len(x) - 1) * x.std(ddof=1) / np.sqrt(len(x))
        return cls(float(x.mean()), float(x.mean() - half), float(x.mean() + half), tuple(x))

    def told(self, digits: int = 1, unit: str = "") -> str:
        """In hundredths: points of accuracy, or per cent."""
        if np.isnan(self.mean):
            return "-"
        sign = "" if unit else "+"
        text = f"{100 * self.mean:{sign}.{digits}f}{unit}"
        return text if np.isnan(self.low) else f"{text} [{100 * self.low:.{digits}f}, {100 * self.high:.{digits}f}]"


def gap_closed(clean: Sequence[float], noisy: Sequence[float], policy: Sequence[float]) -> Estimate:
    """The share of the gap (clean minus noisy of the baseline) that the policy's noisy accuracy wins back, over seeds.

    sum(policy - noisy) / sum(clean - noisy); each seed's value is the ratio plus its residual over the mean gap, so that
    their mean is the ratio and their spread that of the delta method. NaN where the gap is too small to be shared.
    """
    gap, won = np.subtract(clean, noisy), np.subtract(policy, noisy)
    if gap.mean() < SMALLEST_GAP:
        return Estimate(float("nan"), float("nan"), float("nan"), ())
    ratio = won.mean() / gap.mean()
    return Estimate.of((ratio + (won - ratio * gap) / gap.mean()).tolist())


def together(parts: Sequence[Estimate]) -> Estimate:
    """The mean over data sets: seed by seed, so that the interval stays one over seeds."""
    known = [p for p in parts if p.values]
    if not known:
        return Estimate(float("nan"), float("nan"), float("nan"), ())
    n = min(len(p.values) for p in known)
    return Estimate.of([float(np.mean([p.values[i] for p in known])) for i in range(n)])


def family_mean(noisy: Mapping[str, float], families: Mapping[str, str], group: str, unseen: Any = None) -> float:
    """Mean accuracy under the corruptions of a group: over those of a family, then over families.

    ``unseen``: a function of a family; others do not count.
    """
    by: dict[str, list[float]] = {}
    for name, accuracy in noisy.items():
        if name.startswith(f"{group}/") and (unseen is None or unseen(families[name])):
            by.setdefault(families[name], []).append(accuracy)
    return float(np.mean([np.mean(v) for v in by.values()])) if by else float("nan")


def named_by_searches(name: str, work: Path) -> list[Any]:
    """What the engine named after 40 trainings in the searches of search_efficiency.py, by the seed of the search."""
    from autonoise.policy import Policy

    rows = [r for r in rows_of(work / f"{name}.searches.jsonl") if r["method"] == "autonoise"]
    return [Policy.from_dict(r["named"]["40"], SEARCHED, tell=False) for r in sorted(rows, key=lambda r: r["seed"])]


class OneSet:
    """The results of one data set: condition and budget to rows, in the order of seeds that all of them have."""

    def __init__(self, name: str, rows: list[dict[str, Any]], work: Path) -> None:
        self.name, self.type = name, rows[0]["type"]
        with np.load(work / f"{name}.npz", allow_pickle=False) as stored:
            meta = json.loads(stored["meta"].tobytes())
        self.families = meta["families"]
        pools = [key.rsplit("/", 1)[0] for key in meta["entries"] if key.startswith("pool/")]
        self.copies = max(map(pools.count, pools), default=0)
        by: dict[tuple[str, str], dict[int, Any]] = {}
        for row in rows:
            if "error" not in row:
                by.setdefault((row["key"], row["budget"]), {})[row["seed"]] = row
        self.policies, keys = self._named(work)
        self.searched = named_by_searches(name, work)
        keys |= {k: k for k, _ in by if k.startswith("recipe: ")}
        found = {(n, b): by[key, b] for n, key in keys.items() for b in ("epochs", "time") if (key, b) in by}
        for (key, budget), rows_of_key in by.items():
            for seed, row in rows_of_key.items():
                if self.searched and key == self.searched[seed % len(self.searched)].hash:
                    found.setdefault((SEARCHED, budget), {})[seed] = row
        base = sorted(found.get((NOTHING, "epochs"), {}))
        self.rows = {c: {s: r for s, r in rows.items() if s in base} for c, rows in found.items()}

    def _named(self, work: Path) -> tuple[dict[str, Any], dict[str, str]]:
        from autonoise.policy import Policy

        found = {NOTHING: Policy(self.type)}
        file = work / f"{self.name}.policies.json"
        values = json.loads(file.read_text()) if file.exists() else {}
        found |= {n: Policy.from_dict(v, n, tell=False) for n, v in values.items()}
        return found, {n: p.hash for n, p in found.items()}

    @property
    def recipes(self) -> list[str]:
        return [n for n, b in self.rows if n.startswith("recipe: ") and b == "epochs"]

    def values(self, condition: str, what: str, budget: str = "epochs", unseen: Any = None) -> dict[int, float]:
        """Seed to "clean", "held" or "third" accuracy, or "mixed held": half clean, half noisy."""
        rows = self.rows.get((condition, budget), {})
        if what == "clean":
            return {s: r["clean"] for s, r in rows.items()}
        group = what.removeprefix("mixed ")
        noisy = {s: family_mean(r["noisy"], self.families, group, unseen) for s, r in rows.items()}
        return {s: (rows[s]["clean"] + v) / 2 for s, v in noisy.items()} if what.startswith("mixed") else noisy

    def closed(self, condition: str, group: str, budget: str = "epochs", unseen: Any = None) -> Estimate:
        policy = self.values(condition, group, budget, unseen)
        clean, noisy = self.values(NOTHING, "clean"), self.values(NOTHING, group, "epochs", unseen)
        seeds = sorted(policy)
        if not seeds or np.isnan(list(policy.values())).any():
            return Estimate(float("nan"), float("nan"), float("nan"), ())
        return gap_closed([clean[s] for s in seeds], [noisy[s] for s in seeds], [policy[s] for s in seeds])

    def minus(self, a: str, b: str, what: str, budget: str = "epochs") -> Estimate:
        one, other = self.values(a, what, budget), self.values(b, what)
        return Estimate.of([one[s] - other[s] for s in sorted(one) if s in other])

    def best_recipe(self, what: str) -> str | None:
        """The recipe with the highest mean, which these very rows chose: that favours it."""
        return max(self.recipes, key=lambda n: np.mean(list(self.values(n, what).values())), default=None)

    def unseen(self, condition: str) -> Any:
        """Whether training under a policy met neither this family of noise nor a related one."""
        from autonoise.types import Family, related

        own = self.searched if condition == SEARCHED else [p for n, p in self.policies.items() if n == condition]
        met = {family for p in own for family in p.families}
        return lambda family: not any(related(Family(family), m) for m in met)


def table(work: Path) -> str:
    rows = [r for f in sorted(work.glob("results.*.jsonl")) for r in rows_of(f)]
    sets = [OneSet(n, [r for r in rows if r["set"] == n], work) for n in dict.fromkeys(r["set"] for r in rows)]
    sets = sorted(sets, key=lambda s: list(AIMS).index(s.type))
    machines = {f.stem.removeprefix("machine."): f.read_text().strip() for f in sorted(work.glob("machine.*.txt"))}
    told = "; ".join(f"{k}: {v}" for k, v in machines.items())
    lines = [
        HEAD,
        f"Command: `python benchmarks/policy_quality.py prepare|ready|train|table DATA...`. Machines: {told}.\n",
    ]
    copies = {s.type: s.copies for s in sets if s.copies}
    lines += [f"Copies of each row: {', '.join(f'{t} {n}' for t, n in copies.items())}.\n"]
    lines += ["## The aims\n", *aims(sets)]
    for one in sets:
        lines += [f"\n## {one.type}: {one.name}\n", *of_set(one, work)]
    failed = [r for r in rows if "error" in r]
    lines += [f"\n{len(failed)} trainings failed: {failed[0]['error']}"] if failed else []
    return "\n".join(lines) + "\n"


def aims(sets: list[OneSet]) -> list[str]:
    """Per data type, the mean over its sets: the searched policy beside what it was to reach."""
    lines = [
        "| type | gap closed, held out | aim | gap closed, third-party | of unseen kinds alone (held out; third-party) | "
        "clean, points | minus best recipe, mixed score (held out; third-party) | minus no noise, mixed score |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for data_type, aim in AIMS.items():
        own = [s for s in sets if s.type == data_type and (SEARCHED, "epochs") in s.rows]
        if not own:
            continue
        closed = {g: together([s.closed(SEARCHED, g) for s in own]) for g in GROUPS}
        rest = {g: together([s.closed(SEARCHED, g, unseen=s.unseen(SEARCHED)) for s in own]) for g in GROUPS}
        clean = together([s.minus(SEARCHED, NOTHING, "clean") for s in own])
        against = {}
        for g in GROUPS:
            pairs = [(s, s.best_recipe(f"mixed {g}")) for s in own]
            against[g] = together([s.minus(SEARCHED, b, f"mixed {g}") for s, b in pairs if b is not None])
        base = together([s.minus(SEARCHED, NOTHING, "mixed held") for s in own])
        met = "met" if closed["held"].mean >= aim else "not met"
        fine = "met" if clean.mean >= -0.01 else "not met"
        lines.append(
            f"| {data_type} | {closed['held'].told(0, ' %')} | {100 * aim:.0f} %: {met} | {closed['third'].told(0, ' %')} | "
            f"{rest['held'].told(0, ' %')}; {rest['third'].told(0, ' %')} | {clean.told()} (at least -1: {fine}) | "
            f"{_sure(against['held'])}; {_sure(against['third'])} | {_sure(base)} |"
        )
    return lines


def _sure(e: Estimate) -> str:
    word = "" if np.isnan(e.low) else " better" if e.low > 0 else " worse" if e.high < 0 else " open"
    return e.told() + word


def of_set(one: OneSet, work: Path) -> list[str]:
    lines = [
        "| condition | seeds | passes | seconds | clean | held out | third-party | gap closed, held out | gap closed, third-party |"
        " clean, points |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for (name, budget), rows in one.rows.items():
        if not rows:
            continue
        first, cells = next(iter(rows.values())), []
        for what in ("clean", *GROUPS):
            found = list(one.values(name, what, budget).values())
            cells.append("-" if np.isnan(found).any() else f"{np.mean(found):.3f}")
        closed = [one.closed(name, g, budget).told(0, " %") if name != NOTHING else "0" for g in GROUPS]
        change = one.minus(name, NOTHING, "clean", budget).told() if name != NOTHING else "0"
        shown = name if budget == "epochs" else f"{name}, equal time"
        seconds = np.mean([r["seconds"] for r in rows.values()])
        lines.append(
            f"| {shown} | {len(rows)} | {first['passes']:g} | {seconds:.0f} | {' | '.join([*cells, *closed, change])} |"
        )
    for name, policy in one.policies.items():
        steps = " + ".join(s.name for s in policy.steps) or "no noise"
        if name in ("recommendation", "portfolio"):
            lines.append(f"\n{name}: {steps}.")
    for number, policy in enumerate(one.searched):
        lines.append(f"\nsearched, seed {number}: {' + '.join(s.name for s in policy.steps) or 'no noise'}.")
    if one.searched:
        unseen = one.unseen(SEARCHED)
        met = sorted(
            n.split("/", 1)[1] + f" ({GROUPS[n.split('/')[0]]})" for n, f in one.families.items() if not unseen(f)
        )
        lines.append(
            f"\nThe searched policies train on the same or a related kind of noise as: {', '.join(met) or 'none'}."
        )
    return lines
