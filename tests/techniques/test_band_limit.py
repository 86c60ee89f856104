import pytest
import torch

from autonoise.errors import PolicyError
from autonoise.ops.random import generator
from autonoise.techniques.band_limit import BandLimit
from autonoise.types import BatchInfo, DataType, InputSpec

INFO = BatchInfo(spec=InputSpec(data_type=DataType.AUDIO, layout=(8000,), sample_rate=8000))
X = 0.1 * torch.randn(60, 8000, generator=generator(7))


def response(out: torch.Tensor) -> torch.Tensor:
    """Gain (B, 100) in 100 bands from 0 to Nyquist."""
    power = [torch.fft.rfft(a).abs().square()[:, 1:].reshape(len(a), 100, 40).mean(2) for a in (out, X)]
    return (power[0] / power[1]).sqrt()


@pytest.mark.parametrize("kind", ["low_pass", "high_pass", "band_pass"])
def test_edges_lie_in_their_ranges(kind: str) -> None:
    technique = BandLimit(kind=kind, high=0.4, low=0.16)
    gain = response(technique.perturb(X, strength=torch.ones(60, 1), rng=generator(0), info=INFO))
    below, above = gain[:, :15], gain[:, 43:]
    assert torch.allclose(gain[:, 20:36], torch.ones(60, 16), atol=0.05)  # between the edges nothing changes
    if kind == "high_pass":
        assert torch.allclose(above, torch.ones_like(above), atol=0.05)
    else:
        edge = ((gain > 0.5) & (torch.arange(100) > 20)).long().mul(torch.arange(100)).amax(1)
        assert edge.min() >= 38 and edge.min() < 50 and edge.max() > 85
        assert edge.unique().numel() > 20
    if kind == "low_pass":
        assert torch.allclose(below[:, 1:], torch.ones(60, 14), atol=0.05)
    else:
        assert (gain[:, 0] < 0.3).all() and (gain[:, :15] < 0.5).long().sum(1).unique().numel() > 6


def test_any_is_each_kind_in_turn() -> None:
    gain = response(BandLimit(kind="any", high=0.3).perturb(X, strength=torch.ones(60, 1), rng=generator(0), info=INFO))
    no_low, no_high = gain[:, 0] < 0.9, gain[:, 99] < 0.9
    for kind in (~no_low & no_high, no_low & ~no_high, no_low & no_high):
        assert 8 <= int(kind.sum()) <= 32


def test_strength_attenuates_less() -> None:
    strength = torch.tensor([0.0, 0.25, 3.0]).repeat(20).unsqueeze(1)
    out = BandLimit(kind="low_pass", high=0.3).perturb(X, strength=strength, rng=generator(1), info=INFO)
    assert torch.equal(out[0::3], X[0::3])
    gain = response(out)
    cut = gain[2::3] < 0.01
    assert cut.any()
    quarter = gain[1::3].amin(1)
    assert quarter.min() > 0.74 and abs(quarter.median().item() - 0.75) < 0.005  # an edge near Nyquist cuts no band


def test_edges_that_cross_are_refused() -> None:
    with pytest.raises(PolicyError, match="low < high"):
        BandLimit(low=0.5, high=0.4)
