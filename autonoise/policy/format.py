"""The file format ``autonoise-policy/1``: YAML or JSON, checked at the boundary, written whole.

Format 1 loads for ever. Nothing in a file is executed. The fields and their limits are in
:mod:`autonoise.policy.models`; the policy itself is made in :mod:`autonoise.policy.policy`.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

from autonoise.errors import AutonoiseError, PolicyError
from autonoise.files import dump_yaml, read_data, write_whole
from autonoise.technique.parameters import parameters_of
from autonoise.technique.registry import get_technique
from autonoise.technique.schedule import Gate, Schedule
from autonoise.technique.step import Step, Steps, digest
from autonoise.types import DataType, InputSpec

if TYPE_CHECKING:
    from pydantic import ValidationError

    from autonoise.policy.models import PolicyModel, StepModel

log = logging.getLogger("autonoise")
FORMAT = "autonoise-policy/1"
ENDINGS = (".yaml", ".yml", ".json")
"""How the name of a policy file may end."""


class Contents(TypedDict):
    """The fields of a policy, read and checked one by one; the names are those of ``Policy``."""

    data_type: DataType
    steps: tuple[Step, ...]
    name: str
    input: InputSpec | None
    strength: float
    clean_share: float
    scores: dict[str, Any]
    provenance: dict[str, Any]
    check: dict[str, Any]


def described(steps: Steps) -> dict[str, Any]:
    """The fields of a file that say what a policy does, in their order."""
    out: dict[str, Any] = {"format": FORMAT, "name": steps.name, "data_type": str(steps.data_type)}
    if steps.input is not None:
        out["input"] = steps.input.to_dict()
    out["steps"] = [step.to_dict() for step in steps.steps]
    out["strength"] = steps.strength
    if steps.clean_share:
        out["clean_share"] = steps.clean_share
    return out


def contents_of(values: Mapping[str, Any], where: str, *, tell: bool = True) -> Contents:
    """The fields of a policy from plain data; ``where`` names their source in messages.

    ``tell``: warn of a technique whose formula has changed since the policy was found.
    Raises PolicyError with the place and the remedy.
    """
    # imported here, since this takes longer than everything else of the package, and only reading a file needs it
    from pydantic import ValidationError

    from autonoise.policy.models import PolicyModel

    _check_format(values.get("format"), where)
    try:
        # dates and the like, which YAML makes of unquoted text, become text again
        values = json.loads(json.dumps(dict(values), default=str))
    except (TypeError, ValueError, RecursionError):
        raise PolicyError(f"{where}: nested too deeply, or keyed by something that is no text; simplify it") from None
    try:
        model = PolicyModel.model_validate(values)
    except ValidationError as e:
        raise PolicyError(f"{where}: {_first_problem(e)}; correct this field") from None
    _check_digest(model, values, where)
    spec = None
    if model.input is not None:
        spec = InputSpec.from_dict(model.data_type, model.input.model_dump(exclude_unset=True))
    return Contents(
        data_type=model.data_type,
        steps=tuple(_step(s, f"{where}: steps[{i}]", tell=tell) for i, s in enumerate(model.steps)),
        name=model.name,
        input=spec,
        strength=model.strength,
        clean_share=model.clean_share,
        scores=model.scores,
        provenance=model.provenance,
        check=model.check.model_dump(exclude_unset=True),
    )


def _first_problem(e: ValidationError) -> str:
    """Place, rule and value of the first problem, on one line of bounded length."""
    first = e.errors()[0]
    place = "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in first["loc"]).lstrip(".")
    given = first.get("input")
    shown = "" if isinstance(given, dict | list) else f" (got {str(given)[:60]!r})"
    return f"{place[:100]}: {first['msg']}{shown}"


def _check_format(found: Any, where: str) -> None:
    match = re.fullmatch(r"autonoise-policy/(\d{1,6})", found) if isinstance(found, str) else None
    if match is None:
        raise PolicyError(f"{where}: not an autonoise policy: the first line must be 'format: {FORMAT}'")
    if int(match[1]) > 1:
        raise PolicyError(
            f"{where}: format {found} is newer than this version of autonoise reads ({FORMAT}); upgrade autonoise"
        )
    if int(match[1]) < 1:
        raise PolicyError(f"{where}: there is no format {found}; the formats are: {FORMAT}")


def _check_digest(model: PolicyModel, values: Mapping[str, Any], where: str) -> None:
    if model.check.digest is not None and model.check.digest != content_digest(values):
        raise PolicyError(
            f"{where}: changed since it was exported, or truncated (check.digest does not match); if you edited it "
            f"on purpose, remove the digest line"
        )


def content_digest(values: Mapping[str, Any]) -> str:
    """Digest of what a policy does: data type, input, steps, strength as they stand in the file."""
    kept = {k: values.get(k) for k in ("format", "data_type", "input", "steps", "strength")}
    # files of before have digests without it
    kept |= {"clean_share": values["clean_share"]} if values.get("clean_share") else {}
    return f"sha256:{digest(json.loads(json.dumps(kept, default=str)))}"


def _step(model: StepModel, where: str, *, tell: bool) -> Step:
    try:
        kind = get_technique(model.technique)
        if model.version > kind.version:
            raise PolicyError(
                f"{model.technique} version {model.version} is newer than this autonoise knows "
                f"({kind.version}); upgrade"
            )
        if tell and "version" in model.model_fields_set and model.version < kind.version:
            log.warning(
                "%s: %s was found with version %d of its formula and runs with version %d: %s",
                where,
                model.technique,
                model.version,
                kind.version,
                kind.changes,
            )
        extra = dict(model.model_extra or {})
        parameters = parameters_of(kind)
        unknown = set(extra) - set(parameters)
        if unknown:
            known = ", ".join(parameters) or "none"
            raise PolicyError(f"{model.technique} has no parameter {sorted(unknown)[0]!r}; it has: {known}")
        return Step(
            kind(**extra),
            model.probability,
            Schedule(**model.schedule.model_dump()),
            Gate(**model.gate.model_dump()),
            model.site,
            model.magnitude,
            model.sites,
            model.one_of,
        )
    except AutonoiseError as e:
        raise PolicyError(f"{where}: {e}") from None
    except (ValueError, TypeError) as e:
        raise PolicyError(f"{where}: {model.technique}: {e}") from None


def read_policy(path: str | Path) -> Mapping[str, Any]:
    """What stands in a policy file (YAML or JSON), not checked yet. Raises PolicyError where it cannot be read."""
    return read_data(path, PolicyError, "policy file")


def write_policy(content: dict[str, Any], path: str | Path) -> None:
    """Write a policy's plain data with a digest of it: JSON where the name ends in .json, otherwise YAML.

    Raises PolicyError for a name with another ending than ``ENDINGS``.
    """
    ending = Path(path).suffix.lower()
    if ending not in ENDINGS:
        raise PolicyError(f"{path}: a policy is written to a file that ends in {', '.join(ENDINGS)}; name it so")
    content = dict(content)
    check = {**content.pop("check", {}), "digest": content_digest(content)}
    # the digest stands near the top, so that it is still there, and does not fit, in a file that was cut off below
    values = {"format": content.pop("format"), "check": check, **content}
    if ending == ".json":
        write_whole(path, json.dumps(values, indent=1) + "\n")
    else:
        write_whole(path, dump_yaml(values))
