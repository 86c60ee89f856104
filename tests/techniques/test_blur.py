from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from torch import Tensor

from autonoise.ops.random import generator
from autonoise.techniques.blur import Blur
from autonoise.types import BatchInfo, DataType, InputSpec

SPEC = InputSpec(data_type=DataType.IMAGE, layout=(3, 32, 32))


def perturb(x: Tensor, strength: float | list[float] = 1.0, seed: int = 0, **parameters: float | str) -> Tensor:
    s = torch.as_tensor(strength, dtype=x.dtype).expand(len(x)).reshape(-1, *[1] * (x.ndim - 1))
    info = BatchInfo(spec=SPEC, bounds=(0.0, 1.0))
    return Blur(**parameters).perturb(x, strength=s, rng=generator(seed), info=info)  # type: ignore[arg-type]


def moment(kernel: Tensor) -> tuple[float, float]:
    """Sum and variance of a 1-d kernel around its centre."""
    at = torch.arange(len(kernel), dtype=kernel.dtype) - len(kernel) // 2
    return kernel.sum().item(), (kernel * at**2).sum().item()


@pytest.mark.parametrize("sigma", [0.3, 0.7, 1.5])
@pytest.mark.parametrize("side", [32, 64])
def test_the_kernel_has_the_variance_asked_for(sigma: float, side: int) -> None:
    x = torch.zeros(1, 1, side + 1, side + 1, dtype=torch.float64)
    x[0, 0, side // 2, side // 2] = 1
    kernel = perturb(x, sigma=sigma)[0, 0]
    pixels = sigma * (side + 1) / 32
    for axis in (0, 1):
        total, variance = moment(kernel.sum(axis))
        assert total == pytest.approx(1, abs=1e-9)
        assert variance == pytest.approx(pixels**2, rel=1e-4)
    assert kernel.min() > -1e-9


def test_wide_kernels_agree_with_scipy() -> None:
    x = np.random.default_rng(0).random((1, 1, 64, 64))
    mine = perturb(torch.from_numpy(x), sigma=1.5)[0, 0].numpy()
    # mode "reflect" of scipy repeats the border pixel, as the cosine transform does
    assert np.abs(mine - gaussian_filter(x[0, 0], 3.0, mode="reflect", truncate=8)).max() < 2e-3


def test_strength_is_per_sample_and_zero_changes_nothing() -> None:
    x = torch.rand(3, 3, 32, 32, generator=generator(1))
    x[1:] = x[0]
    out = perturb(x, [0.0, 0.5, 1.0], sigma=1.0)
    assert torch.allclose(out[0], x[0], atol=1e-5)
    assert torch.allclose(out[1], perturb(x[:1], sigma=0.5)[0], atol=1e-5)
    assert torch.allclose(out.mean((2, 3)), x.mean((2, 3)), atol=1e-5)


def test_half_precision_is_kept() -> None:
    x = torch.rand(2, 1, 28, 20, generator=generator(1))
    out = perturb(x.half())
    assert out.dtype == torch.float16
    assert (out.float() - perturb(x)).abs().max() < 2e-3
