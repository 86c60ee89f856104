from __future__ import annotations

import pytest
import torch

from autonoise.ops.random import generator
from autonoise.stages import PairPlan
from autonoise.techniques.noisy_feature_mixup import NoisyFeatureMixup
from autonoise.types import BatchInfo, DataType, InputSpec

INFO = BatchInfo(InputSpec(data_type=DataType.IMAGE, layout=(1, 8, 8)))


def test_mean_and_variance_are_those_of_the_formula() -> None:
    # rows 0 and 1 hold 2 and 4; row 0 keeps 3/4: mix 2.5, noise m * mix and a * RMS independent
    h = torch.tensor([2.0, 4.0])[:, None].expand(2, 50_000).contiguous()
    strength = torch.tensor([1.0, 0.5])
    plan = PairPlan(torch.tensor([1, 0]), torch.tensor([0.75, 1.0]), {"strength": strength})
    out = NoisyFeatureMixup(additive=0.4, multiplicative=0.2).mix(h, plan, rng=generator(0), info=INFO)
    assert out.mean(1).tolist() == pytest.approx([2.5, 4.0], abs=0.03)
    expected = [((0.2 * 2.5) ** 2 + (0.4 * 2) ** 2) ** 0.5, ((0.1 * 4) ** 2 + (0.2 * 4) ** 2) ** 0.5]
    assert out.std(1).tolist() == pytest.approx(expected, rel=0.02)


def test_rows_of_strength_zero_stay_and_the_plan_is_mixups() -> None:
    h = torch.randn(3, 4, 5, generator=generator(1))
    technique = NoisyFeatureMixup()
    plan = technique.plan(h, strength=torch.tensor([0.0, 1.0, 1.0]), rng=generator(0))
    assert plan.weight[0] == 1
    assert plan.weight.min() >= 0.5
    out = technique.mix(h, plan, rng=generator(0), info=INFO)
    assert torch.equal(out[0], h[0])
    assert not torch.equal(out[1], h[1])
    assert technique.default_site == "after_norm"
    assert technique.mix(h.half(), plan, rng=generator(0), info=INFO).dtype == torch.float16
