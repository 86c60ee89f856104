"""Finding the residual branches of a foreign model: what a block adds to its input."""

from __future__ import annotations

from torch import nn

_SHORTCUTS = ("downsample", "shortcut", "convShortcut", "conv_shortcut", "skip", "skip_connection")
_ATTENTION = ("attn", "attention", "self_attn", "self_attention")
_MLP = ("mlp", "ffn", "ff", "feed_forward")
_DROPS = ("DropPath", "StochasticDepth")
_ADDED = ("branch", "residual_branch")


def residual_branches(model: nn.Module) -> list[tuple[str, nn.Module]]:
    """(name, module) whose output is added to a shortcut, in the order of definition, which is that of depth.

    Known: a child named ``branch``; stochastic depth that is there already (timm, torchvision, Transformers), also
    switched off; torch's transformer layers; attention and MLP side by side (ViT, GPT, LLaMA, DistilBERT); BERT's
    dense, dropout, LayerNorm; residual nets by their ``downsample`` or ``shortcut``, whose last convolution or norm
    ends the branch; MobileNet's ``use_res_connect``.
    """
    found: dict[int, tuple[str, nn.Module]] = {}
    for name, module in model.named_modules():
        children = dict(module.named_children())
        for child in _ends(module, children, root=module is model):
            found.setdefault(id(children[child]), (f"{name}.{child}" if name else child, children[child]))
    return list(found.values())


def _ends(module: nn.Module, children: dict[str, nn.Module], *, root: bool) -> list[str]:
    """The children of one block that end a branch."""
    drops = [n for n, m in children.items() if n.startswith("drop_path") or type(m).__name__ in _DROPS]
    if isinstance(module, nn.Sequential | nn.ModuleList):
        return []
    if drops:
        return drops
    if isinstance(module, nn.TransformerEncoderLayer | nn.TransformerDecoderLayer):
        return [n for n in ("dropout1", "dropout2", "dropout3") if n in children]
    named = [n for n in _ADDED if n in children]
    if named:
        return named
    if {"dense", "LayerNorm"} <= set(children):
        # BERT and models like it: dense, then dropout, then LayerNorm(... + input)
        return [n for n, m in children.items() if isinstance(m, nn.Dropout)]
    attention = [n for n in (*_ATTENTION, "projection") if n in children]
    mlp = [n for n in _MLP if n in children]
    if attention and mlp:
        inside = dict(children[attention[0]].named_children())
        # ALBERT's attention adds its input itself
        return [] if "LayerNorm" in inside else [attention[0], mlp[0]]
    if not root and any(hasattr(module, s) for s in _SHORTCUTS):
        ends = [n for n, m in children.items() if n not in _SHORTCUTS and _convolves(m)]
        return ends[-1:]
    inverted = getattr(module, "use_res_connect", False)
    return [n for n in children if n in ("conv", "block")][:1] if inverted else []


def _convolves(module: nn.Module) -> bool:
    """Whether a module is made of convolutions and norms; a list of modules has no output."""
    if isinstance(module, nn.ModuleList | nn.ModuleDict) or any(isinstance(m, nn.Linear) for m in module.modules()):
        return False
    return any("Conv" in type(m).__name__ or "Norm" in type(m).__name__ for m in module.modules())
