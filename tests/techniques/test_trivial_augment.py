from __future__ import annotations

import pytest
import torch
from torch import Tensor

from autonoise.ops.augmentations import apply_operations
from autonoise.ops.random import generator
from autonoise.techniques import trivial_augment
from autonoise.techniques.trivial_augment import TrivialAugment
from autonoise.types import BatchInfo, DataType, InputSpec

SPEC = InputSpec(data_type=DataType.IMAGE, layout=(3, 32, 32))


def perturb(x: Tensor, strength: float | list[float] = 1.0, seed: int = 0, **parameters: float | str) -> Tensor:
    s = torch.as_tensor(strength, dtype=x.dtype).expand(len(x)).reshape(-1, *[1] * (x.ndim - 1))
    info = BatchInfo(spec=SPEC, bounds=(0.0, 1.0))
    return TrivialAugment(**parameters).perturb(x, strength=s, rng=generator(seed), info=info)  # type: ignore[arg-type]


def images(batch: int = 32) -> Tensor:
    return torch.rand(batch, 3, 16, 16, generator=generator(4))


def test_about_one_in_fourteen_images_stays() -> None:
    x = images(2800)
    same = ((perturb(x) - x).abs().amax((1, 2, 3)) == 0).float().mean().item()
    assert abs(same - 1 / 14) < 0.025


def test_strength_zero_keeps_up_to_a_byte_and_small_is_small() -> None:
    x = images(200)
    assert (perturb(x, 0.0) - x).abs().max() <= 0.5 / 255 + 1e-5
    change = [(perturb(x, s) - x).abs().mean().item() for s in (0.01, 0.1, 1.0)]
    assert change[0] < 0.02 < change[2] and change[0] < change[1] < change[2]


def test_per_sample_and_in_range() -> None:
    x = images(64)
    out = perturb(x, [0.0, 1.0] * 32)
    assert (out[::2] - x[::2]).abs().max() <= 0.5 / 255 + 1e-5
    assert (out[1::2] - x[1::2]).abs().amax((1, 2, 3)).median() > 0.05
    assert perturb(x, 3.0).min() >= -1e-6 and perturb(x, 3.0).max() <= 1 + 1e-6


def test_level_scales_the_range() -> None:
    x = images(200)
    assert (perturb(x, level=0.2) - x).abs().mean() < 0.8 * (perturb(x, level=1.0) - x).abs().mean()


@pytest.mark.parametrize("shape", [(32, 32), (96, 224)])
def test_translations_reach_32_pixels_at_any_size(shape: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    """Uniform up to 32 pixels either way: the whole side at 32 pixels, a seventh of it at 224."""
    seen: dict[str, Tensor] = {}

    def recording(x: Tensor, names: tuple[str, ...], pick: Tensor, amount: Tensor) -> Tensor:
        seen.update({name: amount[pick == k] for k, name in enumerate(names)})
        return apply_operations(x[:1], names, pick[:1], amount[:1])

    monkeypatch.setattr(trivial_augment, "apply_operations", recording)
    perturb(torch.zeros(20_000, 1, 1, 1).expand(-1, 1, *shape))
    for name, side in (("translate_x", shape[1]), ("translate_y", shape[0])):
        pixels = seen[name] * side
        assert pixels.abs().max() == pytest.approx(32, abs=0.2)
        assert pixels.abs().mean() == pytest.approx(16, abs=1)
        assert abs(pixels.mean()) < 2
    assert seen["rotate"].abs().max() == pytest.approx(135, abs=1)
