"""A skorch net in a grid search, which chooses how strongly it trains with a policy: one callback, no other change.

    python examples/train_with_skorch.py [--policy FILE] [--epochs 10] [--folds 2] [--seed 0]

Handwritten digits of scikit-learn, a small convolutional network. Prints the accuracy of cross-validation without noise
and at several strengths of the policy, and of the chosen net on clean and on noisy test digits.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV, train_test_split
from skorch import NeuralNetClassifier
from torch import nn

from autonoise import load_policy
from autonoise.integrations.skorch import NoisePolicy

SHIPPED = Path(__file__).with_name("policy_image.yaml")


class Network(nn.Sequential):
    def __init__(self) -> None:
        super().__init__(
            nn.Conv2d(1, 16, 3, padding=1),
            nn.BatchNorm2d(16),
            nn.ReLU(),
            nn.Conv2d(16, 32, 3, padding=1, stride=2),
            nn.BatchNorm2d(32),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(512, 10),
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--policy", default=SHIPPED, help="a policy file, YAML or JSON")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--folds", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(options.seed)
    images, labels = load_digits(return_X_y=True)
    parts = train_test_split(images.reshape(-1, 1, 8, 8) / 16, labels, test_size=0.25, stratify=labels, random_state=0)
    x, x_test, y, y_test = parts[0].astype(np.float32), parts[1].astype(np.float32), parts[2], parts[3]

    policy = load_policy(options.policy)
    net = NeuralNetClassifier(
        Network,
        criterion=nn.CrossEntropyLoss,
        optimizer=torch.optim.AdamW,
        lr=2e-3,
        max_epochs=options.epochs,
        batch_size=64,
        iterator_train__shuffle=True,
        train_split=None,
        verbose=0,
        callbacks=[("noise", NoisePolicy(policy, seed=options.seed))],
    )
    choices = [None, policy.scaled(0.5), policy]
    search = GridSearchCV(net, {"callbacks__noise__policy": choices}, cv=options.folds).fit(x, y)
    for chosen, score in zip(choices, search.cv_results_["mean_test_score"], strict=True):
        print(f"strength {chosen.strength if chosen else 0:.1f}  cross-validation {score:.3f}")
    noisy = (x_test + 0.5 * np.random.default_rng(1).standard_normal(x_test.shape)).clip(0, 1).astype(np.float32)
    best = search.best_params_["callbacks__noise__policy"]
    for strength, model in ((best.strength if best else 0, search), (1.0, net.fit(x, y))):
        print(
            f"strength {strength:.1f}  clean {model.score(x_test, y_test):.3f}  noisy {model.score(noisy, y_test):.3f}"
        )


if __name__ == "__main__":
    main()
