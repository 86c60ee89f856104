from __future__ import annotations

import pytest
import torch

from autonoise.errors import PolicyError
from autonoise.ops.random import generator
from autonoise.techniques.column_cutmix import ColumnCutmix
from autonoise.types import BatchInfo, DataType, InputSpec

# four features: two numbers, a category of three columns, and a number with its missing flag
SPEC = InputSpec(data_type=DataType.TABULAR, layout=(7,), numeric=(0, 1, 5), onehot=((2, 3, 4),), flags=((6, 5),))
INFO = BatchInfo(spec=SPEC, feature_of=torch.tensor([0, 1, 2, 2, 2, 3, 3]))


def test_whole_features_change_places_and_each_counts_once() -> None:
    x = torch.arange(1.0, 3001.0)[:, None].expand(-1, 7).contiguous()  # each row is marked by its number
    technique, strength = ColumnCutmix(alpha=1.0), torch.ones(3000)
    plan = technique.plan(x, strength=strength, rng=generator(0), info=INFO)
    out = technique.mix(x, plan, rng=generator(0), info=INFO)
    taken = out != x
    partner = x[plan.permutation]
    assert torch.equal(out[taken], partner[taken])
    assert torch.equal(taken[:, 2:5].any(1), taken[:, 2:5].all(1)) and torch.equal(taken[:, 5], taken[:, 6])
    moved = taken[:, [0, 1, 2, 5]].float()
    own = plan.permutation == torch.arange(3000)
    assert torch.allclose(plan.weight[~own], 1 - moved.mean(1)[~own], atol=1e-6)
    assert plan.weight.unique().tolist() == pytest.approx([0, 0.25, 0.5, 0.75, 1])
    # for uniform w every number of features from 0 to 4 is equally likely
    share = plan.weight.mul(4).round().long().bincount(minlength=5) / 3000
    assert share.tolist() == pytest.approx([0.2] * 5, abs=0.03)
    assert not plan.joint


def test_strength_is_a_share_of_the_rate() -> None:
    x = torch.rand(4000, 7, generator=generator(1))
    for strength, expected in ((0.0, 1.0), (0.5, 0.75)):
        plan = ColumnCutmix().plan(x, strength=torch.full((4000,), strength), rng=generator(0), info=INFO)
        assert plan.weight.mean().item() == pytest.approx(expected, abs=0.01)


def test_elsewhere_than_at_the_input_it_is_refused() -> None:
    x = torch.rand(6, 7, generator=generator(1))
    plan = ColumnCutmix().plan(x, strength=torch.ones(6), rng=generator(0), info=INFO)
    with pytest.raises(PolicyError, match="set its site to input"):
        ColumnCutmix().mix(torch.rand(6, 32), plan, rng=generator(0), info=INFO)
