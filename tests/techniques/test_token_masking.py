import pytest
import torch

from autonoise.errors import AttachError
from autonoise.ops.random import generator
from autonoise.techniques.token_masking import TokenMasking
from autonoise.types import BatchInfo, DataType, InputSpec

SPEC = InputSpec(data_type=DataType.TEXT, layout=(20,), pad_id=0, mask_id=4, unk_id=3, special_ids=(0, 1, 2))
X = torch.arange(10, 30).repeat(1000, 1)


def test_share_of_tokens_per_sample_and_no_invalid_ones() -> None:
    valid = torch.ones_like(X, dtype=torch.bool)
    valid[:, [0, 19]] = False
    strength = torch.tensor([0.0, 0.5, 1.0, 9.0]).repeat(250).unsqueeze(1)
    before = X.clone()
    info = BatchInfo(spec=SPEC, valid=valid)
    out = TokenMasking(fraction=0.2).perturb(X, strength=strength, rng=generator(0), info=info)
    assert out.dtype == torch.int64 and torch.equal(X, before)
    changed = out != X
    assert (out[changed] == 4).all()
    assert not changed[:, [0, 19]].any()
    share = changed[:, 1:19].float().reshape(250, 4, 18).mean((0, 2))
    assert torch.allclose(share, torch.tensor([0.0, 0.1, 0.2, 1.0]), atol=0.02)


def test_the_other_id_stands_in_and_without_either_it_is_refused() -> None:
    one, technique = torch.ones(1, 1), TokenMasking(fraction=1.0)
    only = InputSpec(data_type=DataType.TEXT, layout=(3,), unk_id=3)
    x = torch.tensor([[7, 8, 9]])
    assert technique.perturb(x, strength=one, rng=generator(0), info=BatchInfo(spec=only)).tolist() == [[3, 3, 3]]
    bare = BatchInfo(spec=InputSpec(data_type=DataType.TEXT, layout=(3,)))
    with pytest.raises(AttachError, match="token_masking needs mask_id or unk_id"):
        technique.perturb(x, strength=one, rng=generator(0), info=bare)
