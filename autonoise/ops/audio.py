"""Operations on waveforms (B, T): power, mixing at a signal-to-noise ratio, coloured noise, filters, resampling."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from autonoise.ops.precision import widen
from autonoise.ops.random import rand, randn
from autonoise.types import BatchInfo

ACTIVE_DB = -40.0
"""A frame counts as silence if its energy, in decibels relative to the loudest frame of the clip, is below this."""


def within(x: Tensor, lengths: Tensor | None) -> Tensor | None:
    """Return a bool mask (B, T) that is True at the valid samples, or None if all samples are valid."""
    if lengths is None:
        return None
    return torch.arange(x.shape[-1], device=x.device) < lengths.to(x.device).unsqueeze(1)


def mean_power(x: Tensor, lengths: Tensor | None = None) -> Tensor:
    """Return the mean of x^2 over the valid samples of each clip, (B, 1)."""
    inside = within(x, lengths)
    if inside is None:
        norm: Tensor = torch.linalg.vector_norm(x, dim=1, keepdim=True)
        return norm.square() / x.shape[1]
    return (x.square() * inside).sum(1, keepdim=True) / inside.sum(1, keepdim=True).clamp(min=1)


def active_power(x: Tensor, lengths: Tensor | None = None, sample_rate: int | None = None) -> Tensor:
    """Return the mean power (B, 1) of the frames that are not silence; it is 0 for a silent clip.

    Frames less than 40 dB below the loudest frame of their clip count. Frames are 20 ms long, as is usual for speech,
    or a fiftieth of the clip if the sample rate is unknown.
    """
    size = x.shape[1]
    frame = max(1, min(size, round(0.02 * sample_rate) if sample_rate else size // 50))
    inside, padding = within(x, lengths), (0, -size % frame)
    samples = x.new_ones(1, size) if inside is None else inside.to(x.dtype)
    padded = F.pad(x if inside is None else x * samples, padding) if padding[1] or inside is not None else x
    energy = torch.linalg.vector_norm(padded.reshape(len(x), -1, frame), dim=2).square()
    count = F.pad(samples, padding).reshape(len(samples), -1, frame).sum(2)
    # frames are compared by energy, not by mean power, so that a last frame of a few samples cannot be the loudest one
    active = energy > energy.amax(1, keepdim=True) * 10 ** (ACTIVE_DB / 10)
    power: Tensor = (energy * active).sum(1, keepdim=True) / (count * active).sum(1, keepdim=True).clamp(min=1)
    return power


def mix_at_snr(
    x: Tensor, noise: Tensor, snr_db: float, *, strength: Tensor, info: BatchInfo, floor: float = 1e-20
) -> Tensor:
    """Return x + strength * g * noise, with the gain g such that x is ``snr_db`` decibels louder than g * noise.

    x and noise are (B, T), strength is (B, 1). The power of x is measured with silence left out. A strength s changes
    the ratio to snr_db - 20 log10 s. The noise is taken to have at least the power ``floor``, so that a nearly silent
    stretch of it is not amplified without limit.
    """
    clean = widen(x)
    wanted = active_power(clean, info.lengths, info.spec.sample_rate) * 10 ** (-snr_db / 10)
    gain = (wanted / mean_power(noise, info.lengths).clamp(min=floor)).sqrt()
    return torch.addcmul(clean, strength.to(clean.dtype) * gain, noise).to(x.dtype)


def shaped_noise(spectrum: Tensor, shape: tuple[int, ...], rng: Generator, like: Tensor) -> Tensor:
    """Return Gaussian noise (..., T) with an RMS of 1 and the amplitude spectrum ``spectrum`` (..., n // 2 + 1).

    n is the length of the Fourier transform and at least T.
    """
    bins = spectrum.shape[-1]
    draws = randn((*shape[:-1], bins, 2), rng, spectrum)
    noise = torch.fft.irfft(torch.view_as_complex(draws * spectrum[..., None]), n=2 * (bins - 1))[..., : shape[-1]]
    return _unit(noise)


def fast_length(least: int) -> int:
    """Return the smallest number from ``least`` on, at least 1, that has no prime factor above 5.

    Fourier transforms of such lengths are fast: a length with large prime factors takes several times as long.
    """
    best = 1
    while best < least:
        best *= 2
    fives = 1
    while fives < best:
        odd = fives
        while odd < best:
            found = odd
            while found < least:
                found *= 2
            best = min(best, found)
            odd *= 3
        fives *= 5
    return best


def frequencies(size: int, like: Tensor) -> Tensor:
    """Return the frequencies of a real FFT of at least ``size`` samples, as fractions of Nyquist (0 .. 1)."""
    n = 2 * fast_length((size + 1) // 2)
    return torch.linspace(0, 1, n // 2 + 1, device=like.device, dtype=widen(like).dtype)


def _unit(noise: Tensor) -> Tensor:
    """Scale each row to an RMS of 1 along time."""
    rms: Tensor = torch.linalg.vector_norm(noise, dim=-1, keepdim=True) / noise.shape[-1] ** 0.5
    # the lower limit avoids a division by zero for silence
    return noise * (1 / rms.clamp(min=1e-10))


def coloured_noise(shape: tuple[int, ...], exponent: float, rng: Generator, like: Tensor) -> Tensor:
    """Return noise (B, T) with an RMS of 1 and the power spectrum 1 / f^exponent (0 white, 1 pink, 2 brown)."""
    f = frequencies(shape[-1], like)
    # 1 / f has no value at f = 0; that bin, a constant offset, is left out
    amplitude = f.maximum(f[1]).pow(-exponent / 2)
    amplitude[0].zero_()
    return shaped_noise(amplitude, shape, rng, like)


def environment_noise(
    shape: tuple[int, int], rng: Generator, like: Tensor, sample_rate: int | None = None, bands: int = 2
) -> Tensor:
    """Return synthetic noise (B, T) with an RMS of 1 that stands in for recordings of surroundings.

    It is the sum of ``bands`` bands of noise with random centre and width. Their loudness takes a new random value
    three times a second, or four times in all if the sample rate is unknown. A band is a Gaussian over the logarithm of
    the frequency, with its centre between 2 % and 80 % of the Nyquist frequency.
    """
    batch, size = shape
    f = frequencies(size, like)
    draws = rand((3, batch, bands, 1), rng, f)
    # centres are log-uniform in 0.02 .. 0.8 of Nyquist; widths, in units of the natural logarithm, uniform in 0.2 .. 1
    centre = 0.02 * 40 ** draws[0]
    width = 0.2 + 0.8 * draws[1]
    spectrum = torch.exp(-0.5 * ((f.clamp(min=1e-4).log() - centre.log()) / width) ** 2)
    noise = shaped_noise(spectrum, (batch, bands, size), rng, like)
    knots = max(3, round(3 * size / sample_rate) if sample_rate else 4)
    swell = rand((batch, bands, knots), rng, f) @ _hats(knots, size, f)
    # 0.1 keeps each band audible when it is quietest; 0.3 .. 1.3 is how loud a band is relative to the others
    return _unit((noise * (0.1 + swell).mul_(0.3 + draws[2])).sum(1))


def _hats(knots: int, size: int, like: Tensor) -> Tensor:
    """Return a matrix (knots, size) that interpolates linearly: values at equally spaced knots times this matrix.

    The first knot is at the first sample and the last knot at the last sample.
    """
    place = torch.linspace(0, knots - 1, size, dtype=like.dtype, device=like.device)
    return (1 - (place - torch.arange(knots, device=like.device)[:, None]).abs()).clamp_(min=0)


def filtered(x: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """Keep the frequencies between ``low`` and ``high`` (B, 1), in fractions of Nyquist, of x (B, T).

    At each edge the filter rises or falls smoothly over a tenth of an octave. A low edge of 0 or a high edge of 1
    removes nothing on its side. The filter does not shift the phase.
    """
    size = x.shape[1]
    # the FFT wraps around: up to 512 samples of zeros keep the filter's ringing from coming in at the other end
    f = frequencies(size + min(size, 512), x)
    octaves = f.clamp(min=1e-6).log2()
    edge = torch.where(high >= 1, torch.ones_like(high), high.log2())
    keep = _rise((octaves - low.clamp(min=1e-9).log2()) * 10).mul_(_rise((edge - octaves) * 10))
    n = 2 * (f.shape[0] - 1)
    out: Tensor = torch.fft.irfft(torch.fft.rfft(x, n=n) * keep, n=n)[:, :size]
    return out


def _rise(u: Tensor) -> Tensor:
    """Return a smooth step of u: 0 below -1/2, 1 above 1/2, and a cubic with flat ends between; u is overwritten."""
    u = u.add_(0.5).clamp_(0, 1)
    return u.square().mul_(u.mul_(-2).add_(3))


def convolved(x: Tensor, response: Tensor) -> Tensor:
    """Return the convolution of x (B, T) with an impulse response (B, R), cut to the first T samples."""
    n = 2 * fast_length((x.shape[1] + response.shape[1]) // 2)
    out: Tensor = torch.fft.irfft(torch.fft.rfft(x, n=n) * torch.fft.rfft(response, n=n), n=n)[:, : x.shape[1]]
    return out


def resampled_at(x: Tensor, factor: Tensor) -> Tensor:
    """Return y(t) = x(factor * t) for a factor (B, 1), of x's shape (B, T) and silent after the end of x.

    Frequencies that would alias at the new speed are removed first. Values between samples come from a band-limited
    interpolation to four times the sample rate, and from linear interpolation between those.
    """
    size = x.shape[1]
    # the FFT wraps around: 64 zeros keep the end of the clip from ringing at its beginning
    f = frequencies(size + 64, x)
    n = 2 * (f.shape[0] - 1)
    keep = torch.le(f * factor, 1, out=torch.empty(len(x), len(f), dtype=x.dtype, device=x.device))
    keep[:, -1] = 0
    fine = torch.fft.irfft(torch.fft.rfft(x, n=n) * keep.mul_(4), n=4 * n)
    # float64, since float32 could no longer tell the fraction of a position about a minute into the clip
    place = 4 * factor.double() * torch.arange(size, device=x.device)
    index = place.long().clamp_(max=4 * n - 2)
    share = place.sub_(index).to(x.dtype)
    # positions after the last sample, which is at 4 (size - 1), are silent; a share above 1 occurs there only
    ended = torch.gt(index, 4 * (size - 1), out=torch.empty_like(share))
    y = torch.lerp(fine.gather(1, index), fine.gather(1, index.add_(1)), share.clamp_(0, 1))
    return y * ended.neg_().add_(1)


def level_exceeded(x: Tensor, rate: Tensor, lengths: Tensor | None = None) -> Tensor:
    """Return the level c (B, 1) that a share ``rate`` (B, 1) of the valid |x| exceeds; at rate 0 this is the peak.

    It is found by bisection, which is several times as fast as sorting.
    """
    inside = within(x, lengths)
    loud = x.abs() if inside is None else x.abs() * inside
    count = x.shape[1] if lengths is None else lengths.to(x).unsqueeze(1)
    high = loud.amax(1, keepdim=True)
    low, over = torch.zeros_like(high), torch.empty_like(loud)
    # 13 halvings find the level to 1/8192 of the peak
    for _ in range(13):
        middle = (low + high) / 2
        # the comparison writes floats and not bools, because a CPU adds them up several times as fast
        few = torch.gt(loud, middle, out=over).sum(1, keepdim=True) <= rate * count
        high, low = torch.where(few, middle, high), torch.where(few, low, middle)
    return high
