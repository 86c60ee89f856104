"""Two small studies whose trials, policies and verdicts are on file: the same seed gives the same study for ever.

A change of the code that is not meant to change results must leave these files as they are. Where a change is meant to,
``AUTONOISE_FREEZE=1 python -m pytest tests/study/test_frozen_studies.py`` makes them again, in a commit that says so.
"""

from __future__ import annotations

import json
import os
import platform
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
import torch
from study_samples import config_of, space_of

from autonoise.corruptions.base import Corruption, corruptions_for
from autonoise.data.builtin import cbf_series
from autonoise.phases import run_search

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
ELSEWHERE = 0.06
"""Accuracies may differ by this much on a processor with other instructions, where sums are rounded differently."""


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    def few(data_type: Any, group: Any = None) -> tuple[Corruption, ...]:
        both = [corruptions_for(data_type, g)[:2] for g in ("search", "held_out")]
        return (*both[0], *both[1])

    monkeypatch.setattr("autonoise.phases.pool_size", lambda config: 1)
    monkeypatch.setattr("autonoise.study.prepare.corruptions_for", few)
    monkeypatch.setattr("autonoise.study.bank.resource_dir", lambda name: Path("/nonexistent"))


def data_of(kind: str, folder: Path) -> str:
    rng = np.random.default_rng(0)
    y = np.arange(150) % 3
    if kind == "timeseries":
        x = cbf_series(y, rng)[:, None]
    else:
        x = rng.normal(size=(150, 5)) + np.eye(3, 5)[y] * 2.5
    np.savez(folder / f"{kind}.npz", X=x, y=y)
    return str(folder / f"{kind}.npz")


def study_as_found(kind: str, folder: Path) -> dict[str, Any]:
    config = config_of(folder / "study", data=data_of(kind, folder), trials=6, epochs=4, size=0.5, precision="fp32")
    outcome = run_search(config, space_of(kind))
    assert outcome.result is not None
    study = optuna.load_study(study_name="sample", storage=f"sqlite:///{folder / 'study' / 'study.db'}")
    return {
        "made_on": made_on(),
        "trials": [
            {
                "params": t.params, "state": t.state.name, "hash": t.user_attrs["autonoise.policy_hash"],
                "score": t.value, "clean": t.user_attrs.get("autonoise.clean"),
                "noisy": t.user_attrs.get("autonoise.noisy"),
            }
            for t in study.get_trials()
            if t.state.is_finished()
        ],
        "contestants": {k: [c.hash, c.score.mean] for k, c in outcome.result.contestants.items() if c.score},
        "verdict": outcome.result.verdict,
        "differences": {k: d.score for k, d in outcome.result.differences.items()},
    }  # fmt: skip


def made_on() -> str:
    return f"{platform.machine()} {torch.backends.cpu.get_cpu_capability()} torch {torch.__version__}"


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["tabular", "timeseries"])
def test_the_same_seed_gives_the_same_study(kind: str, tmp_path: Path) -> None:
    found = json.loads(json.dumps(study_as_found(kind, tmp_path)))
    file = GOLDEN / f"study_{kind}.json"
    if os.environ.get("AUTONOISE_FREEZE"):
        file.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n")
    frozen = json.loads(file.read_text())
    if frozen["made_on"] == found["made_on"]:
        assert found == frozen
        return
    # the first trials are drawn without looking at any score, so they are the same everywhere
    assert [(t["params"], t["hash"]) for t in found["trials"]] == [(t["params"], t["hash"]) for t in frozen["trials"]]
    for ours, theirs in zip(found["trials"], frozen["trials"], strict=True):
        if ours["clean"] is not None and theirs["clean"] is not None:
            assert ours["clean"] == pytest.approx(theirs["clean"], abs=ELSEWHERE)
    assert set(found["contestants"]) == set(frozen["contestants"])
    for name, (_, score) in found["contestants"].items():
        assert score == pytest.approx(frozen["contestants"][name][1], abs=ELSEWHERE)
