from __future__ import annotations

import torch
from torch import Tensor

from autonoise.ops.random import generator
from autonoise.techniques.augmix import Augmix
from autonoise.types import BatchInfo, DataType, InputSpec

SPEC = InputSpec(data_type=DataType.IMAGE, layout=(3, 32, 32))


def perturb(x: Tensor, strength: float | list[float] = 1.0, seed: int = 0, **parameters: float | str) -> Tensor:
    s = torch.as_tensor(strength, dtype=x.dtype).expand(len(x)).reshape(-1, *[1] * (x.ndim - 1))
    info = BatchInfo(spec=SPEC, bounds=(0.0, 1.0))
    return Augmix(**parameters).perturb(x, strength=s, rng=generator(seed), info=info)  # type: ignore[arg-type]


def images(batch: int = 16) -> Tensor:
    y, x = torch.meshgrid(torch.arange(32) / 32, torch.arange(32) / 32, indexing="ij")
    shift = torch.arange(batch).reshape(-1, 1, 1, 1) / 7
    return (0.5 + 0.4 * torch.sin(7 * x + 3 * y + shift)).expand(-1, 3, -1, -1).contiguous()


def test_strength_scales_the_mixing_weight_linearly() -> None:
    x = images()
    full, half = perturb(x) - x, perturb(x, 0.5) - x
    assert full.abs().amax((1, 2, 3)).median() > 0.02
    assert torch.allclose(half * 2, full, atol=1e-5)
    mixed = perturb(x, [0.0, 1.0] * 8)
    assert torch.equal(mixed[::2], x[::2])
    assert torch.allclose(mixed[1::2], (x + full)[1::2], atol=1e-6)


def test_the_result_is_a_mixture_and_stays_in_range() -> None:
    out = perturb(images(64), severity=10.0, width=4)
    assert out.min() >= 0 and out.max() <= 1 + 1e-6
    assert out.isfinite().all()


def test_more_severity_changes_more() -> None:
    x = images(64)
    assert (perturb(x, severity=10.0) - x).abs().mean() > 1.3 * (perturb(x, severity=1.0) - x).abs().mean()


def test_amounts_follow_the_levels_of_the_paper() -> None:
    augmix = Augmix(severity=5.0)
    pick, amount = augmix._draw(20_000, generator(0), torch.empty(0))
    names = ["autocontrast", "equalise", "posterise", "rotate", "shear_x", "shear_y", "translate_x", "translate_y"]
    counts = torch.bincount(pick, minlength=8) / 20_000
    assert (counts - 1 / 8).abs().max() < 0.01
    largest = {"rotate": 15.0, "shear_x": 0.15, "shear_y": 0.15, "translate_x": 1 / 6, "translate_y": 1 / 6}
    for name, most in largest.items():
        of_it = amount[pick == names.index(name)]
        assert 0.98 * most < of_it.max() <= most and -most <= of_it.min() < -0.98 * most
        assert of_it.abs().min() >= 0.01 * most / 0.5 - 1e-6
    bits = amount[pick == names.index("posterise")]
    assert 4 < bits.min() < 4.1 and 5.9 < bits.max() <= 6


def test_half_precision_and_one_channel() -> None:
    x = images(4)[:, :1].half()
    assert perturb(x).dtype == torch.float16
