from __future__ import annotations

import pytest
import torch

from autonoise.ops.random import generator
from autonoise.techniques.fgsm import FGSM
from autonoise.types import BatchInfo, DataType, InputSpec

SERIES = BatchInfo(InputSpec(data_type=DataType.TIMESERIES, layout=(1, 4)))
SLOPE = torch.tensor([[[1.0, -2.0, 0.0, 5.0]]]).expand(3, 1, 4)
STRENGTH = torch.tensor([0.0, 0.5, 1.0]).reshape(3, 1, 1)


def test_a_zero_start_is_goodfellows_step_per_sample() -> None:
    x = torch.ones(3, 1, 4)
    out = FGSM(eps=0.2, start="zero").perturb(
        x, gradient=lambda _: SLOPE, strength=STRENGTH, rng=generator(0), info=SERIES
    )
    assert (out - x).flatten().tolist() == pytest.approx([0, 0, 0, 0, 0.1, -0.1, 0, 0.1, 0.2, -0.2, 0, 0.2])


def test_a_random_start_stays_in_the_ball_and_the_gradient_is_taken_there() -> None:
    x = torch.zeros(2000, 1, 4)
    seen = []

    def gradient(at: torch.Tensor) -> torch.Tensor:
        seen.append(at)
        return torch.ones_like(at)

    out = FGSM(eps=0.2).perturb(x, gradient=gradient, strength=torch.ones(2000, 1, 1), rng=generator(0), info=SERIES)
    assert len(seen) == 1
    assert seen[0].std() == pytest.approx(0.2 / 3**0.5, rel=0.03)
    assert out.max() == pytest.approx(0.2)
    assert out.min() >= 0.05 - 1e-6  # -eps + 1.25 eps
    assert (out >= 0.2 - 1e-6).float().mean() == pytest.approx(0.625, abs=0.02)  # starts above -eps / 4


def test_bounds_units_padding_and_columns() -> None:
    image = BatchInfo(InputSpec(data_type=DataType.IMAGE, layout=(1, 1, 1)), bounds=(0.0, 1.0))
    x = torch.tensor([0.95, 0.5]).reshape(2, 1, 1, 1)
    one = torch.ones(2, 1, 1, 1)
    out = FGSM(eps=0.1, start="zero").perturb(x, gradient=torch.ones_like, strength=one, rng=generator(0), info=image)
    assert out.flatten().tolist() == pytest.approx([1.0, 0.6])

    text = InputSpec(data_type=DataType.TEXT, layout=(2,))
    valid = torch.tensor([[[True], [False]]])
    out = FGSM(eps=0.1).perturb(
        torch.zeros(1, 2, 3),
        gradient=torch.ones_like,
        strength=one[:1, 0],
        rng=generator(0),
        info=BatchInfo(text, valid=valid, unit=4.0),
    )
    assert not out[0, 1].any()
    assert 0.1 - 1e-6 <= out[0, 0].min() <= out[0, 0].max() <= 0.4 + 1e-6

    table = InputSpec(data_type=DataType.TABULAR, layout=(3,), numeric=(0, 1), codes=(2,))
    out = FGSM(eps=0.1, start="zero").perturb(
        torch.zeros(1, 3), gradient=torch.ones_like, strength=torch.ones(1, 1), rng=generator(0), info=BatchInfo(table)
    )
    assert out.tolist() == [pytest.approx([0.1, 0.1, 0])]


def test_cost_dtype_and_no_mutation() -> None:
    assert FGSM().passes == 2
    x = torch.zeros(2, 1, 4, dtype=torch.float16)
    out = FGSM().perturb(
        x, gradient=torch.ones_like, strength=torch.ones(2, 1, 1).half(), rng=generator(0), info=SERIES
    )
    assert out.dtype == torch.float16
    assert not x.any()
