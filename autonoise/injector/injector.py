"""NoiseInjector: a policy at work in a training loop."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from torch import Tensor, nn
from torch.amp import GradScaler
from torch.optim import Optimizer
from torch.utils.hooks import RemovableHandle

from autonoise.batches import batch_adapter
from autonoise.errors import AttachError
from autonoise.injector import after_backward, attaching, before_forward
from autonoise.injector.adversarial import Attack
from autonoise.injector.attached import Attached, unwrapped
from autonoise.injector.averages import Averages
from autonoise.injector.checking import check_acted, check_attachable, check_form, check_scaler, check_transform
from autonoise.injector.clock import Clock, Knob
from autonoise.injector.describing import description
from autonoise.injector.first_pass import look
from autonoise.injector.heads import Heads
from autonoise.injector.in_model import LayerNoise
from autonoise.injector.misuse import Use
from autonoise.injector.placing import inline, input_spec, place_steps, rank_of
from autonoise.injector.raw import RawTransform
from autonoise.injector.status import InjectorStatus, status_of
from autonoise.injector.surroundings import Surroundings
from autonoise.injector.views import Views
from autonoise.injector.whole_update import WholeUpdate
from autonoise.technique.step import Steps
from autonoise.types import Batch, InputSpec, Stage


class NoiseInjector(Surroundings):
    """Applies a policy while a model trains; made by ``policy.attach(model, ...)``, which describes the arguments.

    Three lines in the user's loop::

        x, y = injector.perturb(x, y)
        loss = injector.loss(model(x), y)
        ...  # backward, optimizer.step()
        injector.step()

    or ``loss = injector.training_step(x, y, optimizer)``, which runs every stage. In ``model.eval()`` nothing is
    added. ``y`` may be class indices (B,) or soft targets (B, C); it comes back soft (B, C) where the policy needs
    that. ``detach()`` (or leaving a ``with`` block) gives the model back as it was.

    Raises AttachError when the policy does not fit the model or the first batch.

    Attributes:
        attached: the model and where its training stands, which all parts share.
        layers, placed: the hooks inside the model, and what came of placing the steps there.
        heads: what techniques train beside the model.
        raw: the transforms for strings that belong to this injector.
    """

    def __init__(
        self,
        policy: Steps,
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
        adapter = batch_adapter(policy.data_type)
        spec, explicit = input_spec(policy, unwrapped(model), input, num_classes, adapter)
        clock = Clock(seed, rank_of(rank), epochs, steps_per_epoch)
        self.raw = [] if raw_transform is None else [check_transform(raw_transform, policy, epochs)]
        # a transform that was made before the model brings its knob, which loader workers may read already
        knob = self.raw[0].knob if self.raw else Knob(policy.strength, shared=bool(policy.at_stage(Stage.RAW)))
        knob.value = policy.strength
        self.attached = Attached(
            policy, model, adapter, spec, clock, knob, explicit=explicit, forward=forward, loss=loss
        )
        self.layers, self.heads = LayerNoise(self.attached), Heads(clock)
        self._use = Use(self.attached, self.raw)
        self._allow_partial, self._own_seed = allow_partial, raw_transform is None
        self._acted_checked = self._gradient_done = self._detached = False
        self._mark = attaching.Mark(policy.name, self.detach)
        attaching.claim(self.inner, self._mark, replace=replace)
        try:
            self.placed = place_steps(self.attached, self.layers, sites or {}, allow_partial=allow_partial)
        except BaseException:
            attaching.release(self.inner, self._mark)
            raise
        self._use.cannot_act()
        self._attack = Attack(self.attached, self.layers, self.placed.embedding)
        self._views = Views(self.attached, self._attack)
        self._update = WholeUpdate(self.attached, self.layers, self.heads, self._views)
        self._averages = Averages(self.attached)
        self._optimizer_hook: RemovableHandle | None = None
        if optimizer is not None and policy.at_stage(Stage.GRADIENT):
            self._optimizer_hook = after_backward.hook(optimizer, self.gradient)

    # -- the training loop -------------------------------------------------------------------------------------

    def perturb(self, x: Batch, y: Tensor, *, rows: Tensor | None = None) -> tuple[Batch, Tensor]:
        """Noise on inputs and targets of one micro-batch; the arguments are not changed.

        Returns (x, y) of the same form, dtype and device; y soft (B, C) float32 where the policy needs it. With a
        consistency technique they have several times the rows, all versions of the batch one after another, in the
        updates in which it acts: ``loss`` takes the logits of all, ``clean`` gives those of the batch itself.

        ``rows`` (B,): the numbers of the samples among the training data, for losses that keep a record of each (ELR).
        """
        return self._perturb(x, y, rows, whole_step=False)

    def _perturb(self, x: Batch, y: Tensor, rows: Tensor | None, *, whole_step: bool) -> tuple[Batch, Tensor]:
        self._use.perturbed()
        if not self.model.training:
            return x, y
        if self._detached:
            raise AttachError("this injector was detached from its model: attach the policy again")
        if not self._allow_partial:
            check_form(self.attached, whole_step=whole_step)
        given, first = self._views.given(x, y), not self.attached.checked
        self.attached.check(given[0], y)
        if first:
            self._use.cannot_act(tuple(self.adapter.main(given[0]).shape[1:]))
        look(self.attached, self.layers, self.placed, given[0], allow_partial=self._allow_partial)
        if not self.policy.steps:
            return x, y
        if self.attached.records is not None and self.attached.memory is not None:
            self.attached.records.begin(rows, len(y), self.attached.memory.name)
        self.clock.micro += 1
        noisy, targets = before_forward.perturb(self.attached, self._attack, given[:2][-1], y)
        return self._views.stack(given, y, noisy, targets)

    def loss(self, logits: Tensor, y: Tensor, **how: Callable[..., Tensor]) -> Tensor:
        """Scalar loss of logits (B, C) against indices (B,) or soft targets (B, C); ``how``: see ``losses.loss_of``."""
        self._use.took_loss()
        return self._views.loss(logits, y, **how)

    def step(self) -> None:
        """Once per optimiser update: progress moves on (and stops at 1)."""
        if not self._acted_checked and self.model.training:
            self._acted_checked = True
            # a gradient scaler may leave out the first steps of the optimiser, and the hook with them
            gradients = self._gradient_done or self._optimizer_hook is not None
            check_acted(
                self.attached,
                self.layers,
                self.placed,
                strings=bool(self.raw),
                gradients=gradients,
                allow_partial=self._allow_partial,
            )
        if self.model.training:
            self._averages.update()
        self.clock.update += 1
        self.clock.micro = -1
        self._use.stepped()

    def training_step(
        self,
        x: Batch,
        y: Tensor,
        optimizer: Optimizer,
        *,
        max_norm: float | None = None,
        scaler: GradScaler | None = None,
        rows: Tensor | None = None,
    ) -> Tensor:
        """One complete update: all stages, backward, clipping to ``max_norm``, optimiser, progress.

        ``scaler``: a ``torch.amp.GradScaler`` for training in float16. The loss is scaled by it before the backward
        pass, and its ``unscale_``, ``step`` and ``update`` are called here; where it leaves an update out, the
        auxiliary heads of the policy leave it out too.

        Returns the loss, a detached scalar that is not scaled.
        """
        check_scaler(scaler)
        noisy, targets = self._perturb(x, y, rows, whole_step=True)
        self._use.took_loss()
        optimizer.zero_grad(set_to_none=True)
        loss = self._update.backward(self._views.given(x, y)[0], y, noisy, targets, scaler)
        if scaler is not None:
            scaler.unscale_(optimizer)
        if max_norm is not None:
            nn.utils.clip_grad_norm_(self.inner.parameters(), max_norm)
        if self._optimizer_hook is None:
            self.gradient()
        if scaler is None:
            optimizer.step()
        else:
            scaler.step(optimizer)
        self.heads.step(1.0 if scaler is None else scaler.get_scale())
        if scaler is not None:
            scaler.update()
        self.step()
        self.layers.capture.clear()
        return loss.detach()

    def pretrain(self, batches: Callable[[], Any]) -> float:
        """Run the policy's pre-training phases over ``batches()`` (an iterable of model inputs each time it is
        called); returns their cost in passes over the data. Does nothing for policies without one; a policy that has
        one refuses to train before this ran.
        """
        return self._update.pretrain(batches)

    def gradient(self, scale: Tensor | None = None) -> None:
        """Noise on the gradients that are there; ``scale`` is a factor that they are still multiplied by, if any."""
        self._gradient_done = True
        if self.model.training:
            after_backward.add_noise(self.attached, 1.0 if scale is None else scale)

    def apply(self, site: str, h: Tensor, *, place: int = 0, channels: int = 1) -> Tensor:
        """Let the steps of a place that is no module act on h; for use inside the model's ``forward``.

        A front end that is a function, say, has no module that a hook could be put on. Whoever attaches with
        ``sites={"front_end": "inline"}`` calls ``x = injector.apply("front_end", x)`` where the noise shall enter; with
        ``"inline*4"`` there are four such places, and ``place`` (from 0) says which. Equal numbers mean equal draws.

        Args:
            h: activations (B, ...), floating point.
            channels: the dimension of the channels, 1 for (B, C, ...) or -1 for (B, tokens, C).

        Returns h changed, or h itself in evaluation, after ``detach`` and where no step of the policy has this site.
        Raises AttachError where a step has it, but was placed at modules, and UnknownNameError for a slip of the pen
        ("frontend").
        """
        if self._detached:
            return h
        return inline(self.attached, self.layers, self.placed, site, h, place=place, channels=channels)

    def raw_transform(self) -> RawTransform:
        """Noise on raw strings for the data loader, with this injector's seed, length and strength."""
        clock = self.clock
        self.raw.append(RawTransform(self.policy, epochs=clock.epochs, seed=clock.seed, knob=self.attached.knob))
        return self.raw[-1]

    # -- state -------------------------------------------------------------------------------------------------

    def detach(self) -> None:
        """Remove every hook and restore the model's own settings."""
        self._use.ended(self._averages)
        self.layers.remove()
        self.placed.remove()
        if self._optimizer_hook is not None:
            self._optimizer_hook.remove()
        self._detached = True
        attaching.release(self.inner, self._mark)

    def __deepcopy__(self, memo: dict[int, Any]) -> NoiseInjector:
        """A detached injector: a model that holds its injector can be copied, and the copy has no noise."""
        copied = object.__new__(type(self))
        memo[id(self)] = copied
        copied.__dict__.update(self.__dict__, _detached=True, attached=copy.copy(self.attached))
        copied.attached.model = copy.deepcopy(self.model, memo)
        copied.attached.inner = copy.deepcopy(self.inner, memo)
        return copied

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        attaching.refuse_to_travel()

    def __enter__(self) -> NoiseInjector:
        return self

    def __exit__(self, *_: object) -> None:
        self.detach()

    def status(self) -> InjectorStatus:
        """What acts where and where training stands, as a frozen dataclass; ``status().to_dict()`` is plain data."""
        return status_of(
            self.attached,
            self.layers,
            self.placed,
            strings=bool(self.raw),
            gradients=self._gradient_done or self._optimizer_hook is not None,
            detached=self._detached,
        )

    def describe(self) -> str:
        """The same in words: where training stands, then one line per step. What is not known yet is said."""
        return description(self.status(), self.policy.steps)
