from __future__ import annotations

import pytest
import torch
from torch import Tensor

from autonoise.ops.random import generator
from autonoise.techniques.temporal_dropout import TemporalDropout
from autonoise.types import BatchInfo, DataType, InputSpec

SPEC = InputSpec(data_type=DataType.TIMESERIES, layout=(3, 128))


def perturb(
    x: Tensor, strength: float | list[float] = 1.0, lengths: Tensor | None = None, **parameters: float
) -> Tensor:
    s = torch.as_tensor(strength, dtype=x.dtype).expand(len(x)).reshape(-1, *[1] * (x.ndim - 1))
    info = BatchInfo(spec=SPEC, lengths=lengths)
    return TemporalDropout(**parameters).perturb(x, strength=s, rng=generator(0), info=info)  # type: ignore[arg-type]


@pytest.mark.parametrize(("rate", "span"), [(0.1, 0.05), (0.4, 0.2), (0.3, 0.0)])
def test_every_step_is_hit_with_the_rate_asked_for(rate: float, span: float) -> None:
    hit = perturb(torch.ones(4000, 1, 40), rate=rate, span=span)[:, 0] == 0
    # five standard errors at each step, the first and the last included
    assert (hit.float().mean(0) - rate).abs().max() < 5 * (rate * (1 - rate) / 4000) ** 0.5


def test_spans_last_as_long_as_asked_for() -> None:
    hit = perturb(torch.ones(500, 3, 100), rate=0.1, span=0.1) == 0
    assert (hit.all(1) == hit.any(1)).all()
    runs = torch.nn.functional.pad(hit[:, 0].int(), (1, 1)).diff(dim=1)
    starts, ends = (runs == 1).nonzero(), (runs == -1).nonzero()
    inner = (starts[:, 1] > 0) & (ends[:, 1] < 100)
    assert (ends - starts)[inner, 1].min() == 10


def test_lengths_set_the_span_and_audio_works() -> None:
    x = torch.ones(3000, 80)
    lengths = torch.tensor([80, 20]).repeat(1500)
    hit = perturb(x, rate=0.2, span=0.1, lengths=lengths) == 0
    assert hit[::2].float().mean().item() == pytest.approx(0.2, abs=0.02)
    assert hit[1::2, :20].float().mean().item() == pytest.approx(0.2, abs=0.02)
    runs = torch.nn.functional.pad(hit[1::2].int(), (1, 1)).diff(dim=1)
    inner = ((runs == 1).nonzero()[:, 1] > 0) & ((runs == -1).nonzero()[:, 1] < 80)
    assert ((runs == -1).nonzero() - (runs == 1).nonzero())[inner, 1].min() == 2


def test_strength_scales_the_rate_per_sample() -> None:
    hit = perturb(torch.ones(3, 1, 50_000), [0.0, 0.5, 100.0], rate=0.2, span=0.0002) == 0
    share = hit.float().mean((1, 2)).tolist()
    assert share[0] == 0
    assert share[1:] == pytest.approx([0.1, 0.95], abs=0.03)


@pytest.mark.parametrize(("rate", "span"), [(0.1, 0.05), (0.4, 0.2), (0.3, 0.0)])
def test_spans_drawn_for_each_step_as_on_a_gpu(rate: float, span: float) -> None:
    size, rows = 40, 4000
    # every second row is half as long, and so are its spans
    length = torch.tensor([[size], [size // 2]]).repeat(rows // 2, 1)
    width = (span * length).round().clamp(min=1)
    mean = -torch.log1p(torch.tensor(-rate)) / width
    kept = TemporalDropout(rate=rate, span=span)._kept(size, width, mean, generator(0))
    assert kept.shape == (rows, size) and set(kept.unique().tolist()) == {0.0, 1.0}
    for half in (kept[::2], kept[1::2]):
        # at each step, the first and the last included, as above
        assert ((half == 0).float().mean(0) - rate).abs().max() < 5 * (rate * (1 - rate) / len(half)) ** 0.5
    for half, whole in ((kept[::2], width[0]), (kept[1::2], width[1])):
        runs = torch.nn.functional.pad((half == 0).int(), (1, 1)).diff(dim=1)
        starts, ends = (runs == 1).nonzero(), (runs == -1).nonzero()
        inner = (starts[:, 1] > 0) & (ends[:, 1] < size)
        assert (ends - starts)[inner, 1].min() == int(whole)
