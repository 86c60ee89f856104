"""What is added to a shortcut, and which norms stand before a branch: read from a forward pass, not from names."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from autonoise.errors import AttachError
from autonoise.injector.flow import flow_of
from autonoise.injector.residual import residual_branches
from autonoise.policy import NoiseInjector, Policy, Step
from autonoise.proxies import build_proxy
from autonoise.types import InputSpec

WIDTH, CLASSES = 8, 3
X = torch.randn(6, WIDTH, generator=torch.Generator().manual_seed(0))
Y = torch.arange(6) % CLASSES


class Block(nn.Module):
    """``kind``: where the norm stands, and whether there is a shortcut at all. The names are the same."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind
        self.attn, self.mlp = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH)
        self.norm1, self.norm2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        if self.kind == "before":
            x = x + self.attn(self.norm1(x))
            return x + 0.5 * self.mlp(self.norm2(x))[:, None].squeeze(1)
        if self.kind == "after":
            x = self.norm1(x + self.attn(x))
            return self.norm2(self.mlp(x) + x)
        if self.kind == "bias":  # the sum with a parameter is no shortcut
            return self.norm2(self.mlp(self.norm1(self.attn(x) + self.norm1.bias)))
        return self.norm2(self.mlp(self.norm1(self.attn(x)).relu()))


class Net(nn.Module):
    def __init__(self, kind: str, depth: int = 2) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(1)
            self.blocks = nn.Sequential(*[Block(kind) for _ in range(depth)])
            self.head = nn.Linear(WIDTH, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.head(self.blocks(x))
        return out


@pytest.mark.parametrize(("kind", "added", "bypassed"), [
    ("before", True, True), ("after", True, False), ("none", False, False), ("bias", False, False),
])  # fmt: skip
@pytest.mark.parametrize("leaf", [True, False])
def test_blocks_of_the_same_names(kind: str, added: bool, bypassed: bool, leaf: bool) -> None:
    model = Net(kind)
    x = X.clone().requires_grad_(True)
    first = model.blocks[0]
    assert isinstance(first, Block)
    # the first shortcut begins at the input itself, or at something computed from it
    flow = flow_of(model, lambda: model(x if leaf else 2 * x), list(model.modules()))
    assert flow is not None
    for block in model.blocks:
        assert isinstance(block, Block)
        assert (flow.ends_branch(block.attn), flow.ends_branch(block.mlp)) == (added, added)
        assert (flow.is_bypassed(block.norm1), flow.is_bypassed(block.norm2)) == (bypassed, bypassed)
    assert flow.ends_branch(model.head) is None  # nothing comes after it


def transformer(kind: str) -> tuple[nn.Module, Any]:
    transformers = pytest.importorskip("transformers")
    small = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 16}
    ids, waves = torch.randint(1, 9, (2, 8)), torch.randn(2, 400)
    audio = small | {
        "conv_dim": (8,), "conv_kernel": (10,), "conv_stride": (5,), "num_feat_extract_layers": 1,
        "num_conv_pos_embeddings": 4, "num_conv_pos_embedding_groups": 2,
    }  # fmt: skip
    made: dict[str, Callable[[], tuple[nn.Module, Any]]] = {
        "bert": lambda: (transformers.BertModel(transformers.BertConfig(vocab_size=9, **small)), ids),
        "llama": lambda: (transformers.LlamaModel(transformers.LlamaConfig(vocab_size=9, **small)), ids),
        "vit": lambda: (
            transformers.ViTModel(transformers.ViTConfig(image_size=8, patch_size=4, **small)), torch.rand(2, 3, 8, 8),
        ),
        "convnext": lambda: (
            transformers.ConvNextModel(transformers.ConvNextConfig(hidden_sizes=[8], depths=[2], num_stages=1)),
            torch.rand(2, 3, 8, 8),
        ),
        "wav2vec2": lambda: (transformers.Wav2Vec2Model(transformers.Wav2Vec2Config(**audio)), waves),
        "wav2vec2-stable": lambda: (
            transformers.Wav2Vec2Model(transformers.Wav2Vec2Config(do_stable_layer_norm=True, **audio)), waves,
        ),
    }  # fmt: skip
    model, x = made[kind]()
    return model, x


@pytest.mark.parametrize(("kind", "branches", "before"), [
    ("bert", 4, 0), ("llama", 4, 4), ("vit", 4, 4), ("convnext", 2, 0), ("wav2vec2", 4, 0), ("wav2vec2-stable", 4, 4),
])  # fmt: skip
def test_models_of_transformers(kind: str, branches: int, before: int) -> None:
    """wav2vec 2.0 has both forms under the same names of modules."""
    model, x = transformer(kind)
    flow = flow_of(model, lambda: model(x)[0], list(model.modules()))
    assert flow is not None
    assert [flow.ends_branch(m) for _, m in residual_branches(model)] == [True] * branches
    norms = [m for m in model.modules() if isinstance(m, nn.LayerNorm) or type(m).__name__ == "LlamaRMSNorm"]
    assert sum(map(flow.is_bypassed, norms)) == before


@pytest.mark.parametrize("norm_first", [False, True])
def test_torchs_own_encoder(norm_first: bool) -> None:
    layer = nn.TransformerEncoderLayer(WIDTH, 2, 8, batch_first=True, norm_first=norm_first)
    model = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
    x = torch.randn(2, 5, WIDTH, requires_grad=True)
    flow = flow_of(model.eval(), lambda: model(x), list(model.modules()))
    assert flow is not None
    assert [flow.ends_branch(m) for _, m in residual_branches(model)] == [True] * 4
    assert [flow.is_bypassed(m) for m in model.modules() if isinstance(m, nn.LayerNorm)] == [norm_first] * 4


def test_our_own_residual_nets() -> None:
    for name in ("resnet8", "wrn_16_2"):
        model = build_proxy(InputSpec(data_type="image", layout=(1, 16, 16), classes=3), name=name)  # type: ignore[arg-type]
        x = torch.rand(2, 1, 16, 16)
        flow = flow_of(model, lambda model=model, x=x: model(x), list(model.modules()))
        assert flow is not None
        assert {flow.ends_branch(m) for _, m in residual_branches(model)} == {True}


def test_the_model_is_left_as_it_was() -> None:
    model = nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.BatchNorm1d(WIDTH), nn.Dropout(0.5), nn.Linear(WIDTH, CLASSES))
    model[0].weight.requires_grad_(False)
    model[1].eval()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    modes = [m.training for m in model.modules()]
    with torch.no_grad():
        assert flow_of(model, lambda: model(X), list(model.modules())) is not None
    assert [m.training for m in model.modules()] == modes
    assert [p.requires_grad for p in model[0].parameters()] == [False, True]
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
    assert all(p.grad is None for p in model.parameters())


# -- what follows from it ----------------------------------------------------------------------------------------


def attach(model: nn.Module, *steps: Step, **options: Any) -> NoiseInjector:
    policy = Policy("tabular", steps)  # type: ignore[arg-type]
    return policy.attach(model, **({"epochs": 1, "steps_per_epoch": 9} | options))


@pytest.mark.parametrize("kind", ["none", "bias"])
def test_a_branch_that_is_none_is_refused_or_left_out(kind: str, caplog: pytest.LogCaptureFixture) -> None:
    """Before, stochastic depth set the whole of such a model's features to 0."""
    depth = Step.of("stochastic_depth", p=0.9)
    injector = attach(Net(kind), depth)
    with pytest.raises(
        AttachError, match=r"stochastic_depth: blocks.0.attn was taken .* not added to a shortcut: name"
    ):
        injector.perturb(X, Y)
    model = Net(kind)
    clean = model(X)
    with caplog.at_level(logging.WARNING, logger="autonoise"):
        injector = attach(model, depth, allow_partial=True)
        injector.perturb(X, Y)
    assert "stochastic_depth is left out: blocks.0.attn was taken" in caplog.text
    assert torch.equal(model(X), clean)
    injector.step()
    assert "not added to a shortcut" in injector.status().steps[0].left_out
    # whoever names the modules is believed
    named = attach(Net(kind), depth, sites={"residual": "blocks.*.mlp"})
    named.perturb(X, Y)


@pytest.mark.parametrize("kind", ["before", "after"])
def test_branches_act_in_both_forms(kind: str) -> None:
    model = Net(kind)
    clean = model.eval()(X)
    model.train()
    injector = attach(model, Step.of("stochastic_depth", p=0.9))
    state = torch.get_rng_state()
    injector.perturb(X, Y)
    assert torch.equal(state, torch.get_rng_state())
    assert not torch.allclose(model(X), clean)


def movement(kind: str, depth: int, sites: int) -> float:
    model, moved = Net(kind, depth), []
    clean = model.blocks(X).detach()
    injector = attach(model, replace(Step.of("activation_noise", sigma=0.1), sites=sites))
    for _ in range(8):
        injector.perturb(X, Y)
        moved.append(float((model.blocks(X).detach() - clean).norm() / clean.norm()))
        injector.step()
    return sum(moved) / len(moved)


def test_norms_before_branches_keep_the_strength_of_the_search_at_any_depth() -> None:
    """A branch weighs the less in the sum the more there are; behind a whole layer, noise adds up."""
    assert movement("before", 16, 4) == movement("before", 16, 0)
    assert movement("after", 16, 4) < 0.6 * movement("after", 16, 0)
    model = Net("before", 16)
    injector = attach(model, replace(Step.of("activation_noise", sigma=0.1), sites=4))
    assert injector.status().steps[0].parameters == {"sigma": pytest.approx(0.1 * (4 / 32) ** 0.5)}
    injector.perturb(X, Y)
    (step,) = injector.status().steps
    assert (step.parameters, step.before_branches, step.number) == ({"sigma": 0.1}, True, 32)
    assert "32 places, most of them before residual branches, so that its numbers stay" in injector.describe()
    assert "instead of" not in injector.describe()


def test_a_model_that_cannot_be_read_is_left_to_the_users_own_pass() -> None:
    class Fails(Net):
        def forward(self, x: Tensor) -> Tensor:
            if not self.training:
                raise RuntimeError("not in eval mode")
            return super().forward(x)

    attach(Fails("none"), Step.of("stochastic_depth")).perturb(X, Y)


def test_weight_norm_is_no_norm() -> None:
    """Its module computes a weight, which is no activation."""
    conv = torch.nn.utils.parametrizations.weight_norm(nn.Conv1d(2, 4, 3))
    model = nn.Sequential(conv, nn.BatchNorm1d(4), nn.ReLU(), nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(4, 3))
    policy = Policy("timeseries", [Step.of("activation_noise")])  # type: ignore[arg-type]
    injector = policy.attach(model, epochs=1, steps_per_epoch=2)
    assert [p.name for p in injector.layers.points[0]] == ["1"]
