"""Your own Optuna study with autonoise's search space in it, beside a parameter of your own.

    python examples/own_optuna_study.py [--trials 12] [--epochs 12] [--out best_policy.yaml]

``space.suggest(trial)`` returns a policy whatever the objective around it does; ``Policy.from_trial`` gets it back
from any finished trial. ``PolicySampler`` is the sampler of autonoise's own search: its first trials hold about three
techniques, where Optuna's samplers would switch on half of the space. No noise and the known good policies of the space
are tried first. For a search whose result is confirmed on fresh seeds, use ``autonoise search``.
"""

from __future__ import annotations

import argparse
import functools

import optuna
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import Tensor, nn

from autonoise import Policy, PolicySampler, SearchSpace

BATCH = 128


@functools.cache
def digits() -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Training images (N, 1, 8, 8) and labels; validation images, the same under noise, and labels."""
    images, labels = load_digits(return_X_y=True)
    parts = train_test_split(images.reshape(-1, 1, 8, 8) / 16, labels, test_size=0.3, stratify=labels, random_state=0)
    x, x_val, y, y_val = (torch.from_numpy(part) for part in parts)
    noise = 0.4 * torch.randn(x_val.shape, generator=torch.Generator().manual_seed(1))
    return x.float(), y, x_val.float(), (x_val.float() + noise).clamp(0, 1), y_val


def train(policy: Policy, learning_rate: float, epochs: int) -> nn.Module:
    x, y, *_ = digits()
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(256, 64),
        nn.ReLU(),
        nn.Linear(64, 10),
    )
    optimizer = torch.optim.AdamW(model.parameters(), lr=learning_rate)
    batches = len(x) // BATCH
    with policy.attach(model, epochs=epochs, steps_per_epoch=batches) as injector:
        for _ in range(epochs):
            for rows in torch.randperm(len(x))[: batches * BATCH].split(BATCH):
                # the whole-step form: policies of this space may hold SAM or consistency over views
                injector.training_step(x[rows], y[rows], optimizer)
    return model.eval()


@torch.no_grad()
def accuracy(model: nn.Module, x: Tensor, y: Tensor) -> float:
    return float((model(x).argmax(1) == y).float().mean())


def objective(trial: optuna.Trial, space: SearchSpace, epochs: int) -> float:
    policy = space.suggest(trial)
    learning_rate = trial.suggest_float("learning_rate", 1e-3, 1e-2, log=True)
    model = train(policy, learning_rate, epochs)
    _, _, clean, noisy, labels = digits()
    trial.set_user_attr("clean", accuracy(model, clean, labels))
    trial.set_user_attr("noisy", accuracy(model, noisy, labels))
    return (trial.user_attrs["clean"] + trial.user_attrs["noisy"]) / 2


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--trials", type=int, default=12)
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--out", default="best_policy.yaml")
    options = parser.parse_args()
    torch.set_num_threads(1)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    space = SearchSpace.load("image")
    study = optuna.create_study(direction="maximize", sampler=PolicySampler(space, seed=0))
    for known in (Policy("image"), *space.seeds):
        study.enqueue_trial({**space.parameters_of(known), "learning_rate": 3e-3})
    study.optimize(lambda trial: objective(trial, space, options.epochs), n_trials=options.trials)
    for trial in study.get_trials(states=(optuna.trial.TrialState.COMPLETE,)):
        steps = ", ".join(s.name for s in Policy.from_trial(trial).steps) or "no noise"
        clean, noisy = trial.user_attrs["clean"], trial.user_attrs["noisy"]
        print(f"{trial.number:3d}  clean {clean:.3f}  noisy {noisy:.3f}  {steps}")
    Policy.from_trial(study.best_trial).save(options.out)
    print(f"best: trial {study.best_trial.number}, {study.best_value:.3f}, saved as {options.out}")


if __name__ == "__main__":
    main()
