"""Steps as augmentations of kornia: batches (B, C, H, W) of floats in 0..1, on any device."""

from __future__ import annotations

import math

from autonoise.integrations.code.expression import CannotExpressError, Expression, Library, Setting, call, rounded

_BORDERS = {"reflection": "reflection", "border": "border", "zeros": "zeros"}


def _gaussian_noise(s: Setting) -> Expression:
    return Expression(
        call("K.RandomGaussianNoise", mean=0.0, std=s.amount(s.std), p=s.p), "values are not clipped: clamp to 0..1"
    )


def _impulse_noise(s: Setting) -> Expression:
    note = "" if s.colours == 1 else "whole pixels become black or white, not single values of a colour"
    return Expression(
        call("K.RandomSaltAndPepperNoise", amount=s.span(s.fraction, 1.0), salt_vs_pepper=(0.5, 0.5), p=s.p), note
    )


def _blur(s: Setting) -> Expression:
    low, high = s.pixels(s.sigma)
    width = min(2 * math.ceil(3 * high) + 1, 2 * ((min(s.size) - 1) // 2) + 1)
    return Expression(
        call("K.RandomGaussianBlur", kernel_size=(width, width), sigma=(max(low, 0.01), max(high, 0.01)), p=s.p),
        f"for images of {min(s.size)} pixels",
    )


def _jpeg(s: Setting) -> Expression:
    worst = max(rounded(100 - s.strength * (100 - s.quality)), 1.0)
    if s.colours != 3:
        raise CannotExpressError("it takes images of three colours only")
    return Expression(
        call("K.RandomJPEG", jpeg_quality=(worst, worst if s.fixed else 100.0), p=s.p),
        "it halves the resolution of the colours",
    )


def _cutout(s: Setting) -> Expression:
    fill, note = s.filling
    height, width = s.size
    share = rounded((s.amount(s.side) * min(height, width)) ** 2 / (height * width))
    if share > 1:
        raise CannotExpressError("the square is larger than the image")
    return Expression(
        call("K.RandomErasing", scale=(share, share), ratio=(1.0, 1.0), value=fill, p=s.p),
        "; ".join(["the square lies inside the image, so that it covers more of it", *([note] if note else [])]),
    )


def _random_erasing(s: Setting) -> Expression:
    raise CannotExpressError("it fills with one value, and the step with noise")


def _random_crop(s: Setting) -> Expression:
    height, width = s.size
    down, across = (round(s.amount(s.padding) * side) for side in (height, width))
    mode = "reflect" if s.fill == "reflection" else "constant"
    return Expression(
        call("K.RandomCrop", size=(height, width), padding=(across, down, across, down), padding_mode=mode, p=s.p),
        f"for images of {height} x {width} pixels",
    )


def _horizontal_flip(s: Setting) -> Expression:
    return Expression(call("K.RandomHorizontalFlip", p=rounded(s.p * s.chance)))


def _geometric_jitter(s: Setting) -> Expression:
    return Expression(
        call(
            "K.RandomAffine",
            degrees=s.amount(s.rotation),
            translate=(s.amount(s.translation),) * 2,
            scale=s.around(s.scale, 1.0, 0.1),
            shear=(-s.amount(s.shear), s.amount(s.shear)) if s.shear else None,
            padding_mode=_BORDERS[s.fill],
            p=s.p,
        ),
        "shear and rotation are done in another order" if s.shear else "",
    )


def _photometric_jitter(s: Setting) -> Expression:
    octaves = s.amount(s.gamma)
    parts = []
    if octaves:
        parts.append(call("K.RandomGamma", gamma=(rounded(2**-octaves), rounded(2**octaves)), p=1.0))
    if s.contrast:
        parts.append(call("K.ColorJitter", contrast=s.around(s.contrast), p=1.0))
    if s.brightness:
        parts.append(call("K.RandomBrightness", brightness=s.around(s.brightness), p=1.0))
    if s.p < 1:
        raise CannotExpressError("its parts would act each by itself, and not together with the step's probability")
    notes = ["gamma is uniform, not its logarithm"] if octaves else []
    return Expression(", ".join(parts), "; ".join([*notes, "values are clipped after each part"]))


def _colour_jitter(s: Setting) -> Expression:
    return Expression(
        call(
            "K.ColorJitter",
            brightness=s.around(s.brightness),
            contrast=s.around(s.contrast),
            saturation=s.around(s.saturation),
            # kornia counts the hue in turns, as torchvision does
            hue=(-rounded(s.amount(s.hue) / 360), rounded(s.amount(s.hue) / 360)),
            p=s.p,
        ),
        "hue is turned in HSV instead of YIQ; the four parts come in random order",
    )


def _solarise(s: Setting) -> Expression:
    if s.amount(1.0) < 1:
        raise CannotExpressError("it inverts pixels whole, and the step in part")
    return Expression(call("K.RandomSolarize", thresholds=(s.threshold, s.threshold), additions=(0.0, 0.0), p=s.p))


LIBRARY = Library(
    name="kornia",
    data_type="image",
    imports="import kornia.augmentation as K",
    opening="transform = K.AugmentationSequential(\n    *[",
    closing='    ],\n    data_keys=["input"],\n)',
    takes="transform(images) takes a batch (B, C, H, W) of floats in 0..1",
    writers={
        "gaussian_noise": _gaussian_noise,
        "impulse_noise": _impulse_noise,
        "blur": _blur,
        "jpeg": _jpeg,
        "cutout": _cutout,
        "random_erasing": _random_erasing,
        "random_crop": _random_crop,
        "horizontal_flip": _horizontal_flip,
        "geometric_jitter": _geometric_jitter,
        "photometric_jitter": _photometric_jitter,
        "colour_jitter": _colour_jitter,
        "solarise": _solarise,
    },
)
