"""What a training loop forgets to call, or calls too often: told once, because nothing else would show it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from autonoise.types import Stage

if TYPE_CHECKING:
    from autonoise.injector.injector import NoiseInjector

_BY_PERTURB = {
    Stage.INPUT, Stage.ADVERSARIAL, Stage.TARGET, Stage.PAIR, Stage.EMBEDDING, Stage.ACTIVATION,
}  # fmt: skip
"""Stages that need perturb() to see each batch."""
MANY = 100
"""Micro-batches without one update above which nobody accumulates gradients."""
ACCUMULATED = 1.5
"""Micro-batches for each update above which gradients are accumulated."""

_log = logging.getLogger("autonoise")


class Use:
    """Counts the calls of one injector since it was attached, and tells what does not fit its plan."""

    def __init__(self, injector: NoiseInjector) -> None:
        self._injector = injector
        self._micro = self._asleep = self._losses = self._updates = 0
        self._told: set[str] = set()

    def perturbed(self) -> None:
        if not self._injector.model.training:
            self._asleep += 1
            return
        self._micro += 1
        if not self._updates and self._micro >= max(MANY, self._injector.clock.steps_per_epoch):
            self._tell(
                "step",
                f"perturb() was called {self._micro} times and step() never: call injector.step() after each "
                f"optimizer.step(), or schedules stay at their beginning and each update has the same draws",
            )

    def took_loss(self) -> None:
        self._losses += 1

    def stepped(self) -> None:
        """After each update; what an epoch should have brought is missed at its end."""
        self._updates += 1
        clock = self._injector.clock
        if self._updates == clock.steps_per_epoch:
            self._end_of_epoch()
        elif self._updates == clock.steps_per_epoch + 1 and clock.epoch > 0:
            self._later_epoch()
        planned = clock.epochs * clock.steps_per_epoch
        if clock.update > planned:
            self._tell(
                "more",
                f"step() was called more often than the {planned} updates planned ({clock.epochs} epochs of "
                f"{clock.steps_per_epoch}): schedules stay at their end; attach with the length that training has",
            )
        share = self._micro / self._updates
        if self._updates > 1 and share >= ACCUMULATED and self._micro >= clock.steps_per_epoch:
            self._tell(
                "plan",
                f"each update has about {share:.3g} micro-batches, and steps_per_epoch is "
                f"{clock.steps_per_epoch}: it must count optimiser updates. If it is the number of batches of an "
                f"epoch, len(loader), training will end at progress {1 / share:.2g}, so attach with "
                f"len(loader) // {round(share)} instead",
            )

    def _end_of_epoch(self) -> None:
        policy = self._injector.policy
        late = "in the whole first epoch"
        if not self._micro and any(s.stage in _BY_PERTURB for s in policy.steps):
            self._tell(
                "perturb",
                f"perturb() met the model in eval mode {late}: noise acts only after model.train()"
                if self._asleep
                else f"perturb() was not called {late}: the policy's noise on inputs and targets does nothing without "
                f"x, y = injector.perturb(x, y)",
            )
        if not self._losses and policy.at_stage(Stage.LOSS):
            names = ", ".join(s.name for _, s in policy.at_stage(Stage.LOSS))
            self._tell(
                "loss",
                f"loss() was not called {late}: the policy's own loss ({names}) does nothing without "
                f"injector.loss(logits, y)",
            )
        if self._injector.raw and not any(t.used for t in self._injector.raw):
            self._tell("raw", f"raw_transform() was made but met no string {late}: use it before the tokenizer")

    def _later_epoch(self) -> None:
        used = [t for t in self._injector.raw if t.used]
        if used and not any(t.epoch_set for t in used):
            self._tell(
                "epoch",
                "set_epoch() of the raw transform was not called before the second epoch: every epoch gets "
                "the same noise on the same strings without transform.set_epoch(epoch)",
            )

    def _tell(self, about: str, line: str) -> None:
        if about not in self._told:
            self._told.add(about)
            _log.warning("%s: %s", self._injector.policy.name, line)
