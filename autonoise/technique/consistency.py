"""``ConsistencyTechnique``: asks a model for like predictions on several versions of the same rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Literal

from torch import Generator, Tensor

from autonoise.technique.stages import StepTechnique
from autonoise.types import BatchInfo


class ConsistencyTechnique(StepTechnique):
    """Compares the predictions for several versions (views) of the same rows and adds what they differ by to the loss.

    The views go through the model as one batch, one block of rows after the other, and batch norm learns from all of
    them. So a technique of this kind needs no ``training_step``: ``injector.perturb`` hands out the blocks, and
    ``injector.loss`` takes them apart again.

    Attributes:
        views: the number of versions that are compared, at least 2.
        source: what they are. ``clean``: the batch as it was given, then ``views`` - 1 draws of the policy's input
            noise; the loss proper is that of the first. ``noisy``: the noisy batch, ``views`` times over, which differ
            by what is drawn inside the model (dropout); the loss proper is the mean over all. ``moved``: the noisy
            batch and what :meth:`move` makes of it; the loss proper is that of the first.
    """

    tags: ClassVar[frozenset[str]] = frozenset({"consistency"})
    conflicts: ClassVar[frozenset[str]] = frozenset({"consistency"})
    whole_step: ClassVar[bool] = False
    views: ClassVar[int] = 2
    source: ClassVar[Literal["clean", "noisy", "moved"]] = "clean"

    @property
    def passes(self) -> float:
        return float(self.views)

    def compare(self, logits: Tensor) -> Tensor:
        """Return the scalar that is added to the loss, from the logits (views, B, C, ...) in float32.

        It must be 0 where all views have the same predictions. The injector multiplies it by the strength.
        """
        raise NotImplementedError

    def move(self, x: Tensor, *, gradient: Callable[[Tensor], Tensor], rng: Generator, info: BatchInfo) -> Tensor:
        """Return the second view of x (B, ...), for the source ``moved``.

        x is the input in canonical units, or of a text the shift of its embedding, which begins at 0. ``gradient(z)``
        is the gradient at z of the Kullback-Leibler divergence KL(p(x) | p(z)), summed over the rows; p are the
        model's predictions, with equal dropout masks in all calls. Each call costs a forward and a backward pass.
        Sizes are in units of ``info.unit``.
        """
        raise NotImplementedError
