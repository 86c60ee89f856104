from __future__ import annotations

import pytest
import torch

from autonoise.ops.random import generator
from autonoise.technique.stages import PairPlan
from autonoise.techniques.noisy_feature_mixup import NoisyFeatureMixup
from autonoise.types import BatchInfo, DataType, InputSpec

INFO = BatchInfo(InputSpec(data_type=DataType.IMAGE, layout=(1, 8, 8)))


def test_mean_and_variance_are_those_of_the_formula() -> None:
    # rows 0 and 1 hold 2 and 4; row 0 keeps 3/4: mix 2.5; the batch drew levels .5 and .25 of the largest
    h = torch.tensor([2.0, 4.0])[:, None].expand(2, 50_000).contiguous()
    extra = {"strength": torch.tensor([1.0, 0.5]), "levels": torch.tensor([0.5, 0.25])}
    plan = PairPlan(torch.tensor([1, 0]), torch.tensor([0.75, 1.0]), extra)
    out = NoisyFeatureMixup(additive=0.4, multiplicative=0.2).mix(h, plan, rng=generator(0), info=INFO)
    assert out.mean(1).tolist() == pytest.approx([2.5, 4.0], abs=0.01)
    # uniform on +-1: variance 1/3; additive .4 * .25 = .1 of the RMS
    expected = [((0.1 * 2.5) ** 2 / 3 + (0.1 * 2) ** 2) ** 0.5, ((0.05 * 4) ** 2 / 3 + (0.05 * 4) ** 2) ** 0.5]
    assert out.std(1).tolist() == pytest.approx(expected, rel=0.02)
    only = NoisyFeatureMixup(additive=1e-9, multiplicative=0.2).mix(h, plan, rng=generator(0), info=INFO)
    assert (only[0] - 2.5).abs().max() == pytest.approx(0.25, rel=0.01)  # never more than m * z


def test_both_noises_are_scaled_by_a_beta_of_two_and_five_for_each_batch() -> None:
    """Beta(2, 5): mean 2/7, variance 2 * 5 / (49 * 8); so 1/9.3 of the power on average."""
    h, rng = torch.zeros(2, 3), generator(0)
    drawn = [NoisyFeatureMixup().plan(h, strength=torch.ones(2), rng=rng, info=INFO) for _ in range(4000)]
    levels = torch.stack([plan.extra["levels"] for plan in drawn])
    assert levels.mean(0).tolist() == pytest.approx([2 / 7, 2 / 7], abs=0.01)
    assert levels.var(0).tolist() == pytest.approx([10 / 392, 10 / 392], rel=0.08)
    assert levels.square().mean() == pytest.approx(1 / 9.33, rel=0.05)
    assert abs(torch.corrcoef(levels.T)[0, 1]) < 0.05


def test_rows_of_strength_zero_stay_and_the_plan_is_mixups() -> None:
    h = torch.randn(3, 4, 5, generator=generator(1))
    technique = NoisyFeatureMixup()
    plan = technique.plan(h, strength=torch.tensor([0.0, 1.0, 1.0]), rng=generator(0), info=INFO)
    assert plan.weight[0] == 1
    assert plan.weight.min() >= 0.5
    out = technique.mix(h, plan, rng=generator(0), info=INFO)
    assert torch.equal(out[0], h[0])
    assert not torch.equal(out[1], h[1])
    assert technique.default_site == "after_norm"
    assert technique.mix(h.half(), plan, rng=generator(0), info=INFO).dtype == torch.float16
