"""What the shell offers to complete: names of studies, techniques, spaces, policies, data sets; files it knows."""

from __future__ import annotations

import pkgutil
from collections.abc import Iterable
from pathlib import Path


def _beginning(names: Iterable[str], incomplete: str) -> list[str]:
    return sorted(name for name in names if name.startswith(incomplete))


def studies(incomplete: str) -> list[str]:
    """Names of the studies under ``studies``."""
    from autonoise.study.places import STUDIES

    return _beginning((file.parent.name for file in Path(STUDIES).glob("*/study.yaml")), incomplete)


def techniques(incomplete: str) -> list[str]:
    """Names of the techniques that come with autonoise: those of their files, which need not be imported for that."""
    folder = Path(__file__).parent.parent / "techniques"
    return _beginning((m.name for m in pkgutil.iter_modules([str(folder)])), incomplete)


def spaces(incomplete: str) -> list[str]:
    """Names of the shipped search spaces."""
    from autonoise.files import resource_dir

    return _beginning((p.stem for p in resource_dir("search_spaces").glob("*.yaml")), incomplete)


def policies(incomplete: str) -> list[str]:
    """Names of the shipped policies."""
    from autonoise.policy.shipped import shipped

    return _beginning(shipped(), incomplete)


def studies_and_policies(incomplete: str) -> list[str]:
    return [*studies(incomplete), *policies(incomplete)]


def data(incomplete: str) -> list[str]:
    """Names of the built-in data sets."""
    from autonoise.data import builtin_names

    return _beginning(builtin_names(), incomplete)


def data_types(incomplete: str) -> list[str]:
    from autonoise.types import DataType

    return _beginning(map(str, DataType), incomplete)


def libraries(incomplete: str) -> list[str]:
    """Libraries that a policy can be written for as code."""
    return _beginning(("albumentations", "audiomentations", "kornia", "torchvision"), incomplete)
