"""Policies that come with autonoise, by name: ``data type/study``, as in ``image/fashion-mnist``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from autonoise.errors import PolicyError, UnknownNameError, did_you_mean
from autonoise.files import resource_dir
from autonoise.policy.format import ENDINGS, read_policy
from autonoise.technique.step import Steps
from autonoise.types import DataType, Stage

_NAME = re.compile(r"[A-Za-z0-9][\w-]*(/[\w-]+)?")
"""What may be a name: one or two words. Anything else, such as ./x, a/b/c or x.yaml, is a path."""


@dataclass(frozen=True)
class Shipped:
    """A policy that comes with autonoise. ``name`` is what ``load_policy`` takes; ``file`` is where it lies."""

    name: str
    data_type: DataType
    file: Path


def shipped() -> Mapping[str, Shipped]:
    """All policies that come with autonoise, by name, sorted.

    In a checkout, searches of one's own may lie in the same folder; they have their trials beside them.
    """
    found = {}
    for file in sorted(resource_dir("studies").glob("*/policy.yaml")):
        if (file.parent / "study.db").exists():
            continue
        data_type = DataType(read_policy(file)["data_type"])
        name = f"{data_type}/{file.parent.name.replace('_', '-')}"
        found[name] = Shipped(name, data_type, file)
    return dict(sorted(found.items()))


def file_of(source: str | Path) -> Path:
    """The file of a policy that was named by its path or, as text, by the name of a shipped policy.

    Raises UnknownNameError with the nearest names for what is neither, and PolicyError for what is both.
    """
    path = Path(source)
    if not isinstance(source, str) or not _NAME.fullmatch(source) or path.suffix.lower() in ENDINGS:
        return path
    known = shipped()
    name = source.lower().replace("_", "-")
    if name in known and path.exists():
        raise PolicyError(
            f"{source} is the name of a shipped policy, and there is such a file here too: write ./{source} for the "
            f"file, or load the policy from another folder"
        )
    if name in known:
        return known[name].file
    if path.exists():
        return path
    near = did_you_mean(name, known) or "autonoise policies lists them"
    raise UnknownNameError(f"no policy file {source!r}, and no shipped policy of that name: {near}")


def needs(policy: Steps) -> tuple[str, ...]:
    """What a training needs beside the three lines of the loop, so that all steps of a policy can act."""
    stages = {step.stage for step in policy.steps}
    spec = policy.input
    out = []
    if Stage.RAW in stages:
        out.append("raw_transform in the data loader")
    if any(getattr(step.technique, "pretrains", False) for step in policy.steps):
        out.append("injector.pretrain before training")
    if policy.needs_whole_step:
        out.append("training_step")
    if Stage.GRADIENT in stages:
        out.append("the optimiser, in attach or training_step")
    if Stage.INPUT in stages and spec is not None:
        if spec.vocabulary_size is not None:
            out.append("the tokenizer described by input=")
        if spec.numeric or spec.codes or spec.onehot:
            out.append("the columns of the search, or input=")
    files = [v for s in policy.steps for k, v in s.technique.parameters().items() if k == "clips" and v]
    return (*out, *(f"the file {file}" for file in files))
