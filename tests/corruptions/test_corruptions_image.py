"""Image corruptions do what their amount says."""

from __future__ import annotations

import numpy as np
import pytest
from corruption_samples import apply, rows_of

from autonoise.corruptions import Corruption, Reference, corruptions_for, get_corruption
from autonoise.types import DataType

GREY = np.full((64, 32, 32, 1), 128, np.uint8)
STEP = np.zeros((4, 32, 32, 1), np.uint8)
STEP[:, :, 16:] = 200


def image(name: str, amount: float, rows: np.ndarray, seed: int = 0) -> np.ndarray:
    reference = Reference(DataType.IMAGE, rows)
    return np.asarray(apply(get_corruption("image", name), amount, rows, reference, seed))


@pytest.mark.parametrize("shape", [(5, 8, 8, 1), (5, 8, 8, 3), (3, 28, 28, 1), (3, 20, 36, 3), (2, 1, 1, 1)])
@pytest.mark.parametrize("c", corruptions_for("image"), ids=lambda c: c.name)
def test_any_size_grey_or_colour(c: Corruption, shape: tuple[int, ...]) -> None:
    rows = np.random.default_rng(1).integers(0, 256, shape).astype(np.uint8)
    for amount in (c.mildest, *c.severities, c.harshest):
        assert image(c.name, amount, rows).shape == shape


@pytest.mark.parametrize("name", ["gaussian_noise", "low_frequency_noise"])
@pytest.mark.parametrize("amount", [0.04, 0.1])
def test_noise_has_its_standard_deviation(name: str, amount: float) -> None:
    noise = (image(name, amount, GREY).astype(float) - 128) / 255
    assert noise.std() == pytest.approx(amount, rel=0.02)
    assert abs(noise.mean()) < 0.002
    neighbours = np.corrcoef(noise[:, :, 1:].ravel(), noise[:, :, :-1].ravel())[0, 1]
    assert (neighbours > 0.6) == (name == "low_frequency_noise")


@pytest.mark.parametrize("amount", [0.01, 0.2])
def test_impulses_hit_their_fraction(amount: float) -> None:
    out = image("impulse_noise", amount, GREY)
    assert np.mean(out != 128) == pytest.approx(amount, rel=0.1)
    assert np.mean(out == 0) == pytest.approx(np.mean(out == 255), rel=0.2)
    assert set(np.unique(out)) == {0, 128, 255}


def test_gaussian_blur_of_an_edge_is_the_normal_distribution() -> None:
    out = image("gaussian_blur", 1.0, STEP)[0, 16, :, 0] / 200
    # Phi at -1.5, -0.5, 0.5, 1.5 standard deviations; sampled, so within a hundredth.
    assert out[14:18] == pytest.approx([0.0668, 0.3085, 0.6915, 0.9332], abs=0.015)


def test_pixel_amounts_grow_with_the_side() -> None:
    big = STEP.repeat(2, axis=1).repeat(2, axis=2)
    small, large = (image("gaussian_blur", 1.0, rows)[0, 16, :, 0] for rows in (STEP, big))
    # A blur twice as wide on a picture twice as large: averaged in pairs of pixels, the same picture.
    assert large.reshape(-1, 2).mean(axis=1) == pytest.approx(small, abs=5)
    assert image("gaussian_blur", 0.5, big)[0, 16, 31, 0] < large[31]


def test_motion_blur_keeps_light_and_has_its_length() -> None:
    dot = np.zeros((200, 33, 33, 1), np.uint8)
    dot[:, 16, 16] = 255
    out = image("motion_blur", 8 * 32 / 33, dot).astype(float)[..., 0] / 255
    assert out.sum(axis=(1, 2)) == pytest.approx(np.ones(200), abs=0.06)
    y, x = np.mgrid[-16:17, -16:17]
    spread = (out * (x**2 + y**2)).sum(axis=(1, 2)) / out.sum(axis=(1, 2))
    # A line of length 8 has a second moment of 8^2 / 12 = 5.33, and linear interpolation adds at most 1/2.
    assert np.all((spread > 4.9) & (spread < 6.1))


def test_contrast_and_brightness_by_hand() -> None:
    rows = np.array([50, 150], np.uint8).reshape(1, 1, 2, 1)
    assert image("contrast", 0.5, rows).ravel().tolist() == [75, 125]
    assert image("brightness", 0.2, rows).ravel().tolist() == [101, 201]
    assert image("brightness", 0.6, rows).ravel().tolist() == [203, 255]


def test_jpeg_rounds_the_quality_at_random() -> None:
    rows = rows_of(DataType.IMAGE)
    ten, eleven, between = (image("jpeg", q, rows) for q in (10.0, 11.0, 10.5))
    as_ten = (between == ten).all(axis=(1, 2, 3))
    as_eleven = (between == eleven).all(axis=(1, 2, 3))
    assert (as_ten | as_eleven).all()
    assert 0.3 < as_ten.mean() < 0.7


@pytest.mark.parametrize("amount", [0.1, 0.5, 0.9])
def test_checkerboard_hides_its_fraction_in_squares(amount: float) -> None:
    out = image("checkerboard_cutout", amount, GREY) == 0
    assert out.mean() == pytest.approx(amount, abs=0.03)
    changes = (out[:, :, 1:] != out[:, :, :-1]).any(axis=(1, 3))
    assert changes.sum(axis=1).max() <= 8  # cells of 4 pixels have at most 8 borders across 32


def test_sine_grating_has_its_amplitude() -> None:
    wave = (image("sine_grating", 0.1, GREY).astype(float) - 128) / 255
    assert np.abs(wave).max() == pytest.approx(0.1, abs=0.005)
    assert wave.std(axis=(1, 2, 3)) == pytest.approx(np.full(64, 0.0707), abs=0.01)


def test_fog_is_between_half_and_full_opacity() -> None:
    out = image("fog", 0.6, np.zeros((8, 32, 32, 1), np.uint8)) / 255
    assert out.min(axis=(1, 2, 3)) == pytest.approx(np.full(8, 0.3), abs=0.004)
    assert out.max(axis=(1, 2, 3)) == pytest.approx(np.full(8, 0.6), abs=0.004)


@pytest.mark.parametrize(("name", "rms"), [("elastic", 2.0), ("ripple", 2.0 / np.sqrt(2))])
def test_displacements_have_their_size(name: str, rms: float) -> None:
    ramp = np.broadcast_to((np.arange(32) * 6 + 30).astype(np.uint8)[None, None, :, None], (64, 32, 32, 1))
    moved = (image(name, 2.0, ramp.copy()).astype(float) - ramp)[:, :, 8:-8] / 6
    assert np.sqrt((moved**2).mean()) == pytest.approx(rms, rel=0.1)


def test_pixelate_makes_blocks() -> None:
    rows = np.random.default_rng(2).integers(0, 256, (3, 32, 32, 3)).astype(np.uint8)
    blocks = image("pixelate", 0.25, rows).reshape(3, 8, 4, 8, 4, 3)
    assert (blocks == blocks[:, :, :1, :, :1]).all()
    mean = rows.reshape(3, 8, 4, 8, 4, 3).mean(axis=(2, 4))
    assert np.abs(blocks[:, :, 0, :, 0] - mean).max() <= 1


def test_posterise_leaves_its_number_of_levels() -> None:
    rows = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1)
    assert np.unique(image("posterise", 4, rows)).tolist() == [0, 85, 170, 255]
    assert np.unique(image("posterise", 2, rows)).tolist() == [0, 255]


def test_rotate_by_a_quarter_turn() -> None:
    rows = np.random.default_rng(3).integers(0, 256, (6, 16, 16, 3)).astype(np.uint8)
    for before, after in zip(rows, image("rotate", 90, rows), strict=True):
        turns = [np.abs(np.rot90(before, k).astype(int) - after)[1:-1, 1:-1].max() for k in (1, 3)]
        assert min(turns) <= 1
