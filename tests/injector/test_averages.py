"""The average of weights: what is in it, who sees it, resuming, batch norm."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from autonoise.evaluation.monitor import RobustnessMonitor
from autonoise.injector.injector import NoiseInjector
from autonoise.ops.random import generator
from autonoise.policy import Policy, Step
from autonoise.technique.schedule import Schedule
from autonoise.types import DataType, InputSpec

SPEC = InputSpec(data_type=DataType.TABULAR, layout=(4,), classes=3, numeric=tuple(range(4)))
Y = torch.arange(8) % 3


def attached(step: Step, *, epochs: int = 1, model: nn.Module | None = None) -> tuple[nn.Module, NoiseInjector]:
    torch.manual_seed(0)
    model = model or nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Linear(6, 3))
    policy = Policy("tabular", (step,))
    return model, policy.attach(model, epochs=epochs, steps_per_epoch=4, input=SPEC)


def train(model: nn.Module, injector: NoiseInjector, updates: int, first: int = 0) -> list[dict[str, Tensor]]:
    """The weights after each update of the three lines."""
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    seen = []
    for number in range(first, first + updates):
        x, y = injector.perturb(torch.randn(8, 4, generator=generator(number)), Y)
        loss = injector.loss(model(x), y)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        injector.step()
        seen.append(copy.deepcopy(model.state_dict()))
    return seen


def mean(states: list[dict[str, Tensor]], name: str) -> Tensor:
    return torch.stack([s[name] for s in states]).mean(0)


def test_the_mean_of_the_weights_and_of_batch_norms_statistics() -> None:
    model, injector = attached(Step.of("weight_average", kind="uniform"))
    seen = train(model, injector, 4)
    state = injector.averaged_state_dict()
    for name in ("0.weight", "3.bias", "1.running_mean", "1.running_var"):
        assert torch.allclose(state[name], mean(seen, name), atol=1e-6)
        assert torch.equal(model.state_dict()[name], seen[-1][name])
    assert state["1.num_batches_tracked"] == 4


def test_the_model_has_it_inside_of_the_with_block_alone() -> None:
    model, injector = attached(Step.of("weight_average", kind="uniform"))
    seen = train(model, injector, 3)
    with pytest.raises(RuntimeError, match="stop"), injector.averaged():
        assert torch.allclose(model.state_dict()["0.weight"], mean(seen, "0.weight"), atol=1e-6)
        raise RuntimeError("stop")
    for name, value in model.state_dict().items():
        assert torch.equal(value, seen[-1][name])


def test_it_begins_when_its_schedule_does_and_a_gate_leaves_updates_out() -> None:
    late = Step.of("weight_average", kind="uniform", schedule=Schedule("window", start=0.5))
    model, injector = attached(late)
    seen = train(model, injector, 2)
    assert not injector.averages and torch.equal(injector.averaged_state_dict()["0.weight"], seen[-1]["0.weight"])
    seen = train(model, injector, 2, first=2)
    assert torch.allclose(injector.averaged_state_dict()["0.weight"], mean(seen, "0.weight"), atol=1e-6)

    model, injector = attached(Step.of("weight_average", kind="uniform", gate=2))
    seen = train(model, injector, 4)
    assert torch.allclose(injector.averaged_state_dict()["0.weight"], mean(seen[::2], "0.weight"), atol=1e-6)


def test_half_the_strength_lies_half_way_to_the_weights() -> None:
    model, injector = attached(Step.of("weight_average", kind="uniform"))
    injector.set_strength(0.5)
    first, second = train(model, injector, 2)
    # a share of 1/2 becomes 1 - 1/2 + 1/2 * 1/2
    expected = first["0.weight"].lerp(second["0.weight"], 0.75)
    assert torch.allclose(injector.averaged_state_dict()["0.weight"], expected, atol=1e-6)
    injector.set_strength(0.0)
    (last,) = train(model, injector, 1, first=2)
    assert torch.equal(injector.averaged_state_dict()["0.weight"], last["0.weight"])


def test_resuming_goes_on_with_the_same_average() -> None:
    step = Step.of("weight_average", horizon=0.5)
    through, injector = attached(step)
    train(through, injector, 4)
    model, first = attached(step)
    train(model, first, 2)
    state = copy.deepcopy(first.state_dict())
    again, second = attached(step, model=copy.deepcopy(model))
    second.load_state_dict(state)
    train(again, second, 2, first=2)
    for a, b in zip(injector.averaged_state_dict().values(), second.averaged_state_dict().values(), strict=True):
        assert torch.equal(a, b)
    # checkpoints of earlier versions know no average
    del state["average"]
    second.load_state_dict(state)
    assert not second.averages


def test_half_precision_is_averaged_in_single() -> None:
    model = nn.Linear(4, 3).to(torch.bfloat16)
    _, injector = attached(Step.of("weight_average", horizon=1.0), epochs=250, model=model)
    with torch.no_grad():
        model.weight.fill_(1.0)
    injector.step()
    for _ in range(600):
        with torch.no_grad():
            model.weight.fill_(1.0 + 2.0**-5)
        injector.step()
    with injector.averaged():
        # in bfloat16 the last steps, of 5e-5, would be lost beside 1
        assert model.weight.float().mean().item() == pytest.approx(1.0 + 2.0**-5, abs=1e-3)
    assert injector.averaged_state_dict()["weight"].dtype is torch.bfloat16


def test_statistics_of_batch_norm_are_estimated_anew_from_batches() -> None:
    model, injector = attached(Step.of("weight_average", kind="uniform"))
    train(model, injector, 3)
    before = copy.deepcopy(model.state_dict())
    batches = [torch.randn(8, 4, generator=generator(s)) + 5 for s in (7, 8)]
    with injector.averaged(batches):
        inner = model.state_dict()
        hidden = [x @ inner["0.weight"].T + inner["0.bias"] for x in batches]
        wanted = torch.stack([h.mean(0) for h in hidden]).mean(0)
        assert torch.allclose(inner["1.running_mean"], wanted, atol=1e-4)
        assert model.training
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
    assert model[1].momentum == 0.1  # type: ignore[index]


def test_the_monitor_judges_the_average() -> None:
    model, injector = attached(Step.of("weight_average", kind="uniform"))
    train(model, injector, 4)
    x = torch.randn(30, 4, generator=generator(9))
    with injector.averaged(), torch.no_grad():
        labels = model.eval()(x).argmax(1)
    model.train()
    validation = {"clean": (x, labels), "noisy": (x + 0.01, labels)}
    row = RobustnessMonitor(injector, validation).epoch()
    assert row is not None and row["clean"] == 1.0


def test_an_average_that_nobody_asked_for_is_told(caplog: pytest.LogCaptureFixture) -> None:
    for asks in (True, False):
        model, injector = attached(Step.of("weight_average"))
        train(model, injector, 2)
        if asks:
            injector.averaged_state_dict()
        injector.detach()
        assert ("the average of the weights was never used" in caplog.text) is not asks
