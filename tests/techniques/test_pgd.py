from __future__ import annotations

import pytest
import torch

from autonoise.ops.random import generator
from autonoise.techniques.pgd import PGD
from autonoise.types import BatchInfo, DataType, InputSpec

SERIES = BatchInfo(InputSpec(data_type=DataType.TIMESERIES, layout=(1, 4)))


@pytest.mark.parametrize("steps", [2, 5])
def test_a_linear_loss_is_driven_to_the_corner_of_each_samples_ball(steps: int) -> None:
    slope = torch.tensor([1.0, -1.0, 3.0, -0.1]).expand(3, 1, 4)
    calls = []

    def gradient(at: torch.Tensor) -> torch.Tensor:
        calls.append(at)
        return slope

    x = torch.ones(3, 1, 4)
    strength = torch.tensor([0.0, 0.5, 2.0]).reshape(3, 1, 1)
    out = PGD(eps=0.1, steps=steps).perturb(x, gradient=gradient, strength=strength, rng=generator(0), info=SERIES)
    expected = slope.sign() * strength * 0.1
    assert torch.allclose(out - x, expected, atol=1e-6)
    assert torch.equal(out[0], x[0])
    assert len(calls) == steps
    assert PGD(steps=steps).passes == steps + 1


def test_a_maximum_inside_the_ball_is_approached_within_a_step() -> None:
    peak = torch.tensor([0.03, -0.05, 0.0, 0.08])
    out = PGD(eps=0.1, steps=50).perturb(
        torch.zeros(1, 1, 4), gradient=lambda at: peak - at, strength=torch.ones(1, 1, 1), rng=generator(0), info=SERIES
    )
    assert (out[0, 0] - peak).abs().max() <= 2.5 * 0.1 / 50 + 1e-6


def test_every_iterate_stays_in_the_bounds_and_off_the_padding() -> None:
    info = BatchInfo(InputSpec(data_type=DataType.AUDIO, layout=(6,)), bounds=(-1.0, 1.0), lengths=torch.tensor([6, 2]))
    seen = []

    def gradient(at: torch.Tensor) -> torch.Tensor:
        seen.append(at)
        return torch.ones_like(at)

    x = torch.full((2, 6), 0.99)
    x[1, 2:] = 0
    out = PGD(eps=0.05, steps=3).perturb(x, gradient=gradient, strength=torch.ones(2, 1), rng=generator(0), info=info)
    for moved in [*seen, out]:
        assert moved.abs().max() <= 1
        assert torch.equal(moved[1, 2:], x[1, 2:])
    assert torch.equal(out[0], torch.ones(6))
