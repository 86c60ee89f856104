"""What other libraries do to rows, for policy_quality.py: their usual recipes to train with, their corruptions to judge by.

Every function works on rows as ``autonoise.data`` holds them: pictures uint8 (N, H, W, C), clips float32 (N, T), texts a
list, tables a frame; series are standardised first, float32 (N, C, L). Each corruption comes with the family of noise in
autonoise's words, which tells in the results what a policy has met in training. tab_err 0.2.1 wants pandas below 2.4 and
draws no cells with pandas 3, so which cells are wrong is drawn here, and what becomes of them is its own.
"""

from __future__ import annotations

import logging
import random
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

Change = Callable[[Any], Any]
"""Rows in, changed rows out, as many and of the same kind."""

BY_HAND = {"tabular": ("swap noise 15 %", "mixup 0.2")}
"""Recipes that no library has: the training loop does them by formula (Jahrer 2017; Zhang et al. 2018)."""
AS_POLICY = {
    "image": ("AugMix",),
    "audio": ("SpecAugment", "speed and background noise"),
    "timeseries": ("jitter and scaling",),
}
"""Published recipes that act inside the model or its loss, or that no library installs: autonoise's presets of that name."""


def seeded(seed: int) -> None:
    """These libraries draw from global generators."""
    import torch

    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


def recipes(data_type: str, sample_rate: int | None) -> dict[str, Change]:
    """Name to one augmented copy of all rows."""
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    made: dict[str, Callable[[int | None], dict[str, Change]]] = {
        "image": lambda _: _image_recipes(), "text": lambda _: _text_recipes(), "audio": _audio_recipes,
        "timeseries": lambda _: _series_recipes(), "tabular": lambda _: {},
    }  # fmt: skip
    return made[data_type](sample_rate)


def corruptions(data_type: str, sample_rate: int | None) -> dict[str, tuple[str, Change]]:
    """Name to (family, change)."""
    made: dict[str, Callable[[int | None], dict[str, tuple[str, Change]]]] = {
        "image": lambda _: _image_corruptions(), "text": lambda _: _text_corruptions(), "audio": _audio_corruptions,
        "timeseries": lambda _: _series_corruptions(), "tabular": lambda _: _table_corruptions(),
    }  # fmt: skip
    return made[data_type](sample_rate)


def _pictures(transform: Any) -> Change:
    """Albumentations picture by picture; grey ones as three equal channels, which some transforms need."""

    def change(rows: Any) -> Any:
        grey = rows.shape[-1] == 1
        out = [transform(image=np.ascontiguousarray(np.repeat(r, 3, -1) if grey else r))["image"] for r in rows]
        found = np.stack(out)
        return found.mean(-1, keepdims=True).round().astype(np.uint8) if grey else found

    return change


def _image_recipes() -> dict[str, Change]:
    import albumentations as A
    import torch
    from kornia.augmentation.auto import TrivialAugment

    def classification(rows: Any) -> Any:
        """The steps of its guide "Choosing augmentations" in their order: crop, flip, dropout, affine, light."""
        height, width = rows.shape[1:3]
        side = max(2, min(height, width) // 7)
        chain = A.Compose(
            [
                A.Pad(max(1, side // 2), border_mode=4), A.RandomCrop(height, width), A.HorizontalFlip(p=0.5),
                A.CoarseDropout((1, 8), (1, side), (1, side), p=0.5),
                A.Affine(scale=(0.8, 1.2), rotate=(-15, 15), p=0.7), A.RandomBrightnessContrast(p=0.2),
            ],
            seed=random.randrange(2**31),
        )  # fmt: skip
        return _pictures(chain)(rows)

    def trivial(rows: Any) -> Any:
        grey, augment = rows.shape[-1] == 1, TrivialAugment()
        x = torch.from_numpy(np.repeat(rows, 3, -1) if grey else rows).permute(0, 3, 1, 2).float() / 255
        # each call draws one operation for its batch, and the paper draws one for each picture
        out = torch.cat([augment(x[i : i + 1]) for i in range(len(x))]).clamp(0, 1).mul(255).round()
        found = out.permute(0, 2, 3, 1).numpy()
        return (found.mean(-1, keepdims=True).round() if grey else found).astype(np.uint8)

    return {"albumentations, classification": classification, "kornia, TrivialAugment": trivial}


def _image_corruptions() -> dict[str, tuple[str, Change]]:
    import albumentations as A

    found = {
        "shot noise": ("independent", A.ShotNoise((0.1, 0.3), p=1)),
        "motion blur": ("blur", A.MotionBlur((5, 9), p=1)),
        "zoom blur": ("blur", A.ZoomBlur((1.1, 1.4), p=1)),
        "glass blur": ("blur", A.GlassBlur(0.7, 2, 1, p=1)),
        "JPEG": ("compression", A.ImageCompression("jpeg", (5, 20), p=1)),
        "spatter": ("occlusion", A.Spatter(p=1)),
        "plasma shadow": ("photometric", A.PlasmaShadow((0.4, 0.8), plasma_size=64, p=1)),
        "grid distortion": ("geometric", A.GridDistortion(4, (-0.5, 0.5), p=1)),
    }
    return {n: (f, _pictures(A.Compose([t], seed=11 + i))) for i, (n, (f, t)) in enumerate(found.items())}


def _texts(augmenter: Any, share: float = 1.0) -> Change:
    def one(text: str) -> str:
        if random.random() >= share or not text.strip():
            return text
        found = augmenter.augment(text)
        return str(found[0]) if found else text

    return lambda rows: [one(t) for t in rows]


def _text_recipes() -> dict[str, Change]:
    import nlpaug.augmenter.char as nac
    import nlpaug.augmenter.word as naw

    keyboard, insert = _texts(nac.KeyboardAug(), 0.5), _texts(nac.RandomCharAug("insert"), 0.5)
    words = [_texts(naw.RandomWordAug(a, aug_p=0.1)) for a in ("swap", "delete")]

    def eda(rows: Any) -> Any:
        """Four copies of five are changed, as in EDA; synonyms and insertions need WordNet, and are left out."""
        return [random.choice(words)([t])[0] if random.random() < 0.8 else t for t in rows]

    return {
        "nlpaug, keyboard": keyboard,
        "nlpaug, keyboard and characters": lambda rows: insert(keyboard(rows)),
        "nlpaug, EDA without synonyms": eda,
    }


def _text_corruptions() -> dict[str, tuple[str, Change]]:
    import nlpaug.augmenter.char as nac
    import nlpaug.augmenter.word as naw

    return {
        "keyboard": ("character_edit", _texts(nac.KeyboardAug())),
        "characters swapped": ("character_edit", _texts(nac.RandomCharAug("swap"))),
        "OCR": ("character_confusion", _texts(nac.OcrAug())),
        "misspelling": ("character_confusion", _texts(naw.SpellingAug())),
        "split words": ("spacing", _texts(naw.SplitAug())),
        "words swapped": ("token_order", _texts(naw.RandomWordAug("swap"))),
        "words deleted": ("token_edit", _texts(naw.RandomWordAug("delete"))),
    }


def _clips(transform: Any, rate: int) -> Change:
    def change(rows: Any) -> Any:
        return np.stack([transform(samples=np.ascontiguousarray(r), sample_rate=rate)[: len(r)] for r in rows])

    return change


def _audio_recipes(rate: int | None) -> dict[str, Change]:
    import audiomentations as A

    assert rate is not None
    chain = A.Compose(
        [A.AddGaussianNoise(0.001, 0.015, p=0.5), A.TimeStretch(0.8, 1.25, p=0.5), A.PitchShift(-4, 4, p=0.5),
         A.Shift(p=0.5)]
    )  # fmt: skip
    return {"audiomentations, README": _clips(chain, rate)}


def _audio_corruptions(rate: int | None) -> dict[str, tuple[str, Change]]:
    import audiomentations as A

    assert rate is not None
    found = {
        "coloured noise": ("independent", A.AddColorNoise(0.0, 15.0, p=1)),
        "tanh distortion": ("saturation", A.TanhDistortion(0.4, 0.9, p=1)),
        "low pass": ("band_limit", A.LowPassFilter(300, 1000, p=1)),
        "band stop": ("band_limit", A.BandStopFilter(300, 2000, p=1)),
        "bit crush": ("quantisation", A.BitCrush(4, 6, p=1)),
        "time mask": ("occlusion", A.TimeMask(0.2, 0.5, p=1)),
        "aliasing": ("resampling", A.Aliasing(1500, 3500, p=1)),
        "gain transition": ("gain", A.GainTransition(-24, 6, 0.2, 0.8, p=1)),
    }
    return {n: (f, _clips(t, rate)) for n, (f, t) in found.items()}


def _series(augmenter: Any) -> Change:
    """tsaug wants (rows, steps, channels)."""
    return lambda rows: augmenter.augment(rows.transpose(0, 2, 1).copy()).transpose(0, 2, 1).astype(np.float32)


def _series_recipes() -> dict[str, Change]:
    import tsaug

    def warped(rows: Any) -> Any:
        chain = tsaug.TimeWarp() + tsaug.Drift(max_drift=(0.1, 0.5)) @ 0.8 + tsaug.AddNoise(scale=(0.0, 0.05)) @ 0.5
        return _series(chain)(rows)

    def first_steps(rows: Any) -> Any:
        """The chain of its README, cropped windows brought back to the old length."""
        length = rows.shape[-1]
        crop = tsaug.Crop(size=max(2, round(0.8 * length)), resize=length)
        chain = (
            tsaug.TimeWarp() + crop + tsaug.Quantize(n_levels=[10, 20, 30])
            + tsaug.Drift(max_drift=(0.1, 0.5)) @ 0.8 + tsaug.Reverse() @ 0.5
        )  # fmt: skip
        return _series(chain)(rows)

    return {"tsaug, time warp, drift, noise": warped, "tsaug, README": first_steps}


def _series_corruptions() -> dict[str, tuple[str, Change]]:
    import tsaug

    found = {
        "noise": ("independent", tsaug.AddNoise(scale=(0.05, 0.2))),
        "drift": ("low_frequency", tsaug.Drift(max_drift=(0.2, 0.8))),
        "dropout": ("missingness", tsaug.Dropout(p=0.05, size=(3, 10), fill=0.0)),
        "pool": ("resampling", tsaug.Pool(size=(3, 8))),
        "quantise": ("quantisation", tsaug.Quantize(n_levels=(4, 8))),
        "time warp": ("time_warp", tsaug.TimeWarp(n_speed_change=3, max_speed_ratio=(2.0, 5.0))),
        "smoothing": ("blur", tsaug.Convolve(size=(7, 15))),
    }
    return {n: (f, _series(t)) for n, (f, t) in found.items()}


def _table_corruptions() -> dict[str, tuple[str, Change]]:
    try:
        import tab_err.error_type as errors
    except ImportError:
        print("tab_err is not installed (pip install --no-deps tab-err): tables are judged without third-party errors")
        return {}
    import pandas as pd

    def wrong(make: Callable[[Any], Any], share: float) -> Change:
        def change(rows: Any) -> Any:
            rng, out = np.random.default_rng(np.random.randint(2**31)), rows.copy()
            for column in rows.columns:
                if not pd.api.types.is_numeric_dtype(rows[column].dtype):
                    continue
                mask = pd.DataFrame(False, index=rows.index, columns=rows.columns)
                mask[column] = rng.random(len(rows)) < share
                out[column] = make(rows[column]).apply(rows, mask, column).astype(float)
            return out

        return change

    def config(**values: Any) -> Any:
        return errors.ErrorTypeConfig(**values)

    return {
        "added constant": ("shift", wrong(lambda c: errors.AddDelta(config(add_delta_value=float(c.std()))), 0.3)),
        "outliers": ("outlier", wrong(lambda c: errors.Outlier(seed=1), 0.1)),
        "wrong unit": ("unit_error", wrong(lambda c: errors.WrongUnit(config(wrong_unit_scaling=_tenth)), 0.1)),
        "missing": ("missingness", wrong(lambda c: errors.MissingValue(), 0.2)),
    }


def _tenth(values: Any) -> Any:
    return values / 10
