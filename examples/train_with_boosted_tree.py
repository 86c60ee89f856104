"""A boosted tree, once on its training rows and once with noisy copies of them, added by a step of its pipeline.

    python examples/train_with_boosted_tree.py [--copies 4] [--rows 400] [--seed 0]

Breast tumours of scikit-learn (30 measurements each). Prints accuracy on clean test rows, with values of other
patients in a fifth of the cells, and with a fifth of the cells missing. The policy is written by hand and trains with
noise of both kinds, so the numbers show how it is used, not how well it generalises to noise it has not met.
"""

from __future__ import annotations

import argparse

import numpy as np
from imblearn.pipeline import Pipeline
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.model_selection import train_test_split

from autonoise import Policy, Step
from autonoise.integrations.sklearn import NoiseAugmenter

POLICY = Policy(
    "tabular",
    [
        Step.of("swap_noise", fraction=0.2, probability=0.5),
        Step.of("feature_masking", fraction=0.2, probability=0.5),
    ],
    name="swaps-and-gaps",
)


def swapped(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A fifth of the cells hold the value of another row."""
    return np.where(rng.random(x.shape) < 0.2, rng.permuted(x, axis=0), x)


def with_gaps(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A fifth of the cells are missing."""
    return np.where(rng.random(x.shape) < 0.2, np.nan, x)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--copies", type=int, default=4, help="noisy copies of each training row")
    parser.add_argument("--rows", type=int, default=400, help="training rows, at most 400")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    parts = train_test_split(*load_breast_cancer(return_X_y=True), test_size=169, random_state=0)
    x, x_test, y, y_test = parts[0][: options.rows], parts[1], parts[2][: options.rows], parts[3]
    # one value in each column is missing, so that the tree learns what to do with gaps, and noise may make more of them
    x = x.copy()
    x[np.arange(x.shape[1]), np.arange(x.shape[1])] = np.nan
    rng = np.random.default_rng(options.seed)
    tests = {"clean": x_test, "swapped": swapped(x_test, rng), "missing": with_gaps(x_test, rng)}
    print(f"{'':16s}" + "".join(f"{name:>9s}" for name in tests))
    tree = HistGradientBoostingClassifier(random_state=options.seed)
    noise = NoiseAugmenter(POLICY, copies=options.copies, random_state=options.seed)
    for name, model in (("without", tree), (POLICY.name, Pipeline([("noise", noise), ("tree", tree)]))):
        model.fit(x, y)
        print(f"{name:16s}" + "".join(f"{model.score(rows, y_test):9.3f}" for rows in tests.values()), flush=True)


if __name__ == "__main__":
    main()
