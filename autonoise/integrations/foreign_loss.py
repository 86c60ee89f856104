"""The loss that somebody else's code computes from the labels of a batch, computed with the policy's targets instead.

A framework's training step calls ``F.cross_entropy(logits, labels)`` by itself. The labels are handed to it as they
are, so that its metrics go on working, and the targets that the policy made of them (mixed, smoothed, flipped) take
their place in the loss alone.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode

from autonoise.errors import AttachError
from autonoise.policy import NoiseInjector
from autonoise.technique.stages import LossNoise, PairNoise, TargetNoise

_LOSSES: dict[Any, inspect.Signature] = {f: inspect.signature(f) for f in (F.cross_entropy, F.nll_loss)}
"""The losses that can be computed anew. A logarithm of probabilities is its own log-softmax, so that what ``nll_loss``
is given may stand for logits."""
_UNKNOWN_LOSSES = {
    f: f.__name__
    for f in (
        F.binary_cross_entropy, F.binary_cross_entropy_with_logits, F.kl_div, F.mse_loss, F.l1_loss, F.smooth_l1_loss,
        F.multi_margin_loss, F.multilabel_soft_margin_loss, F.soft_margin_loss, F.gaussian_nll_loss, F.one_hot,
    )
}  # fmt: skip
_COMPARISONS = {
    Tensor.eq, Tensor.ne, Tensor.__eq__, Tensor.__ne__, torch.eq, torch.ne,
    Tensor.mul, Tensor.__mul__, torch.mul,  # a confusion matrix counts labels * classes + predictions
}  # fmt: skip


class ForeignLoss(TorchFunctionMode):
    """While it is entered, cross entropy and negative log-likelihood of the batch's labels use the policy's targets.

    Args:
        injector: computes the loss, robust where the policy says.
        labels: the labels of the batch as the foreign code has them: class indices (B,) or soft targets (B, C).
        targets: what the policy made of them, (B, C). None: the losses stay as they are, and are only watched.

    Attributes:
        seen: the number of losses that got the targets.
        others: losses that were computed from something else, by name.
        smoothed: whether a loss had a label smoothing of its own.
        compared: whether the labels were compared with something, as an accuracy does.
    """

    def __init__(self, injector: NoiseInjector, labels: Tensor, targets: Tensor | None) -> None:
        super().__init__()
        self._injector, self._labels, self._targets = injector, labels, targets
        self.seen, self.smoothed, self.compared = 0, False, False
        self.others: set[str] = set()

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func in _LOSSES:
            given = _LOSSES[func].bind(*args, **kwargs).arguments
            if self._is_labels(given["target"]) and given.get("size_average") is None and given.get("reduce") is None:
                self.seen += 1
                self.smoothed |= given.get("label_smoothing", 0.0) > 0
                if self._targets is not None:
                    return self._loss(self._targets, given)
            else:
                self.others.add(func.__name__)
        elif func in _UNKNOWN_LOSSES:
            self.others.add(_UNKNOWN_LOSSES[func])
        elif func in _COMPARISONS and any(self._shares(a) for a in args):
            self.compared = True
        return func(*args, **kwargs)

    def _is_labels(self, target: Tensor) -> bool:
        """Whether these are the labels of the batch: the same memory, or else the same classes."""
        labels = self._labels
        if target.numel() != labels.numel() or target.is_floating_point() != labels.is_floating_point():
            return False
        if target.ndim > labels.ndim:
            return False
        flat = labels.reshape(target.shape)
        return self._shares(target) or bool((target == flat.to(target.device)).all())

    def _shares(self, value: Any) -> bool:
        """Whether a value is a tensor with all of the labels' memory: they themselves, or a view of them."""
        labels = self._labels
        same_size = isinstance(value, Tensor) and value.numel() == labels.numel()
        return same_size and bool(value.data_ptr() == labels.data_ptr())

    def _loss(self, targets: Tensor, given: dict[str, Any]) -> Tensor:
        weight, reduction = given.get("weight"), given.get("reduction", "mean")
        smoothing = given.get("label_smoothing", 0.0)
        targets = targets.to(given["input"].device)
        # each row weighs as much as its classes, as in the cross entropy of class indices
        rows = None if weight is None else targets @ weight.to(targets)

        def reduced(losses: Tensor) -> Tensor:
            if reduction == "none":
                return losses
            return losses.sum() if reduction == "sum" else losses.sum() / (len(losses) if rows is None else rows.sum())

        def base(logits: Tensor, y: Tensor) -> Tensor:
            w = None if weight is None else weight.float()
            return reduced(F.cross_entropy(logits.float(), y, weight=w, reduction="none", label_smoothing=smoothing))

        return self._injector.loss(
            given["input"], targets, base=base, reduce=lambda r: reduced(r if rows is None else r * rows)
        )


def needing_the_loss(injector: NoiseInjector) -> list[str]:
    """The names of the policy's steps that act by the targets or by the loss."""
    kinds = (PairNoise, TargetNoise, LossNoise)
    return [s.name for s in injector.policy.steps if isinstance(s.technique, kinds)]


def check_seen(watch: ForeignLoss, injector: NoiseInjector, where: str, remedy: str) -> None:
    """Raise AttachError where no loss of a training step used the targets, though the policy needs that."""
    names = needing_the_loss(injector)
    if watch.seen or not names:
        return
    found = f" (it calls {', '.join(sorted(watch.others))})" if watch.others else ""
    raise AttachError(
        f"{', '.join(names)}: {where} computes its loss without F.cross_entropy or nn.CrossEntropyLoss of the batch's "
        f"labels{found}, so that the policy's targets cannot reach it: {remedy}"
    )


def softening(injector: NoiseInjector) -> list[str]:
    """The names of the policy's steps that soften labels, as a loss with label smoothing does too."""
    return [s.name for s in injector.policy.steps if "label_softening" in s.technique.tags]


class Once:
    """Tells each thing once: ``tell(about, line)``; ``about in tell`` says whether it did."""

    def __init__(self, log: Callable[[str], None]) -> None:
        self._log, self._told = log, set[str]()

    def __call__(self, about: str, line: str = "") -> None:
        if about not in self._told:
            self._told.add(about)
            if line:
                self._log(line)

    def __contains__(self, about: str) -> bool:
        return about in self._told


def first_of(names: Iterable[str], keys: Iterable[Any]) -> str | None:
    """The first of the names that is among the keys."""
    known = set(keys)
    return next((n for n in names if n in known), None)
