"""Sound: waveforms, and below them spectrograms on one scale of loudness."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from autonoise.batches import batch_adapter
from autonoise.batches.base import entry
from autonoise.data import Dataset, Preparation, Rows
from autonoise.pictures.grid import heads, summary
from autonoise.pictures.values import Examples
from autonoise.pictures.words import label_line
from autonoise.policy import Policy
from autonoise.types import Array, Batch

ROWS = 3
"""Rows that are shown where nobody says how many."""
WINDOW = 0.032
"""Length of a spectrogram's frame in seconds; frames overlap by three quarters."""
RANGE = 80.0
"""Decibels from the loudest point of a row's spectrograms down to the darkest colour."""
LEFT, GAP, WAVE, SPECTRUM, LABEL = 0.62, 0.12, 0.62, 0.95, 0.2
"""Room for the numbers on the left, between columns, and the heights of the parts of a row (inches)."""


@dataclass(frozen=True)
class Sound:
    """``rate``: samples per second."""

    rate: int


def about(dataset: Dataset, preparation: Preparation, policy: Policy) -> Sound:
    """The sample rate."""
    return Sound(preparation.spec.sample_rate or 1)


def restored(rows: Rows, batch: Batch, clean: Batch, preparation: Preparation, about: Sound) -> list[Any]:
    """Batch → float32 (T,) for each row, without its padding."""
    x, _ = batch_adapter(preparation.spec.data_type).open(batch, preparation.spec)
    lengths = entry(batch, "lengths")
    ends = [x.shape[1]] * len(x) if lengths is None else lengths.tolist()
    return [w[:n].numpy() for w, n in zip(x, ends, strict=True)]


def spectrogram(wave: Array, rate: int) -> Array:
    """Power in decibels (frequencies, frames) of Hann-windowed frames; the last frame is filled up with silence."""
    size = max(int(2 ** round(np.log2(WINDOW * rate))), 16)
    hop = size // 4
    frames = max(int(np.ceil((len(wave) - size) / hop)) + 1, 1)
    padded = np.pad(wave, (0, max(size + (frames - 1) * hop - len(wave), 0)))
    cut = np.lib.stride_tricks.sliding_window_view(padded, size)[::hop][:frames]
    power = np.abs(np.fft.rfft(cut * np.hanning(size), axis=1)) ** 2
    decibels: Array = 10 * np.log10(power.T + 1e-12)
    return decibels


def body(e: Examples, width: float) -> tuple[float, Any]:
    """(height in inches, what draws it)."""
    columns = 1 + len(e.at)
    each = (width - LEFT - GAP * (columns - 1)) / columns
    block = LABEL + WAVE + 0.08 + SPECTRUM + 0.42

    def draw(page: Any, top: float) -> None:
        left = (page.width - width) / 2 + LEFT
        lefts = [left + i * (each + GAP) for i in range(columns)]
        heads(page, e, top, lefts, each)
        for number, row in enumerate(e.rows):
            _row(page, e, row, top + 0.26 + number * block, lefts, each)

    return 0.26 + block * len(e.rows) - 0.1, draw


def _row(page: Any, e: Examples, row: Any, top: float, lefts: list[float], each: float) -> None:
    from autonoise.pictures.page import CLEAN, MUTED, NOISY, fitted

    page.text(lefts[0], top, fitted(label_line(row.label, row.labels, e.at), page.width - lefts[0] - 0.3, 8), size=8)
    waves, rate = (row.clean, *row.noisy), e.about.rate
    peak = max(1e-3, *(float(np.abs(w).max(initial=0.0)) for w in waves)) * 1.05
    spectra = [spectrogram(w, rate) for w in waves]
    loudest, longest = max(float(s.max()) for s in spectra), max(len(w) for w in waves) / rate
    for i, (wave, spectrum, left) in enumerate(zip(waves, spectra, lefts, strict=True)):
        above = page.axes(left, top + LABEL, each, WAVE)
        above.plot(np.arange(len(wave)) / rate, wave, lw=0.5, color=NOISY if i and row.changed[i - 1] else CLEAN)
        above.set(xlim=(0, longest), ylim=(-peak, peak), xticks=[])
        below = page.axes(left, top + LABEL + WAVE + 0.08, each, SPECTRUM)
        below.imshow(
            spectrum,
            origin="lower",
            aspect="auto",
            cmap="magma",
            vmin=loudest - RANGE,
            vmax=loudest,
            extent=(0, len(wave) / rate, 0, rate / 2000),
            interpolation="nearest",
        )
        below.set_xlim(0, longest)
        below.locator_params(axis="x", nbins=4, prune="upper")
        for axes in (above, below):
            axes.locator_params(axis="y", nbins=3)
            if i:
                axes.set_yticklabels([])
        if not i:
            above.set_ylabel("full scale", fontsize=6.5, color=MUTED)
            below.set_ylabel("kHz", fontsize=6.5, color=MUTED)
            below.set_xlabel("seconds", fontsize=6.5, color=MUTED, labelpad=1)
            for axes in (above, below):
                axes.yaxis.set_label_coords(-LEFT * 0.85 / each, 0.5)


def lines(e: Examples) -> list[str]:
    """For the terminal: which rows change, and how their labels do; the waveforms are in the picture."""
    return summary(e, "waveforms and spectrograms are in the picture (-o preview.png)", label_line)
