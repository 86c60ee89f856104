"""``AveragingTechnique``: keeps an average of the weights beside the model, which is evaluated in their place."""

from __future__ import annotations

from typing import ClassVar

from autonoise.technique.stages import StepTechnique


class AveragingTechnique(StepTechnique):
    """Says how much of the newest weights goes into an average of those of several updates.

    The injector keeps the average, A + share * (W - A) after each update, and ``injector.averaged()`` puts it into the
    model. Training goes on with the weights themselves.
    """

    tags: ClassVar[frozenset[str]] = frozenset({"averaging"})
    conflicts: ClassVar[frozenset[str]] = frozenset({"averaging"})
    whole_step: ClassVar[bool] = False

    def share(self, *, averaged: int, updates: int) -> float:
        """Return the share of the newest weights W, 0 to 1.

        ``averaged`` is the number of weights that are in the average already, at least 1; ``updates`` the number of
        updates of the whole training.
        """
        raise NotImplementedError
