"""The pair stage: drawing who is mixed with whom, and mixing at the input."""

from __future__ import annotations

import torch
from torch import Tensor

from autonoise.injector.attached import Attached, MicroBatch
from autonoise.injector.clock import LEAF, PLAN
from autonoise.injector.sites import pair_site
from autonoise.ops.masks import rows_from
from autonoise.ops.random import rand
from autonoise.technique.stages import PairNoise, PairPlan
from autonoise.technique.step import Step
from autonoise.types import Batch, BatchInfo, Stage


def pair_stage(
    attached: Attached, x: Batch, y: Tensor, main: Tensor, info: BatchInfo, batch: MicroBatch
) -> tuple[Batch, Tensor, Tensor]:
    """All pair techniques in turn: (batch with joined masks and lengths, targets, main tensor)."""
    steps = attached.policy.at_stage(Stage.PAIR)
    for number, (index, step) in enumerate(steps):
        technique = step.technique
        assert isinstance(technique, PairNoise)
        strength = attached.clock.strengths(step, index, main.shape[0], attached.strength, main.device)
        if strength is None:
            continue
        rng = attached.clock.rng(index, PLAN, 0, main.device)
        plan = technique.plan(main, strength=strength, rng=rng, info=info)
        if pair_site(step, mixes_input=attached.adapter.continuous) == "input":
            main = _mixed(attached, index, step, main, info, plan)
        else:
            # a hook at the layer mixes by it, when the batch comes there
            batch.plans[index] = plan
        if plan.joint:
            x = attached.adapter.join(x, plan.permutation, plan.weight)
            if number + 1 < len(steps):
                info = attached.open(x)[1]  # the next technique meets the longer rows
        y = torch.lerp(y.index_select(0, plan.permutation), y, plan.weight.to(y)[:, None])
    return x, y, main


def _mixed(attached: Attached, index: int, step: Step, main: Tensor, info: BatchInfo, plan: PairPlan) -> Tensor:
    """The main tensor, mixed by the plan; padding, missing values and columns of codes are treated apart."""
    technique = step.technique
    assert isinstance(technique, PairNoise)
    inside = None
    if info.lengths is not None:
        steps = torch.arange(main.shape[-1], device=main.device)
        inside = steps < info.lengths.to(main.device).reshape(-1, *[1] * (main.ndim - 1))
    # padding has no content: where only the longer row of a pair goes on, it is mixed with zeros
    source = main if inside is None else main.masked_fill(~inside, 0)
    mixed = technique.mix(source, plan, rng=attached.clock.rng(index, LEAF, 0, main.device), info=info)
    if inside is not None:
        mixed = torch.where(inside | inside[plan.permutation] if plan.joint else inside, mixed, main)
    if info.valid is not None:
        # a part that a partner's part replaces may have held missing values
        mixed = torch.where(torch.isnan(main), main, mixed)
    mixed = _whole_columns(attached, index, main, mixed, info, plan)
    if info.valid is not None:
        # a missing value stays missing, and does not make the partner's value missing
        mixed = torch.where(torch.isnan(mixed), main, mixed)
    everywhere = technique.exact or attached.clock.everywhere(step, attached.strength)
    return mixed if everywhere else rows_from(plan.weight < 1, mixed, main)


def _whole_columns(attached: Attached, index: int, x: Tensor, mixed: Tensor, info: BatchInfo, plan: PairPlan) -> Tensor:
    """Columns of category codes, which cannot be averaged: each comes whole, together with the flag that says whether
    it is missing, from the partner with probability 1 - weight, and otherwise from the row itself.

    So the share of a row's categories that are its partner's is on average that of its partner's label.
    """
    codes = attached.adapter.code_columns(attached.spec, x)
    if codes is None:
        return mixed
    draws = rand(x.shape, attached.clock.rng(index, LEAF, 1, x.device), plan.weight)
    if info.feature_of is not None:
        draws = draws[:, info.feature_of.clamp(min=0)]
    own = draws < plan.weight.to(draws)[:, None]
    return torch.where(codes, torch.where(own, x, x[plan.permutation]), mixed)
