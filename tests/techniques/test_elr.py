from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from autonoise.errors import AttachError, PolicyError
from autonoise.injector.injector import NoiseInjector
from autonoise.ops.random import generator
from autonoise.policy import Policy, Step
from autonoise.techniques.elr import ELR
from autonoise.types import DataType, InputSpec

SPEC = InputSpec(data_type=DataType.TABULAR, layout=(4,), classes=2, numeric=tuple(range(4)))
X, Y = torch.randn(3, 4, generator=generator(0)), torch.tensor([0, 1, 0])
SURE = torch.tensor([[2.1972246, 0.0]])  # 9/10 and 1/10


def attached(*others: Step, model: nn.Module | None = None) -> NoiseInjector:
    model = model or nn.Linear(4, 2)
    policy = Policy("tabular", (Step.of("elr", weight=3.0, memory=0.7), *others))
    return policy.attach(model, epochs=2, steps_per_epoch=5, input=SPEC)


def loss_of(injector: NoiseInjector, row: int, logits: Tensor) -> float:
    """The loss of one sample of class 0."""
    _, y = injector.perturb(X[:1], Y[:1], rows=torch.tensor([row]))
    loss = injector.loss(logits, y).item()
    injector.step()
    return loss


def test_numbers_by_hand() -> None:
    injector = attached()
    # the record is 0.3 p at first: -log .9 + 3 log(1 - .3 (.81 + .01))
    assert loss_of(injector, 0, SURE) == pytest.approx(0.105361 - 3 * 0.282363, abs=1e-5)
    # then 0.7 of that and 0.3 p: (.459, .051)
    assert loss_of(injector, 0, SURE) == pytest.approx(0.105361 - 3 * 0.541629, abs=1e-5)
    # another sample has a record of its own
    assert loss_of(injector, 7, SURE) == pytest.approx(0.105361 - 3 * 0.282363, abs=1e-5)


def test_no_gradient_flows_through_the_record() -> None:
    logits = torch.randn(2, 3, generator=generator(1), dtype=torch.float64).requires_grad_(True)
    record = torch.rand(2, 3, generator=generator(2), dtype=torch.float64) * 0.5
    y = torch.eye(3, dtype=torch.float64)[:2]
    ELR(weight=2.0).loss_with(logits, y, record).sum().backward()  # type: ignore[no-untyped-call]
    p = logits.detach().softmax(1)
    agreement = (record * p).sum(1, keepdim=True)
    # d/dz of log(1 - <p, t>) is -p (t - <p, t>) / (1 - <p, t>)
    wanted = p - y - 2 * p * (record - agreement) / (1 - agreement)
    assert logits.grad is not None and torch.allclose(logits.grad, wanted)


def test_without_the_numbers_of_the_samples_it_is_refused() -> None:
    injector = attached()
    with pytest.raises(AttachError, match=r"elr keeps a record of each sample.*perturb\(x, y, rows=numbers\)"):
        injector.perturb(X, Y)
    with pytest.raises(AttachError, match=r"elr keeps a record of each sample"):
        injector.training_step(X, Y, torch.optim.SGD(injector.model.parameters(), lr=0.1))
    for wrong in (torch.zeros(2, dtype=torch.long), torch.zeros(3), [0, 1, 2]):
        with pytest.raises(AttachError, match=r"rows= must be the whole numbers \(3,\)"):
            injector.perturb(X, Y, rows=wrong)  # type: ignore[arg-type]
    for far in (-1, 10**9):
        with pytest.raises(AttachError, match=r"number the samples of the training data from 0 on"):
            injector.perturb(X, Y, rows=torch.tensor([0, 1, far]))


def test_a_batch_is_recorded_once() -> None:
    """Neither SAM's second pass nor the passes of an attack count."""
    torch.manual_seed(0)
    model = nn.Linear(4, 2)
    injector = attached(Step.of("sam"), Step.of("fgsm", eps=0.5), model=model)
    p: list[Tensor] = []
    model.register_forward_hook(lambda _, args, out: p.append(out.detach().softmax(1)))
    injector.training_step(X, Y, torch.optim.SGD(model.parameters(), lr=0.1), rows=torch.tensor([4, 0, 2]))
    assert len(p) == 3
    assert injector.attached.records is not None
    table = injector.attached.records.state_dict()["table"]
    assert torch.allclose(table[[4, 0, 2]], 0.3 * p[1], atol=1e-6) and not table[[1, 3]].any()


def test_resuming_brings_the_records_back() -> None:
    injector = attached()
    loss_of(injector, 3, SURE)
    state = copy.deepcopy(injector.state_dict())
    wanted = loss_of(injector, 3, SURE)
    again = attached()
    again.load_state_dict(state)
    assert loss_of(again, 3, SURE) == wanted


def test_a_policy_says_what_the_loop_must_tell() -> None:
    assert Policy("tabular", (Step.of("elr"),)).form == (
        "three lines (perturb, loss, step), with the numbers of the samples, rows= (elr)"
    )
    assert Policy("tabular", (Step.of("sam"),)).form == "injector.training_step alone (sam)"


def test_mixed_pairs_have_no_record() -> None:
    with pytest.raises(PolicyError, match=r"contradict each other \(pairs\)"):
        Policy("tabular", (Step.of("elr"), Step.of("mixup")))


def test_it_keeps_a_model_from_learning_wrong_labels_by_heart() -> None:
    rng = generator(5)
    truth = torch.arange(120) % 2
    x = torch.randn(120, 4, generator=rng) + 1.2 * truth[:, None]
    y = torch.where(torch.rand(120, generator=rng) < 0.3, 1 - truth, truth)
    agree = {}
    for weight in (0.0, 3.0):
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(4, 64), nn.ReLU(), nn.Linear(64, 2))
        steps = (Step.of("elr", weight=weight),) if weight else ()
        injector = Policy("tabular", steps).attach(model, epochs=150, steps_per_epoch=1, input=SPEC)
        optimizer = torch.optim.Adam(model.parameters(), lr=0.03)
        for _ in range(150):
            injector.training_step(x, y, optimizer, rows=torch.arange(120))
        agree[weight] = (model(x).argmax(1) == truth).float().mean().item()
    assert agree[3.0] > agree[0.0] + 0.05
