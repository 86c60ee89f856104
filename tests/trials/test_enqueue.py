"""What a search tries first."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from study_samples import config_of, new_study, policy_of, session_of, space_of

from autonoise.policy import Policy
from autonoise.trials import loop
from autonoise.trials.loop import LIKELY, enqueue

NAMES = ("dropout", "mixup", "swap_noise", "label_smoothing")
SPACE = space_of(
    techniques={n: {} for n in (*NAMES, "gaussian_noise", "weight_noise")},
    presets=[{"name": n, "steps": [{"technique": n}]} for n in NAMES],
    seeds=[{"name": "seed", "steps": [{"technique": "weight_noise"}]}],
    expected_techniques=2.0,
    max_techniques=3,
)


def queued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, portfolio: tuple[Policy, ...]) -> list[list[str]]:
    expected = {"dropout": 0.1, "mixup": 0.4, "swap_noise": -0.2, "label_smoothing": 0.3}

    def predict(policies: Any) -> tuple[Any, None]:
        return np.array([expected[p.steps[0].name] for p in policies]), None

    guide = SimpleNamespace(learned=SimpleNamespace(portfolio=portfolio), predict=predict)
    monkeypatch.setattr(loop, "guide_of", lambda *a: guide)
    monkeypatch.setattr(loop, "warm_start", lambda *a: [policy_of("mixup", "dropout")])
    session = session_of(config=config_of(tmp_path), study=new_study())
    session.space = SPACE
    enqueue(session)
    tried = []
    while any(t.state.name == "WAITING" for t in session.study.get_trials()):
        tried.append([s.name for s in SPACE.suggest(session.study.ask()).steps])
    return [sorted(t) for t in tried]


def test_the_portfolio_then_what_was_found_then_the_likeliest_presets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = queued(tmp_path, monkeypatch, (policy_of("gaussian_noise"),))
    assert LIKELY == 3
    assert found == [[], ["gaussian_noise"], ["dropout", "mixup"], ["mixup"], ["label_smoothing"], ["dropout"]]


def test_seeds_and_all_presets_where_nothing_was_learned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = queued(tmp_path, monkeypatch, ())
    assert found == [[], ["dropout", "mixup"], ["weight_noise"], *([n] for n in NAMES)]
