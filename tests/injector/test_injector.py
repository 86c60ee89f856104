"""The injector in a user's own loop: checks, refusals, stages against second derivations."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from autonoise.errors import AttachError
from autonoise.policy import NoiseInjector, Policy, Step
from autonoise.technique.schedule import Schedule
from autonoise.types import DataType, InputSpec

ROWS, CLASSES = 6, 3


def table(seed: int = 0, columns: int = 5) -> Tensor:
    return torch.randn(ROWS, columns, generator=torch.Generator().manual_seed(seed))


LABELS = torch.arange(ROWS) % CLASSES


def net(columns: int = 5) -> nn.Sequential:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        return nn.Sequential(nn.Linear(columns, 4), nn.LayerNorm(4), nn.ReLU(), nn.Linear(4, CLASSES))


def attach(*steps: Step, model: nn.Module | None = None, data_type: str = "tabular", **options: Any) -> NoiseInjector:
    policy = Policy(DataType(data_type), steps)
    return policy.attach(model or net(), **({"epochs": 2, "steps_per_epoch": 5} | options))


def refused(rule: str) -> Any:
    return pytest.raises(AttachError, match=rule)


# -- attaching ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("model", "options", "rule"), [
    (3, {}, "needs a torch.nn.Module, but got int"),
    (None, {"epochs": 0}, "epochs must be a whole number >= 1, but got 0"),
    (None, {"steps_per_epoch": 2.5}, "steps_per_epoch must be a whole number"),
    (None, {"input": InputSpec(data_type=DataType.IMAGE, layout=(1, 2, 2))}, "tabular data, but .* image: use a"),
])  # fmt: skip
def test_attaching_to_what_does_not_fit(model: Any, options: dict[str, Any], rule: str) -> None:
    with refused(rule):
        attach(Step.of("gaussian_noise"), **({"model": model} if model else {}), **options)


def test_attaching_after_compiling_is_refused() -> None:
    compiled = torch.compile(net(), backend="eager")
    inside = nn.Sequential(torch.compile(nn.Linear(5, 3), backend="eager"))
    in_place = net()
    in_place.compile(backend="eager")
    for model in (compiled, inside, in_place):
        with refused("before torch.compile"):
            attach(Step.of("gaussian_noise"), model=model)


def test_a_refusal_leaves_no_hooks_behind() -> None:
    model = net()
    with refused("dropout: site 'nowhere'"):
        attach(Step.of("weight_noise"), Step.of("activation_noise"), Step.of("dropout", site="nowhere"), model=model)
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())


# -- the first batch ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("data_type", "technique", "batch", "rule"), [
    ("image", "mixup", torch.rand(6, 5), r"for image data, batches of shape \(B, C, H, W\).*\(6, 5\)"),
    ("tabular", "mixup", torch.rand(6, 3, 8, 8), r"for tabular data, batches of shape \(B, D\).*\(6, 3, 8, 8\)"),
    ("image", "mixup", torch.rand(6, 8, 8, 3), r"channels last.*permute"),
    ("image", "mixup", torch.rand(6, 3, 8, 8) * 9 - 4, "say which mean and std"),
    ("text", "token_masking", torch.rand(6, 5), "integer token ids"),
    ("tabular", "mixup", torch.ones(6, 5, dtype=torch.long), "must be floating point"),
    ("audio", "mixup", torch.rand(6, 20), "must be waveforms"),
    ("audio", "mixup", torch.rand(6, 2, 800), "mix the channels down"),
    ("audio", "mixup", 20_000 * torch.rand(6, 800), "divide 16-bit samples by 32768"),
    ("tabular", "mixup", torch.full((6, 5), torch.inf), "infinite values"),
    ("tabular", "mixup", torch.zeros(0, 5), "empty"),
    ("tabular", "mixup", {"rows": torch.rand(6, 5)}, "needs one of the keys numeric, x, but has rows"),
    ("tabular", "mixup", [1, 2], "a tensor or a dict of tensors, but is a list"),
])  # fmt: skip
def test_batches_that_do_not_fit_the_policy(data_type: str, technique: str, batch: Any, rule: str) -> None:
    injector = attach(Step.of(technique), data_type=data_type)
    with refused(rule) as caught:
        injector.perturb(batch, LABELS)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("y", "rule"), [
    (LABELS[:3], r"must be \(6,\) class indices or \(6, 3\), but got \(3,\)"),
    (LABELS.float(), "must be integer class indices"),
    (LABELS + 1, "targets go from 1 to 3, but the model has 3 classes"),
    (LABELS - 1, "targets go from -1"),
    (torch.ones(ROWS, 4) / 4, "are read as the shares of 4 classes, but the model has 3"),
    ([0] * ROWS, "but got list"),
])  # fmt: skip
def test_targets_that_do_not_fit(y: Any, rule: str) -> None:
    with refused(rule):
        attach(Step.of("mixup")).perturb(table(), y)


def test_logits_that_do_not_fit() -> None:
    injector = attach(Step.of("mixup"))
    _, y = injector.perturb(table(), LABELS)
    with refused("gives 5 logits, but the targets have 3 classes: pass num_classes=5"):
        injector.loss(torch.zeros(ROWS, 5), y)


def test_a_policy_made_by_hand_learns_the_layout_from_the_first_batch() -> None:
    injector = attach(Step.of("gaussian_noise"))
    injector.perturb(table(), LABELS)
    assert injector.spec.layout == (5,)
    images = attach(Step.of("cutout"), data_type="image", model=nn.Sequential(nn.Flatten(), nn.Linear(48, CLASSES)))
    images.perturb(torch.rand(ROWS, 3, 4, 4), LABELS)
    assert (images.spec.layout, images.spec.classes) == ((3, 4, 4), CLASSES)


def test_resuming_keeps_the_scale_of_the_very_first_batch() -> None:
    """The columns are not standardised, so strengths are in deviations of the first batch; not of the first resumed."""
    first = attach(Step.of("gaussian_noise"))
    first.perturb(100 * table(0), LABELS)
    first.step()
    second = attach(Step.of("gaussian_noise"))
    second.load_state_dict(first.state_dict())
    x = 100 * table(1)
    assert torch.equal(first.perturb(x, LABELS)[0], second.perturb(x, LABELS)[0])
    with refused("belongs to policy .* resume with the policy file"):
        attach(Step.of("mixup")).load_state_dict(first.state_dict())


# -- three lines -------------------------------------------------------------------------------------------------


def test_step_techniques_need_the_whole_step() -> None:
    injector = attach(Step.of("sam"))
    optimizer = torch.optim.SGD(injector.inner.parameters(), lr=0.1)
    for _ in range(2):
        with refused(r"whole training step \(sam\).*training_step"):
            injector.perturb(table(), LABELS)
        injector.training_step(table(), LABELS, optimizer)
    attach(Step.of("sam"), allow_partial=True).perturb(table(), LABELS)


def test_steps_that_cannot_act_are_noticed_in_the_first_update() -> None:
    def update(injector: NoiseInjector, model: nn.Module | None = None, batch: Tensor | None = None) -> None:
        x, y = injector.perturb(table() if batch is None else batch, LABELS)
        injector.loss((model or injector.inner)(x), y).backward()
        injector.step()

    class Unused(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.used, self.unused = net(), nn.ModuleList([nn.LayerNorm(4), nn.Linear(4, 4)])

        def forward(self, x: Tensor) -> Tensor:
            return self.used(x)

    for technique in ("activation_noise", "dropout"):
        with refused(rf"{technique}: its site \(unused.0\) never ran .* sites="):
            update(attach(Step.of(technique, site="unused.0"), model=Unused()))
    with refused("weight_noise: none of the model's weights was used"):
        update(attach(Step.of("weight_noise", site="unused.1"), model=Unused()))
    with refused("noisy_feature_mixup: it mixes targets, but one of its sites .unused.0. never ran"):
        update(attach(Step.of("noisy_feature_mixup"), model=Unused(), num_classes=CLASSES))
    with refused("gradient noise: pass optimizer= to attach, or use training_step"):
        update(attach(Step.of("gradient_noise")))
    text = nn.Sequential(nn.EmbeddingBag(20, 4), nn.Linear(4, CLASSES))
    injector = attach(Step.of("word_swap"), data_type="text", model=text)
    ids = torch.randint(5, 20, (ROWS, 7))
    injector.perturb(ids, LABELS)
    with refused("raw strings: run injector.raw_transform"):
        injector.step()
    # a transform that this injector knows nothing of may be anybody's
    injector.policy.raw_transform()(" some words ", 0)
    with refused("raw strings: run injector.raw_transform"):
        update(attach(Step.of("word_swap"), data_type="text", model=text, replace=True), text, ids)
    injector = attach(Step.of("word_swap"), data_type="text", model=text, replace=True)
    injector.raw_transform()
    update(injector, text, ids)


def test_gradient_noise_through_the_optimisers_hook() -> None:
    """eta / (1 + t)^gamma, added to what the optimiser sees, the same on every rank."""
    seen = []
    for rank in (0, 1):
        model = net()
        optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
        injector = attach(Step.of("gradient_noise", eta=0.5), model=model, optimizer=optimizer, rank=rank)
        before = [p.detach().clone() for p in model.parameters()]
        injector.perturb(table(), LABELS)
        F.cross_entropy(model(table()), LABELS).backward()
        clean = [p.grad.clone() for p in model.parameters() if p.grad is not None]
        optimizer.step()
        injector.step()
        seen.append([b - p.detach() - g for b, p, g in zip(before, model.parameters(), clean)])
    noise = torch.cat([n.flatten() for n in seen[0]])
    assert 0.5 < float(noise.std()) < 0.95  # sqrt(0.5) = 0.71, of 55 numbers
    assert all(torch.equal(a, b) for a, b in zip(*seen))


def test_a_scaler_that_skips_the_first_step_is_no_error() -> None:
    model = net()
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    injector = attach(Step.of("gradient_noise"), model=model, optimizer=optimizer)
    injector.perturb(table(), LABELS)
    injector.step()


def test_soft_targets_stay_soft_and_losses_agree() -> None:
    injector = attach(Step.of("label_smoothing", smoothing=0.3))
    _, y = injector.perturb(table(), LABELS)
    assert torch.allclose(y, 0.7 * F.one_hot(LABELS, CLASSES) + 0.1)
    logits = table(3, CLASSES)
    expected = -(y * logits.log_softmax(1)).sum(1).mean()
    assert torch.allclose(injector.loss(logits, y), expected)


def test_a_robust_loss_is_blended_by_the_multiplier() -> None:
    """(1 - m) CE + m GCE with GCE = sum_c y_c (1 - p_c^q) / q, at m = 1/2."""
    injector = attach(Step.of("gce", q=0.5, schedule=Schedule("ramp_up")), epochs=1, steps_per_epoch=3)
    injector.perturb(table(), LABELS)
    injector.clock.update = 1
    logits = table(3, CLASSES)
    p = logits.softmax(1)[torch.arange(ROWS), LABELS]
    expected = 0.5 * -p.log().mean() + 0.5 * ((1 - p.sqrt()) / 0.5).mean()
    assert torch.allclose(injector.loss(logits, F.one_hot(LABELS, CLASSES).float()), expected)
    custom = attach(loss=lambda out, y: out.sum())
    assert torch.equal(custom.loss(logits, LABELS), logits.sum())


def test_mixup_mixes_inputs_and_targets_by_one_plan() -> None:
    injector = attach(Step.of("mixup", alpha=1.0))
    x, y = injector.perturb(table(), LABELS)
    hard = F.one_hot(LABELS, CLASSES).float()
    solved = 0
    for row in range(ROWS):
        for partner in range(ROWS):
            # the weight that explains the input must explain the target
            d = table()[row] - table()[partner]
            w = 1.0 if row == partner else float(((x[row] - table()[partner]) * d).sum() / (d * d).sum())
            inside = torch.allclose(w * table()[row] + (1 - w) * table()[partner], x[row], atol=1e-5)
            solved += inside and torch.allclose(w * hard[row] + (1 - w) * hard[partner], y[row], atol=1e-4)
    assert solved >= ROWS


def test_strength_knob_and_description() -> None:
    injector = attach(Step.of("gaussian_noise", std=0.1), Step.of("activation_noise"), Step.of("dropout"))
    text = injector.describe()
    assert "gaussian_noise [input] · std 0.1 (input scale) · all samples · throughout · on the input" in text
    assert "1:output" in text
    assert "3:input" in text
    one = injector.perturb(table(), LABELS)[0] - table()
    injector.clock.micro = -1
    injector.set_strength(2.0)
    two = injector.perturb(table(), LABELS)[0] - table()
    assert torch.allclose(two, 2 * one, atol=1e-5)
    injector.set_strength(0.0)
    assert torch.equal(injector.perturb(table(), LABELS)[0], table())


def test_with_input_described_by_the_user() -> None:
    spec = InputSpec(data_type=DataType.IMAGE, layout=(1, 2, 2), scale="byte")
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, CLASSES))
    injector = attach(Step.of("gaussian_noise"), data_type="image", model=model, input=spec)
    with refused("described as byte, values .* but the first batch goes from"):
        injector.perturb(1000 * torch.rand(ROWS, 1, 2, 2), LABELS)
    injector = attach(
        Step.of("gaussian_noise"), data_type="image", model=model, input=replace(spec, scale="unit"), replace=True
    )
    x = torch.full((ROWS, 1, 2, 2), 0.5)
    assert 0.02 < float((injector.perturb(x, LABELS)[0] - x).std()) < 0.2


def test_a_wrong_target_long_after_the_first_batches_is_one_line() -> None:
    model = nn.Linear(4, 3)
    for policy in (Policy("tabular", [Step.of("gaussian_noise")]), Policy("tabular", [Step.of("mixup")])):
        injector = policy.attach(model, epochs=1, steps_per_epoch=100)
        x, y = torch.randn(6, 4), torch.tensor([0, 1, 2, 0, 1, 2])
        for _ in range(20):
            noisy, targets = injector.perturb(x, y)
            injector.loss(model(noisy), targets)
            injector.step()
        for wrong, low, high in ((7, 0, 7), (-100, -100, 2)):
            with pytest.raises(AttachError, match=f"targets go from {low} to {high}, but the model has 3 classes"):
                noisy, targets = injector.perturb(x, torch.tensor([0, 1, 2, 0, 1, wrong]))
                injector.loss(model(noisy), targets)
        injector.detach()
