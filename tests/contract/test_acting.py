"""Every technique against every layout: it changes something there, or says beforehand that it cannot."""

from __future__ import annotations

import logging
import warnings
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from autonoise.errors import PolicyWarning
from autonoise.injector.acting import acting_steps
from autonoise.policy import Policy, Step, load_policy
from autonoise.policy.shipped import shipped
from autonoise.technique import techniques_for
from autonoise.technique.parameters import Range, parameters_of
from autonoise.types import InputSpec, Stage

ROWS = 64
WORDS: dict[str, Any] = {
    "pad_id": 0, "unk_id": 1, "mask_id": 4, "special_ids": (0, 1, 2, 3, 4), "vocabulary_size": 60,
}  # fmt: skip
TABLE: dict[str, Any] = {"data_type": "tabular", "scale": "standardised"}
LAYOUTS = {
    "grey pictures": InputSpec(data_type="image", layout=(1, 16, 16), classes=10),
    "colour pictures": InputSpec(data_type="image", layout=(3, 16, 16), classes=2),
    "pictures of five channels": InputSpec(data_type="image", layout=(5, 16, 16), classes=3),
    "one channel": InputSpec(data_type="timeseries", layout=(1, 64), classes=2, scale="standardised"),
    "channels": InputSpec(data_type="timeseries", layout=(3, 64), classes=5, scale="standardised"),
    "numbers": InputSpec(**TABLE, layout=(4,), classes=3, numeric=(0, 1, 2, 3)),
    "one number": InputSpec(**TABLE, layout=(1,), classes=2, numeric=(0,)),
    "codes": InputSpec(**TABLE, layout=(4,), classes=3, codes=(0, 1, 2, 3)),
    "one-hot groups": InputSpec(**TABLE, layout=(5,), classes=2, onehot=((0, 1), (2, 3, 4))),
    "both": InputSpec(**TABLE, layout=(6,), classes=2, numeric=(0, 1), flags=((2, 0), (3, 1)), codes=(4, 5)),
    "texts": InputSpec(data_type="text", layout=(12,), classes=2, **WORDS),
    "one token": InputSpec(data_type="text", layout=(1,), classes=2, **WORDS),
    "two tokens": InputSpec(data_type="text", layout=(2,), classes=6, **WORDS),
    "clips": InputSpec(data_type="audio", layout=(2000,), classes=5, sample_rate=8000),
}
CANNOT = {
    "one channel": {"channel_dropout"},
    "numbers": {"category_replacement"},
    "one number": {"category_replacement"},
    "codes": {"column_shift", "feature_scaling", "gaussian_noise", "outlier_noise"},
    "one-hot groups": {"column_shift", "feature_scaling", "gaussian_noise", "outlier_noise"},
    "one token": {"token_shuffle"},
}
"""What is known not to act, by hand; of other stages only attacks can lack something to move."""
STRINGS = [f"The {a} fox, number {i}, jumps over {b} lazy dogs; it isn't easy!" for i, (a, b) in enumerate(
    [("quick", "two"), ("brown", "three"), ("small", "many"), ("old", "some")] * 4
)]  # fmt: skip


def batch_of(spec: InputSpec) -> Tensor:
    rng = torch.Generator().manual_seed(0)
    if spec.vocabulary_size is not None:
        return torch.randint(5, spec.vocabulary_size, (ROWS, *spec.layout), generator=rng)
    x = torch.randn(ROWS, *spec.layout, generator=rng)
    if spec.data_type == "image":
        return torch.rand(ROWS, *spec.layout, generator=rng)
    for column in (*spec.codes, *(c for group in spec.onehot for c in group), *(flag for flag, _ in spec.flags)):
        x[:, column] = 0
    for column in spec.codes:
        x[:, column] = torch.randint(1, 6, (ROWS,), generator=rng).float()
    for group in spec.onehot:
        x[torch.arange(ROWS), torch.tensor(group)[torch.randint(len(group), (ROWS,), generator=rng)]] = 1
    return x if spec.data_type != "audio" else (0.1 * x).clamp(-1, 1)


def changes(step: Step, spec: InputSpec) -> bool:
    """Whether a step changes anything of a batch, of its targets or of strings, in some of a few tries."""
    targets = torch.arange(ROWS) % spec.classes
    if step.stage is Stage.TARGET:
        soft = nn.functional.one_hot(targets, spec.classes).float()
        return any(not torch.allclose(step(soft, seed=k), soft) for k in range(3))
    if step.stage is Stage.RAW:
        return any(step(STRINGS, seed=k) != STRINGS for k in range(3))
    x = batch_of(spec)
    return any(not torch.allclose(step(x, seed=k, input=spec), x, atol=1e-6) for k in range(3))


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_technique_changes_something_or_says_that_it_cannot(name: str) -> None:
    spec = LAYOUTS[name]
    said, idle = set(), set()
    for kind in techniques_for(spec.data_type):
        token_pair = kind.stage is Stage.PAIR and spec.vocabulary_size is not None  # mixes inside the model
        if kind.stage not in (Stage.RAW, Stage.INPUT, Stage.TARGET, Stage.PAIR) or token_pair:
            continue
        if kind.stage is Stage.PAIR and getattr(kind, "default_site", "input") != "input":
            continue
        strongest = {k: p.high for k, p in parameters_of(kind).items() if isinstance(p, Range)}
        reason = kind.idle(spec)
        if reason:
            said.add(kind.name)
            assert " " in reason and "\n" not in reason
        if not changes(Step(kind()), spec) and not changes(Step(kind(**strongest)), spec):
            idle.add(kind.name)
    assert said == idle == CANNOT.get(name, set())


def test_attacks_say_that_a_table_has_nothing_to_move() -> None:
    for name in ("fgsm", "pgd"):
        kind = Step.of(name).technique
        told = {layout: bool(kind.idle(spec)) for layout, spec in LAYOUTS.items()}
        assert {k for k, idle in told.items() if idle} == {"codes", "one-hot groups"}
    spec = LAYOUTS["codes"]
    policy, model = Policy("tabular", (Step.of("fgsm", eps=0.5),)), nn.Linear(4, 3)
    with policy.attach(model, epochs=1, steps_per_epoch=1, input=spec) as injector:
        x = batch_of(spec)
        assert torch.equal(injector.perturb(x, torch.arange(ROWS) % 3)[0], x)


@pytest.mark.parametrize("name", [n for n, s in LAYOUTS.items() if s.data_type == "image"])
def test_parameters_that_change_nothing_say_so(name: str) -> None:
    spec = LAYOUTS[name]
    for kind in techniques_for("image"):
        for key in kind.idle_parameters(spec):
            others = {k: 0.0 for k in parameters_of(kind) if k != key}
            high = parameters_of(kind)[key].high  # type: ignore[union-attr]
            assert not changes(Step(kind(**others, **{key: high})), spec), key
            assert changes(Step(kind(**others, **{key: high})), LAYOUTS["colour pictures"]), key
    jitter = type(Step.of("colour_jitter").technique)
    expected = frozenset() if name == "colour pictures" else {"hue", "saturation"}
    assert jitter.idle_parameters(spec) == expected


def told(policy: Policy, x: Tensor, caplog: pytest.LogCaptureFixture, **attach: Any) -> list[str]:
    """What is said when the policy is attached, and at its first batches."""
    caplog.clear()
    model = nn.Sequential(nn.Flatten(), nn.LazyLinear(3))
    with torch.random.fork_rng(devices=[]):
        model(x.float())
    with (
        caplog.at_level(logging.WARNING, logger="autonoise"),
        policy.attach(model, epochs=2, steps_per_epoch=2, num_classes=3, **attach) as injector,
    ):
        for _ in range(2):
            injector.perturb(x, torch.arange(len(x)) % 3)
            injector.step()
    return [r.message.removeprefix("policy: ") for r in caplog.records if "on input" in r.message]


def test_attaching_a_step_that_cannot_act_says_so_once(caplog: pytest.LogCaptureFixture) -> None:
    steps = (Step.of("channel_dropout"), Step.of("gaussian_noise"))
    one, three = (batch_of(LAYOUTS[k]) for k in ("one channel", "channels"))
    expected = (
        "channel_dropout cannot act on input 1x64, so that nothing comes of it: the series have one channel, which "
        "always stays"
    )
    assert told(Policy("timeseries", steps, input=LAYOUTS["one channel"]), one, caplog) == [expected]
    # found on three channels: only the first batch shows that here is one
    assert told(Policy("timeseries", steps, input=LAYOUTS["channels"]), one, caplog) == [expected]
    assert told(Policy("timeseries", steps), one, caplog) == [expected]
    assert told(Policy("timeseries", steps), three, caplog) == []
    colours = Policy("image", (Step.of("colour_jitter"),))
    assert told(colours, batch_of(LAYOUTS["grey pictures"]), caplog) == [
        "hue and saturation of colour_jitter change nothing on input 1x16x16"
    ]
    assert told(colours, batch_of(LAYOUTS["colour pictures"]), caplog) == []
    grey = Policy("image", (Step.of("colour_jitter", hue=0.0, saturation=0.0),))
    assert told(grey, batch_of(LAYOUTS["grey pictures"]), caplog) == []


def test_all_steps_of_shipped_policies_can_act() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PolicyWarning)
        for name in shipped():
            policy = load_policy(name)
            assert policy.input is not None
            assert acting_steps(policy, policy.input) == (policy.steps, {}), name
