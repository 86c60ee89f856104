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
from autonoise.policy import NoiseInjector, Policy
from autonoise.technique.consistency import ConsistencyTechnique
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
        labels: the labels of the batch as the foreign code has them: class indices (B,) or soft targets (B, C), or
            those of all versions of the batch where a policy compares versions.
        targets: what the policy made of them, (B, C), or of all versions. None: the losses stay as they are, and are
            only watched.
        size: the number of rows B of the batch itself.

    Attributes:
        seen: the number of losses that got the targets.
        others: losses that were computed from something else, by name.
        smoothed: whether a loss had a label smoothing of its own.
        compared: whether the labels were compared with something, as an accuracy does.
    """

    def __init__(self, injector: NoiseInjector, labels: Tensor, targets: Tensor | None, size: int) -> None:
        super().__init__()
        self._injector, self._labels, self._targets, self._size = injector, labels, targets, size
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
        logits, weight, by_row = given["input"], given.get("weight"), given.get("reduction", "mean") == "none"
        if by_row and len(targets) != self._size:
            raise AttachError(
                "a policy that compares versions of the rows adds their divergence to the mean loss, and a loss with "
                "reduction='none' has no place for it: use the mean"
            )
        targets = targets.to(logits.device)
        weight = None if weight is None else weight.float()
        # each row weighs as much as its classes, as in the cross entropy of class indices
        rows = None if weight is None else self._injector.attached.soft(targets) @ weight

        def mean(losses: Tensor) -> Tensor:
            if by_row:
                return losses
            return losses.mean() if rows is None else losses.sum() / rows[: len(losses)].sum()

        def base(logits: Tensor, y: Tensor) -> Tensor:
            smoothing = given.get("label_smoothing", 0.0)
            losses = F.cross_entropy(logits.float(), y, weight=weight, reduction="none", label_smoothing=smoothing)
            return mean(losses)

        def robust(losses: Tensor) -> Tensor:
            return mean(losses if rows is None else losses * rows[: len(losses)])

        loss = self._injector.loss(logits, targets, base=base, reduce=robust)
        if given.get("reduction") == "sum":
            return loss * (self._size if rows is None else rows[: self._size].sum())
        return loss


def needing_the_loss(injector: NoiseInjector) -> list[str]:
    """The names of the policy's steps that act by the targets or by the loss."""
    kinds = (PairNoise, TargetNoise, LossNoise, ConsistencyTechnique)
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


def check_form(policy: Policy, remedy: str) -> None:
    """Raise AttachError for a policy that a callback cannot train by: one that needs the whole training step, or has a
    phase before training. ``remedy``: what to do about the first.
    """
    whole = [s.name for s in policy.steps if s.technique.whole_step]
    if whole:
        raise AttachError(f"{', '.join(whole)} needs the whole training step, which a callback cannot repeat: {remedy}")
    if policy.pretrains:
        names = ", ".join(s.name for s in policy.steps if getattr(s.technique, "pretrains", False))
        raise AttachError(
            f"{names} trains before training begins: run it by injector.pretrain(...) of an injector of your own "
            f"(docs/training.md), detach that one, and use the callback with allow_partial=True"
        )


def softening(injector: NoiseInjector) -> list[str]:
    """The names of the policy's steps that soften labels, as a loss with label smoothing does too."""
    return [s.name for s in injector.policy.steps if "label_softening" in s.technique.tags]


def average_of(injector: NoiseInjector, tell: Once) -> dict[str, Tensor] | None:
    """The model's state with the average of its weights, where the policy keeps one; says where it is."""
    if not injector.averages:
        return None
    tell(
        "average",
        "the model has the weights that training ended with; their average is the callback's averaged_state_dict: "
        "model.load_state_dict(noise.averaged_state_dict)",
    )
    return injector.averaged_state_dict()


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
