"""Predictions with uncertainty: Monte Carlo dropout, deep ensembles, and what their samples say."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from autonoise.errors import AttachError
from autonoise.evaluation.predict import Forward, class_probabilities, evaluating
from autonoise.types import Batch


def mc_dropout(
    model: nn.Module, x: Batch, *, samples: int = 20, forward: Forward | None = None, seed: int = 0
) -> Tensor:
    """Probabilities (samples, B, C) of ``samples`` passes with dropout on (Gal & Ghahramani 2016).

    ``x`` goes into the model as the injector puts it there; ``forward(model, x) -> logits`` for an unusual call.

    Only dropout modules run in training mode: batch norm uses its running statistics, and hooks of an attached
    policy stay off. Modes and the global random state are as before afterwards; equal seeds, equal samples.
    Raises AttachError for a model without dropout modules, ValueError unless samples >= 1.
    """
    if samples < 1:
        raise ValueError(f"samples >= 1 must hold, but got {samples}")
    dropouts = [m for m in model.modules() if isinstance(m, nn.modules.dropout._DropoutNd)]
    if not dropouts:
        raise AttachError("mc_dropout needs dropout modules, but the model has none; use deep_ensemble")
    devices = {p.device for p in model.parameters() if p.device.type == "cuda"}
    with evaluating(model):
        torch.default_generator.manual_seed(seed)
        for device in devices:
            torch.cuda.default_generators[device.index].manual_seed(seed)
        for dropout in dropouts:
            dropout.train()
        return torch.stack([class_probabilities(model, x, forward).float() for _ in range(samples)])


def deep_ensemble(models: Sequence[nn.Module], x: Batch, *, forward: Forward | None = None) -> Tensor:
    """Probabilities (M, B, C) of M models trained from different seeds, in eval mode (Lakshminarayanan 2017).

    Modes are as before afterwards. Raises ValueError without a model.
    """
    if not models:
        raise ValueError("deep_ensemble needs at least one model, but got none")
    out = []
    for model in models:
        with evaluating(model):
            out.append(class_probabilities(model, x, forward).float())
    return torch.stack(out)


def predictive_mean(samples: Tensor) -> Tensor:
    """Mean (B, C) of the probabilities (T, B, C)."""
    return samples.mean(0)


def predictive_entropy(samples: Tensor) -> Tensor:
    """Entropy (B,) of the mean prediction in nats: all uncertainty."""
    return _entropy(samples.mean(0))


def mutual_information(samples: Tensor) -> Tensor:
    """Entropy of the mean less the mean entropy, (B,) in nats: what the samples disagree on (Houlsby 2011)."""
    return (predictive_entropy(samples) - _entropy(samples).mean(0)).clamp(min=0)


def _entropy(probabilities: Tensor) -> Tensor:
    parts: Tensor = torch.special.entr(probabilities)
    return parts.sum(-1)
