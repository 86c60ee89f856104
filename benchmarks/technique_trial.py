"""Does a technique earn its place? One step at middle strength against no noise, with the proxy, on open data sets.

    python benchmarks/technique_trial.py --data flowers.npz --data sign_digits.npz --technique prime --technique pixmix

A technique is tried as one step of probability 0.5 with every parameter in the middle of the range that a search tries
by default (the geometric middle where that range is logarithmic); ``prime:filter=2,probability=1`` sets some of them
otherwise. Each seed trains the baseline and every step from the same start on the same rows. Scores are of the confirm
rows, with two severities of each corruption; test rows are never read. Printed for each technique and data set, as the
mean over seeds minus that of no noise, in points, with its standard error:

- clean: accuracy without noise;
- mixed: half clean accuracy, half accuracy under the corruptions that a search sees (what it maximises);
- unseen: accuracy under the held-out corruptions, without those that the technique's families count as seen.
"""

from __future__ import annotations

import argparse
import math
import platform
import tempfile
import time
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
SEVERITIES = (2, 4)


def step_of(text: str):  # type: ignore[no-untyped-def]
    """The step that ``name:parameter=value,..`` means, with the middle of its range for every parameter not given."""
    from autonoise.policy import Step
    from autonoise.technique.parameters import Range, parameters_of
    from autonoise.technique.registry import get_technique

    name, _, given = text.partition(":")
    values: dict[str, object] = {"probability": 0.5}
    for key, parameter in parameters_of(get_technique(name)).items():
        if isinstance(parameter, Range):
            low, high = parameter.low, parameter.high
            middle = math.sqrt(low * high) if parameter.log else (low + high) / 2
            values[key] = round(middle) if parameter.integer else middle
    for pair in filter(None, given.split(",")):
        key, _, value = pair.partition("=")
        try:
            values[key] = int(value) if value.lstrip("-").isdigit() else float(value)
        except ValueError:
            values[key] = value
    return Step.of(name, **values)  # type: ignore[arg-type]


def measure(
    data: str, steps: list[str], seeds: int, rows: int, epochs: int | None
) -> dict[str, list[dict[str, float]]]:
    """For each step, and for no noise under the name "", one dictionary of scores for each seed."""
    import torch

    from autonoise.corruptions.base import get_corruption
    from autonoise.evaluation.score import evaluate
    from autonoise.policy import Policy
    from autonoise.study.config import StudyConfig
    from autonoise.study.folder import StudyFolder
    from autonoise.study.prepare import build_task, ensure_corruptions

    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as out:
        task = build_task(StudyConfig(data=data, study="trial", out=out, train_rows=rows, epochs=epochs))
        folder = StudyFolder(out)
        folder.create()
        ensure_corruptions(task, folder, seed=0)
    kind = task.dataset.data_type
    results: dict[str, list[dict[str, float]]] = {}
    for text in ["", *steps]:
        policy = Policy(kind, (step_of(text),) if text else ())
        met = policy.families
        for seed in range(seeds):
            start, fold = time.process_time(), seed % task.folds
            trained = task.train(policy, seed=1000 + seed, fold=fold)
            seconds = time.process_time() - start
            seen, held = (
                evaluate(trained.model, task.sets("confirm", fold, g), SEVERITIES) for g in ("search", "held_out")
            )
            accuracy = {c: float(np.mean(v)) for c, v in held.corruptions.items()}
            unseen = {c: get_corruption(kind, c).exposure(met) == "unseen" for c in accuracy if c != "real"}
            results.setdefault(text, []).append(
                {"clean": seen.accuracy, "mixed": seen.mixed(0.5), "seconds": seconds}
                | {f"held.{c}": accuracy[c] for c in unseen}
                | {f"unseen.{c}": float(new) for c, new in unseen.items()}
            )
        last = results[text][-1]
        print(
            f"{Path(data).name} {text or 'no noise'}: clean {last['clean']:.3f} mixed {last['mixed']:.3f}", flush=True
        )
    return results


def difference(new: list[float], old: list[float]) -> str:
    """Mean of new - old in points with its standard error, an asterisk where it is above two of them."""
    d = 100 * (np.array(new) - np.array(old))
    error = d.std(ddof=1) / math.sqrt(len(d)) if len(d) > 1 else math.nan
    return f"{d.mean():+.1f} ± {error:.1f}{' *' if d.mean() > 2 * error else ''}"


def table(data: str, results: dict[str, list[dict[str, float]]]) -> str:
    base = results[""]
    held = [k for k in base[0] if k.startswith("held.")]

    def mean(rows: list[dict[str, float]], key: str) -> float:
        return float(np.mean([r[key] for r in rows]))

    lines = [
        f"\n### {Path(data).name.split('.')[0]}\n",
        f"No noise: clean {mean(base, 'clean'):.3f}, mixed {mean(base, 'mixed'):.3f}, held out "
        f"{np.mean([mean(base, k) for k in held]):.3f}; {mean(base, 'seconds'):.1f} s of CPU for a training.\n",
        "| technique | clean | mixed | unseen | unseen corruptions | time |",
        "|---|---|---|---|---|---|",
    ]
    for text, rows in results.items():
        if not text:
            continue
        new = [k for k in held if rows[0][k.replace("held.", "unseen.")]]
        far = [[float(np.mean([r[k] for k in new])) for r in side] for side in (rows, base)] if new else None
        lines.append(
            f"| {text} | {difference([r['clean'] for r in rows], [r['clean'] for r in base])} | "
            f"{difference([r['mixed'] for r in rows], [r['mixed'] for r in base])} | "
            f"{difference(*far) if far else '-'} | {len(new)} of {len(held)} | "
            f"{mean(rows, 'seconds') / mean(base, 'seconds'):.2f} |"
        )
    return "\n".join(lines)


def main() -> None:
    import torch

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", action="append", required=True, help="a data file; may be given several times")
    parser.add_argument("--technique", action="append", required=True, help="name, or name:parameter=value,..")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--rows", type=int, default=1500, help="training rows at most")
    parser.add_argument("--epochs", type=int, help="of a training; the proxy's own number by default")
    parser.add_argument("--out", type=Path, help="a file to which the tables are added")
    args = parser.parse_args()
    made_on = f"{platform.machine()}, one thread, torch {torch.__version__}"
    tables = [table(d, measure(d, args.technique, args.seeds, args.rows, args.epochs)) for d in args.data]
    text = "\n".join(tables) + f"\n\n{args.seeds} seeds, at most {args.rows} rows; {made_on}.\n"
    print(text)
    if args.out:
        with args.out.open("a", encoding="utf-8") as f:
            f.write(text)


if __name__ == "__main__":
    main()
