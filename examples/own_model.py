"""Your own pretrained network in the search instead of the proxy.

    autonoise search digits --model examples/own_model.py:factory --trials 3
    python examples/own_model.py          # only the pre-training, with its accuracy

``factory(spec, classes)`` is called once per training and returns the model to fine-tune. The weights here come from
a short pre-training without labels (which way up is a digit?) on half of scikit-learn's digits, made at the first call
and kept as safetensors in the user's cache folder. For a network of your own, load its file instead.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from sklearn.datasets import load_digits
from torch import Tensor, nn

from autonoise import InputSpec

TURNS = 4


def cache() -> Path:
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "autonoise"
    return folder / "example_backbone.safetensors"


class Network(nn.Module):
    """A small convolutional backbone and a linear classifier, for grey images (B, 1, H, W) in 0..1."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.backbone = nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1),
            nn.BatchNorm2d(16),
            nn.ReLU(),
            nn.Conv2d(16, 32, 3, padding=1, stride=2),
            nn.BatchNorm2d(32),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(4),
            nn.Flatten(),
            nn.Linear(512, 64),
            nn.ReLU(),
        )
        self.classifier = nn.Linear(64, classes)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.classifier(self.backbone(x))
        return logits


def pretrain(epochs: int = 8) -> tuple[Network, float]:
    """A network that tells how far a digit was turned, and its accuracy on digits it has not seen."""
    images = torch.from_numpy(load_digits().images[::2]).float()[:, None] / 16
    x = torch.cat([torch.rot90(images, turn, (2, 3)) for turn in range(TURNS)])
    y = torch.arange(TURNS).repeat_interleave(len(images))
    unseen = torch.arange(len(images)).repeat(TURNS) % 5 == 0
    rng = torch.Generator().manual_seed(0)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = Network(TURNS)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    rows = torch.nonzero(~unseen)[:, 0]
    for _ in range(epochs):
        for part in rows[torch.randperm(len(rows), generator=rng)].split(128):
            optimizer.zero_grad()
            F.cross_entropy(model(x[part]), y[part]).backward()
            optimizer.step()
    model.eval()
    with torch.no_grad():
        right = model(x[unseen]).argmax(1) == y[unseen]
    return model, float(right.float().mean())


def weights() -> dict[str, Tensor]:
    """The pretrained backbone's weights, from the cache or freshly made."""
    path = cache()
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        model, _ = pretrain()
        # several workers may come here at once: each writes its own file, and renaming is atomic
        handle, name = tempfile.mkstemp(dir=path.parent, suffix=".safetensors")
        os.close(handle)
        save_file(model.backbone.state_dict(), name)
        Path(name).replace(path)
    return load_file(path)


def factory(spec: InputSpec, classes: int) -> nn.Module:
    """The pretrained backbone with a fresh classifier."""
    if spec.layout[0] != 1:
        raise ValueError(f"this example is for grey images (1, H, W), but the data has layout {spec.layout}")
    model = Network(classes)
    model.backbone.load_state_dict(weights())
    return model


if __name__ == "__main__":
    torch.set_num_threads(1)
    print(f"turned digits, unseen: accuracy {pretrain()[1]:.3f} (chance 0.250)")
