"""Where in a foreign model noise enters: resolving site words and globs to modules."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import torch
from torch import nn

from autonoise.errors import AttachError
from autonoise.injector.front_ends import SHOWN, front_end
from autonoise.injector.residual import residual_branches
from autonoise.technique.step import Step

Hook = TypeVar("Hook", bound=Callable[..., Any])
WEIGHTED = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Embedding, nn.RNNBase, nn.MultiheadAttention)
_HIDDEN = nn.ReLU | nn.GELU | nn.SiLU | nn.LeakyReLU | nn.ELU | nn.Tanh | nn.Hardswish | nn.Mish | nn.PReLU
_LAYERS = nn.Linear | nn.Conv1d | nn.Conv2d | nn.Conv3d


INLINE = re.compile(r"inline(?:\*(\d{1,3}))?")
"""What ``sites=`` says of a place that is no module: ``inline``, or ``inline*4`` for four such places."""
LISTED = 12
"""The number of modules that an error names."""
WORDS = frozenset({"embedding", "after_norm", "late_norm", "penultimate", "residual", "front_end"})


class Inline(nn.Identity):
    """A place that is no module: ``injector.apply`` sends through it what stands there.

    Attributes:
        axis: the dimension of the channels, 1 or -1, in what comes through.
    """

    axis = 1


@dataclass(frozen=True)
class Point:
    """A module and whether noise changes its output or its (first) input."""

    name: str
    module: nn.Module
    where: Literal["output", "input"] = "output"


def resolve(model: nn.Module, site: str, classes: int, overrides: Mapping[str, str], *, default: bool) -> list[Point]:
    """The points a site means in this model. Raises AttachError when there are none.

    ``default``: the site is the technique's own default, so that a word that finds nothing may fall back.
    """
    if site in overrides and INLINE.fullmatch(overrides[site]):
        return inline_points(site, overrides[site])
    if site in overrides:
        points = _glob(model, overrides[site], f"sites[{site!r}] = ")
        return [_before_classifier(p, classes) for p in points] if site == "penultimate" else points
    if site == "embedding":
        return _embedding(model)
    if site == "front_end":
        return _front_end(model)
    if site == "penultimate":
        return [_penultimate(model, classes)]
    if site == "late_norm":
        points = resolve(model, "after_norm", classes, overrides, default=default)
        return points[len(points) // 2 :]
    if site == "after_norm":
        points = [Point(name, m) for name, m in model.named_modules() if _is_norm(name, m)]
        if points or not default:
            return points or _none(model, site, "the model has no normalisation layers")
        return _hidden(model, classes)
    if site == "residual":
        points = [Point(name, module) for name, module in residual_branches(model)]
        return points or _none(model, site, "no residual branches were recognised")
    return _glob(model, site, "site ")


def pair_site(step: Step, *, mixes_input: bool) -> str:
    """Where a pair step mixes; ``mixes_input``: whether inputs can be averaged. Token ids cannot, so that they are
    mixed after the embedding.
    """
    site = step.site or step.technique.default_site
    return "embedding" if site == "input" and not mixes_input else site


def uncompiled(hook: Hook) -> Hook:
    """The same function, left out by torch.compile, which would compile it again for every new number it reads."""
    kept_out: Hook = torch.compiler.disable(hook)  # type: ignore[no-untyped-call]
    return kept_out


def _of(model: nn.Module, wanted: object) -> list[Point]:
    assert callable(wanted)
    return [Point(name, m) for name, m in model.named_modules() if wanted(m)]


def _none(model: nn.Module, site: str, why: str) -> list[Point]:
    raise AttachError(
        f"site {site!r} was not found: {why}; name modules by sites={{{site!r}: 'glob*'}} (the model has "
        f"{_names(model)}), or, where the place is no module, say sites={{{site!r}: 'inline'}} and call "
        f"h = injector.apply({site!r}, h) in the model's forward"
    )


def _names(model: nn.Module) -> str:
    """The first modules of a model, the outermost ones first."""
    names = sorted((n for n, _ in model.named_modules() if n), key=lambda n: n.count("."))
    return ", ".join(names[:LISTED]) + (", ..." if len(names) > LISTED else "") or "no modules"


def _glob(model: nn.Module, pattern: str, what: str) -> list[Point]:
    points = [
        Point(n, m)
        for n, m in model.named_modules()
        if n and (fnmatch.fnmatchcase(n, pattern) or fnmatch.fnmatchcase(n, f"*.{pattern}"))
    ]
    if not points:
        raise AttachError(f"{what}{pattern!r} matches no module of the model; its modules are {_names(model)}")
    return points


def inline_points(site: str, said: str) -> list[Point]:
    """Places that are no modules, as many as ``inline*N`` says."""
    match = INLINE.fullmatch(said)
    number = int(match[1] or 1) if match else 0
    if number < 1:
        raise AttachError(f"sites[{site!r}] = {said!r} means no place: say 'inline', or 'inline*4' for four")
    return [Point(f"apply({site!r}" + (f", place={i})" if number > 1 else ")"), Inline()) for i in range(number)]


def _front_end(model: nn.Module) -> list[Point]:
    found = front_end(model)
    if found is None:
        return _none(model, "front_end", f"no module is named or made like one ({SHOWN}, ...)")
    return [Point(*found)]


def _embedding(model: nn.Module) -> list[Point]:
    get = getattr(model, "get_input_embeddings", None)
    if callable(get):
        try:
            wanted = get()
        except NotImplementedError:
            wanted = None
        if isinstance(wanted, nn.Module):
            return _of(model, lambda m: m is wanted) or [Point("embedding", wanted)]
    tables = [(n, m) for n, m in model.named_modules() if isinstance(m, nn.Embedding | nn.EmbeddingBag)]
    if not tables:
        return _none(model, "embedding", "the model has no nn.Embedding")
    name, module = max(tables, key=lambda item: item[1].num_embeddings)
    return [Point(name, module)]


def normalised(model: nn.Module) -> bool:
    """Whether the model has a normalisation layer."""
    return any(_is_norm(name, m) for name, m in model.named_modules())


def _is_norm(name: str, module: nn.Module) -> bool:
    """A normalisation layer; weight norm and the like, which compute a weight, are none."""
    return "Norm" in type(module).__name__ and not list(module.children()) and "parametrizations." not in name


def _hidden(model: nn.Module, classes: int) -> list[Point]:
    """The hidden layers of a model without norms: behind its activations and recurrent layers.

    Where activations are functions, behind its convolutions and linear layers except the classifier; where there are
    none of those, the features that enter the classifier.
    """
    modules = list(model.named_modules())
    last = classifier(model, classes)
    end = next((i for i, (_, m) in enumerate(modules) if last is not None and m is last[1]), len(modules))
    hidden = [Point(n, m) for n, m in modules[:end] if isinstance(m, _HIDDEN | nn.RNNBase)]
    layers = [Point(n, m) for n, m in modules[:end] if isinstance(m, _LAYERS)]
    return hidden or layers or [_penultimate(model, classes)]


def _before_classifier(point: Point, classes: int) -> Point:
    """The input of the module where it is the classifier: ``penultimate`` means the features, not the logits."""
    is_classifier = isinstance(point.module, nn.Linear) and point.module.out_features == classes
    return Point(point.name, point.module, "input") if is_classifier else point


def sequence_first(model: nn.Module) -> set[nn.Module]:
    """Modules of torch's own layers that were built with ``batch_first=False``: they see (L, B, E)."""
    found: set[nn.Module] = set()
    for module in model.modules():
        if isinstance(module, nn.TransformerEncoderLayer | nn.TransformerDecoderLayer):
            found |= set() if module.self_attn.batch_first else set(module.modules())
        elif isinstance(module, nn.TransformerEncoder | nn.TransformerDecoder):
            first = getattr(getattr(module.layers[0], "self_attn", None), "batch_first", True)
            found |= set() if first else {module, *(m for m in [module.norm] if m is not None)}
        elif isinstance(module, nn.RNNBase | nn.MultiheadAttention) and not module.batch_first:
            found.add(module)
    return found


def classifier(model: nn.Module, classes: int) -> tuple[str, nn.Linear] | None:
    """The last linear layer with as many outputs as classes, else the last linear layer."""
    inside = {id(m.out_proj) for m in model.modules() if isinstance(m, nn.MultiheadAttention)}
    linears = [(n, m) for n, m in model.named_modules() if isinstance(m, nn.Linear) and id(m) not in inside]
    fitting = [item for item in linears if item[1].out_features == classes]
    chosen = fitting or linears
    return chosen[-1] if chosen else None


def _penultimate(model: nn.Module, classes: int) -> Point:
    found = classifier(model, classes)
    if found is None:
        _none(model, "penultimate", "the model has no nn.Linear")
        raise AssertionError
    return Point(found[0], found[1], "input")
