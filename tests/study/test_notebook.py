"""Progress in a notebook: a block of HTML that is updated, by a stand-in for IPython."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from study_samples import config_of, new_study

from autonoise.study import notebook
from autonoise.study.budget import Budget
from autonoise.study.notebook import NotebookProgress, in_notebook, observer_for
from autonoise.study.observer import Lines, Observer, Progress

NOW = Progress(3, 10, 0.8, 0.9, 0.7, 0.6, left=90.0, trying="<img src=x onerror=alert(1)>", after=60.0)


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A kernel whose display keeps what was shown; every update is the newest entry."""
    sent: list[str] = []

    def display(made: Any, *, display_id: bool) -> Any:
        assert display_id
        sent.append(made)
        return SimpleNamespace(update=sent.append)

    kernel, inner = ModuleType("IPython"), ModuleType("IPython.display")
    kernel.get_ipython = lambda: SimpleNamespace(kernel=object())  # type: ignore[attr-defined]
    inner.HTML, inner.display = str, display  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "IPython", kernel)
    monkeypatch.setitem(sys.modules, "IPython.display", inner)
    return sent


def test_the_block_is_updated_and_text_is_text(shown: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr(notebook.time, "monotonic", lambda: clock[0])
    observer = observer_for(True)
    assert isinstance(observer, NotebookProgress)
    observer.progress(NOW)
    assert '<progress value="3" max="10"' in shown[-1] and "best 0.800 (clean 0.900, noisy 0.700)" in shown[-1]
    assert "1:30 left, then about 1:00 to confirm and judge" in shown[-1]
    assert "&lt;img src=x" in shown[-1] and "<img" not in shown[-1]
    clock[0] = 0.1
    observer.progress(Progress(4, 10))
    assert len(shown) == 1  # too soon after the last
    clock[0] = 1.0
    observer.phase("verdict", 0, 15)
    clock[0] = 11.0
    observer.phase("verdict", 5, 15)
    assert "verdict: 5 of 15 trainings, each from a fresh seed, about 0:20 left" in shown[-1]
    clock[0] = 11.2
    observer.phase("verdict", 6, 15)
    observer.close()
    observer.close()
    assert "6 of 15" in shown[-1] and len(shown) == 4


def test_elsewhere_lines_or_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "IPython", raising=False)
    assert not in_notebook()
    assert type(observer_for(True)) is Lines and type(observer_for(False)) is Observer
    own = Observer()
    assert observer_for(own) is own
    terminal = ModuleType("IPython")
    terminal.get_ipython = lambda: SimpleNamespace()  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "IPython", terminal)
    assert not in_notebook()


def test_how_long_confirming_and_judging_will_take() -> None:
    """60 trials, no presets: 7 entries * (1 + 0.55 * 2), 3 * 3 to minimise, 4 * 5 to judge, 1.5 * 2 s each, 5 s."""
    budget = Budget(config_of(Path("nowhere"), seeds=5), baseline_seconds=2.0)
    assert budget.concluding(new_study()) == pytest.approx(5 + 3 * (7 * 2.1 + 9 + 20))
    short = Budget(config_of(Path("nowhere"), seeds=5, timeout=100.0), baseline_seconds=2.0)
    # half of 100 s may be used, and the next larger plan takes 88: the smallest is left, 3 entries and 3 * 3 to judge
    assert short.concluding(new_study()) == pytest.approx(5 + 3 * (3 + 9))
