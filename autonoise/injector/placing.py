"""What happens once, when a policy is attached: checks, the input description, placing steps in the model."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor, nn

from autonoise.batches import BatchAdapter
from autonoise.batches.mappings import ONE_LOGIT
from autonoise.errors import AttachError, UnknownNameError, did_you_mean
from autonoise.injector.attached import Attached
from autonoise.injector.clock import LEAF
from autonoise.injector.depth import spread
from autonoise.injector.in_model import LayerNoise
from autonoise.injector.partial import Partial
from autonoise.injector.sites import WEIGHTED, WORDS, Inline, Point, classifier, normalised, pair_site, resolve
from autonoise.injector.weights import WeightSwap, weight_slots
from autonoise.technique.stages import ActivationNoise, WeightNoise
from autonoise.technique.step import Step, Steps
from autonoise.types import InputSpec, Stage

log = logging.getLogger("autonoise")
_TOKENWISE = (Stage.INPUT, Stage.ADVERSARIAL, Stage.EMBEDDING)
"""Stages that act on each token of a text by itself, so that padding and special tokens must be known for sure."""
TOLD = 6
"""The number of places that a warning names."""


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
    completed = adapter.complete(given, policy.input)
    given = None if completed is not None else given
    spec = completed or given or policy.input or InputSpec(data_type=policy.data_type, layout=())
    if given is None:
        spec = adapter.for_model(
            model, spec, exact=policy.pretrains or any(s.stage in _TOKENWISE for s in policy.steps)
        )
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
        inline: by site, its places that are no modules.
        skipped: by step that could not be placed, the reason.
        branches: the steps at residual branches that were found by names of modules.
        norms: the steps behind norms, of which there are not as many as in the search.
        looked: whether a forward pass has shown what these are.
    """

    places: dict[int, int] = field(default_factory=dict)
    weights: dict[int, WeightSwap] = field(default_factory=dict)
    embedding: Point | None = None
    inline: dict[str, list[Point]] = field(default_factory=dict)
    skipped: dict[int, str] = field(default_factory=dict)
    branches: list[int] = field(default_factory=list)
    norms: list[int] = field(default_factory=list)
    looked: bool = False

    def remove(self) -> None:
        for swap in self.weights.values():
            swap.remove()


def place_steps(
    attached: Attached, layers: LayerNoise, sites: Mapping[str, str], *, allow_partial: bool = False
) -> Placed:
    """Register the hooks of all steps. On an error none stays behind.

    ``allow_partial``: a step that finds no place is left out, and that is told, instead of raising AttachError.
    """
    placed = Placed()
    known = WORDS.union(*({s.site, s.technique.default_site} - {""} for s in attached.policy.steps))
    try:
        for word in sites:
            if word not in known:
                raise UnknownNameError.of("site", word, known, "in sites=")
        _Placing(attached, layers, sites, placed, allow_partial=allow_partial).run()
    except BaseException:
        layers.remove()
        placed.remove()
        raise
    if placed.skipped:
        attached.policy = Partial.of(attached.policy, placed.skipped)
        for index, why in placed.skipped.items():
            log.warning("%s is left out: %s", attached.policy.steps[index].name, why)
    return placed


class _Placing:
    """Finds the places of one step after the other and lets the step act there."""

    def __init__(
        self, attached: Attached, layers: LayerNoise, sites: Mapping[str, str], placed: Placed, *, allow_partial: bool
    ) -> None:
        self._attached, self._layers, self._sites, self._placed = attached, layers, sites, placed
        self._allow_partial = allow_partial

    def run(self) -> None:
        policy = self._attached.policy
        attacks = [] if self._attached.adapter.continuous else list(enumerate(policy.steps))
        for index, step in attacks:
            if step.stage is Stage.ADVERSARIAL or getattr(step.technique, "source", "") == "moved":
                self._try(index, step, self._place_attack)
        for index, step in enumerate(policy.steps):
            # ahead of all other hooks: it takes back what the model's own dropout did, not what other steps add
            if isinstance(step.technique, ActivationNoise) and step.technique.adopts:
                self._try(index, step, self._take_over)
        for index, step in enumerate(policy.steps):
            if step.stage is Stage.WEIGHT:
                self._try(index, step, self._place_weights)
            elif isinstance(step.technique, ActivationNoise) or step.stage is Stage.PAIR:
                self._try(index, step, self._place_inside)
        known = "penultimate" in self._sites or classifier(self._attached.inner, self._attached.classes) is not None
        if known and policy.needs_whole_step:
            self._layers.watch("penultimate", self._resolve("penultimate")[-1])

    def _try(self, index: int, step: Step, place: Callable[[int, Step], None]) -> None:
        if index in self._placed.skipped:
            return
        try:
            place(index, step)
        except AttachError as e:
            if not self._allow_partial:
                raise
            self._placed.skipped[index] = str(e).removeprefix(f"{step.name}: ")

    def _place_attack(self, index: int, step: Step) -> None:
        if self._placed.embedding is not None:
            return
        point = self._points(step, "embedding")[0]
        if isinstance(point.module, Inline):
            raise AttachError(
                f"{step.name}: it calls the embedding by itself, so that this must be a module: name it by "
                f"sites={{'embedding': 'module'}}"
            )
        self._placed.embedding = point
        self._layers.add_delta(point)

    def _take_over(self, index: int, step: Step) -> None:
        self._layers.take_over(index, step, self._points(step, _site(step)))

    def _place_inside(self, index: int, step: Step) -> None:
        if step.stage is Stage.PAIR:
            site = pair_site(step, mixes_input=self._attached.adapter.continuous)
            if site != "input":
                self._layers.add(index, step, self._points(step, site))
            return
        site = _site(step)
        points = self._points(step, site)
        self._tell_guess(step, site, points)
        self._placed.places[index] = len(points)
        self._layers.add(index, spread(step, len(points)), points, searched=step)
        if site == "residual" and site not in self._sites:
            self._placed.branches.append(index)
        if site in ("after_norm", "late_norm") and spread(step, len(points)) is not step:
            self._placed.norms.append(index)

    def _tell_guess(self, step: Step, site: str, points: list[Point]) -> None:
        if site in self._sites:
            return
        if site == "front_end" and points[0].name.rpartition(".")[2] != site:
            log.warning(
                "%s: took %s as the front end, by its name; another is named by sites={'front_end': 'module'}",
                step.name,
                points[0].name,
            )
        if site in ("after_norm", "late_norm") and not normalised(self._attached.inner):
            places = ", ".join(f"{p.name}:{p.where}" for p in points[:TOLD])
            log.warning(
                "%s: the model has no normalisation layers, so that its noise enters at %s; other places are named by "
                "sites={%r: 'glob*'}",
                step.name,
                places + (f" and {len(points) - TOLD} more" if len(points) > TOLD else ""),
                site,
            )

    def _resolve(self, site: str, *, default: bool = True) -> list[Point]:
        if site in self._placed.inline:
            return self._placed.inline[site]
        points = resolve(self._attached.inner, site, self._attached.classes, self._sites, default=default)
        if any(isinstance(p.module, Inline) for p in points):
            self._placed.inline[site] = points
        return points

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

        swap = WeightSwap(points, lambda: self._layers.active, noise)
        if swap.count == 0:
            swap.remove()
            del self._layers.points[index], self._placed.places[index]
            raise AttachError(f"{step.name}: the model has no weights it knows how to reach; name modules by site")
        self._placed.weights[index] = swap
        if swap.missed:
            log.warning(
                "%s: the weights of %s are computed from other parameters (weight norm, spectral norm or another "
                "parametrisation), so that they get no noise; %d weights do",
                step.name,
                ", ".join(swap.missed),
                swap.count,
            )


def _site(step: Step) -> str:
    assert isinstance(step.technique, ActivationNoise)
    return step.site or step.technique.default_site


def inline(
    attached: Attached, layers: LayerNoise, placed: Placed, site: str, h: Tensor, *, place: int, channels: int
) -> Tensor:
    """What ``NoiseInjector.apply`` documents."""
    points = placed.inline.get(site)
    if points is None:
        # a word of one's own may belong to another policy; what is nearly one of ours is a slip
        if site not in WORDS and did_you_mean(site, sorted(WORDS)):
            raise UnknownNameError.of("site", site, WORDS, "in apply()")
        steps = [attached.policy.steps[i] for i in layers.points if i not in placed.skipped]
        if any((s.site or s.technique.default_site) == site for s in steps):
            raise AttachError(
                f"apply({site!r}, ...) was called, but the policy acts there at modules: attach with "
                f"sites={{{site!r}: 'inline'}}"
            )
        return h
    if not 0 <= place < len(points):
        raise AttachError(f"apply({site!r}, place={place}): attach with sites={{{site!r}: 'inline*{place + 1}'}}")
    if channels not in (1, -1):
        raise AttachError(f"apply({site!r}, channels={channels}): channels are in dimension 1 or -1")
    module = points[place].module
    assert isinstance(module, Inline)
    module.axis = channels
    out: Tensor = module(h)
    return out
