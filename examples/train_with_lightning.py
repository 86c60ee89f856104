"""A usual Lightning module, once as it is and once with a policy: one line, marked "# policy".

    python examples/train_with_lightning.py [--policy FILE] [--epochs 40] [--seed 0]

Handwritten digits of scikit-learn and a small convolutional network; prints accuracy on clean test digits and under
Gaussian noise. Takes half a minute. Needs pip install "autonoise[lightning]" scikit-learn.
"""

from __future__ import annotations

import argparse
import logging
import warnings
from pathlib import Path
from typing import Any

import lightning.pytorch as L
import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from autonoise.integrations.lightning import NoisePolicy

SHIPPED = Path(__file__).with_name("policy_image.yaml")


class Digits(L.LightningModule):
    """A module as people write it: nothing in it knows of noise."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(
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

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.net(x)
        return logits

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        x, y = batch
        loss = F.cross_entropy(self(x), y)
        self.log("loss", loss)
        return loss

    def test_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> None:
        x, y = batch
        self.log("accuracy", (self(x).argmax(1) == y).float().mean())

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.AdamW(self.parameters(), lr=2e-3, weight_decay=0.01)


def digits() -> tuple[TensorDataset, list[TensorDataset]]:
    """1,347 images (1, 8, 8) in 0..1 to train on; 450 to test on, once clean and once under Gaussian noise."""
    images, labels = load_digits(return_X_y=True)
    parts = train_test_split(images.reshape(-1, 1, 8, 8) / 16, labels, test_size=0.25, stratify=labels, random_state=0)
    x, x_test, y, y_test = (torch.from_numpy(part) for part in parts)
    x_test = x_test.float()
    noise = 0.5 * torch.randn(x_test.shape, generator=torch.Generator().manual_seed(1))
    return TensorDataset(x.float(), y), [TensorDataset(v, y_test) for v in (x_test, (x_test + noise).clamp(0, 1))]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--policy", default=SHIPPED, help="a policy file, YAML or JSON")
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.set_num_threads(1)
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="lightning")  # such as: use more workers to load the data
    warnings.filterwarnings("ignore", message=".*LeafSpec.*")
    train, tests = digits()
    quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    print(f"{'':24s}   clean  gaussian")
    for name in ("without", str(options.policy)):
        L.seed_everything(options.seed)
        callbacks: list[L.Callback] = []
        if name != "without":
            callbacks.append(NoisePolicy(name, seed=options.seed))  # policy
        trainer = L.Trainer(
            max_epochs=options.epochs, callbacks=callbacks, enable_model_summary=False, accelerator="cpu", **quiet
        )
        module = Digits()
        trainer.fit(module, DataLoader(train, batch_size=64, shuffle=True, drop_last=True))
        accuracies = [trainer.test(module, DataLoader(t, batch_size=450), verbose=False)[0]["accuracy"] for t in tests]
        print(f"{Path(name).name:24s}   {accuracies[0]:.3f}  {accuracies[1]:.3f}", flush=True)


if __name__ == "__main__":
    main()
