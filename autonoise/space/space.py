"""Search spaces: which techniques, ranges and schedules a search may combine, from YAML to a Policy per trial."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from autonoise.errors import AutonoiseError, SpaceError
from autonoise.files import read_data, resource_dir
from autonoise.policy.policy import TRIAL_ATTRIBUTE, Policy
from autonoise.space.dimension import _LATE, _OFF, Dimension, Suggests, _described
from autonoise.space.reading import space_fields
from autonoise.technique.registry import get_technique
from autonoise.technique.schedule import Gate, Schedule
from autonoise.technique.step import Step, digest
from autonoise.types import DataType, member

DEFAULT_STEPS = "three"
"""What is searched for where nobody says which form the training code has: what runs everywhere."""
_SEARCHED_LIMITS = {"late": "late", "off_at_end": "off"}


@dataclass(frozen=True)
class SearchSpace:
    """Techniques with their dimensions; ``suggest(trial)`` turns an Optuna trial into a Policy.

    Techniques of one stage act in the order in which the space lists them.
    Each technique has a switch ``use.<name>``. A random trial should switch on ``expected_techniques`` of them
    (:attr:`prior`); at most ``max_techniques`` stay, those with the highest ``rank.<name>``.

    Example:
        >>> space = SearchSpace.load("image")
        >>> import optuna
        >>> policy = space.suggest(optuna.create_study().ask())  # inside any objective
        >>> len(policy.steps) <= space.max_techniques
        True
    """

    data_type: DataType
    techniques: Mapping[str, Mapping[str, Dimension]]
    max_techniques: int = 4
    expected_techniques: float = 3.0
    seeds: tuple[Policy, ...] = ()
    presets: tuple[Policy, ...] = ()
    source: Mapping[str, Any] = field(default_factory=dict)
    label_noise_techniques: Mapping[str, Mapping[str, Dimension]] = field(default_factory=dict)
    whole_step_techniques: Mapping[str, Mapping[str, Dimension]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "data_type", member(DataType, self.data_type, "data type"))

    @classmethod
    def load(cls, name_or_path: str | Path) -> SearchSpace:
        """A shipped space by its data type's name, or a YAML file. Raises SpaceError with place and remedy."""
        text = str(name_or_path)
        shipped = resource_dir("search_spaces") / f"{text}.yaml"
        path = shipped if text.isidentifier() and shipped.is_file() else Path(text)
        return cls.from_dict(read_data(path, SpaceError, "search space"), str(path.name if path is shipped else path))

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], where: str = "search space") -> SearchSpace:
        """A space from a mapping like a space file's; ``where`` opens every message. Raises SpaceError."""
        return cls(**space_fields(values, where))

    def for_label_noise(self) -> SearchSpace:
        """The space to search when training labels are known to be wrong: with its ``with_label_noise`` techniques."""
        if not self.label_noise_techniques:
            return self
        return self._with("label_noise_techniques", "with_label_noise")

    def for_steps(self, steps: str | None) -> SearchSpace:
        """The space to search for training code of one form.

        ``three``: code that calls perturb, loss and step, which cannot run techniques of the whole step (SAM); the
        space is without them. ``whole``: code that can call ``injector.training_step``; with the ``with_whole_step``
        techniques. None: ``whole`` for a space that lists such techniques itself, else :data:`DEFAULT_STEPS`.

        Raises SpaceError where nothing is left.
        """
        own = [n for n in self.techniques if get_technique(n).whole_step]
        if (steps or ("whole" if own else DEFAULT_STEPS)) == "whole":
            return self._with("whole_step_techniques", "with_whole_step")
        source = {k: v for k, v in self.source.items() if k != "with_whole_step"}
        if own:
            source["techniques"] = {n: v for n, v in source.get("techniques", {}).items() if n not in own}
        techniques = {n: d for n, d in self.techniques.items() if n not in own}
        if not techniques:
            raise SpaceError(f"--steps three leaves no technique of the space: {', '.join(own)} need training_step")
        lists: dict[str, Any] = {}
        for key in ("seeds", "presets"):
            kept = [not p.needs_whole_step for p in getattr(self, key)]
            lists[key] = tuple(p for p, keep in zip(getattr(self, key), kept, strict=True) if keep)
            if key in source:
                source[key] = [e for e, keep in zip(source[key] or [], kept, strict=True) if keep]
        return dataclasses.replace(self, techniques=techniques, source=source, whole_step_techniques={}, **lists)

    def _with(self, held: str, section: str) -> SearchSpace:
        """The space with the techniques of a section of its file among the others."""
        source = dict(self.source)
        extra = source.pop(section, None) or {}
        source["techniques"] = {**source.get("techniques", {}), **extra}
        techniques = {**self.techniques, **getattr(self, held)}
        changes: dict[str, Any] = {"techniques": techniques, "source": source, held: {}}
        return dataclasses.replace(self, **changes)

    @property
    def prior(self) -> float:
        """Probability that a random trial switches a technique on."""
        return min(self.expected_techniques / max(len(self.techniques), 1), 1.0)

    @property
    def hash(self) -> str:
        """Digest of what is searched; a study refuses to go on with another one."""
        return digest(self.describe())[:12]

    def describe(self) -> dict[str, Any]:
        """Everything that is searched, as plain data."""
        listed = {
            name: {key: _described(d) for key, d in dims.items()} for name, dims in sorted(self.techniques.items())
        }
        return {
            "data_type": str(self.data_type),
            "max_techniques": self.max_techniques,
            "expected_techniques": self.expected_techniques,
            "order": list(self.techniques),
            "techniques": listed,
        }

    def suggest(self, trial: Suggests) -> Policy:
        """The policy of a trial; contradicting techniques are dropped, lowest rank first.

        On an Optuna trial the policy is kept in the attribute ``autonoise.policy`` for ``Policy.from_trial``.
        """
        on = [n for n in self.techniques if trial.suggest_categorical(f"use.{n}", [False, True])]
        if len(on) > self.max_techniques:
            ranks = {n: trial.suggest_float(f"rank.{n}", 0.0, 1.0) for n in on}
            on = sorted(on, key=lambda n: (-ranks[n], n))[: self.max_techniques]
        policy = Policy(self.data_type)
        for name in on:
            try:
                policy = dataclasses.replace(policy, steps=(*policy.steps, self._step(trial, name)))
            except AutonoiseError:
                continue
        # ranks say what stays, not what acts first
        place = {name: i for i, name in enumerate(self.techniques)}
        policy = dataclasses.replace(policy, steps=tuple(sorted(policy.steps, key=lambda s: place[s.name])))
        policy = dataclasses.replace(policy, name=f"{self.data_type}-{policy.hash}")
        keep = getattr(trial, "set_user_attr", None)
        if keep is not None:
            keep(TRIAL_ATTRIBUTE, policy.to_dict())
        return policy

    def _step(self, trial: Suggests, name: str) -> Step:
        values = {key: d.suggest(trial, f"{name}.{key}") for key, d in self.techniques[name].items()}
        timing = values.pop("schedule")
        schedule, gate = Schedule(), Gate()
        if timing == "late":
            schedule = Schedule("window", start=trial.suggest_float(f"{name}.late", *_LATE))
        elif timing == "off_at_end":
            schedule = Schedule("constant", end=trial.suggest_float(f"{name}.off", *_OFF))
        elif timing == "every_2_epochs":
            gate = Gate(2, "epoch")
        elif timing.startswith("every_"):
            gate = Gate(int(timing.removeprefix("every_")))
        else:
            schedule = Schedule(timing)
        probability, magnitude = values.pop("probability"), values.pop("magnitude")
        site = values.pop("site", "")
        return Step(get_technique(name)(**values), probability, schedule, gate, site, magnitude)

    def parameters_of(self, policy: Policy) -> dict[str, Any]:
        """The trial parameters that give ``policy``, or the nearest the space allows; steps it lacks are left out."""
        steps = {s.name: s for s in policy.steps if s.name in self.techniques}
        names = list(steps)[: self.max_techniques]
        # trials know no groups: of a group of two, each step acts half as often
        groups = Counter(s.one_of for s in policy.steps if s.one_of)
        out: dict[str, Any] = {f"use.{n}": n in names for n in self.techniques}
        for name in names:
            step, dims = steps[name], self.techniques[name]
            values = {
                **step.technique.parameters(),
                "probability": step.probability / groups.get(step.one_of, 1),
                "magnitude": step.magnitude,
                "site": step.site,
            }
            out |= {f"{name}.{k}": d.nearest(values[k]) for k, d in dims.items() if d.searched and k != "schedule"}
            chosen, limit = _timing(step, dims["schedule"].choices)
            if dims["schedule"].searched:
                out[f"{name}.schedule"] = chosen
            if chosen in _SEARCHED_LIMITS:
                out[f"{name}.{_SEARCHED_LIMITS[chosen]}"] = limit
        return out


def _timing(step: Step, offered: tuple[str, ...]) -> tuple[str, float]:
    """The schedule among those offered that is nearest to a step's, and its limit where that is searched."""
    shape, (start, end) = step.schedule.shape, step.schedule.limits
    if step.gate.every > 1:
        found = f"every_{step.gate.every}{'_epochs' if step.gate.unit == 'epoch' else ''}"
    elif shape == "window" and step.schedule.start is None and "window" in offered:
        found = "window"
    elif shape in ("constant", "window"):
        found = "late" if start > 0 else "off_at_end" if end < 1 else "constant"
    else:
        found = shape
    chosen = found if found in offered else offered[0]
    limit = start if chosen == "late" else end
    low, high = _LATE if chosen == "late" else _OFF
    return chosen, min(max(limit, low), high)
