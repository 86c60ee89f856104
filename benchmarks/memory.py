"""Does memory help? Leave one data set out: the recommendation from all other studies against no noise and the preset.

    python benchmarks/memory.py --data breast_cancer --data wine --data adult.csv.gz --data telco_churn.csv.gz

Every data set is searched once (with no memory); then, for each, the policy recommended from the *other* studies is
trained from fresh seeds and judged on the data set's test part with the held-out families, beside the baseline, the
first preset and the study's own policy.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import tempfile
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent


def search(data: str, out: Path, trials: int, train_rows: int) -> None:
    from autonoise.study.config import StudyConfig
    from autonoise.study.search import run_search

    name = Path(data).name.split(".")[0]
    where = str(out / name / name)
    config = StudyConfig(data=data, study=name, out=where, trials=trials, train_rows=train_rows, seeds=3)
    run_search(config)


def judge(data: str, out: Path, train_rows: int, seeds: int) -> dict[str, object]:
    from autonoise.policy import Policy
    from autonoise.space import SearchSpace
    from autonoise.study.config import StudyConfig
    from autonoise.study.folder import StudyFolder
    from autonoise.study.jobs import Job, run_job
    from autonoise.study.memory import bank, features_of, nearest
    from autonoise.study.prepare import build_task, ensure_corruptions
    from autonoise.study.statistics import paired, parts_of, value
    from autonoise.study.verdict import FIRST_SEED

    name = Path(data).name.split(".")[0]
    folder = StudyFolder(out / name / name)
    config = StudyConfig(data=data, study=name, out=str(folder.root), train_rows=train_rows)
    task = build_task(config)
    ensure_corruptions(task, folder, seed=0)
    studies = [s for p in out.iterdir() for s in bank(task.dataset.data_type, [p]) if s.name != name]
    ranked = nearest(features_of(task.dataset), studies)
    helped = [s for _, s in ranked if s.summary["score"]["policy"] > s.summary["score"]["baseline"]] or [ranked[0][1]]
    own = Policy.from_dict(json.loads((folder.root / "memory.json").read_text())["policies"][0])
    policies = {
        "no noise": Policy(task.dataset.data_type),
        "preset": SearchSpace.load(str(task.dataset.data_type)).presets[0],
        "recommended": helped[0].policies[0],
        "own search": own,
    }
    families = {f.name: str(f.family) for f in task.frozen}
    held = [f.name for f in task.frozen if f.group == "held_out"]
    parts = {}
    for label, policy in policies.items():
        runs = [run_job(task, folder, Job(policy, "test", FIRST_SEED + k)) for k in range(seeds)]
        parts[label] = [parts_of(r, 0.5, families, held) for r in runs]
    scores = {label: float(np.mean([value(p) for p in ps])) for label, ps in parts.items()}
    gain = paired(parts["recommended"], parts["no noise"])
    return {"data": name, "from": helped[0].name, "scores": scores, "gain": gain.to_list()}


def main() -> None:
    import torch

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", action="append", required=True)
    parser.add_argument("--trials", type=int, default=30)
    parser.add_argument("--train-rows", type=int, default=4000)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=HERE / "results" / "memory.md")
    args = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as root:
        out = Path(root)
        for data in args.data:
            search(data, out, args.trials, args.train_rows)
        rows = [judge(data, out, args.train_rows, args.seeds) for data in args.data]
    names = " ".join(f"--data {Path(d).name}" for d in args.data)
    labels = ("no noise", "preset", "recommended", "own search")
    lines = [
        "# Memory across studies, leaving one data set out", "",
        f"Command: `python benchmarks/memory.py {names} --trials {args.trials} --train-rows {args.train_rows} "
        f"--seeds {args.seeds}`", "",
        f"Machine: {platform.processor() or platform.machine()}, {os.cpu_count()} cores, Python "
        f"{platform.python_version()}, torch {torch.__version__}.", "",
        "Mixed score (half clean, half held-out families) on the test part; the gain of the recommendation over no noise "
        "with its 95 % interval.", "",
        "| data | recommended from | " + " | ".join(labels) + " | gain |", "|---" * (len(labels) + 3) + "|",
    ]
    for row in rows:
        scores = row["scores"]
        assert isinstance(scores, dict)
        gain = row["gain"]
        assert isinstance(gain, list)
        cells = " | ".join(f"{scores[x]:.4f}" for x in labels)
        lines.append(f"| {row['data']} | {row['from']} | {cells} | {gain[0]:+.4f} [{gain[1]:+.4f}, {gain[2]:+.4f}] |")
    helped = sum(isinstance(r["gain"], list) and r["gain"][1] > 0 for r in rows)
    hurt = sum(isinstance(r["gain"], list) and r["gain"][2] < 0 for r in rows)
    lines += ["", f"The recommendation helped significantly on {helped} of {len(rows)} data sets and hurt on {hurt}."]
    text = "\n".join(lines) + "\n"
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(text)
    print(text)


if __name__ == "__main__":
    main()
