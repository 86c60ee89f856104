"""How tensors flow through a foreign model, read from the graph of one forward pass: what is added to what.

Names of modules do not tell whether an output is really added to a shortcut, nor whether a norm stands before a
residual branch or behind it: in Transformers the same names stand for both. The graph that torch keeps for the backward
pass tells.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from autonoise.injector.recurrent import changed_output

Node = Any
"""A node of torch's graph (``grad_fn``); torch gives it no public type."""
_PASSES = (
    "Mul", "Div", "View", "UnsafeView", "ReshapeAlias", "Transpose", "Permute", "Clone", "NativeDropout", "ToCopy",
    "Squeeze", "Unsqueeze", "Roll", "Slice", "Index", "Alias", "Expand", "ConstantPadNd", "AsStrided", "T",
)  # fmt: skip
"""Operations that leave 0 as it is: behind them a branch that was set to 0 is still 0."""
FAR = 16
"""So many operations may stand between the end of a branch and the addition."""


class Flow:
    """The graph of a forward pass, and what entered and left some modules in it."""

    def __init__(self, output: Tensor, entered: Mapping[int, Node], left: Mapping[int, Node]) -> None:
        self._entered, self._left = entered, left
        self._users: dict[Node, list[Node]] = defaultdict(list)
        for node in _ancestors(output.grad_fn):
            for before in _before(node):
                self._users[before].append(node)

    def ends_branch(self, module: nn.Module) -> bool | None:
        """Whether what a module gives is added to a shortcut; None where the graph does not show it."""
        node = self._left.get(id(module))
        if node is None or node not in self._users:
            return None
        for _ in range(FAR):
            users = set(self._users[node])
            if len(users) != 1:
                return False
            (user,) = users
            name = type(user).__name__.partition("Backward")[0]
            if name in ("Add", "Sub"):
                others = [n for n in _before(user) if n is not node]
                if any(self._shared(node, other) for other in others):
                    return True
            elif name not in _PASSES:
                # what torch.compile or checkpointing keep to themselves cannot be read
                return None if name in ("CompiledFunction", "CheckpointFunction") else False
            node = user
        return False

    def is_bypassed(self, module: nn.Module) -> bool:
        """Whether what enters a module also goes on beside it, as with a norm before a residual branch."""
        start, end = self._entered.get(id(module)), self._left.get(id(module))
        if start is None or end is None:
            return False
        inside = set(_ancestors(end, until=start))
        return any(user not in inside for user in self._users[start])

    def _shared(self, branch: Node, other: Node) -> bool:
        """Whether both come from the same data, and not from parameters alone."""
        return any(not _is_parameter(n) for n in set(_ancestors(branch)).intersection(_ancestors(other)))


def _before(node: Node) -> list[Node]:
    return [n for n, _ in node.next_functions if n is not None]


def _ancestors(node: Node, *, until: Node = None) -> Iterator[Node]:
    """A node and all before it, without going beyond ``until``, which is left out."""
    seen: set[Node] = set()
    waiting = [node]
    while waiting:
        here = waiting.pop()
        if here is None or here in seen or here is until:
            continue
        seen.add(here)
        yield here
        waiting += _before(here)


def _is_parameter(node: Node) -> bool:
    return isinstance(getattr(node, "variable", None), nn.Parameter)


def _node_of(h: Any) -> Node:
    """The node that made a tensor; for one that nothing made, the node that would collect its gradient."""
    if not isinstance(h, Tensor) or not h.requires_grad:
        return None
    return h.grad_fn if h.grad_fn is not None else _before(h.view_as(h).grad_fn)[0]


def flow_of(model: nn.Module, forward: Callable[[], Tensor], modules: Iterable[nn.Module]) -> Flow | None:
    """The flow of one pass in eval mode, which leaves the model as it was; None where torch keeps no graph of it."""
    entered: dict[int, Node] = {}
    left: dict[int, Node] = {}

    def before(module: nn.Module, args: tuple[Any, ...]) -> None:
        entered.setdefault(id(module), _node_of(args[0] if args else None))

    def after(module: nn.Module, _: Any, out: Any) -> None:
        def keep(h: Tensor) -> Tensor:
            left.setdefault(id(module), _node_of(h))
            return h

        changed_output(module, out, keep, tokens_first=False)

    handles: list[Any] = []
    for module in {id(m): m for m in modules}.values():
        handles += [module.register_forward_pre_hook(before), module.register_forward_hook(after)]
    try:
        with _in_eval(model), torch.enable_grad():
            output = forward()
    finally:
        for handle in handles:
            handle.remove()
    return Flow(output, entered, left) if output.grad_fn is not None else None


@contextmanager
def _in_eval(model: nn.Module) -> Iterator[None]:
    """Eval mode, with all parameters in the graph, inside; each module and parameter as it was afterwards."""
    modes = [(m, m.training) for m in model.modules()]
    frozen = [p for p in model.parameters() if not p.requires_grad and p.is_floating_point()]
    model.eval()
    for parameter in frozen:
        parameter.requires_grad_(True)
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training
        for parameter in frozen:
            parameter.requires_grad_(False)
