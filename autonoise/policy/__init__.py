"""Policies: what is searched, exported and imported; the file format; the injector."""

from autonoise.injector.injector import NoiseInjector
from autonoise.policy.format import load_policy, save_policy
from autonoise.policy.policy import Policy
from autonoise.technique.step import Step

__all__ = ["NoiseInjector", "Policy", "Step", "load_policy", "save_policy"]
