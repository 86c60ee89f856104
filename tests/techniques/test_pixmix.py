from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from autonoise.ops.random import generator
from autonoise.techniques.pixmix import Pixmix
from autonoise.types import BatchInfo, DataType, InputSpec

INFO = BatchInfo(spec=InputSpec(data_type=DataType.IMAGE, layout=(3, 16, 16)))


def mixed(x: Tensor, strength: float = 1.0, seed: int = 0, **parameters: float) -> Tensor:
    s = torch.full((len(x), 1, 1, 1), strength)
    return Pixmix(**parameters).perturb(x, strength=s, rng=generator(seed), info=INFO)  # type: ignore[arg-type]


def test_sums_and_products_are_weighted_as_in_the_paper() -> None:
    # the formulas of the paper's code, with numpy's beta distribution: values y = 0.8 and o = 0.3
    rng = np.random.default_rng(0)
    n, y, o, beta = 40_000, 0.8, 0.3, 3.0
    inside, total = rng.random(n) < 0.5, rng.random(n) < 0.5
    a = np.where(inside, rng.beta(beta, 1, n), 1 + rng.beta(1, beta, n))
    b = np.where(inside, rng.beta(1, beta, n), -rng.beta(1, beta, n))
    expected = np.where(total, ((a * (2 * y - 1) + b * (2 * o - 1)) + 1) / 2, (2 * y) ** a * (2 * o) ** b / 2)
    pixel = torch.ones(n, 1, 1, 1)
    found = Pixmix(beta=beta)._mix(y * pixel, o * pixel, generator(0)).flatten().numpy()
    places = np.linspace(0.02, 0.98, 25)
    assert np.quantile(found, places) == pytest.approx(np.quantile(expected, places), abs=0.012)
    assert found.std() == pytest.approx(expected.std(), rel=0.03)


def test_black_pixels_stay_finite() -> None:
    black, white = torch.zeros(500, 1, 1, 1), torch.ones(500, 1, 1, 1)
    for y, o in ((black, black), (white, black), (black, white)):
        assert torch.isfinite(Pixmix()._mix(y, o, generator(1))).all()


def test_one_image_in_ten_is_not_mixed() -> None:
    x = torch.rand(1500, 3, 16, 16, generator=generator(2))
    same = (mixed(x, severity=10.0) == x).all(3).all(2).all(1)
    # no augmented start (1 / 2) and none of 0 to 4 rounds (1 / 5); few operations change nothing
    assert same.float().mean().item() == pytest.approx(0.1, abs=0.03)
    assert (mixed(x, rounds=1, severity=10.0) == x).all(3).all(2).all(1).float().mean().item() == pytest.approx(
        0.25, abs=0.045
    )


def test_half_of_the_partners_are_augmented_copies() -> None:
    image, other = torch.rand(2000, 1, 8, 8, generator=generator(3)), torch.full((2000, 1, 8, 8), 2.0)
    out = Pixmix()._maybe_augmented(image, other, generator(4))
    assert (out == 2).all(3).all(2).all(1).float().mean().item() == pytest.approx(0.5, abs=0.03)


def test_strength_is_the_share_of_the_mixture() -> None:
    x = torch.rand(8, 3, 16, 16, generator=generator(5))
    whole = mixed(x)
    assert whole.min() >= 0 and whole.max() <= 1
    assert torch.allclose(mixed(x, 0.25), x + 0.25 * (whole - x), atol=1e-6)
    assert torch.equal(mixed(x, 3.0), whole) and torch.equal(mixed(x, 0.0), x)
