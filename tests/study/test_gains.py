"""The model of gains against numbers computed by hand, scikit-learn's Gaussian process and scipy's density."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.stats import multivariate_normal
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import Kernel
from study_samples import policy_of

from autonoise.policy import Policy, Step
from autonoise.study.gains import JITTER, GainModel, Hyper, Observed, lower_bound, policy_kernel, set_kernel
from autonoise.study.policy_features import PER_TECHNIQUE, features, names_in

H = Hyper(linear=0.3, joint=0.5, on=1.0, strength=0.5, often=0.2, long=0.1, alike=0.7, own=0.4, reach=1.5, noise=0.1)


def observed(n: int = 9, sets: int = 3, seed: int = 0, width: int = 2) -> Observed:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, PER_TECHNIQUE * width))
    return Observed(x, rng.integers(sets, size=n), rng.normal(size=n), np.full(n, 0.05), rng.normal(size=(sets, 2)))


def test_features_by_hand() -> None:
    step = Step.of("gaussian_noise", std=0.1, probability=0.75, schedule="ramp_up", magnitude="uniform", gate=2)
    policy = Policy("tabular", (step, Step.of("dropout", p=0.3)))
    found = features([policy, Policy("tabular")], ["dropout", "gaussian_noise", "mixup"])
    assert found.shape == (2, 12)
    low, high = (
        type(step.technique).__dataclass_fields__["std"].metadata["parameter"].__dict__[k] for k in ("low", "high")
    )
    place = np.log(0.1 / low) / np.log(high / low) if _log(step) else (0.1 - low) / (high - low)
    # drawn anew for each sample: half the place; a ramp's mean is 1/2, every second update half of that
    assert found[0, 4:8] == pytest.approx([1.0, 2 * (place / 2) - 1, 0.5, 2 * 0.25 - 1])
    assert found[0, 2:4] == pytest.approx([1.0, 1.0])
    assert not found[0, 8:].any() and not found[1].any()
    assert names_in([policy]) == ["dropout", "gaussian_noise"]


def _log(step: Step) -> bool:
    return bool(type(step.technique).__dataclass_fields__["std"].metadata["parameter"].log)


def test_features_stop_at_the_ends_of_a_range() -> None:
    far = Policy("tabular", (Step.of("gaussian_noise", std=9.5),))
    assert features([far], ["gaussian_noise"])[0].tolist() == pytest.approx([1, 1, 1, 1])


def test_policy_kernel_by_hand() -> None:
    a, b = np.array([[1.0, 0.5, -0.2, 0.0]]), np.array([[1.0, -1.0, 0.4, 0.3]])
    x, y = np.array([1.0, 0.25, -0.04, 0.0]), np.array([1.0, -0.5, 0.08, 0.03])
    rbf = np.exp(-((x - y) @ (x - y)) / 2) - np.exp(-(x @ x) / 2) - np.exp(-(y @ y) / 2) + 1
    assert policy_kernel(a, b, H)[0, 0] == pytest.approx(0.3 * x @ y + 0.5 * rbf)
    none = np.zeros((1, 4))
    assert policy_kernel(none, b, H)[0, 0] == 0.0 == policy_kernel(none, none, H)[0, 0]


def test_set_kernel_by_hand() -> None:
    a = np.array([[0.0, 0.0], [3.0, 0.0]])
    k = set_kernel(a, a, H)
    assert k.ravel().tolist() == pytest.approx([1.0, np.exp(-0.5 * 4.5 / 2.25), np.exp(-0.5 * 4.5 / 2.25), 1.0])
    assert set_kernel(np.zeros((2, 0)), np.zeros((2, 0)), H).tolist() == [[1, 1], [1, 1]]


def test_one_measurement_by_hand() -> None:
    x = np.array([[1.0, 0.0, 0.0, 0.0]])
    o = Observed(x, np.array([0]), np.array([0.6]), np.array([0.2]), np.zeros((2, 1)))
    prior = policy_kernel(x, x, H)[0, 0] * (1 + 0.7 + 0.4)
    model = GainModel(o, 0, H)
    mean, sd = model.posterior(x)
    shrink = prior / (prior + 0.1**2 + 0.2**2 + JITTER)
    assert mean[0] == pytest.approx(0.6 * shrink)
    assert sd[0] == pytest.approx(np.sqrt(prior * (1 - shrink)))
    # of another data set with the same meta-features it tells less: only what the two share
    mean, sd = GainModel(o, 1, H).posterior(x)
    shared = policy_kernel(x, x, H)[0, 0] * 1.7
    assert mean[0] == pytest.approx(0.6 * shared / (prior + 0.05 + JITTER))
    assert sd[0] == pytest.approx(np.sqrt(prior - shared**2 / (prior + 0.05 + JITTER)))


def test_no_noise_gains_nothing_for_certain() -> None:
    mean, sd = GainModel(observed(), 1, H).posterior(np.zeros((1, 8)))
    assert mean[0] == 0.0 and sd[0] == 0.0


class _Given(Kernel):  # type: ignore[misc]
    """The covariance of an ``Observed`` as a kernel of scikit-learn; a row is (number of the set, features)."""

    def __init__(self, meta: Any, hyper: Hyper) -> None:
        self.meta, self.hyper = meta, hyper

    def _as(self, rows: Any) -> Observed:
        zero = np.zeros(len(rows))
        return Observed(rows[:, 1:], rows[:, 0].astype(int), zero, zero, self.meta)

    def __call__(self, X: Any, Y: Any = None, eval_gradient: bool = False) -> Any:
        return self._as(X).covariance(self._as(X if Y is None else Y), self.hyper)

    def diag(self, X: Any) -> Any:
        return np.diag(self(X))

    def is_stationary(self) -> bool:
        return False


def test_posterior_and_likelihood_are_scikit_learns() -> None:
    o = observed()
    rows = np.column_stack([o.sets, o.policies])
    reference = GaussianProcessRegressor(_Given(o.meta, H), alpha=H.noise**2 + o.error**2 + JITTER, optimizer=None)
    reference.fit(rows, o.gains)
    asked = np.random.default_rng(5).normal(size=(4, 8))
    for target in range(3):
        model = GainModel(o, target, H)
        mean, sd = model.posterior(asked)
        want, want_sd = reference.predict(np.column_stack([np.full(4, target), asked]), return_std=True)
        assert mean == pytest.approx(want) and sd == pytest.approx(want_sd)
        assert np.sqrt(np.diag(model.covariance(asked))) == pytest.approx(want_sd)
        assert model.covariance(asked) == pytest.approx(model.covariance(asked).T)
    covariance = o.covariance(o, H) + np.diag(H.noise**2 + o.error**2 + JITTER)
    assert GainModel(o, 0, H).log_likelihood() == pytest.approx(
        multivariate_normal(np.zeros(9), covariance).logpdf(o.gains)
    )


def test_more_measurements_leave_less_doubt() -> None:
    o, x = observed(), np.ones((1, 8))
    more = o.and_(Observed(x, np.array([2]), np.array([0.4]), np.array([0.05]), o.meta))
    before, after = GainModel(o, 2, H).posterior(x), GainModel(more, 2, H).posterior(x)
    assert after[1] < before[1]
    assert abs(after[0] - 0.4) < abs(before[0] - 0.4)


def test_constants_are_read_back() -> None:
    assert Hyper.of({**H.to_dict(), "unknown": 3}) == H


def test_a_policy_without_listed_techniques_is_like_no_noise() -> None:
    assert not features([policy_of("mixup")], ["dropout"]).any()


def test_the_lower_bound_is_half_a_standard_deviation_below_the_mean() -> None:
    assert lower_bound(np.array([1.0, -0.2]), np.array([0.4, 0.6])) == pytest.approx([0.8, -0.5])
