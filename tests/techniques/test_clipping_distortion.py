import torch

from autonoise.ops.random import generator
from autonoise.techniques.clipping_distortion import ClippingDistortion
from autonoise.types import BatchInfo, DataType, InputSpec

SPEC = InputSpec(data_type=DataType.AUDIO, layout=(4000,), sample_rate=8000)


def test_share_of_clipped_samples() -> None:
    x = torch.rand(4, 4000, generator=generator(1)) * 2 - 1
    x = x * torch.tensor([[1.0], [0.1], [1.0], [0.5]])
    strength = torch.tensor([[0.0], [0.5], [1.0], [2.0]])
    out = ClippingDistortion(fraction=0.2).perturb(x, strength=strength, rng=generator(0), info=BatchInfo(spec=SPEC))
    changed = (out != x).float().mean(1)
    assert torch.allclose(changed, torch.tensor([0.0, 0.1, 0.2, 0.4]), atol=0.002)
    # uniform on +-a: the level that a share f exceeds is a (1 - f)
    assert torch.allclose(out.amax(1)[1:], torch.tensor([0.09, 0.8, 0.3]), atol=0.03)
    assert torch.equal(out.sign(), x.sign())


def test_padding_does_not_count() -> None:
    x = torch.rand(1, 4000, generator=generator(1))
    x[:, 1000:] = 0
    info = BatchInfo(spec=SPEC, lengths=torch.tensor([1000]))
    technique, strength = ClippingDistortion(fraction=0.2), torch.ones(1, 1).half()
    out = technique.perturb(x.half(), strength=strength, rng=generator(0), info=info)
    assert out.dtype == torch.float16
    assert abs((out != x.half()).float().sum().item() - 200) <= 5
