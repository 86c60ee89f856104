"""What an attached policy does and where it stands, as a typed object; ``describing`` makes lines of it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from autonoise.injector.attached import Attached
from autonoise.injector.depth import spread
from autonoise.injector.in_model import LayerNoise
from autonoise.injector.placing import Placed
from autonoise.technique.parameters import Range, parameters_of
from autonoise.technique.step import Step
from autonoise.types import Stage

Known = Literal["described", "first batch", "not yet"]


@dataclass(frozen=True)
class StepStatus:
    """One step of the policy, as it acts in this model.

    Attributes:
        technique, stage: its name, and where in a training step it enters.
        parameters: as they act here; where the model has another number of places than that of the search, they differ
            from the policy's.
        units: by parameter that has one, the unit of its number.
        probability: the chance that it acts, on each sample by itself or (weight, loss, gradient and step stages) on a
            whole update.
        schedule, every: the shape of its schedule, and ``3 epochs`` or ``1 update``, in which it acts once.
        now: what its strength is multiplied by at this update: schedule times gate times the global strength.
        places: the modules that it acts at, with ``:input`` or ``:output``; empty outside of the model, and for weights
            with the name of the module alone.
        number: of its places; for weights that of the matrices, of which a module may have several.
        searched_places: how many places it had in the search; 0 where that is unknown or does not matter.
        before_branches: whether most of its places stand before residual branches, so that its parameters are those of
            the search whatever the number of places; False before the first batch, which shows it.
        replaced: dropouts of the model that it takes the place of.
        ran: whether one of its places has run in a forward pass since attaching; None for a step outside of the model.
        needs: what has to be called for it to act, in words, beside ``perturb``, ``loss`` and ``step``; empty for most.
        left_out: why it cannot act in this model (``allow_partial=True``); empty where it can.
    """

    technique: str
    stage: str
    parameters: dict[str, float | int | str]
    units: dict[str, str]
    probability: float
    schedule: str
    every: str
    now: float
    places: tuple[str, ...]
    number: int
    searched_places: int
    before_branches: bool
    replaced: tuple[str, ...]
    ran: bool | None
    needs: str
    left_out: str


@dataclass(frozen=True)
class InjectorStatus:
    """An attached policy and where its training stands; :meth:`to_dict` gives plain data for JSON.

    Attributes:
        policy, hash, data_type: of the policy.
        update, updates: optimiser updates done, and planned.
        progress: the share of training done, 0 to 1, that schedules go by.
        strength: the global strength, which multiplies that of every step.
        passes: forward-backward passes in a training step, on average; 1 is plain training.
        training: whether the model is in training mode; in evaluation no step acts.
        detached: whether the policy was detached from the model.
        scale: the units of the batches in words, as far as they are known.
        known: where the scale comes from: the user's description, the first batch, or (``not yet``) the policy's own
            description, which the first batch may correct.
        layout, classes: shape of one sample and number of classes; an empty layout is not known yet.
        steps: in the order in which they act.
    """

    policy: str
    hash: str
    data_type: str
    update: int
    updates: int
    progress: float
    strength: float
    passes: float
    training: bool
    detached: bool
    scale: str
    known: Known
    layout: tuple[int, ...]
    classes: int
    steps: tuple[StepStatus, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain data: texts, numbers, lists and dicts."""
        return asdict(self, dict_factory=lambda pairs: {k: list(v) if isinstance(v, tuple) else v for k, v in pairs})


def status_of(
    attached: Attached, layers: LayerNoise, placed: Placed, *, strings: bool, gradients: bool, detached: bool
) -> InjectorStatus:
    """What ``NoiseInjector.status`` documents; ``strings`` and ``gradients`` as for ``check_acted``."""
    policy, clock, spec = attached.policy, attached.clock, attached.spec
    calls = {} if strings else {Stage.RAW: "raw_transform() on strings"}
    calls |= {} if gradients else {Stage.GRADIENT: "training_step, or optimizer= when attaching"}
    return InjectorStatus(
        policy=policy.name,
        hash=policy.hash,
        data_type=str(policy.data_type),
        update=clock.update,
        updates=clock.epochs * clock.steps_per_epoch,
        progress=clock.progress,
        strength=attached.strength,
        passes=policy.passes,
        training=attached.model.training,
        detached=detached,
        scale=attached.adapter.scale_words(spec),
        known="described" if attached.explicit else "first batch" if attached.checked else "not yet",
        layout=spec.layout if attached.explicit or attached.checked else (),
        classes=spec.classes,
        steps=tuple(
            _step(attached, layers, placed, index, step, calls.get(step.stage, ""))
            for index, step in enumerate(policy.steps)
        ),
    )


def _step(attached: Attached, layers: LayerNoise, placed: Placed, index: int, step: Step, needs: str) -> StepStatus:
    kept = index in layers.as_searched
    number = placed.places.get(index, 0)
    here = step.technique if kept else spread(step, number).technique
    points = layers.points.get(index, [])
    inside = index in layers.points
    swap = placed.weights.get(index)
    if getattr(here, "pretrains", False) and not attached.pretrained:
        needs = "pretrain(), once"
    elif here.whole_step:
        needs = "training_step"
    return StepStatus(
        technique=step.name,
        stage=str(step.stage),
        parameters=here.parameters(),
        units={n: p.unit for n, p in parameters_of(type(here)).items() if isinstance(p, Range) and p.unit},
        probability=step.probability,
        schedule=step.schedule.shape,
        every=f"{step.gate.every} {step.gate.unit}{'s' if step.gate.every != 1 else ''}",
        now=attached.clock.multiplier(step, attached.strength),
        places=tuple(p.name if swap is not None else f"{p.name}:{p.where}" for p in points),
        number=number or len(points),
        searched_places=step.sites,
        before_branches=kept,
        replaced=layers.replaced(index),
        ran=(swap.fired if swap is not None else index in layers.fired) if inside else None,
        needs=needs,
        left_out=placed.skipped.get(index, ""),
    )
