from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from autonoise.ops.random import generator
from autonoise.policy import Policy, Step
from autonoise.technique.schedule import Schedule
from autonoise.techniques.gce import GCE
from autonoise.techniques.two_view_consistency import TwoViewConsistency
from autonoise.types import DataType, InputSpec

CLEAN, ONE, TWO = torch.randn(3, 6, 4, generator=generator(0), dtype=torch.float64)


def test_the_three_view_divergence_as_entropies() -> None:
    p = torch.stack([CLEAN, ONE, TWO]).softmax(2)
    entropy = torch.special.entr(p).sum(2)
    expected = (torch.special.entr(p.mean(0)).sum(1) - entropy.mean(0)).mean()
    got = TwoViewConsistency(weight=12.0).compare(torch.stack([CLEAN, ONE, TWO]))
    assert got.item() == pytest.approx(12 * expected.item())


def test_bounds_and_finite_gradients_for_certain_predictions() -> None:
    sure = (torch.eye(3) * 1e4).unsqueeze(1).requires_grad_(True)
    loss = TwoViewConsistency(weight=1.0).compare(sure)
    loss.backward()
    assert loss.item() == pytest.approx(torch.log(torch.tensor(3.0)).item())
    assert torch.isfinite(sure.grad).all()
    assert TwoViewConsistency().compare(torch.stack([CLEAN, CLEAN, CLEAN])).item() == pytest.approx(0, abs=1e-9)


def test_it_contradicts_robust_losses() -> None:
    assert TwoViewConsistency.tags & GCE.conflicts
    assert TwoViewConsistency().passes == 3


class Net(nn.Module):
    """Batch norm, so that who is normalised together shows."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.classify = nn.BatchNorm1d(4), nn.Linear(4, 3)
        self.seen: list[Tensor] = []

    def forward(self, x: Tensor) -> Tensor:
        self.seen.append(x.detach().clone())
        return self.classify(self.norm(x))


def step_of(*others: Step, **settings: Any) -> tuple[Net, Net, Tensor, Tensor, Tensor]:
    """(before, after, batch, targets, loss) of an update with plain SGD of rate 1."""
    torch.manual_seed(0)
    before = Net()
    after = copy.deepcopy(before)
    x, y = torch.randn(8, 4, generator=generator(1)), torch.arange(8) % 3
    steps = (Step.of("gaussian_noise", std=1.0), Step.of("two_view_consistency", weight=12.0, **settings), *others)
    injector = Policy("tabular", steps).attach(after, epochs=1, steps_per_epoch=4)
    loss = injector.training_step(x, y, torch.optim.SGD(after.parameters(), lr=1.0))
    return before, after, x, y, loss


def test_a_step_is_that_of_the_reference() -> None:
    """One pass over clean, view 1 and view 2; CE of the clean part + 12 * JSD (google-research/augmix, cifar.py)."""
    before, after, x, y, loss = step_of()
    (batch,) = after.seen
    assert batch.shape == (24, 4) and torch.equal(batch[:8], x)
    noise = batch[8:].reshape(2, 8, 4) - x
    assert noise.std().item() == pytest.approx(1.0, abs=0.2) and not torch.equal(noise[0], noise[1])

    logits = before(batch)
    clean, one, two = logits.split(8)
    p = [part.softmax(1) for part in (clean, one, two)]
    mixture = (sum(p) / 3).clamp(1e-7, 1).log()
    jsd = sum(nn.functional.kl_div(mixture, q, reduction="batchmean") for q in p) / 3
    expected = nn.functional.cross_entropy(clean, y) + 12 * jsd
    expected.backward()
    assert jsd.item() > 0.005
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)
    for old, new in zip(before.parameters(), after.parameters(), strict=True):
        assert torch.allclose(old - old.grad, new, atol=1e-5)
    # batch norm has learnt from all three, once
    assert torch.allclose(after.norm.running_mean, before.norm.running_mean)
    assert after.norm.num_batches_tracked == 1


def test_labels_are_softened_for_the_clean_part() -> None:
    _, after, _, y, loss = step_of(Step.of("label_smoothing", smoothing=0.3))
    logits = logits_of(after)
    soft = 0.7 * nn.functional.one_hot(y, 3) + 0.1
    p = logits.reshape(3, 8, 3).softmax(2)
    jsd = (torch.special.entr(p.mean(0)).sum(1) - torch.special.entr(p).sum(2).mean(0)).mean()
    assert loss.item() == pytest.approx((nn.functional.cross_entropy(logits[:8], soft) + 12 * jsd).item(), rel=1e-5)


def logits_of(trained: Net) -> Tensor:
    """The logits of the update that ``trained`` has just had."""
    torch.manual_seed(0)
    return Net()(trained.seen[0]).detach()


def test_beside_mixed_pairs_the_mixed_batch_keeps_the_cross_entropy() -> None:
    """It goes first through the model, in one batch with the clean one and its two views."""
    before, after, x, y, loss = step_of(Step.of("mixup", alpha=1.0))
    (whole,) = after.seen
    assert whole.shape == (32, 4) and torch.equal(whole[8:16], x)
    assert after.norm.num_batches_tracked == 1
    twin = Policy("tabular", (Step.of("gaussian_noise", std=1.0), Step.of("mixup", alpha=1.0)))
    mixed, targets = twin.attach(copy.deepcopy(before), epochs=1, steps_per_epoch=4).perturb(x, y)
    assert torch.equal(whole[:8], mixed) and not torch.equal(targets, targets.round())
    logits = before(whole)
    p = logits[8:].reshape(3, 8, 3).softmax(2)
    jsd = (torch.special.entr(p.mean(0)).sum(1) - torch.special.entr(p).sum(2).mean(0)).mean()
    expected = nn.functional.cross_entropy(logits[:8], targets) + 12 * jsd
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)


def test_what_it_costs() -> None:
    noise, both = Step.of("gaussian_noise"), Step.of("two_view_consistency")
    assert Policy("tabular", (noise, both)).passes == 3
    assert Policy("tabular", (noise, both, Step.of("mixup"))).passes == 4
    assert Policy("tabular", (noise, both, Step.of("sam"))).passes == 6  # the three views, twice
    assert Policy("tabular", (noise, Step.of("two_view_consistency", gate=2))).passes == 2


def test_sam_repeats_the_pass_with_the_same_views() -> None:
    _, after, _, _, _ = step_of(Step.of("sam"))
    first, second = after.seen
    assert first.shape == (24, 4) and torch.equal(first, second)
    assert after.norm.num_batches_tracked == 1


def test_while_it_is_off_the_step_is_the_plain_one() -> None:
    _, after, x, _, _ = step_of(schedule=Schedule("window", start=0.9))
    (batch,) = after.seen
    assert batch.shape == x.shape and not torch.equal(batch, x)


def test_a_dict_of_tokens_goes_through_as_one_batch() -> None:
    class Bag(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed, self.head = nn.Embedding(50, 8), nn.Linear(8, 3)
            self.rows = 0

        def forward(self, batch: dict[str, Tensor]) -> Tensor:
            self.rows = len(batch["input_ids"])
            mask = batch["attention_mask"][..., None]
            return self.head((self.embed(batch["input_ids"]) * mask).sum(1))

    model = Bag()
    spec = InputSpec(data_type=DataType.TEXT, layout=(5,), pad_id=0, unk_id=1, vocabulary_size=50, classes=3)
    policy = Policy(
        "text",
        (
            Step.of("word_dropout", fraction=0.3),
            Step.of("two_view_consistency"),
            Step.of("activation_noise", sigma=0.1, site="embedding"),
        ),
    )
    injector = policy.attach(model, epochs=1, steps_per_epoch=1, input=spec)
    ids = torch.randint(2, 50, (6, 5), generator=generator(0))
    batch = {"input_ids": ids, "attention_mask": torch.ones(6, 5, dtype=torch.long)}
    loss = injector.training_step(batch, torch.arange(6) % 3, torch.optim.SGD(model.parameters(), lr=0.1))
    assert model.rows == 18 and torch.isfinite(loss)
