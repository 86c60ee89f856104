from __future__ import annotations

import pytest
import torch
from torch import Tensor

from autonoise.ops.random import generator
from autonoise.techniques.colour_jitter import ColourJitter
from autonoise.types import BatchInfo, DataType, InputSpec

SPEC = InputSpec(data_type=DataType.IMAGE, layout=(3, 32, 32))


def perturb(x: Tensor, strength: float | list[float] = 1.0, seed: int = 0, **parameters: float | str) -> Tensor:
    s = torch.as_tensor(strength, dtype=x.dtype).expand(len(x)).reshape(-1, *[1] * (x.ndim - 1))
    # without bounds, to which the technique would clip
    info = BatchInfo(spec=SPEC)
    return ColourJitter(**parameters).perturb(x, strength=s, rng=generator(seed), info=info)  # type: ignore[arg-type]


OFF = {"brightness": 0.0, "contrast": 0.0, "saturation": 0.0, "hue": 0.0}


def images(channels: int = 3, batch: int = 4) -> Tensor:
    return torch.rand(batch, channels, 16, 16, generator=generator(3))


def test_nothing_but_the_chosen_part_changes() -> None:
    x = images()
    assert torch.allclose(perturb(x, **OFF), x, atol=1e-6)
    ratio = perturb(x, **{**OFF, "brightness": 0.4}) / x
    assert torch.allclose(ratio.amax((1, 2, 3)), ratio.amin((1, 2, 3)), atol=1e-4)
    grey = x.mean(1, keepdim=True).expand(-1, 3, -1, -1)
    assert torch.allclose(perturb(grey, **{**OFF, "saturation": 0.9, "hue": 90.0}), grey, atol=1e-5)


def test_factors_are_uniform_over_their_range() -> None:
    x = torch.full((4000, 1, 8, 8), 0.5)
    factor = perturb(x, **{**OFF, "brightness": 0.4})[:, 0, 0, 0] / 0.5
    assert 0.6 <= factor.min() < 0.61 and 1.39 < factor.max() <= 1.4
    assert factor.std().item() == pytest.approx(0.4 / 3**0.5, rel=0.03)


def test_contrast_keeps_the_mean_and_scales_the_spread() -> None:
    x = images(channels=1, batch=1)
    out = perturb(x, **{**OFF, "contrast": 0.5})
    assert out.mean().item() == pytest.approx(x.mean().item(), abs=1e-5)
    assert 0.5 <= (out.std() / x.std()).item() <= 1.5
    assert (out.std() / x.std()).item() != pytest.approx(1, abs=1e-3)


def test_saturation_agrees_with_a_blend_towards_grey() -> None:
    x = images(batch=1)
    out = perturb(x, **{**OFF, "saturation": 0.8})
    grey = (0.299 * x[:, 0] + 0.587 * x[:, 1] + 0.114 * x[:, 2])[:, None]
    factor = ((out - grey) * (x - grey)).sum() / (x - grey).square().sum()
    assert torch.allclose(out, grey + factor * (x - grey), atol=2e-3)
    assert abs(factor.item() - 1) > 0.01


def test_hue_turns_the_chroma_and_keeps_luminance_and_saturation() -> None:
    x = images(batch=64)
    out = perturb(x, **{**OFF, "hue": 30.0})

    def chroma(z: Tensor) -> Tensor:
        r, g, b = z[:, 0].double(), z[:, 1].double(), z[:, 2].double()
        return torch.complex(0.5959 * r - 0.2746 * g - 0.3213 * b, 0.2115 * r - 0.5227 * g + 0.3112 * b)

    weights = torch.tensor([0.299, 0.587, 0.114]).reshape(1, 3, 1, 1)
    assert torch.allclose((out * weights).sum(1), (x * weights).sum(1), atol=1e-5)
    turn = (chroma(out) * chroma(x).conj()).sum((1, 2)).angle().rad2deg()
    assert (chroma(out).abs() / chroma(x).abs().clamp(min=0.02)).median().item() == pytest.approx(1, abs=1e-2)
    assert 25 < turn.abs().max() <= 30.1
    assert turn.min() < 0 < turn.max()


def test_strength_zero_and_per_sample() -> None:
    x = images()
    out = perturb(x, [0.0, 1.0, 0.0, 1.0])
    assert torch.allclose(out[::2], x[::2], atol=1e-6)
    assert all((out[i] - x[i]).abs().max() > 0.01 for i in (1, 3))
