from __future__ import annotations

import pytest
import torch
from torch import Tensor

from autonoise.ops.random import generator
from autonoise.techniques import rand_augment
from autonoise.techniques.rand_augment import RandAugment
from autonoise.types import BatchInfo, DataType, InputSpec

INFO = BatchInfo(spec=InputSpec(data_type=DataType.IMAGE, layout=(3, 32, 32)))


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[tuple[str, ...], Tensor, Tensor]]:
    made: list[tuple[tuple[str, ...], Tensor, Tensor]] = []

    def note(x: Tensor, names: tuple[str, ...], pick: Tensor, amount: Tensor) -> Tensor:
        made.append((names, pick, amount))
        return x + 1

    monkeypatch.setattr(rand_augment, "apply_operations", note)
    return made


def apply(rows: int, strength: float = 1.0, **parameters: float) -> Tensor:
    s = torch.full((rows, 1, 1, 1), strength)
    technique = RandAugment(**parameters)  # type: ignore[arg-type]
    return technique.perturb(torch.zeros(rows, 3, 2, 2), strength=s, rng=generator(0), info=INFO)


def test_amounts_of_magnitude_9_by_hand(calls: list[tuple[tuple[str, ...], Tensor, Tensor]]) -> None:
    apply(6000, level=0.3, operations=1)
    names, pick, amount = calls[0]
    # the tables of torchvision's RandAugment at magnitude 9 of 30; posterise keeps 8 - 1 bits, solarise inverts from
    # 255 - 76.5 on, translations are shares of the side
    by_hand = {
        "shear_x": 0.09, "shear_y": 0.09, "translate_x": 45 / 331, "translate_y": 45 / 331, "rotate": 9.0,
        "brightness": 0.27, "colour": 0.27, "contrast": 0.27, "sharpness": 0.27, "posterise": 1.0, "solarise": 0.3,
        "autocontrast": 1.0, "equalise": 1.0,
    }  # fmt: skip
    assert set(names) == set(by_hand)
    for k, name in enumerate(names):
        found = amount[pick == k]
        assert found.abs().unique().tolist() == pytest.approx([by_hand[name]], rel=1e-5), name
        signed = name not in ("posterise", "solarise", "autocontrast", "equalise")
        assert ((found < 0).float().mean().item()) == pytest.approx(0.5 if signed else 0, abs=0.1), name
    # 14 operations, one of which is to do nothing
    assert (pick + 1).bincount(minlength=14).div(6000).tolist() == pytest.approx([1 / 14] * 14, abs=0.015)


def test_strength_and_number_of_operations(calls: list[tuple[tuple[str, ...], Tensor, Tensor]]) -> None:
    assert (apply(500, 0.5, level=0.8, operations=3) == 3).all()
    names, pick, amount = calls[2]
    assert not torch.equal(calls[0][1], pick)
    assert amount[pick == names.index("rotate")].abs().unique().tolist() == pytest.approx([12.0])
    assert amount[pick == names.index("equalise")].unique().tolist() == [0.5]
    assert amount[pick == names.index("posterise")].unique().tolist() == [2.0]  # 0.5 * 0.8 * 4 = 1.6 bits


def test_images_stay_images() -> None:
    x = torch.rand(64, 3, 16, 16, generator=generator(1))
    out = RandAugment(level=1.0).perturb(x, strength=torch.ones(64, 1, 1, 1), rng=generator(0), info=INFO)
    assert out.min() >= 0 and out.max() <= 1
    changed = (out != x).flatten(1).any(1).float().mean().item()
    assert changed > 0.9  # both operations do nothing in 1 of 196 images, and few others leave random pixels alone
