"""Noise inside the data set: ``policy.transform()`` in a DataLoader with workers, the rest by the injector.

    python examples/train_with_transform.py [--policy FILE] [--epochs 12] [--workers 1] [--seed 0]

Handwritten digits of scikit-learn as a data set of 8-bit pictures. The transform adds the noise on inputs, in the
workers and the same whatever their number; the injector does what is left, here the smoothed labels. Prints the loss
after each epoch and accuracy on clean and noisy test digits.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from autonoise import load_policy
from autonoise.injector.sample import SampleTransform

SHIPPED = Path(__file__).with_name("policy_image.yaml")


class Digits(Dataset[tuple[Tensor, int]]):
    """Pictures (H, W) of bytes, as files would give them; noise comes before they become tensors in 0..1."""

    def __init__(self, images: np.ndarray, labels: np.ndarray, transform: SampleTransform | None = None) -> None:
        self.images, self.labels, self.transform = images, labels, transform

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        image = self.images[index]
        if self.transform is not None:
            image = self.transform(image, index)
        return torch.from_numpy(image)[None].float() / 255, int(self.labels[index])


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--policy", default=SHIPPED, help="a policy file, YAML or JSON")
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(options.seed)
    images, labels = load_digits(return_X_y=True)
    bytes_ = (images.reshape(-1, 8, 8) * 255 / 16).round().astype(np.uint8)
    x, x_test, y, y_test = train_test_split(bytes_, labels, test_size=0.25, stratify=labels, random_state=0)

    policy = load_policy(options.policy)
    transform = policy.transform(epochs=options.epochs, seed=options.seed)
    loader = DataLoader(
        Digits(x, y, transform),
        batch_size=64,
        shuffle=True,
        num_workers=options.workers,
        persistent_workers=options.workers > 0,
    )
    model = nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(),
        nn.Conv2d(16, 32, 3, padding=1, stride=2), nn.BatchNorm2d(32), nn.ReLU(),
        nn.Flatten(), nn.Linear(512, 10),
    )  # fmt: skip
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    injector = policy.attach(model, epochs=options.epochs, steps_per_epoch=len(loader), done_in_data=transform)
    for epoch in range(options.epochs):
        transform.set_epoch(epoch)
        for batch, targets in loader:
            inputs, soft = injector.perturb(batch, targets)
            loss = injector.loss(model(inputs), soft)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            injector.step()
        print(f"epoch {epoch:3d}  loss {loss.item():.3f}", flush=True)
    injector.detach()
    model.eval()
    noisy = (x_test / 255 + 0.5 * np.random.default_rng(1).standard_normal(x_test.shape)).clip(0, 1)
    for name, rows in (("clean", x_test / 255), ("noisy", noisy)):
        with torch.no_grad():
            found = model(torch.from_numpy(rows)[:, None].float()).argmax(1)
        print(f"{name}  {float((found == torch.from_numpy(y_test)).float().mean()):.3f}")


if __name__ == "__main__":
    main()
