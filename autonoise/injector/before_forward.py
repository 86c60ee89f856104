"""The stages that act before the forward pass: input, adversarial, target, pair."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from autonoise.errors import AttachError
from autonoise.injector.clock import LEAF
from autonoise.injector.pairing import pair_stage
from autonoise.ops.masks import rows_from
from autonoise.technique.stages import AdversarialNoise, InputNoise, TargetNoise
from autonoise.types import Batch, BatchInfo, Stage, per_sample

if TYPE_CHECKING:
    from autonoise.injector.injector import NoiseInjector
    from autonoise.technique.step import Step


log = logging.getLogger("autonoise")
ROUNDING_CHECKED = 16
"""Updates in which noise in 8-bit batches is watched for being rounded away."""
MANY = 1024
"""Classes whose one-hot vectors are not kept."""


def check_targets(y: Tensor, size: int, classes: int, *, values: bool = True) -> None:
    """Raise AttachError unless y is (B,) class indices (``values``: of classes that there are) or (B, C) soft."""
    if not isinstance(y, Tensor) or y.ndim not in (1, 2) or y.shape[0] != size:
        shape = tuple(y.shape) if isinstance(y, Tensor) else type(y).__name__
        raise AttachError(f"targets must be ({size},) class indices or ({size}, {classes}), but got {shape}")
    if y.ndim == 2 and y.shape[1] != classes:
        raise AttachError(f"targets have {y.shape[1]} classes, but the model has {classes}: pass num_classes=")
    if y.ndim == 1 and y.is_floating_point():
        raise AttachError(f"targets of shape (B,) must be integer class indices, but are {y.dtype}: use y.long()")
    if values and y.ndim == 1 and y.device.type == "cpu" and y.numel():
        low, high = map(int, y.aminmax())
        if not 0 <= low <= high < classes:
            raise AttachError(
                f"targets go from {low} to {high}, but the model has {classes} classes: pass num_classes="
            )


class SoftTargets:
    """Targets as (B, C) float32: ``soft(y)`` for class indices (B,) or targets that are soft already."""

    def __init__(self, classes: int) -> None:
        self._classes = classes
        self._rows: Tensor | None = None

    def __call__(self, y: Tensor) -> Tensor:
        if y.ndim == 2:
            return y.float()
        try:
            if self._classes > MANY:
                return nn.functional.one_hot(y.long(), self._classes).float()
            if self._rows is None or self._rows.device != y.device:
                self._rows = torch.eye(self._classes, dtype=torch.float32, device=y.device)
            # one_hot makes integers and looks for the largest
            return self._rows.index_select(0, y.long())
        except (IndexError, RuntimeError):
            check_targets(y, len(y), self._classes)
            raise


def perturb(injector: NoiseInjector, x: Batch, y: Tensor) -> tuple[Batch, Tensor]:
    policy = injector.policy
    size = injector.adapter.size(x)
    if not injector.changes_input:
        # opening a batch takes as long as the noise of a small one: hooks that need to know it do so themselves
        injector.begin(size, None, x)
        return x, (_target_stage(injector, injector.soft(y)) if injector.wants_soft else y)
    main, info = injector.open(x)
    batch = injector.begin(size, info, x)
    start = main
    main = input_stage(injector, main, info)
    if policy.at_stage(Stage.ADVERSARIAL):
        main = _adversarial_stage(injector, x, y, main, info)
    if injector.wants_soft:
        y = _target_stage(injector, injector.soft(y))
    x, y, main = pair_stage(injector, x, y, main, info, batch)
    return (x if main is start else closed(injector, x, start, main)), y


def closed(injector: NoiseInjector, x: Batch, start: Tensor, main: Tensor) -> Batch:
    """The batch x, opened as ``start``, with the values that differ in ``main``; the others keep every bit."""
    adapter = injector.adapter
    original = adapter.main(x)
    if isinstance(x, Tensor) and start.dtype == x.dtype and adapter.affine(start, injector.spec) is None:
        return main.reshape(x.shape).to(x.dtype).detach()
    changed = adapter.main(adapter.close(x, main, injector.spec))
    changed = torch.where((main != start).reshape(original.shape), changed, original).detach()
    if original.dtype == torch.uint8 and "rounded" not in adapter.told and injector.clock.update < ROUNDING_CHECKED:
        lost = torch.equal(changed, original) and not torch.equal(main, start)
        if lost:
            adapter.told.add("rounded")
            log.warning("noise of less than half a grey level is rounded away in 8-bit batches: use x.float()")
    return adapter.replace(x, changed)


def input_stage(
    injector: NoiseInjector, main: Tensor, info: BatchInfo, *, knob: float | None = None, view: int = 0
) -> Tensor:
    """All input techniques in turn. ``view`` numbers further independent draws of the same micro-batch."""
    knob = injector.knob if knob is None else knob
    for index, step in injector.policy.at_stage(Stage.INPUT):
        strength = injector.clock.strengths(step, index, main.shape[0], knob, main.device, view)
        if strength is None:
            continue
        rng = injector.clock.rng(index, LEAF, view, main.device)
        main = apply_input(step, main, strength, rng, info, everywhere=injector.clock.everywhere(step, knob))
    return main


def apply_input(
    step: Step, x: Tensor, strength: Tensor, rng: torch.Generator, info: BatchInfo, *, everywhere: bool = False
) -> Tensor:
    """One input technique on a canonical tensor: rows of strength 0 and invalid positions stay, bounds hold.

    ``everywhere``: no strength is 0.
    """
    technique = step.technique
    assert isinstance(technique, InputNoise)
    rows = torch.nonzero(strength > 0)[:, 0] if technique.subset and not everywhere else None
    if rows is not None and rows.numel() < x.shape[0]:
        part = apply_input(step, x[rows], strength[rows], rng, rows_of(info, rows))
        return x.index_copy(0, rows, part)
    shaped = per_sample(strength, x)
    source = torch.nan_to_num(x) if info.valid is not None and x.is_floating_point() else x
    out = technique.perturb(source, strength=shaped, rng=rng, info=info)
    if info.bounds is not None:
        out = out.clamp(*info.bounds)
    out = out.to(x.dtype)
    if info.valid is not None:
        return torch.where((shaped > 0) & info.valid, out, x)
    # clamping moves what lies out of bounds, in rows of strength 0 too
    exact = technique.exact and info.bounds is None
    return out if everywhere or exact else rows_from(strength > 0, out, x)


def rows_of(info: BatchInfo, rows: Tensor) -> BatchInfo:
    """The info of some rows of a batch."""

    def some(t: Tensor | None) -> Tensor | None:
        return None if t is None else (t[rows] if t.shape[0] > 1 or rows.numel() <= 1 else t)

    return replace(info, valid=some(info.valid), lengths=some(info.lengths), targets=some(info.targets))


def _target_stage(injector: NoiseInjector, y: Tensor) -> Tensor:
    # a label is flipped, then smoothed: a flip would throw the smoothing away
    order = sorted(injector.policy.at_stage(Stage.TARGET), key=lambda s: "label_softening" in s[1].technique.tags)
    for index, step in order:
        technique = step.technique
        assert isinstance(technique, TargetNoise)
        strength = injector.clock.strengths(step, index, y.shape[0], injector.knob, y.device)
        if strength is not None:
            rng = injector.clock.rng(index, LEAF, 0, y.device)
            shaped = strength[:, None]
            changed = technique.perturb(y, strength=shaped, rng=rng)
            y = changed if injector.clock.everywhere(step, injector.knob) else torch.where(shaped > 0, changed, y)
    return y


def _adversarial_stage(injector: NoiseInjector, x: Batch, y: Tensor, main: Tensor, info: BatchInfo) -> Tensor:
    inside = injector.embedding is not None
    noised = injector.adapter.close(x, main, injector.spec)
    if injector.embedding is not None:
        with torch.no_grad(), injector.layers.quiet():
            embedded = injector.embedding.module(injector.adapter.main(noised))
        valid = None if info.valid is None else info.valid[..., None]
        real = embedded if info.valid is None or not bool(info.valid.any()) else embedded[info.valid]
        unit = float(real.float().pow(2).mean().sqrt())
        start, about = torch.zeros_like(embedded), replace(info, valid=valid, unit=unit, bounds=None)
    else:
        start, about = torch.nan_to_num(main), info
    missing = torch.isnan(main)
    if not inside and injector.adapter.main(x).dtype == torch.uint8:
        _check_takes_floats(injector, x)

    def gradient(point: Tensor) -> Tensor:
        leaf = point.detach().clone().requires_grad_(True)
        batch = noised
        if not inside:
            # the attack reckons with numbers, the model gets its missing values
            filled = leaf.masked_fill(missing, torch.nan)
            batch = injector.adapter.close_for_gradient(x, filled, injector.spec)
        delta = leaf if inside else None
        with torch.enable_grad(), injector.layers.quiet(delta), frozen_statistics(injector.inner):
            loss = injector.loss(injector.forward(batch), y)
            # the loss is a mean: times the batch size, a row's gradient does not depend on its neighbours' number
            (g,) = torch.autograd.grad(loss * point.shape[0], leaf, allow_unused=True)
        if g is None:
            raise AttachError(
                "adversarial noise needs the loss's gradient, but the model's loss does not depend on its input"
                + (
                    f" through {injector.embedding.name}: name its embedding by sites={{'embedding': 'module'}}"
                    if injector.embedding is not None
                    else ": check forward= and loss="
                )
            )
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
    if inside:
        injector.layers.batch.delta = start if bool(start.any()) else None
        return main
    return start.masked_fill(missing, torch.nan)


def _check_takes_floats(injector: NoiseInjector, x: Batch) -> None:
    """Once: raise AttachError where the model does not answer alike to 8-bit pixels and to the same as floats."""
    adapter = injector.adapter
    if "floats" in adapter.told:
        return
    answers = []
    for batch in (x, adapter.replace(x, adapter.main(x).float())):
        devices = {p.device for p in injector.inner.parameters() if p.device.type == "cuda"}
        # the model's own dropout must draw the same in both
        with torch.random.fork_rng(devices=sorted(devices, key=str)), torch.no_grad(), injector.layers.quiet():
            try:
                with frozen_statistics(injector.inner):
                    answers.append(injector.forward(batch).float())
            except Exception:
                if not answers:
                    raise  # no fault of the floats
    if len(answers) < 2 or not torch.allclose(answers[0], answers[1], rtol=1e-2, atol=1e-3):
        raise AttachError(
            "adversarial noise needs a gradient, which 8-bit integers have none of, and the model answers differently "
            "to the same pixels as floats from 0 to 255: convert the batch as the model does before perturb, for "
            "example x.float() / 255"
        )
    adapter.told.add("floats")


@contextmanager
def frozen_statistics(model: nn.Module) -> Iterator[None]:
    """Batch norm goes on using the batch's statistics but does not learn from it."""
    norms = [m for m in model.modules() if isinstance(m, nn.modules.batchnorm._NormBase) and m.track_running_stats]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        # instance norm moves its running statistics whatever the flag says, unless its momentum is 0
        norm.track_running_stats, norm.momentum = False, 0.0
    try:
        yield
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.track_running_stats, norm.momentum = True, momentum
