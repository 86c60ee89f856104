"""What an attached policy leaves on a model: hooks of the one module they were made for, and a mark on the whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from typing import Any, NoReturn

from torch import nn

from autonoise.errors import AttachError
from autonoise.injector.sites import uncompiled

MARK = "_autonoise"
"""Key in the instance dictionary of an attached model, under which its :class:`Mark` lies."""
_NOTHING = nullcontext().__exit__
"""Takes any arguments and returns None. It is of Python's own library, so that whoever loads a saved copy of a model
needs no autonoise for it."""


class Hook:
    """A forward hook of a policy, for ``module`` alone.

    A copy of the model (an average of weights) must train and predict without noise: it has other draws, other batches
    and nobody to detach it. So a deep copy, or one that is pickled and loaded, carries a function that does nothing.
    """

    def __init__(self, module: nn.Module, function: Callable[..., Any], remove: Callable[[], None]) -> None:
        if not getattr(Hook.__call__, "_torchdynamo_disable", False):
            # done at the first use, not on import: torch takes a second to import its compiler
            Hook.__call__ = uncompiled(Hook.__call__)  # type: ignore[method-assign]
        self._module, self._function = module, function
        self.remove = remove
        """Removes this hook and those that came with it."""

    def __call__(self, called: nn.Module, *rest: Any) -> Any:
        # a shallow copy shares its hooks; so do the replicas of DataParallel, which are the model itself
        if called is self._module or getattr(called, "_is_replica", False):
            return self._function(called, *rest)
        return None

    def __deepcopy__(self, memo: object) -> Callable[..., None]:
        return _NOTHING

    def __reduce_ex__(self, protocol: object) -> tuple[Any, ...]:
        return getattr, (nullcontext(), "__exit__")


class Mark:
    """Says of a model which policy is attached to it, and how to detach that. Copies of the model have None instead."""

    def __init__(self, name: str, detach: Callable[[], None]) -> None:
        self.name, self.detach = name, detach

    def __deepcopy__(self, memo: object) -> None:
        return None

    def __reduce_ex__(self, protocol: object) -> tuple[Any, ...]:
        return type(None), ()


def claim(model: nn.Module, mark: Mark, *, replace: bool) -> None:
    """Mark a model as attached.

    Raises AttachError where another policy acts on it already; ``replace`` detaches that one instead.
    """
    before = model.__dict__.get(MARK)
    # hooks without a mark are of a model that shares modules with this one, or of a part that has its own policy
    hooks = list(_hooks(model))
    if (before is not None or hooks) and not replace:
        name = f"the policy {before.name!r}" if before is not None else "a policy, in a part it shares,"
        raise AttachError(
            f"{name} is attached to this model already, and two would both add noise: call detach() on the first "
            f"injector, or attach with replace=True"
        )
    if before is not None:
        before.detach()
    for hook in hooks:
        hook.remove()
    model.__dict__[MARK] = mark


def release(model: nn.Module, mark: Mark) -> None:
    """Take a mark off again, unless another policy has put its own there meanwhile."""
    if model.__dict__.get(MARK) is mark:
        del model.__dict__[MARK]


def _hooks(model: nn.Module) -> Iterator[Hook]:
    for module in model.modules():
        for table in (module._forward_pre_hooks, module._forward_hooks):
            yield from (h for h in table.values() if isinstance(h, Hook))


def refuse_to_travel() -> NoReturn:
    """Raises AttachError: what an injector holds (hooks, generators, loader memory) is of one model and process."""
    raise AttachError(
        "an injector cannot be pickled or sent to another process: save injector.state_dict(), and attach the policy "
        "again over there"
    )
