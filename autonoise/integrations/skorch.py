"""A policy in a skorch net: ``NeuralNetClassifier(Module, callbacks=[NoisePolicy("policy.yaml")])``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from os import PathLike
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from autonoise.batches.mappings import call_model
from autonoise.errors import AttachError, MissingExtraError, PolicyError
from autonoise.injector.attaching import Hook
from autonoise.policy import NoiseInjector, Policy, load_policy
from autonoise.types import Stage

try:
    from skorch import NeuralNetClassifier
    from skorch.callbacks import Callback
    from skorch.dataset import unpack_data
    from skorch.utils import to_tensor
except ImportError:
    raise MissingExtraError.of("skorch", "skorch", "autonoise.integrations.skorch") from None

_BY_LOSS = (Stage.TARGET, Stage.PAIR, Stage.LOSS)
"""Stages that act by what the loss compares the logits with, or by the loss itself."""
_KNOWN = (nn.CrossEntropyLoss, nn.NLLLoss)
"""The criteria that can be computed with soft targets. NeuralNetClassifier gives NLLLoss the logarithm of the module's
probabilities, which is its own log-softmax, so that it may stand for logits."""


@dataclass
class _Running:
    """What belongs to one training: it is dropped when the net is copied or pickled.

    Attributes:
        injector: the policy at work.
        hooks: what the callback itself left on the module and the criterion.
        batch: (inputs, targets) of the batch that the net is about to train on; None while it validates.
        targets: what the policy made of the targets.
        busy: the injector itself runs the module, for an attack.
        compared: whether the criterion was given the batch in hand.
    """

    injector: NoiseInjector
    hooks: list[Hook]
    batch: tuple[Any, Tensor] | None = None
    targets: Tensor | None = None
    busy: bool = False
    compared: bool = False


class NoisePolicy(Callback):  # type: ignore[misc]
    """Trains a skorch net with a policy: noise on inputs and targets, inside the module and in its loss.

    The policy is attached when training begins and detached when it ends, so that predictions, validation and whatever
    is saved have no noise. The net can be copied and pickled at any time. Schedules stretch over ``epochs``, counted by
    the net's history: ``partial_fit`` and a net that was loaded go on where they were.

    Args:
        policy: a Policy, or the path of a policy file; None trains without noise, for a grid search to compare with.
        epochs: the length of training; by default the net's ``max_epochs``, from where its history stands.
        steps_per_epoch: batches in an epoch; needed only where the data set has no length.
        seed: every draw is a function of it.
        attach: further arguments of ``policy.attach``, such as ``{"sites": {...}, "input": InputSpec(...)}``.

    Raises AttachError, when training begins, for a policy that needs the whole training step (SAM, consistency), for a
    compiled module, and for a criterion that cannot take what the policy makes of the targets: only CrossEntropyLoss
    and NLLLoss can.
    """

    running_: _Running | None = None

    def __init__(
        self,
        policy: Policy | str | None,
        *,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        seed: int = 0,
        attach: Mapping[str, Any] | None = None,
    ) -> None:
        self.policy, self.epochs, self.steps_per_epoch = policy, epochs, steps_per_epoch
        self.seed, self.attach = seed, attach

    def initialize(self) -> NoisePolicy:
        self._stop()
        return self

    def on_train_begin(self, net: Any, X: Any = None, y: Any = None, **kwargs: Any) -> None:
        self._stop()

    def on_train_end(self, net: Any, X: Any = None, y: Any = None, **kwargs: Any) -> None:
        self._stop()

    def on_epoch_begin(self, net: Any, dataset_train: Any = None, dataset_valid: Any = None, **kwargs: Any) -> None:
        if self.policy is None:
            return
        if self.running_ is None:
            self.running_ = self._start(net, self._batches(net, dataset_train))
        clock = self.running_.injector.clock
        clock.update, clock.micro = (len(net.history) - 1) * clock.steps_per_epoch, -1

    def on_batch_begin(self, net: Any, batch: Any = None, training: bool | None = None, **kwargs: Any) -> None:
        running = self.running_
        if running is not None:
            inputs, targets = unpack_data(batch) if training else (None, None)
            running.batch = (inputs, to_tensor(targets, device=net.device)) if training else None
            running.targets, running.compared = None, False

    def on_batch_end(self, net: Any, batch: Any = None, training: bool | None = None, **kwargs: Any) -> None:
        running = self.running_
        if running is None or not training:
            return
        names = [s.name for s in running.injector.policy.steps if s.stage in _BY_LOSS]
        if names and not running.compared:
            raise AttachError(
                f"{', '.join(names)}: the net computes its loss without net.criterion_(y_pred, y_true), so that the "
                f"policy's targets cannot reach it: call the criterion in get_loss"
            )
        running.injector.step()
        running.batch = None

    def _stop(self) -> None:
        running = self.running_
        if running is not None:
            running.injector.detach()
            for hook in running.hooks:
                hook.remove()
        # the underscore at its end keeps it out of get_params
        self.running_ = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "running_": None}

    def _batches(self, net: Any, dataset: Any) -> int:
        if self.steps_per_epoch is not None:
            return self.steps_per_epoch
        try:
            return len(net.get_iterator(dataset, training=True))
        except TypeError:
            raise AttachError(
                "the training data have no length: say how many batches an epoch has, "
                "NoisePolicy(policy, steps_per_epoch=...)"
            ) from None

    def _start(self, net: Any, batches: int) -> _Running:
        policy = load_policy(self.policy) if isinstance(self.policy, str | PathLike) else self.policy
        if not isinstance(policy, Policy):
            raise PolicyError(f"policy must be a Policy, the path of one or None, but got {policy!r:.80}")
        if policy.needs_whole_step:
            whole = [s.name for s in policy.steps if s.technique.whole_step]
            raise AttachError(
                f"{', '.join(whole)}: skorch runs the training step itself, and this needs the whole of it: use "
                f"injector.training_step in a loop of your own, or a policy without"
            )
        module, criterion = net.module_, net.criterion_
        by_loss = [s.name for s in policy.steps if s.stage in _BY_LOSS]
        if by_loss and not isinstance(criterion, _KNOWN):
            raise AttachError(
                f"{', '.join(by_loss)}: {type(criterion).__name__} does not take the soft targets of the policy: use "
                f"criterion=nn.CrossEntropyLoss with a module that returns logits"
            )
        log_of = isinstance(net, NeuralNetClassifier)
        arguments = {
            "epochs": len(net.history) - 1 + net.max_epochs if self.epochs is None else self.epochs,
            "steps_per_epoch": batches,
            "optimizer": getattr(net, "optimizer_", None),
            "forward": _log_probabilities if log_of and isinstance(criterion, nn.NLLLoss) else None,
            "seed": self.seed,
            # a training that was broken off by an error has left its hooks
            "replace": True,
        }
        injector = policy.attach(module, **{**arguments, **(self.attach or {})})
        running = _Running(injector, [])

        def before(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
            return _noisy_call(running, args, kwargs)

        def compared(_: nn.Module, args: tuple[Any, ...], loss: Tensor) -> Tensor | None:
            if running.targets is None or running.busy or not criterion.training:
                return None
            running.compared = True
            return _loss(injector, criterion, args[0], running.targets)

        running.hooks.append(_hook(module, before, lambda h: module.register_forward_pre_hook(h, with_kwargs=True)))
        if by_loss:
            running.hooks.append(_hook(criterion, compared, criterion.register_forward_hook))
        return running


def _noisy_call(running: _Running, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The arguments of the module's call with noise, or None for a call that gets none."""
    injector = running.injector
    if running.batch is None or running.busy or not injector.model.training:
        return None
    inputs, targets = running.batch
    running.busy = True
    try:
        if isinstance(inputs, Mapping):
            noisy, running.targets = injector.perturb({k: kwargs[k] for k in inputs if k in kwargs}, targets)
            return args, {**kwargs, **noisy}  # type: ignore[dict-item]
        noisy, running.targets = injector.perturb(args[0], targets)
        return (noisy, *args[1:]), kwargs
    finally:
        running.busy = False


def _hook(module: nn.Module, function: Callable[..., Any], register: Callable[[Any], Any]) -> Hook:
    """A hook that copies and pickled forms of the module do not have."""
    hook = Hook(module, function, lambda: None)
    hook.remove = register(hook).remove
    return hook


def _loss(injector: NoiseInjector, criterion: Any, logits: Tensor, targets: Tensor) -> Tensor:
    """The policy's loss of soft targets (B, C), with the weights, smoothing and reduction of the net's criterion."""
    weight, smoothing = criterion.weight, getattr(criterion, "label_smoothing", 0.0)
    # torch divides soft targets by the number of rows: as with class indices, each row counts as its classes weigh
    rows = None if weight is None else targets @ weight.to(targets)

    def reduced(losses: Tensor) -> Tensor:
        if criterion.reduction == "sum":
            return losses.sum()
        return losses.sum() / (len(losses) if rows is None else rows.sum())

    def base(logits: Tensor, y: Tensor) -> Tensor:
        return reduced(F.cross_entropy(logits, y, weight=weight, label_smoothing=smoothing, reduction="none"))

    return injector.loss(logits, targets, base=base, reduce=lambda r: reduced(r if rows is None else r * rows))


def _log_probabilities(module: nn.Module, batch: Any) -> Tensor:
    """What NeuralNetClassifier makes of a module that ends in softmax, before it gives it to NLLLoss."""
    probabilities = call_model(module, batch)
    return torch.log(probabilities + torch.finfo(probabilities.dtype).eps)
