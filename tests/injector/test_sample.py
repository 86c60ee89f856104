"""``policy.transform()``: one sample in, one of the same kind out, keyed by seed, epoch and index."""

from __future__ import annotations

import dataclasses
import logging
import pickle
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, Dataset

from autonoise.batches.samples import content_key
from autonoise.errors import AttachError
from autonoise.injector.sample import SampleTransform
from autonoise.policy import Policy, Step
from autonoise.technique.registry import techniques_for
from autonoise.technique.schedule import Gate, Schedule
from autonoise.testing.samples import SPECS, tensor_batch
from autonoise.types import DataType, InputSpec, Stage

NOISE = Policy("image", [Step.of("gaussian_noise", std=0.1)])
PIXELS = np.random.default_rng(0).integers(40, 200, (12, 10, 3), dtype=np.uint8)
UNIT = PIXELS.astype(np.float32) / 255


class Pictures(Dataset[Any]):
    """Eight grey pictures, each as its own index says, and the transform's noise on them."""

    def __init__(self, transform: SampleTransform) -> None:
        self.transform = transform

    def __len__(self) -> int:
        return 8

    def __getitem__(self, index: int) -> torch.Tensor:
        noisy: torch.Tensor = self.transform(torch.full((1, 4, 4), 0.5), index)
        return noisy


class Marked(torch.Tensor):
    """A tensor with a class of its own, as torchvision has them."""


KINDS: dict[str, tuple[Any, Any]] = {
    "array HWC 8 bits": (PIXELS, lambda out: out / 255),
    "array HWC float32": (UNIT, lambda out: out),
    "array HWC float64": (UNIT.astype(np.float64), lambda out: out),
    "array CHW": (UNIT.transpose(2, 0, 1), lambda out: out.transpose(1, 2, 0)),
    "array backwards": (UNIT[:, ::-1], lambda out: out[:, ::-1]),
    "tensor CHW 8 bits": (torch.from_numpy(PIXELS).permute(2, 0, 1), lambda out: out.permute(1, 2, 0).numpy() / 255),
    "tensor CHW": (torch.from_numpy(UNIT).permute(2, 0, 1), lambda out: out.permute(1, 2, 0).numpy()),
    "tensor CHW half": (torch.from_numpy(UNIT).half().permute(2, 0, 1), lambda out: out.permute(1, 2, 0).numpy()),
    "tensor subclass": (
        torch.from_numpy(UNIT).permute(2, 0, 1).as_subclass(Marked),  # type: ignore[arg-type]
        lambda out: out.permute(1, 2, 0).as_subclass(torch.Tensor).numpy(),
    ),
    "PIL RGB": (Image.fromarray(PIXELS), lambda out: np.asarray(out) / 255),
    "mapping": ({"image": UNIT, "label": 3}, lambda out: out["image"]),
}


@pytest.mark.parametrize("name", KINDS)
def test_the_same_kind_comes_back_with_noise_of_the_right_size(name: str) -> None:
    sample, as_unit = KINDS[name]
    before = np.array(as_unit(sample))
    out = NOISE.transform(seed=1)(sample, 0)
    assert type(out) is type(sample)
    for attribute in ("dtype", "shape", "mode", "size"):
        if not callable(getattr(sample, attribute, None)):
            assert getattr(out, attribute, None) == getattr(sample, attribute, None), attribute
    difference = np.asarray(as_unit(out), dtype=np.float64) - UNIT
    assert abs(difference.mean()) < 0.02
    assert 0.09 < difference.std() < 0.11  # 360 values: four standard errors are 0.015
    if isinstance(sample, dict):
        assert out["label"] == 3 and out["image"].dtype == np.float32
    assert np.array_equal(before, np.asarray(as_unit(sample)))


def test_transparency_and_grey_pictures_keep_what_is_no_colour() -> None:
    rgba = Image.fromarray(np.concatenate([PIXELS, PIXELS[..., :1]], axis=-1))
    out = NOISE.transform()(rgba, 0)
    assert out.mode == "RGBA"
    assert np.array_equal(np.asarray(out)[..., 3], PIXELS[..., 0])
    assert not np.array_equal(np.asarray(out)[..., :3], PIXELS)
    grey = NOISE.transform()(Image.fromarray(PIXELS[..., 0]), 0)
    assert grey.mode == "L" and grey.size == (10, 12)
    with pytest.raises(AttachError, match=r"mode P .*convert\('RGB'\)"):
        NOISE.transform()(Image.fromarray(PIXELS).convert("P"), 0)


def test_channels_are_first_in_tensors_and_last_in_arrays_where_both_would_do() -> None:
    erase = Policy("image", [Step.of("solarise", threshold=0.0)]).transform()
    flip = Policy("image", [Step.of("horizontal_flip", chance=1.0)]).transform()
    cube = np.arange(27, dtype=np.float32).reshape(3, 3, 3) / 27
    assert np.array_equal(flip(cube, 0), cube[:, ::-1])  # (H, W, C): the middle axis is the width
    assert np.array_equal(flip(torch.from_numpy(cube), 0).numpy(), cube[..., ::-1])
    assert np.allclose(erase(cube, 0)[cube > 0], 1 - cube[cube > 0])
    with pytest.raises(AttachError, match="neither first nor last"):
        flip(np.zeros((8, 8, 7), dtype=np.float32), 0)


@pytest.mark.parametrize(
    ("sample", "remedy"),
    [
        (UNIT * 255, "before what normalises"),
        (UNIT - 0.5, r"input=InputSpec\(\.\.\., scale="),
        (PIXELS.astype(np.uint16), "convert them to float"),
        (torch.zeros(2, 3, 8, 8), r"shape \(2, 3, 8, 8\)"),
        ("a string", "got a str"),
        ([[1.0]], "got a list"),
        ({"pixels": UNIT}, "needs one of the keys"),
    ],
)
def test_what_cannot_be_served_is_refused(sample: Any, remedy: str) -> None:
    with pytest.raises(AttachError, match=remedy):
        NOISE.transform()(sample, 0)


def test_described_samples_keep_their_scale() -> None:
    spec = InputSpec(data_type="image", layout=(3, 12, 10), scale="standardised", mean=(0.5,), std=(0.25,))
    scaled = (torch.from_numpy(UNIT).permute(2, 0, 1) - 0.5) / 0.25
    out = NOISE.transform(input=spec, seed=2)(scaled, 5)
    plain = NOISE.transform(seed=2)(torch.from_numpy(UNIT).permute(2, 0, 1), 5)
    assert torch.allclose(out * 0.25 + 0.5, plain, atol=1e-6)
    with pytest.raises(AttachError, match="of image data"):
        NOISE.transform(input=SPECS[DataType.AUDIO])


def test_noise_is_a_function_of_seed_epoch_and_index() -> None:
    grey = torch.full((1, 6, 6), 0.5)

    def noise(seed: int, epoch: int, index: int | None) -> torch.Tensor:
        transform = NOISE.transform(epochs=3, seed=seed)
        transform.set_epoch(epoch)
        out: torch.Tensor = transform(grey, index)
        return out

    assert torch.equal(noise(0, 0, 4), noise(0, 0, 4))
    seen = [noise(0, 0, 4), noise(1, 0, 4), noise(0, 1, 4), noise(0, 0, 5), noise(0, 0, None)]
    assert all(not torch.equal(a, b) for i, a in enumerate(seen) for b in seen[:i])
    transform = NOISE.transform()
    assert torch.equal(transform(grey), transform(grey.clone()))  # by content
    assert not torch.equal(transform(grey) - 0.5, transform(grey + 1 / 256) - 0.5 - 1 / 256)


def test_a_policy_of_two_steps_draws_for_each_by_itself() -> None:
    both = Policy("image", [Step.of("gaussian_noise", std=0.05), Step.of("horizontal_flip", chance=1.0)])
    ramp = torch.linspace(0.2, 0.8, 64).reshape(1, 8, 8)
    noisy = Policy("image", [both.steps[0]]).transform()(ramp, 3)
    assert torch.equal(both.transform()(ramp, 3), noisy.flip(-1))
    second = Policy("image", [Step.of("horizontal_flip", probability=0.0), both.steps[0]]).transform()(ramp, 3)
    assert not torch.equal(second, noisy)  # the place in the policy is part of the seed


@pytest.mark.parametrize(("workers", "context"), [(2, "fork"), pytest.param(1, "spawn", marks=pytest.mark.slow)])
def test_loader_workers_change_nothing(workers: int, context: str) -> None:
    transform = NOISE.transform(epochs=2, seed=3)
    transform.set_epoch(1)
    alone = torch.stack([Pictures(transform)[i] for i in range(8)])
    loader = DataLoader(Pictures(transform), batch_size=4, num_workers=workers, multiprocessing_context=context)
    assert torch.equal(torch.cat(list(loader)), alone)


def test_running_workers_see_a_new_epoch() -> None:
    transform = NOISE.transform(epochs=2)
    loader = DataLoader(
        Pictures(transform), batch_size=8, num_workers=1, persistent_workers=True, multiprocessing_context="fork"
    )
    first = next(iter(loader))
    transform.set_epoch(1)
    second = next(iter(loader))
    assert not torch.equal(first, second)
    assert torch.equal(second, torch.stack([Pictures(transform)[i] for i in range(8)]))


def test_it_can_be_pickled() -> None:
    transform = NOISE.transform(epochs=5, seed=9)
    transform.set_epoch(2)
    again = pickle.loads(pickle.dumps(transform))
    assert np.array_equal(again(PIXELS, 1), transform(PIXELS, 1))


def test_schedules_go_by_epochs_and_gates_of_updates_by_samples() -> None:
    ramp = Policy("image", [Step.of("gaussian_noise", std=0.1, schedule=Schedule("ramp_up"))])
    transform = ramp.transform(epochs=5)
    sizes = []
    for epoch in range(5):
        transform.set_epoch(epoch)
        sizes.append(float((transform(torch.full((1, 64, 64), 0.5), 0) - 0.5).std()))
    assert sizes[0] == 0
    assert np.allclose(sizes, [0, 0.025, 0.05, 0.075, 0.1], rtol=0.05)
    gated = Policy("image", [Step.of("gaussian_noise", std=0.1, probability=0.8, gate=Gate(4))]).transform()
    grey = torch.full((1, 2, 2), 0.5)
    share = np.mean([not torch.equal(gated(grey, i), grey) for i in range(1500)])
    assert 0.17 < share < 0.23  # 0.8 / 4, within three standard errors
    epochs = Policy("image", [Step.of("gaussian_noise", gate=Gate(2, "epoch"))]).transform(epochs=3)
    acts = []
    for epoch in range(3):
        epochs.set_epoch(epoch)
        acts.append(not torch.equal(epochs(grey, 0), grey))
    assert acts == [True, False, True]


def test_probability_and_random_magnitude() -> None:
    grey = torch.full((1, 8, 8), 0.5)
    half = Policy("image", [Step.of("gaussian_noise", std=0.1, probability=0.3, magnitude="uniform")]).transform()
    sizes = np.array([float((half(grey, i) - 0.5).std()) for i in range(1000)])
    assert 0.25 < (sizes > 0).mean() < 0.35
    # std times U(0, 1): mean 0.05, and quantiles in proportion
    assert abs(sizes[sizes > 0].mean() - 0.05) < 0.006
    assert abs(np.quantile(sizes[sizes > 0], 0.25) - 0.025) < 0.008
    # for a technique that acts or not, the strength multiplies how often it does
    flip = Policy("image", [Step.of("horizontal_flip", chance=1.0)], strength=0.4).transform()
    ramp = torch.linspace(0, 1, 4).reshape(1, 1, 4)
    assert 0.35 < np.mean([not torch.equal(flip(ramp, i), ramp) for i in range(1000)]) < 0.45


def waves(dtype: Any) -> np.ndarray:
    tone = 0.3 * np.sin(np.arange(800) / 5)
    return (tone * 32768).astype(dtype) if dtype is np.int16 else tone.astype(dtype)


def test_waveforms_in_floats_and_16_bits() -> None:
    policy = Policy("audio", [Step.of("gaussian_noise", std=0.05)])
    transform = policy.transform(seed=4)
    floats, whole = transform(waves(np.float64), 0), transform(waves(np.int16), 0)
    assert whole.dtype == np.int16 and floats.dtype == np.float64
    assert abs((floats - waves(np.float64)).std() - 0.05) < 0.005
    assert np.abs(whole / 32768 - floats).max() < 2 / 32768
    row = torch.from_numpy(waves(np.float32))[None]
    assert transform(row, 0).shape == (1, 800)
    with pytest.raises(AttachError, match="mix the channels down"):
        transform(row.repeat(2, 1), 0)
    with pytest.raises(AttachError, match="goes from -9"):
        transform(waves(np.float32) * 32, 0)


def test_series_and_rows(caplog: pytest.LogCaptureFixture) -> None:
    series = Policy("timeseries", [Step.of("gaussian_noise", std=0.1)])
    with caplog.at_level(logging.WARNING, "autonoise"):
        transform = series.transform()
    assert "takes the numbers of a sample as standardised" in caplog.text
    x = np.random.default_rng(0).normal(size=(2, 50))
    assert abs((transform(x, 0) - x).std() - 0.1) < 0.02
    assert transform(x[0], 0).shape == (50,)
    raw = InputSpec(data_type="timeseries", layout=(2, 50), scale="unit", mean=(5.0, 50.0), std=(2.0, 20.0))
    noise = series.transform(input=raw)(x * [[2.0], [20.0]] + [[5.0], [50.0]], 0) - (
        x * [[2.0], [20.0]] + [[5.0], [50.0]]
    )
    assert 7 < noise[1].std() / noise[0].std() < 14  # ten times the standard deviation, ten times the noise

    spec = SPECS[DataType.TABULAR]
    row = tensor_batch(DataType.TABULAR)[0]
    policy = Policy("tabular", [Step.of("gaussian_noise", std=0.1)], input=spec)
    out = policy.transform(input=spec)(row, 0)
    assert bool((out[:3] != row[:3]).all()) and torch.equal(out[3:], row[3:])
    codes = dataclasses.replace(spec, layout=(4,), numeric=(0, 1), onehot=(), codes=(2, 3), flags=())
    parts = {"numeric": np.zeros(2, np.float32), "categorical": np.array([3, 700]), "id": "a"}
    changed = policy.transform(input=codes)(parts, 0)
    assert changed["categorical"].tolist() == [3, 700] and changed["categorical"].dtype == np.int64
    assert (changed["numeric"] != 0).all() and changed["id"] == "a" and not parts["numeric"].any()
    with pytest.raises(AttachError, match="the rows have 5 columns, and the policy describes 4"):
        policy.transform(input=codes)(np.zeros(5), 0)


def test_strings_get_the_noise_of_the_raw_transform() -> None:
    policy = Policy("text", [Step.of("character_typos", fraction=0.3, magnitude="uniform", probability=0.7)])
    words = "so that every sentence is long enough to change"
    raw, transform = policy.raw_transform(seed=5), policy.transform(seed=5)
    texts = [f"{words} {i}" for i in range(20)]
    assert transform.many(texts, range(20)) == raw.many(texts, range(20))
    assert transform(words) == transform(words)


def test_what_is_left_is_said_once_and_done_by_the_injector(caplog: pytest.LogCaptureFixture) -> None:
    policy = Policy(
        "image", [Step.of("gaussian_noise", std=0.2), Step.of("label_smoothing", smoothing=0.1), Step.of("mixup")]
    )
    with caplog.at_level(logging.WARNING, "autonoise"):
        transform = policy.transform(epochs=2)
    assert len(caplog.records) == 1
    assert "does gaussian_noise; it leaves to the injector label_smoothing (target stage), mixup (pair stage)" in (
        caplog.text
    )
    assert [s.name for s in transform.left] == ["label_smoothing", "mixup"]
    model = nn.Sequential(nn.Flatten(), nn.Linear(16, 3))
    with policy.attach(model, epochs=2, steps_per_epoch=1, done_in_data=transform) as injector:
        assert [s.name for s in injector.policy.steps] == ["label_smoothing", "mixup"]
        x = torch.rand(8, 1, 4, 4)
        noisy, y = injector.perturb(x, torch.arange(8) % 3)
        assert y.shape == (8, 3)
        assert isinstance(noisy, torch.Tensor)
        # mixed only: no row leaves the hull of the batch
        assert float(noisy.max()) <= float(x.max()) and float(noisy.min()) >= float(x.min())
        # one knob for both
        injector.set_strength(0.0)
        assert torch.equal(transform(x[0], 0), x[0])


def test_a_transform_of_another_policy_is_refused() -> None:
    policy = Policy("image", [Step.of("gaussian_noise", std=0.2)])
    model = nn.Linear(4, 2)
    refused: list[tuple[dict[str, Any], str]] = [
        ({"done_in_data": NOISE.transform(epochs=1)}, "not of"),
        ({"done_in_data": policy.transform(epochs=3)}, r"policy\.transform\(epochs=1\)"),
        ({"done_in_data": policy.raw_transform()}, "must be what policy.transform"),
        ({"raw_transform": policy.transform(epochs=1)}, "of policy"),
        ({"done_in_data": policy.transform(), "raw_transform": policy.raw_transform()}, "alone"),
    ]
    for arguments, message in refused:
        with pytest.raises(AttachError, match=message):
            policy.attach(model, epochs=1, steps_per_epoch=1, **arguments)


def test_noise_on_small_steps_of_bytes_is_told(caplog: pytest.LogCaptureFixture) -> None:
    transform = Policy("image", [Step.of("gaussian_noise", std=1e-4)]).transform()
    with caplog.at_level(logging.WARNING, "autonoise"):
        transform(PIXELS, 0)
        transform(PIXELS, 1)
    assert caplog.text.count("rounded away") == 1
    caplog.clear()
    weak = Policy("image", [Step.of("gaussian_noise", std=0.1)], strength=1e-3).transform()
    weak(PIXELS, 0)
    assert not caplog.records  # as strong as it is meant to be


INPUT = [(k, d) for k in techniques_for() for d in sorted(k.data_types) if k.stage is Stage.INPUT and d != "text"]


@pytest.mark.parametrize(("kind", "data_type"), INPUT, ids=[f"{k.name}-{d}" for k, d in INPUT])
def test_every_input_technique_either_acts_on_one_row_or_says_that_it_needs_others(
    kind: Any, data_type: DataType
) -> None:
    spec = SPECS[data_type]
    policy = Policy(data_type, [Step(kind())], input=spec)
    transform = policy.transform(input=spec)
    sample = tensor_batch(data_type)[0]
    changed = any(not torch.equal(transform(sample, i), sample) for i in range(40))
    assert changed is not kind.needs_other_rows
    assert bool(transform.left) is kind.needs_other_rows
    if kind.needs_other_rows:
        # it would do nothing on a batch of one row, whatever is drawn
        step = Step(kind(fraction=1.0))
        assert all(torch.equal(step(sample[None], seed=i, input=spec), sample[None]) for i in range(20))


def test_input_noise_stays_with_the_injector_where_a_step_draws_it_again() -> None:
    policy = Policy("image", [Step.of("gaussian_noise", std=0.2), Step.of("two_view_consistency")])
    transform = policy.transform()
    assert [s.name for s in transform.left] == ["gaussian_noise", "two_view_consistency"] and not transform.steps


def test_a_text_in_a_mapping() -> None:
    transform = Policy("text", [Step.of("character_typos", fraction=0.5)]).transform(seed=3)
    text = "the old dog sees a red cat"
    row = {"label": 1, "sentence": text}
    noisy = transform(row, 4)
    assert noisy == {"label": 1, "sentence": transform(text, 4)} and noisy["sentence"] != text
    assert row == {"label": 1, "sentence": text}
    # without an index its content decides
    assert transform({"text": text}) == transform({"text": text})
    assert content_key({"text": text}) != content_key({"text": text[1:]})
    with pytest.raises(AttachError, match="is a string, or has one under text or sentence, but this one has words"):
        transform({"words": text}, 0)
