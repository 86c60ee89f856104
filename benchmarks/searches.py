"""One table of finished searches: baseline, best preset and found policy on the test part, with intervals.

autonoise search DATA ... --out runs/NAME      # one or more
python benchmarks/searches.py runs/NAME ... > benchmarks/results/searches.md
python benchmarks/searches.py --short runs/NAME ... > benchmarks/results/verdicts.md    # a line for each
"""

from __future__ import annotations

import argparse
import json
import platform
from pathlib import Path


def interval(values: list[float] | None, scale: float = 1.0, digits: int = 3) -> str:
    if not values:
        return "-"
    mean, low, high = (scale * v for v in values)
    return f"{mean:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"


def section(folder: Path) -> list[str]:
    result = json.loads((folder / "result.json").read_text())
    config = result["config"]
    options = " ".join(
        f"--{k.replace('_', '-')} {config[k]}"
        for k in ("trials", "train_rows", "epochs", "workers", "seed")
        if k in config
    )
    lines = [
        f"\n## {result['study']}\n",
        f"{result['describe']}\n",
        f"`autonoise search {Path(config['data']).name} {options}`\n",
        f"**{result['sentence']}**\n",
        f"Recommendation: {result['recommendation']}.\n",
        "| | clean | search families | held-out families | gap closed, held out % | gap closed, every held-out % | passes |",
        "|---|---|---|---|---|---|---|",
    ]
    for label, c in result["contestants"].items():
        gap, every = (interval(c.get(k), 100, 0) for k in ("gap_closed_held_out", "gap_closed_held_out_all"))
        lines.append(
            f"| {label}: {c['name']} | {interval(c['clean'])} | {interval(c['search'])} | {interval(c['held_out'])} | "
            f"{gap} | {every} | {c['passes']:.2f} |"
        )
    for label, d in result["differences"].items():
        lines.append(f"\nPolicy minus {label}, mixed score: {interval(d['score'], 1, 4)}.")
    lines.append(f"\nHeld-out corruptions that count: {', '.join(result['held_out'])}.")
    steps = "; ".join(
        f"{s['technique']} ({', '.join(f'{k} {v}' for k, v in s.items() if k not in ('technique', 'version'))})"
        for s in result["contestants"]["policy"]["steps"]
    )
    lines.append(f"\nPolicy: {steps}.")
    counts = result["counts"]
    lines.append(
        f"\nTrials: {counts['complete']} complete, {counts['pruned']} pruned, {counts['failed']} failed; work of "
        f"{counts['work']:.1f} full trainings; verdict over {result['seeds']} seeds and {result['test_rows']} test rows."
    )
    return lines


def short(folder: Path) -> str:
    """A line of a table: what the verdict is, in points of the mixed score, and what the study took."""
    result = json.loads((folder / "result.json").read_text())
    against = {k: interval(d["score"], 100, 1) for k, d in result["differences"].items()}
    policy, base = result["contestants"]["policy"], result["contestants"]["baseline"]
    counts, trials = result["counts"], result["counts"]["seconds_search"]
    clean = result["differences"]["baseline"]["clean"]
    cells = [
        result["data_type"],
        result["study"],
        result["verdict"],
        against["baseline"],
        against.get("preset", "-"),
        against.get("start", "-"),
        interval(policy.get("gap_closed_held_out"), 100, 0),
        interval(clean, 100, 1),
        f"{base['clean'][0]:.3f}",
        " + ".join(s["technique"] for s in policy["steps"]),
        f"{counts['complete']}, {counts['pruned']}",
        str(min(result["seeds_of"].values())),
        f"{counts['seconds_last_run'] / 60:.1f}",
        f"{100 * trials / counts['seconds_last_run']:.0f} %" if trials < counts["seconds_last_run"] else "continued",
    ]
    return f"| {' | '.join(cells)} |"


HEAD = """# Verdicts of default searches

One search on each data set, `autonoise search DATA --trials 40 --train-rows 5000 --timeout 15m --seed 0`, and what its verdict
said: on test rows, under held-out corruptions of families that no contestant trained on, with fresh seeds. Found minus no
noise, minus the best preset and minus the best starting policy (the learned portfolio and the space's own, unchanged by the
search; - where it was not compared, or is the found policy) are points of the mixed score. Intervals are of 95 %, of the mean
over models and rows. The prior and the portfolio were made without the data set and its relatives. Seeds: trainings of each
contestant in the verdict; five are usual, three are left where the time is short. Minutes: the last run by the clock, one
worker; then the share that trials took.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--short", action="store_true", help="one line for each search")
    args = parser.parse_args()
    if args.short:
        print(HEAD)
        print(f"Machine: {platform.machine()}, 2 cores shared with other work.\n")
        print(
            "| type | data | verdict | minus no noise | minus preset | minus start | gap closed, held out % | clean, points "
            "| clean without noise | found | trials complete, pruned | seeds | minutes | in trials |"
        )
        print("|---" * 14 + "|")
        print("\n".join(short(folder) for folder in args.folders))
        return
    print("# Searches\n")
    print(
        f"Machine: {platform.machine()}, 2 cores shared with other work. Means over seeds with 95 % intervals; "
        "brackets of gaps are paired over seeds and examples."
    )
    for folder in args.folders:
        print("\n".join(section(folder)))


if __name__ == "__main__":
    main()
