from __future__ import annotations

import pytest
import torch

from autonoise.errors import PolicyError
from autonoise.ops.random import generator
from autonoise.techniques.gaussian_noise import GaussianNoise
from autonoise.types import BatchInfo, DataType, InputSpec

IMAGE = BatchInfo(InputSpec(data_type=DataType.IMAGE, layout=(1, 64, 64)))


def test_the_realised_sigma_follows_each_samples_strength() -> None:
    x = torch.full((4, 1, 64, 64), 0.5)
    strength = torch.tensor([0.0, 0.5, 1.0, 2.0]).reshape(4, 1, 1, 1)
    noise = GaussianNoise(std=0.2).perturb(x, strength=strength, rng=generator(1), info=IMAGE) - x
    assert torch.equal(noise[0], torch.zeros(1, 64, 64))
    assert noise.flatten(1).std(1).tolist() == pytest.approx([0, 0.1, 0.2, 0.4], rel=0.04)
    assert noise.mean().abs() < 0.01


@pytest.mark.parametrize("explicit", [True, False])
def test_in_tables_only_numeric_columns_move(explicit: bool) -> None:
    spec = InputSpec(
        data_type=DataType.TABULAR,
        layout=(6,),
        numeric=(0, 1) if explicit else (),
        onehot=((2, 3),),
        codes=(4,),
        flags=((5, 0),),
    )
    categorical = torch.tensor([False, False, True, True, True, False])
    x = torch.zeros(500, 6)
    info = BatchInfo(spec, categorical=categorical)
    out = GaussianNoise(std=1.0).perturb(x, strength=torch.ones(500, 1), rng=generator(0), info=info)
    assert out.std(0).tolist() == pytest.approx([1, 1, 0, 0, 0, 0], abs=0.1)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_dtype_is_kept_and_the_same_seed_gives_the_same_noise(dtype: torch.dtype) -> None:
    x = torch.zeros(2, 1, 8, 8, dtype=dtype)
    strength = torch.ones(2, 1, 1, 1, dtype=dtype)
    a, b = (GaussianNoise().perturb(x, strength=strength, rng=generator(3), info=IMAGE) for _ in range(2))
    assert a.dtype == dtype
    assert torch.equal(a, b)
    assert not x.any()


def test_a_negative_std_is_refused() -> None:
    with pytest.raises(PolicyError, match=r"gaussian_noise: 0 <= std <= 10 must hold, but got -0\.1"):
        GaussianNoise(std=-0.1)
