"""What happens once, when a policy is attached: checks, the input description, placing steps in the model."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor, nn

from autonoise.batches import BatchAdapter
from autonoise.batches.mappings import ONE_LOGIT
from autonoise.errors import AttachError, UnknownNameError
from autonoise.injector.attached import Attached
from autonoise.injector.clock import LEAF
from autonoise.injector.depth import spread
from autonoise.injector.in_model import LayerNoise, check_fired
from autonoise.injector.raw import RawTransform
from autonoise.injector.sites import WEIGHTED, WORDS, Point, classifier, pair_site, resolve
from autonoise.injector.weights import WeightSwap, weight_slots
from autonoise.technique.stages import ActivationNoise, WeightNoise
from autonoise.technique.step import Step, Steps
from autonoise.types import InputSpec, Stage


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
    """The number of this process among those that train together: as given, or what torch.distributed says, or 0."""
    if rank is not None:
        return rank
    ready = torch.distributed.is_available() and torch.distributed.is_initialized()
    return torch.distributed.get_rank() if ready else 0


def input_spec(
    policy: Steps, model: nn.Module, given: InputSpec | None, num_classes: int | None, adapter: BatchAdapter
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


@dataclass
class Placed:
    """Where the steps of a policy ended up in a model.

    Attributes:
        places: by step, its number of places.
        weights: by step, what swaps the weights while their modules run.
        embedding: the place that attacks move where the input is made of token ids; otherwise None.
    """

    places: dict[int, int] = field(default_factory=dict)
    weights: dict[int, WeightSwap] = field(default_factory=dict)
    embedding: Point | None = None

    def remove(self) -> None:
        for swap in self.weights.values():
            swap.remove()


def place_steps(attached: Attached, layers: LayerNoise, sites: Mapping[str, str]) -> Placed:
    """Register the hooks of all steps. On an error none stays behind."""
    placed = Placed()
    known = WORDS.union(*({s.site, s.technique.default_site} - {""} for s in attached.policy.steps))
    try:
        for word in sites:
            if word not in known:
                raise UnknownNameError.of("site", word, known, "in sites=")
        _Placing(attached, layers, sites, placed).run()
    except BaseException:
        layers.remove()
        placed.remove()
        raise
    return placed


class _Placing:
    """Finds the places of one step after the other and lets the step act there."""

    def __init__(self, attached: Attached, layers: LayerNoise, sites: Mapping[str, str], placed: Placed) -> None:
        self._attached, self._layers, self._sites, self._placed = attached, layers, sites, placed

    def run(self) -> None:
        layers, policy, continuous = self._layers, self._attached.policy, self._attached.adapter.continuous
        if policy.at_stage(Stage.ADVERSARIAL) and not continuous:
            self._placed.embedding = self._resolve("embedding")[0]
            layers.add_delta(self._placed.embedding)
        for index, step in enumerate(policy.steps):
            # ahead of all other hooks: it takes back what the model's own dropout did, not what other steps add
            if isinstance(step.technique, ActivationNoise) and step.technique.adopts:
                layers.take_over(index, step, self._points(step, _site(step)))
        for index, step in enumerate(policy.steps):
            if step.stage is Stage.WEIGHT:
                self._place_weights(index, step)
            elif step.stage is Stage.PAIR:
                site = pair_site(step, mixes_input=continuous)
                if site != "input":
                    layers.add(index, step, self._points(step, site))
            elif isinstance(step.technique, ActivationNoise):
                points = self._points(step, _site(step))
                self._placed.places[index] = len(points)
                layers.add(index, spread(step, len(points)), points)
        known = "penultimate" in self._sites or classifier(self._attached.inner, self._attached.classes) is not None
        if known and policy.at_stage(Stage.STEP):
            layers.watch("penultimate", self._resolve("penultimate")[-1])

    def _resolve(self, site: str, *, default: bool = True) -> list[Point]:
        return resolve(self._attached.inner, site, self._attached.classes, self._sites, default=default)

    def _points(self, step: Step, site: str) -> list[Point]:
        try:
            return self._resolve(site, default=not step.site)
        except AttachError as e:
            raise AttachError(f"{step.name}: {e}") from None

    def _place_weights(self, index: int, step: Step) -> None:
        attached = self._attached
        named = dict(attached.inner.named_modules())
        chosen = [p.module for p in self._points(step, step.site)] if step.site else list(named.values())
        points = [Point(n, m) for n, m in named.items() if isinstance(m, WEIGHTED) and any(m is c for c in chosen)]
        self._layers.points[index] = points
        # whether a weight was used is known to the swap, not to a hook of the layers
        self._layers.fired.add(index)
        places = self._placed.places[index] = sum(len(weight_slots(p.module)) for p in points)
        technique = spread(step, places).technique
        assert isinstance(technique, WeightNoise)

        def noise(weight: Tensor, number: int) -> Tensor:
            strength = attached.clock.strength(step, index, attached.strength)
            if strength <= 0:
                return weight
            rng = attached.clock.rng(index, LEAF, number, weight.device)
            return technique.perturb(weight, strength=strength, rng=rng)

        swap = self._placed.weights[index] = WeightSwap(points, lambda: self._layers.active, noise)
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


def _site(step: Step) -> str:
    assert isinstance(step.technique, ActivationNoise)
    return step.site or step.technique.default_site


def check_acted(attached: Attached, layers: LayerNoise, placed: Placed, *, strings: bool, gradients: bool) -> None:
    """Raise AttachError for a step of the policy that did nothing in the first update though it should have.

    ``strings``: whether noise on strings has its transform; ``gradients``: whether gradient noise has acted or will.
    """
    policy = attached.policy
    check_fired(layers, dict(enumerate(policy.steps)))
    for index, swap in placed.weights.items():
        if not swap.fired and attached.clock.multiplier(policy.steps[index], attached.strength) > 0:
            raise AttachError(
                f"{policy.steps[index].name}: none of the model's weights was used through a module it knows; "
                f"choose modules by site, or attach with allow_partial=True"
            )
    if policy.at_stage(Stage.RAW) and not strings:
        raise AttachError(
            "this policy perturbs raw strings: run injector.raw_transform() on them before the tokenizer (a transform "
            "made by policy.raw_transform() is passed on by attach(..., raw_transform=transform)), or attach with "
            "allow_partial=True"
        )
    if policy.at_stage(Stage.GRADIENT) and not gradients:
        raise AttachError("this policy has gradient noise: pass optimizer= to attach, or use training_step")
