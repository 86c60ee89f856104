"""The quickest of the faults, with real processes and a real PostgreSQL."""

from __future__ import annotations

import signal

from crew import Crew, at_work, counted, until
from optuna.trial import TrialState
from postgres import Cluster

from autonoise.study.storage import sweep


def test_a_restart_of_postgres_costs_no_trial(cluster: Cluster, crew: Crew) -> None:
    crew.url = cluster.url
    study = crew.study(trials=6)
    worker = crew.join(6, seconds=0.5)
    until(lambda: counted(study) >= 1 and at_work(study, worker))
    cluster.stop()
    cluster.start()
    assert crew.done() == [0], crew.told()
    assert [t.state for t in study.get_trials()] == [TrialState.COMPLETE] * 6
    assert "Traceback" not in crew.told()


def test_the_trial_of_a_killed_worker_is_run_by_the_next(crew: Crew) -> None:
    """SQLite, no grace period to wait for: that the process is gone can be seen on the same machine."""
    study = crew.study(trials=3)
    worker = crew.join(3, seconds=30)
    until(lambda: at_work(study, worker))
    worker.send_signal(signal.SIGKILL)
    worker.wait()
    assert (sweep(study), sweep(study)) == (1, 0)
    lost, retry = study.get_trials()
    assert (lost.state, retry.state) == (TrialState.FAIL, TrialState.WAITING)
    assert retry.params == lost.params
    assert counted(study) == 0
