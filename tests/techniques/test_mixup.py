from __future__ import annotations

import math

import pytest
import torch

from autonoise.ops.random import generator
from autonoise.techniques.mixup import Mixup
from autonoise.types import BatchInfo, DataType, InputSpec

INFO = BatchInfo(InputSpec(data_type=DataType.TIMESERIES, layout=(1, 2)))


def test_the_larger_share_has_the_mean_of_the_folded_beta() -> None:
    x = torch.zeros(20_000, 1)
    plan = Mixup(alpha=1.0).plan(x, strength=torch.ones(20_000), rng=generator(0), info=INFO)
    assert 0.5 <= plan.weight.min() <= plan.weight.max() <= 1
    assert plan.weight.mean() == pytest.approx(0.75, abs=0.005)  # uniform on [1/2, 1]
    assert sorted(plan.permutation.tolist()) == list(range(20_000))
    # alpha = 1/2 (arcsine law): E max(l, 1 - l) = 1/2 + 1/pi
    arcsine = Mixup(alpha=0.5).plan(x, strength=torch.ones(20_000), rng=generator(0), info=INFO).weight.mean()
    assert arcsine == pytest.approx(0.5 + 1 / math.pi, abs=0.005)


def test_strength_scales_the_partners_share_per_sample() -> None:
    x = torch.zeros(6, 2)
    whole = Mixup().plan(x, strength=torch.ones(6), rng=generator(4), info=INFO).weight
    part = Mixup().plan(x, strength=torch.tensor([0, 0.5, 0.5, 1, 1, 3]), rng=generator(4), info=INFO).weight
    expected = 1 - torch.tensor([0, 0.5, 0.5, 1, 1, 1]) * (1 - whole)
    assert torch.allclose(part, expected)
    assert part[0] == 1


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
def test_mixing_is_the_convex_combination(dtype: torch.dtype) -> None:
    x = torch.tensor([[[1.0, 2.0]], [[3.0, 5.0]], [[8.0, 0.0]]], dtype=dtype)
    plan = Mixup(alpha=1.0).plan(x, strength=torch.ones(3), rng=generator(0), info=INFO)
    mixed = Mixup().mix(x, plan, rng=generator(0), info=INFO)
    for i, j in enumerate(plan.permutation.tolist()):
        w = plan.weight[i].item()
        for t in range(2):
            assert mixed[i, 0, t].item() == pytest.approx(
                w * x[i, 0, t].item() + (1 - w) * x[j, 0, t].item(), rel=2e-3, abs=1e-3
            )
    assert mixed.dtype == dtype


def test_token_ids_serve_for_a_plan() -> None:
    plan = Mixup().plan(torch.zeros(3, 7, dtype=torch.long), strength=torch.ones(3), rng=generator(0), info=INFO)
    assert plan.weight.dtype == torch.float32
