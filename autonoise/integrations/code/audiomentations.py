"""Steps as transforms of audiomentations: float32 waveforms in -1..1 and their sample rate."""

from __future__ import annotations

import math

from autonoise.integrations.code.expression import CannotExpressError, Expression, Library, Setting, call, rounded

_DECIBELS_AN_OCTAVE = 10 * math.log10(2)
"""By how much a power spectrum 1 / f falls in an octave."""


def _ratio(s: Setting) -> float:
    """The signal-to-noise ratio at the strength, which multiplies the amplitude of the noise."""
    return rounded(s.snr_db - 20 * math.log10(s.amount(1.0)))


def _gaussian_noise(s: Setting) -> Expression:
    low, high = s.span(s.std)
    # the library refuses an amplitude of 0; a millionth of full scale is far below one step of 16 bits
    return Expression(
        call("A.AddGaussianNoise", min_amplitude=max(low, 1e-6), max_amplitude=max(high, 1e-6), p=s.p),
        "values beyond -1..1 are not clipped",
    )


def _gaussian_snr(s: Setting) -> Expression:
    ratio = _ratio(s)
    return Expression(
        call("A.AddGaussianSNR", min_snr_db=ratio, max_snr_db=ratio, p=s.p),
        "silence counts when the clip's power is measured, so that clips with pauses get less noise",
    )


def _coloured_noise(s: Setting) -> Expression:
    ratio, decay = _ratio(s), rounded(-_DECIBELS_AN_OCTAVE * s.exponent)
    return Expression(
        call("A.AddColorNoise", min_snr_db=ratio, max_snr_db=ratio, min_f_decay=decay, max_f_decay=decay, p=s.p),
        "silence counts when the clip's power is measured; the spectrum is coarse below a hundredth of the sample rate",
    )


def _gain(s: Setting) -> Expression:
    loud = s.amount(s.gain_db)
    return Expression(call("A.Gain", min_gain_db=-loud, max_gain_db=loud, p=s.p), "values beyond -1..1 are not clipped")


def _time_shift(s: Setting) -> Expression:
    far = min(s.amount(s.fraction), 1.0)
    return Expression(
        call("A.Shift", min_shift=-far, max_shift=far, shift_unit="fraction", rollover=False, fade_duration=0.0, p=s.p)
    )


def _clipping_distortion(s: Setting) -> Expression:
    # the library cuts a whole percentage off at either end
    percent = 2 * round(50 * s.amount(s.fraction))
    if not 2 <= percent <= 100:
        raise CannotExpressError("it clips whole percentages, at least 1 % at either end")
    return Expression(
        call("A.ClippingDistortion", min_percentile_threshold=percent, max_percentile_threshold=percent, p=s.p),
        "loud and soft ends are cut by their own level, and by whole percentages",
    )


def _background_noise(s: Setting) -> Expression:
    if not s.clips or s.clips.endswith(".npz") or s.group:
        raise CannotExpressError("it takes a folder of sound files, and the step has none")
    ratio = _ratio(s)
    return Expression(
        call("A.AddBackgroundNoise", sounds_path=s.clips, min_snr_db=ratio, max_snr_db=ratio, p=s.p),
        "silence counts when powers are measured",
    )


LIBRARY = Library(
    name="audiomentations",
    data_type="audio",
    imports="import audiomentations as A",
    opening="transform = A.Compose(\n    [",
    closing="    ]\n)",
    takes="transform(samples=samples, sample_rate=rate) takes float32 in -1..1",
    writers={
        "gaussian_noise": _gaussian_noise,
        "gaussian_snr": _gaussian_snr,
        "coloured_noise": _coloured_noise,
        "gain": _gain,
        "time_shift": _time_shift,
        "clipping_distortion": _clipping_distortion,
        "background_noise": _background_noise,
    },
)
