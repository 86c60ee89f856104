"""What acts before the forward pass: the stages input, target and pair, with the adversarial one between them."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor

from autonoise.batches.rows import info_of_rows
from autonoise.injector.adversarial import Attack
from autonoise.injector.attached import Attached
from autonoise.injector.changed import closed
from autonoise.injector.clock import LEAF
from autonoise.injector.pairing import pair_stage
from autonoise.ops.buffers import is_own
from autonoise.ops.devices import on_device
from autonoise.ops.masks import rows_from
from autonoise.technique.stages import InputNoise, TargetNoise
from autonoise.technique.step import Step
from autonoise.types import Batch, BatchInfo, Stage, per_sample


def perturb(attached: Attached, attack: Attack, x: Batch, y: Tensor) -> tuple[Batch, Tensor]:
    """Noise on one micro-batch and its targets; the arguments stay as they are."""
    size = attached.adapter.size(x)
    if not attached.changes_input:
        # Opening a batch takes as long as the noise of a small one. Hooks inside the model that need to know what is
        # in it open it themselves.
        attached.begin(size, None, x)
        return x, (target_stage(attached, attached.soft(y)) if attached.wants_soft else y)
    main, info = attached.open(x)
    batch = attached.begin(size, info, x)
    start = main
    main = input_stage(attached, main, info)
    if attached.policy.at_stage(Stage.ADVERSARIAL):
        main = attack(x, y, main, info)
    if attached.wants_soft:
        y = target_stage(attached, attached.soft(y))
    x, y, main = pair_stage(attached, x, y, main, info, batch)
    return (x if main is start else closed(attached, x, start, main)), y


def input_stage(attached: Attached, main: Tensor, info: BatchInfo, *, multiplier: float = 1.0, view: int = 0) -> Tensor:
    """All input techniques in turn, at ``multiplier`` times their strength.

    ``view`` numbers further independent draws of the same micro-batch.
    """
    knob = attached.strength * multiplier
    for index, step in attached.policy.at_stage(Stage.INPUT):
        drawn = attached.clock.drawn(step, index, main.shape[0], knob, view)
        if drawn is None:
            continue
        rng = attached.clock.rng(index, LEAF, view, main.device)
        main = apply_input(step, main, drawn, rng, info, everywhere=attached.clock.everywhere(step, knob))
    return main


def view_number(index: int, view: int) -> int:
    """A number for the ``view``-th draw (from 1) that step ``index`` asks for; each has random numbers of its own."""
    return 1000 * index + view


def draw_again(attached: Attached, clean: Batch, view: int, multiplier: float = 1.0) -> Batch:
    """The clean batch with another draw of the input noise, number ``view``, at ``multiplier`` times its strength."""
    main, info = attached.open(clean)
    return closed(attached, clean, main, input_stage(attached, main, info, multiplier=multiplier, view=view))


def apply_input(
    step: Step, x: Tensor, strength: Tensor, rng: torch.Generator, info: BatchInfo, *, everywhere: bool = False
) -> Tensor:
    """One input technique on a canonical tensor: rows of strength 0 and invalid positions stay, bounds hold.

    ``strength`` (B,) is best on the CPU: which rows it picks decides what is done. ``everywhere``: no strength is 0, so
    that nothing has to be put back.
    """
    technique = step.technique
    assert isinstance(technique, InputNoise)
    rows = torch.nonzero(strength > 0)[:, 0] if technique.subset and not everywhere else None
    if rows is not None and rows.numel() < x.shape[0]:
        picked, rows = strength[rows], on_device(rows, x.device)
        part = apply_input(step, x[rows], picked, rng, info_of_rows(info, rows))
        return x.index_copy(0, rows, part)
    strength = on_device(strength, x.device)
    shaped = per_sample(strength, x)
    x = x.detach()  # no gradient flows through noise on the input
    source = torch.nan_to_num(x) if info.valid is not None and x.is_floating_point() else x
    with _full_precision(x):
        out = technique.perturb(source, strength=shaped, rng=rng, info=info)
    if info.bounds is not None and not technique.keeps_bounds:
        out = out.clamp_(*info.bounds) if is_own(out, x, source) else out.clamp(*info.bounds)
    out = out.to(x.dtype)
    if info.valid is not None:
        return torch.where((shaped > 0) & info.valid, out, x)
    # values that lay out of bounds before are moved by clamping, in rows of strength 0 too: those are put back
    exact = technique.exact and info.bounds is None
    return out if everywhere or exact else rows_from(strength > 0, out, x)


def target_stage(attached: Attached, y: Tensor) -> Tensor:
    """All target techniques in turn on soft targets (B, C)."""
    # labels are flipped first and smoothed afterwards: a flip would throw the smoothing away
    order = sorted(attached.policy.at_stage(Stage.TARGET), key=lambda s: "label_softening" in s[1].technique.tags)
    for index, step in order:
        technique = step.technique
        assert isinstance(technique, TargetNoise)
        strength = attached.clock.strengths(step, index, y.shape[0], attached.strength, y.device)
        if strength is not None:
            rng = attached.clock.rng(index, LEAF, 0, y.device)
            shaped = strength[:, None]
            changed = technique.perturb(y, strength=shaped, rng=rng)
            everywhere = attached.clock.everywhere(step, attached.strength)
            y = changed if everywhere else torch.where(shaped > 0, changed, y)
    return y


def _full_precision(x: Tensor) -> AbstractContextManager[object]:
    """Noise is of full precision wherever the loop calls perturb, inside of autocast, too."""
    kind = x.device.type
    # looking takes a tenth of the time of switching off what is off
    return torch.autocast(kind, enabled=False) if torch.is_autocast_enabled(kind) else nullcontext()
