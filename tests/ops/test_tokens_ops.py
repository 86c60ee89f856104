import pytest
import torch

from autonoise.errors import AttachError
from autonoise.ops.random import generator
from autonoise.ops.tokens import choose_tokens, placeholder, random_tokens
from autonoise.types import BatchInfo, DataType, InputSpec


def spec(**kwargs: object) -> InputSpec:
    return InputSpec(data_type=DataType.TEXT, layout=(8,), **kwargs)  # type: ignore[arg-type]


def test_choice_follows_the_rate_and_spares_invalid_tokens() -> None:
    x = torch.zeros(2000, 6, dtype=torch.long)
    valid = torch.ones_like(x, dtype=torch.bool)
    valid[:, 0] = False
    rate = torch.tensor([0.1, 1.0]).repeat(1000).unsqueeze(1)
    chosen = choose_tokens(x, rate, generator(0), BatchInfo(spec=spec(), valid=valid))
    assert not chosen[:, 0].any()
    assert chosen[1::2, 1:].all()
    assert chosen[0::2, 1:].float().mean().item() == pytest.approx(0.1, abs=0.015)


def test_placeholder_prefers_what_is_asked_for() -> None:
    both = spec(mask_id=4, unk_id=3)
    assert placeholder(both, prefer="mask", technique="t") == 4
    assert placeholder(both, prefer="unknown", technique="t") == 3
    assert placeholder(spec(unk_id=0), prefer="mask", technique="t") == 0
    assert placeholder(spec(mask_id=4), prefer="unknown", technique="t") == 4
    with pytest.raises(AttachError, match="t needs mask_id or unk_id"):
        placeholder(spec(), prefer="mask", technique="t")


def test_random_tokens_are_uniform_over_what_is_not_special() -> None:
    x = torch.zeros(7, 1000, dtype=torch.long)
    described = spec(pad_id=0, unk_id=3, special_ids=(4, 9, 12), vocabulary_size=10)
    draws = random_tokens(x, generator(0), described, technique="t")
    counts = torch.bincount(draws.flatten(), minlength=10)
    assert counts[[0, 3, 4, 9]].tolist() == [0, 0, 0, 0]
    assert torch.allclose(counts[[1, 2, 5, 6, 7, 8]] / 7000, torch.full((6,), 1 / 6), atol=0.02)
    with pytest.raises(AttachError, match="vocabulary_size"):
        random_tokens(x, generator(0), spec(), technique="t")
    with pytest.raises(AttachError, match="no ids"):
        random_tokens(x, generator(0), spec(pad_id=0, vocabulary_size=1), technique="t")
