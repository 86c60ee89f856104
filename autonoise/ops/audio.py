"""Waveforms (B, T): power of the active part, mixing at an SNR, coloured noise, filters, resampling."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from scipy.fft import next_fast_len
from torch import Generator, Tensor

from autonoise.ops.precision import widen
from autonoise.ops.random import rand, randn
from autonoise.types import BatchInfo

ACTIVE_DB = -40.0
"""Frames this far below the loudest frame of a clip count as silence."""


def within(x: Tensor, lengths: Tensor | None) -> Tensor | None:
    """Bool (B, T), True inside the valid samples; None where all are."""
    if lengths is None:
        return None
    return torch.arange(x.shape[-1], device=x.device) < lengths.to(x.device).unsqueeze(1)


def mean_power(x: Tensor, lengths: Tensor | None = None) -> Tensor:
    """Mean of x^2 over the valid samples, (B, 1)."""
    inside = within(x, lengths)
    if inside is None:
        norm: Tensor = torch.linalg.vector_norm(x, dim=1, keepdim=True)
        return norm.square() / x.shape[1]
    return (x.square() * inside).sum(1, keepdim=True) / inside.sum(1, keepdim=True).clamp(min=1)


def active_power(x: Tensor, lengths: Tensor | None = None, sample_rate: int | None = None) -> Tensor:
    """Mean power of the frames above -40 dB of the clip's loudest frame, (B, 1); 0 for a silent clip.

    Frames are 20 ms, or a fiftieth of the clip where the sample rate is unknown.
    """
    size = x.shape[1]
    frame = max(1, min(size, round(0.02 * sample_rate) if sample_rate else size // 50))
    inside, padding = within(x, lengths), (0, -size % frame)
    samples = x.new_ones(1, size) if inside is None else inside.to(x.dtype)
    padded = F.pad(x if inside is None else x * samples, padding) if padding[1] or inside is not None else x
    energy = torch.linalg.vector_norm(padded.reshape(len(x), -1, frame), dim=2).square()
    count = F.pad(samples, padding).reshape(len(samples), -1, frame).sum(2)
    # energies of whole frames are compared: a last frame of three samples must not be the loudest of the clip
    active = energy > energy.amax(1, keepdim=True) * 10 ** (ACTIVE_DB / 10)
    power: Tensor = (energy * active).sum(1, keepdim=True) / (count * active).sum(1, keepdim=True).clamp(min=1)
    return power


def mix_at_snr(
    x: Tensor, noise: Tensor, snr_db: float, *, strength: Tensor, info: BatchInfo, floor: float = 1e-20
) -> Tensor:
    """X + strength * g * noise, with g so that active power of x / power of g * noise is ``snr_db``.

    x, noise: (B, T); strength: (B, 1). A strength s gives an SNR of snr_db - 20 log10 s. ``floor`` is the
    least power that noise is taken to have, so that a nearly silent stretch of it is not blown up.
    """
    clean = widen(x)
    wanted = active_power(clean, info.lengths, info.spec.sample_rate) * 10 ** (-snr_db / 10)
    gain = (wanted / mean_power(noise, info.lengths).clamp(min=floor)).sqrt()
    return torch.addcmul(clean, strength.to(clean.dtype) * gain, noise).to(x.dtype)


def shaped_noise(spectrum: Tensor, shape: tuple[int, ...], rng: Generator, like: Tensor) -> Tensor:
    """Gaussian noise (..., T) of unit RMS whose amplitude spectrum is ``spectrum`` (..., n // 2 + 1)."""
    bins = spectrum.shape[-1]
    draws = randn((*shape[:-1], bins, 2), rng, spectrum)
    noise = torch.fft.irfft(torch.view_as_complex(draws * spectrum[..., None]), n=2 * (bins - 1))[..., : shape[-1]]
    return _unit(noise)


def frequencies(size: int, like: Tensor) -> Tensor:
    """Centres of the bins of a real FFT of at least ``size`` samples, in fractions of Nyquist: 0 .. 1."""
    n = 2 * next_fast_len((size + 1) // 2, real=True)
    return torch.linspace(0, 1, n // 2 + 1, device=like.device, dtype=widen(like).dtype)


def _unit(noise: Tensor) -> Tensor:
    """Scaled to RMS 1 along time."""
    rms: Tensor = torch.linalg.vector_norm(noise, dim=-1, keepdim=True) / noise.shape[-1] ** 0.5
    return noise * (1 / rms.clamp(min=1e-10))


def coloured_noise(shape: tuple[int, ...], exponent: float, rng: Generator, like: Tensor) -> Tensor:
    """Noise (B, T) of unit RMS with power spectrum 1 / f^exponent: 0 is white, 1 pink, 2 brown."""
    f = frequencies(shape[-1], like)
    amplitude = f.clamp(min=f[1].item()).pow(-exponent / 2)
    amplitude[0] = 0
    return shaped_noise(amplitude, shape, rng, like)


def environment_noise(
    shape: tuple[int, int], rng: Generator, like: Tensor, sample_rate: int | None = None, bands: int = 2
) -> Tensor:
    """A stand-in for recordings (B, T), unit RMS: noise bands of random centre and width that swell at about 3 Hz.

    Bands are Gaussian bumps over log-frequency, centres from 2 to 80 % of Nyquist.
    """
    batch, size = shape
    f = frequencies(size, like)
    draws = rand((3, batch, bands, 1), rng, f)
    centre = 0.02 * 40 ** draws[0]
    width = 0.2 + 0.8 * draws[1]
    spectrum = torch.exp(-0.5 * ((f.clamp(min=1e-4).log() - centre.log()) / width) ** 2)
    noise = shaped_noise(spectrum, (batch, bands, size), rng, like)
    knots = max(3, round(3 * size / sample_rate) if sample_rate else 4)
    swell = rand((batch, bands, knots), rng, f) @ _hats(knots, size, f)
    return _unit((noise * (0.1 + swell).mul_(0.3 + draws[2])).sum(1))


def _hats(knots: int, size: int, like: Tensor) -> Tensor:
    """(knots, size): values at equally spaced knots times this are linearly interpolated, ends included."""
    place = torch.linspace(0, knots - 1, size, dtype=like.dtype, device=like.device)
    return (1 - (place - torch.arange(knots, device=like.device)[:, None]).abs()).clamp_(min=0)


def filtered(x: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """Keep low..high (B, 1), in fractions of Nyquist, of x (B, T).

    Edges fall smoothly over a tenth of an octave. A low edge of 0 and a high edge of 1 keep everything; the
    phase is unchanged.
    """
    size = x.shape[1]
    f = frequencies(size + min(size, 512), x)  # room for the ringing, which would else come in at the other end
    octaves = f.clamp(min=1e-6).log2()
    edge = torch.where(high >= 1, torch.ones_like(high), high.log2())
    keep = _rise((octaves - low.clamp(min=1e-9).log2()) * 10).mul_(_rise((edge - octaves) * 10))
    n = 2 * (f.shape[0] - 1)
    out: Tensor = torch.fft.irfft(torch.fft.rfft(x, n=n) * keep, n=n)[:, :size]
    return out


def _rise(u: Tensor) -> Tensor:
    """0 below -1/2, 1 above 1/2, the cubic with flat ends between; u is used up."""
    u = u.add_(0.5).clamp_(0, 1)
    return u.square().mul_(u.mul_(-2).add_(3))


def convolved(x: Tensor, response: Tensor) -> Tensor:
    """Convolution of x (B, T) with an impulse response (B, R), cut to T samples."""
    n = 2 * next_fast_len((x.shape[1] + response.shape[1]) // 2, real=True)
    out: Tensor = torch.fft.irfft(torch.fft.rfft(x, n=n) * torch.fft.rfft(response, n=n), n=n)[:, : x.shape[1]]
    return out


def resampled_at(x: Tensor, factor: Tensor) -> Tensor:
    """y(t) = x(factor * t) for factor (B, 1), of x's shape (B, T), silent where x has ended.

    What would alias is cut first; between samples: band-limited to four times the rate, then linear.
    """
    size = x.shape[1]
    f = frequencies(size + 64, x)
    n = 2 * (f.shape[0] - 1)
    keep = torch.le(f * factor, 1, out=torch.empty(len(x), len(f), dtype=x.dtype, device=x.device))
    keep[:, -1] = 0
    fine = torch.fft.irfft(torch.fft.rfft(x, n=n) * keep.mul_(4), n=4 * n)
    # float32 would lose the fraction after a minute
    place = 4 * factor.double() * torch.arange(size, device=x.device)
    index = place.long().clamp_(max=4 * n - 2)
    share = place.sub_(index).to(x.dtype)
    # a share above 1 is a place behind the end; the last sample is at 4 (size - 1)
    ended = torch.gt(index, 4 * (size - 1), out=torch.empty_like(share))
    y = torch.lerp(fine.gather(1, index), fine.gather(1, index.add_(1)), share.clamp_(0, 1))
    return y * ended.neg_().add_(1)


def level_exceeded(x: Tensor, rate: Tensor, lengths: Tensor | None = None) -> Tensor:
    """The level c (B, 1) that a share ``rate`` (B, 1) of the valid |x| exceeds: the peak at rate 0.

    By bisection to 1/8192 of the peak, several times as fast as sorting.
    """
    inside = within(x, lengths)
    loud = x.abs() if inside is None else x.abs() * inside
    count = x.new_tensor(x.shape[1]) if lengths is None else lengths.to(x).unsqueeze(1)
    high = loud.amax(1, keepdim=True)
    low, over = torch.zeros_like(high), torch.empty_like(loud)
    for _ in range(13):
        middle = (low + high) / 2
        # the comparison writes numbers, which a CPU counts several times as fast as bools
        few = torch.gt(loud, middle, out=over).sum(1, keepdim=True) <= rate * count
        high, low = torch.where(few, middle, high), torch.where(few, low, middle)
    return high
