"""What a training loop forgets to call, or calls too often: told once, because nothing else would show it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace

from autonoise.injector.acting import acting_steps
from autonoise.injector.attached import Attached
from autonoise.injector.averages import Averages
from autonoise.injector.raw import RawTransform
from autonoise.technique.consistency import ConsistencyTechnique
from autonoise.types import Stage

_BY_PERTURB = {
    Stage.INPUT, Stage.ADVERSARIAL, Stage.TARGET, Stage.PAIR, Stage.EMBEDDING, Stage.ACTIVATION,
}  # fmt: skip
"""Stages that need perturb() to see each batch."""
MANY = 100
"""So many micro-batches without one update cannot be meant: nobody accumulates gradients over more."""
ACCUMULATED = 1.5
"""From so many micro-batches for each update on, on average, the loop is taken to accumulate gradients."""

_log = logging.getLogger("autonoise")


class Use:
    """Counts the calls that a training loop makes, and warns, once each, of what does not fit the plan it gave.

    ``raw`` is the injector's list of transforms for strings; it may grow later.
    """

    def __init__(self, attached: Attached, raw: Sequence[RawTransform]) -> None:
        self._attached, self._raw = attached, raw
        self._micro = self._asleep = self._losses = self._updates = 0
        self._told: set[str] = set()

    def cannot_act(self, layout: tuple[int, ...] = ()) -> None:
        """Steps that can change nothing: of the input as described, when attached; then of the first batch.

        ``layout``: the shape of one sample of the batch.
        """
        held = self._attached
        spec = replace(held.spec, layout=layout) if len(layout) == len(held.spec.layout) else held.spec
        shown = f"on input {'x'.join(map(str, spec.layout))}" if spec.layout else "on such input"
        reasons = acting_steps(held.policy, spec, held.inner)[1]
        for step in held.policy.steps:
            nothing = sorted(type(step.technique).idle_parameters(spec))
            if step.name in reasons:
                told = f"{step.name} cannot act {shown}, so that nothing comes of it: {reasons[step.name]}"
                self._tell(told, told)
            elif any(step.technique.parameters()[key] for key in nothing):
                told = f"{' and '.join(nothing)} of {step.name} change nothing {shown}"
                self._tell(told, told)

    def perturbed(self) -> None:
        """At each call of perturb()."""
        if not self._attached.model.training:
            self._asleep += 1
            return
        self._micro += 1
        if not self._updates and self._micro >= max(MANY, self._attached.clock.steps_per_epoch):
            self._tell(
                "step",
                f"perturb() was called {self._micro} times and step() never: call injector.step() after each "
                f"optimizer.step(), or schedules stay at their beginning and each update has the same draws",
            )

    def took_loss(self) -> None:
        """At each call of loss()."""
        self._losses += 1

    def stepped(self) -> None:
        """After each update; at the end of the first epoch it shows what was never called."""
        self._updates += 1
        clock = self._attached.clock
        if self._updates == clock.steps_per_epoch:
            self._end_of_epoch()
        elif self._updates == clock.steps_per_epoch + 1 and clock.epoch > 0:
            self._later_epoch()
        if clock.update > clock.planned:
            self._tell(
                "more",
                f"step() was called more often than the {clock.planned} updates planned ({clock.epochs} epochs of "
                f"{clock.steps_per_epoch}): schedules stay at their end; attach with the length that training has",
            )
        share = self._micro / self._updates
        # a length that was counted in updates (``total``) is no number of batches
        if not clock.total and self._updates > 1 and share >= ACCUMULATED and self._micro >= clock.steps_per_epoch:
            self._tell(
                "plan",
                f"each update has about {share:.3g} micro-batches, and steps_per_epoch is "
                f"{clock.steps_per_epoch}: it must count optimiser updates. If it is the number of batches of an "
                f"epoch, len(loader), training will end at progress {1 / share:.2g}, so attach with "
                f"len(loader) // {round(share)} instead",
            )

    def ended(self, averages: Averages) -> None:
        """When the policy is detached."""
        if averages.count and not averages.asked:
            self._tell(
                "average",
                "the average of the weights was never used: evaluate inside of `with injector.averaged():`, and load "
                "injector.averaged_state_dict() into the model before detaching",
            )

    def _end_of_epoch(self) -> None:
        policy = self._attached.policy
        late = "in the whole first epoch"
        if not self._micro and any(s.stage in _BY_PERTURB for s in policy.steps):
            self._tell(
                "perturb",
                f"perturb() met the model in eval mode {late}: noise acts only after model.train()"
                if self._asleep
                else f"perturb() was not called {late}: the policy's noise on inputs and targets does nothing without "
                f"x, y = injector.perturb(x, y)",
            )
        views = [(i, s) for i, s in policy.at_stage(Stage.STEP) if isinstance(s.technique, ConsistencyTechnique)]
        own = [s.name for _, s in (*policy.at_stage(Stage.LOSS), *views)]
        if not self._losses and own:
            names = ", ".join(own)
            self._tell(
                "loss",
                f"loss() was not called {late}: the policy's own loss ({names}) does nothing without "
                f"injector.loss(logits, y)",
            )
        if self._raw and not any(t.used for t in self._raw):
            made = self._raw[0]
            self._tell("raw", f"{made.made_by} was made but met no {made.takes} {late}: use it {made.where}")

    def _later_epoch(self) -> None:
        used = [t for t in self._raw if t.used]
        if used and not any(t.epoch_set for t in used):
            self._tell(
                "epoch",
                f"set_epoch() of {used[0].made_by} was not called before the second epoch: every epoch gets "
                f"the same noise on the same {used[0].takes}s without transform.set_epoch(epoch)",
            )

    def _tell(self, about: str, line: str) -> None:
        if about not in self._told:
            self._told.add(about)
            _log.warning("%s: %s", self._attached.policy.name, line)
