"""The user's own model: from ``file.py:factory`` to a function that makes fresh models."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

from torch import nn

from autonoise.errors import StudyError, no_exit, one_line
from autonoise.types import InputSpec

ModelFactory = Callable[[InputSpec, int], nn.Module]


IN_MEMORY = "in memory:"
"""Begins the name of a model that was given as a function, in the settings of its study."""


def _imported(where: str) -> ModuleType:
    if not where.endswith(".py"):
        return importlib.import_module(where)
    spec = importlib.util.spec_from_file_location(Path(where).stem, where)
    if spec is None or spec.loader is None or not Path(where).is_file():
        raise StudyError(f"--model: no file {where!r}; check the path")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def load_factory(text: str) -> ModelFactory:
    """``package.module:factory`` or ``file.py:factory``, called with (InputSpec, classes). Raises StudyError."""
    if text.startswith(IN_MEMORY):
        name = text.removeprefix(IN_MEMORY)
        raise StudyError(
            f"the model of this study was a function in memory ({name}): give it to autonoise.search again"
        )
    where, _, name = text.rpartition(":")
    if not where or not name:
        raise StudyError(f"--model must be module:factory or file.py:factory, but got {text!r}")
    try:
        with no_exit(f"--model: importing {where!r}"):
            module = _imported(where)
    except StudyError:
        raise
    except Exception as e:
        raise StudyError(f"--model: cannot import {where!r} ({one_line(e)}); mend it, or run where it can be") from None
    factory = getattr(module, name, None)
    if not callable(factory):
        functions = [n for n, f in inspect.getmembers(module, callable) if not n.startswith("_")][:6]
        raise StudyError(f"--model: {where!r} has no function {name!r}; it has {', '.join(functions) or 'none'}")
    made: ModelFactory = factory
    return made
