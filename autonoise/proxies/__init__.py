"""The proxies: small models that stand in for the user's big one while searching, one file per data type."""

from __future__ import annotations

import math
from collections.abc import Callable
from importlib import import_module

import torch
from torch import nn

from autonoise.errors import DataError, StudyError, UnknownNameError
from autonoise.proxies.recipe import Recipe, default_recipe, has_bfloat16
from autonoise.types import DataType, InputSpec

__all__ = ["Recipe", "build_proxy", "default_recipe", "has_bfloat16", "proxy_names"]

Builder = Callable[[InputSpec, float], nn.Module]


def proxy_names(data_type: DataType | str) -> tuple[str, ...]:
    """The proxies of a data type: the default first, then the larger one to check transfer with."""
    return tuple(_builders(data_type))


def build_proxy(
    spec: InputSpec, *, size: float = 1.0, name: str | None = None, rng: torch.Generator | None = None
) -> nn.Module:
    """Build a proxy for this input: a module that maps a canonical batch to logits (B, classes).

    Every proxy ends in an ``nn.Linear`` named ``classifier``, holds its norms as modules and has no dropout.
    ``size`` multiplies the width. The weights depend on ``rng`` (default: seed 0) and on nothing else.
    Raises UnknownNameError for a name, StudyError for a size, DataError for an input that no proxy can take.
    """
    builders = _builders(spec.data_type)
    if name is not None and name not in builders:
        raise UnknownNameError.of("proxy", name, builders, f"for {spec.data_type} data")
    if not (math.isfinite(size) and size > 0):
        raise StudyError(f"size > 0 must hold for a proxy, but got {size!r}: 1 is the usual width")
    if spec.classes < 2:
        raise DataError(f"a proxy needs at least 2 classes, but got {spec.classes}: set classes in the spec")
    rng = rng if rng is not None else torch.Generator().manual_seed(0)
    seed = int(torch.randint(2**62, (), generator=rng, device=rng.device))
    # torch layers draw their first weights from the global CPU generator only; the fork gives it back as it was.
    # Not torch.manual_seed: it would reseed the accelerators too, which this fork does not give back.
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return builders[name or next(iter(builders))](spec, size)


def _builders(data_type: DataType | str) -> dict[str, Builder]:
    if data_type not in list(DataType):
        raise UnknownNameError.of("data type", str(data_type), list(DataType))
    builders: dict[str, Builder] = import_module(f"autonoise.proxies.{DataType(data_type)}").PROXIES
    return builders
