"""A model of what noise policies bring on data like these: a Gaussian process over (policy, data set).

The gain of a policy on a data set is thought to be the sum of four parts: what the policy brings on any data, what it
brings on data with similar meta-features, what is special to this data set, and an error of measurement. Each of the
first three is a Gaussian process over the policies' features (:mod:`autonoise.study.policy_features`), the second one
also over the meta-features. So a new data set starts with what the others say of a policy, and its own trainings then
count the more, the more of them there are. Reference: Bonilla et al. 2007, Multi-task Gaussian process prediction.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
from scipy.linalg import cho_factor, cho_solve, solve_triangular

from autonoise.study.policy_features import PER_TECHNIQUE
from autonoise.types import Array

JITTER = 1e-8
"""Added to the diagonal so that the Cholesky factorisation of two equal policies does not fail."""


@dataclass(frozen=True)
class Hyper:
    """The model's constants; variances are in squared gains, gains are shares of the gap that noise opens.

    ``linear``: variance of what a technique adds by itself; ``joint``: variance of what depends on the combination.
    ``on``, ``strength``, ``often``, ``long``: weights of the four features. ``alike`` and ``own``: parts of the
    variance that are shared with similar data, and that are special to a data set, where what holds for all data
    counts as 1.
    ``reach``: distance of meta-features (each in standard deviations, mean over them) at which two sets are still
    alike. ``noise``: standard deviation of the gain of one training that no feature explains.
    """

    linear: float = 0.02
    joint: float = 0.05
    on: float = 1.0
    strength: float = 1.0
    often: float = 0.3
    long: float = 0.3
    alike: float = 0.5
    own: float = 0.5
    reach: float = 1.0
    noise: float = 0.05

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Hyper:
        """From a mapping; unknown names are left out."""
        known = {f.name for f in fields(cls)}
        return cls(**{k: float(v) for k, v in values.items() if k in known})

    def to_dict(self) -> dict[str, float]:
        return {k: float(v) for k, v in asdict(self).items()}


def policy_kernel(a: Array, b: Array, h: Hyper) -> Array:
    """(N, M) prior covariance of the gains of policies with features a (N, F) and b (M, F). No noise gains nothing."""
    weights = np.tile([h.on, h.strength, h.often, h.long], a.shape[1] // PER_TECHNIQUE)
    x, y = a * weights, b * weights
    nx, ny = (x**2).sum(1), (y**2).sum(1)
    inner = x @ y.T
    # the increments of a squared-exponential process over those of the empty policy, whose features are all 0
    apart = np.exp(-0.5 * np.maximum(nx[:, None] + ny[None] - 2 * inner, 0.0))
    rbf = apart - np.exp(-0.5 * nx)[:, None] - np.exp(-0.5 * ny)[None] + 1.0
    return np.asarray(h.linear * inner + h.joint * rbf)


def set_kernel(a: Array, b: Array, h: Hyper) -> Array:
    """(S, T) how much data sets have in common by their meta-features (S, M) and (T, M), from 0 to 1."""
    distance = ((a[:, None] - b[None]) ** 2).mean(-1) if a.shape[1] else np.zeros((len(a), len(b)))
    return np.asarray(np.exp(-0.5 * distance / h.reach**2))


@dataclass(frozen=True)
class Observed:
    """Measured gains: features (N, F) of the policies, number (N,) of the data set, gain (N,), its error (N,).

    ``meta``: (S, M) standardised meta-features of the sets. ``error``: standard deviation of a gain beyond
    :attr:`Hyper.noise`, such as that of a short training or of few rows.
    """

    policies: Array
    sets: Array
    gains: Array
    error: Array
    meta: Array

    def covariance(self, other: Observed, h: Hyper) -> Array:
        """(N, M) covariance of the true gains of two lists of observations over the same sets."""
        same = self.sets[:, None] == other.sets[None]
        between = set_kernel(self.meta, other.meta, h)[np.ix_(self.sets, other.sets)]
        return np.asarray(policy_kernel(self.policies, other.policies, h) * (1.0 + h.alike * between + h.own * same))

    def and_(self, other: Observed) -> Observed:
        policies, sets, gains, error = (
            np.concatenate([getattr(self, n), getattr(other, n)]) for n in ("policies", "sets", "gains", "error")
        )
        return Observed(policies, sets, gains, error, self.meta)


def lower_bound(mean: Array, sd: Array) -> Array:
    """Half a standard deviation below the mean: what is known to help goes before what may help more."""
    return np.asarray(mean - 0.5 * sd)


class GainModel:
    """Posterior of the gains of any policies on one data set, given measurements on others and on itself.

    Args:
        observed: everything measured. ``target``: the number of the data set that is asked about.
    """

    def __init__(self, observed: Observed, target: int, hyper: Hyper) -> None:
        self.observed, self.target, self.hyper = observed, target, hyper
        k = observed.covariance(observed, hyper)
        k[np.diag_indices_from(k)] += hyper.noise**2 + observed.error**2 + JITTER
        self._factor = cho_factor(k, lower=True)
        self._weights = cho_solve(self._factor, observed.gains)

    def posterior(self, policies: Array) -> tuple[Array, Array]:
        """Mean (N,) and standard deviation (N,) of the true gain of policies with features (N, F)."""
        asked = self._asked(policies)
        cross = self.observed.covariance(asked, self.hyper)
        mean = cross.T @ self._weights
        spread = solve_triangular(self._factor[0], cross, lower=True)
        h = self.hyper
        own = np.array([policy_kernel(p[None], p[None], h)[0, 0] for p in policies]) * (1.0 + h.alike + h.own)
        return mean, np.sqrt(np.maximum(own - (spread**2).sum(0), 0.0))

    def covariance(self, policies: Array) -> Array:
        """(N, N) posterior covariance of the true gains of policies."""
        asked = self._asked(policies)
        spread = solve_triangular(self._factor[0], self.observed.covariance(asked, self.hyper), lower=True)
        return np.asarray(asked.covariance(asked, self.hyper) - spread.T @ spread)

    def log_likelihood(self) -> float:
        """Of the measured gains; what the constants are fitted by."""
        y = self.observed.gains
        log_det = 2 * float(np.log(np.diag(self._factor[0])).sum())
        return float(-0.5 * (y @ self._weights) - 0.5 * log_det - 0.5 * len(y) * np.log(2 * np.pi))

    def _asked(self, policies: Array) -> Observed:
        n = len(policies)
        return Observed(policies, np.full(n, self.target), np.zeros(n), np.zeros(n), self.observed.meta)
