"""Checking a search space as read from its file, with one clear line for each mistake."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf
from typing import Any

from autonoise.errors import AutonoiseError, SpaceError, UnknownNameError
from autonoise.space.dimension import FORMAT, Dimension, policy_in_space_file, step_dimensions
from autonoise.technique.parameters import hint
from autonoise.technique.registry import get_technique
from autonoise.types import DataType, member

_KEYS = {
    "format",
    "data_type",
    "max_techniques",
    "expected_techniques",
    "defaults",
    "techniques",
    "with_label_noise",
    "with_whole_step",
    "seeds",
    "presets",
}


def space_fields(values: Mapping[str, Any], where: str) -> dict[str, Any]:
    """The fields of a ``SearchSpace``, checked, from a mapping as read from YAML; ``where`` opens every message.

    Raises SpaceError, or UnknownNameError with the nearest names.
    """
    if values.get("format") != FORMAT:
        raise SpaceError(f"{where}: not a search space: the first line must be 'format: {FORMAT}'")
    unknown = set(map(str, values)) - _KEYS
    if unknown:
        raise UnknownNameError.of("key", sorted(unknown)[0], _KEYS, f"in {where}")
    given = values.get("data_type")
    try:
        data_type = member(DataType, given, "data type")
    except UnknownNameError:
        near = hint(given, DataType) if given is not None else ""
        raise SpaceError(f"{where}: data_type must be one of {', '.join(DataType)}{near}") from None
    techniques = values.get("techniques")
    if not isinstance(techniques, dict) or not techniques:
        raise SpaceError(f"{where}: techniques must list at least one technique")
    defaults = values.get("defaults") or {}
    if not isinstance(defaults, dict) or set(defaults) - {"probability", "schedule", "magnitude"}:
        raise SpaceError(f"{where}: defaults may set probability, schedule and magnitude")
    sections = {}
    for section in ("with_label_noise", "with_whole_step"):
        sections[section] = values.get(section) or {}
        if not isinstance(sections[section], dict):
            raise SpaceError(f"{where}: {section} must be a mapping like techniques, but got {sections[section]!r}")
    dims = _dimensions(techniques, data_type, defaults, where)
    most = _number(values, "max_techniques", 4, where, whole=True)
    expected = _number(values, "expected_techniques", 3.0, where)
    lists = {}
    for key in ("seeds", "presets"):
        entries = values.get(key) or []
        if not isinstance(entries, list) or not all(isinstance(e, dict) for e in entries):
            raise SpaceError(f"{where}: {key} must be a list of mappings with name, source and steps")
        try:
            lists[key] = tuple(
                policy_in_space_file(_entry(e, f"{where}: {key}[{i}]"), data_type, f"{where}: {key}[{i}]")
                for i, e in enumerate(entries)
            )
        except UnknownNameError:
            raise
        except AutonoiseError as e:
            raise SpaceError(str(e)) from None
    return {
        "data_type": data_type,
        "techniques": dims,
        "max_techniques": int(most),
        "expected_techniques": float(expected),
        "seeds": lists["seeds"],
        "presets": lists["presets"],
        "source": dict(values),
        **{
            held: _dimensions(sections[section], data_type, defaults, f"{where}: {section}")
            for held, section in (
                ("label_noise_techniques", "with_label_noise"),
                ("whole_step_techniques", "with_whole_step"),
            )
        },
    }


def _dimensions(
    techniques: Mapping[str, Any], data_type: DataType, defaults: Mapping[str, Any], where: str
) -> dict[str, dict[str, Dimension]]:
    dims = {}
    for name, given in techniques.items():
        if given is not None and not isinstance(given, dict):
            raise SpaceError(f"{where}: {name} must be a mapping of parameters to ranges, but got {given!r}")
        kind = get_technique(str(name), f"in {where}")
        if data_type not in kind.data_types:
            reason = kind.refused.get(data_type) or f"it works for {', '.join(sorted(kind.data_types))}"
            raise SpaceError(f"{where}: {name} does not work for {data_type} data: {reason}; remove it")
        dims[str(name)] = step_dimensions(str(name), given or {}, defaults, where)
    return dims


def _entry(values: Mapping[str, Any], where: str) -> Mapping[str, Any]:
    if not {"name", "steps"} <= set(values) <= {"name", "source", "steps"}:
        found = ", ".join(map(str, values))
        raise SpaceError(f"{where}: must have name and steps, may have source and nothing else, but has {found}")
    return values


def _number(values: Mapping[str, Any], key: str, default: float, where: str, *, whole: bool = False) -> float:
    value = values.get(key, default)
    number = isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < inf
    if not number or (whole and value != int(value)):
        kind = "a whole number" if whole else "a number"
        raise SpaceError(f"{where}: {key} must be {kind} above 0, but got {value!r}")
    return float(value)
