"""A plain PyTorch loop, once as it is and once with a policy: three touched lines, marked "# policy".

    python examples/train_with_policy.py [--policy FILE] [--epochs 40] [--seed 0]

Handwritten digits of scikit-learn, a small convolutional network; prints accuracy on clean test digits, under
Gaussian noise and with a covered square. The shipped policy was written by hand and trains with noise of both kinds,
so the numbers show how a policy is used, not how well it generalises to noise it has not met.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import Tensor, nn

from autonoise import Policy, load_policy

SHIPPED = Path(__file__).with_name("policy_image.yaml")
BATCH = 64


def digits() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Images (N, 1, 8, 8) in 0..1 and labels (N,): 1,347 to train on, 450 to test on."""
    images, labels = load_digits(return_X_y=True)
    parts = train_test_split(images.reshape(-1, 1, 8, 8) / 16, labels, test_size=0.25, stratify=labels, random_state=0)
    x, x_test, y, y_test = (torch.from_numpy(part) for part in parts)
    return x.float(), x_test.float(), y, y_test


def network() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.Conv2d(16, 32, 3, padding=1, stride=2),
        nn.BatchNorm2d(32),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(512, 64),
        nn.ReLU(),
        nn.Linear(64, 10),
    )


def train(x: Tensor, y: Tensor, policy: Policy, *, epochs: int, seed: int) -> nn.Module:
    torch.manual_seed(seed)
    model = network()
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=0.01)
    batches = len(x) // BATCH
    injector = policy.attach(model, epochs=epochs, steps_per_epoch=batches, optimizer=optimizer, seed=seed)
    for _ in range(epochs):
        order = torch.randperm(len(x))
        for i in range(batches):
            rows = order[i * BATCH : (i + 1) * BATCH]
            inputs, targets = injector.perturb(x[rows], y[rows])  # policy
            loss = injector.loss(model(inputs), targets)  # policy, instead of F.cross_entropy
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            injector.step()  # policy
    injector.detach()
    return model.eval()


def gaussian(x: Tensor) -> Tensor:
    """White noise of standard deviation 0.5."""
    rng = torch.Generator().manual_seed(1)
    return (x + 0.5 * torch.randn(x.shape, generator=rng)).clamp(0, 1)


def occluded(x: Tensor) -> Tensor:
    """A grey square of 3 x 3 pixels at a random place."""
    corners = torch.randint(0, 6, (len(x), 2), generator=torch.Generator().manual_seed(2)).tolist()
    x = x.clone()
    for image, (top, left) in zip(x, corners, strict=True):
        image[:, top : top + 3, left : left + 3] = 0.5
    return x


@torch.no_grad()
def accuracy(model: nn.Module, x: Tensor, y: Tensor) -> float:
    return float((model(x).argmax(1) == y).float().mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--policy", default=SHIPPED, help="a policy file, YAML or JSON")
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.set_num_threads(1)
    x, x_test, y, y_test = digits()
    print(f"{'':24s}   clean  gaussian  occluded")
    for name, policy in (("without", Policy("image")), (str(options.policy), load_policy(options.policy))):
        model = train(x, y, policy, epochs=options.epochs, seed=options.seed)
        scores = [accuracy(model, noisy, y_test) for noisy in (x_test, gaussian(x_test), occluded(x_test))]
        print(f"{Path(name).name:24s}   {scores[0]:.3f}  {scores[1]:.3f}     {scores[2]:.3f}", flush=True)


if __name__ == "__main__":
    main()
