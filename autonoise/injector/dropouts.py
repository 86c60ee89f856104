"""The model's own nn.Dropout at the place of a dropout step: it is replaced there, so that nothing is dropped twice."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from autonoise.injector.attaching import Hook
from autonoise.injector.sites import Point

Kinds = tuple[type[nn.Module], ...]
Acts = Callable[[nn.Module, Tensor], bool]


class OwnDropout:
    """Gives a step what entered the model's own dropout at a point, and tells its rate.

    The dropout is the module that the point names, or, where the point is the input of a module, a dropout of the same
    parent whose output goes straight into that module. Which one that is shows in the forward pass: names do not tell.

    Attributes:
        rate: of the dropout that was undone in the pass that is running; None: there was none.
        modules: (name, module) of those that may be undone.
        named: whether the point is that dropout itself.
    """

    def __init__(self, model: nn.Module, point: Point, kinds: Kinds, acts: Acts) -> None:
        self.rate: float | None = None
        self._acts = acts
        self._passed: tuple[Tensor, Tensor, float] | None = None
        self._handles: list[RemovableHandle] = []
        inside = point.where == "input"
        self.named = not inside
        self.modules = _siblings(model, point, kinds) if inside else [(point.name, point.module)]
        # an in-place dropout overwrites what enters it, so that it could not be taken back
        self._in_place: list[Any] = [m for _, m in self.modules if getattr(m, "inplace", False)]
        for module in self._in_place:
            module.inplace = False
        for _, module in self.modules:
            hook = Hook(module, self._remember if inside else self._undo, self.remove)
            self._handles.append(module.register_forward_hook(hook))
        if inside:
            hook = Hook(point.module, self._undo_before, self.remove)
            self._handles.append(point.module.register_forward_pre_hook(hook))

    def remove(self) -> None:
        for handle in self._handles:
            handle.remove()
        for module in self._in_place:
            module.inplace = True

    def _remember(self, called: Any, args: tuple[Any, ...], out: Any) -> None:
        known = called.training and args and isinstance(args[0], Tensor) and isinstance(out, Tensor)
        self._passed = (args[0], out, float(called.p)) if known else None

    def _undo_before(self, called: nn.Module, args: tuple[Any, ...]) -> Any:
        passed, self._passed, self.rate = self._passed, None, None
        if passed is None or not args or args[0] is not passed[1] or not self._acts(called, passed[0]):
            return None
        self.rate = passed[2]
        return (passed[0], *args[1:])

    def _undo(self, called: Any, args: tuple[Any, ...], out: Any) -> Any:
        self.rate = None
        if not args or not isinstance(args[0], Tensor) or not self._acts(called, args[0]):
            return None
        self.rate = float(called.p)
        return args[0]


def own_dropout(model: nn.Module, point: Point, kinds: Kinds, acts: Acts) -> OwnDropout | None:
    """The model's own dropout at a point, or None where there cannot be one.

    ``acts`` says of a forward pass whether the step acts in it; the model's dropout is replaced only then.
    """
    found = isinstance(point.module, kinds) if point.where == "output" else bool(_siblings(model, point, kinds))
    return OwnDropout(model, point, kinds, acts) if found else None


def _siblings(model: nn.Module, point: Point, kinds: Kinds) -> list[tuple[str, nn.Module]]:
    """(name, module) of the dropouts that belong to the same parent module as the point."""
    parent, _, _ = point.name.rpartition(".")
    prefix = f"{parent}." if parent else ""
    return [(f"{prefix}{n}", m) for n, m in model.get_submodule(parent).named_children() if isinstance(m, kinds)]
