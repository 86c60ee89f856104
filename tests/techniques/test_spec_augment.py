import pytest
import torch

from autonoise.ops.random import generator
from autonoise.techniques.spec_augment import SpecAugment
from autonoise.types import BatchInfo, DataType, InputSpec

INFO = BatchInfo(spec=InputSpec(data_type=DataType.AUDIO, layout=(8000,)))


def spectrogram(rows: int) -> torch.Tensor:
    return torch.randn(rows, 40, 60, generator=generator(3))


def test_whole_bands_and_stretches_become_the_mean() -> None:
    h = spectrogram(50)
    out = SpecAugment(frequency=0.25, time=0.2).perturb(h, strength=torch.ones(50, 1, 1), rng=generator(0), info=INFO)
    hit = out != h
    bands, spans = hit.all(2), hit.all(1)
    assert torch.equal(hit, bands[:, :, None] | spans[:, None])  # nothing but a band and a span
    assert torch.allclose(out[hit], h.mean((1, 2))[:, None, None].expand_as(h)[hit])
    for mask, most in ((bands, 10), (spans, 12)):
        widths = mask.sum(1)
        assert set(widths.tolist()) == set(range(most + 1))
        edges = mask.long().diff(dim=1).clamp(min=0).sum(1) + mask[:, 0]
        assert (edges <= 1).all()  # in one piece


@pytest.mark.parametrize("shape", [(900, 40, 60), (900, 1, 40, 60)])
def test_mean_width_follows_strength_and_number_of_masks(shape: tuple[int, ...]) -> None:
    h = spectrogram(900).reshape(shape)
    strength = torch.tensor([0.0, 0.5, 1.0]).repeat(300).reshape(-1, *[1] * (len(shape) - 1))
    technique = SpecAugment(frequency=0.2, time=0.0, masks=1)
    out = technique.perturb(h, strength=strength, rng=generator(0), info=INFO)
    share = (out != h).float().reshape(300, 3, -1).mean((0, 2))
    assert torch.allclose(share, torch.tensor([0.0, 0.05, 0.1]), atol=0.01)  # half of the widest
    two = SpecAugment(frequency=0.2, time=0.0, masks=2).perturb(h, strength=strength, rng=generator(0), info=INFO)
    assert (two != h).float().reshape(300, 3, -1).mean((0, 2))[2].item() == pytest.approx(0.19, abs=0.02)


def test_half_precision_and_too_much_strength() -> None:
    h = spectrogram(4).half()
    out = SpecAugment().perturb(h, strength=torch.full((4, 1, 1), 50.0).half(), rng=generator(0), info=INFO)
    assert out.dtype == torch.float16 and out.isfinite().all()


@pytest.mark.parametrize("ndim", [3, 4])
def test_masks_and_the_mean_keep_to_the_true_frames(ndim: int) -> None:
    """Clips that fill a quarter of 80 frames: masks of at most .2 * 20 = 4 frames, and the mean of those 20."""
    h = torch.full((2000, 6, 80), 3.0)
    h[..., 20:] = -9  # padding
    h = h if ndim == 3 else h[:, None]
    info = BatchInfo(InputSpec(data_type=DataType.AUDIO, layout=(800,)), filled=torch.full((2000,), 0.25))
    technique = SpecAugment(frequency=0.0, time=0.2, masks=1)
    h[:, ..., :20] += torch.arange(20) % 2  # so that a masked frame is seen: mean 3.5
    out = technique.perturb(h, strength=torch.ones(2000, *[1] * (ndim - 1)), rng=generator(0), info=info)
    hit = (out != h).reshape(2000, 6, 80)[:, 0]
    assert not hit[:, 20:].any()
    assert hit.sum(1).max() == 4
    assert hit.sum(1).float().mean() == pytest.approx(2, abs=0.15)  # 0, 1, 2, 3 or 4
    assert out[out != h].unique().tolist() == pytest.approx([3.5])
