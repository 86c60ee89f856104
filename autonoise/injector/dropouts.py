"""The model's own nn.Dropout at the place of a dropout step: it is replaced there, so that nothing is dropped twice."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from autonoise.injector.attaching import Hook
from autonoise.injector.sites import Point
from autonoise.ops.masks import LARGEST_RATE, dropped_alike

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
        self._resting: dict[nn.Module, float] = {}
        for _, module in self.modules:
            rest = Hook(module, self._rest, self.remove)
            self._handles.append(module.register_forward_pre_hook(rest))
            hook = Hook(module, self._remember if inside else self._undo, self.remove)
            self._handles.append(module.register_forward_hook(hook))
        if inside:
            hook = Hook(point.module, self._undo_before, self.remove)
            self._handles.append(point.module.register_forward_pre_hook(hook))

    def _rest(self, called: Any, args: tuple[Any, ...]) -> None:
        """Let the module itself drop nothing where its masks would be drawn in vain or can be drawn faster.

        Its rate is 0 during this call, and is set again in the hook after it. On a CPU the mask of ``nn.Dropout``
        takes three times as long as ours.
        """
        x = args[0] if args else None
        if not (isinstance(x, Tensor) and x.device.type == "cpu" and called.training):
            return
        # where the mask may be needed it must be of single units
        possible = self.named or type(called) is nn.Dropout
        if possible and 0 < called.p <= LARGEST_RATE and self._acts(called, x):
            self._resting[called], called.p = float(called.p), 0.0

    def _rate_of(self, called: Any) -> float:
        """The module's own rate, which it has again from now on."""
        if called in self._resting:
            called.p = self._resting.pop(called)
        return float(called.p)

    def remove(self) -> None:
        for handle in self._handles:
            handle.remove()
        for module, rate in self._resting.items():
            module.p = rate  # type: ignore[assignment]
        self._resting.clear()
        for module in self._in_place:
            module.inplace = True

    def _remember(self, called: Any, args: tuple[Any, ...], out: Any) -> Tensor | None:
        rested, rate = called in self._resting, self._rate_of(called)
        # where this output goes is not known yet: it may have to stay as the module would have made it
        made = dropped_alike(args[0], rate, None) if rested else out
        known = called.training and args and isinstance(args[0], Tensor) and isinstance(made, Tensor)
        self._passed = (args[0], made, rate) if known else None
        return made if rested else None

    def _undo_before(self, called: nn.Module, args: tuple[Any, ...]) -> Any:
        passed, self._passed, self.rate = self._passed, None, None
        if passed is None or not args or args[0] is not passed[1] or not self._acts(called, passed[0]):
            return None
        self.rate = passed[2]
        return (passed[0], *args[1:])

    def _undo(self, called: Any, args: tuple[Any, ...], out: Any) -> Any:
        self.rate, rate = None, self._rate_of(called)
        if not args or not isinstance(args[0], Tensor) or not self._acts(called, args[0]):
            return None
        self.rate = rate
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
