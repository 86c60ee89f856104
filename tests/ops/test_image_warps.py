from __future__ import annotations

import pytest
import torch

from autonoise.ops.image import affine, displace, luminance, side_scale
from autonoise.ops.random import generator


def test_affine_and_displace_agree() -> None:
    x = torch.rand(3, 2, 10, 14, generator=generator(0), dtype=torch.float64)
    matrix = torch.eye(2) + 0.2 * torch.randn(3, 2, 2, generator=generator(1))
    shift = torch.randn(3, 2, generator=generator(2))
    across, down = torch.arange(14.0) - 6.5, torch.arange(10.0) - 4.5
    p = torch.stack([across.expand(10, -1), down[:, None].expand(-1, 14)])
    field = torch.einsum("bij,jhw->bihw", matrix, p) + shift[:, :, None, None] - p
    assert torch.allclose(affine(x, matrix, shift), displace(x, field), atol=1e-5)


def test_displacement_by_hand() -> None:
    x = torch.arange(12.0).reshape(1, 1, 3, 4)
    field = torch.zeros(1, 2, 3, 4)
    field[:, 0] = 0.5
    out = displace(x, field, "border")[0, 0]
    assert torch.allclose(out[1], torch.tensor([4.5, 5.5, 6.5, 7.0]), atol=1e-5)


@pytest.mark.parametrize("shift", [1.0, 2.0, -3.0, 7.0, 11.0])
def test_reflection_by_hand(shift: float) -> None:
    """Beyond an edge the image goes on backwards, its edge pixel twice: 3 2 1 0 | 0 1 2 3 | 3 2 1 0."""
    x = torch.arange(4.0).expand(1, 1, 4, 4).clone()
    mirrored = [0.0, 1.0, 2.0, 3.0, 3.0, 2.0, 1.0, 0.0]
    seen = affine(x, torch.eye(2)[None], torch.tensor([[shift, 0.0]]), "reflection")
    expected = [mirrored[int(i + shift) % 8] for i in range(4)]
    assert torch.allclose(seen, torch.tensor(expected).expand(1, 1, 4, 4), atol=1e-5)


def test_luminance_and_side() -> None:
    x = torch.tensor([1.0, 2.0, 3.0]).reshape(1, 3, 1, 1).expand(1, 3, 64, 48)
    assert torch.allclose(luminance(x), torch.full((1, 1, 64, 48), 0.299 + 1.174 + 0.342))
    assert luminance(x[:, :2]).unique().tolist() == [1.5]
    assert side_scale(x) == 1.5
