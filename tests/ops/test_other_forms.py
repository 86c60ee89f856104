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
from autonoise.techniques.drop_block import _pooled, _widened
from autonoise.techniques.gradient_noise import GradientNoise
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


@pytest.mark.parametrize("shape", [(2, 3, 40), (2, 3, 20, 15)])
def test_blocks_by_pooling_are_those_by_shifts(shape: tuple[int, ...]) -> None:
    centres = (torch.rand(shape, generator=generator(3)) < 0.02).to(torch.int16)
    wanted = centres
    for dim in range(2, len(shape)):
        wanted = _widened(wanted, dim, 5)
    assert 0 < int(centres.sum()) < int(wanted.sum())
    assert torch.equal(_pooled(centres.float(), 5), wanted.float())


def test_noise_on_all_gradients_at_once() -> None:
    shapes = ((300, 40), (500,), (64, 32, 3, 3))
    given = [torch.full(shape, 2.0) for shape in shapes]
    given[2] = given[2].to(memory_format=torch.channels_last)
    technique = GradientNoise(eta=0.04, gamma=0.5)
    run = [technique.perturb_all(given, strength=2.0, rng=generator(s), update=3) for s in (0, 0, 1)]
    for g, a, b, c in zip(given, *run, strict=True):
        assert torch.equal(a, b) and not torch.equal(a, c)
        assert a.stride() == g.stride() and (g == 2).all()
        # sqrt(0.04 / 4 ** 0.5), times the strength of 2
        assert float((a - 2).std()) == pytest.approx(2 * 0.141421, rel=0.1)
        assert abs(float((a - 2).mean())) < 5 * 0.283 / math.sqrt(a.numel())
    # no number is used twice
    assert torch.cat([a.flatten() for a in run[0]]).unique().numel() > 0.99 * sum(g.numel() for g in given)
