"""Lightning: ``Trainer(callbacks=[NoisePolicy("policy.yaml")])`` trains a usual classification module with a policy."""

from __future__ import annotations

import functools
import importlib
import logging
import math
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from autonoise.batches.mappings import rebuilt
from autonoise.errors import AttachError, MissingExtraError
from autonoise.integrations.foreign_loss import (
    ForeignLoss,
    Once,
    average_of,
    check_form,
    check_seen,
    first_of,
    needing_the_loss,
    softening,
)
from autonoise.policy import NoiseInjector, Policy, load_policy
from autonoise.types import Batch, Stage

_LABELS = ("labels", "label", "targets", "target", "y")
"""Under which of these keys a batch that is a mapping holds its labels."""
_EXPLICIT = (
    "use the explicit form, x, y = injector.perturb(x, y), loss = injector.loss(logits, y) and injector.step(), in the "
    "module (docs/frameworks.md)"
)
_WHOLE = (
    "set self.automatic_optimization = False in the module and call injector.training_step(x, y, optimizer) in its "
    "training_step (docs/frameworks.md)"
)

Unpack = Callable[[Any], tuple[Batch, Tensor]]
Pack = Callable[[Any, Batch, Tensor], Any]


def _callback() -> Any:
    """The class of callbacks, of whichever of Lightning's two packages is in use."""
    names = ["lightning.pytorch", "pytorch_lightning"]
    # the one that is imported already, since importing the other takes seconds
    for name in sorted(names, key=lambda n: n not in sys.modules):
        try:
            return importlib.import_module(name).Callback
        except ImportError:
            continue
    raise MissingExtraError.of("lightning", "lightning", "the callback for Lightning")


class NoisePolicy(_callback()):  # type: ignore[misc]
    """A Lightning callback that lets a policy act while a module is fitted, with no change to the module.

    It attaches when training starts and detaches when it ends. ``training_step`` gets the noisy batch with its labels
    as they are; the cross entropy that it computes of them, by ``F.cross_entropy`` or ``nn.CrossEntropyLoss``, gets the
    policy's targets. Validation, testing and prediction are clean. Its state travels in the Trainer's checkpoints.

    Args:
        policy: a policy file (YAML or JSON), or a policy.
        unpack: ``unpack(batch) -> (x, y)``, for batches that are neither a pair (x, y) nor a mapping with a key
            ``labels``, ``label``, ``targets``, ``target`` or ``y``.
        pack: ``pack(batch, x, y) -> batch``, the batch with other inputs and labels; needed together with ``unpack``.
            The labels are those of ``unpack``, repeated where a policy compares several versions of each row.
        seed: every draw is a function of it.
        attach: further arguments of ``Policy.attach``, such as ``input=``, ``sites=``, ``forward=``, ``num_classes=``,
            ``raw_transform=`` and ``allow_partial=``.

    Raises AttachError where the policy cannot act in this training: manual optimisation, techniques that need the whole
    training step, a compiled module, a length of training that is not known, a loss that the targets cannot reach.

    Attributes:
        injector: the injector while training goes on; otherwise None.
        averaged_state_dict: after training with a policy that averages weights: the module's state with the average.
    """

    def __init__(
        self,
        policy: str | Path | Policy,
        *,
        unpack: Unpack | None = None,
        pack: Pack | None = None,
        seed: int = 0,
        **attach: Any,
    ) -> None:
        super().__init__()
        if (unpack is None) is not (pack is None):
            raise AttachError("unpack= and pack= belong together: the one takes a batch apart, the other puts x back")
        self.policy = policy if isinstance(policy, Policy) else load_policy(policy)
        self.injector: NoiseInjector | None = None
        self.averaged_state_dict: dict[str, Tensor] | None = None
        self._unpack, self._pack = unpack or _unpacked, pack or _packed
        self._seed, self._options = seed, attach
        self._tell = Once(lambda line: logging.getLogger("autonoise").warning("%s: %s", self.policy.name, line))
        self._loaded: dict[str, Any] | None = None
        self._last: dict[str, Any] | None = None
        self._updates = 0

    # -- the hooks, in the order in which the Trainer calls them -------------------------------------------------

    def setup(self, trainer: Any, pl_module: Any, stage: str) -> None:
        if stage == "fit":
            _check_trainer(trainer, pl_module, self.policy, self._options)

    def on_load_checkpoint(self, trainer: Any, pl_module: Any, checkpoint: Mapping[str, Any]) -> None:
        transform = self._options.get("raw_transform")
        if transform is not None:
            # workers begin to load before training starts
            progress = checkpoint.get("loops", {}).get("fit_loop", {}).get("epoch_progress", {}).get("current", {})
            transform.set_epoch(int(progress.get("processed", 0)))

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        _check_trainer(trainer, pl_module, self.policy, self._options)
        self.detach()
        epochs, steps, total = _length(trainer, self.policy)
        options: dict[str, Any] = {"optimizer": trainer.optimizers[0] if trainer.optimizers else None}
        self.injector = injector = self.policy.attach(
            pl_module,
            epochs=epochs,
            steps_per_epoch=steps,
            seed=self._seed,
            rank=trainer.global_rank,
            **(options | self._options),
        )
        injector.clock.total, injector.clock.update = total, trainer.global_step
        state = self._loaded or self._last
        if state is not None and (self._loaded or state["update"] == trainer.global_step):
            injector.load_state_dict(state)
        elif trainer.global_step:
            self._tell("resumed", f"the checkpoint has no state of this callback: noise goes on at update "
                                  f"{trainer.global_step}")  # fmt: skip
        self._loaded, self._last, self._updates = None, None, trainer.global_step

    def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
        for transform in self.injector.raw if self.injector is not None else ():
            transform.set_epoch(trainer.current_epoch)

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        if self.injector is not None:
            # only while a batch is trained, so that copies and checkpoints of the module never see it
            pl_module.training_step = self._noisy(self.injector, pl_module)

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        _restore(pl_module)
        # one batch of several, where gradients are accumulated, brings no update
        if self.injector is not None and trainer.global_step > self._updates:
            self._updates = trainer.global_step
            self.injector.step()

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        _restore(pl_module)

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        self.detach()

    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
        self.detach()

    def teardown(self, trainer: Any, pl_module: Any, stage: str) -> None:
        self.detach()

    # -- the state -----------------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """What the Trainer puts into its checkpoints: the state of the injector."""
        state = self.injector.state_dict() if self.injector is not None else self._last or self._loaded
        return {} if state is None else {"injector": state}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._loaded = state_dict["injector"]

    def detach(self) -> None:
        """Leave the module as it was; the Trainer does it at the end, and where training is interrupted."""
        if self.injector is not None:
            self._last = self.injector.state_dict()
            self.averaged_state_dict = average_of(self.injector, self._tell)
            _restore(self.injector.model)
            self.injector.detach()
            self.injector = None

    # -- one batch -----------------------------------------------------------------------------------------------

    def _noisy(self, injector: NoiseInjector, module: Any) -> Callable[..., Any]:
        """The training step of a module, with a noisy batch and, where the policy needs it, with the policy's loss."""
        step = module.training_step
        made: list[tuple[Batch, Tensor, Tensor]] = []

        @functools.wraps(step)
        def training_step(batch: Any, *args: Any, **kwargs: Any) -> Any:
            if not made:
                # an optimiser such as L-BFGS asks for the loss of one batch several times, with the same noise
                x, y = self._unpack(batch)
                made.append((*injector.perturb(x, y), y))
            x, targets, y = made[0]
            # several versions of the rows have the same labels, so that metrics of the module go on working
            labels = y if len(y) == len(targets) else torch.cat([y] * (len(targets) // len(y)))
            noisy = self._pack(batch, x, labels)
            needed = bool(needing_the_loss(injector)) and module.training
            if not needed and "watched" in self._tell:
                return step(noisy, *args, **kwargs)
            with ForeignLoss(injector, labels, targets if needed else None, len(y)) as watch:
                out = step(noisy, *args, **kwargs)
            self._told_of(watch, injector)
            return out

        return training_step

    def _told_of(self, watch: ForeignLoss, injector: NoiseInjector) -> None:
        self._tell("watched")
        check_seen(watch, injector, "training_step", _EXPLICIT)
        if watch.smoothed and softening(injector):
            self._tell(
                "smoothing",
                f"the labels are softened twice, by {', '.join(softening(injector))} of the policy and by the "
                f"label_smoothing of the module's own loss: set that to 0",
            )
        if watch.compared:
            self._tell(
                "metrics",
                "training_step compares labels with predictions: such an accuracy is of noisy inputs and of the labels "
                "as they were before any mixing, and lower than that of clean inputs; validation is clean",
            )


def _unpacked(batch: Any) -> tuple[Batch, Tensor]:
    """(inputs, labels) of a batch that is a pair, or a mapping with labels."""
    if isinstance(batch, tuple | list) and len(batch) == 2 and isinstance(batch[1], Tensor):
        return batch[0], batch[1]
    key = first_of(_LABELS, batch) if isinstance(batch, Mapping) else None
    if key is not None:
        y = batch[key]
        return {k: v for k, v in batch.items() if k != key and isinstance(v, Tensor)}, y
    what = f"{type(batch).__name__} of {len(batch)}" if isinstance(batch, tuple | list) else type(batch).__name__
    raise AttachError(
        f"the batch is a {what}, not a pair (x, y) or a mapping with {_LABELS[0]!r}: say which part is what by "
        f"NoisePolicy(..., unpack=lambda batch: (x, y), pack=lambda batch, x, y: the batch with these)"
    )


def _packed(batch: Any, x: Batch, y: Tensor) -> Any:
    """The batch with other inputs and labels; the given one is left as it is."""
    if isinstance(batch, Mapping):
        assert isinstance(x, Mapping)
        return rebuilt(batch, {**x, str(first_of(_LABELS, batch)): y})
    if hasattr(batch, "_make"):  # a named tuple
        return batch._make((x, y))
    return type(batch)((x, y))


def _restore(module: Any) -> None:
    """The module's own training step."""
    module.__dict__.pop("training_step", None)


def _check_trainer(trainer: Any, module: Any, policy: Policy, options: Mapping[str, Any]) -> None:
    """Raise AttachError for trainings in which a callback cannot let the policy act."""
    if not options.get("allow_partial"):
        check_form(policy, _WHOLE)
    if not module.automatic_optimization or len(trainer.optimizers) > 1:
        raise AttachError(
            f"the module optimises by hand, as those with several optimisers do, and a callback cannot know which of "
            f"its steps end an update: {_EXPLICIT}"
        )
    if getattr(module, "_compiler_ctx", None) is not None:
        raise AttachError(
            "the module is compiled, and hooks added to it now would be ignored: fit it uncompiled, or attach the "
            "policy before torch.compile by the explicit form (docs/frameworks.md)"
        )
    sharded = type(trainer.strategy).__name__
    inner = [s.name for s in policy.steps if s.stage in (Stage.WEIGHT, Stage.GRADIENT)]
    if inner and sharded in ("FSDPStrategy", "DeepSpeedStrategy", "ModelParallelStrategy"):
        raise AttachError(
            f"{', '.join(inner)} needs whole parameters, which {sharded} cuts in pieces: use strategy='ddp'"
        )


def _length(trainer: Any, policy: Policy) -> tuple[int, int, int]:
    """(epochs, updates in an epoch, updates in all) of the training. Raises AttachError if it is endless."""
    total, batches = trainer.estimated_stepping_batches, trainer.num_training_batches
    if not 0 < total < math.inf:
        endless = batches == math.inf  # the loader of an IterableDataset has no length
        remedy = (
            "max_steps, or limit_train_batches (the loader has no length)" if endless else "max_epochs or max_steps"
        )
        raise AttachError(f"the length of training is not known, which schedules need: set {remedy}")
    if batches == math.inf:
        by_epoch = [s.name for s in policy.steps if s.gate.every > 1 and s.gate.unit == "epoch"]
        if by_epoch:
            told = f"{', '.join(by_epoch)} acts in every so-many-th epoch, but the loader has no length"
            raise AttachError(f"{told}: set limit_train_batches")
        return 1, int(total), int(total)
    steps = max(math.ceil(batches / trainer.accumulate_grad_batches), 1)
    return max(math.ceil(total / steps), 1), steps, int(total)
