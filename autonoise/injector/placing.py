"""What happens once, when a policy is attached: checks, the input description, placing steps in the model."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from autonoise.batches import BatchAdapter
from autonoise.batches.mappings import ONE_LOGIT
from autonoise.errors import AttachError, UnknownNameError
from autonoise.injector.clock import LEAF
from autonoise.injector.depth import spread
from autonoise.injector.in_model import check_fired
from autonoise.injector.sites import WEIGHTED, WORDS, Point, classifier, resolve
from autonoise.injector.weights import WeightSwap, weight_slots
from autonoise.technique.stages import ActivationNoise, WeightNoise
from autonoise.types import InputSpec, Stage

if TYPE_CHECKING:
    from autonoise.injector.injector import NoiseInjector
    from autonoise.injector.raw import RawTransform
    from autonoise.policy.policy import Policy
    from autonoise.technique.step import Step


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


def check_transform(transform: RawTransform, policy: Policy, epochs: int) -> RawTransform:
    """Raises AttachError for a transform of another policy or another length of training."""
    if transform.policy_hash != policy.hash:
        raise AttachError(
            f"raw_transform= is of policy {transform.policy_hash}, not of {policy.hash}: make it by "
            f"policy.raw_transform(epochs={epochs})"
        )
    if transform.epochs != epochs:
        raise AttachError(
            f"raw_transform= was made for {transform.epochs} epochs, but attach says {epochs}: make it by "
            f"policy.raw_transform(epochs={epochs})"
        )
    return transform


def rank_of(rank: int | None) -> int:
    if rank is not None:
        return rank
    ready = torch.distributed.is_available() and torch.distributed.is_initialized()
    return torch.distributed.get_rank() if ready else 0


def input_spec(
    policy: Policy, model: nn.Module, given: InputSpec | None, num_classes: int | None, adapter: BatchAdapter
) -> tuple[InputSpec, bool]:
    """(the description to start from, whether the user gave it) with the number of classes filled in."""
    if given is not None and not isinstance(given, InputSpec):
        raise AttachError(f"input= must be an InputSpec (autonoise.InputSpec), but got {given!r:.80}")
    if given is not None and given.data_type != policy.data_type:
        raise AttachError(
            f"the policy is for {policy.data_type} data, but input= describes {given.data_type}: use a policy of "
            f"that data type"
        )
    spec = given or policy.input or InputSpec(data_type=policy.data_type, layout=())
    if given is None:
        spec = adapter.for_model(model, spec, writes=bool(policy.at_stage(Stage.INPUT)))
    classes, found = num_classes or 0, None
    if not classes:
        found = classifier(model, spec.classes)
        classes = found[1].out_features if found is not None else spec.classes
    if classes == 1:
        raise AttachError(
            f"{ONE_LOGIT}. If the model's classifier is another layer than {found[0]!r}, pass num_classes="
            if found is not None
            else ONE_LOGIT
        )
    return replace(spec, classes=classes), given is not None


def place_steps(injector: NoiseInjector, sites: dict[str, str]) -> None:
    """Register the hooks of all steps, the weight swaps in ``injector.weights``; none stays behind on an error."""
    known = WORDS.union(*({s.site, s.technique.default_site} - {""} for s in injector.policy.steps))
    try:
        for word in sites:
            if word not in known:
                raise UnknownNameError.of("site", word, known, "in sites=")
        _place_steps(injector, sites)
    except BaseException:
        injector.detach()
        raise


def _place_steps(injector: NoiseInjector, sites: dict[str, str]) -> None:
    if injector.policy.at_stage(Stage.ADVERSARIAL) and not injector.adapter.continuous:
        injector.embedding = resolve(injector.inner, "embedding", injector.classes, sites, default=True)[0]
        injector.layers.add_delta(injector.embedding)
    for index, step in enumerate(injector.policy.steps):
        # ahead of all other hooks: it undoes what the model did itself, not what other steps add
        if isinstance(step.technique, ActivationNoise) and step.technique.adopts:
            injector.layers.take_over(index, step, _points(injector, step, _site(step), sites))
    for index, step in enumerate(injector.policy.steps):
        if step.stage is Stage.WEIGHT:
            injector.weights[index] = _place_weights(injector, index, step, sites)
        elif step.stage is Stage.PAIR:
            site = pair_site(injector, step)
            if site != "input":
                injector.layers.add(index, step, _points(injector, step, site, sites))
        elif isinstance(step.technique, ActivationNoise):
            points = _points(injector, step, _site(step), sites)
            injector.places[index] = len(points)
            injector.layers.add(index, spread(step, len(points)), points)
    known = "penultimate" in sites or classifier(injector.inner, injector.classes) is not None
    if known and injector.policy.at_stage(Stage.STEP):
        points = resolve(injector.inner, "penultimate", injector.classes, sites, default=True)
        injector.layers.watch("penultimate", points[-1])


def _site(step: Step) -> str:
    assert isinstance(step.technique, ActivationNoise)
    return step.site or step.technique.default_site


def pair_site(injector: NoiseInjector, step: Step) -> str:
    """Where pairs are mixed: inputs that cannot be mixed (token ids) are mixed at the embedding."""
    site = step.site or step.technique.default_site
    return "embedding" if site == "input" and not injector.adapter.continuous else site


def _points(injector: NoiseInjector, step: Step, site: str, sites: dict[str, str]) -> list[Point]:
    try:
        return resolve(injector.inner, site, injector.classes, sites, default=not step.site)
    except AttachError as e:
        raise AttachError(f"{step.name}: {e}") from None


def _place_weights(injector: NoiseInjector, index: int, step: Step, sites: dict[str, str]) -> WeightSwap:
    named = dict(injector.inner.named_modules())
    chosen = [p.module for p in _points(injector, step, step.site, sites)] if step.site else list(named.values())
    points = [Point(n, m) for n, m in named.items() if isinstance(m, WEIGHTED) and any(m is c for c in chosen)]
    injector.layers.points[index] = points
    injector.layers.fired.add(index)
    injector.places[index] = sum(len(weight_slots(p.module)) for p in points)
    technique = spread(step, injector.places[index]).technique
    assert isinstance(technique, WeightNoise)

    def noise(weight: Tensor, number: int) -> Tensor:
        strength = injector.clock.strength(step, index, injector.knob)
        if strength <= 0:
            return weight
        rng = injector.clock.rng(index, LEAF, number, weight.device)
        return technique.perturb(weight, strength=strength, rng=rng)

    swap = WeightSwap(points, lambda: injector.layers.active, noise)
    if swap.count == 0:
        raise AttachError(f"{step.name}: the model has no weights it knows how to reach; name modules by site")
    if swap.missed:
        logging.getLogger("autonoise").warning(
            "%s: the weights of %s are computed from other parameters (weight norm, spectral norm or another "
            "parametrisation), so that they get no noise; %d weights do",
            step.name,
            ", ".join(swap.missed),
            swap.count,
        )
    return swap


def check_acted(injector: NoiseInjector, *, gradient_done: bool) -> None:
    """Raise AttachError for a step of the policy that did nothing in the first update though it should have."""
    policy, layers = injector.policy, injector.layers
    check_fired(layers, dict(enumerate(policy.steps)))
    for index, swap in injector.weights.items():
        if not swap.fired and injector.clock.multiplier(policy.steps[index], injector.knob) > 0:
            raise AttachError(
                f"{policy.steps[index].name}: none of the model's weights was used through a module it knows; "
                f"choose modules by site, or attach with allow_partial=True"
            )
    if policy.at_stage(Stage.RAW) and not injector.raw:
        raise AttachError(
            "this policy perturbs raw strings: run injector.raw_transform() on them before the tokenizer (a transform "
            "made by policy.raw_transform() is passed on by attach(..., raw_transform=transform)), or attach with "
            "allow_partial=True"
        )
    # a gradient scaler may skip the first steps, and the hook with them
    if policy.at_stage(Stage.GRADIENT) and not gradient_done and injector.optimizer_hook is None:
        raise AttachError("this policy has gradient noise: pass optimizer= to attach, or use training_step")
