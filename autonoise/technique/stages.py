"""One base class for each stage of a training step; a technique derives from it and holds only its formula.

``strength`` arrives with everything in it that decides how strongly the technique acts here and now: the schedule, the
gate, the probability, the random magnitude and the strength of the whole policy. 0 means that nothing may change, 1 the
parameters as written. For a technique whose ``multiplier`` is ``probability`` it is 0 or 1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

import numpy as np
import torch
from torch import Generator, Tensor, nn

from autonoise.technique.registry import Technique
from autonoise.types import Batch, BatchInfo, InputSpec, Stage


class RawNoise(Technique):
    """Acts on one string, before the tokenizer."""

    stage: ClassVar[Stage] = Stage.RAW

    def perturb_text(self, text: str, *, strength: float, rng: np.random.Generator) -> str:
        """The changed string; empty strings and strength 0 do not come here.

        ``rng`` may be used during this call only: it is seeded anew, as the same object, for the next string.
        """
        raise NotImplementedError


class InputNoise(Technique):
    """Acts on the batch in canonical units.

    x: image (B, C, H, W) in 0..1; series (B, C, L) standardised; table (B, D), numeric columns standardised;
    audio (B, T) in -1..1; text (B, L) integer ids. ``strength`` (B, 1, ...) broadcasts over x.
    The injector keeps invalid positions (``info.valid``) and rows of strength 0, and clips to ``info.bounds``.
    """

    stage: ClassVar[Stage] = Stage.INPUT

    def perturb(self, x: Tensor, *, strength: Tensor, rng: Generator, info: BatchInfo) -> Tensor:
        raise NotImplementedError


class AdversarialNoise(Technique):
    """Moves the input (text: the embedding) to where the loss grows.

    ``gradient(x)`` returns d loss / d x, (B, ...), with batch-norm statistics frozen; each call costs a pass.
    Sizes are in units of ``info.unit`` (1, or the RMS of an embedding).
    """

    stage: ClassVar[Stage] = Stage.ADVERSARIAL
    tags: ClassVar[frozenset[str]] = frozenset({"adversarial"})

    def perturb(
        self, x: Tensor, *, gradient: Callable[[Tensor], Tensor], strength: Tensor, rng: Generator, info: BatchInfo
    ) -> Tensor:
        raise NotImplementedError


class TargetNoise(Technique):
    """Changes soft targets y (B, C), rows summing to 1; ``strength`` is (B, 1)."""

    stage: ClassVar[Stage] = Stage.TARGET

    def perturb(self, y: Tensor, *, strength: Tensor, rng: Generator) -> Tensor:
        raise NotImplementedError


@dataclass
class PairPlan:
    """Who is mixed with whom: ``x' = weight * x + (1 - weight) * x[permutation]``, the same for the targets.

    ``weight`` (B,) is the share of a row's own content. ``extra`` is the technique's own (boxes of CutMix).
    ``joint``: a row reaches as far as the longer of the two; False where it keeps its own length.
    """

    permutation: Tensor
    weight: Tensor
    extra: dict[str, Any] = field(default_factory=dict)
    joint: bool = True


class PairNoise(Technique):
    """Mixes pairs of samples and their targets, at the input, the embedding or a layer."""

    stage: ClassVar[Stage] = Stage.PAIR
    default_site: ClassVar[str] = "input"

    def plan(self, x: Tensor, *, strength: Tensor, rng: Generator, info: BatchInfo) -> PairPlan:
        """Draw the plan for a batch x (B, ...); ``strength`` is (B,); where it is 0 the weight must be 1."""
        raise NotImplementedError

    def mix(self, x: Tensor, plan: PairPlan, *, rng: Generator, info: BatchInfo) -> Tensor:
        """Mix x (input in canonical units, padding as 0; or activations) by the plan."""
        weight = plan.weight.to(x.dtype).reshape(-1, *[1] * (x.ndim - 1))
        return torch.lerp(x.index_select(0, plan.permutation), x, weight)


class ActivationNoise(Technique):
    """Acts on the output of a module (embedding, hidden layer) while the model is training.

    h: (B, ...) with the batch first; ``strength`` broadcasts over it. ``adopts`` lists module types that the
    technique replaces where it acts (dropout: an nn.Dropout at that place); see ``taken_over``.
    ``channels``: h is to come as (B, C, ...); where the model has (B, tokens, E), E is turned to the second place.
    """

    stage: ClassVar[Stage] = Stage.ACTIVATION
    default_site: ClassVar[str] = "after_norm"
    adopts: ClassVar[tuple[type[nn.Module], ...]] = ()
    channels: ClassVar[bool] = False

    def at_depth(self, number: int, total: int) -> float:
        """The share of the strength that the ``number``-th (from 1) of ``total`` sites gets."""
        return 1.0

    def perturb(self, h: Tensor, *, strength: Tensor, rng: Generator, info: BatchInfo) -> Tensor:
        raise NotImplementedError

    def taken_over(self, h: Tensor, *, own: float, strength: Tensor, rng: Generator) -> Tensor:
        """What comes out instead of an adopted module's output; h: its input, ``own``: its rate ``p``.

        At strength 0 it must do what the module does.
        """
        raise NotImplementedError


class EmbeddingNoise(ActivationNoise):
    """Acts on the output (B, L, E) of the input embedding."""

    stage: ClassVar[Stage] = Stage.EMBEDDING
    default_site: ClassVar[str] = "embedding"


class WeightNoise(Technique):
    """Changes a weight for one forward and backward pass; the optimiser sees the clean one.

    ``strength`` is one number per update. Norms and biases are left alone.
    """

    stage: ClassVar[Stage] = Stage.WEIGHT

    def perturb(self, w: Tensor, *, strength: float, rng: Generator) -> Tensor:
        raise NotImplementedError


class LossNoise(Technique):
    """Replaces cross entropy; the injector blends: (1 - m) * cross entropy + m * this."""

    stage: ClassVar[Stage] = Stage.LOSS
    multiplier = "blend"
    tags: ClassVar[frozenset[str]] = frozenset({"loss"})
    conflicts: ClassVar[frozenset[str]] = frozenset({"loss", "consistency"})

    def loss(self, logits: Tensor, y: Tensor) -> Tensor:
        """Loss (B,) of logits (B, C) against soft targets y (B, C)."""
        raise NotImplementedError


class GradientNoise(Technique):
    """Changes a gradient after unscaling and clipping, before the optimiser's step. ``update`` counts from 0."""

    stage: ClassVar[Stage] = Stage.GRADIENT

    def perturb(self, g: Tensor, *, strength: float, rng: Generator, update: int) -> Tensor:
        raise NotImplementedError


class StepView(Protocol):
    """What a step technique sees of the training step that is running (implemented by the injector).

    ``clean``, ``clean_targets``: the batch as given, targets soft (B, C). ``noisy``, ``targets``, ``logits``:
    after all other stages. ``mixed``: the policy mixes rows in pairs. ``strength``: one number. ``rng``: this
    step's generator.
    """

    clean: Batch
    clean_targets: Tensor
    noisy: Batch
    targets: Tensor
    logits: Tensor
    strength: float
    mixed: bool
    rng: Generator
    spec: InputSpec
    model: nn.Module

    def forward(self, x: Batch, *, statistics: bool = False) -> Tensor:
        """Logits of another pass with inner noise off; batch-norm statistics stay unless ``statistics``."""
        ...

    def view_logits(self, views: int) -> Tensor:
        """Logits (1 + views, B, C) of the clean batch and ``views`` draws of it, run as one batch."""
        ...

    def loss(self, logits: Tensor, targets: Tensor) -> Tensor:
        """The loss the step uses, scalar."""
        ...

    def again(self, multiplier: float = 1.0) -> Batch:
        """The clean batch with a fresh draw of the policy's input noise, at ``multiplier`` times its strength."""
        ...

    def map_input(self, function: Callable[[Tensor, BatchInfo], Tensor]) -> Batch:
        """The clean batch with ``function`` applied to its main tensor in canonical units."""
        ...

    def canonical(self, x: Batch) -> tuple[Tensor, BatchInfo]:
        """Main tensor of a batch in canonical units, and what is known of it."""
        ...

    def features(self, x: Batch) -> tuple[Tensor, Tensor]:
        """(penultimate features (B, F), logits) of a pass over x."""
        ...

    def head(self, make: Callable[[], nn.Module]) -> nn.Module:
        """This technique's auxiliary head, made on first use, owned and optimised by the injector."""
        ...

    def backward_again(self) -> None:
        """Zero the gradients and do forward and backward once more, statistics frozen.

        The loss is the whole one, with what the other step techniques add, and every draw is the same: noisy batch,
        views, inner noise, dropout masks.
        """
        ...

    def parameters(self) -> Iterable[nn.Parameter]:
        """Parameters of the model that have a gradient."""
        ...


class StepTechnique(Technique):
    """Needs the whole training step: extra passes, extra losses, a second gradient.

    ``views``: so many draws of the clean batch go through the model together with it, and the cross entropy is that
    of the clean part; ``passes`` is then 1 + views. See :meth:`StepView.view_logits`.
    """

    stage: ClassVar[Stage] = Stage.STEP
    pretrains: ClassVar[bool] = False
    views: ClassVar[int] = 0

    def extra_loss(self, step: StepView) -> Tensor | None:
        """A scalar added to the loss, or None."""
        return None

    def after_backward(self, step: StepView) -> None:
        """Change the gradients once they are there (SAM)."""

    def pretrain(self, model: nn.Module, batches: Callable[[], Iterable[Batch]], tools: Mapping[str, Any]) -> float:
        """A phase before training over ``batches()``; returns its cost in passes over the data."""
        raise NotImplementedError
