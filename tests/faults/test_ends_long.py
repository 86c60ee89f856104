"""Every way to end a search from outside: it says how to go on where somebody can hear it, and nothing is lost."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from crew import until
from forked import Forked, Place, back_at_work, made
from table import row

from autonoise.policy import load_policy
from autonoise.study.folder import StudyFolder

pytestmark = pytest.mark.faults


def at_work(place: Place, process: Forked) -> None:
    known = place.begun()
    until(lambda: place.begun() > known or process.ended() is not None, 240)
    assert process.ended() is None, process.told()


def test_signals_and_terminals(tmp_path: Path) -> None:
    """One study, ended six times: after each, all that was complete is there; the last run concludes."""
    with made(tmp_path) as place:
        words = ("stopping after what is running now", "Continue with", f"autonoise search {place.out}")
        known: set[int] = set()

        def ends(process: Forked, status: int, *told: str) -> None:
            nonlocal known
            assert process.wait() == status, process.told()
            assert "Traceback" not in process.told()
            for word in told:
                assert word in process.told()
            assert place.complete() >= known
            known = place.complete()

        for number in (signal.SIGTERM, signal.SIGHUP):
            place.slow(0.02)
            process = place.search(trials=40)
            at_work(place, process)
            process.send(number)
            ends(process, 130, *words)
            assert "RUNNING" not in place.trials().values()  # what was running was let to its end

        process = place.search(trials=40, tty=True)
        at_work(place, process)
        process.press_ctrl_c()
        ends(process, 130, *words)

        place.slow(5)
        process = place.search(trials=40, tty=True)
        at_work(place, process)
        process.press_ctrl_c()
        until(lambda: words[0] in process.told())
        process.press_ctrl_c()
        ends(process, 130, *words)
        assert not (place.complete() - known)

        place.slow(0.02)
        process = place.search(trials=40, tty=True)
        at_work(place, process)
        process.close_terminal()
        assert process.wait() in (130, 120)  # 120: Python cannot flush what it had to say
        assert place.complete() >= known
        known = place.complete()
        assert "RUNNING" not in place.trials().values()

        (tmp_path / "delay").unlink()
        process = place.search(trials=len(known) + 1)
        seconds = back_at_work(place, process, len(known))
        ends(process, 0, "verdict")
        row("SIGTERM, SIGHUP, Ctrl-C, Ctrl-C twice, closed terminal", 5, 0, seconds)
        assert StudyFolder(place.out).load_result() is not None
        assert load_policy(place.out / "policy.yaml", warn=False) is not None
