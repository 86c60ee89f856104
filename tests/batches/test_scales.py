"""How the numbers of a batch are scaled is found out, told, or asked for; noise has its size in every scale."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn

from autonoise.batches import batch_adapter
from autonoise.errors import AttachError
from autonoise.policy import NoiseInjector, Policy, Step
from autonoise.types import InputSpec, Scale

MEAN, STD = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
OWN_MEAN, OWN_STD = torch.tensor([0.4914, 0.4822, 0.4465]), torch.tensor([0.247, 0.2435, 0.2616])
OWN = InputSpec(data_type="image", layout=(3, 16, 16), mean=OWN_MEAN, std=OWN_STD)
LABELS = torch.arange(16) % 3


def pictures(seed: int = 0, channels: int = 3) -> Tensor:
    """Canonical pictures, mostly of middle grey, in which each channel also has black and white."""
    x = 0.4 + 0.2 * torch.rand(16, channels, 16, 16, generator=torch.Generator().manual_seed(seed))
    x[0, :, 0, 0], x[0, :, 0, 1] = 0.0, 1.0
    return x


def channelwise(x: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    return (x - mean[:, None, None]) / std[:, None, None]


def attached(
    technique: Step, *, own: InputSpec | None = None, data_type: str = "image", **arguments: Any
) -> NoiseInjector:
    model = nn.Sequential(nn.Flatten(), nn.LazyLinear(3))
    policy = Policy(data_type, [technique], input=own)
    return policy.attach(model, epochs=1, steps_per_epoch=4, num_classes=3, **arguments)


SCALES: dict[str, tuple[Tensor, Tensor | float, str]] = {
    # pictures, the batch's numbers for one unit of 0..1 (per channel), and what describe() must say
    "0..1": (pictures(), 1.0, "unit (0 to 1)"),
    "0..255": (255 * pictures(), 255.0, "byte (0 to 255)"),
    "-1..1": (2 * pictures() - 1, 2.0, "standardised (mean 0.5, std 0.5)"),
    "x - .5": (pictures() - 0.5, 1.0, "standardised (mean 0.5, std 1)"),
    "imagenet": (channelwise(pictures(), MEAN, STD), 1 / STD, "standardised (mean 0.485, 0.456, 0.406, std 0.229,"),
    "own": (channelwise(pictures(), OWN_MEAN, OWN_STD), 1 / OWN_STD, "standardised (mean 0.4914, 0.4822, 0.4465,"),
    "16 bits": ((65535 * pictures()).round(), 65535.0, "standardised (0 to 65535)"),
    "12 bits": ((4095 * pictures()).round(), 4095.0, "standardised (0 to 4095)"),
    "0..16": ((16 * pictures()).round(), 16.0, "standardised (0 to 16)"),
    "0..15": ((15 * pictures()).round(), 15.0, "standardised (0 to 15)"),
}


@pytest.mark.parametrize("own", [OWN, None], ids=["policy with a normalisation", "without"])
@pytest.mark.parametrize("name", SCALES)
def test_noise_of_a_tenth_of_the_range_is_that_in_every_scale(
    name: str, own: InputSpec | None, caplog: pytest.LogCaptureFixture
) -> None:
    x, unit, words = SCALES[name]
    if name == "own" and own is None:
        # nearly ImageNet's: 8 to 16 % off, and told
        words, unit = "standardised (mean 0.485", 1 / STD
    injector = attached(Step.of("gaussian_noise", std=0.1), own=own)
    assert "no batch seen yet" in injector.describe()
    with caplog.at_level(logging.WARNING, logger="autonoise"):
        noisy, _ = injector.perturb(x, LABELS)
        injector.perturb(x, LABELS)
    assert isinstance(noisy, Tensor)
    sd = (noisy - x).std((0, 2, 3)) / torch.as_tensor(unit)
    assert sd.tolist() == pytest.approx([0.1] * 3, rel=0.04)
    assert f"input {words}" in injector.describe()
    assert "as the first batch looks" in injector.describe()
    # confirmed is not guessed: with 0..1 nothing is told, with everything else once
    assert len(caplog.records) == (0 if name == "0..1" else 1)
    assert name == "0..1" or (words in caplog.text and "say scale=" in caplog.text)


def test_eight_bit_pictures_are_bytes_and_round_trip(caplog: pytest.LogCaptureFixture) -> None:
    x = (255 * pictures()).round().to(torch.uint8)
    injector = attached(Step.of("gaussian_noise", std=0.1), own=OWN)
    noisy, _ = injector.perturb(x, LABELS)
    assert isinstance(noisy, Tensor)
    assert noisy.dtype == torch.uint8
    assert float((noisy.float() - x.float()).std()) == pytest.approx(25.5, rel=0.03)
    assert "byte (0 to 255)" in caplog.text


def test_handwritten_digits_of_0_to_16_get_their_noise() -> None:
    x = torch.from_numpy(load_digits().images[:64]).float()[:, None]
    injector = attached(Step.of("gaussian_noise", std=0.1))
    noisy, _ = injector.perturb(x, torch.arange(64) % 3)
    assert isinstance(noisy, Tensor)
    middle = (x > 5) & (x < 11)
    assert float((noisy - x)[middle].std()) == pytest.approx(1.6, rel=0.06)
    assert (noisy.min(), noisy.max()) == (0, 16)


def test_glyphs_of_0_and_1_are_pictures_in_0_to_1() -> None:
    x = (torch.rand(16, 1, 8, 8, generator=torch.Generator().manual_seed(1)) > 0.5).float()
    spec = batch_adapter("image").check(x, InputSpec(data_type="image", layout=(1, 8, 8)), explicit=False)
    assert spec.scale is Scale.UNIT


GREY = torch.full((4, 1, 4, 4), 0.5)


def reaching(low: float, high: float) -> Tensor:
    return torch.linspace(low, high, 4 * 16).reshape(4, 1, 4, 4)


@pytest.mark.parametrize(("x", "own", "says"), [
    (reaching(0, 100), None, "goes from 0 to 100, which fits neither .*: say scale="),
    (reaching(0, 0.06), None, "goes from 0 to 0.06, which fits neither"),
    (reaching(0, 2.5), None, "fits neither"),
    (reaching(0, 40000), None, "fits neither"),
    (reaching(-1.5, 1.9), None, "fits neither"),
    (reaching(-0.7, 0.3), None, "fits neither"),
    (torch.zeros(4, 1, 4, 4), None, "fits neither"),
    (torch.full((4, 1, 4, 4), torch.nan), None, "goes from nan to nan"),
    # a policy normalised with (.5, .53): -.94...94, which -.97...97 fills as well as it fills -1..1
    (reaching(-0.97, 0.97), InputSpec(data_type="image", layout=(1, 4, 4), mean=0.5, std=0.53),
     r"standardised \(mean 0.5, std 0.53\) and standardised \(mean 0.5, std 0.5\) about equally: say scale="),
    (reaching(0, 16).to(torch.uint8), None, "8-bit integers of at most 16: .*x.float()"),
    (torch.ones(4, 1, 4, 4, dtype=torch.uint8), None, "8-bit integers of at most 1: .*scale='byte'"),
])  # fmt: skip
def test_pictures_of_unclear_scale_are_refused(x: Tensor, own: InputSpec | None, says: str) -> None:
    with pytest.raises(AttachError, match=says) as caught:
        attached(Step.of("gaussian_noise"), own=own).perturb(x, torch.arange(4) % 3)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("x", "scale", "mean"), [
    (reaching(0, 0.5), Scale.UNIT, ()),
    (reaching(-0.03, 1.04), Scale.UNIT, ()),
    (reaching(0, 130), Scale.BYTE, ()),
    (reaching(-0.9, 0.95), Scale.STANDARDISED, (0.5,)),
])  # fmt: skip
def test_dark_pictures_and_overshoot(x: Tensor, scale: Scale, mean: tuple[float, ...]) -> None:
    spec = batch_adapter("image").check(x, InputSpec(data_type="image", layout=(1, 4, 4)), explicit=False)
    assert (spec.scale, spec.mean) == (scale, mean)


def test_a_second_batch_that_contradicts_the_guess_is_refused() -> None:
    injector = attached(Step.of("gaussian_noise"))
    injector.perturb(reaching(-0.5, 0.5), torch.arange(4) % 3)
    with pytest.raises(AttachError, match="a batch goes from -1 to 1, but the first one looked like standardised"):
        injector.perturb(reaching(-1, 1), torch.arange(4) % 3)
    given = attached(Step.of("gaussian_noise"), input=InputSpec(data_type="image", layout=(1, 4, 4)))
    given.perturb(reaching(0, 1), torch.arange(4) % 3)
    given.perturb(reaching(0, 1.2), torch.arange(4) % 3)
    assert "input unit (0 to 1), as described" in given.describe()


def test_a_description_that_the_pictures_hardly_fill_is_told(caplog: pytest.LogCaptureFixture) -> None:
    spec = InputSpec(data_type="image", layout=(1, 4, 4), scale="byte")
    batch_adapter("image").check(reaching(0, 255), spec, explicit=True)
    batch_adapter("image").check(reaching(0, 200), spec, explicit=True)
    assert not caplog.records
    batch_adapter("image").check(reaching(0, 1), spec, explicit=True)
    assert "values -2.55 to 258, but the first batch goes only from 0 to 1" in caplog.text


# -- audio ---------------------------------------------------------------------------------------------------------


def clips(peak: float, *, rows: int = 8, steps: int = 4000, seed: int = 0) -> Tensor:
    """Clips of mean 0 and standard deviation 1, with a peak of about ``peak`` each."""
    x = torch.randn(rows, steps, generator=torch.Generator().manual_seed(seed))
    x[:, 7], x[:, 2007] = peak, -peak
    x = x - x.mean(1, keepdim=True)
    return x / x.std(1, correction=0, keepdim=True)


def decibels(clean: Tensor, noisy: Tensor) -> Tensor:
    return 10 * torch.log10(clean.pow(2).mean(1) / (noisy - clean).pow(2).mean(1))


def test_later_clips_are_not_clipped_at_the_first_batchs_peak(caplog: pytest.LogCaptureFixture) -> None:
    injector = attached(Step.of("gaussian_snr", snr_db=60.0), data_type="audio")
    first, second = clips(5.4), clips(40.0, seed=1)
    injector.perturb(first, torch.arange(8) % 3)
    assert "full scale of" in caplog.text
    assert len(caplog.records) == 1
    noisy, _ = injector.perturb(second, torch.arange(8) % 3)
    assert isinstance(noisy, Tensor)
    assert decibels(second, noisy).tolist() == pytest.approx([60.0] * 8, abs=0.5)
    assert float(noisy.max()) > 20
    assert f"full scale {float(first.abs().max()):.4g}" in injector.describe()


@pytest.mark.parametrize(("x", "scale", "full", "bounds"), [
    (0.9 * torch.sin(torch.arange(4000.0))[None], Scale.UNIT, (), (-1.0, 1.0)),
    # overshoot of resampling: full scale is 1, and what lies beyond stays
    (1.2 * torch.sin(torch.arange(4000.0))[None], Scale.STANDARDISED, (1.0,), None),
    # a sine of standard deviation 1 peaks at 1.41
    (2**0.5 * torch.sin(torch.arange(4000.0))[None], Scale.STANDARDISED, (1.414,), None),
])  # fmt: skip
def test_scales_of_audio(x: Tensor, scale: Scale, full: tuple[float, ...], bounds: Any) -> None:
    adapter = batch_adapter("audio")
    spec = adapter.check(x, InputSpec(data_type="audio", layout=(4000,)), explicit=False)
    assert spec.scale is scale
    assert spec.std == pytest.approx(full, rel=1e-3)
    assert adapter.open(x, spec)[1].bounds == bounds


def test_audio_that_contradicts_its_description_or_is_nearly_silent(caplog: pytest.LogCaptureFixture) -> None:
    adapter, spec = batch_adapter("audio"), InputSpec(data_type="audio", layout=(4000,))
    with pytest.raises(AttachError, match="described as unit, -1 to 1, but the first batch reaches"):
        adapter.check(clips(5.0), spec, explicit=True)
    adapter.check(0.0003 * clips(5.0), spec, explicit=False)
    assert "reach only 0.0015 of full scale" in caplog.text


# -- series and tables ---------------------------------------------------------------------------------------------


def test_series_and_tables_scaled_to_0_to_1_are_not_taken_for_standardised(caplog: pytest.LogCaptureFixture) -> None:
    rng = torch.Generator().manual_seed(0)
    series, table = torch.rand(64, 2, 30, generator=rng), torch.rand(64, 4, generator=rng)
    injector = attached(Step.of("gaussian_noise", std=0.1), data_type="timeseries")
    noisy, _ = injector.perturb(series, torch.arange(64) % 3)
    assert isinstance(noisy, Tensor)
    # uniform numbers have a standard deviation of 0.2887
    assert float((noisy - series).std()) == pytest.approx(0.02887, rel=0.05)
    assert "not standardised (first batch: mean 0." in caplog.text
    assert "input raw (mean 0." in injector.describe()
    caplog.clear()
    spec = batch_adapter("tabular").check(table, InputSpec(data_type="tabular", layout=()), explicit=False)
    assert spec.std == pytest.approx([0.2887] * 4, rel=0.1)
    assert "not standardised" in caplog.text


def test_raw_tables_use_the_searched_columns_units(caplog: pytest.LogCaptureFixture) -> None:
    rng = torch.Generator().manual_seed(0)
    x = torch.randn(64, 2, generator=rng) * torch.tensor([30.0, 4.0]) + torch.tensor([400.0, 7.0])
    own = InputSpec(data_type="tabular", layout=2, numeric=(0, 1), scale="standardised", mean=(402, 7), std=(31, 4.2))
    spec = batch_adapter("tabular").check(x, own, explicit=False)
    assert (spec.scale, spec.mean, spec.std) == (Scale.UNIT, (402, 7), (31, 4.2))
    assert "searched data's standard deviations" in caplog.text
    assert np.allclose(batch_adapter("tabular").open(x, spec)[0].std(0), [1, 1], atol=0.15)
    standard = (x - torch.tensor([402.0, 7.0])) / torch.tensor([31.0, 4.2])
    assert batch_adapter("tabular").check(standard, own, explicit=False) == own
