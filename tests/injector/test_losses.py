"""The loss with a base and a reduction of the caller's own, against numbers worked out by hand."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from autonoise.errors import AttachError
from autonoise.policy import Policy, Step
from autonoise.technique.schedule import Schedule

LOGITS = torch.tensor([[0.0, math.log(3.0)], [0.0, 0.0]])
"""Probabilities (1/4, 3/4) and (1/2, 1/2)."""
Y = torch.tensor([1, 0])


def test_base_and_reduction_of_the_caller() -> None:
    # the mean absolute error sum_c |y_c - p_c| of the two rows is 2 (1 - p_y): 0.5 and 1
    model = nn.Linear(2, 2)
    injector = Policy("tabular", [Step.of("mae", schedule=Schedule("ramp_up"))]).attach(  # type: ignore[arg-type, list-item]
        model, epochs=1, steps_per_epoch=5
    )
    injector.clock.update = 1  # a quarter of the way: a quarter of the robust loss

    def base(logits: Tensor, y: Tensor) -> Tensor:
        assert logits is LOGITS and y is Y
        return torch.tensor([10.0, 20.0])

    loss = injector.loss(LOGITS, Y, base=base, reduce=lambda r: r)
    assert loss.tolist() == pytest.approx([0.75 * 10 + 0.25 * 0.5, 0.75 * 20 + 0.25 * 1.0])
    total = injector.loss(LOGITS, Y, base=lambda *_: torch.tensor(30.0), reduce=Tensor.sum)
    assert float(total) == pytest.approx(0.75 * 30 + 0.25 * 1.5)
    # by default the robust losses are averaged
    assert float(injector.loss(LOGITS, Y, base=lambda *_: torch.tensor(4.0))) == pytest.approx(0.75 * 4 + 0.25 * 0.75)
    model.eval()
    assert float(injector.loss(LOGITS, Y, base=lambda *_: torch.tensor(7.0))) == 7.0


@pytest.mark.parametrize(("y", "said"), [
    (torch.tensor([[1.0, 1.0], [0.0, 1.0]]), "row 0 sums to 2: where a row may have several labels"),
    (torch.tensor([[0.5, 0.5], [0.0, 0.9]]), "row 1 sums to 0.9"),
    (torch.tensor([[0.5, 0.5], [math.nan, 0.5]]), "row 1 sums to nan"),
    (torch.tensor([[0, 1], [0, 0]]), "row 1 sums to 0: "),
])  # fmt: skip
@pytest.mark.parametrize("steps", [(), ("label_smoothing",), ("mixup",)])
def test_soft_targets_that_are_no_shares_are_refused(y: Tensor, said: str, steps: tuple[str, ...]) -> None:
    policy = Policy("tabular", [Step.of(s) for s in steps])
    injector = policy.attach(nn.Linear(2, 2), epochs=1, steps_per_epoch=5)
    with pytest.raises(AttachError, match=said if steps == () else "sums to"):
        injector.loss(LOGITS, injector.perturb(torch.randn(2, 2), y)[1])
    # a loss of one's own knows what its targets are
    own = policy.attach(nn.Linear(2, 2), epochs=1, steps_per_epoch=5, loss=lambda logits, y: logits.sum() + y.sum())
    own.loss(LOGITS, own.perturb(torch.randn(2, 2), y)[1])


def test_shares_may_be_rounded() -> None:
    injector = Policy("tabular", []).attach(nn.Linear(2, 2), epochs=1, steps_per_epoch=5)
    y = torch.tensor([[0.3, 0.7], [0.0, 1.0]], dtype=torch.bfloat16)
    _, y = injector.perturb(torch.randn(2, 2), y)
    # minus the logarithms: 0.3 * log(4) + 0.7 * log(4 / 3), and log(2)
    expected = (0.3 * math.log(4) + 0.7 * math.log(4 / 3) + math.log(2)) / 2
    assert float(injector.loss(LOGITS, y.float())) == pytest.approx(expected, abs=2e-3)
