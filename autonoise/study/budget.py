"""How the time of a study (``--timeout``) is divided between the trials and what follows them."""

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
    """How much effort goes into what comes after the search.

    ``candidates``: found policies that are confirmed; the seeds are trainings per policy when confirming, when leaving
    out techniques (ablation; 0: not done), and in the verdict; ``presets``: how many presets are confirmed at most.
    """

    candidates: int = 4
    confirm_seeds: int = 3
    ablate_seeds: int = 2
    verdict_seeds: int = 5
    presets: int = 6
    starts: int = 0
    """How many starting policies of the space, unchanged by the search, are confirmed beside the presets."""

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
    Plan(4, 3, 3, 5, starts=2),
    Plan(3, 2, 2, 5, starts=1),
    Plan(3, 2, 0, 5, starts=1),
    Plan(3, 2, 0, 5, presets=3),
    Plan(2, 1, 0, 5, presets=2),
    Plan(2, 1, 0, 3, presets=1),
)
"""From the most careful to the shortest: 56, 43, 37, 26, 20 and 13 trainings with six presets and three techniques."""
CONCLUDING_SHARE = 0.5
"""The largest share of the time that a careful plan for confirming and judging may take.

The time counts from when trials can begin. Where a plan would need a larger share, a smaller plan is taken, so that
enough is left to search.
"""
SEARCH_SHARE = 0.3
"""The share of the time that trials get in any case, even where confirming and judging will then end late."""
TYPICAL_COST = 1.5
"""Expected duration of a training with a found policy, its evaluation included, divided by that of the baseline."""
STARTING, EXPORTING = 10.0, 5.0
"""Seconds until processes of the pool begin to train, and seconds to write the report and the files."""
TRIALS_WORTH_CARE = 30
"""Without a timeout, studies of fewer trials get a smaller plan: confirming should not outlast the search by far."""


@dataclass(frozen=True)
class Evaluations:
    """Seconds to evaluate one model on the confirm and on the test rows, and to make their corrupted rows once."""

    confirm: float = 0.0
    test: float = 0.0
    making_confirm: float = 0.0
    making_test: float = 0.0

    @classmethod
    def of(cls, task: Task, numbers: Mapping[str, float]) -> Evaluations:
        """Estimated from what calibrating the severities took on the search rows.

        ``numbers``: "noisy_seconds" to corrupt the search rows once and predict on them, "predict_seconds" of these
        for the predictions.
        """
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
    """The time of one run of a study.

    ``started``: when the run began; ``begun``: when its first trial could begin (both in seconds, as of ``time.time``).
    ``baseline_seconds``: duration of a full training without noise, measured while nothing ran beside it.
    ``presets``: number of presets in the space; ``processes``: trainings that run at the same time after the search.
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
        """The time after which no further trial may begin, so that confirming and judging still fit; None: no limit.

        It is estimated from the speed of the trials so far, and moves with it.
        """
        if self.config.timeout is None:
            return None
        end, seconds = self.started + self.config.timeout, measured_seconds(study, self.baseline_seconds)
        whole = max(end - self.begun, 0.0)
        plan = self.plan(seconds, CONCLUDING_SHARE * whole)
        return max(end - self.reserve(plan, seconds) - TYPICAL_COST * seconds, self.begun + SEARCH_SHARE * whole)

    def concluding(self, study: optuna.Study) -> float:
        """Seconds that confirming and judging will take, an estimate by the speed of the trials so far."""
        seconds, whole = measured_seconds(study, self.baseline_seconds), math.inf
        if self.config.timeout is not None:
            whole = max(self.started + self.config.timeout - self.begun, 0.0)
        return self.reserve(self.plan(seconds, CONCLUDING_SHARE * whole), seconds)

    def after_search(self, study: optuna.Study, say: Callable[[str], None] = lambda text: None) -> Plan:
        """The plan for the time left after the search; ``say`` is told where not even the smallest plan fits."""
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
        """The plan made smaller, where the time left after the race demands it; the verdict comes before ablation.

        ``runs``: those of the race, whose duration tells that of the trainings to come; ``techniques``: number of
        techniques in the chosen policy.
        """
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
        """Seconds of a verdict with so many seeds per contestant, by the duration of the race's runs."""
        making = self._slowed(runs) * self.evaluations.making_test
        return contestants * seeds * self._judged(runs) / self.processes + making

    def time_for(self, trainings: int, runs: Sequence[RunResult]) -> bool:
        """Whether so many further trainings of the verdict fit into what is left."""
        return trainings * self._judged(runs) / self.processes + EXPORTING <= self.left

    def _judged(self, runs: Sequence[RunResult]) -> float:
        """Seconds of one training of the verdict: as in the race, but evaluated on the test rows, which are more."""
        more = max(self.evaluations.test - self.evaluations.confirm, 0.0)
        return self._run_seconds(runs) + self._slowed(runs) * more

    def _slowed(self, runs: Sequence[RunResult]) -> float:
        alone = self.baseline_seconds * TYPICAL_COST + self.evaluations.confirm
        return max(self._run_seconds(runs) / alone, 1.0) if self.baseline_seconds > 0 else 1.0

    def _run_seconds(self, runs: Sequence[RunResult]) -> float:
        """Mean seconds of a confirming run, as measured: that runs at the same time slow each other is in them."""
        seconds = [r.seconds for r in runs] or [self.baseline_seconds * TYPICAL_COST + self.evaluations.confirm]
        return float(np.mean(seconds))


def measured_seconds(study: optuna.Study, baseline_seconds: float) -> float:
    """Seconds of a full training without noise, by the trials so far; at least those measured before the search.

    Trials tell more, since other programs, or other workers of this study, may slow the machine.
    """
    met = [record.seconds / record.work for record in completed(study) if record.work > 0]
    return max(baseline_seconds, float(np.median(met)) / TYPICAL_COST) if met else baseline_seconds


CONFIRM_SEVERITIES = (1, 3, 5)
"""Severities on which confirmed policies are evaluated; the search uses 2 and 4, the verdict all five."""
