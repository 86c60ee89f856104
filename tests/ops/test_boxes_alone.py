"""Boxes filled one by one, as on a CPU, against the mask of all pixels, as on a GPU."""

from __future__ import annotations

import pytest
import torch

from autonoise.ops.boxes import box_mask, each_box
from autonoise.ops.random import generator
from autonoise.techniques.cutmix import Cutmix
from autonoise.techniques.cutout import Cutout
from autonoise.techniques.horizontal_flip import HorizontalFlip
from autonoise.techniques.patch_gaussian import PatchGaussian
from autonoise.techniques.random_crop import RandomCrop
from autonoise.techniques.temporal_dropout import TemporalDropout
from autonoise.techniques.time_shift import TimeShift
from autonoise.types import BatchInfo, DataType, InputSpec

INFO = BatchInfo(spec=InputSpec(data_type=DataType.IMAGE, layout=(3, 17, 23)))


def test_each_box_covers_what_the_mask_does() -> None:
    rng = generator(0)
    top, left = (torch.randint(-20, 40, (200,), generator=rng).float() for _ in range(2))
    height, width = (torch.randint(0, 30, (200,), generator=rng).float() for _ in range(2))
    wanted = box_mask(top, left, height, width, (17, 23))[:, 0]
    for mask, (rows, columns) in zip(wanted, each_box(top, left, height, width, (17, 23)), strict=True):
        found = torch.zeros(17, 23, dtype=torch.bool)
        found[rows, columns] = True
        assert torch.equal(found, mask)


@pytest.mark.parametrize(
    "kind", [Cutout(side=0.6), Cutout(side=0.6, fill="grey"), PatchGaussian(side=0.5), HorizontalFlip(),
             RandomCrop(padding=0.4, fill="zeros"), RandomCrop(padding=0.4, fill="reflection")],
)  # fmt: skip
def test_both_ways_give_the_same(kind: Cutout, monkeypatch: pytest.MonkeyPatch) -> None:
    x = torch.rand(40, 3, 17, 23, generator=generator(1))
    strength = torch.linspace(0, 1, 40).reshape(-1, 1, 1, 1)
    alone = kind.perturb(x, strength=strength, rng=generator(2), info=INFO)
    for module in ("cutout", "patch_gaussian", "random_crop"):
        monkeypatch.setattr(f"autonoise.techniques.{module}.quick_alone", lambda x: False)
    masked = kind.perturb(x, strength=strength, rng=generator(2), info=INFO)
    assert (alone != x).any()
    torch.testing.assert_close(alone, masked, rtol=0, atol=1e-6)


@pytest.mark.parametrize("shape", [(40, 3, 17, 23), (40, 2, 50)])
def test_cutmix_both_ways(shape: tuple[int, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    x, technique = torch.rand(shape, generator=generator(1)), Cutmix()
    plan = technique.plan(x, strength=torch.ones(40), rng=generator(2), info=INFO)
    alone = technique.mix(x, plan, rng=generator(3), info=INFO)
    monkeypatch.setattr("autonoise.techniques.cutmix.quick_alone", lambda x: False)
    assert (alone != x).any()
    assert torch.equal(alone, technique.mix(x, plan, rng=generator(3), info=INFO))


@pytest.mark.parametrize("kind", [TemporalDropout(rate=0.4), TimeShift(fraction=0.4)])
@pytest.mark.parametrize("shape", [(40, 300), (40, 2, 300)])
def test_spans_both_ways(kind: TemporalDropout, shape: tuple[int, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    x = torch.rand(shape, generator=generator(1))
    data_type = DataType.AUDIO if len(shape) == 2 else DataType.TIMESERIES
    info = BatchInfo(spec=InputSpec(data_type=data_type, layout=shape[1:]))
    strength = torch.linspace(0, 1, 40).reshape(-1, *[1] * (len(shape) - 1))
    alone = kind.perturb(x, strength=strength, rng=generator(2), info=info)
    for module in ("temporal_dropout", "time_shift"):
        monkeypatch.setattr(f"autonoise.techniques.{module}.quick_alone", lambda x: False)
    assert (alone != x).any()
    assert torch.equal(alone, kind.perturb(x, strength=strength, rng=generator(2), info=info))
