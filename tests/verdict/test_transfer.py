"""The best strength, with trainings whose best strength is known."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pytest
from study_samples import FakeRunner, policy_of, session_of

from autonoise.study.result_transfer import Transfer
from autonoise.verdict.trainings import Job
from autonoise.verdict.transfer import SEEDS, SETTINGS, STRENGTHS, _vertex, measure_transfer, words

POLICY = policy_of("gaussian_noise", std=0.3)
JITTER = SimpleNamespace(name="jitter", family="independent")


def measured(best: dict[float, float], factory: object = None) -> tuple[Transfer, FakeRunner]:
    """``best``: width of the proxy → the strength that is best there."""

    def quality(job: Job) -> float:
        return 0.8 - 0.1 * (math.log(job.policy.strength) - math.log(best[job.size])) ** 2

    runner = FakeRunner(quality)
    task = SimpleNamespace(factory=factory, frozen=(JITTER,), real=None)
    found = measure_transfer(session_of(task), runner, POLICY)  # type: ignore[arg-type]
    assert found is not None
    return found, runner


def test_the_vertex_of_a_known_parabola() -> None:
    x = np.log(STRENGTHS)
    assert _vertex(0.7 - 2 * (x - math.log(1.3)) ** 2) == pytest.approx(math.log(1.3))
    assert _vertex(0.7 - (x - math.log(9)) ** 2) == pytest.approx(math.log(2.0))  # never beyond what was tried
    assert _vertex((x - 0.1) ** 2) == pytest.approx(math.log(0.5))  # opens upwards: the best that was tried


def test_every_setting_is_measured_at_scaled_strengths() -> None:
    found, runner = measured({1.0: 1.2, 2.0: 1.2, 0.5: 1.2})
    assert len(runner.trained) == len(SETTINGS) * len(STRENGTHS) * SEEDS
    assert found.proxy == pytest.approx(1.2, rel=1e-6)
    assert found.bigger == pytest.approx(1.2, rel=1e-6)  # no slope over width, no slope in the advice
    assert all(s.best == pytest.approx(1.2) and not s.flat for s in found.settings)
    assert f"policy.scaled({found.bigger:.2f})" in words(found)


def test_a_wider_model_that_bears_more_is_told_so() -> None:
    found, _ = measured({0.5: 0.8, 1.0: 1.0, 2.0: 1.25})
    # least squares with the ridge .1 on the slopes, solved independently
    a = np.array([[1, math.log(s), math.log(r)] for s, r in SETTINGS])
    y = np.log([1.0, 1.25, 1.0, 0.8])
    rows = np.vstack([a, np.sqrt(0.1) * np.array([[0, 1, 0], [0, 0, 1]])])
    w = np.linalg.lstsq(rows, np.concatenate([y, [0, 0]]), rcond=None)[0]
    assert found.proxy == pytest.approx(math.exp(w[0]), rel=1e-6)
    assert found.bigger == pytest.approx(math.exp(w[0] + w[1] * math.log(4)), rel=1e-6)
    low, high = found.bigger_interval
    assert low <= found.bigger + 1e-9
    assert high >= found.bigger - 1e-9


def test_a_users_own_model_has_one_width() -> None:
    found, runner = measured({1.0: 1.0}, factory=object())
    assert len(runner.trained) == 2 * len(STRENGTHS) * SEEDS
    assert {s.size for s in found.settings} == {1.0}
