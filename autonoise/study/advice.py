"""Advice without a training: the policy that is expected to help most, by what was measured on other data."""

from __future__ import annotations

from dataclasses import dataclass, replace

from autonoise.data import Dataset, prepare, split
from autonoise.injector.acting import acting_steps
from autonoise.policy import Policy
from autonoise.study.bank import features_of, training_rows
from autonoise.study.gains import lower_bound
from autonoise.study.learned import Guide, Learned, learned

LEVEL, HALF_WIDTH = 0.5, 0.6745
"""The interval's probability, and its half width in standard deviations of a normal distribution. With its lower end
above 0 the policy helps in at least three of four cases like this one. Wider intervals would advise no noise nearly
always: what a policy brings differs so much from data to data that only trainings on the data themselves make it sure.
"""


@dataclass(frozen=True)
class Advice:
    """A policy and what it is expected to bring: the share of the accuracy lost to noise that it regains.

    ``expected`` is net of what it costs in clean accuracy, with the mixed score's equal weights; ``low`` and ``high``
    are the ends of the interval that holds the true value in one of two cases. ``likeliest`` is the policy with the
    highest lower bound; ``policy`` is the same where ``low`` is above 0, else one without steps: train without noise.
    ``sets`` and ``trainings``: how many the expectation rests on.
    """

    policy: Policy
    likeliest: Policy
    expected: float
    low: float
    high: float
    sets: int
    trainings: int

    def numbers(self) -> dict[str, float | int]:
        """The numbers for a machine: shares from 0 to 1, and what they rest on."""
        shares = {"regained": self.expected, "low": self.low, "high": self.high, "level": LEVEL}
        return shares | {"sets": self.sets, "trainings": self.trainings}


def advise(dataset: Dataset, known: Learned | None = None) -> Advice | None:
    """The advice for a data set; None where nothing has been learned for its type.

    ``known`` is what ships with autonoise, without these data and their near relatives. Only policies count whose
    every step can act on the data, and that run in a training of three lines (``perturb``, ``loss``, ``step``).
    """
    known = (known or learned(dataset.data_type)).without(dataset.fingerprint)
    parts = split(dataset, seed=0)
    spec = prepare(dataset, parts.folds[0].train).spec
    fitting = [p for p in known.policies if p.steps and not p.needs_whole_step and not acting_steps(p, spec)[1]]
    if not known.sets or not fitting:
        return None
    guide = Guide(known, features_of(dataset, training_rows(parts)))
    mean, sd = guide.predict(fitting)
    best = int(lower_bound(mean, sd).argmax())
    expected, spread = float(mean[best]), float(sd[best])
    low, high = expected - HALF_WIDTH * spread, expected + HALF_WIDTH * spread
    likeliest = replace(fitting[best], name=f"recommended-{dataset.name}")
    policy = likeliest if low > 0 else Policy(dataset.data_type, name="no-noise")
    return Advice(policy, likeliest, expected, low, high, len(known.sets), len(known.runs))
