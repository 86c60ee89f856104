"""``injector.status`` says what acts where, how much and how often, where training stands; as text, ``describe``."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
import torch
from torch import nn

from autonoise.injector.status import InjectorStatus, StepStatus
from autonoise.policy import NoiseInjector, Policy, Step
from autonoise.technique.schedule import Gate, Schedule
from autonoise.types import InputSpec

X = torch.rand(8, 1, 8, 8, generator=torch.Generator().manual_seed(0))
Y = torch.arange(8) % 3


def net() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Dropout(0.2), nn.Linear(144, 3),
    )  # fmt: skip


def attach(*steps: Step, data_type: str = "image", strength: float = 1.0, **options: Any) -> NoiseInjector:
    policy = Policy(data_type, steps, name="mine", strength=strength)  # type: ignore[arg-type]
    return policy.attach(net(), **({"epochs": 3, "steps_per_epoch": 4} | options))


def one(injector: NoiseInjector) -> StepStatus:
    (step,) = injector.status().steps
    return step


def update(injector: NoiseInjector) -> None:
    x, y = injector.perturb(X, Y)
    injector.loss(injector.model(x), y).backward()
    injector.step()


def test_before_the_first_batch_what_is_not_known_is_said() -> None:
    injector = attach(Step.of("gaussian_noise", std=0.1), strength=0.5)
    status = injector.status()
    assert (status.policy, status.data_type, status.hash) == ("mine", "image", injector.policy.hash)
    assert (status.update, status.updates, status.progress, status.strength) == (0, 12, 0.0, 0.5)
    assert (status.known, status.layout, status.classes) == ("not yet", (), 3)
    assert "input unit (0 to 1), no batch seen yet: the first one may show another scale" in injector.describe()
    injector.perturb((255 * X).byte(), Y)
    status = injector.status()
    assert (status.known, status.layout, status.scale) == ("first batch", (1, 8, 8), "byte (0 to 255)")
    spec = InputSpec(data_type="image", layout=(1, 8, 8))  # type: ignore[arg-type]
    assert attach(input=spec).status().known == "described"


def test_where_training_stands() -> None:
    injector = attach(
        Step.of("gaussian_noise", schedule=Schedule("ramp_up"), probability=0.25),
        Step.of("mixup", gate=Gate(2, "epoch")),
        strength=2.0,
    )
    noise, mixup = injector.status().steps
    assert (noise.now, noise.schedule, noise.every, noise.probability) == (0.0, "ramp_up", "1 update", 0.25)
    assert (mixup.now, mixup.every) == (2.0, "2 epochs")
    for _ in range(5):
        update(injector)
    status = injector.status()
    # the sixth of twelve updates, in the second epoch
    assert (status.update, status.progress) == (5, pytest.approx(5 / 11))
    assert status.steps[0].now == pytest.approx(2 * 5 / 11)
    assert status.steps[1].now == 0
    text = injector.describe().splitlines()
    assert text[0].startswith(
        "mine: image, 2 steps, input unit (0 to 1), as the first batch looks; update 5 of 12, stren"
    )
    assert text[0].endswith("strength 2, 1 passes, training")
    assert (
        "25 % of samples · growing from nothing to full over the whole training · on the input, now at 91 %" in text[1]
    )
    assert text[2].endswith("all samples, every 2nd epoch · throughout · on pairs of inputs, not acting now")
    injector.model.eval()
    assert not injector.status().training
    assert "in eval mode, where nothing acts" in injector.describe()
    injector.detach()
    assert injector.status().detached
    assert injector.describe().splitlines()[0].endswith("detached")


def test_where_a_step_acts_and_whether_it_has() -> None:
    for name, places, number in (
        ("activation_noise", ("1:output",), 1), ("weight_noise", ("0", "5"), 2), ("dropout", ("5:input",), 1),
    ):  # fmt: skip
        injector = attach(Step.of(name))
        before = one(injector)
        assert (before.places, before.number, before.ran) == (places, number, False)
        assert "not run yet" in injector.describe()
        update(injector)
        assert one(injector).ran is True
        assert "not run yet" not in injector.describe()
    assert one(attach(Step.of("gaussian_noise"))).ran is None
    assert one(attach(Step.of("dropout"))).replaced == ("4",)


def test_parameters_are_those_that_act_in_this_model() -> None:
    """sigma of a search with four places, at one place: times the root of four."""
    step = dataclasses.replace(Step.of("activation_noise", sigma=0.1), sites=4)
    injector = attach(step)
    status = one(injector)
    assert status.parameters == {"sigma": pytest.approx(0.2)}
    assert (status.number, status.searched_places, status.units) == (1, 4, {"sigma": "RMS of the activation"})
    line = injector.describe().splitlines()[1]
    assert line.startswith("  activation_noise [activation] · sigma 0.2 (RMS of the activation) · all samples")
    assert "1 places instead of 4 in the search: sigma 0.1 -> 0.2" in line


def test_what_else_has_to_be_called() -> None:
    assert one(attach(Step.of("gradient_noise"))).needs == "training_step, or optimizer= when attaching"
    optimizer = torch.optim.SGD(net().parameters(), lr=0.1)
    assert one(attach(Step.of("gradient_noise"), optimizer=optimizer)).needs == ""
    assert one(attach(Step.of("sam"))).needs == "training_step"
    assert one(attach(Step.of("mixup"))).needs == ""
    text = attach(Step.of("word_swap"), data_type="text")
    assert one(text).needs == "raw_transform() on strings"
    assert "needs raw_transform() on strings" in text.describe()
    text.raw_transform()
    assert one(text).needs == ""
    spec = InputSpec(data_type="text", layout=(6,), mask_id=1)  # type: ignore[arg-type]
    assert one(attach(Step.of("mlm_pretraining"), data_type="text", input=spec)).needs == "pretrain(), once"


def test_a_step_that_is_left_out_says_why() -> None:
    injector = attach(Step.of("gaussian_noise"), Step.of("stochastic_depth"), allow_partial=True)
    assert injector.status().steps[0].left_out == ""
    assert "site 'residual' was not found" in injector.status().steps[1].left_out
    assert "stochastic_depth [activation] is left out: site 'residual' was not found" in injector.describe()


def test_it_is_frozen_and_goes_through_json() -> None:
    injector = attach(Step.of("gaussian_noise", std=0.1), Step.of("weight_noise"))
    status = injector.status()
    with pytest.raises(dataclasses.FrozenInstanceError):
        status.update = 3  # type: ignore[misc]
    plain = status.to_dict()
    assert json.loads(json.dumps(plain)) == plain
    assert plain["layout"] == []
    assert plain["steps"][1]["places"] == ["0", "5"]
    assert plain["steps"][0]["parameters"] == {"std": 0.1}
    documented = (InjectorStatus.__doc__ or "") + (StepStatus.__doc__ or "")
    for kind in (InjectorStatus, StepStatus):
        for field in dataclasses.fields(kind):
            assert field.name in documented


def test_many_places_are_counted() -> None:
    model = nn.Sequential(*[m for _ in range(9) for m in (nn.Linear(4, 4), nn.LayerNorm(4))], nn.Linear(4, 3))
    policy = Policy("tabular", [Step.of("activation_noise")])  # type: ignore[arg-type]
    text = policy.attach(model, epochs=1, steps_per_epoch=1).describe()
    assert "at 1:output, 3:output, 5:output, 7:output, 9:output, 11:output and 3 more" in text
