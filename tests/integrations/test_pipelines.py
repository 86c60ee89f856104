"""A policy's transform among those of albumentations and audiomentations."""

from __future__ import annotations

import os
import pickle
from typing import Any

import numpy as np
import pytest

from autonoise.errors import AttachError
from autonoise.policy import Policy, Step

# albumentations would ask the network whether there is a newer version of it
os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"
pytestmark = pytest.mark.filterwarnings("ignore")  # the libraries warn of their own dependencies

NOISE = Policy("image", [Step.of("gaussian_noise", std=0.1)])
PIXELS = np.random.default_rng(0).integers(60, 190, (16, 12, 3), dtype=np.uint8)
CLIP = (0.2 * np.sin(np.arange(4000) / 9)).astype(np.float32)


def test_in_albumentations() -> None:
    albumentations = pytest.importorskip("albumentations")
    from autonoise.integrations.albumentations import NoiseTransform

    transform = NOISE.transform(epochs=2, seed=3)
    compose = albumentations.Compose([albumentations.HorizontalFlip(p=1.0), NoiseTransform(transform)])
    mask = np.arange(16 * 12).reshape(16, 12)
    out = compose(image=PIXELS, mask=mask)
    assert np.array_equal(out["image"], transform(PIXELS[:, ::-1]))
    assert np.array_equal(out["mask"], mask[:, ::-1])
    assert np.array_equal(compose(image=PIXELS, index=5)["image"], transform(PIXELS[:, ::-1], 5))
    floats = (PIXELS / 255).astype(np.float32)
    noisy = compose(image=floats)["image"]
    assert noisy.dtype == np.float32 and 0.08 < (noisy - floats[:, ::-1]).std() < 0.12
    transform.set_epoch(1)
    assert not np.array_equal(compose(image=PIXELS)["image"], out["image"])
    again = pickle.loads(pickle.dumps(compose))
    assert np.array_equal(again(image=PIXELS)["image"], compose(image=PIXELS)["image"])
    never = albumentations.Compose([NoiseTransform(transform, p=0.0)])
    assert np.array_equal(never(image=PIXELS)["image"], PIXELS)


def test_in_audiomentations() -> None:
    audiomentations = pytest.importorskip("audiomentations")
    from autonoise.integrations.audiomentations import NoiseTransform

    transform = Policy("audio", [Step.of("gaussian_noise", std=0.05)]).transform(seed=3)
    compose = audiomentations.Compose([audiomentations.Gain(-6.0, -6.0, p=1.0), NoiseTransform(transform)])
    out = compose(samples=CLIP, sample_rate=8000)
    assert out.dtype == np.float32
    assert np.array_equal(out, transform(CLIP * np.float32(10 ** (-6 / 20))))
    assert abs((out - CLIP * 10 ** (-6 / 20)).std() - 0.05) < 0.003
    assert compose(samples=CLIP[None], sample_rate=8000).shape == (1, 4000)
    pickle.loads(pickle.dumps(compose))
    with pytest.raises(AttachError, match="mix the channels down"):
        compose(samples=np.stack([CLIP, CLIP]), sample_rate=8000)


def test_the_sample_rate_is_that_of_the_call() -> None:
    pytest.importorskip("audiomentations")
    from autonoise.integrations.audiomentations import NoiseTransform

    room = Policy("audio", [Step.of("reverberation", rt60=0.1, direct_db=0.0)])
    transform: Any = NoiseTransform(room.transform(seed=3))
    click = np.zeros(4000, dtype=np.float32)
    click[100] = 0.9

    def last(out: np.ndarray) -> int:
        return int(np.nonzero(np.abs(out) > 1e-4)[0][-1])

    # an echo of a tenth of a second ends after 800 samples at 8 kHz and after 1600 at 16 kHz
    assert 700 < last(transform(click, 8000)) - 100 <= 800
    assert 1400 < last(transform(click, 16000)) - 100 <= 1600
