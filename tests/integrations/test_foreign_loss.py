"""The policy's targets in a loss that other code computes, against numbers worked out by hand."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from autonoise.errors import AttachError
from autonoise.integrations.foreign_loss import ForeignLoss, check_seen
from autonoise.policy import NoiseInjector, Policy, Step

LOGITS = torch.tensor([[0.0, math.log(3.0)], [0.0, 0.0]])
"""Probabilities (1/4, 3/4) and (1/2, 1/2)."""
LABELS = torch.tensor([1, 0])
TARGETS = torch.tensor([[0.2, 0.8], [1.0, 0.0]])
FIRST = -0.2 * math.log(0.25) - 0.8 * math.log(0.75)
SECOND = math.log(2.0)


def attach(*steps: Step) -> NoiseInjector:
    return Policy("tabular", list(steps)).attach(nn.Linear(2, 2), epochs=1, steps_per_epoch=1)  # type: ignore[arg-type]


def watched(call: Any, *steps: Step, targets: Tensor | None = TARGETS, labels: Tensor = LABELS) -> tuple[Any, Any]:
    with ForeignLoss(attach(*steps), labels, targets, len(labels)) as watch:
        out = call()
    return out, watch


@pytest.mark.parametrize(("call", "loss"), [
    (lambda: F.cross_entropy(LOGITS, LABELS), (FIRST + SECOND) / 2),
    (lambda: nn.CrossEntropyLoss()(LOGITS, LABELS), (FIRST + SECOND) / 2),
    (lambda: F.cross_entropy(input=LOGITS, target=LABELS, reduction="sum"), FIRST + SECOND),
    (lambda: F.cross_entropy(LOGITS, LABELS, reduction="none"), [FIRST, SECOND]),
    (lambda: F.cross_entropy(LOGITS, LABELS.view(-1)), (FIRST + SECOND) / 2),
    (lambda: F.cross_entropy(LOGITS, LABELS.int().long()), (FIRST + SECOND) / 2),
    (lambda: F.nll_loss(F.log_softmax(LOGITS, 1), LABELS), (FIRST + SECOND) / 2),
    (lambda: nn.NLLLoss(reduction="sum")(LOGITS.log_softmax(1), LABELS), FIRST + SECOND),
])  # fmt: skip
def test_the_targets_take_the_place_of_the_labels(call: Any, loss: Any) -> None:
    out, watch = watched(call)
    assert out.tolist() == pytest.approx(loss)
    assert (watch.seen, watch.others, watch.smoothed) == (1, set(), False)


def test_class_weights_and_smoothing_of_the_loss_itself() -> None:
    # class 0 weighs 2, class 1 weighs 5: the rows weigh .2 * 2 + .8 * 5 = 4.4 and 2
    weight = torch.tensor([2.0, 5.0])
    first = -0.2 * 2 * math.log(0.25) - 0.8 * 5 * math.log(0.75)
    out, _ = watched(lambda: F.cross_entropy(LOGITS, LABELS, weight=weight))
    assert float(out) == pytest.approx((first + 2 * SECOND) / 6.4)
    # half of each target goes to both classes alike: (.35, .65) and (.75, .25)
    out, watch = watched(lambda: nn.CrossEntropyLoss(label_smoothing=0.5)(LOGITS, LABELS))
    assert float(out) == pytest.approx((-0.35 * math.log(0.25) - 0.65 * math.log(0.75) + SECOND) / 2)
    assert watch.smoothed


@pytest.mark.parametrize("options", [
    {}, {"weight": torch.tensor([2.0, 5.0])}, {"label_smoothing": 0.3}, {"reduction": "sum"}, {"reduction": "none"},
    {"weight": torch.tensor([2.0, 5.0]), "label_smoothing": 0.3},
], ids=str)  # fmt: skip
def test_hard_targets_give_the_loss_of_the_labels(options: Any) -> None:
    plain = F.cross_entropy(LOGITS, LABELS, **options)
    out, _ = watched(lambda: F.cross_entropy(LOGITS, LABELS, **options), targets=F.one_hot(LABELS, 2).float())
    assert torch.allclose(out, plain)


def test_a_robust_loss_weighs_classes_and_reduces_as_the_loss_it_replaces() -> None:
    # the mean absolute error of the rows is |.2 - .25| + |.8 - .75| = .1 and 1
    robust = Step.of("mae")
    for reduction, loss in (("mean", 0.55), ("sum", 1.1), ("none", [0.1, 1.0])):
        out, _ = watched(lambda r=reduction: F.cross_entropy(LOGITS, LABELS, reduction=r), robust)
        assert out.tolist() == pytest.approx(loss)
    out, _ = watched(lambda: F.cross_entropy(LOGITS, LABELS, weight=torch.tensor([2.0, 5.0])), robust)
    assert float(out) == pytest.approx((0.1 * 4.4 + 1.0 * 2) / 6.4)


def test_gradients_flow_and_half_precision_is_computed_in_single() -> None:
    logits = LOGITS.clone().requires_grad_()
    out, _ = watched(lambda: F.cross_entropy(logits, LABELS))
    out.backward()
    assert logits.grad is not None
    # the gradient of cross entropy is (p - y) / B
    assert torch.allclose(logits.grad, torch.tensor([[0.05, -0.05], [-0.5, 0.5]]) / 2)
    half = (3 * LOGITS + 0.3).bfloat16()
    out, _ = watched(lambda: F.cross_entropy(half, LABELS))
    single, _ = watched(lambda: F.cross_entropy(half.float(), LABELS))
    assert torch.equal(out, single)


@pytest.mark.parametrize(("call", "others"), [
    (lambda: F.cross_entropy(LOGITS, torch.tensor([0, 0])), {"cross_entropy"}),
    (lambda: F.cross_entropy(LOGITS, F.one_hot(LABELS, 2).float()), {"cross_entropy", "one_hot"}),
    (lambda: F.binary_cross_entropy_with_logits(LOGITS, TARGETS), {"binary_cross_entropy_with_logits"}),
    (lambda: F.cross_entropy(LOGITS, LABELS, reduce=False), {"cross_entropy"}),
    (lambda: -(LOGITS.log_softmax(1)[torch.arange(2), LABELS]).mean(), set()),
])  # fmt: skip
@pytest.mark.filterwarnings("ignore:size_average and reduce")
def test_what_is_no_loss_of_the_labels_stays_as_it_is(call: Any, others: set[str]) -> None:
    plain = call()
    out, watch = watched(call)
    assert torch.equal(out, plain)
    assert (watch.seen, watch.others) == (0, others)


def test_a_loss_out_of_reach_is_refused_only_where_the_policy_needs_it() -> None:
    _, watch = watched(lambda: F.mse_loss(LOGITS, TARGETS))
    check_seen(watch, attach(Step.of("gaussian_noise")), "training_step", "say so")
    with pytest.raises(AttachError, match=r"mixup, mae: training_step computes .*\(it calls mse_loss\).*: say so$"):
        check_seen(watch, attach(Step.of("mixup"), Step.of("mae")), "training_step", "say so")


def test_versions_of_the_rows_with_class_weights() -> None:
    # R-Drop with weight 0.5: two blocks of both rows; their predictions differ in the first row only
    injector = attach(Step.of("r_drop", weight=0.5))
    x, targets = injector.perturb(torch.zeros(2, 2), LABELS)
    assert targets.tolist() == [1, 0, 1, 0] and len(x) == 4
    logits = torch.cat([LOGITS, torch.zeros(2, 2)])
    labels = torch.cat([LABELS, LABELS])
    # class 0 weighs 2, class 1 weighs 5; the cross entropies are -ln(3/4), ln 2, ln 2, ln 2
    first, second = -math.log(0.75), math.log(2.0)
    mean = (5 * first + 2 * second + 5 * second + 2 * second) / 14
    # mean of both Kullback-Leibler divergences of (1/4, 3/4) and (1/2, 1/2), over two rows
    there = 0.25 * math.log(0.5) + 0.75 * math.log(1.5)
    back = 0.5 * math.log(2.0) + 0.5 * math.log(2 / 3)
    expected = mean + 0.5 * (there + back) / 2 / 2
    weight = torch.tensor([2.0, 5.0])
    with ForeignLoss(injector, labels, targets, 2) as watch:
        assert float(F.cross_entropy(logits, labels, weight=weight)) == pytest.approx(expected, rel=1e-5)
        # a sum is that of the rows of the batch, which weigh 5 and 2
        total = F.cross_entropy(logits, labels, weight=weight, reduction="sum")
        assert float(total) == pytest.approx(7 * expected, rel=1e-5)
        with pytest.raises(AttachError, match="no place"):
            F.cross_entropy(logits, labels, reduction="none")
    assert watch.seen == 3


def test_versions_of_which_the_first_alone_has_a_loss() -> None:
    # clean and two views, with the same predictions, so that there is no divergence
    injector = attach(Step.of("gaussian_noise"), Step.of("two_view_consistency"))
    _, targets = injector.perturb(torch.zeros(2, 2), LABELS)
    logits, labels, weight = LOGITS.repeat(3, 1), LABELS.repeat(3), torch.tensor([2.0, 5.0])
    first, second = -math.log(0.75), math.log(2.0)
    with ForeignLoss(injector, labels, targets, 2):
        assert float(F.cross_entropy(logits, labels)) == pytest.approx((first + second) / 2, rel=1e-5)
        assert float(F.cross_entropy(logits, labels, reduction="sum")) == pytest.approx(first + second, rel=1e-5)
        mean = float(F.cross_entropy(logits, labels, weight=weight))
        assert mean == pytest.approx((5 * first + 2 * second) / 7, rel=1e-5)
        total = float(F.cross_entropy(logits, labels, weight=weight, reduction="sum"))
        assert total == pytest.approx(5 * first + 2 * second, rel=1e-5)


@pytest.mark.parametrize(("call", "compared"), [
    (lambda: (LOGITS.argmax(1) == LABELS).float().mean(), True),
    (lambda: LABELS.view(-1).ne(LOGITS.argmax(1)), True),
    (lambda: torch.eq(LOGITS.argmax(1), LABELS), True),
    (lambda: F.cross_entropy(LOGITS, LABELS), False),
    (lambda: LABELS.shape[0] == 2 and LOGITS.argmax(1) == LOGITS.argmin(1), False),
])  # fmt: skip
def test_labels_that_are_compared(call: Any, compared: bool) -> None:
    out, watch = watched(call, targets=None)
    assert watch.compared is compared
    assert torch.equal(torch.as_tensor(out), torch.as_tensor(call()))
