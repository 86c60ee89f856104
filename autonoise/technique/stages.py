"""One base class for each stage of a training step; a technique derives from one and holds only its formula.

Every method gets a ``strength``, which says how strongly the technique acts at this moment. It is the product of all
that decides about it: the schedule, the gate, the probability, a random magnitude and the strength of the whole policy.
At 0 nothing may change, and at 1 the parameters act as written. For techniques whose ``multiplier`` is ``probability``
it is either 0 or 1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

import numpy as np
import torch
from torch import Generator, Tensor, nn

from autonoise.ops.buffers import in_blocks
from autonoise.technique.registry import Technique
from autonoise.types import Batch, BatchInfo, InputSpec, Stage


class RawNoise(Technique):
    """Changes one string, before the tokenizer sees it."""

    stage: ClassVar[Stage] = Stage.RAW

    def perturb_text(self, text: str, *, strength: float, rng: np.random.Generator) -> str:
        """Return the changed string; it is not called for empty strings or at strength 0.

        ``rng`` is good for this call only: the same object is seeded again for the next string.
        """
        raise NotImplementedError


class InputNoise(Technique):
    """Changes the batch of inputs, in canonical units.

    Shape and unit of x for each data type: image (B, C, H, W) in 0..1; series (B, C, L), standardised; table (B, D)
    with numeric columns standardised; audio (B, T) in -1..1; text (B, L), integer ids.

    ``strength`` (B, 1, ...) broadcasts over x. Afterwards the injector restores invalid positions (``info.valid``) and
    rows of strength 0, and clips to ``info.bounds``, unless the technique clips by itself (``keeps_bounds``).
    """

    stage: ClassVar[Stage] = Stage.INPUT
    keeps_bounds: ClassVar[bool] = False

    def perturb(self, x: Tensor, *, strength: Tensor, rng: Generator, info: BatchInfo) -> Tensor:
        """Return the changed x, of the same shape; x must stay, and the injector clips the result in place."""
        raise NotImplementedError


class AdversarialNoise(Technique):
    """Moves the input, or the embedding of a text, to where the loss is larger.

    ``gradient(x)`` returns the gradient of the loss with respect to x, of shape (B, ...). While it runs, batch norm
    uses the statistics of the batch but does not learn from them, and each call costs one forward and backward pass.
    Sizes are in units of ``info.unit``, which is 1 for inputs and the root mean square (RMS) for embeddings.
    """

    stage: ClassVar[Stage] = Stage.ADVERSARIAL
    tags: ClassVar[frozenset[str]] = frozenset({"adversarial"})

    @classmethod
    def idle(cls, spec: InputSpec) -> str:
        return "the table has no numeric columns" if (spec.codes or spec.onehot) and not spec.numeric else ""

    def perturb(
        self, x: Tensor, *, gradient: Callable[[Tensor], Tensor], strength: Tensor, rng: Generator, info: BatchInfo
    ) -> Tensor:
        """Return the moved x; ``strength`` has the shape (B, 1, ...)."""
        raise NotImplementedError


class TargetNoise(Technique):
    """Changes the soft targets y (B, C), whose rows sum to 1; ``strength`` has the shape (B, 1)."""

    stage: ClassVar[Stage] = Stage.TARGET

    def perturb(self, y: Tensor, *, strength: Tensor, rng: Generator) -> Tensor:
        """Return the changed targets, whose rows must sum to 1 again."""
        raise NotImplementedError


@dataclass
class PairPlan:
    """Says which rows are mixed: ``x' = weight * x + (1 - weight) * x[permutation]``, the same for the targets.

    Attributes:
        permutation: (B,) whole numbers, the partner of each row.
        weight: (B,), the share of each row's own content, in 0..1.
        extra: whatever else the technique needs for mixing, such as the boxes of CutMix.
        joint: for rows of different length, whether a mixed row is as long as the longer of the two; if False, each row
            keeps its own length.
    """

    permutation: Tensor
    weight: Tensor
    extra: dict[str, Any] = field(default_factory=dict)
    joint: bool = True


class PairNoise(Technique):
    """Mixes pairs of samples and of their targets, at the input, at the embedding or at a layer."""

    stage: ClassVar[Stage] = Stage.PAIR
    tags: ClassVar[frozenset[str]] = frozenset({"pairs"})
    default_site: ClassVar[str] = "input"

    def plan(self, x: Tensor, *, strength: Tensor, rng: Generator, info: BatchInfo) -> PairPlan:
        """Draw the plan for a batch x (B, ...). ``strength`` is (B,); where it is 0 the weight must be 1."""
        raise NotImplementedError

    def mix(self, x: Tensor, plan: PairPlan, *, rng: Generator, info: BatchInfo) -> Tensor:
        """Mix x as planned; x is the input in canonical units with 0 in its padding, or the activations of a layer."""
        weight = plan.weight.to(x.dtype).reshape(-1, *[1] * (x.ndim - 1))
        if x.requires_grad:
            return torch.lerp(x.index_select(0, plan.permutation), x, weight)

        def change(own: Tensor, out: Tensor, partner: Tensor, weight: Tensor) -> None:
            torch.lerp(x.index_select(0, partner), own, weight, out=out)

        return in_blocks(change, x, plan.permutation, weight)


class ActivationNoise(Technique):
    """Changes the output of a module (an embedding or a hidden layer) while the model is training.

    h has the shape (B, ...), with the batch first, and ``strength`` broadcasts over it.

    ``adopts`` lists types of modules that the technique replaces where it acts, as dropout replaces an ``nn.Dropout``
    at its place; see :meth:`taken_over`. With ``channels`` the technique needs h as (B, C, ...): where the model's
    output is (B, tokens, E), E is moved to the second place first, and back afterwards.
    """

    stage: ClassVar[Stage] = Stage.ACTIVATION
    default_site: ClassVar[str] = "after_norm"
    adopts: ClassVar[tuple[type[nn.Module], ...]] = ()
    channels: ClassVar[bool] = False

    def at_depth(self, number: int, total: int) -> float:
        """Return the share of the strength for the site ``number`` of ``total``; sites count from 1 at the input."""
        return 1.0

    def perturb(self, h: Tensor, *, strength: Tensor, rng: Generator, info: BatchInfo) -> Tensor:
        """Return the changed h, of the same shape."""
        raise NotImplementedError

    def taken_over(self, h: Tensor, *, own: float, strength: Tensor, rng: Generator) -> Tensor:
        """Return what comes out in place of the output of an adopted module.

        h is the input of that module, and ``own`` is its dropout rate ``p``. At strength 0 the result must be what the
        module itself would give.
        """
        raise NotImplementedError


class EmbeddingNoise(ActivationNoise):
    """Changes the output (B, L, E) of the input embedding of a text model."""

    stage: ClassVar[Stage] = Stage.EMBEDDING
    default_site: ClassVar[str] = "embedding"


class WeightNoise(Technique):
    """Changes a weight for one forward and backward pass; the optimiser then updates the unchanged weight.

    ``strength`` is one number for each update. The weights of normalisation layers and biases never come here.
    """

    stage: ClassVar[Stage] = Stage.WEIGHT

    def perturb(self, w: Tensor, *, strength: float, rng: Generator) -> Tensor:
        """Return the changed weight, of the same shape; w itself must not be changed."""
        raise NotImplementedError


class LossNoise(Technique):
    """Replaces cross entropy as the loss.

    The injector mixes the two by the strength m: (1 - m) * cross entropy + m * this loss.
    """

    stage: ClassVar[Stage] = Stage.LOSS
    multiplier = "blend"
    tags: ClassVar[frozenset[str]] = frozenset({"loss"})
    conflicts: ClassVar[frozenset[str]] = frozenset({"loss", "consistency"})

    def loss(self, logits: Tensor, y: Tensor) -> Tensor:
        """Return the loss (B,) of each sample, from logits (B, C) and soft targets y (B, C)."""
        raise NotImplementedError


class GradientNoise(Technique):
    """Changes the finished gradients, just before the optimiser's step.

    By then they have been divided by the loss scale of mixed precision, and clipped where the training clips them.
    """

    stage: ClassVar[Stage] = Stage.GRADIENT

    def perturb(self, g: Tensor, *, strength: float, rng: Generator, update: int) -> Tensor:
        """Return the changed gradient g of one parameter; ``update`` counts the optimiser's updates from 0."""
        raise NotImplementedError


class StepView(Protocol):
    """What a step technique sees of the current training step; the injector implements it.

    Attributes:
        clean, clean_targets: the batch as it was given, and its targets as soft targets (B, C).
        noisy, targets, logits: the batch, its targets and the model's output after all other stages.
        strength: how strongly the technique acts, one number for the whole batch.
        mixed: whether the policy mixes rows in pairs.
        rng: the generator for the technique's draws in this step.
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
        """Return the logits of another pass over x, without the noise inside the model.

        Batch norm updates its statistics in this pass only if ``statistics`` is True.
        """
        ...

    def loss(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Return the loss that this training step uses, as a scalar."""
        ...

    def again(self, multiplier: float = 1.0) -> Batch:
        """Return the clean batch with new input noise of the policy, at ``multiplier`` times its strength."""
        ...

    def map_input(self, function: Callable[[Tensor, BatchInfo], Tensor]) -> Batch:
        """Return the clean batch with ``function`` applied to its main tensor, which it gets in canonical units."""
        ...

    def canonical(self, x: Batch) -> tuple[Tensor, BatchInfo]:
        """Return the main tensor of a batch in canonical units, and what is known about the batch."""
        ...

    def features(self, x: Batch) -> tuple[Tensor, Tensor]:
        """Return the features (B, F) that enter the model's last layer, and the logits, of a pass over x."""
        ...

    def head(self, make: Callable[[], nn.Module]) -> nn.Module:
        """Return this technique's additional head, made at the first call; the injector keeps and trains it."""
        ...

    def backward_again(self) -> None:
        """Set the gradients to zero and do forward and backward pass once more; batch norm's statistics do not change.

        The loss is the whole one, including what other step techniques add. Every random draw is repeated: the noisy
        batch, the views, the noise inside the model, and the dropout masks.
        """
        ...

    def parameters(self) -> Iterable[nn.Parameter]:
        """Return the parameters of the model that are trained."""
        ...


class StepTechnique(Technique):
    """Needs the whole training step: further passes, further losses, or a second gradient.

    Consistency between several versions of a batch has a class of its own,
    :class:`autonoise.technique.consistency.ConsistencyTechnique`, since it needs nothing of this. With ``pretrains``
    the method :meth:`pretrain` runs once before training; a technique that does nothing else sets ``whole_step`` to
    False. With ``needs_unmixed`` it needs one pass more in policies that mix rows in pairs.
    """

    stage: ClassVar[Stage] = Stage.STEP
    whole_step: ClassVar[bool] = True
    needs_unmixed: ClassVar[bool] = False
    pretrains: ClassVar[bool] = False

    def extra_loss(self, step: StepView) -> Tensor | None:
        """Return a scalar that is added to the loss, or None."""
        return None

    def after_backward(self, step: StepView) -> None:
        """Change the gradients after the backward pass, as SAM does."""

    def pretrain(self, model: nn.Module, batches: Callable[[], Iterable[Batch]], tools: Mapping[str, Any]) -> float:
        """Train on ``batches()`` before the training proper; return the cost in passes over the data."""
        raise NotImplementedError
