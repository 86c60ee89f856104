"""Noise inside the model adds up over its places: what the search chose holds for models of another depth."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from autonoise.errors import PolicyError
from autonoise.policy import Policy, Step, load_policy
from autonoise.policy.places import counted
from autonoise.proxies import build_proxy
from autonoise.types import DataType, InputSpec

X = torch.randn(64, 16, generator=torch.Generator().manual_seed(0))
Y = torch.arange(64) % 5


class Deep(nn.Module):
    def __init__(self, layers: int) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(1)
            made: list[nn.Module] = []
            for i in range(layers):
                made += [nn.Linear(16 if i == 0 else 64, 64), nn.LayerNorm(64), nn.ReLU()]
            self.body, self.classifier = nn.Sequential(*made), nn.Linear(64, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.body(x))


def movement(layers: int, step: Step) -> float:
    """How far noise moves the penultimate features, relative to their size: the mean over a few updates."""
    model, moved = Deep(layers), []
    clean = model.body(X).detach()
    injector = Policy(DataType.TABULAR, (step,)).attach(model, epochs=1, steps_per_epoch=9)
    for _ in range(6):
        injector.perturb(X, Y)
        moved.append(float((model.body(X).detach() - clean).norm() / clean.norm()))
        injector.step()
    return sum(moved) / len(moved)


@pytest.mark.parametrize(("step", "places"), [
    (Step.of("activation_noise", sigma=0.1), 2),
    (Step.of("weight_noise", sigma=0.05), 3),
    (Step.of("drop_connect", p=0.05), 3),
    (Step.of("dropout", p=0.05, site="after_norm"), 2),
], ids=lambda v: v.name if isinstance(v, Step) else "")  # fmt: skip
def test_features_move_as_much_in_a_deep_model_as_in_the_searched_one(step: Step, places: int) -> None:
    searched = movement(2, step)
    assert movement(2, replace(step, sites=places)) == searched
    # within what nets of several depths let through of one and the same noise
    assert 0.65 < movement(16, replace(step, sites=places)) / searched < 1.35
    assert movement(16, step) / searched > 1.6


@pytest.mark.parametrize(("step", "ratio", "expected"), [
    (Step.of("activation_noise", sigma=0.1), 1 / 4, {"sigma": 0.05}),
    (Step.of("weight_noise", sigma=0.1, kind="multiplicative"), 9.0, {"sigma": 0.3}),
    (Step.of("activation_noise", sigma=8.0), 4.0, {"sigma": 10.0}),
    # .2 / .8 = 1/4, halved 1/8 = r / (1 - r) with r = 1/9
    (Step.of("spatial_dropout", p=0.2), 1 / 2, {"p": 1 / 9}),
    (Step.of("drop_block", p=0.2), 1 / 2, {"p": 1 / 9, "block": 5}),
    (Step.of("dropout", p=0.5), 1 / 3, {"p": 0.25}),
    (Step.of("drop_connect", p=0.5), 3.0, {"p": 0.75}),
    (Step.of("drop_connect", p=0.95), 100.0, {"p": 0.95}),
    # a branch weighs the less in the sum the more there are: its rate stays
    (Step.of("stochastic_depth", p=0.2), 1 / 4, {"p": 0.2}),
    (Step.of("embedding_noise"), 1 / 4, {}),
])  # fmt: skip
def test_strengths_by_hand(step: Step, ratio: float, expected: dict[str, Any]) -> None:
    before, new = step.technique.parameters(), step.technique.spread(ratio).parameters()
    assert {k: new[k] for k in expected} == pytest.approx(expected)
    assert {k: v for k, v in new.items() if k not in expected} == {k: v for k, v in before.items() if k not in expected}


def test_the_number_of_places_is_counted_on_the_proxy_and_travels_with_the_policy(tmp_path: Path) -> None:
    spec = InputSpec(data_type=DataType.TABULAR, layout=(6,), classes=3, scale="standardised", numeric=tuple(range(6)))
    steps = (
        Step.of("gaussian_noise"), Step.of("activation_noise", sigma=0.2), Step.of("dropout"), Step.of("weight_noise"),
        Step.of("mixup"),
    )  # fmt: skip
    plain = Policy(DataType.TABULAR, steps)
    proxy = build_proxy(spec)
    policy = counted(plain, proxy, input=spec)
    # two hidden layers with a norm each, and the classifier
    assert {s.name: s.sites for s in policy.steps} == {
        "gaussian_noise": 0, "activation_noise": 2, "dropout": 1, "weight_noise": 3, "mixup": 0,
    }  # fmt: skip
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in proxy.modules())
    for name in ("policy.yaml", "policy.json"):
        policy.save(tmp_path / name)
        loaded = load_policy(tmp_path / name)
        assert loaded.steps == policy.steps
        assert loaded.hash == policy.hash != plain.hash
    # counted again on a model with another number of places, the same noise is written in its numbers
    again = counted(policy, Deep(8), input=replace(spec, layout=(16,), numeric=tuple(range(16)), classes=5))
    found = {s.name: s for s in again.steps}["activation_noise"]
    assert found.sites == 8
    assert found.technique.parameters() == pytest.approx({"sigma": 0.1})
    text = policy.attach(Deep(8), epochs=1, steps_per_epoch=1, input=replace(spec, layout=(16,))).describe()
    assert "8 places instead of 2 in the search: sigma 0.2 -> 0.1" in text
    assert text.count("instead of") == 2


def test_files_without_the_number_act_as_they_stand_and_wrong_numbers_are_refused() -> None:
    values = Policy(DataType.TABULAR, (Step.of("activation_noise"),)).to_dict()
    assert "sites" not in values["steps"][0]
    assert Policy.from_dict(values).steps[0].sites == 0
    for wrong in (-1, "many", 2.5):
        values["steps"][0]["sites"] = wrong
        with pytest.raises(PolicyError, match=r"steps\[0\].sites"):
            Policy.from_dict(values)
