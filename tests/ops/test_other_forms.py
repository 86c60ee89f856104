"""What is computed in another way on a GPU, run on the CPU against the plain way."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from PIL import Image, ImageFilter

from autonoise.injector.adversarial import weighted_rms
from autonoise.ops.augmentations import smoothed_by_pooling
from autonoise.ops.random import generator
from autonoise.techniques.prime import filtered_by_shifts
from autonoise.techniques.random_convolution import convolved_at_once


def test_smoothing_by_pooling_is_pils_filter() -> None:
    levels = torch.randint(0, 256, (9, 12), generator=generator(0), dtype=torch.uint8)
    theirs = torch.tensor(Image.fromarray(levels.numpy()).filter(ImageFilter.SMOOTH).getdata()).view(9, 12)
    ours = 255 * smoothed_by_pooling(levels.float()[None, None] / 255)[0, 0]
    assert ((ours - theirs[1:-1, 1:-1]).abs() <= 0.5 + 1e-3).all()


@pytest.mark.parametrize("rows", [5, 16])
def test_kernels_of_several_sides_in_one_convolution(rows: int) -> None:
    rng = generator(1)
    x = torch.rand(rows, 3, 9, 11, generator=rng) - 0.5
    draws = torch.randn(rows, 3, 3, 5, 5, generator=rng)
    half = torch.arange(rows) % 3
    out = convolved_at_once(x, draws, half)
    assert out.shape == x.shape
    for row in range(rows):
        h = int(half[row])
        kernel = draws[row, :, :, 2 - h : 3 + h, 2 - h : 3 + h] * math.sqrt(2 / (3 * (2 * h + 1) ** 2))
        assert torch.allclose(out[row], F.conv2d(x[row][None], kernel, padding=h)[0], atol=1e-5)


def test_a_filter_as_a_sum_of_shifted_images() -> None:
    rng = generator(2)
    x, kernel = torch.rand(4, 3, 7, 8, generator=rng), torch.randn(4, 1, 3, 3, generator=rng)
    wanted = F.conv2d(x.transpose(0, 1), kernel, padding=1, groups=4).transpose(0, 1)
    assert torch.allclose(filtered_by_shifts(x, kernel), wanted, atol=1e-5)


def test_the_size_of_an_embedding_counts_valid_tokens_only() -> None:
    embedded = torch.tensor([[[3.0, 4.0], [100.0, 100.0]], [[0.0, 5.0], [1.0, 7.0]]])
    valid = torch.tensor([[True, False], [True, True]])
    # (9 + 16 + 25 + 1 + 49) / 6
    assert float(weighted_rms(embedded, valid)) == pytest.approx(math.sqrt(100 / 6))
    assert float(weighted_rms(embedded, None)) == pytest.approx(math.sqrt(20100 / 8))
    # with no valid token at all, every one counts
    assert float(weighted_rms(embedded, torch.zeros(2, 2, dtype=torch.bool))) == pytest.approx(math.sqrt(20100 / 8))
