"""Sharpness-aware minimisation beside every other step technique: its second gradient is of the whole loss.

The definition, by hand: with g the gradient of the whole loss at w, the update uses the gradient at w + rho g / |g|.
The whole loss is that of the same policy with SAM never acting, on equal draws.
"""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from autonoise.policy import Policy, Step
from autonoise.technique.averaging import AveragingTechnique
from autonoise.technique.registry import Technique, techniques_for
from autonoise.types import InputSpec, Stage

ROWS, CLASSES, RHO = 8, 3, 0.5
STEPS = [t for t in techniques_for() if t.stage is Stage.STEP]
# the neighbours that VAT and TRADES search are not searched again, like an attack, so that the definition is another
OTHERS = [t for t in STEPS if "second_gradient" not in t.tags and getattr(t, "source", "") != "moved"]
OPTIONS: dict[str, dict[str, float]] = {"denoising_autoencoder": {"weight": 50.0}, "vrex": {"penalty": 20.0}}


class Words(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding, self.dropout = nn.Embedding(20, 6), nn.Dropout(0.3)
        self.norm, self.head = nn.BatchNorm1d(6), nn.Linear(6, CLASSES)

    def forward(self, ids: Tensor) -> Tensor:
        out: Tensor = self.head(self.norm(self.dropout(self.embedding(ids).mean(1))))
        return out


def net(data_type: str) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        table = nn.Sequential(
            nn.Linear(5, 8),
            nn.BatchNorm1d(8),
            nn.ReLU(),
            nn.Dropout(0.4),
            nn.Linear(8, 6),
            nn.Tanh(),
            nn.Linear(6, CLASSES),
        )
        return table if data_type == "tabular" else Words()


def batch(data_type: str) -> Tensor:
    rng = torch.Generator().manual_seed(0)
    return torch.randn(ROWS, 5, generator=rng) if data_type == "tabular" else torch.randint(5, 20, (ROWS, 7))


def step_of(data_type: str, steps: list[Step], model: nn.Module, x: Tensor) -> tuple[list[Tensor], Any]:
    """(gradient that the optimiser used, state of the auxiliary heads) of one update by SGD of rate 1."""
    policy = Policy(data_type, steps)  # type: ignore[arg-type]
    spec = InputSpec(data_type=data_type, layout=(), mask_id=4) if data_type == "text" else None  # type: ignore[arg-type]
    before = [p.detach().clone() for p in model.parameters()]
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    torch.manual_seed(11)
    with policy.attach(model, epochs=1, steps_per_epoch=3, seed=5, input=spec, allow_partial=True) as injector:
        injector.training_step(x, torch.arange(ROWS) % CLASSES, optimizer)
        heads = {i: s["head"] for i, s in injector.heads.state_dict().items()}
    return [b - p.detach() for b, p in zip(before, model.parameters(), strict=True)], heads


def steps_with(kind: type[Technique] | None, sam_first: bool, *, acts: bool, data_type: str) -> list[Step]:
    sam = Step.of("sam", rho=RHO, probability=float(acts))
    other = [] if kind is None else [Step.of(kind.name, **OPTIONS.get(kind.name, {}))]
    noise = [Step.of("activation_noise", site="penultimate"), Step.of("weight_noise")]
    noise += [Step.of("gaussian_noise", std=0.3)] if data_type == "tabular" else [Step.of("token_masking")]
    return [*noise, *([sam, *other] if sam_first else [*other, sam])]


@pytest.mark.parametrize("sam_first", [True, False])
@pytest.mark.parametrize("kind", [None, *OTHERS], ids=lambda k: "alone" if k is None else k.name)
def test_the_second_gradient_is_of_the_whole_loss(kind: type[Technique] | None, sam_first: bool) -> None:
    data_type = "tabular" if kind is None or "tabular" in kind.data_types else "text"
    x = batch(data_type)
    plain = steps_with(kind, sam_first, acts=False, data_type=data_type)
    first, _ = step_of(data_type, plain, net(data_type), x)
    base, _ = step_of(data_type, steps_with(None, sam_first, acts=False, data_type=data_type), net(data_type), x)
    # pre-training comes before, and an average of the weights after the gradient
    adds = kind is not None and not getattr(kind, "pretrains", False) and not issubclass(kind, AveragingTechnique)
    assert adds != all(torch.allclose(a, b, atol=1e-6) for a, b in zip(first, base, strict=True))
    norm = torch.cat([g.flatten() for g in first]).norm()
    moved = net(data_type)
    with torch.no_grad():
        for p, g in zip(moved.parameters(), first, strict=True):
            p.add_(RHO * g / norm)
    expected, heads = step_of(data_type, plain, moved, x)
    model = net(data_type)
    statistics = copy.deepcopy(model)
    step_of(data_type, plain, statistics, x)
    seen, seen_heads = step_of(data_type, steps_with(kind, sam_first, acts=True, data_type=data_type), model, x)
    for got, wanted, at_first in zip(seen, expected, first, strict=True):
        assert torch.allclose(got, wanted, atol=2e-5, rtol=1e-3)
        assert not torch.allclose(at_first, wanted, atol=2e-3) or at_first.abs().max() < 1e-6
    # the head learns from the same pass, once
    assert seen_heads.keys() == heads.keys()
    for index in heads:
        assert all(torch.allclose(seen_heads[index][k], heads[index][k], atol=1e-6) for k in heads[index])
    for name, buffer in model.named_buffers():
        # the second pass moves no batch-norm statistics
        assert torch.equal(buffer, dict(statistics.named_buffers())[name]), name


def test_the_second_pass_leaves_the_users_random_stream_alone() -> None:
    after = []
    for acts in (False, True):
        step_of("tabular", steps_with(None, True, acts=acts, data_type="tabular"), net("tabular"), batch("tabular"))
        after.append(torch.get_rng_state())
    assert torch.equal(*after)


def test_what_the_second_gradient_costs() -> None:
    """SAM: forward and backward of everything twice. Consistency alone 4 passes; an attack of 2 steps 2 more."""
    sam, views, attack = Step.of("sam"), Step.of("two_view_consistency"), Step.of("pgd", steps=2)
    alone = Policy("tabular", [views]).passes  # type: ignore[arg-type]
    assert Policy("tabular", [sam]).passes == 2  # type: ignore[arg-type]
    assert Policy("tabular", [sam, views]).passes == 2 * alone  # type: ignore[arg-type]
    attacked = Policy("tabular", [attack]).passes - 1  # type: ignore[arg-type]
    # beside an attack the views need a pass of their own
    assert Policy("tabular", [sam, views, attack]).passes == 2 * (alone + 1) + attacked  # type: ignore[arg-type]
