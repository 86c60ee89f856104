"""What the parts of the injector share: the steps without a file, the description of the batches, the loss."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from autonoise.errors import AttachError
from autonoise.injector.injector import NoiseInjector
from autonoise.policy import Policy, Step
from autonoise.technique.step import Steps
from autonoise.types import DataType, Scale

LABELS = torch.arange(6) % 3


def images(seed: int = 0) -> torch.Tensor:
    return torch.rand(6, 1, 4, 4, generator=torch.Generator().manual_seed(seed))


def net() -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        return nn.Sequential(nn.Flatten(), nn.Linear(16, 3))


def test_the_machine_runs_on_steps_alone_as_on_a_policy() -> None:
    steps = (Step.of("gaussian_noise", std=0.2), Step.of("mixup"), Step.of("weight_noise"), Step.of("gce"))
    losses = []
    for injector in (
        NoiseInjector(Steps(DataType.IMAGE, steps), net(), epochs=1, steps_per_epoch=3),
        Policy(DataType.IMAGE, steps).attach(net(), epochs=1, steps_per_epoch=3),
    ):
        optimizer = torch.optim.SGD(injector.inner.parameters(), lr=0.1)
        losses.append([injector.training_step(images(i), LABELS, optimizer) for i in range(3)])
    assert torch.equal(torch.stack(losses[0]), torch.stack(losses[1]))


def test_batches_are_described_as_they_look_until_training_says_how_they_are() -> None:
    injector = Policy("image", [Step.of("gaussian_noise")]).attach(net(), epochs=1, steps_per_epoch=3)  # type: ignore[arg-type]
    pixels = (images() * 255).round()
    assert injector.spec_for(images()).scale is Scale.UNIT
    assert injector.spec_for(pixels).scale is Scale.BYTE  # asking settles nothing
    injector.perturb(pixels, LABELS)
    assert injector.spec.scale is Scale.BYTE
    assert injector.spec_for(images()) is injector.spec


def test_a_failed_attempt_leaves_nothing_on_the_model() -> None:
    model = net()
    steps = [Step.of("weight_noise"), Step.of("fgsm"), Step.of("activation_noise", site="nowhere")]
    with pytest.raises(AttachError, match="nowhere"):
        Policy("image", steps).attach(model, epochs=1, steps_per_epoch=3)  # type: ignore[arg-type]
    assert "_autonoise" not in vars(model)
    for module in model.modules():
        assert not module._forward_hooks
        assert not module._forward_pre_hooks
        assert "forward" not in vars(module)


def test_an_attack_is_no_use_of_the_loss(caplog: pytest.LogCaptureFixture) -> None:
    """An attack computes the loss too; a loop that forgets loss() must be told all the same."""
    injector = Policy("image", [Step.of("fgsm"), Step.of("gce")]).attach(net(), epochs=2, steps_per_epoch=2)  # type: ignore[arg-type]
    for _ in range(2):
        injector.perturb(images(), LABELS)
        injector.step()
    assert [r.getMessage() for r in caplog.records if "loss() was not called" in r.getMessage()]
