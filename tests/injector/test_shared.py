"""What the parts of the injector share: the steps without a file, the description of the batches, the loss."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from autonoise.errors import AttachError
from autonoise.injector.before_forward import draw_again
from autonoise.injector.injector import NoiseInjector
from autonoise.policy import Policy, Step
from autonoise.technique.stages import AdversarialNoise
from autonoise.technique.step import Steps
from autonoise.types import DataType, InputSpec, Scale

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
    # in the order of stages: the last of them cannot be placed
    steps = [Step.of("activation_noise", site="1"), Step.of("weight_noise"), Step.of("drop_connect", site="nowhere")]
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


def test_a_copy_of_an_injector_is_about_the_copied_model() -> None:
    injector = Policy("image", [Step.of("weight_noise")]).attach(net(), epochs=1, steps_per_epoch=3)  # type: ignore[arg-type]
    copied = copy.deepcopy(injector)
    assert copied.inner is copied.model
    assert copied.model is not injector.model
    assert injector.inner is injector.model
    assert copied.forward(images()).equal(copied.model(images()))


# -- numbers by hand ---------------------------------------------------------------------------------------------


def test_a_robust_loss_at_a_quarter_of_its_strength_is_blended_with_cross_entropy() -> None:
    policy = Policy("image", [Step.of("gce", q=0.7)], strength=0.25)  # type: ignore[arg-type]
    injector = policy.attach(net(), epochs=1, steps_per_epoch=3)
    logits = torch.tensor([[2.0, 0.0, -1.0], [0.5, 0.1, 0.3]])
    y = torch.tensor([0, 1])
    p = logits.softmax(1)[torch.arange(2), y]
    expected = 0.75 * -p.log().mean() + 0.25 * ((1 - p**0.7) / 0.7).mean()
    assert float(injector.loss(logits, y)) == pytest.approx(float(expected), rel=1e-6)


class Climb(AdversarialNoise):
    """Adds the gradient itself, so that its size shows."""

    name = "climb"
    data_types = frozenset({DataType.TIMESERIES})

    def perturb(self, x: Tensor, *, gradient: Any, strength: Tensor, **_: Any) -> Tensor:
        return x + strength * gradient(x)


def test_an_attack_gets_the_gradient_of_each_rows_own_loss() -> None:
    """d CE / d x = (softmax(W x) - onehot) W for each row, not divided by the number of rows."""
    model = nn.Sequential(nn.Flatten(), nn.Linear(5, 3, bias=False))
    injector = Policy("timeseries", [Step(Climb())]).attach(model, epochs=1, steps_per_epoch=3)  # type: ignore[arg-type]
    x = torch.randn(6, 1, 5, generator=torch.Generator().manual_seed(2))
    moved, _ = injector.perturb(x, LABELS)
    weight = model[1].weight.detach()
    by_hand = (model(x).softmax(1) - F.one_hot(LABELS, 3)).detach() @ weight
    assert torch.allclose(moved[:, 0] - x[:, 0], by_hand, atol=1e-6)  # type: ignore[index]


def test_a_further_draw_at_three_times_the_strength_moves_three_times_as_far() -> None:
    spec = InputSpec(data_type="image", layout=(1, 4, 4), scale="unit")
    policy = Policy("image", [Step.of("gaussian_noise", std=0.01)])  # type: ignore[arg-type]
    injector = policy.attach(net(), epochs=1, steps_per_epoch=3, input=spec)
    x = torch.full((6, 1, 4, 4), 0.5)
    injector.perturb(x, LABELS)
    once, thrice, other = (draw_again(injector.attached, x, *how) for how in ((1,), (1, 3.0), (2,)))
    assert torch.allclose(thrice - 0.5, 3 * (once - 0.5), atol=1e-6)  # type: ignore[operator]
    assert not torch.equal(once, other)  # type: ignore[arg-type]
