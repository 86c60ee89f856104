from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps
from torch import Tensor

from autonoise.ops.augmentations import PHOTOMETRIC
from autonoise.ops.augmix_operations import amounts, draw_operations
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


NAMES = (
    "autocontrast", "equalise", "posterise", "rotate", "solarise", "shear_x", "shear_y", "translate_x", "translate_y"
)  # fmt: skip


def amount(name: str, level: float, sign: float = -1.0) -> float:
    """The amount at a level of 0..1 for an image 32 high and 48 wide."""
    pick = torch.tensor([NAMES.index(name)])
    return float(amounts(pick, torch.tensor([level]), torch.tensor([sign]), (32, 48)))


def test_the_nine_operations_are_drawn_equally_often() -> None:
    pick, _ = draw_operations(5.0, 20_000, generator(0), images(1))
    assert (torch.bincount(pick, minlength=9) / 20_000 - 1 / 9).abs().max() < 0.01


def test_amounts_by_hand() -> None:
    """The reference: posterize(4 - int(4 l)), rotate(int(30 l)), solarize(256 - int(256 l)), shear 0.3 l,
    translate by int(side / 3 * l) pixels; a level l runs from 0 to 1.
    """
    assert amount("posterise", 0.24) == 4  # int(0.96) = 0: four of eight bits go
    assert amount("posterise", 0.26) == 5
    assert amount("rotate", 0.29) == -8  # int(8.7) degrees
    assert amount("rotate", 0.29, 1.0) == 8
    assert amount("shear_x", 0.3) == pytest.approx(-0.09)
    assert amount("shear_y", 1.0, 1.0) == pytest.approx(0.3)
    assert amount("translate_x", 0.3, 1.0) * 48 == pytest.approx(4)  # int(4.8) of 16 pixels
    assert amount("translate_y", 0.3) * 32 == pytest.approx(-3)  # int(3.2) of 10.67
    assert amount("autocontrast", 0.1) == amount("equalise", 0.1) == 1


def test_solarise_inverts_what_pil_inverts() -> None:
    grey = torch.arange(256).float() / 255
    inverted = PHOTOMETRIC["solarise"](grey.reshape(1, 1, 16, 16), torch.tensor(amount("solarise", 0.3))).flatten()
    theirs = np.asarray(ImageOps.solarize(Image.fromarray(np.arange(256, dtype=np.uint8)[None]), 256 - 76))[0]
    assert np.abs(inverted.numpy() * 255 - theirs).max() < 1e-3
    assert (theirs != np.arange(256)).sum() == 76


def test_severity_is_the_highest_level_in_tenths() -> None:
    pick, found = draw_operations(5.0, 20_000, generator(1), images(1))
    shear = found[pick == NAMES.index("shear_x")]
    assert 0.149 < shear.max() <= 0.15 and -0.15 <= shear.min() < -0.149  # 5 of 10 of 0.3, both signs
    assert shear.abs().min() >= 0.003 - 1e-6  # the lowest level is 0.1 of 10
    bits = found[pick == NAMES.index("posterise")]
    assert set(bits.tolist()) == {4.0, 5.0}


def test_the_shares_of_the_mixture(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chains that add 0.1 per operation: the mixture is x + m * sum of w_k * 0.1 * depth_k, sum w = 1."""

    def brighter(x: Tensor, names: object, pick: Tensor, amount: Tensor) -> Tensor:
        return x + 0.1 * (pick >= 0).reshape(-1, 1, 1, 1)

    monkeypatch.setattr("autonoise.techniques.augmix.apply_operations", brighter)
    rise = (perturb(torch.zeros(4000, 1, 2, 2), width=3, depth=3) / 0.1)[:, 0, 0, 0]
    assert rise.min() >= 0 and rise.max() <= 3 + 1e-4
    assert rise.mean().item() == pytest.approx(1.0, abs=0.03)  # E[m] E[depth] = 1/2 * 2


def test_the_shares_of_the_chains_are_dirichlet(monkeypatch: pytest.MonkeyPatch) -> None:
    """One chain of three is white: the image becomes m * w, m uniform, w ~ Beta(1, 2) with E[w^2] = 1 / 6."""

    def first_white(x: Tensor, names: object, pick: Tensor, amount: Tensor) -> Tensor:
        return torch.cat([torch.ones_like(x[:4000]), x[4000:]])

    monkeypatch.setattr("autonoise.techniques.augmix.apply_operations", first_white)
    white = perturb(torch.zeros(4000, 1, 2, 2), width=3, depth=1)[:, 0, 0, 0]
    assert white.mean().item() == pytest.approx(1 / 6, abs=0.01)
    assert white.square().mean().item() == pytest.approx(1 / 18, abs=0.005)


def test_half_precision_and_one_channel() -> None:
    x = images(4)[:, :1].half()
    assert perturb(x).dtype == torch.float16
