"""autonoise: finds, by search, which noise to train a model with, and hands it over as a portable policy.

Training with a policy needs torch, NumPy, PyYAML and pydantic. What a search needs besides comes with
``autonoise[search]`` and is imported when it is first asked for.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from autonoise.errors import search_extra

__version__ = "0.1.0"

if TYPE_CHECKING:
    from autonoise.errors import AutonoiseError
    from autonoise.evaluating import evaluate
    from autonoise.evaluation.monitor import RobustnessMonitor
    from autonoise.policy import NoiseInjector, Policy, Step, load_policy
    from autonoise.previewing import preview
    from autonoise.run import search
    from autonoise.space.space import SearchSpace
    from autonoise.technique.schedule import Schedule
    from autonoise.trials.policy_sampler import PolicySampler
    from autonoise.types import InputSpec

_HOMES = {
    "AutonoiseError": "autonoise.errors",
    "InputSpec": "autonoise.types",
    "NoiseInjector": "autonoise.policy",
    "Policy": "autonoise.policy",
    "PolicySampler": "autonoise.trials.policy_sampler",
    "RobustnessMonitor": "autonoise.evaluation.monitor",
    "Schedule": "autonoise.technique.schedule",
    "SearchSpace": "autonoise.space.space",
    "Step": "autonoise.policy",
    "evaluate": "autonoise.evaluating",
    "load_policy": "autonoise.policy",
    "preview": "autonoise.previewing",
    "search": "autonoise.run",
}

__all__ = [
    "AutonoiseError",
    "InputSpec",
    "NoiseInjector",
    "Policy",
    "PolicySampler",
    "RobustnessMonitor",
    "Schedule",
    "SearchSpace",
    "Step",
    "__version__",
    "evaluate",
    "load_policy",
    "preview",
    "search",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'autonoise' has no attribute {name!r}")
    with search_extra(f"autonoise.{name}"):
        value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
