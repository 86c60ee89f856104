from __future__ import annotations

import pytest
import torch
from torch import Tensor

from autonoise.ops.random import generator
from autonoise.techniques.cutoff import Cutoff
from autonoise.types import BatchInfo, DataType, InputSpec

SPEC = InputSpec(data_type=DataType.TEXT, layout=(10,), pad_id=0)


def cut(rows: int, ratio: float, kind: str, strength: float = 1.0, masked: bool = True) -> tuple[Tensor, Tensor]:
    """What is blank (rows, 10, 40), and which tokens are real: those at 1 to 8, without 4."""
    valid = torch.ones(rows, 10, 1, dtype=torch.bool)
    valid[:, [0, 4, 9]] = False
    info = BatchInfo(SPEC, valid=valid if masked else None)
    h, s = torch.rand(rows, 10, 40, generator=generator(1)) + 1, torch.full((rows, 1, 1), strength)
    out = Cutoff(ratio=ratio, kind=kind).perturb(h, strength=s, rng=generator(0), info=info)
    assert ((out == 0) | (out == h)).all()
    return out == 0, valid[0, :, 0]


def test_span_is_one_stretch_of_the_real_tokens() -> None:
    blank, real = cut(6000, 0.5, "span", strength=0.7)
    assert torch.equal(blank.any(2), blank.all(2))
    tokens = blank[:, :, 0]
    assert not tokens[:, ~real].any()
    inside = tokens[:, real].long()
    # 0.35 of 7 tokens are 2.45: 2 or 3 in a row
    assert set(inside.sum(1).tolist()) == {2, 3}
    assert inside.sum(1).float().mean().item() == pytest.approx(2.45, abs=0.03)
    begins = torch.nn.functional.pad(inside, (1, 0)).diff(dim=1)
    assert ((begins == 1).sum(1) == 1).all()
    of_two = begins[inside.sum(1) == 2].argmax(1).bincount(minlength=6).float()
    assert of_two.div(of_two.sum()).tolist() == pytest.approx([1 / 6] * 6, abs=0.03)


def test_tokens_go_one_by_one() -> None:
    blank, real = cut(4000, 0.3, "token", strength=0.5)
    assert torch.equal(blank.any(2), blank.all(2)) and not blank[:, ~real].any()
    share = blank[:, real, 0].float().mean(0)
    assert share.tolist() == pytest.approx([0.15] * 7, abs=0.025)
    assert cut(400, 0.3, "token", masked=False)[0][:, 9].any()


def test_features_go_for_the_whole_text() -> None:
    blank, real = cut(2000, 0.3, "feature", strength=0.5)
    assert not blank[:, ~real].any()
    inside = blank[:, real]
    assert torch.equal(inside.any(1), inside.all(1))
    assert inside[:, 0].float().mean().item() == pytest.approx(0.15, abs=0.01)
    assert cut(50, 0.3, "feature", masked=False)[0].all(1).any()
