"""Large batches in their own units: blocks give what the formula gives, and untouched values stay."""

from __future__ import annotations

import torch
from torch import nn

from autonoise.policy import Policy, Step
from autonoise.types import DataType, InputSpec

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def test_standardised_images_of_several_blocks() -> None:
    spec = InputSpec(data_type=DataType.IMAGE, layout=(3, 96, 96), classes=2, scale="standardised", mean=MEAN, std=STD)  # type: ignore[arg-type]
    mean, std = (torch.tensor(v).reshape(1, 3, 1, 1) for v in (MEAN, STD))
    pixels = torch.rand(12, 3, 96, 96, generator=torch.Generator().manual_seed(0))
    x, y = (pixels - mean) / std, torch.arange(12) % 2
    kept = x.clone()
    policy = Policy(DataType.IMAGE, (Step.of("solarise", threshold=0.6),))
    model = nn.Sequential(nn.Flatten(), nn.Linear(3 * 96 * 96, 2))
    out, _ = policy.attach(model, epochs=1, steps_per_epoch=1, input=spec).perturb(x, y)
    wanted = (torch.where(pixels > 0.6, 1 - pixels, pixels) - mean) / std
    torch.testing.assert_close(out, wanted, rtol=0, atol=1e-5)
    dark = pixels < 0.59
    assert torch.equal(out[dark], kept[dark]), "values below the threshold keep every bit"
    assert torch.equal(x, kept)
