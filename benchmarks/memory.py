"""Does memory help? Leave one data set out: the recommendation from all other studies against no noise and the preset.

    python benchmarks/memory.py --data wine --data adult.csv.gz --data fsdd.npz --data fsdd.npz@speaker_train ...

``FILE@COLUMN`` takes another target. Every data set is searched once, without memory (``--studies`` keeps these
studies, and takes those that it holds); then, for each, the policy recommended from the *other* studies of its data type is
trained from fresh seeds and judged on the data set's test part with the held-out families, beside the baseline, the
first preset and the study's own policy.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import tempfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from autonoise.study.config import StudyConfig
    from autonoise.verdict.statistics import Interval

HERE = Path(__file__).resolve().parent
LABELS = ("no noise", "preset", "recommended", "own search")


@dataclass(frozen=True)
class Row:
    """What one data set says: its type, the study the recommendation came from, scores by label, and the gains."""

    name: str
    data_type: str
    source: str
    scores: dict[str, float]
    gain: Interval
    over_preset: Interval


def config_of(data: str, root: Path, options: argparse.Namespace) -> StudyConfig:
    from autonoise.study.config import StudyConfig

    path, _, target = data.partition("@")
    name = Path(path).name.split(".")[0] + (f"_{target.split('_')[0]}" if target else "")
    return StudyConfig(
        data=path,
        study=name,
        out=str(root / name),
        target=target or None,
        trials=options.trials,
        seeds=options.seeds,
        train_rows=options.train_rows,
        timeout=options.timeout,
        workers=options.workers,
        memory=False,
    )


def judge(config: StudyConfig, root: Path, seeds: int) -> Row | None:
    from autonoise.policy import Policy
    from autonoise.space.space import SearchSpace
    from autonoise.study.bank import bank, helpful
    from autonoise.study.folder import StudyFolder
    from autonoise.study.prepare import build_task, ensure_corruptions
    from autonoise.verdict.judge import FIRST_SEED
    from autonoise.verdict.statistics import paired, parts_of, value
    from autonoise.verdict.trainings import Job, run_job

    folder = StudyFolder(Path(config.out))
    task = build_task(config)
    ensure_corruptions(task, folder, seed=0)
    studies = [s for s in bank(task.dataset.data_type, [root]) if s.name != config.study]
    if not studies:
        return None
    source = helpful(task.dataset, studies)[0][1]
    own = Policy.from_dict(json.loads((folder.root / "memory.json").read_text())["policies"][0])
    space = SearchSpace.load(str(task.dataset.data_type))
    policies = dict(zip(LABELS, (Policy(space.data_type), space.presets[0], source.policies[0], own), strict=True))
    families = {f.name: str(f.family) for f in task.frozen}
    held = [f.name for f in task.frozen if f.group == "held_out"]
    parts = {}
    for label, policy in policies.items():
        runs = [run_job(task, folder, Job(policy, "test", FIRST_SEED + k)) for k in range(seeds)]
        parts[label] = [parts_of(r, 0.5, families, held) for r in runs]
    scores = {label: float(np.mean([value(p) for p in ps])) for label, ps in parts.items()}
    return Row(
        config.study,
        str(space.data_type),
        source.name,
        scores,
        paired(parts["recommended"], parts["no noise"]),
        paired(parts["recommended"], parts["preset"]),
    )


def table(rows: list[Row]) -> Iterator[str]:
    yield "| data | type | recommended from | " + " | ".join(LABELS) + " | gain over no noise | gain over preset |"
    yield "|---" * (len(LABELS) + 5) + "|"
    for row in rows:
        cells = " | ".join(f"{row.scores[x]:.4f}" for x in LABELS)
        gains = " | ".join(f"{g.mean:+.4f} [{g.low:+.4f}, {g.high:+.4f}]" for g in (row.gain, row.over_preset))
        yield f"| {row.name} | {row.data_type} | {row.source} | {cells} | {gains} |"
    yield ""
    for data_type in dict.fromkeys(r.data_type for r in rows):
        of = [r for r in rows if r.data_type == data_type]
        better, worse = (sum(test(r.gain) for r in of) for test in (lambda g: g.low > 0, lambda g: g.high < 0))
        yield (
            f"{data_type}: over no noise the recommendation was significantly better on {better} of {len(of)} data "
            f"sets and worse on {worse}; over the preset better on {sum(r.over_preset.low > 0 for r in of)} and "
            f"worse on {sum(r.over_preset.high < 0 for r in of)}."
        )
        yield ""


def main() -> None:
    import torch

    from autonoise.phases import run_search

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", action="append", required=True)
    parser.add_argument("--trials", type=int, default=24)
    parser.add_argument("--train-rows", type=int, default=2000)
    parser.add_argument("--timeout", type=float, help="seconds for each study")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--seeds", type=int, default=5, help="fresh seeds of the comparison and of each study")
    parser.add_argument("--studies", type=Path, help="folder that keeps the studies (a temporary one)")
    parser.add_argument("--out", type=Path, default=HERE / "results" / "memory.md")
    options = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as temporary:
        root = options.studies or Path(temporary)
        configs = [config_of(data, root, options) for data in options.data]
        for config in configs:
            if not (Path(config.out) / "memory.json").exists():
                outcome = run_search(config)
                print(config.study, outcome.result.verdict if outcome.result else "no verdict", flush=True)
        with ProcessPoolExecutor(2, get_context("spawn"), initializer=torch.set_num_threads, initargs=(1,)) as pool:
            found = list(pool.map(judge, configs, [root] * len(configs), [options.seeds] * len(configs)))
    rows = sorted((r for r in found if r is not None), key=lambda r: r.data_type)
    names = " ".join(f"--data {Path(d).name}" for d in options.data)
    text = "\n".join(
        [
            "# Memory across studies, leaving one data set out",
            "",
            f"Command: `python benchmarks/memory.py {names} --trials {options.trials} --train-rows {options.train_rows} "
            f"--seeds {options.seeds}`",
            "",
            f"Machine: {platform.processor() or platform.machine()}, {os.cpu_count()} cores, Python "
            f"{platform.python_version()}, torch {torch.__version__}.",
            "",
            f"Mixed score (half clean, half held-out families) on the test part, {options.seeds} fresh seeds; paired gains "
            f"of the recommendation with their 95 % intervals.",
            "",
            *table(rows),
        ]
    )
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(text)
    print(text)


if __name__ == "__main__":
    main()
