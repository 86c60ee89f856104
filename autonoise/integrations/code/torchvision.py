"""Steps as transforms of torchvision's v2: tensors (..., C, H, W) of floats in 0..1."""

from __future__ import annotations

import math

from autonoise.integrations.code.expression import CannotExpressError, Expression, Library, Setting, call, rounded


def _with_probability(s: Setting, *parts: str, note: str = "") -> Expression:
    """Transforms that always act, as ones that act together with the step's probability."""
    if s.p >= 1 and len(parts) == 1:
        return Expression(parts[0], note)
    return Expression(f"T.RandomApply([{', '.join(parts)}], p={s.p})", note)


def _on_bytes(s: Setting, part: str, note: str = "") -> Expression:
    """A transform for images of bytes among those for floats."""
    there, back = (f"T.ToDtype(torch.{dtype}, scale=True)" for dtype in ("uint8", "float32"))
    return Expression(f"T.RandomApply([{there}, {part}, {back}], p={s.p})", note)


def _gaussian_noise(s: Setting) -> Expression:
    return _with_probability(s, call("T.GaussianNoise", mean=0.0, sigma=s.amount(s.std), clip=True))


def _blur(s: Setting) -> Expression:
    low, high = s.pixels(s.sigma)
    width = min(2 * math.ceil(3 * high) + 1, 2 * ((min(s.size) - 1) // 2) + 1)
    blur = call("T.GaussianBlur", kernel_size=width, sigma=(max(low, 0.01), max(high, 0.01)))
    return _with_probability(s, blur, note=f"for images of {min(s.size)} pixels")


def _jpeg(s: Setting) -> Expression:
    worst = max(round(100 - s.strength * (100 - s.quality)), 1)
    jpeg = call("T.JPEG", quality=(worst, worst if s.fixed else 100))
    return _on_bytes(s, jpeg, "it halves the resolution of the colours")


def _cutout(s: Setting) -> Expression:
    fill, note = s.filling
    height, width = s.size
    share = rounded((s.amount(s.side) * min(height, width)) ** 2 / (height * width))
    if share > 1:
        raise CannotExpressError("the square is larger than the image")
    return Expression(
        call("T.RandomErasing", p=s.p, scale=(share, share), ratio=(1.0, 1.0), value=fill),
        "; ".join(["the square lies inside the image, so that it covers more of it", *([note] if note else [])]),
    )


def _random_erasing(s: Setting) -> Expression:
    scale, ratio = (s.amount(0.02), s.amount(s.area)), (0.3, rounded(1 / 0.3))
    return Expression(
        call("T.RandomErasing", p=s.p, scale=scale, ratio=ratio, value="random"),
        "it fills with normal noise, not with uniform noise in 0..1",
    )


def _random_crop(s: Setting) -> Expression:
    height, width = s.size
    down, across = (round(s.amount(s.padding) * side) for side in (height, width))
    mode = "reflect" if s.fill == "reflection" else "constant"
    crop = call("T.RandomCrop", size=(height, width), padding=(across, down, across, down), padding_mode=mode)
    return _with_probability(s, crop, note=f"for images of {height} x {width} pixels")


def _horizontal_flip(s: Setting) -> Expression:
    return Expression(call("T.RandomHorizontalFlip", p=rounded(s.p * s.chance)))


def _geometric_jitter(s: Setting) -> Expression:
    lean = s.amount(s.shear)
    move = call(
        "T.RandomAffine",
        degrees=s.amount(s.rotation),
        translate=(s.amount(s.translation),) * 2,
        scale=s.around(s.scale, 1.0, 0.1),
        shear=(-lean, lean) if s.shear else None,
    )
    move = move[:-1] + ", interpolation=T.InterpolationMode.BILINEAR)"
    notes = ["what comes from outside the image is black"] if s.fill != "zeros" else []
    notes += ["shear and rotation are done in another order"] if s.shear else []
    return _with_probability(s, move, note="; ".join(notes))


def _colour_jitter(s: Setting) -> Expression:
    turn = rounded(s.amount(s.hue) / 360)
    jitter = call(
        "T.ColorJitter",
        brightness=s.around(s.brightness),
        contrast=s.around(s.contrast),
        saturation=s.around(s.saturation),
        hue=(-turn, turn),
    )
    return _with_probability(s, jitter, note="hue is turned in HSV instead of YIQ; the four parts come in random order")


def _photometric_jitter(s: Setting) -> Expression:
    raise CannotExpressError("it has no random gamma, and its brightness multiplies where the step adds")


def _solarise(s: Setting) -> Expression:
    if s.amount(1.0) < 1:
        raise CannotExpressError("it inverts pixels whole, and the step in part")
    return Expression(call("T.RandomSolarize", threshold=s.threshold, p=s.p))


def _trivial_augment(s: Setting) -> Expression:
    if s.amount(s.level) != 1:
        raise CannotExpressError("its range is the whole one, and the step has a part of it")
    return _on_bytes(s, "T.TrivialAugmentWide()", "it draws one of 31 amounts")


def _augmix(s: Setting) -> Expression:
    severity = s.severity
    if s.amount(1.0) != 1 or severity != int(severity) or s.depth != 3:
        raise CannotExpressError("it takes whole severities, chains of 1 to 3 operations, and full strength alone")
    mix = call("T.AugMix", severity=int(severity), mixture_width=s.width, alpha=s.alpha, all_ops=False)
    return _on_bytes(s, mix)


LIBRARY = Library(
    name="torchvision",
    data_type="image",
    imports="import torch\nfrom torchvision.transforms import v2 as T",
    opening="transform = T.Compose(\n    [",
    closing="    ]\n)",
    takes="transform(image) takes a tensor (C, H, W) of floats in 0..1, before it is normalised",
    writers={
        "gaussian_noise": _gaussian_noise,
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
        "trivial_augment": _trivial_augment,
        "augmix": _augmix,
    },
)
