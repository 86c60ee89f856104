"""The stages that act before the forward pass: input, adversarial, target, pair."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from autonoise.errors import AttachError
from autonoise.policy.clock import LEAF, PLAN
from autonoise.policy.setup import embedding_point, pair_site
from autonoise.stages import AdversarialNoise, InputNoise, PairNoise, TargetNoise
from autonoise.types import Batch, BatchInfo, Stage, per_sample

if TYPE_CHECKING:
    from autonoise.policy.injector import NoiseInjector
    from autonoise.policy.policy import Step


def check_targets(y: Tensor, size: int, classes: int) -> None:
    """Raise AttachError unless y is (B,) class indices or (B, C) soft targets."""
    if not isinstance(y, Tensor) or y.ndim not in (1, 2) or y.shape[0] != size:
        shape = tuple(y.shape) if isinstance(y, Tensor) else type(y).__name__
        raise AttachError(f"targets must be ({size},) class indices or ({size}, {classes}), but got {shape}")
    if y.ndim == 1 and y.is_floating_point():
        raise AttachError(f"targets of shape (B,) must be integer class indices, but are {y.dtype}: use y.long()")
    if y.ndim == 1 and y.device.type == "cpu" and y.numel() and not 0 <= int(y.min()) <= int(y.max()) < classes:
        raise AttachError(
            f"targets go from {int(y.min())} to {int(y.max())}, but the model has {classes} classes: pass num_classes="
        )


def perturb(injector: NoiseInjector, x: Batch, y: Tensor) -> tuple[Batch, Tensor]:
    policy = injector.policy
    size = injector.adapter.size(x)
    main, info = injector.open(x)
    batch = injector.begin(size, info)
    touched = torch.zeros(size, dtype=torch.bool, device=main.device)
    start = main
    main, touched = input_stage(injector, main, info, touched)
    if policy.at_stage(Stage.ADVERSARIAL):
        main, touched = _adversarial_stage(injector, x, y, main, info, touched)
    if injector.wants_soft:
        y = _target_stage(injector, injector.soft(y))
    for index, step in policy.at_stage(Stage.PAIR):
        technique = step.technique
        assert isinstance(technique, PairNoise)
        strength = injector.clock.strengths(step, index, size, injector.knob, main.device)
        if strength is None:
            continue
        plan = technique.plan(main, strength=strength, rng=injector.clock.rng(index, PLAN, 0, main.device))
        if pair_site(injector, step) == "input":
            mixed = technique.mix(main, plan, rng=injector.clock.rng(index, LEAF, 0, main.device), info=info)
            mixed = _whole_values(injector, main, mixed, plan.weight, plan.permutation)
            main = torch.where(per_sample(plan.weight, main) < 1, mixed, main)
            touched = touched | (plan.weight < 1)
        else:
            batch.plans[index] = plan
        x = injector.adapter.join(x, plan.permutation, plan.weight)
        weight = plan.weight.to(y)[:, None]
        y = weight * y + (1 - weight) * y[plan.permutation]
    if main is start:
        return x, y
    original = injector.adapter.main(x)
    closed = injector.adapter.main(injector.adapter.close(x, main, injector.spec))
    kept = torch.where(touched.reshape(-1, *[1] * (closed.ndim - 1)), closed, original)
    return injector.adapter.replace(x, kept.detach()), y


def input_stage(
    injector: NoiseInjector, main: Tensor, info: BatchInfo, touched: Tensor, *, knob: float | None = None, view: int = 0
) -> tuple[Tensor, Tensor]:
    """All input techniques in turn. ``view`` numbers further independent draws of the same micro-batch."""
    knob = injector.knob if knob is None else knob
    for index, step in injector.policy.at_stage(Stage.INPUT):
        strength = injector.clock.strengths(step, index, main.shape[0], knob, main.device, view)
        if strength is None:
            continue
        rng = injector.clock.rng(index, LEAF, view, main.device)
        main = apply_input(step, main, strength, rng, info)
        touched = touched | (strength > 0)
    return main, touched


def apply_input(step: Step, x: Tensor, strength: Tensor, rng: torch.Generator, info: BatchInfo) -> Tensor:
    """One input technique on a canonical tensor: rows of strength 0 and invalid positions stay, bounds hold."""
    technique = step.technique
    assert isinstance(technique, InputNoise)
    rows = torch.nonzero(strength > 0)[:, 0] if technique.subset else None
    if rows is not None and rows.numel() < x.shape[0]:
        part = apply_input(step, x[rows], strength[rows], rng, rows_of(info, rows))
        return x.index_copy(0, rows, part)
    shaped = per_sample(strength, x)
    source = torch.nan_to_num(x) if info.valid is not None and x.is_floating_point() else x
    out = technique.perturb(source, strength=shaped, rng=rng, info=info)
    if info.bounds is not None:
        out = out.clamp(*info.bounds)
    keep = shaped > 0
    if info.valid is not None:
        keep = keep & info.valid
    return torch.where(keep, out.to(x.dtype), x)


def rows_of(info: BatchInfo, rows: Tensor) -> BatchInfo:
    """The info of some rows of a batch."""

    def some(t: Tensor | None) -> Tensor | None:
        return None if t is None else (t[rows] if t.shape[0] > 1 or rows.numel() <= 1 else t)

    return replace(info, valid=some(info.valid), lengths=some(info.lengths), targets=some(info.targets))


def _target_stage(injector: NoiseInjector, y: Tensor) -> Tensor:
    for index, step in injector.policy.at_stage(Stage.TARGET):
        technique = step.technique
        assert isinstance(technique, TargetNoise)
        strength = injector.clock.strengths(step, index, y.shape[0], injector.knob, y.device)
        if strength is not None:
            rng = injector.clock.rng(index, LEAF, 0, y.device)
            shaped = strength[:, None]
            y = torch.where(shaped > 0, technique.perturb(y, strength=shaped, rng=rng), y)
    return y


def _adversarial_stage(
    injector: NoiseInjector, x: Batch, y: Tensor, main: Tensor, info: BatchInfo, touched: Tensor
) -> tuple[Tensor, Tensor]:
    inside = not injector.adapter.continuous
    noised = injector.adapter.close(x, main, injector.spec)
    if inside:
        table = embedding_point(injector, {}).module
        with torch.no_grad(), injector.layers.quiet():
            embedded = table(injector.adapter.main(noised))
        valid = None if info.valid is None else info.valid[..., None]
        unit = float(embedded.float().pow(2).mean().sqrt())
        start, about = torch.zeros_like(embedded), replace(info, valid=valid, unit=unit, bounds=None)
    else:
        start, about = main, info

    def gradient(point: Tensor) -> Tensor:
        leaf = point.detach().clone().requires_grad_(True)
        batch = noised if inside else injector.adapter.close(x, leaf, injector.spec)
        delta = leaf if inside else None
        with torch.enable_grad(), injector.layers.quiet(delta), frozen_statistics(injector.inner):
            loss = injector.loss(injector.forward(batch), y)
            # the loss is a mean: times the batch size, a row's gradient does not depend on its neighbours' number
            (g,) = torch.autograd.grad(loss * point.shape[0], leaf)
        return g.detach()

    for index, step in injector.policy.at_stage(Stage.ADVERSARIAL):
        technique = step.technique
        assert isinstance(technique, AdversarialNoise)
        strength = injector.clock.strengths(step, index, main.shape[0], injector.knob, main.device)
        if strength is None:
            continue
        shaped = per_sample(strength, start)
        rng = injector.clock.rng(index, LEAF, 0, main.device)
        out = technique.perturb(start, gradient=gradient, strength=shaped, rng=rng, info=about)
        if about.bounds is not None:
            out = out.clamp(*about.bounds)
        keep = shaped > 0 if about.valid is None else (shaped > 0) & about.valid
        if about.categorical is not None:
            keep = keep & ~about.categorical
        start = torch.where(keep, out.to(start.dtype), start).detach()
        touched = touched | (strength > 0)
    if inside:
        injector.layers.batch.delta = start if bool(touched.any()) else None
        return main, touched
    return start, touched


@contextmanager
def frozen_statistics(model: nn.Module) -> Iterator[None]:
    """Batch norm goes on using the batch's statistics but does not learn from it."""
    norms = [m for m in model.modules() if isinstance(m, nn.modules.batchnorm._NormBase) and m.track_running_stats]
    for norm in norms:
        norm.track_running_stats = False
    try:
        yield
    finally:
        for norm in norms:
            norm.track_running_stats = True


def _whole_values(injector: NoiseInjector, x: Tensor, mixed: Tensor, weight: Tensor, partner: Tensor) -> Tensor:
    """Columns that hold codes cannot be mixed: they come whole from whichever row weighs more."""
    codes = injector.adapter.code_columns(injector.spec, x)
    if codes is None:
        return mixed
    own = per_sample(weight, x) >= 0.5
    return torch.where(codes, torch.where(own, x, x[partner]), mixed)


Gradient = Callable[[Tensor], Tensor]
