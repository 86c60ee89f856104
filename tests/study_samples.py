"""Small made-up parts of a study: spaces, scores, run results, and a runner and a task that train nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import optuna
import pytest

from autonoise.corruptions.base import corruptions_for
from autonoise.corruptions.frozen import fix
from autonoise.evaluation.score import Score
from autonoise.policy import Policy, Step
from autonoise.space.space import SearchSpace
from autonoise.study.budget import Budget
from autonoise.study.config import StudyConfig
from autonoise.study.folder import RunResult, StudyFolder
from autonoise.study.processes import Stop
from autonoise.study.result import ContestantResult, Result
from autonoise.study.session import Session
from autonoise.training.train import Trained
from autonoise.verdict.trainings import Job

Array = np.ndarray[Any, np.dtype[Any]]
MIXUP = {"name": "mixup", "source": "Zhang et al. 2018", "steps": [{"technique": "mixup", "alpha": 0.2}]}


def space_of(data_type: str = "tabular", **changes: Any) -> SearchSpace:
    return SearchSpace.from_dict(
        {
            "format": "autonoise-space/1",
            "data_type": data_type,
            "max_techniques": 2,
            "expected_techniques": 1.5,
            "techniques": {
                "gaussian_noise": {"std": [0.05, 1.0]},
                "dropout": {"p": [0.05, 0.5], "probability": 1},
                "mixup": {"alpha": [0.1, 1.0]},
            },
            "presets": [MIXUP],
            **changes,
        }
    )


def config_of(folder: Path, **changes: Any) -> StudyConfig:
    return StudyConfig(**{"data": "wine", "study": "sample", "out": str(folder), "seeds": 3, **changes})


def policy_of(*names: str, **first: Any) -> Policy:
    """A tabular policy with these techniques; keywords are parameters of the first."""
    return Policy("tabular", tuple(Step.of(n, **(first if i == 0 else {})) for i, n in enumerate(names)))


def score_of(clean: float, noisy: float, **changes: Any) -> Score:
    return Score(
        **{
            "accuracy": clean,
            "balanced": clean,
            "nll": 0.5,
            "brier": 0.3,
            "ece": 0.05,
            "noisy": noisy,
            "noisy_nll": 0.9,
            "noisy_brier": 0.5,
            "noisy_ece": 0.1,
            "error_auroc": 0.8,
            "corruptions": {"jitter": [noisy]},
            "families": {"independent": noisy, "blur": noisy + 0.1},
            "correct": np.ones(4),
            "noisy_correct": {"jitter": np.ones(4)},
            **changes,
        }
    )


def run_of(clean: Array, **noisy: Array) -> RunResult:
    groups = ("search", "held_out")
    return RunResult({g: {} for g in groups}, {g: {} for g in groups}, np.asarray(clean, float), noisy)


class FakeRunner:
    """Answers jobs with constant vectors of what ``quality(job)`` says, and counts trainings that are new."""

    def __init__(self, quality: Callable[[Job], float], rows: int = 400) -> None:
        self.quality, self.rows = quality, rows
        self.trained: list[tuple[str, int]] = []

    def run(
        self,
        jobs: Sequence[Job],
        *,
        stop: Callable[[], bool] = lambda: False,
        done: Callable[[int], None] = lambda n: None,
    ) -> list[RunResult | None]:
        out: list[RunResult | None] = []
        for job in jobs:
            if stop():
                out.append(None)
                continue
            key = (job.policy.hash + job.tag, job.seed)
            if key not in self.trained:
                self.trained.append(key)
                done(len(self.trained))
            q = self.quality(job) + 0.001 * (job.seed % 3)
            vector = np.full(self.rows, q)
            out.append(run_of(vector, jitter=vector))
        return out


class FakeTask:
    """Trainings only look up a score: ``answers(policy, fidelity)`` → Score, None (diverged) or a fault."""

    chance, folds, real, factory = 0.4, 1, None, None
    recipe = SimpleNamespace(epochs=10)

    def __init__(self, answers: Callable[[Policy, Any], Score | None]) -> None:
        self.answers = answers
        self.trainings: list[tuple[str, float]] = []

    def training(self, fold: int) -> list[int]:
        return [0] * 100

    def sets(self, part: str, fold: int) -> Any:
        return SimpleNamespace(first=lambda n: self)

    def train(self, policy: Policy, *, seed: int, fold: int, fidelity: Any) -> Trained:
        self.trainings.append((policy.hash, fidelity.cost))
        score = self.answers(policy, fidelity)
        passes = 1000.0 * fidelity.rows * fidelity.epochs
        return Trained(score, passes, 0.01, diverged=score is None)  # type: ignore[arg-type]


def new_study(**options: Any) -> optuna.Study:
    from autonoise.study.storage import make_pruner

    options.setdefault("direction", "maximize") if "directions" not in options else None
    config = StudyConfig(data="wine", study="s", out="s")
    return optuna.create_study(pruner=make_pruner(config), sampler=optuna.samplers.RandomSampler(seed=0), **options)


def session_of(
    task: Any = None, config: StudyConfig | None = None, study: optuna.Study | None = None, *, stopped: bool = False
) -> Session:
    """A session without a time limit; where no task is given, one whose only corruption is "jitter"."""
    jitter = SimpleNamespace(name="jitter", family="independent")
    task = task or SimpleNamespace(frozen=(jitter,), real=None, factory=None, folds=1)
    config = config or config_of(Path("nowhere"))
    folder = StudyFolder(config.out)
    return Session(config, space_of(), task, study or new_study(), folder, Budget(config), stop=Stop(asked=stopped))


def with_few_corruptions(patch: pytest.MonkeyPatch) -> None:
    """Two corruptions of each group in place of all, where a test only needs some evaluation to be there."""
    kept = ("jitter", "cell_swap", "outliers", "column_blackout")
    some = [c for c in corruptions_for("tabular") if c.name in kept]
    patch.setattr("autonoise.study.prepare.corruptions_for", lambda data_type: some)


def judged_folder(
    folder: Path,
    clean: dict[str, Sequence[float]],
    *,
    policy: Policy | None = None,
    rows: int = 4,
    first_seed: int = 100,
    noisy: float = 0.5,
    outcome: dict[str, Any] | None = None,
    **config: Any,
) -> StudyFolder:
    """A study that was judged, without any training: its settings, corruptions, result and runs.

    ``clean``: contestant ("baseline", "policy") → clean accuracy of each of its trainings, the same for every row.
    Under outliers every row is right as often; under column_blackout at a share of ``noisy``.
    """
    made = config_of(folder, **{"study": folder.name, **config})
    place = StudyFolder(folder)
    place.create()
    made.save(place.study_file)
    names = ("jitter", "outliers", "column_blackout")
    frozen = [fix(c, study_seed=made.seed) for c in corruptions_for("tabular") if c.name in names]
    place.save_corruptions(tuple(frozen), {})
    policies = {"baseline": Policy("tabular", name="no-noise"), "policy": policy or policy_of("gaussian_noise")}
    contestants = {}
    for label, values in clean.items():
        own = policies[label]
        for k, value in enumerate(values):
            right = np.full(rows, value)
            seed = first_seed + k
            run = run_of(right, jitter=right, outliers=right, column_blackout=np.full(rows, noisy))
            run.save(place.run_file(own.hash, "test", 0, seed))
        steps = tuple(s.to_dict() for s in own.steps)
        contestants[label] = ContestantResult(own.name or label, own.hash, steps=steps, seeds=len(values))
    told = {"verdict": "better", "data": "sha256:same", "data_type": "tabular", "test_rows": rows, **(outcome or {})}
    place.save_result(Result(made.study, contestants=contestants, **told))
    return place
