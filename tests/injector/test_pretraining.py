"""A policy that begins with a phase before training says so, instead of training without it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

from autonoise.errors import AttachError
from autonoise.policy import NoiseInjector, Policy, Step
from autonoise.types import InputSpec

SPEC = InputSpec(data_type="text", layout=(6,), classes=2, pad_id=0, mask_id=1, special_ids=(2,), vocabulary_size=20)  # type: ignore[arg-type]
POLICY = Policy("text", [Step.of("token_masking"), Step.of("mlm_pretraining", epochs=2)], input=SPEC)  # type: ignore[arg-type]
Y = torch.arange(8) % 2


class Reader(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.embedding, self.conv = nn.Embedding(20, 8), nn.Conv1d(8, 8, 3, padding=1)
            self.head = nn.Linear(8, 2)

    def forward(self, ids: Tensor) -> Tensor:
        out: Tensor = self.head(self.conv(self.embedding(ids).transpose(1, 2)).relu().amax(2))
        return out


def ids(number: int = 0) -> Tensor:
    return torch.randint(3, 20, (8, 6), generator=torch.Generator().manual_seed(number))


def attach(policy: Policy = POLICY, *, allow_partial: bool = False) -> NoiseInjector:
    return policy.attach(Reader(), epochs=1, steps_per_epoch=5, allow_partial=allow_partial)


def train(injector: NoiseInjector) -> None:
    optimizer = torch.optim.SGD(injector.model.parameters(), lr=0.1)
    injector.training_step(ids(), Y, optimizer)


def test_training_before_pretraining_is_refused_in_both_forms() -> None:
    for first in (train, lambda i: i.perturb(ids(), Y)):
        injector = attach()
        with pytest.raises(AttachError, match=r"phase before training \(mlm_pretraining\): run injector.pretrain\("):
            first(injector)
        assert injector.clock.update == 0
        assert injector.pretrain(lambda: (ids(n) for n in range(3))) == 2.0
        first(injector)


def test_whoever_accepts_a_part_trains_without_it() -> None:
    train(attach(allow_partial=True))


def test_a_pretraining_alone_needs_no_whole_step() -> None:
    """After it the three lines will do; SAM, which changes each update, needs ``training_step``."""
    assert (POLICY.pretrains, POLICY.needs_whole_step) == (True, False)
    both = Policy("text", [*POLICY.steps, Step.of("sam")], input=SPEC)  # type: ignore[arg-type]
    assert (both.pretrains, both.needs_whole_step) == (True, True)
    noise = Policy("text", [Step.of("token_masking")], input=SPEC)  # type: ignore[arg-type]
    assert (noise.pretrains, noise.needs_whole_step) == (False, False)
    for name in ("sam", "vrex", "denoising_autoencoder"):
        assert Policy("tabular", [Step.of(name)]).needs_whole_step  # type: ignore[arg-type]
    injector = attach(both)
    injector.pretrain(lambda: [ids()])
    with pytest.raises(AttachError, match=r"need the whole training step \(sam\)"):
        injector.perturb(ids(), Y)
    train(injector)


def test_resuming_knows_that_it_has_run() -> None:
    first, second = attach(), attach()
    second.load_state_dict(first.state_dict())
    with pytest.raises(AttachError, match="phase before training"):
        train(second)
    first.pretrain(lambda: [ids()])
    second.load_state_dict(first.state_dict())
    train(second)
    # a state that was saved before this was recorded belongs to a training that is under way
    third, old = attach(), first.state_dict()
    del old["pretrained"]
    third.load_state_dict(old)
    train(third)


def test_data_that_cannot_be_gone_through_are_refused() -> None:
    with pytest.raises(AttachError, match=r"pretrain needs a function that goes .* but got list"):
        attach().pretrain([ids()])  # type: ignore[arg-type]
    with pytest.raises(AttachError, match="pretrain met no batch"):
        attach().pretrain(lambda: [])
    spent: Iterator[Tensor] = iter([ids(0), ids(1)])
    injector = attach()
    with pytest.raises(AttachError, match="met batches only once"):
        injector.pretrain(lambda: spent)
    with pytest.raises(AttachError, match="phase before training"):
        train(injector)


def test_a_policy_without_one_pretrains_nothing() -> None:
    injector = attach(Policy("text", [Step.of("token_masking")], input=SPEC))  # type: ignore[arg-type]
    assert injector.pretrain(lambda: [ids()]) == 0
    train(injector)
