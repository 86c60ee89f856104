"""What was learned from many data sets: measured gains of policies, a model of them, and a portfolio to start from.

``studies/learned/<data type>.json`` is made by ``benchmarks/bank.py``, and holds numbers and policies, no data.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from autonoise.errors import AutonoiseError, StudyError
from autonoise.files import resource_dir
from autonoise.policy import Policy
from autonoise.study.gains import GainModel, Hyper, Observed
from autonoise.study.policy_features import features, names_in
from autonoise.types import Array, DataType

FORMAT = "autonoise-gains/1"
SMALLEST_SCALE = 0.02
"""Gains are measured in the gap that noise opens, but of a gap of under two points of score a share says nothing."""


LARGEST = 3.0
"""Gains beyond three gaps to either side count as three: what a failed training loses says little of its neighbours."""

SEED_ERROR = 0.006
"""Standard deviation of a mixed score between trainings from other seeds, where no bank tells it (that of tables)."""


def scale_of(clean: float, noisy: float, weight: float) -> float:
    """The mixed score that closing the whole gap between clean and noisy accuracy would bring: one unit of gain."""
    return max(weight * (clean - noisy), SMALLEST_SCALE)


@dataclass(frozen=True)
class LearnedSet:
    """A data set of the bank: its fingerprint, its source (sets of one source are near relatives), meta-features.

    ``clean`` and ``noisy`` are the accuracies without any noise, means over ``seeds`` trainings; ``clean_error`` and
    ``noisy_error`` the standard deviations over seeds.
    """

    name: str
    fingerprint: str
    source: str
    meta: Mapping[str, float]
    clean: float
    noisy: float
    clean_error: float
    noisy_error: float
    seeds: int


@dataclass(frozen=True)
class Learned:
    """The measurements of one data type. ``runs``: (N, 4): set, policy, clean and noisy accuracy of one training.

    ``portfolio``: a few policies of which one is good on every set, the first the best by itself.
    """

    data_type: DataType
    sets: tuple[LearnedSet, ...]
    policies: tuple[Policy, ...]
    runs: Array
    hyper: Hyper
    portfolio: tuple[Policy, ...]

    @classmethod
    def nothing(cls, data_type: DataType) -> Learned:
        """No measurements: every policy may gain or lose alike."""
        return cls(data_type, (), (), np.zeros((0, 4)), Hyper(), ())

    @classmethod
    def load(cls, data_type: DataType | str, place: Path | None = None) -> Learned:
        """What ships with autonoise for a data type (or lies in ``place``); nothing where there is no file.

        Raises StudyError for a file that cannot be read.
        """
        path = (place or resource_dir("studies") / "learned") / f"{data_type}.json"
        if not path.is_file():
            return cls.nothing(DataType(data_type))
        try:
            return cls.from_dict(json.loads(path.read_text()))
        except (OSError, ValueError, KeyError, TypeError, AutonoiseError) as e:
            raise StudyError(
                f"{path.name} of the learned studies cannot be read ({e}): install autonoise anew"
            ) from None

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Learned:
        if values["format"] != FORMAT:
            raise ValueError(f"format {values['format']!r} is not {FORMAT}")
        data_type = DataType(values["data_type"])

        def policy(p: Mapping[str, Any]) -> Policy:
            # what the policies brought was measured; that a formula changed since is nothing to warn of
            return Policy.from_dict({"format": "autonoise-policy/1", "data_type": str(data_type), **p}, "", tell=False)

        policies = tuple(policy(p) for p in values["policies"])
        return cls(
            data_type,
            tuple(LearnedSet(**s) for s in values["sets"]),
            policies,
            np.array(values["runs"], dtype=float).reshape(-1, 4),
            Hyper.of(values["hyper"]),
            tuple(policies[i] for i in values["portfolio"]),
        )

    def without(self, fingerprint: str) -> Learned:
        """Without a data set and its near relatives: what is to be judged must not have been learned from."""
        related = {s.source for s in self.sets if s.fingerprint == fingerprint}
        return self.keeping([s.source not in related for s in self.sets])

    def keeping(self, keep: Sequence[bool]) -> Learned:
        """With some of the data sets only."""
        new = {int(old): i for i, old in enumerate(np.flatnonzero(keep))}
        runs = np.array([[new[int(r[0])], *r[1:]] for r in self.runs if int(r[0]) in new]).reshape(-1, 4)
        sets = tuple(s for s, k in zip(self.sets, keep, strict=True) if k)
        return Learned(self.data_type, sets, self.policies, runs, self.hyper, self.portfolio)

    def seed_error(self, weight: float) -> float:
        """Standard deviation of the mixed score between trainings without noise from other seeds; the median set's."""
        if not self.sets:
            return SEED_ERROR
        return float(np.median([(1 - weight) * s.clean_error + weight * s.noisy_error for s in self.sets]))

    def gains(self, weight: float) -> tuple[Array, Array]:
        """(N,) gain of each run over its set's baseline, in units of the set's gap, and (N,) its error from seeds."""
        if not len(self.runs):
            return np.zeros(0), np.zeros(0)
        at = self.runs[:, 0].astype(int)
        base = np.array([[s.clean, s.noisy] for s in self.sets])[at]
        scale = np.array([scale_of(s.clean, s.noisy, weight) for s in self.sets])[at]
        mix = np.array([1 - weight, weight])
        found = np.clip((self.runs[:, 2:] - base) @ mix / scale, -LARGEST, LARGEST)
        errors = np.array([abs(mix @ (s.clean_error, s.noisy_error)) * np.sqrt(1 + 1 / s.seeds) for s in self.sets])
        return found, errors[at] / scale


@dataclass(frozen=True)
class Own:
    """Trainings on the data in question: policies with their gains (N,) and the standard deviations of these (N,)."""

    policies: tuple[Policy, ...] = ()
    gains: tuple[float, ...] = ()
    errors: tuple[float, ...] = ()


class Guide:
    """Predicts gains of policies on one data set from the bank and from what was trained on these data so far."""

    def __init__(
        self, learned: Learned, meta: Mapping[str, float], *, weight: float = 0.5, techniques: Sequence[str] = ()
    ) -> None:
        """``techniques``: names that may occur beside those of the bank; ``weight``: of noisy accuracy in the score."""
        self.learned, self.weight, self.seed_error = learned, weight, learned.seed_error(weight)
        self.techniques = sorted({*names_in(learned.policies), *techniques})
        names = sorted(set(meta).intersection(*(s.meta for s in learned.sets))) if learned.sets else sorted(meta)
        rows = np.array([[s.meta[n] for n in names] for s in learned.sets] + [[meta[n] for n in names]])
        spread = rows.std(0)
        self._meta = (rows - rows.mean(0)) / np.where(spread > 0, spread, 1.0)
        self.target = len(learned.sets)
        gains, errors = learned.gains(weight)
        described = self.described(learned.policies)
        self._bank = Observed(
            described[learned.runs[:, 1].astype(int)], learned.runs[:, 0].astype(int), gains, errors, self._meta
        )

    def model(self, own: Own = Own()) -> GainModel:
        """The posterior model, given the bank and own trainings."""
        n = len(own.policies)
        mine = Observed(
            self.described(own.policies),
            np.full(n, self.target),
            np.array(own.gains, dtype=float),
            np.array(own.errors, dtype=float),
            self._meta,
        )
        return GainModel(self._bank.and_(mine), self.target, self.learned.hyper)

    def described(self, policies: Sequence[Policy]) -> Array:
        """Features of policies as the model wants them."""
        return features(policies, self.techniques)

    def predict(self, policies: Sequence[Policy], own: Own = Own()) -> tuple[Array, Array]:
        """Mean (N,) and standard deviation (N,) of the gains of policies."""
        return self.model(own).posterior(self.described(policies))


@cache
def learned(data_type: DataType) -> Learned:
    """What ships with autonoise, read once."""
    return Learned.load(data_type)
