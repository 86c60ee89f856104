"""What a technique is made of: the one import for somebody who writes one."""

from autonoise.technique.averaging import AveragingTechnique
from autonoise.technique.consistency import ConsistencyTechnique
from autonoise.technique.many_texts import ManyTexts
from autonoise.technique.memory import MemoryLoss
from autonoise.technique.parameters import choice, ranged, text, whole
from autonoise.technique.registry import Technique, get_technique, technique, technique_names, techniques_for
from autonoise.technique.schedule import Gate, Schedule
from autonoise.technique.stages import (
    ActivationNoise,
    AdversarialNoise,
    EmbeddingNoise,
    GradientNoise,
    InputNoise,
    LossNoise,
    PairNoise,
    PairPlan,
    RawNoise,
    StepTechnique,
    StepView,
    TargetNoise,
    WeightNoise,
)
from autonoise.technique.step import Step
from autonoise.types import Batch, BatchInfo, DataType, Family, InputSpec, Scale, Stage, per_sample

__all__ = [
    "ActivationNoise",
    "AdversarialNoise",
    "AveragingTechnique",
    "Batch",
    "BatchInfo",
    "ConsistencyTechnique",
    "DataType",
    "EmbeddingNoise",
    "Family",
    "Gate",
    "GradientNoise",
    "InputNoise",
    "InputSpec",
    "LossNoise",
    "ManyTexts",
    "MemoryLoss",
    "PairNoise",
    "PairPlan",
    "RawNoise",
    "Scale",
    "Schedule",
    "Stage",
    "Step",
    "StepTechnique",
    "StepView",
    "TargetNoise",
    "Technique",
    "WeightNoise",
    "choice",
    "get_technique",
    "per_sample",
    "ranged",
    "technique",
    "technique_names",
    "techniques_for",
    "text",
    "whole",
]
