"""Faults that take a while, with real processes and a real PostgreSQL: make test-faults."""

from __future__ import annotations

import random
import signal
import sys
import time

import pytest
from crew import GRACE, Crew, at_work, counted, until
from optuna.trial import TrialState
from postgres import Cluster

from autonoise.study.storage import running, sweep
from autonoise.study.trial_record import MAX_RETRY, TrialRecord

pytestmark = pytest.mark.faults


def test_postgres_is_away_for_twenty_seconds(cluster: Cluster, crew: Crew) -> None:
    crew.url = cluster.url
    study = crew.study(trials=12)
    workers = [crew.join(12, seconds=1) for _ in range(2)]
    until(lambda: all(at_work(study, w) for w in workers))
    done = counted(study)
    cluster.stop()
    time.sleep(20)
    cluster.start()
    begun = time.monotonic()
    until(lambda: counted(study) > done)
    sys.stdout.write(f"the next trial ended {time.monotonic() - begun:.1f} s after the start" + "\n")
    assert crew.done() == [0, 0], crew.told(0) + crew.told(1)
    assert all(t.state == TrialState.COMPLETE for t in study.get_trials() if TrialRecord.of(t).reason == "")
    assert 12 <= counted(study) <= 13
    for told in (crew.told(0), crew.told(1)):
        assert "does not answer" in told and "answers again" in told and "Traceback" not in told


def test_a_worker_that_stood_still_drops_its_trial_and_goes_on(cluster: Cluster, crew: Crew) -> None:
    crew.url = cluster.url
    study = crew.study(trials=6)
    frozen = crew.join(6, seconds=1)
    until(lambda: at_work(study, frozen))
    number = study.get_trials(states=(TrialState.RUNNING,))[0].number
    frozen.send_signal(signal.SIGSTOP)
    begun = time.monotonic()
    until(lambda: sweep(study) == 1)
    assert GRACE <= time.monotonic() - begun < GRACE + 3
    assert running(study) == 0
    frozen.send_signal(signal.SIGCONT)
    assert crew.done() == [0], crew.told()
    assert f"trial {number} is dropped" in crew.told() and "Traceback" not in crew.told()
    trials = study.get_trials()
    assert trials[number].state == TrialState.FAIL
    assert counted(study) == 6 and sum(t.state == TrialState.COMPLETE for t in trials) == 6


def test_a_policy_that_kills_its_process_is_retried_twice(cluster: Cluster, crew: Crew) -> None:
    crew.url = cluster.url
    study = crew.study(trials=3)
    study.enqueue_trial({"use.gaussian_noise": True, "use.dropout": False, "use.mixup": False})
    ends = []
    for _ in range(MAX_RETRY + 1):
        ends.append(crew.join(1, deadly="gaussian_noise").wait(60))
    sweep(study)
    assert ends == [-signal.SIGKILL] * 3
    assert [t.state for t in study.get_trials()] == [TrialState.FAIL] * 3
    assert counted(study) == 1 and "killed 3 times" in TrialRecord.of(study.get_trials()[-1]).reason
    assert crew.join(1, deadly="gaussian_noise").wait(60) == 0  # nothing is left to do


def test_twenty_kills_at_random_moments_lose_no_finished_trial(cluster: Cluster, crew: Crew) -> None:
    crew.url = cluster.url
    study = crew.study(trials=40)
    draw = random.Random(0)
    ended: dict[int, float] = {}
    for _ in range(20):
        worker = crew.join(40, seconds=0.4)
        until(lambda: at_work(study, worker) or worker.poll() is not None)  # noqa: B023
        time.sleep(draw.uniform(0, 1.5))
        worker.send_signal(signal.SIGKILL)
        worker.wait()
        now = {t.number: t.value for t in study.get_trials() if t.state == TrialState.COMPLETE}
        assert ended.items() <= now.items()
        ended = now
    assert crew.join(40, seconds=0.05).wait(120) == 0
    trials = study.get_trials()
    assert counted(study) == 40
    assert not [t for t in trials if t.state == TrialState.RUNNING]
    assert max(TrialRecord.of(t).retries for t in trials) <= MAX_RETRY
    sys.stdout.write(
        f"{sum(TrialRecord.of(t).killed for t in trials)} of {len(trials)} trials lost their process" + "\n"
    )
