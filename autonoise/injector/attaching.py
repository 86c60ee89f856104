"""What an attached policy leaves on a model: hooks of the one module they were made for, and a mark on the whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, NoReturn

from torch import nn

from autonoise.errors import AttachError
from autonoise.injector.sites import uncompiled

if TYPE_CHECKING:
    from autonoise.injector.injector import NoiseInjector

MARK = "_autonoise"
"""Key in the instance dictionary of an attached model."""
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
            # not when this file is read: torch takes a second to import what compiles
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
    """Says of a model which injector is attached to it. Copies of the model have None in its place."""

    def __init__(self, injector: NoiseInjector) -> None:
        self.injector = injector

    def __deepcopy__(self, memo: object) -> None:
        return None

    def __reduce_ex__(self, protocol: object) -> tuple[Any, ...]:
        return type(None), ()


def claim(injector: NoiseInjector, *, replace: bool) -> None:
    """Mark the model as attached. Raises AttachError where another policy acts on it; ``replace`` detaches that."""
    model = injector.inner
    mark = model.__dict__.get(MARK)
    # of this model shared with another one, or of a part that has its own policy
    hooks = list(_hooks(model))
    if (mark is not None or hooks) and not replace:
        name = f"the policy {mark.injector.policy.name!r}" if mark is not None else "a policy, in a part it shares,"
        raise AttachError(
            f"{name} is attached to this model already, and two would both add noise: call detach() on the first "
            f"injector, or attach with replace=True"
        )
    if mark is not None:
        mark.injector.detach()
    for hook in hooks:
        hook.remove()
    model.__dict__[MARK] = Mark(injector)


def release(injector: NoiseInjector) -> None:
    """Take the mark off again, if it is this injector's."""
    mark = injector.inner.__dict__.get(MARK)
    if mark is not None and mark.injector is injector:
        del injector.inner.__dict__[MARK]


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
