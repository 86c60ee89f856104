"""What other libraries offer for the same operations, at the same strength: the contestants of throughput.py."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from typing import Any

import albumentations as A
import audiomentations
import kornia.augmentation as K
import librosa
import nlpaug.augmenter.char as nac
import nlpaug.augmenter.word as naw
import numpy as np
import torch
import torch.nn.functional as F
import tsaug
from torch import Tensor

from autonoise.technique.registry import Technique
from autonoise.types import InputSpec

Runs = dict[str, Callable[[], object]]
Plain = dict[str, Callable[[Tensor], object]]


def contestants(name: str, t: Technique, data_type: str, x: Any, spec: InputSpec) -> Runs:
    """By library, a call that does to the batch x what the technique does; empty where no library has it."""
    makers: dict[str, Callable[[str, Any, Any, InputSpec], Runs]] = {
        "image": images,
        "audio": clips,
        "timeseries": series,
        "text": strings,
        "tabular": tables,
    }
    return makers[data_type](name, t, x, spec)


def images(name: str, t: Any, x: Tensor, spec: InputSpec) -> Runs:
    side = min(spec.layout[1:])
    scale, (height, width) = side / 32, spec.layout[1:]
    mixing = torch.arange(len(x)) % 10
    kornia: dict[str, Callable[[], Any]] = {
        "solarise": lambda: K.RandomSolarize((t.threshold, t.threshold), (0.0, 0.0), p=1.0),
        "blur": lambda: K.RandomGaussianBlur(_odd(8 * t.sigma * scale, side), (t.sigma * scale,) * 2, p=1.0),
        "jpeg": lambda: K.RandomJPEG((t.quality, t.quality), p=1.0),
        "random_erasing": lambda: K.RandomErasing((0.02, t.area), p=1.0),
        "photometric_jitter": lambda: K.AugmentationSequential(
            K.ColorJitter(t.brightness, t.contrast, 0.0, 0.0, p=1.0),
            K.RandomGamma((2**-t.gamma, 2**t.gamma), p=1.0),
        ),
        "colour_jitter": lambda: K.ColorJitter(t.brightness, t.contrast, t.saturation, t.hue / 360, p=1.0),
        "impulse_noise": lambda: K.RandomSaltAndPepperNoise(t.fraction, 0.5, p=1.0),
        "gaussian_noise": lambda: K.RandomGaussianNoise(0.0, t.std, p=1.0),
        "geometric_jitter": lambda: K.RandomAffine(
            t.rotation, (t.translation,) * 2, (1 - t.scale, 1 + t.scale), t.shear, padding_mode="reflection", p=1.0
        ),
        "elastic_warp": lambda: K.RandomElasticTransform(p=1.0),
        "horizontal_flip": lambda: K.RandomHorizontalFlip(p=t.chance),
        "random_crop": lambda: K.RandomCrop((height, width), padding=_pixels(t, side), padding_mode="reflect", p=1.0),
        "mixup": lambda: K.RandomMixUpV2(p=1.0),
        "cutmix": lambda: K.RandomCutMixV2(p=1.0),
    }
    albumentations: dict[str, Callable[[], Any]] = {
        "solarise": lambda: A.Solarize((t.threshold, t.threshold), p=1),
        "blur": lambda: A.GaussianBlur(blur_limit=0, sigma_limit=(t.sigma * scale,) * 2, p=1),
        "jpeg": lambda: A.ImageCompression("jpeg", (round(t.quality),) * 2, p=1),
        "random_erasing": lambda: A.Erasing((0.02, t.area), (0.3, 1 / 0.3), "random", p=1),
        "cutout": lambda: A.CoarseDropout((1, 1), (t.side, t.side), (t.side, t.side), fill=127, p=1),
        "photometric_jitter": lambda: A.Compose(
            [
                A.RandomBrightnessContrast(t.brightness, t.contrast, p=1),
                A.RandomGamma((100 * 2**-t.gamma, 100 * 2**t.gamma), p=1),
            ]
        ),
        "colour_jitter": lambda: A.ColorJitter(
            (1 - t.brightness, 1 + t.brightness), (1 - t.contrast, 1 + t.contrast),
            (1 - t.saturation, 1 + t.saturation), (-t.hue / 360, t.hue / 360), p=1,
        ),
        "impulse_noise": lambda: A.SaltAndPepper((t.fraction,) * 2, (0.5, 0.5), p=1),
        "gaussian_noise": lambda: A.GaussNoise((t.std, t.std), p=1),
        "geometric_jitter": lambda: A.Affine(
            (1 - t.scale, 1 + t.scale), translate_percent=(-t.translation, t.translation),
            rotate=(-t.rotation, t.rotation), shear=(-t.shear, t.shear), border_mode=4, p=1,
        ),
        "elastic_warp": lambda: A.ElasticTransform(300 * scale, side / t.knots / 2, approximate=True, p=1),
        "horizontal_flip": lambda: A.HorizontalFlip(p=t.chance),
        "random_crop": lambda: A.Compose([A.Pad(_pixels(t, side), border_mode=4), A.RandomCrop(height, width)]),
    }  # fmt: skip
    runs: Runs = {}
    if name in kornia:
        op = kornia[name]()
        runs["kornia"] = (lambda: op(x, mixing)) if name in ("mixup", "cutmix") else (lambda: op(x))
    if name in albumentations:
        transform = albumentations[name]()
        floats = [np.ascontiguousarray(a.permute(1, 2, 0).numpy()) for a in x]
        pixels = [(255 * a).round().astype(np.uint8) for a in floats]
        runs["albumentations, bytes"] = lambda: [transform(image=p)["image"] for p in pixels]
        if name not in ("jpeg", "cutout"):
            runs["albumentations, floats"] = lambda: [transform(image=p)["image"] for p in floats]
    return runs


def _pixels(t: Any, side: int) -> int:
    return max(1, round(t.padding * side))


def _odd(size: float, side: int) -> int:
    """The nearest odd number, at most what a mirrored border allows."""
    return min(2 * math.ceil(size / 2) + 1, 2 * side - 1)


def clips(name: str, t: Any, x: Tensor, spec: InputSpec) -> Runs:
    rate = spec.sample_rate or 16_000
    makers: dict[str, Callable[[], Any]] = {
        "gaussian_snr": lambda: audiomentations.AddGaussianSNR(t.snr_db, t.snr_db, p=1.0),
        "gaussian_noise": lambda: audiomentations.AddGaussianNoise(t.std, t.std, p=1.0),
        "coloured_noise": lambda: audiomentations.AddColorNoise(t.snr_db, t.snr_db, -3.01, -3.01, p=1.0),
        "gain": lambda: audiomentations.Gain(-t.gain_db, t.gain_db, p=1.0),
        "time_shift": lambda: audiomentations.Shift(-t.fraction, t.fraction, rollover=False, fade_duration=0.0, p=1.0),
        "temporal_dropout": lambda: audiomentations.TimeMask(t.span, t.span, fade_duration=0.0, p=1.0),
        "clipping_distortion": lambda: audiomentations.ClippingDistortion(
            round(100 * t.fraction), round(100 * t.fraction), p=1.0
        ),
        "band_limit": lambda: audiomentations.LowPassFilter(0.2 * rate, 0.45 * rate, p=1.0),
        "pitch_shift": lambda: audiomentations.PitchShift(-t.semitones, t.semitones, p=1.0),
        "time_stretch": lambda: audiomentations.TimeStretch(1 / (1 + t.change), 1 + t.change, p=1.0),
        "speed_perturbation": lambda: audiomentations.Resample(
            round(rate * (1 - t.change)), round(rate * (1 + t.change)), p=1.0
        ),
        "random_equaliser": lambda: audiomentations.SevenBandParametricEQ(-t.gain_db, t.gain_db, p=1.0),
    }
    array = x.numpy()
    if name == "mu_law":
        levels = 2**t.bits - 1

        def companded() -> object:
            return librosa.mu_expand(librosa.mu_compress(array, mu=levels), mu=levels)

        crush = audiomentations.BitCrush(t.bits, t.bits, p=1.0)
        return {
            "librosa": companded,
            "audiomentations, BitCrush": lambda: [crush(samples=a, sample_rate=rate) for a in array],
        }
    if name == "horizontal_flip" or name not in makers:
        return {}
    transform = makers[name]()
    return {"audiomentations": lambda: [transform(samples=a, sample_rate=rate) for a in array]}


def series(name: str, t: Any, x: Tensor, spec: InputSpec) -> Runs:
    length = x.shape[-1]
    array = np.ascontiguousarray(x.numpy().transpose(0, 2, 1))  # tsaug wants (rows, steps, channels)
    makers: dict[str, Callable[[], Any]] = {
        "gaussian_noise": lambda: tsaug.AddNoise(scale=t.std, normalize=False),
        "drift": lambda: tsaug.Drift(max_drift=t.size, n_drift_points=t.points),
        "temporal_dropout": lambda: tsaug.Dropout(p=t.rate, size=max(1, round(t.span * length)), fill=0.0),
        "time_warp": lambda: tsaug.TimeWarp(n_speed_change=t.knots, max_speed_ratio=3),
        "speed_change": lambda: tsaug.TimeWarp(n_speed_change=t.stretches, max_speed_ratio=t.ratio),
        "window_slice": lambda: tsaug.Crop(size=max(1, round(t.window * length)), resize=length),
    }
    plain: Plain = {
        "magnitude_scaling": lambda a: a * (1 + t.sigma * torch.randn(*a.shape[:2], 1)),
        "time_shift": lambda a: torch.stack([torch.roll(r, s, -1) for r, s in zip(a, _shifts(t, a), strict=True)]),
        "channel_dropout": lambda a: a * (torch.rand(*a.shape[:2], 1) > t.rate),
        "spike_noise": lambda a: a + t.height * (torch.rand_like(a) < t.rate) * torch.randn_like(a).sign(),
        "mixup": lambda a: torch.lerp(a[torch.randperm(len(a))], a, _beta(t, a)),
    }
    if name in makers:
        augmenter = makers[name]()
        return {"tsaug": lambda: augmenter.augment(array)}
    return {"plain torch": lambda: plain[name](x)} if name in plain else {}


def _shifts(t: Any, a: Tensor) -> list[int]:
    return ((2 * torch.rand(len(a)) - 1) * t.fraction * a.shape[-1]).long().tolist()


def _beta(t: Any, a: Tensor) -> Tensor:
    shares = torch.distributions.Beta(t.alpha, t.alpha).sample((len(a),))
    return shares.reshape(-1, *[1] * (a.ndim - 1))


def strings(name: str, t: Any, x: list[str], spec: InputSpec) -> Runs:
    shares = {"aug_min": 1, "aug_max": None}
    makers: dict[str, Callable[[], Any]] = {
        "word_swap": lambda: naw.RandomWordAug("swap", aug_p=t.fraction, **shares),
        "eda": lambda: naw.RandomWordAug("delete", aug_p=t.alpha, **shares),
        "character_typos": lambda: nac.RandomCharAug("substitute", aug_char_p=0.3, aug_word_p=t.fraction),
        "keyboard_typos": lambda: nac.KeyboardAug(aug_char_p=0.3, aug_word_p=t.fraction),
        "character_confusion": lambda: nac.OcrAug(aug_char_p=0.3, aug_word_p=t.fraction),
        "spacing_noise": lambda: naw.SplitAug(aug_p=t.fraction),
    }
    plain = {"word_swap": _swapped, "eda": _eda, "aeda": _aeda}
    runs: Runs = {}
    if name in makers:
        augmenter = makers[name]()
        runs["nlpaug"] = lambda: [augmenter.augment(s) for s in x]
    if name in plain:
        share = t.alpha if name == "eda" else t.fraction
        runs["plain Python"] = lambda: [plain[name](s, share) for s in x]
    return runs


def _swapped(text: str, share: float) -> str:
    words = text.split()
    for i in range(len(words) - 1):
        if random.random() < share / 2:
            words[i], words[i + 1] = words[i + 1], words[i]
    return " ".join(words)


def _eda(text: str, share: float) -> str:
    """Random swap, one of the four operations of the paper's code, which are about equally quick."""
    words = text.split()
    for _ in range(max(1, int(share * len(words)))):
        i, j = random.randrange(len(words)), random.randrange(len(words))
        words[i], words[j] = words[j], words[i]
    return " ".join(words)


def _aeda(text: str, share: float) -> str:
    """As in the paper's code."""
    words = text.split(" ")
    chosen = set(random.sample(range(len(words)), random.randint(1, int(share * len(words) + 1))))
    out = []
    for i, word in enumerate(words):
        if i in chosen:
            out.append(random.choice(".;?:!,"))
        out.append(word)
    return " ".join(out)


def tables(name: str, t: Any, x: Tensor, spec: InputSpec) -> Runs:
    def swapped(a: Tensor) -> Tensor:
        other = a.gather(0, torch.randint(len(a), a.shape))
        return torch.where(torch.rand_like(a) < t.fraction, other, a)

    plain: Plain = {
        "gaussian_noise": lambda a: a + t.std * torch.randn_like(a),
        "feature_scaling": lambda a: a * (1 + t.sigma * torch.randn_like(a)),
        "feature_masking": lambda a: F.dropout(a, t.fraction),
        "swap_noise": swapped,
        "mixup": lambda a: torch.lerp(a[torch.randperm(len(a))], a, _beta(t, a)),
    }
    return {"plain torch": lambda: plain[name](x)} if name in plain else {}
