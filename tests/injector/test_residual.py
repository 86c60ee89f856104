"""Residual branches of our own proxies and of the usual libraries' blocks, and the rate of each."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from autonoise.injector.residual import residual_branches
from autonoise.policy import NoiseInjector, Policy, Step, load_policy
from autonoise.proxies import build_proxy
from autonoise.types import DataType, InputSpec


class DropPath(nn.Identity):
    """As timm has it; switched off."""


class TimmBlock(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm1, self.attn, self.drop_path1 = nn.LayerNorm(4), nn.Linear(4, 4), nn.Identity()
        self.norm2, self.mlp, self.drop_path2 = nn.LayerNorm(4), nn.Linear(4, 4), DropPath()


class TimmBottleneck(nn.Module):
    """ResNet with squeeze-and-excitation, stochastic depth switched off."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.bn1, self.conv2, self.bn2 = nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4), nn.Conv2d(4, 4, 3), None
        self.conv3, self.bn3, self.se = nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4), nn.Sequential(nn.Conv2d(4, 4, 1))
        self.act3, self.downsample, self.drop_path = nn.ReLU(), nn.Conv2d(4, 4, 1), None


class TorchvisionBottleneck(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        for n in (1, 2, 3):
            self.add_module(f"conv{n}", nn.Conv2d(4, 4, 1))
            self.add_module(f"bn{n}", nn.BatchNorm2d(4))
        self.relu, self.downsample = nn.ReLU(), None


class TorchvisionInverted(nn.Module):
    def __init__(self, use_res_connect: bool) -> None:
        super().__init__()
        self.use_res_connect, self.conv = use_res_connect, nn.Sequential(nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4))


class TorchvisionConvNext(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.block, self.stochastic_depth = nn.Sequential(nn.Conv2d(4, 4, 7), nn.Linear(4, 4)), StochasticDepth()


class StochasticDepth(nn.Identity):
    """As torchvision has it."""


class WideBlock(nn.Module):
    """Norms first (Zagoruyko's code): the branch ends in a convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.bn1, self.conv1, self.bn2 = nn.BatchNorm2d(4), nn.Conv2d(4, 4, 3), nn.BatchNorm2d(4)
        self.conv2, self.convShortcut = nn.Conv2d(4, 4, 3), nn.Conv2d(4, 4, 1)


class GPTBlock(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.ln_1, self.attn, self.ln_2, self.mlp = nn.LayerNorm(4), nn.Linear(4, 4), nn.LayerNorm(4), nn.Linear(4, 4)


def names(*blocks: nn.Module) -> list[str]:
    model = nn.ModuleDict({"body": nn.Sequential(*blocks), "fc": nn.Linear(4, 2)})
    return [name for name, _ in residual_branches(model)]


@pytest.mark.parametrize(("block", "branches"), [
    (TimmBlock(), ["drop_path1", "drop_path2"]),
    (TimmBottleneck(), ["se"]),
    (TorchvisionBottleneck(), ["bn3"]),
    (TorchvisionInverted(True), ["conv"]),
    (TorchvisionInverted(False), []),
    (TorchvisionConvNext(), ["stochastic_depth"]),
    (WideBlock(), ["conv2"]),
    (GPTBlock(), ["attn", "mlp"]),
    (nn.TransformerEncoderLayer(4, 2, 4), ["dropout1", "dropout2"]),
    (nn.TransformerDecoderLayer(4, 2, 4), ["dropout1", "dropout2", "dropout3"]),
    (nn.Linear(4, 4), []),
], ids=lambda v: type(v).__name__)  # fmt: skip
def test_blocks_of_the_usual_libraries(block: nn.Module, branches: list[str]) -> None:
    assert names(block) == [f"body.0.{b}" for b in branches]


def test_a_whole_model_with_a_shortcut_is_no_branch() -> None:
    assert residual_branches(TorchvisionBottleneck()) == []


def test_transformers_models() -> None:
    transformers = pytest.importorskip("transformers")
    small = {"hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 8}
    bert = transformers.BertModel(transformers.BertConfig(vocab_size=9, **small))
    ends = [n.removeprefix("encoder.layer.") for n, _ in residual_branches(bert) if n.startswith("encoder")]
    assert ends == [f"{i}.{p}.dropout" for i in (0, 1) for p in ("attention.output", "output")]
    gpt = transformers.GPT2Model(transformers.GPT2Config(vocab_size=9, n_embd=8, n_layer=2, n_head=2, n_positions=9))
    assert [n for n, _ in residual_branches(gpt)] == [f"h.{i}.{p}" for i in (0, 1) for p in ("attn", "mlp")]


IMAGE = InputSpec(data_type=DataType.IMAGE, layout=(1, 16, 16), classes=3)


@pytest.mark.parametrize(("proxy", "branches"), [
    ("resnet8", [f"blocks.{i}.norm2" for i in range(3)]),
    ("wrn_16_2", [f"blocks.{i}.conv2" for i in range(6)]),
])  # fmt: skip
def test_our_image_proxies(proxy: str, branches: list[str]) -> None:
    model = build_proxy(IMAGE, name=proxy)
    assert [name for name, _ in residual_branches(model)] == branches


def test_the_rate_grows_linearly_to_p_at_the_last_branch() -> None:
    """p = .6 over three branches: .2, .4 and .6 of the samples lose their branch."""
    torch.manual_seed(0)
    model = build_proxy(IMAGE, name="resnet8")
    policy = Policy(DataType.IMAGE, (Step.of("stochastic_depth", p=0.6),))
    injector = NoiseInjector(policy, model, epochs=1, steps_per_epoch=99)
    gone: dict[str, list[Tensor]] = {}
    for name, module in residual_branches(model):
        module.register_forward_hook(
            lambda _m, _i, out, name=name: gone.setdefault(name, []).append((out == 0).flatten(1).all(1).float())
        )
    for _ in range(8):
        x, _ = injector.perturb(torch.rand(100, 1, 16, 16), torch.zeros(100, dtype=torch.long))
        model(x)
        injector.step()
    rates = [torch.cat(hits).mean().item() for hits in gone.values()]
    assert rates == pytest.approx([0.2, 0.4, 0.6], abs=0.05)


def test_a_policy_of_the_earlier_formula_says_what_changed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = tmp_path / "policy.yaml"
    step = "{technique: stochastic_depth, version: 1, p: 0.2}"
    file.write_text(f"format: autonoise-policy/1\ndata_type: image\nname: old\nsteps: [{step}]\n")
    with caplog.at_level(logging.WARNING, logger="autonoise"):
        assert load_policy(file).steps[0].technique.parameters() == {"p": 0.2}
    assert "found with version 1 of its formula and runs with version 2: the rate grows linearly" in caplog.text
    caplog.clear()
    file.write_text(file.read_text().replace("version: 1", "version: 2"))
    load_policy(file)
    assert not caplog.text
