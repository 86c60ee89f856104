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
from autonoise.injector.in_model import LayerNoise
from autonoise.injector.sites import WEIGHTED, WORDS, Point, classifier, pair_site, resolve
from autonoise.injector.weights import WeightSwap, weight_slots
from autonoise.technique.stages import ActivationNoise, WeightNoise
from autonoise.technique.step import Step, Steps
from autonoise.types import InputSpec, Stage


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
