"""What a study's storage costs its workers: many processes whose trainings sleep, on a real storage.

    python benchmarks/scale.py --storage postgresql+psycopg://me@127.0.0.1/bench --storage journal --storage sqlite
        [--workers 1 2 4 8 16 32] [--history 100 1000 5000] [--trials 2] [--sleep 4] [--write]

``journal`` and ``sqlite`` are files in a folder of this run. With ``--write`` the table goes to results/scale.md.

Each worker runs the loop, the sampler and the objective of a search on the image space, with the bank that ships; only
training and evaluation are replaced, by sleep. A history of finished trials is copied into the storage first. Of a worker's life are measured: the
start with the first load of all trials, and for each trial the seconds that it was not asleep, by the clock and on the
processor. The clock also counts waiting for a processor where workers are more than processors; with trainings of 30 s
rather than ``--sleep``, so many workers would ask as much less often.

Beyond what this machine can run, a queueing model tells how a database fares: see ``waits``.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import optuna
from optuna.storages import BaseStorage, JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, create_trial

from autonoise.evaluation.score import Score
from autonoise.policy import Policy
from autonoise.space.space import SearchSpace
from autonoise.study.config import StudyConfig
from autonoise.study.learned import Guide, learned
from autonoise.study.processes import Stop
from autonoise.study.storage import open_storage, open_study, patient_storage
from autonoise.study.trial_record import PREFIX
from autonoise.training.train import Trained
from autonoise.trials import objective
from autonoise.trials.guided import REMEMBERED, GuidedSampler, Sizes
from autonoise.trials.sampler import make_sampler
from autonoise.trials.worker import work
from autonoise.types import DataType

RESULTS = Path(__file__).with_name("results") / "scale.md"
SPACE = "image"
CORRUPTIONS, FAMILIES = 15, 8
TEMPLATES = 2 * REMEMBERED + 20
"""Trials that are really drawn; the history is made of copies of them, each with a hash of its own as if its policy were
another. The sampler's model looks at no more than twice ``REMEMBERED`` of them, however long the history is."""
HASH = PREFIX + "policy_hash"


class Asleep:
    """A task whose trainings sleep. The short training takes a third of ``seconds``, as it does in a search."""

    chance, folds, real, factory = 0.1, 1, None, None
    recipe = SimpleNamespace(epochs=10)

    def __init__(self, seconds: float) -> None:
        self.seconds, self.slept = seconds, 0.0

    def training(self, fold: int) -> list[int]:
        return [0] * 100

    def sets(self, part: str, fold: int) -> Any:
        return SimpleNamespace(first=lambda n: self)

    def train(self, policy: Policy, *, seed: int, fold: int, fidelity: Any) -> Trained:
        seconds = self.seconds * fidelity.rows * fidelity.epochs
        time.sleep(seconds)
        self.slept += seconds
        score = score_like(policy)
        return Trained(score, 1000.0, seconds, diverged=False)  # type: ignore[arg-type]


def score_like(policy: Policy) -> Score:
    """As many numbers as a real evaluation has, from the policy's hash."""
    draw = np.random.default_rng(int(policy.hash, 16) % 2**32)
    noisy = {f"corruption_{i}": [float(a) for a in draw.uniform(0.3, 0.9, 2)] for i in range(CORRUPTIONS)}
    families = {f"family_{i}": float(draw.uniform(0.3, 0.9)) for i in range(FAMILIES)}
    numbers = dict.fromkeys(("nll", "brier", "ece", "noisy_nll", "noisy_brier", "noisy_ece", "error_auroc"), 0.5)
    clean, mean = float(draw.uniform(0.8, 0.9)), float(np.mean(list(families.values())))
    return Score(
        accuracy=clean, balanced=clean, noisy=mean, corruptions=noisy, families=families, correct=np.ones(4),
        noisy_correct={}, **numbers,
    )  # fmt: skip


def config_of(url: str, study: str, trials: int) -> StudyConfig:
    return StudyConfig(data="none", study=study, out="none", trials=trials, storage=url)


def storage_of(url: str) -> BaseStorage:
    return (
        JournalStorage(JournalFileBackend(url.removeprefix("journal:")))
        if url.startswith("journal:")
        else open_storage(url)
    )


def templates() -> list[FrozenTrial]:
    """Trials as a search leaves them, from one in memory."""
    objective.evaluate = lambda model, sets, severities: model  # type: ignore[assignment, misc]
    space, config = SearchSpace.load(SPACE), config_of("sqlite:///none.db", "templates", TEMPLATES)
    sampler = make_sampler("random", prior=space.prior, seed=0, trials=0, worker=0)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    study.enqueue_trial(space.parameters_of(Policy(space.data_type)))  # without noise, by which gains are measured
    study.optimize(objective.Objective(Asleep(0.0), space, config), n_trials=TEMPLATES)  # type: ignore[arg-type]
    return study.trials


def guided(space: SearchSpace, seed: int) -> GuidedSampler:
    """The sampler of a search on one of the bank's own data sets, from the others."""
    bank = learned(DataType(SPACE))
    asked = bank.sets[0]
    guide = Guide(bank.without(asked.fingerprint), asked.meta, techniques=list(space.techniques))
    return GuidedSampler(space, guide, Sizes(full=1000, short=512, trials=10**6), seed=seed)


def fill(url: str, name: str, n: int, made: list[FrozenTrial]) -> None:
    """A study with ``n`` finished trials."""
    study = open_study(config_of(url, name, 10**6), storage_of(url))
    storage = patient_storage(study)
    if storage is None:
        study.add_trials([_again(made[i % len(made)], i) for i in range(n)])
        return
    from sqlalchemy import MetaData, insert, select

    tables = MetaData()
    tables.reflect(storage.engine)
    trials = tables.tables["trials"]
    parts = [tables.tables[k] for k in ("trial_params", "trial_user_attributes", "trial_system_attributes",
             "trial_values", "trial_intermediate_values")]  # fmt: skip
    study.add_trials([_again(t, i) for i, t in enumerate(made[:n])])
    with storage.engine.begin() as run:
        mine = trials.c.study_id == study._study_id
        first = run.execute(select(trials).where(mine).order_by(trials.c.number)).mappings().all()
        rows = [{k: v for k, v in first[i % len(first)].items() if k != "trial_id"} for i in range(len(first), n)]
        if not rows:
            return
        run.execute(insert(trials), [{**r, "number": len(first) + i} for i, r in enumerate(rows)])
        new = run.execute(select(trials.c.trial_id, trials.c.number).where(mine)).all()
        copies: dict[int, list[int]] = {}
        for trial_id, number in new:
            if number >= len(first):
                copies.setdefault(first[number % len(first)]["trial_id"], []).append(trial_id)
        for part in parts:
            key = next(c.name for c in part.primary_key)
            found = run.execute(select(part).where(part.c.trial_id.in_(list(copies)))).mappings().all()
            copied = [
                {**{k: v for k, v in r.items() if k != key}, "trial_id": to, **_hashed(r, to)}
                for r in found
                for to in copies[r["trial_id"]]
            ]
            for start in range(0, len(copied), 20_000):
                run.execute(insert(part), copied[start : start + 20_000])


def _hashed(row: Mapping[str, Any], number: int) -> dict[str, str]:
    return {"value_json": f'"copy{number}"'} if row.get("key") == HASH else {}


def _again(trial: FrozenTrial, number: int) -> FrozenTrial:
    return create_trial(
        state=trial.state, values=trial.values, params=trial.params, distributions=trial.distributions,
        user_attrs={**trial.user_attrs, HASH: f"copy{number}"}, system_attrs=trial.system_attrs, intermediate_values=trial.intermediate_values,
    )  # fmt: skip


@dataclass
class Life:
    """What one worker measured: seconds by the clock and on the processor, and MiB."""

    load: float
    load_cpu: float
    per_trial: list[float]
    per_trial_cpu: list[float]
    memory: float
    connections: int = 0


def live(given: dict[str, Any]) -> Life:
    """The life of a worker, in a process of its own."""
    objective.evaluate = lambda model, sets, severities: model  # type: ignore[assignment, misc]
    space, config = SearchSpace.load(SPACE), config_of(given["url"], given["study"], 10**6)
    clock, cpu = time.perf_counter(), time.process_time()
    study = open_study(config, storage_of(given["url"]))
    there = len(study.get_trials(deepcopy=False))
    study.sampler = guided(space, seed=1000 * there + given["index"])
    life = Life(time.perf_counter() - clock, time.process_time() - cpu, [], [], 0.0)
    task, stop = Asleep(given["sleep"]), Stop()
    marks = [(time.perf_counter(), time.process_time(), task.slept)]

    def after(_: optuna.Study) -> None:
        marks.append((time.perf_counter(), time.process_time(), task.slept))
        stop.asked = len(marks) > given["trials"]

    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    time.sleep(given["sleep"] * given["index"] / given["of"])  # no two begin at the same moment
    marks[:] = [(time.perf_counter(), time.process_time(), task.slept)]
    work(study, objective.Objective(task, space, config), stop, after)  # type: ignore[arg-type]
    for (a, b, c), (x, y, z) in itertools.pairwise(marks):
        life.per_trial.append(x - a - (z - c))
        life.per_trial_cpu.append(y - b)
    life.memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    opened = patient_storage(study)
    life.connections = opened.engine.pool.checkedin() + opened.engine.pool.checkedout() if opened is not None else 0  # type: ignore[attr-defined]
    return life


def crew(url: str, study: str, workers: int, trials: int, sleep: float) -> list[Life]:
    """So many workers side by side."""
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    started = []
    for i in range(workers):
        given = json.dumps({"url": url, "study": study, "index": i, "of": workers, "trials": trials, "sleep": sleep})
        command = [sys.executable, __file__, "--life", given]
        started.append(subprocess.Popen(command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
    for p in started:
        assert p.stdout is not None and p.stdout.readline() == "ready\n"
    for p in started:
        assert p.stdin is not None
        p.stdin.write("go\n")
        p.stdin.flush()
    lives = []
    for p in started:
        out = p.communicate()[0]
        if p.returncode == 0:
            lives.append(Life(**json.loads(out.splitlines()[-1])))
    return lives


def waits(workers: int, think: float, service: float, servers: int) -> tuple[float, float]:
    """(mean seconds that a trial waits for the database, its utilisation) in a closed network of so many workers.

    Each is busy with itself for ``think`` seconds, then asks for ``service`` seconds of work of a database that has
    ``servers`` processors: M/M/c//N, the machine-repair model with exponential times, solved exactly.
    """
    logs = [0.0]
    for n in range(1, workers + 1):
        rate = (workers - n + 1) / think
        logs.append(logs[-1] + math.log(rate) - math.log(min(n, servers) / service))
    top = max(logs)
    p = np.exp(np.array(logs) - top)
    p /= p.sum()
    n = np.arange(workers + 1)
    through = float((p * np.minimum(n, servers)).sum()) / service
    inside = float((p * n).sum()) / through
    return inside - service, through * service / servers


def query_seconds(url: str, study: str) -> float:
    """Seconds that the database itself works for one trial of a worker, by its own count (PostgreSQL only).

    A quarter of the worker's first load is in it, so it is rather too much.
    """
    from sqlalchemy import create_engine, text

    engine = create_engine(url)

    def spent() -> float:
        time.sleep(1.5)  # the server sums up once a second
        with engine.connect() as run:
            found = run.execute(text("select active_time from pg_stat_database where datname = current_database()"))
            return float(found.scalar_one()) / 1000

    before, trials = spent(), 4
    crew(url, study, 1, trials, 0.0)
    return (spent() - before) / trials


def place(kind: str, folder: Path, n: int) -> str:
    return {"journal": f"journal:{folder}/{n}.log", "sqlite": f"sqlite:///{folder}/{n}.db"}.get(kind, kind)


def row(kind: str, n: int, workers: int, lives: list[Life], sleep: float) -> str:
    wall = [s for life in lives for s in life.per_trial]
    cpu = [s for life in lives for s in life.per_trial_cpu]
    short = {"journal": "journal file", "sqlite": "SQLite"}.get(kind, "PostgreSQL")
    columns = (
        short, n, workers, f"{workers - len(lives)}", f"{statistics.median(x.load for x in lives):.1f}",
        f"{statistics.median(x.load_cpu for x in lives):.1f}", f"{statistics.median(wall):.2f}",
        f"{statistics.median(cpu):.2f}", f"{100 * statistics.median(cpu) / 30:.1f} %",
        f"{max(x.memory for x in lives):.0f}", max(x.connections for x in lives) or "-",
    )  # fmt: skip
    return "| " + " | ".join(map(str, columns)) + " |"


HEAD = (
    "storage", "history", "workers", "lost", "start, s", "start, CPU s", "per trial, s", "per trial, CPU s",
    "CPU of 30 s", "MiB", "connections",
)  # fmt: skip


def modelled(service: float) -> list[str]:
    """Lines of a table: what the queueing model says of a database with so many seconds of work for a trial."""
    lines = [
        "| workers | trial, s | database CPUs | wait per trial, s | share of the trial | utilisation |",
        "|---|---|---|---|---|---|",
    ]
    for workers, think, servers in itertools.product((16, 100, 1000), (30.0, 600.0), (2, 8)):
        wait, busy = waits(workers, think, service, servers)
        lines.append(
            f"| {workers} | {think:.0f} | {servers} | {wait:.3f} | {100 * (wait + service) / think:.1f} % | {100 * busy:.0f} % |"
        )
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--storage", action="append", default=[])
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4, 8, 16, 32])
    parser.add_argument("--history", type=int, nargs="+", default=[100, 1000, 5000])
    parser.add_argument("--trials", type=int, default=2)
    parser.add_argument("--sleep", type=float, default=4.0)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--life", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.life:
        print(json.dumps(asdict(live(json.loads(given.life)))))
        return
    made, lines = templates(), ["| " + " | ".join(HEAD) + " |", "|" + "---|" * len(HEAD)]
    model: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        for kind, n in itertools.product(given.storage or ["journal", "sqlite"], given.history):
            url, name = place(kind, Path(folder), n), f"scale-{n}-{int(time.time())}"
            fill(url, name, n, made)
            for workers in given.workers:
                lives = crew(url, name, workers, given.trials, given.sleep)
                lines.append(
                    row(kind, n, workers, lives, given.sleep) if lives else f"| {kind} | {n} | {workers} | all |"
                )
                print(lines[-1], flush=True)
            if kind.startswith("postgresql") and n == 1000:
                service = query_seconds(url, name)
                model = [
                    f"\nThe database worked {service:.3f} s for one trial at {n} trials of history.\n",
                    *modelled(service),
                ]
                print(*model, sep="\n", flush=True)
    if given.write:
        # the address of the database is nobody's business
        told = [word if "://" not in word else "postgresql+psycopg://..." for word in sys.argv[1:]]
        RESULTS.write_text(
            "# What a storage costs its workers\n\n"
            f"Command: `python benchmarks/scale.py {' '.join(told)}`\n\n"
            f"Machine: {platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[1]:.1f} at the end: shared with "
            "other programs and with the database itself, so that seconds by the clock are too long.\n\n"
            + "\n".join([*lines, *model]) + "\n"
        )  # fmt: skip


if __name__ == "__main__":
    main()
