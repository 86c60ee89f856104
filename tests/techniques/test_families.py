"""Which held-out corruptions a technique is no stranger to, judged by hand from what both of them do."""

from __future__ import annotations

import pytest

from autonoise.corruptions import corruptions_for
from autonoise.technique.registry import get_technique

KNOWN = {
    # its patterns are clouds and waves, its copies turned, sheared, posterised and solarised
    ("image", "pixmix"): {
        "low_frequency_noise", "sine_grating", "fog", "elastic", "ripple", "posterise", "rotate",
    },
    # it deforms, filters and changes colours; a filter blurs as coarse pixels do
    ("image", "prime"): {"fog", "elastic", "ripple", "pixelate", "rotate"},
    ("image", "rand_augment"): {"fog", "elastic", "ripple", "rotate", "posterise", "pixelate"},
    ("image", "random_convolution"): {"fog", "pixelate"},
    ("image", "periodic_noise"): {"sine_grating"},
    ("image", "power_law_noise"): {"low_frequency_noise", "fog"},
    ("image", "amplitude_mixing"): {"low_frequency_noise", "fog", "pixelate"},
    ("text", "keyboard_typos"): {"ocr_confusion", "homoglyph_leet", "whitespace", "misspelling"},
    ("text", "character_confusion"): {"ocr_confusion", "homoglyph_leet", "misspelling"},
    ("text", "spacing_noise"): {"whitespace"},
    ("text", "cutoff"): set(),
    ("timeseries", "drift"): {"drift"},
    ("timeseries", "speed_change"): {"time_warp"},
    ("timeseries", "resampling"): {"downsample"},
    # taking a frequency away adds its wave with the other sign
    ("timeseries", "frequency_masking"): {"drift", "hum"},
    ("timeseries", "frequency_mixing"): {"drift", "hum"},
    # a number in another unit is an outlier
    ("tabular", "outlier_noise"): {"unit_error", "outliers"},
    ("tabular", "column_shift"): {"covariate_shift"},
    ("tabular", "column_cutmix"): {"column_swap"},
    ("audio", "pitch_shift"): set(),
    ("audio", "time_stretch"): set(),
    ("audio", "random_equaliser"): {"high_pass"},
    ("audio", "lossy_codec"): {"bit_depth", "mu_law"},
    ("audio", "packet_loss"): {"packet_loss"},
}  # fmt: skip


@pytest.mark.parametrize(("data_type", "name"), list(KNOWN))
def test_held_out_corruptions_that_do_not_count_as_unseen(data_type: str, name: str) -> None:
    families = get_technique(name).families
    met = {c.name for c in corruptions_for(data_type, "held_out") if c.exposure(families) != "unseen"}
    assert met == KNOWN[data_type, name]
