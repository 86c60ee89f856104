"""NoiseAugmenter and NoiseTransformer: the interfaces, and that the noise has the size that the policy says."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from imblearn.pipeline import Pipeline as SamplerPipeline
from imblearn.utils import estimator_checks as sampler_checks
from sklearn.base import clone
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils.estimator_checks import check_estimator

from autonoise.errors import DataError, PolicyError
from autonoise.integrations import copies as engine
from autonoise.integrations.sklearn import NoiseAugmenter, NoiseTransformer
from autonoise.policy import Policy, Step
from autonoise.technique.schedule import Gate, Schedule

RNG = np.random.default_rng(0)
N = 600
GAUSSIAN = Policy("tabular", [Step.of("gaussian_noise", std=0.1)])
NUMBERS = RNG.normal([10.0, -3.0, 0.0], [5.0, 0.5, 100.0], (N, 3))
LABELS = np.where(NUMBERS[:, 0] > 10, "high", "low")


def frame() -> pd.DataFrame:
    """Every kind of column, some values missing."""
    rng = np.random.default_rng(1)
    made = pd.DataFrame(
        {
            "income": rng.normal(3000, 800, N),
            "age": rng.integers(18, 90, N),
            "height": pd.array(rng.normal(170, 10, N).round(), dtype="Float64"),
            "rooms": pd.array(rng.integers(1, 9, N), dtype="Int64"),
            "city": rng.choice(["Bonn", "Köln", "Ulm"], N, p=[0.6, 0.3, 0.1]),
            "grade": pd.Categorical(
                rng.choice(["a", "b", "c"], N, p=[0.6, 0.2, 0.2]), categories=["c", "b", "a", "never"], ordered=True
            ),
            "owner": rng.random(N) < 0.7,
            "is_red": 0,
            "is_blue": 0,
            "is_green": 0,
            "since": pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 900, N), unit="D"),
            "always": 7.0,
        }
    )
    made.loc[np.arange(N), "is_red"] = 0
    colour = rng.integers(0, 3, N)
    for i, name in enumerate(("is_red", "is_blue", "is_green")):
        made[name] = (colour == i).astype(np.int64)
    made.loc[made.index[::5], "income"] = np.nan
    made.loc[made.index[::7], "rooms"] = pd.NA
    made.loc[made.index[::11], "city"] = None
    return made


def copies_of(policy: Policy, X: Any, y: Any, **arguments: Any) -> tuple[Any, Any, NoiseAugmenter]:
    """The noisy part alone."""
    augmenter = NoiseAugmenter(policy, random_state=0, **arguments)
    noisy, labels = augmenter.fit_resample(X, y)
    return noisy[len(X) :], labels[len(X) :], augmenter


def test_the_clean_rows_come_first_and_the_noise_has_the_size_of_the_policy() -> None:
    X, y = NoiseAugmenter(GAUSSIAN, copies=3, random_state=0).fit_resample(NUMBERS, LABELS)
    assert X.shape == (4 * N, 3) and y.dtype == LABELS.dtype
    assert np.array_equal(X[:N], NUMBERS) and np.array_equal(y, np.tile(LABELS, 4))
    noise = (X[N:] - np.tile(NUMBERS, (3, 1))) / NUMBERS.std(0)
    assert np.allclose(noise.std(0), 0.1, atol=0.006)  # four standard errors
    assert np.abs(noise.mean(0)).max() < 0.01
    assert len({float(part[0, 0]) for part in np.split(X, 4)}) == 4


def test_a_frame_keeps_names_kinds_and_what_is_no_number() -> None:
    X = frame()
    before = X.copy()
    policy = Policy("tabular", [Step.of("gaussian_noise", std=0.3)])
    noisy, y, _ = copies_of(policy, X, pd.Series(LABELS, name="level"))
    assert X.equals(before)
    assert list(noisy.columns) == list(X.columns) and noisy.dtypes.equals(X.dtypes)
    assert y.name == "level" and y.tolist() == LABELS.tolist()
    noisy = noisy.reset_index(drop=True)
    for name in ("city", "grade", "owner", "is_red", "is_blue", "is_green", "since", "always"):
        assert noisy[name].equals(X[name]), name
    assert noisy.isna().equals(X.isna())
    for name in ("income", "age", "height", "rooms"):
        known = X[name].notna()
        change = (noisy[name][known].astype(float) - X[name][known].astype(float)) / X[name][known].astype(float).std()
        rounding = 1 / X[name][known].astype(float).std() if name in ("age", "rooms") else 0
        assert abs(change.std() - np.hypot(0.3, rounding / np.sqrt(12))) < 0.04, name


def test_swapped_features_come_whole_from_other_rows() -> None:
    X = frame()
    noisy, _, _ = copies_of(Policy("tabular", [Step.of("swap_noise", fraction=0.5)]), X, LABELS)
    noisy = noisy.reset_index(drop=True)
    for name in ("income", "age", "city", "grade", "owner"):
        assert set(noisy[name].dropna()) <= set(X[name].dropna()), name
        known = X[name].notna()
        changed = (noisy[name][known] != X[name][known]).mean()
        alike = sum(share**2 for share in X[name].value_counts(normalize=True, dropna=False))
        assert abs(changed - 0.5 * (1 - alike)) < 0.08, name
    groups = noisy[["is_red", "is_blue", "is_green"]]
    assert (groups.sum(axis=1) == 1).all() and not groups.equals(X[list(groups)])
    # a missing value can be handed on, where it says so itself
    assert 0.08 < noisy["income"][X["income"].notna()].isna().mean() < 0.14  # 0.5 of a fifth
    assert noisy["since"].equals(X["since"])


def test_what_noise_makes_missing_is_missing_where_values_are_missing() -> None:
    X = frame()
    noisy, _, _ = copies_of(Policy("tabular", [Step.of("feature_masking", fraction=1.0)]), X, LABELS)
    for name in ("income", "rooms", "city"):
        assert noisy[name].isna().all(), name
    assert np.allclose(noisy["height"].astype(float), X["height"].astype(float).mean())
    assert (noisy["age"] == round(X["age"].mean())).all()
    assert (noisy["grade"] == X["grade"].mode()[0]).all()
    assert (noisy["owner"] == X["owner"].mode()[0]).all()
    assert (noisy[["is_red", "is_blue", "is_green"]] == 0).all(axis=None)


def test_arrays_of_objects_and_whole_numbers() -> None:
    mixed = np.array([[1.5, "a", 3], [2.5, "b", 4], [np.nan, None, 5], [4.5, "a", 6]] * 50, dtype=object)
    noisy, _, _ = copies_of(GAUSSIAN, mixed, np.arange(200) % 2)
    assert noisy.dtype == object and noisy.shape == (200, 3)
    assert noisy[:4, 1].tolist()[:2] == ["a", "b"] and pd.isna(noisy[2, 1]) and pd.isna(noisy[2, 0])
    assert noisy[0, 0] != 1.5 and noisy[0, 2] in range(2, 6)
    whole = RNG.integers(0, 256, (N, 2)).astype(np.uint8)
    noisy, _, _ = copies_of(Policy("tabular", [Step.of("gaussian_noise", std=0.5)]), whole, LABELS)
    assert noisy.dtype == np.uint8 and noisy.min() == 0 and noisy.max() == 255
    assert np.abs(noisy.astype(int) - whole).max() < 190  # five standard deviations: cut, not wrapped around
    three, _, _ = copies_of(GAUSSIAN, NUMBERS.astype(np.float32), LABELS)
    assert three.dtype == np.float32


def test_mixup_draws_labels_or_weighs_them() -> None:
    policy = Policy("tabular", [Step.of("mixup", alpha=1.0)])
    rows, y, augmenter = copies_of(policy, NUMBERS, LABELS, soft_labels="weights", copies=2)
    assert set(y) == {"high", "low"}
    weights, indices = augmenter.sample_weight_[N:], augmenter.sample_indices_[N:]
    assert (augmenter.sample_weight_[:N] == 1).all() and len(weights) == len(rows) == len(y)
    assert np.isclose(weights.sum(), 2 * N)
    # a row that keeps its label's side has the larger share of it: x' = w x + (1 - w) x_partner, w >= 1/2
    own = y == LABELS[indices]
    assert (weights[own] >= 0.5 - 1e-6).all() and (weights[~own] <= 0.5 + 1e-6).all()
    # the expected share of the partner is E[min(l, 1 - l)] = 1/4 for l ~ U(0, 1), times P(another label)
    other = 2 * (LABELS == "high").mean() * (LABELS == "low").mean()
    assert abs(weights[~own].sum() / (2 * N) - 0.25 * other) < 0.02
    rows, y, _ = copies_of(policy, NUMBERS, LABELS, copies=4)
    assert len(rows) == 4 * N
    assert abs((y != np.tile(LABELS, 4)).mean() - 0.25 * other) < 0.03


def test_smoothed_labels_as_weights() -> None:
    policy = Policy("tabular", [Step.of("label_smoothing", smoothing=0.3)])
    y3 = np.array([2, 5, 9] * 20)
    rows, y, augmenter = copies_of(policy, NUMBERS[:60], y3, soft_labels="weights")
    assert len(rows) == 180 and y.dtype == y3.dtype
    weight, own = augmenter.sample_weight_[60:], y == y3[augmenter.sample_indices_[60:]]
    assert np.allclose(weight[own], 0.8) and np.allclose(weight[~own], 0.1)
    assert np.array_equal(rows, NUMBERS[:60][augmenter.sample_indices_[60:]])
    _, y, augmenter = copies_of(policy, NUMBERS[:60], y3, copies=20)
    assert abs((y == np.tile(y3, 20)).mean() - 0.8) < 0.05
    assert np.abs(pd.Series(y).value_counts(normalize=True) - 1 / 3).max() < 0.06


def test_weights_are_carried_over() -> None:
    given = np.linspace(0.5, 1.5, N)
    policy = Policy("tabular", [Step.of("label_smoothing", smoothing=0.5)])
    augmenter = NoiseAugmenter(policy, soft_labels="weights", random_state=0)
    augmenter.fit_resample(NUMBERS, LABELS, sample_weight=given)
    assert np.array_equal(augmenter.sample_weight_[:N], given)
    sums = np.bincount(augmenter.sample_indices_[N:], augmenter.sample_weight_[N:])
    assert np.allclose(sums, given)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        augmenter.fit_resample(NUMBERS, LABELS, sample_weight=given[:5])


def test_schedules_stretch_over_the_copies_and_gates_over_the_rows() -> None:
    ramp = Policy("tabular", [Step.of("gaussian_noise", std=0.4, schedule=Schedule("ramp_up"))], strength=0.5)
    noisy, _, _ = copies_of(ramp, NUMBERS, LABELS, copies=2)
    sizes = [((part - NUMBERS) / NUMBERS.std(0)).std() for part in np.split(noisy, 2)]
    assert np.allclose(sizes, [0.5 * 0.4 * 0.25, 0.5 * 0.4 * 0.75], rtol=0.06)
    gated = Policy("tabular", [Step.of("gaussian_noise", std=0.4, probability=0.8, gate=Gate(4, "epoch"))])
    noisy, _, _ = copies_of(gated, NUMBERS, LABELS, copies=4)
    share = (noisy != np.tile(NUMBERS, (4, 1))).any(axis=1).mean()
    assert 0.17 < share < 0.23


def test_the_same_seed_gives_the_same_rows() -> None:
    first, again = (NoiseAugmenter(GAUSSIAN, random_state=4).fit_resample(NUMBERS, LABELS)[0] for _ in range(2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, NoiseAugmenter(GAUSSIAN, random_state=5).fit_resample(NUMBERS, LABELS)[0])
    stream = np.random.RandomState(0)
    one, two = (NoiseAugmenter(GAUSSIAN, random_state=stream).fit_resample(NUMBERS, LABELS)[0] for _ in range(2))
    assert not np.array_equal(one, two)


def test_many_rows_are_mixed_with_all_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "CHUNK", 100)
    X = np.arange(float(N))[:, None]
    noisy, _, _ = copies_of(Policy("tabular", [Step.of("swap_noise", fraction=1.0)]), X, LABELS)
    assert set(noisy[:, 0]) <= set(X[:, 0])
    distance = np.abs(noisy - X)
    assert distance.max() > 400  # rows of one chunk do not stand side by side
    assert (distance > 0).mean() > 0.9
    noise = copies_of(GAUSSIAN, np.zeros((N, 1)) + X % 7, LABELS)[0] - X % 7
    assert len(np.unique(noise.round(12))) > 0.99 * N  # each chunk has noise of its own


def test_it_works_in_pipelines_and_searches(tmp_path: Path) -> None:
    path = tmp_path / "policy.yaml"
    GAUSSIAN.save(path)
    tree = DecisionTreeClassifier(max_depth=4, random_state=0)
    pipeline = SamplerPipeline([("noise", NoiseAugmenter(str(path), copies=2, random_state=0)), ("tree", tree)])
    pipeline.fit(NUMBERS, LABELS)
    assert pipeline["tree"].tree_.n_node_samples[0] == 3 * N
    assert pipeline.predict(NUMBERS).shape == (N,)
    assert np.array_equal(pipeline.predict(NUMBERS), pipeline["tree"].predict(NUMBERS))  # nothing when predicting
    assert cross_val_score(pipeline, NUMBERS, LABELS, cv=3).min() > 0.9
    stronger = Policy("tabular", [Step.of("gaussian_noise", std=2.0)])
    search = GridSearchCV(pipeline, {"noise__policy": [GAUSSIAN, stronger], "noise__copies": [1, 2]}, cv=2)
    search.fit(NUMBERS, LABELS)
    assert search.best_params_["noise__policy"] == GAUSSIAN

    copied = clone(NoiseAugmenter(stronger, copies=3, soft_labels="weights", random_state=1))
    assert copied.get_params() == {
        "policy": stronger, "copies": 3, "soft_labels": "weights", "random_state": 1, "input": None,
    }  # fmt: skip
    assert copied.set_params(copies=5).copies == 5


def test_a_boosted_tree_takes_frames_with_categories_and_missing_values() -> None:
    X = frame().drop(columns=["since"]).astype({"city": "category", "height": float, "rooms": float})
    tree = HistGradientBoostingClassifier(max_iter=5, categorical_features="from_dtype")
    policy = Policy("tabular", [Step.of("swap_noise"), Step.of("feature_masking"), Step.of("mixup")])
    pipeline = SamplerPipeline([("noise", NoiseAugmenter(policy, random_state=0)), ("tree", tree)]).fit(X, LABELS)
    assert pipeline.predict(X).shape == (N,)


def test_steps_with_a_gradient_are_left_out_and_told_once(caplog: pytest.LogCaptureFixture) -> None:
    policy = Policy("tabular", [Step.of("gaussian_noise"), Step.of("weight_noise", sigma=0.0123), Step.of("fgsm")])
    with caplog.at_level(logging.WARNING, "autonoise"):
        augmenters = [NoiseAugmenter(policy).fit(NUMBERS, LABELS) for _ in range(2)]
        augmenters[0].fit_resample(NUMBERS, LABELS)
        transformer = NoiseTransformer(policy).fit(NUMBERS)
    assert [r.getMessage().split(":")[1] for r in caplog.records] == [
        f" {who} does gaussian_noise and leaves out fgsm (needs a gradient or a network), "
        "weight_noise (needs a gradient or a network)"
        for who in ("NoiseAugmenter", "NoiseTransformer")
    ]
    assert len(augmenters[0].left_out_) == len(transformer.left_out_) == 2


def test_regression_targets_are_left_alone_or_refused() -> None:
    y = NUMBERS[:, 0] * 2.5
    _, targets, _ = copies_of(GAUSSIAN, NUMBERS, y)
    assert np.array_equal(targets, y)
    _, both, _ = copies_of(GAUSSIAN, NUMBERS, np.stack([y, -y], axis=1))
    assert np.array_equal(both, np.stack([y, -y], axis=1))
    mixed = NoiseAugmenter(Policy("tabular", [Step.of("mixup")]))
    with pytest.raises(ValueError, match="continuous"):
        mixed.fit_resample(NUMBERS, y)
    with pytest.raises(DataError, match="one label for each row"):
        mixed.fit_resample(NUMBERS, np.stack([LABELS, LABELS], axis=1))


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"policy": 3}, PolicyError, "a Policy or the path"),
        ({"policy": GAUSSIAN, "copies": 0}, ValueError, "whole number >= 1"),
        ({"policy": GAUSSIAN, "copies": True}, ValueError, "whole number >= 1"),
        ({"policy": GAUSSIAN, "soft_labels": "hard"}, ValueError, "'draw' or 'weights'"),
    ],
)
def test_wrong_arguments_are_refused(arguments: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        NoiseAugmenter(**arguments).fit_resample(NUMBERS, LABELS)
    infinite = frame()
    infinite.loc[0, "income"] = np.inf
    with pytest.raises(DataError, match="infinite"):
        NoiseAugmenter(GAUSSIAN).fit_resample(infinite, LABELS)


def test_strings_before_a_vectorizer() -> None:
    texts = ["a good and honest film", "a dull and tedious film"] * 30
    y = ["good", "bad"] * 30
    policy = Policy("text", [Step.of("character_typos", fraction=0.3), Step.of("label_smoothing", smoothing=0.2)])
    augmenter = NoiseAugmenter(policy, copies=2, random_state=0)
    noisy, labels = augmenter.fit_resample(texts, y)
    assert noisy[:60] == texts and len(noisy) == 180 and isinstance(labels, list)
    changed = [a != b for a, b in zip(noisy[60:], texts * 2, strict=True)]
    assert np.mean(changed) > 0.8 and noisy[60:120] != noisy[120:]
    series, _ = augmenter.fit_resample(pd.Series(texts), y)
    assert series.tolist() == noisy
    words = make_pipeline(NoiseTransformer(policy, random_state=0), TfidfVectorizer(), LogisticRegression()).fit(
        texts, y
    )
    assert words.score(texts, y) == 1.0
    assert len(words[1].vocabulary_) > 20  # typos make words
    assert words[0].transform(texts) == texts
    with pytest.raises(DataError, match="before the vectorizer"):
        augmenter.fit_resample(NUMBERS, LABELS)


def test_images_as_flat_rows_of_the_layout_that_the_policy_describes() -> None:
    from sklearn.datasets import load_digits

    X, y = load_digits(return_X_y=True)
    from autonoise.types import InputSpec

    spec = InputSpec(data_type="image", layout=(1, 8, 8), classes=10)
    policy = Policy("image", [Step.of("random_crop", padding=0.125)], input=spec)
    noisy, _, _ = copies_of(policy, X, y)
    assert noisy.shape == X.shape
    shifted = [
        any(
            np.array_equal(noisy[i].reshape(8, 8)[1:7, 1:7], np.roll(X[i].reshape(8, 8), (a, b), (0, 1))[1:7, 1:7])
            for a in (-1, 0, 1)
            for b in (-1, 0, 1)
        )
        for i in range(50)
    ]
    assert all(shifted)
    blurred, _, _ = copies_of(policy, X.reshape(-1, 1, 8, 8), y)
    assert blurred.shape == (len(X), 1, 8, 8)


def test_the_transformer_acts_on_training_rows_alone() -> None:
    noise = NoiseTransformer(GAUSSIAN, random_state=0)
    noisy = noise.fit_transform(NUMBERS)
    assert abs(((noisy - NUMBERS) / NUMBERS.std(0)).std() - 0.1) < 0.006
    assert np.array_equal(noise.transform(NUMBERS), NUMBERS)
    named = NoiseTransformer(GAUSSIAN, random_state=0).set_output(transform="pandas")
    out = named.fit_transform(frame())
    assert list(out.columns) == list(frame().columns) == list(named.get_feature_names_out())
    pipeline = Pipeline([("noise", noise), ("scale", StandardScaler()), ("model", LogisticRegression())])
    assert pipeline.fit(NUMBERS, LABELS).score(NUMBERS, LABELS) > 0.9
    assert np.allclose(pipeline["scale"].mean_, noisy.mean(0))


NOT_SO = "noise is for training rows alone: fit_transform has it, transform has not"
EXPECTED = {
    NoiseAugmenter: {},
    NoiseTransformer: {"check_transformer_general": NOT_SO, "check_transformer_data_not_an_array": NOT_SO},
}


@pytest.mark.parametrize("kind", EXPECTED)
def test_scikit_learns_own_checks(kind: Any) -> None:
    check_estimator(kind(GAUSSIAN, random_state=0), expected_failed_checks=EXPECTED[kind], on_skip=None)


@pytest.mark.parametrize(
    "check",
    [
        "fit_resample",
        "list",
        "nan",
        "2d_target",
        "pandas",
        "preserve_dtype",
        "string",
        "sampling_strategy_fit_resample",
    ],
)
def test_imbalanced_learns_own_checks(check: str) -> None:
    mixing = Policy("tabular", [Step.of("gaussian_noise", std=0.1), Step.of("mixup")])
    getattr(sampler_checks, f"check_samplers_{check}")("NoiseAugmenter", NoiseAugmenter(mixing, random_state=0))
