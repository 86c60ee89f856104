"""Policies on batches of 8-bit pixels."""

from __future__ import annotations

import logging

import pytest
import torch
from torch import Tensor, nn

from autonoise.batches import batch_adapter
from autonoise.errors import AttachError
from autonoise.policy import NoiseInjector, Policy, Step
from autonoise.types import InputSpec

Y = torch.arange(8) % 2
ATTACKS = [Step.of("fgsm", eps=4 / 255, start="zero"), Step.of("pgd", eps=4 / 255), Step.of("freelb", eps=4 / 255)]


def pixels() -> Tensor:
    x = torch.randint(40, 216, (8, 3, 8, 8), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    x[0, :, 0, 0], x[0, :, 0, 1] = 0, 255
    return x


class Bytes(nn.Module):
    """Brings 8-bit pixels to 0..1 itself; logit 1 is the sum of the pixels, which raises it."""

    def __init__(self, dropout: float = 0.0) -> None:
        super().__init__()
        self.norm, self.drop, self.head = nn.BatchNorm2d(3, affine=False), nn.Dropout(dropout), nn.Linear(192, 2)
        with torch.no_grad():
            self.head.weight.copy_(torch.stack([torch.zeros(192), torch.full((192,), 0.1)]))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.drop(self.norm(x.float() / 255)).flatten(1))


class Choosing(Bytes):
    """Takes floats for pixels that are in 0..1 already, as conversions by dtype do."""

    def forward(self, x: Tensor) -> Tensor:
        return self.head((x.float() / 255 if x.dtype == torch.uint8 else x).flatten(1))


class Whole(Bytes):
    def forward(self, x: Tensor) -> Tensor:
        assert x.dtype == torch.uint8
        return super().forward(x)


def attached(model: nn.Module, step: Step) -> NoiseInjector:
    return Policy("image", [step]).attach(model, epochs=1, steps_per_epoch=4, num_classes=2, replace=True)


@pytest.mark.parametrize("step", ATTACKS, ids=lambda s: s.name)
def test_attacks_move_8_bit_pixels_as_they_move_the_same_pixels_as_floats(step: Step) -> None:
    x = pixels()
    for model in (Bytes(), Bytes(dropout=0.3)):
        moved = []
        for batch in (x, x.float()):
            with torch.random.fork_rng():
                torch.manual_seed(0)
                moved.append(attached(model, step).perturb(batch, Y)[0])
        assert isinstance(moved[0], Tensor)
        assert moved[0].dtype == torch.uint8
        if step.name != "freelb" and model.drop.p == 0:
            # a step of 4 grey levels up or down, as sure as signs are
            assert (moved[0].float() - x.float()).abs().max() == 4
            assert torch.equal(moved[0].float(), moved[1].round())
        else:
            assert 1 < float((moved[0].float() - x.float()).pow(2).mean().sqrt()) < 6


def test_one_step_up_the_loss_by_hand() -> None:
    x, model = pixels(), Bytes()
    model.norm = nn.Identity()
    noisy, _ = attached(model, ATTACKS[0]).perturb(x, Y)
    assert isinstance(noisy, Tensor)
    # more light raises the logit of class 1: rows of class 0 get brighter, those of class 1 darker, by 4 levels
    up = torch.where(Y == 0, 4, -4)[:, None, None, None]
    assert torch.equal(noisy.int(), (x.int() + up).clamp(0, 255))


@pytest.mark.parametrize("model", [Choosing(), Whole()], ids=lambda m: type(m).__name__)
def test_a_model_that_reads_floats_otherwise_is_refused(model: nn.Module) -> None:
    with pytest.raises(AttachError, match="as floats from 0 to 255: convert the batch as the model does before"):
        attached(model, ATTACKS[0]).perturb(pixels(), Y)


def test_the_global_stream_and_the_statistics_stay_as_they_were() -> None:
    model = Bytes(dropout=0.5)
    injector = attached(model, ATTACKS[0])
    mean = model.norm.running_mean.clone()
    with torch.random.fork_rng():
        torch.manual_seed(3)
        injector.perturb(pixels(), Y)
        first = torch.rand(1)
        torch.manual_seed(3)
        model.drop(torch.ones(8, 3, 8, 8))  # the one draw is that of the attack's gradient
        assert torch.equal(first, torch.rand(1))
    assert torch.equal(model.norm.running_mean, mean)


def test_noise_below_half_a_grey_level_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    spec = InputSpec(data_type="image", layout=(3, 8, 8), scale="byte")
    policy = Policy("image", [Step.of("fgsm", eps=0.3 / 255, start="zero")])
    injector = policy.attach(Bytes(), epochs=1, steps_per_epoch=4, num_classes=2, input=spec, replace=True)
    with caplog.at_level(logging.WARNING, logger="autonoise"):
        for _ in range(2):
            noisy, _ = injector.perturb(pixels(), Y)
    assert torch.equal(noisy, pixels())
    assert [r.getMessage() for r in caplog.records] == [
        "noise of less than half a grey level is rounded away in 8-bit batches: use x.float()"
    ]


@pytest.mark.parametrize(("data_type", "shape"), [("tabular", (8, 5)), ("timeseries", (8, 2, 9)), ("audio", (8, 99))])
def test_8_bit_integers_of_other_data_are_refused(data_type: str, shape: tuple[int, ...]) -> None:
    batch = torch.ones(shape, dtype=torch.uint8)
    with pytest.raises(AttachError, match=r"must be floating point, but is torch\.uint8; convert it first"):
        batch_adapter(data_type).check(batch, InputSpec(data_type=data_type, layout=shape[1:]), explicit=False)
