"""Policies: what is searched, exported and imported; the file format; the injector."""

from autonoise.policy.format import load_policy, save_policy
from autonoise.policy.injector import NoiseInjector
from autonoise.policy.policy import Policy, Step

__all__ = ["NoiseInjector", "Policy", "Step", "load_policy", "save_policy"]
