"""How long things may take: what is kept back from ``--timeout`` for what follows the search."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import optuna

from autonoise.study.config import StudyConfig
from autonoise.study.folder import RunResult
from autonoise.study.storage import completed
from autonoise.training.task import Task


@dataclass(frozen=True)
class Plan:
    """How much effort goes into what comes after the search."""

    candidates: int = 4
    confirm_seeds: int = 3
    ablate_seeds: int = 2
    verdict_seeds: int = 5
    presets: int = 100
    starts: int = 0
    """Hand-made starting policies of the space, unchanged by the search, that are confirmed beside the presets."""

    def trainings(self, presets: int, techniques: int) -> float:
        """Expected number of full trainings; racing ends about a third of the confirming ones early."""
        entries = self.candidates + min(presets, self.presets) + self.starts + 1
        confirm = entries * (1 + 0.55 * (self.confirm_seeds - 1))
        return confirm + self.ablate_seeds * techniques + self.contestants * self.verdict_seeds

    @property
    def contestants(self) -> int:
        """Policies that meet in the verdict: baseline, preset, found policy, and a starting policy if there is time."""
        return 4 if self.starts else 3


PLANS = (
    Plan(4, 3, 3, 5, starts=2), Plan(3, 2, 2, 5, starts=1), Plan(3, 2, 0, 5, starts=1), Plan(2, 1, 0, 3, presets=1)
)  # fmt: skip
CONCLUDING_SHARE = 0.5
"""Of the time after the calibration that confirming and the verdict get at most, where a smaller plan can do."""
SEARCH_SHARE = 0.3
"""Of the time after the calibration that trials get, however long the rest may take."""
TYPICAL_COST = 1.5
"""Passes per step that a found policy is expected to have, with its evaluation, when time is planned."""
STARTING, EXPORTING = 10.0, 5.0
"""Seconds until processes of the pool train, and for the report and the files."""
TRIALS_WORTH_CARE = 30


@dataclass(frozen=True)
class Evaluations:
    """Seconds of evaluating one model on the confirm and the test part, and of making their corrupted rows once."""

    confirm: float = 0.0
    test: float = 0.0
    making_confirm: float = 0.0
    making_test: float = 0.0

    @classmethod
    def of(cls, task: Task, numbers: Mapping[str, float]) -> Evaluations:
        """From what the calibration met on the search part: seconds for a noisy part, predictions in them or not."""
        noisy = numbers.get("noisy_seconds", 0.0)
        predicting = numbers.get("predict_seconds", noisy / 2)
        fold = task.splits.folds[0]
        confirm = len(CONFIRM_SEVERITIES) * sum(f.group == "search" for f in task.frozen)
        confirm_parts = confirm * len(fold.confirm) / max(len(fold.search), 1)
        test_parts = 5 * len(task.frozen) * len(task.splits.test) / max(len(fold.search), 1)
        making = max(noisy - predicting, 0.0) * task.folds
        return cls(confirm_parts * predicting, test_parts * predicting, confirm_parts * making, test_parts * making)


@dataclass
class Budget:
    """Time of one run of a study: ``started`` is when it began, ``begun`` when its trials could.

    ``calibrated`` are the seconds of a full training without noise, when nothing ran beside it.
    """

    config: StudyConfig
    presets: int = 0
    processes: int = 1
    baseline_seconds: float = 0.0
    evaluations: Evaluations = Evaluations()
    started: float = 0.0
    begun: float = 0.0

    @property
    def left(self) -> float:
        """Seconds until the timeout; infinite without one."""
        if self.config.timeout is None:
            return math.inf
        return self.started + self.config.timeout - time.time()

    def reserve(self, plan: Plan, seconds: float, processes: int | None = None) -> float:
        """Seconds that a plan needs after the search, where a full training takes ``seconds``."""
        processes = processes or self.processes
        training, slower, e = seconds * TYPICAL_COST, self._slower(seconds), self.evaluations
        verdicts = plan.contestants * plan.verdict_seeds
        others = plan.trainings(self.presets, 3) - verdicts
        runs = others * (training + slower * e.confirm) + verdicts * (training + slower * e.test)
        making = slower * (e.making_confirm + e.making_test)
        return EXPORTING + (STARTING if processes > 1 else 0.0) + making + runs / processes

    def _slower(self, seconds: float) -> float:
        return seconds / self.baseline_seconds if self.baseline_seconds > 0 else 1.0

    def plan(self, seconds: float, available: float) -> Plan:
        """The most careful plan that fits into ``available`` seconds, or that few trials justify."""
        full = replace(PLANS[0], verdict_seeds=self.config.seeds)
        if self.config.timeout is None:
            # few trials: spending ten times as long on confirming them would surprise
            careful = self.config.trials >= TRIALS_WORTH_CARE
            return full if careful else replace(PLANS[1], verdict_seeds=self.config.seeds)
        middle = [replace(p, verdict_seeds=self.config.seeds) for p in PLANS[1:-1]]
        return next((p for p in (full, *middle) if self.reserve(p, seconds) <= available), PLANS[-1])

    def deadline(self, study: optuna.Study) -> float | None:
        """When no further trial may begin, at the speed met so far: trials end in time, and the rest fits."""
        if self.config.timeout is None:
            return None
        end, seconds = self.started + self.config.timeout, measured_seconds(study, self.baseline_seconds)
        whole = max(end - self.begun, 0.0)
        plan = self.plan(seconds, CONCLUDING_SHARE * whole)
        return max(end - self.reserve(plan, seconds) - TYPICAL_COST * seconds, self.begun + SEARCH_SHARE * whole)

    def after_search(self, study: optuna.Study, say: Callable[[str], None] = lambda text: None) -> Plan:
        """The plan for what the search left; ``say`` is told where not even the smallest one fits."""
        seconds = measured_seconds(study, self.baseline_seconds)
        plan = self.plan(seconds, self.left)
        missing = self.reserve(plan, seconds) - self.left
        if missing > 0:
            say(f"--timeout is short: the smallest confirmation and verdict take about {missing:.0f} s longer")
        return plan

    def another_round(self, runs: Sequence[RunResult], entries: int) -> bool:
        """Whether ``entries`` further confirming trainings still leave time for the smallest verdict."""
        round_ = entries * self._run_seconds(runs) / self.processes
        return round_ + self._verdict(PLANS[-1].verdict_seeds, runs) + EXPORTING <= self.left

    def rest(self, plan: Plan, runs: Sequence[RunResult], techniques: int) -> Plan:
        """The plan cut down to what is left after the race, at the pace of its runs: the verdict comes first."""
        left, verdict = self.left - EXPORTING, plan.verdict_seeds
        if self._verdict(verdict, runs, plan.contestants) > left:
            plan = replace(plan, starts=0)
        if self._verdict(verdict, runs) > left:
            verdict = min(verdict, PLANS[-1].verdict_seeds)
        left -= self._verdict(verdict, runs, plan.contestants)
        pace = techniques * self._run_seconds(runs) / self.processes
        ablate = next((n for n in range(plan.ablate_seeds, 1, -1) if n * pace <= left), 0)
        return replace(plan, ablate_seeds=ablate if plan.ablate_seeds else 0, verdict_seeds=verdict)

    def _verdict(self, seeds: int, runs: Sequence[RunResult], contestants: int = 3) -> float:
        """Seconds of a verdict over so many seeds: runs like those of the race, evaluated on more."""
        making = self._slowed(runs) * self.evaluations.making_test
        return contestants * seeds * self._judged(runs) / self.processes + making

    def time_for(self, trainings: int, runs: Sequence[RunResult]) -> bool:
        """Whether so many further trainings of the verdict fit into what is left."""
        return trainings * self._judged(runs) / self.processes + EXPORTING <= self.left

    def _judged(self, runs: Sequence[RunResult]) -> float:
        """Seconds of one training of the verdict: as in the race, but evaluated on the test part."""
        more = max(self.evaluations.test - self.evaluations.confirm, 0.0)
        return self._run_seconds(runs) + self._slowed(runs) * more

    def _slowed(self, runs: Sequence[RunResult]) -> float:
        alone = self.baseline_seconds * TYPICAL_COST + self.evaluations.confirm
        return max(self._run_seconds(runs) / alone, 1.0) if self.baseline_seconds > 0 else 1.0

    def _run_seconds(self, runs: Sequence[RunResult]) -> float:
        """Mean seconds of a confirming run; runs side by side slow each other, which their seconds hold."""
        seconds = [r.seconds for r in runs] or [self.baseline_seconds * TYPICAL_COST + self.evaluations.confirm]
        return float(np.mean(seconds))


def measured_seconds(study: optuna.Study, baseline_seconds: float) -> float:
    """Seconds of a full training as the search met them: a machine that others use is slower than calibrated."""
    met = [record.seconds / record.work for record in completed(study) if record.work > 0]
    return max(baseline_seconds, float(np.median(met)) / TYPICAL_COST) if met else baseline_seconds


CONFIRM_SEVERITIES = (1, 3, 5)
