"""One table of finished searches: baseline, best preset and found policy on the test part, with intervals.

autonoise search DATA ... --out runs/NAME      # one or more
python benchmarks/searches.py runs/NAME ... > benchmarks/results/searches.md
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path)
    args = parser.parse_args()
    print("# Searches\n")
    print(
        f"Machine: {platform.machine()}, 2 cores shared with other work. Means over seeds with 95 % intervals; "
        "brackets of gaps are paired over seeds and examples."
    )
    for folder in args.folders:
        print("\n".join(section(folder)))


if __name__ == "__main__":
    main()
