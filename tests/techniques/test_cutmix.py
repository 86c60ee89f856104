from __future__ import annotations

import pytest
import torch
from torch import Tensor

from autonoise.errors import PolicyError
from autonoise.ops.random import generator
from autonoise.technique.stages import PairPlan
from autonoise.techniques.cutmix import Cutmix
from autonoise.types import BatchInfo, DataType, InputSpec

INFO = BatchInfo(spec=InputSpec(data_type=DataType.IMAGE, layout=(2, 20, 30)), bounds=(0.0, 1.0))


def numbered(*shape: int) -> Tensor:
    """Each sample filled with its own number."""
    return torch.arange(float(shape[0])).reshape(-1, *[1] * (len(shape) - 1)).expand(shape).contiguous()


def run(x: Tensor, strength: Tensor | None = None, alpha: float = 1.0) -> tuple[Tensor, PairPlan]:
    cutmix = Cutmix(alpha=alpha)
    plan = cutmix.plan(x, strength=torch.ones(len(x)) if strength is None else strength, rng=generator(0), info=INFO)
    return cutmix.mix(x, plan, rng=generator(1), info=INFO), plan


@pytest.mark.parametrize("shape", [(200, 2, 20, 30), (200, 3, 50)])
def test_the_weight_is_the_share_really_kept(shape: tuple[int, ...]) -> None:
    x = numbered(*shape)
    out, plan = run(x)
    own = (out == x).flatten(1).float().mean(1)
    partner = (out == plan.permutation.reshape(-1, *[1] * (len(shape) - 1))).flatten(1).float().mean(1)
    moved = plan.permutation != torch.arange(len(x))
    assert torch.allclose(own[moved], plan.weight[moved], atol=1e-6)
    assert torch.allclose(partner[moved], 1 - plan.weight[moved], atol=1e-6)
    assert plan.permutation.sort().values.tolist() == list(range(len(x)))


def test_the_replaced_part_is_one_box() -> None:
    x = numbered(100, 1, 20, 30)
    out, _ = run(x)
    changed = (out != x)[:, 0]
    assert (changed.sum((1, 2)) == changed.any(2).sum(1) * changed.any(1).sum(1)).all()


def test_weights_before_clipping_follow_the_beta() -> None:
    # for series of one centre the expected kept share is known: E[min(c + l/2, 1) - max(c - l/2, 0)] = l - l^2 / 4
    _, plan = run(numbered(20_000, 1, 200), alpha=1.0)
    # l ~ U(0, 1): E[l] - E[l^2] / 4 = 1/2 - 1/12
    assert (1 - plan.weight).mean().item() == pytest.approx(5 / 12, abs=0.01)


def test_strength_zero_keeps_own_content_and_scales_the_part() -> None:
    x = numbered(4000, 1, 200)
    strength = torch.tensor([0.0, 0.5]).repeat(2000)
    out, plan = run(x, strength)
    assert (plan.weight[::2] == 1).all() and torch.equal(out[::2], x[::2])
    # l ~ U(0, 1/2): 1/4 - 1/48
    assert (1 - plan.weight[1::2]).mean().item() == pytest.approx(11 / 48, abs=0.015)


def test_another_place_than_the_input_is_refused() -> None:
    cutmix = Cutmix()
    plan = cutmix.plan(numbered(4, 1, 8, 8), strength=torch.ones(4), rng=generator(0), info=INFO)
    with pytest.raises(PolicyError, match="set its site to input"):
        cutmix.mix(numbered(4, 16, 4, 4), plan, rng=generator(0), info=INFO)
