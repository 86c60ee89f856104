"""Whole searches on tiny data, in this process: every phase, every file, every mode."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import optuna
import pandas as pd
import pytest
from study_samples import MIXUP, config_of, new_study, session_of, space_of

from autonoise.corruptions.base import Corruption, corruptions_for
from autonoise.data.builtin import cbf_series
from autonoise.errors import AutonoiseError, DataError, StudyError
from autonoise.phases import Outcome, run_search
from autonoise.policy import Policy
from autonoise.space.space import SearchSpace
from autonoise.study.config import StudyConfig
from autonoise.study.folder import StudyFolder
from autonoise.study.learned import learned
from autonoise.study.noise_data import with_noise_data
from autonoise.study.observer import Observer
from autonoise.study.prepare import build_task
from autonoise.study.processes import Stop
from autonoise.study.trial_record import PREFIX
from autonoise.trials.loop import _await_others
from autonoise.types import DataType
from autonoise.verdict.decide import exported

SERIES = space_of("timeseries")


class Watching(Observer):
    def __init__(self) -> None:
        self.lines: list[str] = []
        self.phases: set[str] = set()

    def line(self, text: str) -> None:
        self.lines.append(text)

    def phase(self, name: str, done: int, total: int) -> None:
        assert 0 <= done <= total
        self.phases.add(name)


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """No processes, no shipped studies, two corruptions of each group; the report only where a test looks at it."""

    def few(data_type: Any, group: Any = None) -> tuple[Corruption, ...]:
        both = [corruptions_for(data_type, g)[:2] for g in ("search", "held_out")]
        return (*both[0], *both[1])

    if "again" not in request.node.name:
        monkeypatch.setattr("autonoise.verdict.export.write_study_report", lambda *_: None)
    monkeypatch.setattr("autonoise.phases.pool_size", lambda config: 1)
    monkeypatch.setattr("autonoise.study.prepare.corruptions_for", few)
    monkeypatch.setattr("autonoise.study.bank.resource_dir", lambda name: Path("/nonexistent"))


@pytest.fixture(scope="module")
def series(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("data")
    y = np.arange(120) % 3
    x = cbf_series(y, np.random.default_rng(0))[:, None]
    np.savez(folder / "series.npz", X=x, y=y)
    np.savez(folder / "rare.npz", X=x, y=np.append(y[:-1], 3))  # one row of a fourth class cannot be judged
    np.savez(folder / "noisy.npz", X=x[:45] + np.float32(0.5), y=y[:45])
    np.savez(folder / "short.npz", X=x[:45, :, :50], y=y[:45])
    np.savez(folder / "pairs.npz", X=np.concatenate([x, x], axis=1), y=y)
    return str(folder / "series.npz")


def search(folder: Path, data: str, space: Any = SERIES, observer: Observer | None = None, **settings: Any) -> Outcome:
    config = config_of(folder, **{"data": data, "trials": 4, "epochs": 5, "size": 0.5, **settings})
    return run_search(config, space, observer)


def study_of(folder: Path) -> optuna.Study:
    return optuna.load_study(study_name="sample", storage=f"sqlite:///{folder / 'study.db'}")


@pytest.mark.slow
def test_a_search_from_data_to_verdict_and_again(tmp_path: Path, series: str) -> None:
    folder, watching = tmp_path / "study", Watching()
    steps = [{"technique": "gaussian_noise", "std": 0.2, "probability": 0.5}]
    space = space_of("timeseries", seeds=[{"name": "a start", "steps": steps}])
    outcome = search(folder, series, space, observer=watching)
    assert not outcome.stopped
    assert outcome.result is not None
    for name in (
        "study.yaml",
        "resolved_space.yaml",
        "corruptions.json",
        "study.db",
        "artifacts",
        "trials.csv",
        "policy.yaml",
        "policies",
        "report.html",
        "report.md",
        "result.json",
    ):
        assert (folder / name).exists(), name
    winners = {w.file for w in outcome.result.winners.values()}
    files = {f"policies/{p.name}" for p in (folder / "policies").iterdir()}
    assert files <= winners | {f"policies/{k}.yaml" for k in ("found", "preset", "start")}
    assert winners | {"policies/found.yaml"} <= files
    assert watching.phases == {"calibrate", "confirm", "minimise", "verdict"}
    # each training after the search is told once, in the phase that asked for it
    trained = {phase: spent.trainings for phase, spent in outcome.result.spent.items()}
    kept = {part: len(list((folder / "runs").glob(f"*-{part}-*.npz"))) for part in ("confirm", "test")}
    assert trained["confirm"] == sum(s.seeds for s in outcome.result.standings)
    assert trained["confirm"] + trained.get("minimise", 0) == kept["confirm"]
    assert trained["verdict"] == kept["test"]
    assert watching.lines[0].startswith("timeseries · 120 rows, 3 classes")
    assert watching.lines[-1] == outcome.result.sentence
    assert StudyConfig.load(folder / "study.yaml").trials == 4

    study = study_of(folder)
    assert {
        PREFIX + k
        for k in (
            "space_hash",
            "data_fingerprint",
            "frozen_corruptions",
            "settings",
            "baseline",
            "test_read_at",
            "verdict",
        )
    } <= set(study.user_attrs)
    assert not (folder / "sets").exists()  # corrupted rows are kept on disk until there is a verdict
    states = pd.read_csv(folder / "trials.csv")["state"]
    assert len(states) == 4
    assert set(states) <= {"COMPLETE", "PRUNED"}  # what is still queued is no result
    assert Policy.from_trial(study.get_trials()[0]).steps == ()

    from autonoise.policy import load_policy

    policy = load_policy(folder / "policies" / "found.yaml", warn=False)
    assert policy.scores["verdict"] == outcome.result.verdict
    held = load_policy(folder / "policy.yaml", warn=False)
    assert held.scores["contestant"] == exported(outcome.result)
    assert [s.to_dict() for s in held.steps] == list(outcome.result.contestants[exported(outcome.result)].steps)
    assert f"recommended: {outcome.result.recommended}" in (folder / "policy.yaml").read_text()
    assert policy.provenance["seed"] == 0
    assert policy.input is not None
    assert set(outcome.result.differences) <= {"baseline", "preset", "start"}
    # a starting policy, of the portfolio or the space, is confirmed as presets are, and meets what was found unless it
    # is that itself
    start = next(s for s in outcome.result.standings if s.role == "start")
    assert start.name in {"a start", *(p.name for p in learned(DataType.TIMESERIES).portfolio)}
    if "start" in outcome.result.differences:
        assert load_policy(folder / "policies" / "start.yaml", warn=False).judged.contestant == "start"
        assert "found − start" in (folder / "report.md").read_text()
        assert "start" in policy.scores["score"]
    else:
        assert outcome.result.contestants["policy"].steps[0]["technique"] == "gaussian_noise"

    again = search(folder, series, space)
    assert again.result == outcome.folder.load_result()
    with pytest.raises(StudyError, match=r"other settings \(epochs: 5 → 3\)"):
        search(folder, series, space, epochs=3)
    other = space_of("timeseries", max_techniques=1)
    with pytest.raises(StudyError, match="another space hash"):
        search(folder, series, space=other)
    # the same command with a larger total goes on
    more = search(folder, series, space, trials=5, calibrate=False)
    assert more.result is not None
    assert more.result.counts.complete + more.result.counts.pruned == 5
    assert more.result.test_read_at == outcome.result.test_read_at
    hashes = [[c.hash for c in r.contestants.values()] for r in (more.result, outcome.result)]
    read_again = hashes[0] != hashes[1]
    assert outcome.result.test_reads == 1
    assert more.result.test_reads == 1 + read_again
    assert any("test part was read 2 times" in w for w in more.result.warnings) == read_again


def test_wrong_labels_are_trained_on_and_never_judged_by(tmp_path: Path, series: str) -> None:
    space = space_of("timeseries", with_label_noise={"gce": {"q": [0.2, 0.6], "probability": 1}})
    rare = series.replace("series.npz", "rare.npz")
    outcome = search(tmp_path / "s", rare, space=space, label_noise=0.3, trials=3)
    assert outcome.result is not None
    assert any("no number here speaks of 1 class" in w and "'3'" in w for w in outcome.result.warnings)
    assert "gce" in (tmp_path / "s" / "resolved_space.yaml").read_text()
    assert "use.gce" in study_of(tmp_path / "s").get_trials()[0].params
    task = build_task(config_of(tmp_path / "s", data=series, label_noise=0.3))
    assert (task.labels != task.truth).mean() == pytest.approx(0.3)
    np.testing.assert_array_equal(task.truth, task.dataset.y)
    np.testing.assert_array_equal(np.bincount(task.sets("test").labels), np.bincount(task.truth[task.splits.test]))


def test_trials_of_other_workers_are_waited_for() -> None:
    study, watching = new_study(), Watching()
    trial = study.ask()
    trial.set_user_attr(PREFIX + "pid", os.getpid())
    end = threading.Timer(1.0, lambda: study.tell(trial, 0.5))
    end.start()
    session = session_of(study=study)
    session.observer = watching
    _await_others(session)
    assert [t.state.name for t in study.get_trials()] == ["COMPLETE"]
    assert watching.lines == ["waiting up to 240 s for trials of other workers: 1"]
    study.ask().set_user_attr(PREFIX + "pid", os.getpid())
    session.stop.asked = True  # Ctrl-C is heard
    _await_others(session)


def test_what_is_refused_before_the_first_training_leaves_nothing(tmp_path: Path, series: str) -> None:
    with pytest.raises(AutonoiseError, match="resnt"):
        search(tmp_path / "s", series, proxy="resnt")
    assert not (tmp_path / "s").exists()
    with pytest.raises(DataError, match="--noisy-val has rows of 1 channels, the training data of 2 channels"):
        search(tmp_path / "s", series.replace("series", "pairs"), noisy_val=series)
    assert not (tmp_path / "s").exists()


@pytest.mark.parametrize("alone", [True, False])
def test_a_noisy_set_of_the_users_own(tmp_path: Path, series: str, alone: bool) -> None:
    noisy = series.replace("series", "noisy")
    result = search(tmp_path / "s", series, noisy_val=noisy, noisy_val_only=alone, trials=3).result
    assert result is not None
    assert "real" in result.held_out
    assert (result.held_out == ("real",)) == alone
    assert [c.name for c in result.corruptions][-1] == "real"
    assert (len(result.corruptions) == 1) == alone
    trial = study_of(tmp_path / "s").get_trials()[0]
    families = [k for k in trial.user_attrs if k.startswith(PREFIX + "noisy.")]
    assert PREFIX + "noisy.real" in families
    assert (len(families) == 1) == alone


@pytest.mark.slow
def test_noise_clips_of_the_users_own(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    y = np.arange(90) % 2
    t = np.arange(1600) / 8000
    x = 0.3 * np.sin(2 * np.pi * np.where(y == 0, 300, 900)[:, None] * t) + 0.05 * rng.standard_normal((90, 1600))
    np.savez(tmp_path / "tones.npz", X=x.astype(np.float32), y=y, sample_rate=8000)
    clips = (0.1 * rng.standard_normal((4, 2000))).astype(np.float32)
    np.savez(tmp_path / "clips.npz", X=clips, sample_rate=np.array(8000))
    space = space_of("audio", techniques={"background_noise": {"snr_db": [5, 20]}, "mixup": {}})
    data = str(tmp_path / "tones.npz")
    outcome = search(tmp_path / "s", data, space=space, noise_data=str(tmp_path / "clips.npz"), trials=3)
    assert outcome.result is not None
    with np.load(tmp_path / "s" / "noise_clips.npz", allow_pickle=False) as stored:
        assert sorted(stored["group"].tolist()) == ["held_out"] * 2 + ["search"] * 2
    assert "noise_clips.npz" in (tmp_path / "s" / "resolved_space.yaml").read_text()
    task = build_task(config_of(tmp_path / "s", data=data, noise_data=str(tmp_path / "clips.npz")))
    assert task.clips is not None
    assert task.clips.shape == (2, 2000)
    assert search(tmp_path / "s", data, space=space, noise_data=str(tmp_path / "clips.npz"), trials=3).result


def test_noise_clips_need_a_sample_rate(tmp_path: Path, series: str) -> None:
    with pytest.raises(DataError, match="--noise-data is for data with a sample rate"):
        search(tmp_path / "s", series, noise_data=series)


@pytest.mark.slow
def test_pareto_with_constraints_and_calibration(tmp_path: Path, series: str) -> None:
    settings: dict[str, Any] = {"objective": "pareto", "max_clean_drop": 0.5, "trials": 3, "epochs": 3}
    result = search(tmp_path / "s", series, **settings).result
    assert result is not None
    assert len(study_of(tmp_path / "s").directions) == 2
    assert result.counts.pruned == 0
    assert result.transfer is None
    with_transfer = search(tmp_path / "s", series, calibrate=True, **settings).result
    assert with_transfer is not None
    assert with_transfer.transfer is not None
    assert with_transfer.transfer.bigger_factor == 4.0
    assert len(with_transfer.transfer.settings) == 4


@pytest.mark.slow
def test_two_workers(tmp_path: Path, series: str) -> None:
    result = search(tmp_path / "s", series, workers=2, trials=5).result
    assert result is not None
    trials = study_of(tmp_path / "s").get_trials()
    ended = [t for t in trials if t.state.is_finished()]
    assert 5 <= len(ended) <= 6  # the second may have begun one more
    assert len({t.user_attrs[PREFIX + "pid"] for t in ended}) == 2


def test_a_deadline_ends_the_search_and_the_verdict_is_reached_all_the_same(
    tmp_path: Path, series: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = iter(range(1000))
    monkeypatch.setattr(Stop, "late", property(lambda stop: stop.deadline is not None and next(asked) >= 2))
    result = search(tmp_path / "s", series, timeout=36_000.0, trials=500).result
    assert result is not None
    assert result.counts.complete + result.counts.pruned == 2


def test_a_timeout_that_leaves_no_time_for_a_trial_is_one_line(tmp_path: Path, series: str) -> None:
    with pytest.raises(StudyError, match=r"--timeout 0\.001 s was over before a trial was completed"):
        search(tmp_path / "t", series, timeout=0.001, trials=500)


def test_a_model_of_the_users_own(tmp_path: Path, series: str) -> None:
    file = tmp_path / "mine.py"
    file.write_text(
        "from torch import nn\ndef make(spec, classes):\n    c, n = spec.layout\n"
        "    return nn.Sequential(nn.Flatten(), nn.Linear(c * n, 16), nn.ReLU(), nn.Linear(16, classes))\n"
    )
    watching = Watching()
    result = search(tmp_path / "s", series, model=f"{file}:make", observer=watching, trials=3, epochs=20).result
    assert result is not None
    assert "model Sequential" in result.describe


def test_a_space_for_other_data_is_refused(tmp_path: Path, series: str) -> None:
    with pytest.raises(StudyError, match=r"the search space is for tabular data, but .* is timeseries"):
        search(tmp_path / "s", series, space=space_of("tabular"))
    assert not (tmp_path / "s").exists()


def test_nothing_to_make_robust_is_refused(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "noise.npz", X=rng.standard_normal((90, 1, 20)).astype(np.float32), y=np.arange(90) % 3)
    with pytest.raises(StudyError, match="nothing to make robust"):
        search(tmp_path / "s", str(tmp_path / "noise.npz"), space=space_of("timeseries", presets=[MIXUP]), epochs=1)


@pytest.mark.parametrize("memory", [True, False])
def test_earlier_studies_are_a_start_unless_refused(
    tmp_path: Path, series: str, memory: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = SERIES.presets[0]
    monkeypatch.setattr("autonoise.trials.loop.warm_start", lambda task, folder: [known])
    search(tmp_path / "s", series, trials=2, memory=memory)
    origins = [t.user_attrs.get(PREFIX + "origin") for t in study_of(tmp_path / "s").get_trials()]
    assert ("memory" in origins) == memory


def test_noise_clips_reach_the_presets_and_seeds_of_the_shipped_space(tmp_path: Path) -> None:
    task: Any = SimpleNamespace(dataset=SimpleNamespace(sample_rate=8000))
    folder = StudyFolder(tmp_path / "s")
    folder.create()
    np.savez(tmp_path / "clips.npz", X=np.ones((4, 400), dtype=np.float32), sample_rate=np.array(8000))
    config = config_of(tmp_path / "s", noise_data=str(tmp_path / "clips.npz"))
    space = with_noise_data(config, SearchSpace.load("audio"), task, folder)
    taking = [
        s.technique.parameters()
        for p in (*space.seeds, *space.presets)
        for s in p.steps
        if "clips" in s.technique.parameters()
    ]
    assert len(taking) >= 2
    assert {Path(t["clips"]).name for t in taking} == {"noise_clips.npz"}
    assert {t["group"] for t in taking} == {"search"}
    assert task.clips.shape == (2, 400)
