import numpy as np
import pytest
import torch

from autonoise.ops.mdct import inverse_mdct, mdct


@pytest.mark.parametrize(("length", "size"), [(1000, 128), (1024, 128), (50, 64), (7, 1)])
def test_the_inverse_gives_the_clip_back(length: int, size: int) -> None:
    x = torch.randn(3, length, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    coefficients = mdct(x, size)
    assert coefficients.shape == (3, -(-length // size) + 1, size)
    assert torch.allclose(inverse_mdct(coefficients, length), x, atol=1e-12)
    # the windows keep the energy
    assert coefficients.square().sum().item() == pytest.approx(x.square().sum().item(), rel=1e-9)


def test_a_tone_lies_at_its_frequency() -> None:
    # 1000 Hz at 8000 Hz, in 64 bands of 62.5 Hz each: between the bands 15 and 16
    tone = torch.sin(torch.arange(4000) * 2 * torch.pi * 1000 / 8000)[None]
    power = mdct(tone, 64)[0, 5:-5].square().mean(0).numpy()
    assert set(np.argsort(power)[-2:].tolist()) == {15, 16}
    assert power[14:18].sum() > 0.98 * power.sum()
