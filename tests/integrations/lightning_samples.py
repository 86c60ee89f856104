"""A usual Lightning module and its trainer, and the same training in plain PyTorch."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from autonoise.policy import Policy, Step

L = pytest.importorskip("lightning.pytorch")
QUIET = [
    pytest.mark.filterwarnings("ignore:.*LeafSpec.*"),
    pytest.mark.filterwarnings("ignore::UserWarning:(pytorch_)?lightning.*"),
]
"""Marks for tests: what Lightning warns of in small trainings."""

RNG = torch.Generator().manual_seed(0)
X, Y = torch.randn(20, 5, generator=RNG), torch.randint(3, (20,), generator=RNG)
POLICY = Policy(
    "tabular",  # type: ignore[arg-type]
    [
        Step.of("gaussian_noise", std=0.3, schedule="ramp_down"),
        Step.of("mixup", alpha=0.5, probability=0.7),
        Step.of("label_smoothing", smoothing=0.1),
        Step.of("activation_noise", sigma=0.2),
        Step.of("gradient_noise"),
        Step.of("gce", schedule="ramp_up"),
    ],
)


def policy_of(*steps: str | tuple[str, dict[str, Any]], data_type: str = "tabular", **options: Any) -> Policy:
    given = [(s, options) if isinstance(s, str) else s for s in steps]
    return Policy(data_type, [Step.of(name, **values) for name, values in given])  # type: ignore[arg-type]


class Module(L.LightningModule):  # type: ignore[misc, name-defined]
    """A usual classification module, which knows nothing of noise."""

    averaged: dict[str, Tensor]

    def __init__(self, *, optimizer: Any = torch.optim.SGD, **options: Any) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.net = nn.Sequential(nn.Linear(5, 8), nn.LayerNorm(8), nn.Tanh(), nn.Linear(8, 3))
        self.optimizer, self.options = optimizer, options or {"lr": 0.1}
        self.trained: list[Tensor] = []
        self.evaluated: list[Tensor] = []
        self.labels: list[Tensor] = []

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)  # type: ignore[no-any-return]

    def loss_of(self, x: Tensor, y: Tensor) -> Tensor:
        return F.cross_entropy(self(x), y)

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        x, y = batch
        self.trained.append(x.detach().clone())
        self.labels.append(y)
        return self.loss_of(x, y)

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        self.evaluated.append(batch[0])
        self.log("val", F.cross_entropy(self(batch[0]), batch[1]))

    def predict_step(self, batch: Any, batch_idx: int) -> Tensor:
        return self(batch[0])  # type: ignore[no-any-return]

    def configure_optimizers(self) -> Any:
        return self.optimizer(self.parameters(), **self.options)


def loader(batch_size: int = 4, rows: int = 20) -> DataLoader[Any]:
    return DataLoader(TensorDataset(X[:rows], Y[:rows]), batch_size=batch_size)


def trainer(*callbacks: Any, path: Path | None = None, library: Any = L, **options: Any) -> Any:
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    plain = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False, "accelerator": "cpu"}
    options = {**plain, "enable_model_summary": False, "max_epochs": 2, "default_root_dir": path, **options}
    return library.Trainer(callbacks=list(callbacks), **options)


def by_hand(policy: Policy, *, epochs: int = 2, micro: int = 1, max_norm: float | None = None, seed: int = 0) -> Module:
    """The same training in plain PyTorch."""
    module = Module()
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    batches = list(loader())
    groups = [batches[i : i + micro] for i in range(0, len(batches), micro)]
    injector = policy.attach(
        module.net, epochs=epochs, steps_per_epoch=len(groups), optimizer=optimizer, num_classes=3, seed=seed
    )
    for _ in range(epochs):
        for group in groups:
            optimizer.zero_grad()
            for x, y in group:
                noisy, targets = injector.perturb(x, y)
                (injector.loss(module.net(noisy), targets) / micro).backward()
            if max_norm is not None:
                nn.utils.clip_grad_norm_(module.parameters(), max_norm)
            optimizer.step()
            injector.step()
    module.averaged = injector.averaged_state_dict()  # type: ignore[assignment]
    injector.detach()
    return module


def same(a: nn.Module, b: nn.Module) -> bool:
    ours, theirs = a.state_dict(), b.state_dict()
    return ours.keys() == theirs.keys() and all(torch.equal(v, theirs[k]) for k, v in ours.items())


def close(a: nn.Module, b: nn.Module) -> bool:
    return all(torch.allclose(v, b.state_dict()[k], atol=1e-6) for k, v in a.state_dict().items())


def untouched(module: nn.Module) -> bool:
    hooks = [h for m in module.modules() for h in (*m._forward_hooks.values(), *m._forward_pre_hooks.values())]
    return not hooks and "training_step" not in module.__dict__ and "_autonoise" not in module.__dict__
