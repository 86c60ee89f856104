"""The pair stage: drawing who is mixed with whom, and mixing at the input."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from autonoise.injector.clock import LEAF, PLAN
from autonoise.injector.placing import pair_site
from autonoise.ops.masks import rows_from
from autonoise.ops.random import rand
from autonoise.technique.stages import PairNoise, PairPlan
from autonoise.types import Batch, BatchInfo, Stage

if TYPE_CHECKING:
    from autonoise.injector.in_model import MicroBatch
    from autonoise.injector.injector import NoiseInjector
    from autonoise.technique.step import Step


def pair_stage(
    injector: NoiseInjector, x: Batch, y: Tensor, main: Tensor, info: BatchInfo, batch: MicroBatch
) -> tuple[Batch, Tensor, Tensor]:
    """All pair techniques in turn: (batch with joined masks and lengths, targets, main tensor)."""
    steps = injector.policy.at_stage(Stage.PAIR)
    for number, (index, step) in enumerate(steps):
        technique = step.technique
        assert isinstance(technique, PairNoise)
        strength = injector.clock.strengths(step, index, main.shape[0], injector.knob, main.device)
        if strength is None:
            continue
        rng = injector.clock.rng(index, PLAN, 0, main.device)
        plan = technique.plan(main, strength=strength, rng=rng, info=info)
        if pair_site(injector, step) == "input":
            main = _mixed(injector, index, step, main, info, plan)
        else:
            batch.plans[index] = plan
        if plan.joint:
            x = injector.adapter.join(x, plan.permutation, plan.weight)
            if number + 1 < len(steps):
                info = injector.open(x)[1]  # the next one meets longer rows
        y = torch.lerp(y.index_select(0, plan.permutation), y, plan.weight.to(y)[:, None])
    return x, y, main


def _mixed(injector: NoiseInjector, index: int, step: Step, main: Tensor, info: BatchInfo, plan: PairPlan) -> Tensor:
    technique = step.technique
    assert isinstance(technique, PairNoise)
    inside = None
    if info.lengths is not None:
        steps = torch.arange(main.shape[-1], device=main.device)
        inside = steps < info.lengths.to(main.device).reshape(-1, *[1] * (main.ndim - 1))
    # padding is no content: the longer of a pair goes on alone, mixed with nothing
    source = main if inside is None else main.masked_fill(~inside, 0)
    mixed = technique.mix(source, plan, rng=injector.clock.rng(index, LEAF, 0, main.device), info=info)
    if inside is not None:
        mixed = torch.where(inside | inside[plan.permutation] if plan.joint else inside, mixed, main)
    mixed = _whole_columns(injector, index, main, mixed, info, plan)
    if info.valid is not None:
        # a missing value stays missing, and makes nobody else's value missing
        mixed = torch.where(torch.isnan(mixed), main, mixed)
    everywhere = technique.exact or injector.clock.everywhere(step, injector.knob)
    return mixed if everywhere else rows_from(plan.weight < 1, mixed, main)


def _whole_columns(
    injector: NoiseInjector, index: int, x: Tensor, mixed: Tensor, info: BatchInfo, plan: PairPlan
) -> Tensor:
    """Codes are no numbers: each comes whole, with its missing flag, from the partner with probability 1 - weight.

    So a row holds as large a share of its partner's categories as of its partner's label.
    """
    codes = injector.adapter.code_columns(injector.spec, x)
    if codes is None:
        return mixed
    draws = rand(x.shape, injector.clock.rng(index, LEAF, 1, x.device), plan.weight)
    if info.feature_of is not None:
        draws = draws[:, info.feature_of.clamp(min=0)]
    own = draws < plan.weight.to(draws)[:, None]
    return torch.where(codes, torch.where(own, x, x[plan.permutation]), mixed)
