"""Steps as transforms of albumentations 2: arrays (H, W, C), of bytes or of float32 in 0..1."""

from __future__ import annotations

from autonoise.integrations.code.expression import CannotExpressError, Expression, Library, Setting, call, rounded

_BORDERS = {"reflection": "cv2.BORDER_REFLECT", "border": "cv2.BORDER_REPLICATE", "zeros": "cv2.BORDER_CONSTANT"}


def _gaussian_noise(s: Setting) -> Expression:
    return Expression(call("A.GaussNoise", std_range=s.span(s.std, 1.0), p=s.p))


def _impulse_noise(s: Setting) -> Expression:
    note = "" if s.colours == 1 else "whole pixels become black or white, not single values of a colour"
    return Expression(call("A.SaltAndPepper", amount=s.span(s.fraction, 1.0), salt_vs_pepper=(0.5, 0.5), p=s.p), note)


def _blur(s: Setting) -> Expression:
    low, high = s.pixels(s.sigma)
    return Expression(
        call("A.GaussianBlur", blur_limit=0, sigma_limit=(low, high), p=s.p), f"for images of {min(s.size)} pixels"
    )


def _jpeg(s: Setting) -> Expression:
    best = 100 if not s.fixed else None
    worst = max(round(100 - s.strength * (100 - s.quality)), 1)
    return Expression(
        call("A.ImageCompression", compression_type="jpeg", quality_range=(worst, best or worst), p=s.p),
        "it halves the resolution of the colours" if s.colours == 3 else "",
    )


def _cutout(s: Setting) -> Expression:
    fill, note = s.filling
    height, width = s.size
    side = s.amount(s.side) * min(height, width)
    if side > min(height, width):
        raise CannotExpressError("the square is larger than the image")
    return Expression(
        call(
            "A.CoarseDropout",
            num_holes_range=(1, 1),
            hole_height_range=(rounded(side / height),) * 2,
            hole_width_range=(rounded(side / width),) * 2,
            fill=fill,
            p=s.p,
        ),
        "; ".join(
            [
                f"for float images, fill={round(255 * fill)} for bytes",
                "the square lies inside the image, so that it covers more of it",
                *([note] if note else []),
            ]
        ),
    )


def _random_erasing(s: Setting) -> Expression:
    return Expression(
        call(
            "A.Erasing", scale=(s.amount(0.02), s.amount(s.area)), ratio=(0.3, rounded(1 / 0.3)), fill="random", p=s.p
        ),
        "the ratio of the sides is uniform, not its logarithm",
    )


def _random_crop(s: Setting) -> Expression:
    height, width = s.size
    down, across = (round(s.amount(s.padding) * side) for side in (height, width))
    border = "cv2.BORDER_REFLECT_101" if s.fill == "reflection" else "cv2.BORDER_CONSTANT"
    pad = f"A.Pad(padding={(across, down, across, down)}, border_mode={border})"
    return Expression(
        f"A.Sequential([{pad}, A.RandomCrop(height={height}, width={width})], p={s.p})",
        f"for images of {height} x {width} pixels",
    )


def _horizontal_flip(s: Setting) -> Expression:
    return Expression(call("A.HorizontalFlip", p=rounded(s.p * s.chance)))


def _geometric_jitter(s: Setting) -> Expression:
    shift, lean = s.amount(s.translation), s.amount(s.shear)
    arguments = (
        f"rotate={s.around(s.rotation, 0.0, -360)}, translate_percent={(-shift, shift)}, "
        f"scale={s.around(s.scale, 1.0, 0.1)}, keep_ratio=True, shear={{'x': {(-lean, lean)}, 'y': (0.0, 0.0)}}, "
        f"border_mode={_BORDERS[s.fill]}"
    )
    notes = ["shifts are cut off to whole pixels"] if shift else []
    notes += ["shear and rotation are done in another order"] if s.shear else []
    return Expression(f"A.Affine({arguments}, p={s.p})", "; ".join(notes))


def _photometric_jitter(s: Setting) -> Expression:
    octaves = s.amount(s.gamma)
    bright = s.amount(s.brightness)
    parts = []
    if octaves:
        parts.append(call("A.RandomGamma", gamma_limit=(rounded(100 * 2**-octaves), rounded(100 * 2**octaves)), p=1.0))
    if s.contrast:
        still = {"brightness": (1.0, 1.0), "saturation": (1.0, 1.0), "hue": (0.0, 0.0)}
        parts.append(call("A.ColorJitter", contrast=s.around(s.contrast), **still, p=1.0))
    if bright:
        limits = {"brightness_limit": (-bright, bright), "contrast_limit": (0.0, 0.0)}
        parts.append(call("A.RandomBrightnessContrast", **limits, brightness_by_max=True, p=1.0))
    if not parts:
        raise CannotExpressError("it changes nothing")
    return Expression(
        f"A.Sequential([{', '.join(parts)}], p={s.p})",
        "gamma is uniform, not its logarithm; values are clipped after each part" if octaves else "",
    )


def _colour_jitter(s: Setting) -> Expression:
    turn = s.amount(s.hue) / 360
    return Expression(
        call(
            "A.ColorJitter",
            brightness=s.around(s.brightness),
            contrast=s.around(s.contrast),
            saturation=s.around(s.saturation),
            hue=(-rounded(turn), rounded(turn)),
            p=s.p,
        ),
        "hue is turned in HSV instead of YIQ; the four parts come in random order",
    )


def _solarise(s: Setting) -> Expression:
    if s.amount(1.0) < 1:
        raise CannotExpressError("it inverts pixels whole, and the step in part")
    return Expression(call("A.Solarize", threshold_range=(s.threshold, s.threshold), p=s.p))


LIBRARY = Library(
    name="albumentations",
    data_type="image",
    imports="import albumentations as A\nimport cv2",
    opening="transform = A.Compose(\n    [",
    closing="    ]\n)",
    takes='transform(image=image)["image"] takes an array (H, W, C), of bytes or of float32 in 0..1',
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
