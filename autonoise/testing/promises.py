"""What every technique promises, one function for each promise; each raises AssertionError with what it found."""

from __future__ import annotations

import copy
import dataclasses
import io
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F

from autonoise.technique.registry import Technique
from autonoise.technique.schedule import Schedule
from autonoise.testing.samples import CLASSES, SIZE, clone, dict_batch, leaves, model_for, same, targets, tensor_batch
from autonoise.testing.training import Form, Trainer, policy_for
from autonoise.types import DataType

Promise = Callable[[type[Technique], DataType], None]
FORMS: tuple[Form, ...] = (tensor_batch, dict_batch)
DTYPES: tuple[tuple[Form, torch.dtype], ...] = (
    (tensor_batch, torch.float32),
    (dict_batch, torch.float64),
    (tensor_batch, torch.float16),
    (dict_batch, torch.float16),
    (dict_batch, torch.bfloat16),
)
ZEROS: dict[str, dict[str, Any]] = {
    "probability 0": {"probability": 0.0},
    "a schedule that is still at 0": {"schedule": Schedule("window", 0.999, 1.0)},
    "a policy of strength 0": {"knob": 0.0},
}
WEAK = 0.1
"""The strength that is compared with full strength, 1."""


def hold(condition: object, message: str) -> None:
    """Raise AssertionError with the message unless the condition holds; unlike ``assert``, with python -O too."""
    if not condition:
        raise AssertionError(message)


def plain_training(data_type: DataType, form: Form, soft: bool) -> list[Any]:
    """Losses and weights of two updates of the loop that everybody writes, without any policy."""
    model = model_for(data_type, form(data_type))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    losses = []
    for number in range(2):
        y = targets(number)
        loss = F.cross_entropy(model(form(data_type, seed=number)), F.one_hot(y, CLASSES).float() if soft else y)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        losses.append(loss.detach())
    return [losses, dict(model.state_dict())]


def nothing_happens_at_zero(kind: type[Technique], data_type: DataType) -> None:
    """At strength 0 training is bit for bit what it is without the technique."""
    for zero, options in ZEROS.items():
        form = dict_batch if "knob" in options else tensor_batch
        policy = policy_for(kind, data_type, **options)
        policy = dataclasses.replace(policy, steps=tuple(s for s in policy.steps if s.name == kind.name))
        record = Trainer(policy, form, attach={"epochs": 100}).run(2).record
        given = [form(data_type, seed=n) for n in range(2)]
        hold(same(record.seen, given), f"with {zero} the batch is changed; do nothing where strength is 0")
        trained = [record.losses, record.weights]
        unchanged = any(same(trained, plain_training(data_type, form, soft)) for soft in (False, True))
        hold(unchanged, f"with {zero} the model trains otherwise than without the technique")


def the_seed_decides(kind: type[Technique], data_type: DataType) -> None:
    """The same seed gives the same training, another seed another one."""

    def run(seed: int) -> Any:
        # with probability 1/2 techniques without random numbers show the seed too, by when they act
        return Trainer(policy_for(kind, data_type, probability=0.5), tensor_batch, attach={"seed": seed}).run(2)

    first = run(1).record.all
    hold(same(first, run(1).record.all), "the same seed gives other noise; draw every random number from rng")
    others = any(not same(first, run(seed).record.all) for seed in (2, 3, 4))
    hold(others, "every seed gives the same noise; draw random numbers from rng, not from a seed of your own")


def something_happens(kind: type[Technique], data_type: DataType) -> None:
    """At full strength the model trains otherwise than without the technique."""
    policy = policy_for(kind, data_type)
    without = dataclasses.replace(policy, steps=tuple(s for s in policy.steps if s.name != kind.name))
    if getattr(kind, "pretrains", False):
        trainer = Trainer(policy, tensor_batch)
        before = copy.deepcopy(trainer.model.state_dict())
        cost = trainer.injector.pretrain(lambda: [tensor_batch(data_type)])
        hold(cost > 0, f"pretrain must return its cost in passes over the data, above 0, but returned {cost!r}")
        hold(not same(dict(before), dict(trainer.model.state_dict())), "pretrain leaves the model as it was")
        return
    acted, plain = Trainer(policy, tensor_batch).run(3).record, Trainer(without, tensor_batch).run(3).record
    hold(not same(acted.weights, plain.weights), "with its default parameters it changes nothing in three updates")


def more_strength_changes_more(kind: type[Technique], data_type: DataType) -> None:
    """A tenth of the strength changes less than all of it: what a schedule or ``policy.scaled`` asks for happens."""
    if getattr(kind, "pretrains", False):
        return
    weak, full = (_changes(kind, data_type, strength) for strength in (WEAK, 1.0))
    # the first number is what the model sees; noise inside the model shows in the second, the trained weights
    place = 0 if full[0] > 0 else 1
    hold(
        weak[place] < full[place],
        f"strength {WEAK} changes as much as strength 1 ({weak[place]:.3g} and {full[place]:.3g} on average): "
        "multiply the noise by strength, or set multiplier = 'probability' where it can only act or not",
    )


def _changes(kind: type[Technique], data_type: DataType, strength: float) -> tuple[float, float]:
    """Mean absolute change of what the model sees, and of its weights after one update, over four seeds."""
    seen = weights = 0.0
    for seed in range(4):
        policy = policy_for(kind, data_type, knob=strength)
        without = dataclasses.replace(policy, steps=tuple(s for s in policy.steps if s.name != kind.name))
        # after one update an average of weights is the weights
        updates = 2 if "averaging" in kind.tags else 1
        acted, plain = (Trainer(p, tensor_batch, attach={"seed": seed}).run(updates) for p in (policy, without))
        seen += _distance(acted.record.seen[0], plain.record.seen[0])
        # without the statistics of batch norm, which change by the number of rows alone where there are views
        trained, untouched = ({k: t.record.weights[k] for k, _ in t.model.named_parameters()} for t in (acted, plain))
        weights += _distance(trained, untouched)
    return seen, weights


def _distance(a: Any, b: Any) -> float:
    # views go through the model in one batch with the clean rows, which come first
    return sum(float((x[: len(y)] if y.ndim else x).sub(y).abs().double().mean()) for x, y in zip(leaves(a), leaves(b)))


def form_and_finite_numbers_stay(kind: type[Technique], data_type: DataType) -> None:
    """Batches keep shape, dtype, device and missing values in every dtype, and weights stay finite."""
    for form, dtype in DTYPES:
        record = Trainer(policy_for(kind, data_type), form, dtype).run(1).record
        given, seen = form(data_type, dtype), record.seen[0]
        hold(type(given) is type(seen), f"a {type(given).__name__} came back as a {type(seen).__name__}")
        for a, whole in zip(leaves(given), leaves(seen), strict=True):
            # views go through the model in one batch with the clean rows, which come first
            b = whole[: len(a)] if getattr(kind, "views", 0) else whole
            was, now = ((tuple(t.shape), t.dtype, str(t.device)) for t in (a, b))
            hold(was == now, f"shape, dtype or device changed from {was} to {now}")
            if a.is_floating_point():
                hold(torch.equal(torch.isnan(a), torch.isnan(b)), f"in {dtype} NaN values appeared or went away")
                hold(not torch.isinf(b).any(), f"in {dtype} values became infinite")
        for name, weight in record.weights.items():
            hold(torch.isfinite(weight).all(), f"after one update in {dtype} the weight {name} is not finite")
            hold(weight.dtype in (dtype, torch.int64), f"the weight {name} became {weight.dtype} where it was {dtype}")


def arguments_stay(kind: type[Technique], data_type: DataType) -> None:
    """The batch and the targets that were handed in are not written to, and noisy targets remain shares of 1."""
    for form in FORMS:
        trainer = Trainer(policy_for(kind, data_type), form)
        x, y = form(data_type), targets()
        soft = F.one_hot(y, CLASSES).float()
        kept, labels = clone(x), soft.clone()
        noisy, noisy_y = trainer.injector.perturb(x, soft, rows=torch.arange(SIZE))
        trainer.injector.loss(trainer.model(noisy), noisy_y).backward()  # type: ignore[no-untyped-call]
        trainer.injector.training_step(x, y, trainer.optimizer, rows=torch.arange(SIZE))
        hold(same(x, kept), "the batch handed in was changed in place; return a new tensor")
        hold(torch.equal(soft, labels), "the targets handed in were changed in place; return a new tensor")
        # a consistency technique hands out several versions of each row
        expected = (SIZE * getattr(kind, "views", 1), CLASSES)
        hold(noisy_y.shape == expected, f"targets {(SIZE, CLASSES)} came back as {tuple(noisy_y.shape)}")
        sums = torch.allclose(noisy_y.sum(1), torch.ones(len(noisy_y)), atol=1e-5)
        hold(sums and (noisy_y >= 0).all(), "each row of the noisy targets must be >= 0 and sum to 1")


def eval_adds_nothing(kind: type[Technique], data_type: DataType) -> None:
    """In eval mode the batch, the model's answers and the loss are those of the model alone."""
    for form in FORMS:
        trainer = Trainer(policy_for(kind, data_type), form).run(1)
        x, y = form(data_type, seed=5), targets()
        model, plain = trainer.model.eval(), model_for(data_type, x).eval()
        plain.load_state_dict(model.state_dict())
        seen, same_y = trainer.injector.perturb(x, y)
        hold(seen is x and same_y is y, "in eval mode the batch or the targets are changed")
        with torch.no_grad():
            answers, loss = model(x), trainer.injector.loss(model(x), y)
            hold(torch.equal(answers, plain(x)), "in eval mode the model answers otherwise than without the technique")
            hold(torch.equal(loss, F.cross_entropy(plain(x), y)), "in eval mode the loss is no plain cross entropy")


def resuming_continues(kind: type[Technique], data_type: DataType) -> None:
    """Two updates, a checkpoint and two more are the same as four: a technique keeps nothing between batches."""
    policy = policy_for(kind, data_type, probability=0.5, schedule=Schedule("ramp_up", 0.0, 0.5))
    through = Trainer(policy, tensor_batch, attach={"seed": 7}).run(4).record
    first = Trainer(policy, tensor_batch, attach={"seed": 7}).run(2)
    file = io.BytesIO()
    torch.save({"model": first.model.state_dict(), "injector": first.injector.state_dict()}, file)
    state = torch.load(io.BytesIO(file.getvalue()), weights_only=True)
    # the seed comes from the state; whoever resumes need not remember it
    second = Trainer(policy, tensor_batch)
    second.model.load_state_dict(state["model"])
    second.injector.load_state_dict(state["injector"])
    second.number = 2
    second.run(2)
    kept = same(first.record.seen + second.record.seen, through.seen) and same(second.record.weights, through.weights)
    hold(kept, "training that was resumed goes on otherwise; keep nothing from one batch to the next")


PROMISES: tuple[Promise, ...] = (
    something_happens,
    nothing_happens_at_zero,
    more_strength_changes_more,
    the_seed_decides,
    form_and_finite_numbers_stay,
    arguments_stay,
    eval_adds_nothing,
    resuming_continues,
)
"""What holds at all stages but the raw one, which has no model: see ``raw_promises.py``."""
