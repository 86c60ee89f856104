"""The gradient stage: noise on gradients that are complete, just before the optimiser uses them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.utils.hooks import RemovableHandle

from autonoise.errors import AttachError
from autonoise.injector.attached import Attached
from autonoise.injector.clock import LEAF
from autonoise.injector.weights import but_padding
from autonoise.technique.stages import GradientNoise
from autonoise.types import Stage

Act = Callable[[Tensor | None], None]
"""Lets gradient noise act, given the factor that gradients are still multiplied by (None: there is none)."""


def add_noise(attached: Attached, scale: Tensor | float = 1.0) -> None:
    """Noise on the gradients that are there; ``scale`` is the factor that they are still multiplied by."""
    for index, step in attached.policy.at_stage(Stage.GRADIENT):
        technique = step.technique
        assert isinstance(technique, GradientNoise)
        strength = attached.clock.strength(step, index, attached.strength)
        if strength <= 0:
            continue
        if isinstance(scale, float) and scale == 1 and _at_once(attached, index, technique, strength):
            continue
        tables = {id(m.weight): m for m in attached.inner.modules() if isinstance(m, nn.Embedding | nn.EmbeddingBag)}
        for number, parameter in enumerate(attached.inner.parameters()):
            g = parameter.grad
            if g is None:
                continue
            # the same on all ranks: gradients are averaged already, and replicas must stay equal
            rng = attached.clock.rng(index, LEAF, number, parameter.device, per_update=True)
            by = scale.to(g) if isinstance(scale, Tensor) else scale
            plain = g if isinstance(by, float) and by == 1 else g / by
            noisy = technique.perturb(plain, strength=strength, rng=rng, update=attached.clock.update)
            if id(parameter) in tables:
                noisy = but_padding(tables[id(parameter)], plain, noisy)
            parameter.grad = noisy if plain is g else noisy * by


def _at_once(attached: Attached, index: int, technique: GradientNoise, strength: float) -> bool:
    """Change all gradients in one go where they lie on one GPU and the technique can; whether that was done."""
    at_once = getattr(technique, "perturb_all", None)
    if at_once is None:
        return False
    owners = [p for p in attached.inner.parameters() if p.grad is not None]
    gradients = [p.grad for p in owners if p.grad is not None]
    kinds = {(g.device, g.dtype, g.layout) for g in gradients}
    if len(kinds) != 1 or gradients[0].device.type == "cpu":
        return False
    if gradients[0].dtype != torch.float32 or gradients[0].layout != torch.strided:
        return False
    if any(
        m.padding_idx is not None for m in attached.inner.modules() if isinstance(m, nn.Embedding | nn.EmbeddingBag)
    ):
        return False
    rng = attached.clock.rng(index, LEAF, 0, gradients[0].device, per_update=True)
    changed = at_once(gradients, strength=strength, rng=rng, update=attached.clock.update)
    for owner, g in zip(owners, changed, strict=True):
        owner.grad = g
    return True


def hook(optimizer: Optimizer, act: Act) -> RemovableHandle:
    """Let gradient noise act whenever this optimiser steps.

    Two things may happen only inside the optimiser's own step. With a closure (L-BFGS, Lightning) the gradients
    are computed in there, so the noise must follow the closure. Fused optimisers take the scale of a GradScaler out of
    the gradients by themselves: what the hook sees is still scaled, and so must the noise be.
    """

    def before(_: Optimizer, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, Any] | None:
        if kwargs.get("grad_scaler") is not None:
            raise AttachError(
                "this optimiser takes the GradScaler itself (step(grad_scaler=...)), so that gradient noise cannot "
                "know whether the gradients are scaled: use an optimiser of torch.optim, or train in bfloat16"
            )
        # ``args`` begins with the optimiser
        given = args[1] if len(args) > 1 else kwargs.get("closure")
        if not callable(given):
            act(getattr(optimizer, "grad_scale", None))
            return None

        closure = _then_noise(given, act)
        return ((args[0], closure, *args[2:]), kwargs) if len(args) > 1 else (args, kwargs | {"closure": closure})

    return optimizer.register_step_pre_hook(before)


def _then_noise(closure: Callable[[], Any], act: Act) -> Callable[[], Any]:
    def closure_with_noise() -> Any:
        out = closure()
        # optimisers call their closure with gradients switched on
        with torch.no_grad():
            act(None)
        return out

    return closure_with_noise
