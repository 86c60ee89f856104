"""What an injector refuses: models that cannot be attached, calls of the wrong form, steps that did nothing."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence

import torch
from torch import nn
from torch.amp import GradScaler

from autonoise.errors import AttachError
from autonoise.injector.attached import Attached
from autonoise.injector.in_model import LayerNoise
from autonoise.injector.placing import Placed
from autonoise.injector.raw import RawTransform
from autonoise.injector.sites import Inline
from autonoise.technique.step import Step, Steps
from autonoise.types import Stage

log = logging.getLogger("autonoise")


def check_attachable(model: object, epochs: int, steps_per_epoch: int) -> None:
    """Raise AttachError for what is no model, compiled models and impossible lengths."""
    if not isinstance(model, nn.Module):
        raise AttachError(f"attach needs a torch.nn.Module, but got {type(model).__name__}")
    if any(hasattr(m, "_orig_mod") or getattr(m, "_compiled_call_impl", None) is not None for m in model.modules()):
        raise AttachError("attach the policy before torch.compile: hooks added to a compiled model are ignored")
    if isinstance(model, torch.jit.ScriptModule):
        raise AttachError("a torch.jit module takes no hooks: attach the policy to the model it was made from")
    for name, value in (("epochs", epochs), ("steps_per_epoch", steps_per_epoch)):
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise AttachError(f"{name} must be a whole number >= 1, but got {value!r}")


def check_transform(transform: RawTransform, policy: Steps, epochs: int) -> RawTransform:
    """Raises AttachError for a transform of another policy or another length of training."""
    made = transform.made_by.removeprefix("policy.").removesuffix("()")
    if policy.hash not in transform.hashes:
        raise AttachError(
            f"the {made} is of policy {transform.policy_hash}, not of {policy.hash}: make it by "
            f"policy.{made}(epochs={epochs})"
        )
    if transform.epochs != epochs:
        raise AttachError(
            f"the {made} was made for {transform.epochs} epochs, but attach says {epochs}: make it by "
            f"policy.{made}(epochs={epochs})"
        )
    return transform


def check_form(attached: Attached, *, whole_step: bool) -> None:
    """Raise AttachError for a policy that trains by ``training_step`` alone, and for one that was not pre-trained."""
    policy = attached.policy
    if policy.needs_whole_step and not whole_step:
        names = ", ".join(s.name for s in policy.steps if s.technique.whole_step)
        raise AttachError(
            f"this policy has techniques that need the whole training step ({names}): use "
            f"injector.training_step(x, y, optimizer), or attach with allow_partial=True"
        )
    if policy.pretrains and not attached.pretrained:
        names = ", ".join(s.name for s in policy.steps if getattr(s.technique, "pretrains", False))
        raise AttachError(
            f"this policy begins with a phase before training ({names}): run injector.pretrain(lambda: (x for x, y in "
            f"loader)) once before the first batch, or attach with allow_partial=True to train without it"
        )


def check_scaler(scaler: object) -> None:
    """Raise AttachError for what is no gradient scaler of torch's."""
    if scaler is not None and not isinstance(scaler, GradScaler):
        raise AttachError(
            f"scaler= must be a torch.amp.GradScaler, but got {type(scaler).__name__}: with another scaler use the "
            f"three lines (perturb, loss, step)"
        )


def check_acted(
    attached: Attached, layers: LayerNoise, placed: Placed, *, strings: bool, gradients: bool, allow_partial: bool
) -> None:
    """Raise AttachError for a step of the policy that did nothing in the first update though it should have.

    ``strings``: whether noise on strings has its transform; ``gradients``: whether gradient noise has acted or will;
    ``allow_partial``: only tell it.
    """
    for problem in _not_acting(attached, layers, placed, strings=strings, gradients=gradients):
        if not allow_partial:
            raise AttachError(problem)
        log.warning("left out: %s", problem.replace(" or attach with allow_partial=True", "").rstrip(",;"))


def _not_acting(
    attached: Attached, layers: LayerNoise, placed: Placed, *, strings: bool, gradients: bool
) -> Iterator[str]:
    policy = attached.policy
    yield from _not_fired(layers, policy.steps)
    for index, swap in placed.weights.items():
        if not swap.fired and attached.clock.multiplier(policy.steps[index], attached.strength) > 0:
            yield (
                f"{policy.steps[index].name}: none of the model's weights was used through a module it knows; "
                f"choose modules by site, or attach with allow_partial=True"
            )
    if policy.at_stage(Stage.RAW) and not strings:
        yield (
            "this policy perturbs raw strings: run injector.raw_transform() on them before the tokenizer (a transform "
            "made by policy.raw_transform() is passed on by attach(..., raw_transform=transform)), or attach with "
            "allow_partial=True"
        )
    if policy.at_stage(Stage.GRADIENT) and not gradients:
        yield "this policy has gradient noise: pass optimizer= to attach, or use training_step"


def _not_fired(layers: LayerNoise, steps: Sequence[Step]) -> Iterator[str]:
    """Steps whose hooks have not run in the first update."""
    for index, points in layers.points.items():
        if index not in layers.fired | layers.off:
            names = ", ".join(p.name for p in points[:3])
            if index in layers.unfit:
                yield (
                    f"{steps[index].name}: its site ({names}) gives {layers.unfit[index]}, no floating-point numbers; "
                    f"choose another by sites= or attach with allow_partial=True"
                )
                continue
            inline = any(isinstance(p.module, Inline) for p in points)
            yield (
                f"{steps[index].name}: its site ({names}) never ran in the forward pass, or gave no tensor; "
                + (f"call injector.{points[0].name} there" if inline else "choose another by sites=")
                + " or attach with allow_partial=True"
            )
    for index, missed in layers.mixing.items():
        if missed:
            name = layers.points[index][min(missed)].name
            yield (
                f"{steps[index].name}: it mixes targets, but one of its sites ({name}) never ran in the forward pass: "
                f"name those that do by sites= or the step's site"
            )
