"""Weight noise: for one forward pass a module sees ``w + noise``, everybody else sees ``w``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrize import is_parametrized
from torch.utils.hooks import RemovableHandle

from autonoise.injector.attaching import Hook
from autonoise.injector.sites import Point, uncompiled

Noise = Callable[[Tensor, int], Tensor]
"""From a clean weight, and its number among the weights of the step, to the noisy weight."""
_FLAT = ("_flat_weights", "_flat_weight_refs")
_KEPT = "_autonoise_flat"


class WeightSwap:
    """Swaps the weights of some modules while they run.

    The noisy tensor is put into the module's instance dictionary, where it shadows the parameter of the same name:
    ``state_dict``, ``parameters()`` and the optimiser never see it, and gradients reach the parameter through it.
    """

    def __init__(self, points: list[Point], active: Callable[[], bool], noise: Noise) -> None:
        self.fired = False
        self._active, self._noise = active, noise
        self._handles: list[RemovableHandle] = []
        self._modules: list[nn.Module] = []
        self.missed = [p.name for p in points if _computed(p.module)]
        """Modules with weights that noise cannot reach."""
        number = 0
        for point in points:
            slots = weight_slots(point.module)
            if not slots:
                continue
            pre, post = self._hooks(point.module, slots, number)
            number += len(slots)
            before, after = (Hook(point.module, function, self.remove) for function in (pre, post))
            self._handles.append(point.module.register_forward_pre_hook(before))
            self._handles.append(point.module.register_forward_hook(after, always_call=True))
            PlainForward.put_on(point.module)
            self._modules.append(point.module)
        self.count = number

    def _hooks(
        self, module: nn.Module, slots: list[tuple[nn.Module, str]], first: int
    ) -> tuple[Callable[[nn.Module, Any], None], Callable[[nn.Module, Any, Any], None]]:
        def before(called: nn.Module, _: Any) -> None:
            # the replicas that DataParallel makes have no parameters that a noisy weight could hide
            if called is not module or not (module.training and self._active()):
                return
            self.fired = True
            noisy = {}
            for offset, (owner, name) in enumerate(slots):
                # another step of the policy may have put a noisy weight here already: this one adds to it
                weight = owner.__dict__.get(name, owner._parameters[name])
                assert weight is not None
                changed = but_padding(owner, weight, self._noise(weight, first + offset))
                noisy[name] = owner.__dict__[name] = changed
            if isinstance(module, nn.RNNBase):
                # recurrent modules read their weights from this list, not from their attributes
                clean: list[Any] = module._flat_weights
                module.__dict__.setdefault(_KEPT, {k: module.__dict__[k] for k in _FLAT if k in module.__dict__})
                module._flat_weights = [noisy.get(n, w) for n, w in zip(module._flat_weights_names, clean)]

        def after(called: nn.Module, _: Any, __: Any) -> None:
            if called is not module:
                return
            for owner, name in slots:
                owner.__dict__.pop(name, None)
            module.__dict__.update(module.__dict__.pop(_KEPT, {}))

        return before, after

    def remove(self) -> None:
        for handle in self._handles:
            handle.remove()
        for module in self._modules:
            PlainForward.take_off(module)


class PlainForward:
    """Stands in for a module's ``forward`` and does the same, but outside of the graphs of torch.compile.

    A compiled forward reads the parameter itself and never sees the noisy weight that shadows it. A copy of the
    module, or one that is loaded from a file, gets its plain ``forward`` again.
    """

    def __init__(self, module: nn.Module) -> None:
        self.module, self.before = module, module.__dict__.get("forward")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        run = type(self.module).forward.__get__(self.module) if self.before is None else self.before
        return run(*args, **kwargs)

    def __reduce__(self) -> tuple[Any, ...]:
        if self.before is not None:
            return (_itself, (self.before,))
        # the copy has no attributes of its own yet, so that "forward" is that of its class
        return getattr, (self.module, "forward")

    @classmethod
    def put_on(cls, module: nn.Module) -> None:
        if not getattr(cls.__call__, "_torchdynamo_disable", False):
            # done at the first use, not on import: torch takes a second to import its compiler
            cls.__call__ = uncompiled(cls.__call__)  # type: ignore[method-assign]
        if not isinstance(module.__dict__.get("forward"), cls):
            module.__dict__["forward"] = cls(module)

    @classmethod
    def take_off(cls, module: nn.Module) -> None:
        mine = module.__dict__.get("forward")
        if isinstance(mine, cls):
            del module.__dict__["forward"]
            if mine.before is not None:
                module.__dict__["forward"] = mine.before


def _itself(value: Any) -> Any:
    return value


def but_padding(owner: nn.Module, clean: Tensor, noisy: Tensor) -> Tensor:
    """The noisy weight or gradient of a module, with an embedding's ``padding_idx`` row as it was.

    That row stays what it is at the beginning, mostly zero, because it gets no gradient.
    """
    row = getattr(owner, "padding_idx", None) if isinstance(owner, nn.Embedding | nn.EmbeddingBag) else None
    if row is None or noisy is clean:
        return noisy
    index = torch.full((1,), row, device=clean.device)
    return noisy.index_copy(0, index, clean.index_select(0, index))


def weight_slots(module: nn.Module) -> list[tuple[nn.Module, str]]:
    """The weights (no biases) a module uses in its own forward, with the module that owns each."""
    if isinstance(module, nn.MultiheadAttention):
        names = ("in_proj_weight", "q_proj_weight", "k_proj_weight", "v_proj_weight")
        own = [(module, n) for n in names if module._parameters.get(n) is not None]
        # attention reads out_proj.weight itself: hooks of out_proj never run
        return [*own, (module.out_proj, "weight")]
    if isinstance(module, nn.RNNBase):
        return [(module, n) for n in module._parameters if n.startswith("weight")]
    return [(module, "weight")] if module._parameters.get("weight") is not None else []


def _computed(module: nn.Module) -> bool:
    """Whether a weight of the module is no parameter but computed from others.

    torch has two ways for that: parametrisations, which change the class, and older hooks, which leave ``weight_g`` or
    ``weight_orig`` among the parameters.
    """
    by_class = [n for m in module.modules() if is_parametrized(m) for n in m.parametrizations]  # type: ignore[union-attr]
    by_hook = [n.removesuffix(end) for n in module._parameters for end in ("_g", "_orig") if n.endswith(end)]
    return any("weight" in name for name in (*by_class, *by_hook))
