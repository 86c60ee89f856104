"""What happens once, when a policy is attached: checks, the input description, placing steps in the model."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from autonoise.errors import AttachError
from autonoise.policy.clock import LEAF
from autonoise.policy.sites import WEIGHTED, Point, classifier, resolve
from autonoise.policy.weights import WeightSwap
from autonoise.stages import ActivationNoise, WeightNoise
from autonoise.types import InputSpec, Stage

if TYPE_CHECKING:
    from autonoise.policy.injector import NoiseInjector
    from autonoise.policy.policy import Policy, Step


def check_attachable(model: object, epochs: int, steps_per_epoch: int) -> None:
    """Raise AttachError for what is no model, compiled models and impossible lengths."""
    if not isinstance(model, nn.Module):
        raise AttachError(f"attach needs a torch.nn.Module, but got {type(model).__name__}")
    if hasattr(model, "_orig_mod"):
        raise AttachError("attach the policy before torch.compile: hooks added to a compiled model are ignored")
    for name, value in (("epochs", epochs), ("steps_per_epoch", steps_per_epoch)):
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise AttachError(f"{name} must be a whole number >= 1, but got {value!r}")


def rank_of(rank: int | None) -> int:
    if rank is not None:
        return rank
    ready = torch.distributed.is_available() and torch.distributed.is_initialized()
    return torch.distributed.get_rank() if ready else 0


def input_spec(
    policy: Policy, model: nn.Module, given: InputSpec | None, num_classes: int | None
) -> tuple[InputSpec, bool]:
    """(the description to start from, whether the user gave it) with the number of classes filled in."""
    if given is not None and given.data_type != policy.data_type:
        raise AttachError(
            f"the policy is for {policy.data_type} data, but input= describes {given.data_type}: use a policy of "
            f"that data type"
        )
    spec = given or policy.input or InputSpec(data_type=policy.data_type, layout=())
    if given is None and policy.at_stage(Stage.INPUT):
        _check_vocabulary(model, spec)
    classes = num_classes or 0
    if not classes:
        found = classifier(model, spec.classes)
        classes = found[1].out_features if found is not None else spec.classes
    return replace(spec, classes=classes), given is not None


def _check_vocabulary(model: nn.Module, spec: InputSpec) -> None:
    """Token ids of another tokenizer mean something else: refuse to guess."""
    if spec.vocabulary_size is None:
        return
    sizes = [m.num_embeddings for m in model.modules() if isinstance(m, nn.Embedding)]
    if sizes and spec.vocabulary_size not in sizes:
        raise AttachError(
            f"the policy was searched with a vocabulary of {spec.vocabulary_size}, the model has {max(sizes)} "
            f"embeddings: describe your tokenizer, policy.attach(..., input=InputSpec(data_type='text', layout=(L,), "
            f"pad_id=..., mask_id=..., unk_id=..., special_ids=(...), vocabulary_size={max(sizes)}))"
        )


def place_steps(injector: NoiseInjector, sites: dict[str, str]) -> dict[int, WeightSwap]:
    """Register the hooks of all steps; returns the weight swaps by step index."""
    swaps: dict[int, WeightSwap] = {}
    if injector.policy.at_stage(Stage.ADVERSARIAL) and not injector.adapter.continuous:
        injector.layers.add_delta(embedding_point(injector, sites))
    for index, step in enumerate(injector.policy.steps):
        if step.stage is Stage.WEIGHT:
            swaps[index] = _place_weights(injector, index, step, sites)
        elif step.stage is Stage.PAIR:
            site = pair_site(injector, step)
            if site != "input":
                injector.layers.add(index, step, _points(injector, step, site, sites))
        elif isinstance(step.technique, ActivationNoise):
            kinds = step.technique.adopts
            adopted = [(n, m) for n, m in injector.inner.named_modules() if kinds and isinstance(m, kinds)]
            if adopted and not step.site and step.technique.default_site not in sites:
                injector.layers.adopt(index, step, adopted)
            else:
                site = step.site or step.technique.default_site
                injector.layers.add(index, step, _points(injector, step, site, sites))
    if injector.policy.at_stage(Stage.STEP):
        found = classifier(injector.inner, injector.classes)
        if found is not None:
            injector.layers.watch("penultimate", Point(found[0], found[1], "input"))
    return swaps


def pair_site(injector: NoiseInjector, step: Step) -> str:
    """Where pairs are mixed: inputs that cannot be mixed (token ids) are mixed at the embedding."""
    site = step.site or step.technique.default_site
    return "embedding" if site == "input" and not injector.adapter.continuous else site


def embedding_point(injector: NoiseInjector, sites: dict[str, str]) -> Point:
    return resolve(injector.inner, "embedding", injector.classes, sites, default=True)[0]


def _points(injector: NoiseInjector, step: Step, site: str, sites: dict[str, str]) -> list[Point]:
    try:
        return resolve(injector.inner, site, injector.classes, sites, default=not step.site)
    except AttachError as e:
        raise AttachError(f"{step.name}: {e}") from None


def _place_weights(injector: NoiseInjector, index: int, step: Step, sites: dict[str, str]) -> WeightSwap:
    technique = step.technique
    assert isinstance(technique, WeightNoise)
    named = dict(injector.inner.named_modules())
    chosen = [p.module for p in _points(injector, step, step.site, sites)] if step.site else list(named.values())
    points = [Point(n, m) for n, m in named.items() if isinstance(m, WEIGHTED) and any(m is c for c in chosen)]
    injector.layers.points[index] = points
    injector.layers.fired.add(index)

    def noise(weight: Tensor, number: int) -> Tensor:
        strength = injector.clock.strength(step, index, injector.knob)
        if strength <= 0:
            return weight
        rng = injector.clock.rng(index, LEAF, number, weight.device)
        return technique.perturb(weight, strength=strength, rng=rng)

    swap = WeightSwap(points, lambda: injector.layers.active, noise)
    if swap.count == 0:
        raise AttachError(f"{step.name}: the model has no weights it knows how to reach; name modules by site")
    return swap
