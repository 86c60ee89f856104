"""``autonoise export policy.yaml --to LIBRARY``: Python code for what of a policy the library can express."""

from __future__ import annotations

from dataclasses import dataclass
from textwrap import wrap

from autonoise.errors import PolicyError, UnknownNameError
from autonoise.integrations.code import albumentations, audiomentations, kornia, torchvision
from autonoise.integrations.code.expression import CannotExpressError, Expression, Library, Setting
from autonoise.policy import Policy
from autonoise.technique.schedule import Schedule
from autonoise.technique.step import Step
from autonoise.types import Stage

LIBRARIES: dict[str, Library] = {
    module.LIBRARY.name: module.LIBRARY for module in (albumentations, audiomentations, kornia, torchvision)
}


@dataclass(frozen=True)
class Code:
    """The code of a policy for another library.

    Attributes:
        text: a Python file that defines ``transform``.
        expressed: the names of the steps that it does.
        left: (name, reason) of those that it does not.
    """

    text: str
    expressed: tuple[str, ...]
    left: tuple[tuple[str, str], ...]


def code_for(policy: Policy, library: str) -> Code:
    """Python code for the steps that a library can express, with comments for what differs and what is missing.

    Raises UnknownNameError for a library that is not known, PolicyError for one of another data type.
    """
    if library not in LIBRARIES:
        raise UnknownNameError.of("library", library, LIBRARIES, "after --to")
    found = LIBRARIES[library]
    if policy.data_type != found.data_type:
        fitting = [name for name, lib in LIBRARIES.items() if lib.data_type == policy.data_type]
        remedy = f"export it --to {' or '.join(fitting)}" if fitting else "use policy.transform() or policy.attach()"
        raise PolicyError(
            f"{library} augments {found.data_type} data, and {policy.name} is for {policy.data_type} data: {remedy}"
        )
    lines, expressed, left = [], [], []
    for step in policy.steps:
        try:
            expression = _expression(step, policy, found)
        except CannotExpressError as e:
            left.append((step.name, str(e)))
            continue
        expressed.append(step.name)
        note = "; ".join(n for n in (expression.note, _of_time(step)) if n)
        lines += _comment(f"{step.name}: {note}", "        ") if note else []
        lines.append(f"        {expression.code},")
    text = "\n".join([*_header(policy, found), "", *_comments(left), found.opening, *lines, found.closing, ""])
    return Code(text, tuple(expressed), tuple(left))


def _expression(step: Step, policy: Policy, library: Library) -> Expression:
    if step.stage is not Stage.INPUT:
        raise CannotExpressError(f"it acts in the training step ({step.stage} stage)")
    writer = library.writers.get(step.name)
    if writer is None:
        raise CannotExpressError(f"{library.name} has nothing like it")
    if not policy.strength or not step.probability:
        raise CannotExpressError("its strength or probability is 0")
    return writer(Setting(step, policy.strength, policy.input))


def _of_time(step: Step) -> str:
    """What the code cannot know: how a step changes while training goes on."""
    if step.schedule == Schedule():
        return ""
    start, end = step.schedule.limits
    return f"at full strength all the time, where the policy has {step.schedule.shape} from {start:g} to {end:g}"


def _header(policy: Policy, library: Library) -> list[str]:
    verdict = policy.scores.get("verdict", "unconfirmed")
    title = f"Noise of the policy {policy.name!r} (verdict: {verdict}), for {library.name}."
    told = f"Written by autonoise export --to {library.name}; {library.takes}. Use it on training data alone."
    safe = "\n\n".join("\n".join(wrap(part, 118)) for part in (title, told)).replace("\\", "/").replace('"""', "'")
    return [f'"""{safe}\n"""', "", library.imports]


def _comments(left: list[tuple[str, str]]) -> list[str]:
    if not left:
        return []
    lines = ["# Not in this file; policy.attach(model, ...) of autonoise does these:"]
    for name, reason in left:
        lines += _comment(f"- {name}: {reason}", "")
    return lines


def _comment(text: str, indent: str) -> list[str]:
    return [f"{indent}# {line}" for line in wrap(text, 118 - len(indent))]
