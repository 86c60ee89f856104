import torch

from autonoise.ops.random import generator
from autonoise.techniques.token_replacement import TokenReplacement
from autonoise.types import BatchInfo, DataType, InputSpec

SPEC = InputSpec(
    data_type=DataType.TEXT, layout=(20,), pad_id=0, mask_id=4, unk_id=3, special_ids=(0, 1, 2), vocabulary_size=1000
)


def test_share_of_tokens_per_sample_and_never_special() -> None:
    x = torch.full((1000, 20), 2000)  # outside the vocabulary: every replacement shows
    valid = torch.ones_like(x, dtype=torch.bool)
    valid[:, 5] = False
    strength = torch.tensor([0.0, 0.5, 1.0, 9.0]).repeat(250).unsqueeze(1)
    info = BatchInfo(spec=SPEC, valid=valid)
    out = TokenReplacement(fraction=0.2).perturb(x, strength=strength, rng=generator(0), info=info)
    changed = out != x
    assert (out[changed] >= 5).all() and (out[changed] < 1000).all()
    assert len(out[changed].unique()) > 900
    assert not changed[:, 5].any()
    share = changed.float().reshape(250, 4, 20).mean((0, 2)) * 20 / 19
    assert torch.allclose(share, torch.tensor([0.0, 0.1, 0.2, 1.0]), atol=0.02)
