"""NoiseInjector: a policy at work in a training loop."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NoReturn

from torch import Tensor, nn
from torch.optim import Optimizer
from torch.utils.hooks import RemovableHandle

from autonoise.batches import batch_adapter
from autonoise.batches.mappings import call_model
from autonoise.errors import AttachError
from autonoise.injector import after_backward as gradients
from autonoise.injector import attaching as attached
from autonoise.injector import before_forward as perturbing
from autonoise.injector import losses
from autonoise.injector.clock import Clock, Knob
from autonoise.injector.depth import words
from autonoise.injector.in_model import LayerNoise, MicroBatch
from autonoise.injector.misuse import Use
from autonoise.injector.placing import check_acted, check_attachable, check_transform, input_spec, place_steps, rank_of
from autonoise.injector.sites import Point
from autonoise.injector.weights import WeightSwap
from autonoise.injector.whole_update import Heads, StepRunner
from autonoise.types import Batch, BatchInfo, InputSpec, Stage

if TYPE_CHECKING:
    from autonoise.injector.raw import RawTransform
    from autonoise.policy.policy import Policy

CHECKED = 16
"""Updates in which every target is looked at before it is used."""
_INPUT_STAGES = (Stage.INPUT, Stage.ADVERSARIAL, Stage.PAIR)
_SOFT_STAGES = (Stage.TARGET, Stage.PAIR, Stage.LOSS, Stage.STEP)


class NoiseInjector:
    """Applies a policy while a model trains; made by :meth:`Policy.attach`.

    Three lines in the user's loop::

        x, y = injector.perturb(x, y)
        loss = injector.loss(model(x), y)
        ...  # backward, optimizer.step()
        injector.step()

    or ``loss = injector.training_step(x, y, optimizer)``, which runs every stage. In ``model.eval()`` nothing is
    added. ``y`` may be class indices (B,) or soft targets (B, C); it comes back soft (B, C) where the policy needs
    that. ``detach()`` (or leaving a ``with`` block) gives the model back as it was.

    Args are those of :meth:`Policy.attach`:
        epochs, steps_per_epoch: the length of training, in optimiser updates; schedules stretch over it.
        optimizer: needed in the three-line form for gradient noise.
        input: the description of the batches where it differs from the policy's; checked on the first batch.
        num_classes: where the model's last linear layer does not tell it.
        forward: ``forward(model, batch) -> logits`` for models with an unusual call.
        loss: ``loss(logits, targets) -> scalar`` instead of cross entropy.
        sites: site word → glob over module names, e.g. ``{"penultimate": "head.fc"}``.
        seed, rank: noise is a function of both; the rank comes from torch.distributed when not given.
        allow_partial: accept that steps which cannot act (raw noise without the transform, a site that never
            runs) do nothing.
        raw_transform: the policy's noise on strings, where the data loader was built before the model.
        replace: detach the policy that the model has already; without it, a second one is refused.

    Raises AttachError when the policy does not fit the model or the first batch.
    """

    def __init__(
        self,
        policy: Policy,
        model: nn.Module,
        *,
        epochs: int,
        steps_per_epoch: int,
        optimizer: Optimizer | None = None,
        input: InputSpec | None = None,  # noqa: A002 - the word a user looks for
        num_classes: int | None = None,
        forward: Callable[[nn.Module, Any], Tensor] | None = None,
        loss: Callable[[Tensor, Tensor], Tensor] | None = None,
        sites: Mapping[str, str] | None = None,
        seed: int = 0,
        rank: int | None = None,
        allow_partial: bool = False,
        replace: bool = False,
        raw_transform: RawTransform | None = None,
    ) -> None:
        check_attachable(model, epochs, steps_per_epoch)
        self.policy, self.model = policy, model
        self.inner: nn.Module = getattr(model, "module", model) if _is_ddp(model) else model
        self.adapter = batch_adapter(policy.data_type)
        self.spec, self._explicit = input_spec(policy, self.inner, input, num_classes, self.adapter)
        self.clock = Clock(seed, rank_of(rank), epochs, steps_per_epoch)
        self.raw = [] if raw_transform is None else [check_transform(raw_transform, policy, epochs)]
        self._knob = self.raw[0].knob if self.raw else Knob(policy.strength, shared=bool(policy.at_stage(Stage.RAW)))
        self._knob.value = policy.strength
        self.layers = LayerNoise(self.inner, self.clock, self._knob, self.spec)
        self.heads = Heads(self.clock)
        self._forward, self.own_loss = forward, loss
        self._allow_partial, self._checked, self._verified = allow_partial, False, False
        self._gradient_done, self._own_seed = False, raw_transform is None
        self.use = Use(self)
        self.changes_input = any(s.stage in _INPUT_STAGES for s in policy.steps)
        self.wants_soft = any(s.stage in _SOFT_STAGES for s in policy.steps)
        self.soft = perturbing.SoftTargets(self.classes)
        self.weights: dict[int, WeightSwap] = {}
        self.places: dict[int, int] = {}
        self.embedding: Point | None = None
        self.steps_ran = False
        self.optimizer_hook: RemovableHandle | None = None
        self._detached = False
        attached.claim(self, replace=replace)
        place_steps(self, dict(sites or {}))
        if optimizer is not None and policy.at_stage(Stage.GRADIENT):
            self.optimizer_hook = gradients.hook(self, optimizer)

    # -- the three lines ---------------------------------------------------------------------------------------

    def perturb(self, x: Batch, y: Tensor) -> tuple[Batch, Tensor]:
        """Noise on inputs and targets of one micro-batch; the arguments are not changed.

        Returns (x, y) of the same shape, dtype and device; y soft (B, C) float32 where the policy needs it.
        """
        self.use.perturbed()
        if not self.model.training:
            return x, y
        if self._detached:
            raise AttachError("this injector was detached from its model: attach the policy again")
        if self.policy.at_stage(Stage.STEP) and not (self.steps_ran or self._allow_partial):
            names = ", ".join(s.name for _, s in self.policy.at_stage(Stage.STEP))
            raise AttachError(
                f"this policy has techniques that need the whole training step ({names}): use "
                f"injector.training_step(x, y, optimizer), or attach with allow_partial=True"
            )
        self._check_first(x, y)
        if not self.policy.steps:
            return x, y
        self.clock.micro += 1
        return perturbing.perturb(self, x, y)

    def loss(self, logits: Tensor, y: Tensor) -> Tensor:
        """Scalar loss of logits (B, C) against indices (B,) or soft targets (B, C), robust where the policy says."""
        self.use.took_loss()
        return losses.loss_of(self, logits, y)

    def step(self) -> None:
        """Once per optimiser update: progress moves on (and stops at 1)."""
        if not self._verified and self.model.training:
            self._verified = True
            if not self._allow_partial:
                check_acted(self, gradient_done=self._gradient_done)
        self.clock.update += 1
        self.clock.micro = -1
        self.use.stepped()

    # -- the whole step ----------------------------------------------------------------------------------------

    def training_step(self, x: Batch, y: Tensor, optimizer: Optimizer, *, max_norm: float | None = None) -> Tensor:
        """One complete update: all stages, backward, clipping to ``max_norm``, optimiser, progress.

        Returns the loss, a detached scalar.
        """
        return StepRunner(self).run(x, y, optimizer, max_norm)

    def pretrain(self, batches: Callable[[], Any]) -> float:
        """Run the policy's pre-training phases over ``batches()`` (an iterable of model inputs each time it is
        called); returns their cost in passes over the data. Does nothing for policies without one.
        """
        return StepRunner(self).pretrain(batches)

    @property
    def pretrains(self) -> bool:
        return any(getattr(s.technique, "pretrains", False) for s in self.policy.steps)

    # -- parts that the stages share ---------------------------------------------------------------------------

    def forward(self, x: Batch, *, synchronised: bool = False) -> Tensor:
        """Logits of the model: ``forward`` as given, else ``model(x)``, or ``model(**x)`` where that is how it is
        called. ``synchronised``: through DistributedDataParallel, whose own forward prepares the averaging of
        gradients.
        """
        model = self.model if synchronised else self.inner
        return call_model(model, x) if self._forward is None else self._forward(model, x)

    def open(self, x: Batch) -> tuple[Tensor, BatchInfo]:
        return self.adapter.open(x, self.spec)

    def begin(self, size: int, info: BatchInfo | None, x: Batch) -> MicroBatch:
        batch = MicroBatch(size, info, lambda: self.open(x)[1])
        self.layers.begin(batch)
        return batch

    def gradient(self, scale: Tensor | None = None) -> None:
        """Noise on the gradients that are there; called by the optimiser's hook or by ``training_step``."""
        self._gradient_done = True
        if self.model.training:
            gradients.add_noise(self, 1.0 if scale is None else scale)

    def raw_transform(self) -> RawTransform:
        """Noise on raw strings for the data loader, with this injector's seed and length."""
        from autonoise.injector.raw import RawTransform

        self.raw.append(RawTransform(self.policy, epochs=self.clock.epochs, seed=self.clock.seed, knob=self._knob))
        return self.raw[-1]

    @property
    def knob(self) -> float:
        """The global strength, the policy's until ``set_strength`` changes it."""
        return self._knob.value

    @property
    def classes(self) -> int:
        return self.spec.classes

    # -- state and checks --------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """What resuming needs: progress, seed, the strength knob, the input as first met, and auxiliary heads."""
        return {
            "policy": self.policy.hash,
            "update": self.clock.update,
            "seed": self.clock.seed,
            "strength": self.knob,
            "input": self.spec.to_dict() if self._checked else None,
            "heads": self.heads.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Raises AttachError when the state is of another policy."""
        if state.get("policy") != self.policy.hash:
            raise AttachError(
                f"the saved state belongs to policy {state.get('policy')}, not to {self.policy.hash}: resume with the "
                f"policy file the run was started with"
            )
        self.clock.update, self.clock.micro = int(state["update"]), -1
        self.clock.seed = int(state["seed"])
        for transform in self.raw[0 if self._own_seed else 1 :]:
            transform.set_seed(self.clock.seed)
        if state["input"] is not None:
            # another first batch could look differently scaled
            self.spec, self._checked = InputSpec.from_dict(self.policy.data_type, state["input"]), True
        self.set_strength(float(state["strength"]))
        self.heads.load_state_dict(state["heads"])

    def set_strength(self, strength: float) -> None:
        """Change the global strength from the next micro-batch or string on (used by RobustnessMonitor)."""
        self._knob.value = strength

    def detach(self) -> None:
        """Remove every hook and restore the model's own settings."""
        self.layers.remove()
        for swap in self.weights.values():
            swap.remove()
        if self.optimizer_hook is not None:
            self.optimizer_hook.remove()
        self._detached = True
        attached.release(self)

    def __deepcopy__(self, memo: dict[int, Any]) -> NoiseInjector:
        """A detached injector: a model that holds its injector can be copied, and the copy has no noise."""
        copied = object.__new__(type(self))
        memo[id(self)] = copied
        copied.__dict__.update(self.__dict__, _detached=True, model=copy.deepcopy(self.model, memo))
        copied.inner = copy.deepcopy(self.inner, memo)
        return copied

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        attached.refuse_to_travel()

    def __enter__(self) -> NoiseInjector:
        return self

    def __exit__(self, *_: object) -> None:
        self.detach()

    def describe(self) -> str:
        """What acts where, one line per step."""
        head = f"{self.policy.name}: {self.policy.data_type}, {len(self.policy.steps)} steps"
        how = "as described" if self._explicit else "as the first batch looks" if self._checked else "no batch seen yet"
        lines = [f"{head}, input {self.adapter.scale_words(self.spec)}, {how}"]
        for index, step in enumerate(self.policy.steps):
            points = self.layers.points.get(index, [])
            where = ", ".join(f"{p.name}:{p.where}" for p in points[:6]) or str(step.site or step.stage)
            more = f" and {len(points) - 6} more" if len(points) > 6 else ""
            more += self.layers.taken(index) + words(step, self.places.get(index, 0))
            lines.append(f"  {step.name} [{step.stage}] p={step.probability:g} {step.schedule.shape} at {where}{more}")
        return "\n".join(lines)

    def _check_first(self, x: Batch, y: Tensor) -> None:
        if not self._checked:
            spec = self.adapter.check(x, self.spec, explicit=self._explicit)
            layout = spec.layout or tuple(self.adapter.main(x).shape[1:])
            self.spec = dataclasses.replace(spec, classes=self.classes, layout=layout)
            self._checked = True
        # later ones meet torch's own checks of indices
        values = self.clock.update < CHECKED
        if values and not self._explicit:
            self.adapter.recheck(x, self.spec)
        perturbing.check_targets(y, self.adapter.size(x), self.classes, values=values)


def _is_ddp(model: nn.Module) -> bool:
    return isinstance(model, nn.DataParallel | nn.parallel.DistributedDataParallel)
