"""Batches that are mappings (dict, Transformers' BatchEncoding, UserDict), and how a model is called with a batch."""

from __future__ import annotations

import contextlib
import copy
import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any, cast

from torch import Tensor, nn

from autonoise.errors import AttachError
from autonoise.types import Batch

_FOR_NOISE = frozenset({"special_tokens_mask"})
"""Entries that tell the noise where it may act; a model gets them only if its ``forward`` names them."""


def rebuilt(batch: Mapping[str, Tensor], changes: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """The mapping with some entries changed, in the same class where one can be made of it, else a dict.

    The given mapping is left as it is.
    """
    if type(batch) is dict:
        return {**batch, **changes}
    for make in (_copied, _constructed):
        # a foreign class may refuse in any way of its own
        with contextlib.suppress(Exception):
            made = make(batch, changes)
            if isinstance(made, type(batch)) and _holds(made, {**batch, **changes}):
                return made
    return {**batch, **changes}


def _copied(batch: Any, changes: Mapping[str, Tensor]) -> Any:
    """A shallow copy, with what its class keeps beside the entries."""
    made, before = copy.copy(batch), dict(batch)
    for key, value in changes.items():
        made[key] = value
    if not _holds(batch, before):
        # the copy is another view of the same entries
        for key, value in before.items():
            batch[key] = value
        return None
    return made


def _constructed(batch: Any, changes: Mapping[str, Tensor]) -> Any:
    return type(batch)({**batch, **changes})


def _holds(made: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> bool:
    return list(made) == list(wanted) and all(made[k] is v for k, v in wanted.items())


def mapped(batch: Batch, function: Callable[[Tensor], Tensor]) -> Batch:
    """The batch with ``function`` applied to each of its tensors."""
    if isinstance(batch, Tensor):
        return function(batch)
    return rebuilt(batch, {k: function(v) for k, v in batch.items()})


def tensors_of(batch: Batch) -> list[Tensor]:
    return [batch] if isinstance(batch, Tensor) else list(batch.values())


def unwrapped(model: nn.Module) -> nn.Module:
    """The user's own model inside DataParallel, DistributedDataParallel or torch.compile."""
    while True:
        wrapper = isinstance(model, nn.DataParallel | nn.parallel.DistributedDataParallel)
        inner = model.module if wrapper else getattr(model, "_orig_mod", model)
        if inner is model:
            return model
        model = cast("nn.Module", inner)


def takes_keywords(model: nn.Module, batch: Mapping[str, Tensor]) -> bool:
    """Whether a model is called ``model(**batch)``, and not ``model(batch)``.

    So it is where ``forward`` names every entry of the batch and needs nothing else, and for Transformers' models
    (those with a ``config``), which name some and may ignore the others.
    """
    inner = unwrapped(model)
    named, required, open_ended = _arguments(inner)
    given = set(_keywords(named, batch))
    if hasattr(inner, "config"):
        return open_ended or bool(given & named)
    return bool(given) and required <= given and given <= named


def _keywords(named: frozenset[str], batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {str(k): v for k, v in batch.items() if k not in _FOR_NOISE or k in named}


def _arguments(model: nn.Module) -> tuple[frozenset[str], frozenset[str], bool]:
    function = getattr(model.forward, "__func__", None)
    return _signature(model.forward, False) if function is None else _signature(function, True)


@functools.lru_cache(maxsize=16)
def _signature(forward: Callable[..., Any], method: bool) -> tuple[frozenset[str], frozenset[str], bool]:
    """(arguments that a keyword reaches, those without a default, whether any keyword is taken).

    ``method``: the first argument is the model itself, whatever its name.
    """
    try:
        parameters = list(inspect.signature(forward).parameters.values())[1 if method else 0 :]
    except (TypeError, ValueError):
        return frozenset(), frozenset(), False
    named = [p for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY) and p.name != "self"]
    required = frozenset(p.name for p in named if p.default is p.empty)
    return frozenset(p.name for p in named), required, any(p.kind is p.VAR_KEYWORD for p in parameters)


def call_model(model: nn.Module, batch: Batch) -> Tensor:
    """Logits of a model for a batch, called in the one way that :func:`takes_keywords` tells."""
    if isinstance(batch, Mapping) and takes_keywords(model, batch):
        return logits_of(model(**_keywords(_arguments(unwrapped(model))[0], batch)))
    return logits_of(model(batch))


def logits_of(out: Any) -> Tensor:
    """The logits in what a model returned: itself, its ``logits``, or the first of several. Raises AttachError."""
    found = out["logits"] if isinstance(out, Mapping) and "logits" in out else getattr(out, "logits", out)
    found = found[0] if isinstance(found, tuple | list) and found else found
    if not isinstance(found, Tensor):
        raise AttachError(
            f"the model must return logits (B, C), but returned a {type(out).__name__}: say how they are got, "
            f"forward=lambda model, batch: ..."
        )
    return found


ONE_LOGIT = (
    "one output to a row is no class probability to reckon with (its cross entropy is always 0): use two logits, "
    "nn.Linear(..., 2), with the targets 0 and 1; softmax over the two is the sigmoid of their difference"
)


def check_logits(logits: Tensor) -> Tensor:
    """The logits (B, C), C >= 2. Raises AttachError for the single output of a binary head."""
    if logits.ndim < 2 or logits.shape[1] < 2:
        raise AttachError(f"the model's outputs have the shape {tuple(logits.shape)}: {ONE_LOGIT}")
    return logits
