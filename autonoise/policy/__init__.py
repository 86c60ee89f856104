"""Policies: what is searched, exported and imported, and what trains with them."""

from autonoise.injector import by_hand as _by_hand  # noqa: F401 - brings Step.__call__ to life
from autonoise.injector.injector import NoiseInjector
from autonoise.policy.policy import Policy, load_policy, save_policy
from autonoise.technique.step import Step

__all__ = ["NoiseInjector", "Policy", "Step", "load_policy", "save_policy"]
