"""Faults that take a while, with real processes and a real PostgreSQL: make test-faults."""

from __future__ import annotations

import random
import signal
import time

import pytest
from crew import GRACE, Crew, at_work, counted, until
from optuna.trial import TrialState
from postgres import Cluster
from table import row

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
    back = time.monotonic() - begun
    assert crew.done() == [0, 0], crew.told(0) + crew.told(1)
    assert all(t.state == TrialState.COMPLETE for t in study.get_trials() if TrialRecord.of(t).reason == "")
    assert 12 <= counted(study) <= 13
    for told in (crew.told(0), crew.told(1)):
        assert "does not answer" in told and "answers again" in told and "Traceback" not in told
    row("PostgreSQL stopped for 20 s and started again", 1, 0, back)


def test_a_worker_that_stood_still_drops_its_trial_and_goes_on(cluster: Cluster, crew: Crew) -> None:
    crew.url = cluster.url
    study = crew.study(trials=6)
    frozen = crew.join(6, seconds=1)
    until(lambda: at_work(study, frozen))
    number = study.get_trials(states=(TrialState.RUNNING,))[0].number
    frozen.send_signal(signal.SIGSTOP)
    begun = time.monotonic()
    until(lambda: sweep(study) == 1)
    assert time.monotonic() - begun >= GRACE
    assert running(study) == 0
    frozen.send_signal(signal.SIGCONT)
    done, begun = counted(study), time.monotonic()
    until(lambda: counted(study) > done)
    back = time.monotonic() - begun
    assert crew.done() == [0], crew.told()
    assert f"trial {number} is dropped" in crew.told() and "Traceback" not in crew.told()
    trials = study.get_trials()
    assert trials[number].state == TrialState.FAIL
    assert counted(study) == 6 and sum(t.state == TrialState.COMPLETE for t in trials) == 6
    row("worker frozen past its grace period and continued", 1, 0, back)


def test_a_policy_that_kills_its_process_is_retried_twice(cluster: Cluster, crew: Crew) -> None:
    crew.url = cluster.url
    study = crew.study(trials=3)
    study.enqueue_trial({"use.gaussian_noise": True, "use.dropout": False, "use.mixup": False})
    ends = []
    for _ in range(MAX_RETRY + 1):
        ends.append(crew.join(1, deadly="gaussian_noise").wait(240))
    sweep(study)
    assert ends == [-signal.SIGKILL] * 3
    assert [t.state for t in study.get_trials()] == [TrialState.FAIL] * 3
    assert counted(study) == 1 and "killed 3 times" in TrialRecord.of(study.get_trials()[-1]).reason
    assert crew.join(1, deadly="gaussian_noise").wait(240) == 0  # nothing is left to do


def test_twenty_kills_at_random_moments_lose_no_finished_trial(cluster: Cluster, crew: Crew) -> None:
    """The moment of each kill is drawn over the time of a trial that is surely at work, so that a loaded machine, on
    which a process takes long to start, changes nothing."""
    crew.url, total = cluster.url, 24
    study = crew.study(trials=total)
    draw = random.Random(0)
    ended: dict[int, float] = {}
    lost, hit, back = 0, 0, []
    worker = crew.join(total, seconds=1.0)
    for _ in range(20):
        until(lambda: at_work(study, worker), 180)  # noqa: B023
        time.sleep(draw.uniform(0, 1.2))
        hit += at_work(study, worker)
        worker.send_signal(signal.SIGKILL)
        worker.wait()
        now = {t.number: t.value for t in study.get_trials() if t.state == TrialState.COMPLETE}
        lost += len(ended.items() - now.items())
        ended, begun = now, time.monotonic()
        if counted(study) >= total - 2:
            total += 2
        worker = crew.join(total, seconds=1.0)
        until(lambda: at_work(study, worker), 180)  # noqa: B023
        back.append(time.monotonic() - begun)
    worker.send_signal(signal.SIGKILL)
    worker.wait()
    assert crew.join(total, seconds=0.05).wait(240) == 0
    assert lost == 0 and hit >= 10
    trials = study.get_trials()
    assert counted(study) == total
    assert not [t for t in trials if t.state == TrialState.RUNNING]
    assert max(TrialRecord.of(t).retries for t in trials) <= MAX_RETRY
    row("kill -9 of a worker in a trial, at random moments, PostgreSQL", 20, lost, max(back))
