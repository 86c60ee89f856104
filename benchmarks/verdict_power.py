"""Is the verdict right as often as it says? Simulated with the variances of stored studies, beside the former rule.

    python benchmarks/verdict_power.py [--study FOLDER ...] [--rounds 2000]

Without ``--study`` the variances are those behind benchmarks/results/searches.md: the intervals of the contestants give
the standard deviation between seeds, that of the difference the variance of the rows. With it, they are read from the
``variances`` in the result.json of studies. Every round makes up runs of a baseline, a recipe and a policy with these
variances and a known difference, and lets the verdict's own code decide.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from autonoise.verdict.looks import Ledger, Pair, settle
from autonoise.verdict.statistics import Estimate, Side, estimate

HERE = Path(__file__).resolve().parent
LABELS = ("baseline", "preset", "policy")
PAIRS: tuple[Pair, ...] = (("policy", "baseline"), ("policy", "preset"), ("preset", "baseline"))
ROWS = 150
"""Rows that stand for those of a test part: only the variance of their mean counts."""
RESIDUAL = 2.0
"""Variance of what is of one row and one run alone, over that of the rows."""


@dataclass(frozen=True)
class Case:
    """Variances of a stored study: of the mean difference over rows, and between seeds; and the gains measured there."""

    name: str
    rows: float
    seeds: Mapping[str, float]
    gain: float


@dataclass
class Storage:
    """Stands in for a study: only its attributes are used."""

    user_attrs: dict[str, Any] = field(default_factory=dict)

    def set_user_attr(self, key: str, value: Any) -> None:
        self.user_attrs[key] = value


class Made:
    """Runs of the contestants, made up when asked for; asking for more keeps those that are there."""

    def __init__(self, case: Case, means: Mapping[str, float], rng: np.random.Generator) -> None:
        own = case.rows * ROWS / 2 / (1 + RESIDUAL / 5)
        self._case, self._means, self._rng = case, means, rng
        self._rows = {label: np.sqrt(own) * rng.standard_normal(ROWS) for label in LABELS}
        self._residual = np.sqrt(RESIDUAL * own)
        self._runs: dict[str, list[np.ndarray]] = {label: [] for label in LABELS}
        self.trained = 0

    def runs(self, label: str, k: int) -> list[np.ndarray]:
        while len(self._runs[label]) < k:
            self.trained += 1
            seed = np.sqrt(self._case.seeds[label]) * self._rng.standard_normal()
            noise = self._residual * self._rng.standard_normal(ROWS)
            self._runs[label].append(self._means[label] + seed + self._rows[label] + noise)
        return self._runs[label][:k]

    def compared(self, counts: Mapping[str, int]) -> dict[Pair, Estimate]:
        sides = {label: Side([[(1.0, r)] for r in self.runs(label, k)]) for label, k in counts.items()}
        return {(a, b): estimate(sides[a], sides[b]) for a, b in PAIRS}


def former(a: Sequence[np.ndarray], b: Sequence[np.ndarray]) -> tuple[float, float]:
    """The rule before: s_seed^2 / K + s_row^2 / n with Student's t of K - 1, whatever the variance comes from."""
    d = np.array(a) - np.array(b)
    k, n = d.shape
    variance = d.mean(1).var(ddof=1) / k + d.mean(0).var(ddof=1) / n
    half = stats.t.ppf(0.975, k - 1) * variance**0.5
    return float(d.mean() - half), float(d.mean() + half)


def stored(text: str) -> Iterator[Case]:
    """The cases of results/searches.md."""
    for part in text.split("\n## ")[1:]:
        seeds = {}
        for line in part.splitlines():
            found = re.match(r"\| (baseline|policy|preset): ", line)
            if found:
                cells = [re.findall(r"-?[\d.]+", c) for c in line.split("|")[2:5]]
                clean, held = (((float(c[2]) - float(c[1])) / 2 / 2.776) ** 2 * 5 for c in (cells[0], cells[2]))
                seeds[found[1]] = 0.25 * (clean + held)
        seeds.setdefault("preset", seeds["policy"])
        gain, low, high = (
            float(x) for x in re.findall(r"-?\d\.\d+", part.split("Policy minus baseline, mixed score: ")[1])[:3]
        )
        whole = ((high - low) / 2 / 2.776) ** 2
        rows = max(whole - (seeds["policy"] + seeds["baseline"]) / 5, 0.2 * whole)
        yield Case(part.split("\n")[0].strip(), rows, seeds, gain)


def of_study(folder: Path) -> Case:
    result = json.loads((folder / "result.json").read_text())
    own = result["variances"]["policy - baseline"]
    seeds = {"policy": own["per_seed"][0], "baseline": own["per_seed"][1]}
    other = result["variances"].get("preset - baseline")
    seeds["preset"] = other["per_seed"][0] if other else seeds["policy"]
    return Case(result["study"], own["rows"], seeds, result["differences"]["baseline"]["score"][0])


@dataclass
class Tally:
    """Shares over rounds, against the baseline and against the preset."""

    better: np.ndarray
    covers: np.ndarray
    former_better: np.ndarray
    former_covers: np.ndarray
    seeds: float
    looks: float


def play(case: Case, gain: float, rounds: int, seed: int) -> Tally:
    """The policy is ``gain`` better than the baseline; the preset is as good as the baseline."""
    rng = np.random.default_rng(seed)
    means = {"baseline": 0.0, "preset": 0.0, "policy": gain}
    out = np.zeros((4, 2))
    trained = looks = 0
    for _ in range(rounds):
        made, storage = Made(case, means, rng), Storage()
        ledger = Ledger.of(storage, "contestants", 5)  # type: ignore[arg-type]
        settled = settle(ledger, LABELS, made.compared)
        assert settled is not None
        trained, looks = trained + made.trained, looks + ledger.all_looks
        for j, other in enumerate(("baseline", "preset")):
            i = settled.found["policy", other]
            low, high = former(made.runs("policy", 5), made.runs(other, 5))
            out[:, j] += (i.low > 0, i.low <= gain <= i.high, low > 0, low <= gain <= high)
    out /= rounds
    return Tally(*out, trained / rounds / 3, looks / rounds)


def repeated(case: Case, verdicts: int, rounds: int, seed: int) -> tuple[float, float]:
    """Share of studies with a false ``better`` over the baseline in any of so many continued verdicts; former rule, too.

    Each verdict has another policy, the same baseline and the same test rows; none helps.
    """
    rng, zero = np.random.default_rng(seed), dict.fromkeys(LABELS, 0.0)
    now = before = 0
    for _ in range(rounds):
        made, storage, any_now, any_before = Made(case, zero, rng), Storage(), False, False
        for v in range(verdicts):
            other = Made(case, zero, rng)

            def compared(counts: Mapping[str, int], made: Made = made, other: Made = other) -> dict[Pair, Estimate]:
                a, b = (
                    Side([[(1.0, r)] for r in m.runs(x, counts[x])]) for m, x in ((other, "policy"), (made, "baseline"))
                )
                return {("policy", "baseline"): estimate(a, b)}

            settled = settle(Ledger.of(storage, f"policy {v}", 5), ("baseline", "policy"), compared)  # type: ignore[arg-type]
            any_now |= settled is not None and settled.found["policy", "baseline"].low > 0
            any_before |= former(other.runs("policy", 5), made.runs("baseline", 5))[0] > 0
        now, before = now + any_now, before + any_before
    return now / rounds, before / rounds


def percent(values: Sequence[float]) -> str:
    return " / ".join(f"{100 * v:.1f}" for v in values)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--study", action="append", default=[], help="folder of a study with a verdict")
    parser.add_argument("--rounds", type=int, default=2000)
    parser.add_argument("--out", default=str(HERE / "results" / "verdict_power.md"))
    options = parser.parse_args()
    cases = [of_study(Path(f)) for f in options.study] or list(stored((HERE / "results" / "searches.md").read_text()))
    given = "".join(f" --study {f}" for f in options.study)
    lines = [
        "# Power of the verdict",
        "",
        f"`python benchmarks/verdict_power.py{given} --rounds {options.rounds}`  ",
        f"Machine: {platform.machine()}, {os.cpu_count()} cores; simulated, so its speed does not matter. Each line: "
        f"{options.rounds} rounds, standard errors up to 1.1 points, near 0.4 where shares are near 3 or 97 %.",
        "",
        "Per cent, against the baseline / against the preset. The preset is as good as the baseline. *Former* is the "
        "rule before: five seeds each, one look, Student's t of K - 1. Seeds: trainings a contestant.",
        "",
        "| variances of | true gain | better | former | interval covers | former | seeds | looks |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for n, case in enumerate(cases):
        for gain in (0.0, 0.5 * abs(case.gain), abs(case.gain)):
            t = play(case, gain, options.rounds, 10 * n)
            lines.append(
                f"| {case.name} | {gain:.4f} | {percent(t.better)} | {percent(t.former_better)} | {percent(t.covers)} | "
                f"{percent(t.former_covers)} | {t.seeds:.1f} | {t.looks:.2f} |"
            )
            print(lines[-1], flush=True)
    lines += [
        "",
        "Studies that were continued: share with a false `better` over the baseline after 1, 3 and 10 verdicts, each "
        "of another useless policy on the same test rows.",
        "",
        "| variances of | verdicts | any false better | former |",
        "|---|---|---|---|",
    ]
    for case in (cases[0], cases[-1]):
        for verdicts in (1, 3, 10):
            shares = repeated(case, verdicts, options.rounds // 2, verdicts)
            lines.append(f"| {case.name} | {verdicts} | {percent(shares[:1])} | {percent(shares[1:])} |")
            print(lines[-1], flush=True)
    Path(options.out).write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
