"""``autonoise.evaluate``: who trains from which seeds, where the numbers come from, which test rows are honest."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_iris
from study_samples import with_few_corruptions
from torch import nn

import autonoise
from autonoise import Policy, Step
from autonoise.data import Dataset, load, split
from autonoise.errors import AttachError, AutonoiseError, DataError, StudyError
from autonoise.evaluating import _seed_of_the_search, folder_of
from autonoise.study.config import StudyConfig
from autonoise.study.folder import RunResult, StudyFolder
from autonoise.study.prepare import build_task
from autonoise.study.result import ContestantResult, Difference, Measured, Result
from autonoise.training import task as training
from autonoise.types import DataType, InputSpec
from autonoise.verdict.evaluation import _advice, contestants_of, earlier_use, judge_policies
from autonoise.verdict.trainings import fresh_seed

QUICK: dict[str, Any] = {"epochs": 6, "seeds": 3, "once": True, "progress": False}
NOISE = Policy("tabular", [Step.of("gaussian_noise", std=0.4)], name="noise")
SWAP = Policy("tabular", [Step.of("swap_noise", fraction=0.2)], name="swap")


def iris() -> tuple[Any, Any]:
    x, y = load_iris(return_X_y=True)
    return x.astype(np.float32), y


class Counted:
    """Every training that was run: (policy, seed)."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, int]] = []

    def __call__(self, model: nn.Module, data: Any, policy: Policy, recipe: Any, *, seed: int, **rest: Any) -> Any:
        self.seen.append((policy.name, seed))
        return self.train(model, data, policy, recipe, seed=seed, **rest)

    train = staticmethod(training.train)


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> Counted:
    counted = Counted()
    monkeypatch.setattr(training, "train", counted)
    return counted


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimpleNamespace]:
    """An evaluation of two policies with a model that is a function in memory, and its trainings."""
    out, counted = tmp_path_factory.mktemp("evaluations") / "iris", Counted()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "train", counted)
        with_few_corruptions(patch)
        result = autonoise.evaluate([NOISE, SWAP], iris(), model=small, out=out, **QUICK)
    yield SimpleNamespace(result=result, out=out, trained=counted.seen)


def small(spec: InputSpec, classes: int) -> nn.Module:
    return nn.Sequential(nn.Linear(spec.layout[0], 128), nn.ReLU(), nn.Linear(128, classes))


def test_all_contestants_train_from_the_same_seeds(done: SimpleNamespace) -> None:
    seeds = [fresh_seed(0, 100 + k) for k in range(3)]
    calibrated = ("policy", 0)  # once, without noise, to set the severities
    assert sorted(done.trained) == sorted(
        [calibrated, *((name, s) for s in seeds for name in ("no-noise", "noise", "swap"))]
    )


def test_the_numbers_are_those_of_the_trainings_that_were_kept(done: SimpleNamespace) -> None:
    numbers = done.result.numbers
    for label, policy in (("policy", NOISE), ("policy 2", SWAP)):
        runs = [RunResult.load(p) for p in sorted((done.out / "runs").glob(f"{policy.hash}-test-*.npz"))]
        kept = [r for r in runs if r is not None]
        assert len(kept) == 3
        found = numbers.contestants[label]
        assert found.name == policy.name and found.seeds == 3
        assert found.clean.mean == pytest.approx(np.mean([r.correct.mean() for r in kept]), abs=1e-5)
        worst = min(np.mean([r.numbers[g]["worst"] for r in kept]) for g in ("search", "held_out"))
        assert found.worst == pytest.approx(worst)
    difference = numbers.over_baseline["policy"].search.mean
    assert difference != 0
    assert difference == pytest.approx(
        numbers.contestants["policy"].search.mean - numbers.contestants["baseline"].search.mean, abs=2e-5
    )
    assert set(numbers.differences) == {"baseline", "policy 2"}
    assert (numbers.looks, numbers.verdicts, numbers.seeds) == (1, 1, 3)
    assert numbers.level == pytest.approx(0.0375)  # three quarters of 5 %, as a search's first verdict


def test_the_result_shows_itself(done: SimpleNamespace) -> None:
    result = done.result
    table = result.table()
    assert list(table.index) == ["baseline", "policy", "policy 2"]
    assert {"clean", "clean_low", "noisy_searched", "noisy_held_out", "gap_closed", "passes", "worst"} <= set(table)
    assert result.verdict == result.numbers.verdict and result.sentence in repr(result)
    assert "best of the others (swap)" in result.sentence or result.verdict == "not measurable"
    assert str(done.out) in result._repr_html_()
    assert result.to_dict()["contestants"]["policy"]["name"] == "noise"
    assert not (done.out / "policies").exists() and (done.out / "evaluation.yaml").is_file()


def test_the_same_call_trains_nothing_again(done: SimpleNamespace, trained: Counted) -> None:
    again = autonoise.evaluate([NOISE, SWAP], iris(), model=small, out=done.out, **QUICK)
    assert trained.seen == []
    before, after = (copy.deepcopy(r.to_dict()) for r in (done.result, again))
    assert {**before, "created": ""} == {**after, "created": ""}


def test_what_was_stopped_goes_on(done: SimpleNamespace, trained: Counted) -> None:
    (lost,) = (done.out / "runs").glob(f"{NOISE.hash}-test-*-s101.npz")
    lost.unlink()
    again = autonoise.evaluate([NOISE, SWAP], iris(), model=small, out=done.out, **QUICK)
    assert trained.seen == [("noise", fresh_seed(0, 101))]
    assert again.numbers is not None
    assert again.numbers.differences == done.result.numbers.differences  # trained again to the bit


def test_a_further_evaluation_has_to_be_surer_and_says_so(done: SimpleNamespace, trained: Counted) -> None:
    again = autonoise.evaluate(SWAP, iris(), model=small, out=done.out, **QUICK)
    assert trained.seen == [] and again.numbers is not None
    assert again.numbers.verdicts == 2 and again.numbers.level == pytest.approx(0.05 / 8)
    assert any("policies that are chosen by repeated evaluations" in w for w in again.numbers.warnings)
    assert any("first evaluation" in w for w in done.result.numbers.warnings)


@pytest.mark.parametrize(
    ("policy", "data", "settings", "words"),
    [
        (Policy("image", [Step.of("cutout")], name="holes"), iris(), {}, "holes is for image data, but"),
        (Policy("tabular", name="nothing"), iris(), {}, "nothing adds no noise"),
        ([NOISE, replace(NOISE, name="other")], iris(), {}, "noise and other do the same"),
        ([], iris(), {}, "no policy was given"),
        (NOISE, iris(), {"model": "nowhere.py:f"}, "no file 'nowhere.py'"),
        (NOISE, iris(), {"seeds": 2}, "--seeds >= 3"),
        (NOISE, iris(), {"colour": "red"}, "no setting 'colour'"),
        (NOISE, "nowhere.csv", {}, "nowhere.csv"),
        (NOISE, "digits", {}, "noise is for tabular data, but digits is image"),
        ("nowhere.yaml", iris(), {}, "nowhere.yaml"),
    ],
)
def test_what_cannot_be_evaluated_is_refused_before_any_training(
    policy: Any, data: Any, settings: dict[str, Any], words: str, tmp_path: Path, trained: Counted
) -> None:
    with pytest.raises(AutonoiseError, match=words) as told:
        autonoise.evaluate(policy, data, out=tmp_path / "e", **{**QUICK, **settings})
    assert "\n" not in str(told.value)
    assert trained.seen == [] and not (tmp_path / "e").exists()


def test_a_policy_that_cannot_act_in_the_model_is_named(tmp_path: Path, trained: Counted) -> None:
    lost = Policy("tabular", [Step.of("dropout", site="tail.*")], name="lost")
    with pytest.raises(AttachError, match=r"^lost: .*tail"):
        autonoise.evaluate([NOISE, lost], iris(), model=small, out=tmp_path / "e", **QUICK)
    assert trained.seen == [] and not (tmp_path / "e").exists()


def test_other_settings_and_the_folder_of_a_search_are_refused(done: SimpleNamespace, tmp_path: Path) -> None:
    with pytest.raises(StudyError, match=r"other settings \(epochs: 6 → 2\).*--out"):
        autonoise.evaluate(NOISE, iris(), model=small, out=done.out, **{**QUICK, "epochs": 2})
    with pytest.raises(StudyError, match=r"data fingerprint.*another --out"):
        autonoise.evaluate(NOISE, (iris()[0][:120], iris()[1][:120]), model=small, out=done.out, **QUICK)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("autonoise.evaluating.version_of", lambda package: "0.0.1")
        with pytest.raises(StudyError, match=r"another version of autonoise \(.* now 0\.0\.1\).*another --out"):
            autonoise.evaluate(NOISE, iris(), model=small, out=done.out, **QUICK)
    (tmp_path / "study.yaml").write_text("format: autonoise-study/1\n")
    with pytest.raises(StudyError, match="holds a search"):
        folder_of(StudyConfig(data="iris", study="s", out=str(tmp_path)))


def test_one_evaluation_at_a_time_has_a_folder(done: SimpleNamespace, tmp_path: Path, trained: Counted) -> None:
    for out in (done.out, tmp_path):
        before = {p: p.stat().st_mtime_ns for p in out.rglob("*")}
        occupied = pytest.raises(StudyError, match=r"another evaluation is at work in .*: let it end, or name another")
        with StudyFolder(out).alone("evaluation"), occupied:
            autonoise.evaluate([NOISE, SWAP], iris(), model=small, out=out, **QUICK)
        assert {p: p.stat().st_mtime_ns for p in out.rglob("*") if p in before} == before
    assert trained.seen == []
    # once it has ended, the folder is free
    autonoise.evaluate([NOISE, SWAP], iris(), model=small, out=done.out, **QUICK)


# -- honest test rows ------------------------------------------------------------------------------------------------


def found_on(fingerprint: str, seed: int) -> Policy:
    return replace(NOISE, provenance={"data": fingerprint, "seed": seed})


def test_the_seed_of_the_search_keeps_its_test_rows_apart(tmp_path: Path) -> None:
    dataset = load("breast_cancer")
    config = StudyConfig(data="breast_cancer", study="s", out=str(tmp_path))
    folder, mine = folder_of(config), found_on(dataset.fingerprint, 7)
    assert _seed_of_the_search(config, {}, folder, [SWAP, mine], dataset).seed == 7
    assert _seed_of_the_search(config, {}, folder, [found_on("sha256:other", 7)], dataset).seed == 0
    assert _seed_of_the_search(replace(config, seed=3), {"seed": 3}, folder, [mine], dataset).seed == 3
    both = [mine, found_on(dataset.fingerprint, 0)]
    assert _seed_of_the_search(config, {}, folder, both, dataset).seed == 0
    replace(config, seed=5).save(folder.study_file)  # an evaluation that was begun goes on as it was
    assert _seed_of_the_search(config, {}, folder, [mine], dataset).seed == 5


def test_rows_that_chose_the_policy_are_told(tmp_path: Path) -> None:
    dataset = load("breast_cancer")
    task = build_task(StudyConfig(data="breast_cancer", study="s", out=str(tmp_path)), dataset)
    test = set(task.splits.test.tolist())
    other = split(dataset, seed=7).folds
    chose = {i for f in other for part in (f.train, f.search, f.confirm) for i in part.tolist()}
    (told,) = earlier_use([found_on(dataset.fingerprint, 7)], task)
    assert f"{len(test & chose)} of the {len(test)} test rows helped to choose it" in told and "--seed 7" in told
    (told,) = earlier_use([found_on(dataset.fingerprint, 0)], task)
    assert f"judged it on {len(test)} of these {len(test)} test rows" in told
    assert earlier_use([found_on("sha256:other", 7), SWAP], task) == []


def test_the_rows_that_confirmed_a_policy_have_chosen_it_too(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"a": rng.normal(size=3000), "b": rng.normal(size=3000)})
    dataset = Dataset("many", DataType.TABULAR, table, np.arange(3000) % 2, ("no", "yes"))
    task = build_task(StudyConfig(data="many", study="s", out=str(tmp_path)), dataset)
    (other,) = split(dataset, seed=7).folds  # of many rows there is one fold: no row confirms and trains
    chose = len(np.intersect1d(task.splits.test, np.concatenate([other.train, other.search, other.confirm])))
    (told,) = earlier_use([found_on(dataset.fingerprint, 7)], task)
    assert f"{chose} of the {len(task.splits.test)} test rows helped to choose it" in told


@pytest.mark.parametrize("once", [True, False])
def test_once_leaves_no_room_for_further_trainings(once: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rooms = []
    monkeypatch.setattr("autonoise.verdict.evaluation.judge", lambda *parts, room: rooms.append(room(6)))
    config = StudyConfig(data="many", study="s", out=str(tmp_path))
    session: Any = SimpleNamespace(config=config, task=None, folder=None)
    assert judge_policies(session, {}, processes=1, baseline_seconds=0.0, once=once) is None
    assert rooms == [not once]


# -- words -----------------------------------------------------------------------------------------------------------


def judged(**scores: tuple[float, float, float] | None) -> Result:
    """A result in which the contestants have these differences to no noise."""
    names = ["baseline", *scores]
    return Result(
        contestants={n: ContestantResult(name=n.upper()) for n in names},
        over_baseline={k: Difference(score=Measured(*v) if v else None) for k, v in scores.items()},
    )


@pytest.mark.parametrize(
    ("result", "label", "words"),
    [
        (judged(policy=(0.03, 0.01, 0.05)), "policy", "train with POLICY"),
        (judged(policy=(0.03, 0.01, 0.05), b=(0.02, 0.01, 0.03)), "policy", "train with POLICY; B also better"),
        (judged(policy=(-0.03, -0.05, -0.01)), "baseline", "train without noise: POLICY surely lower the score"),
        (judged(policy=(0.001, -0.002, 0.004)), "baseline", "no policy moves the score up by 0.01"),
        (judged(policy=(0.03, 0.01, 0.05)), "baseline", "POLICY helps, but surely loses more clean accuracy"),
        (judged(policy=(0.02, -0.01, 0.05), b=(0.03, -0.02, 0.08)), "undecided", "most likely to be is B (+0.030"),
        (judged(policy=(-0.02, -0.05, 0.01)), "undecided", "nor better on average"),
        (judged(policy=None), "undecided", "--noisy-val"),
    ],
)
def test_what_to_train_with_in_words(result: Result, label: str, words: str) -> None:
    assert words in _advice(result, label)


def test_contestants_have_labels_of_their_own() -> None:
    assert list(contestants_of([NOISE, SWAP, replace(NOISE, strength=0.5)])) == [
        "baseline", "policy", "policy 2", "policy 3",
    ]  # fmt: skip
    with pytest.raises(StudyError, match="adds no noise"):
        contestants_of([NOISE.scaled(0.0)])


def test_data_of_an_open_type_are_read_as_the_policys(tmp_path: Path) -> None:
    from autonoise.calling import loaded_for

    np.savez(tmp_path / "s.npz", X=np.random.default_rng(0).uniform(-1, 1, size=(60, 900)), y=np.arange(60) % 2)
    config = StudyConfig(data=str(tmp_path / "s.npz"), study="s", out=str(tmp_path))
    sound, table = Policy("audio", [Step.of("gain")]), Policy("tabular", [Step.of("swap_noise")])
    for policy in (sound, table):
        read, dataset = loaded_for(config, policy)
        assert dataset.data_type == policy.data_type and read.data_type in (None, policy.data_type)
    with pytest.raises(DataError):
        loaded_for(replace(config, data_type="image"), sound)
    with pytest.raises(StudyError, match="policy is for audio data, but s is tabular"):
        loaded_for(replace(config, data_type="tabular"), sound)
