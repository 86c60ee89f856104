"""The registry of techniques: the base class, the decorator that registers, and look-up by name."""

from __future__ import annotations

import dataclasses
import importlib
import pkgutil
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal, Self, TypeVar, dataclass_transform, get_args

from autonoise.errors import PolicyError, UnknownNameError
from autonoise.technique.parameters import choice, parameters_of, ranged, text, whole
from autonoise.types import DataType, Family, InputSpec, Stage, member

Multiplier = Literal["amplitude", "probability", "blend"]

RESERVED = frozenset(
    {"technique", "version", "probability", "schedule", "gate", "site", "magnitude", "sites", "one_of"}
)
"""Keys of a step in a policy file; no technique may have a parameter of such a name."""


class Technique:
    """One way of adding noise while training; an instance holds its parameters and nothing else.

    Subclasses come from one of the stage classes in :mod:`autonoise.technique.stages` and set, through the decorator or
    as class attributes:

        data_types: what it works for; ``refused`` gives the reason where somebody might expect it to.
        family: what kind of noise it is.
        multiplier: what a schedule's multiplier scales: the ``amplitude`` of the noise, the ``probability`` of
            acting at full strength, or the ``blend`` with what would be there without it. 0 is the identity.
        tags, conflicts: a policy with two steps of which one's tags meet the other's conflicts is refused.
        exact: the leaf itself gives back rows of strength 0 as they were; those of other techniques the injector puts
            back, at the price of another pass over the batch.
        version, changes: of the formula, and what the newest version does otherwise than the one before it; a policy
            file of an earlier version is read, and the change is told.
        subset: only rows that are really perturbed are handed to the leaf (for costly operations).
        whole_step: it acts only in ``injector.training_step``, not in the three lines perturb, loss and step.
        needs_other_rows: it takes values from other rows of the batch, so that a row by itself would never change.
    """

    name: ClassVar[str]
    stage: ClassVar[Stage]
    data_types: ClassVar[frozenset[DataType]]
    family: ClassVar[Family]
    families: ClassVar[frozenset[Family]]
    reference: ClassVar[str]
    version: ClassVar[int] = 1
    changes: ClassVar[str] = ""
    multiplier: ClassVar[Multiplier] = "amplitude"
    refused: ClassVar[Mapping[DataType, str]] = {}
    tags: ClassVar[frozenset[str]] = frozenset()
    conflicts: ClassVar[frozenset[str]] = frozenset()
    default_site: ClassVar[str] = ""
    exact: ClassVar[bool] = False
    subset: ClassVar[bool] = False
    whole_step: ClassVar[bool] = False
    needs_other_rows: ClassVar[bool] = False

    @property
    def passes(self) -> float:
        """Cost of a training step in forward-backward passes, relative to 1 for plain training."""
        return 1.0

    def __post_init__(self) -> None:
        for name, parameter in parameters_of(type(self)).items():
            value = getattr(self, name)
            try:
                parameter.check(name, value)
            except ValueError as e:
                raise PolicyError(f"{self.name}: {e}") from None
            if isinstance(value, int) and not getattr(parameter, "integer", True):
                object.__setattr__(self, name, float(value))
        self.check()

    def check(self) -> None:
        """Refuse parameters that contradict each other; raises PolicyError."""

    def spread(self, ratio: float) -> Self:
        """The technique as it should act in a model that has 1 / ``ratio`` times as many places for it as the searched
        one had, so that the noise of all places together stays the same. Unchanged, unless a technique says otherwise.
        """
        return self

    @classmethod
    def idle(cls, spec: InputSpec) -> str:
        """The reason, as a sentence for people, why the technique can change nothing of such data; empty if it can."""
        return ""

    @classmethod
    def idle_parameters(cls, spec: InputSpec) -> frozenset[str]:
        """Names of parameters that change nothing of such data, while others do; 0 must be a valid value of each."""
        return frozenset()

    def parameters(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in parameters_of(type(self))}


T = TypeVar("T", bound=type[Technique])
_REGISTRY: dict[str, type[Technique]] = {}


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(ranged, whole, choice, text))
def technique(
    *,
    data_types: Iterable[DataType | str],
    family: Family | str,
    reference: str = "",
    also: Iterable[Family | str] = (),
) -> Callable[[T], T]:
    """Register a technique under its class name in snake_case and freeze it into a dataclass.

    ``also`` names further families a technique teaches (AugMix: geometric and photometric).
    Third parties may use it too; the name must be new.
    """

    def register(cls: T) -> T:
        name = snake_case(cls.__name__)
        frozen = dataclasses.dataclass(frozen=True, kw_only=True)(cls)
        taken = set(parameters_of(frozen)) & RESERVED
        if taken:
            raise TypeError(f"{name}: {sorted(taken)[0]!r} is a key of policy steps; rename the parameter")
        stray = [n for n in dir(frozen) if isinstance(getattr(frozen, n, None), dataclasses.Field)]
        if stray:
            raise TypeError(f"{name}: the parameter {stray[0]} belongs to a class without @technique; write it here")
        known = _REGISTRY.get(name)
        if known is not None and (known.__module__, known.__qualname__) != (cls.__module__, cls.__qualname__):
            raise TypeError(f"technique {name!r} is already registered by {known.__module__}")
        frozen.name = name
        frozen.data_types = frozenset(member(DataType, d, "data type") for d in data_types)
        frozen.family = member(Family, family, "family")
        frozen.families = frozenset({frozen.family, *(member(Family, f, "family") for f in also)})
        frozen.stage = member(Stage, cls.stage, "stage")
        if frozen.multiplier not in get_args(Multiplier):
            raise UnknownNameError.of("multiplier", frozen.multiplier, get_args(Multiplier))
        frozen.reference = reference
        _REGISTRY[name] = frozen
        return frozen  # type: ignore[return-value]

    return register


def snake_case(name: str) -> str:
    """``GaussianNoise`` → ``gaussian_noise``; ``FGSM`` → ``fgsm``; ``PGDAttack`` → ``pgd_attack``."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


def technique_names() -> list[str]:
    """All names, sorted: the modules of ``autonoise.techniques`` and what others have registered."""
    place = Path(__file__).parent.with_name("techniques")
    found = {m.name for m in pkgutil.iter_modules([str(place)]) if not m.name.startswith("_")}
    return sorted(found | set(_REGISTRY))


def get_technique(name: str, where: str = "") -> type[Technique]:
    """The class of a technique; imports only its own module. Raises UnknownNameError with the nearest names."""
    if name not in _REGISTRY:
        names = technique_names()
        if name not in names:
            raise UnknownNameError.of("technique", name, names, where)
        importlib.import_module(f"autonoise.techniques.{name}")
    return _REGISTRY[name]


def techniques_for(data_type: DataType | str | None = None) -> list[type[Technique]]:
    """All techniques that work for a data type (None: all), sorted by name. Imports all of them."""
    wanted = None if data_type is None else member(DataType, data_type, "data type")
    found = [get_technique(name) for name in technique_names()]
    return [t for t in found if wanted is None or wanted in t.data_types]
