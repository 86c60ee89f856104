"""Models of other libraries and in their style: noise of each kind acts in training and leaves nothing behind."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence

from autonoise.batches.mappings import call_model
from autonoise.errors import AttachError
from autonoise.policy import Policy, Step
from autonoise.types import Batch, InputSpec

ROWS, CLASSES, WORDS = 6, 3, 12
SMALL = {
    "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 16, "num_labels": CLASSES,
    "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0,
}  # fmt: skip
RNG = torch.Generator().manual_seed(0)
IMAGES = torch.rand(ROWS, 3, 8, 8, generator=RNG)
SERIES = torch.randn(ROWS, 2, 20, generator=RNG)
CLIPS = 0.2 * torch.randn(ROWS, 500, generator=RNG)
IDS = torch.randint(3, WORDS, (ROWS, 7), generator=RNG)
IDS[:3, 5:] = 0
TEXT = {"input_ids": IDS, "attention_mask": (IDS != 0).long()}
Y = torch.arange(ROWS) % CLASSES


def bert() -> nn.Module:
    h = pytest.importorskip("transformers")
    return h.BertForSequenceClassification(h.BertConfig(vocab_size=WORDS, max_position_embeddings=8, **SMALL))


def vit() -> nn.Module:
    h = pytest.importorskip("transformers")
    return h.ViTForImageClassification(h.ViTConfig(image_size=8, patch_size=4, **SMALL))


def wav2vec2(*, stable: bool = False) -> nn.Module:
    h = pytest.importorskip("transformers")
    small = {k: v for k, v in SMALL.items() if k not in ("hidden_dropout_prob", "attention_probs_dropout_prob")}
    return h.Wav2Vec2ForSequenceClassification(h.Wav2Vec2Config(
        conv_dim=(8, 8), conv_kernel=(10, 3), conv_stride=(5, 2), num_feat_extract_layers=2, num_conv_pos_embeddings=4,
        num_conv_pos_embedding_groups=2, classifier_proj_size=8, do_stable_layer_norm=stable, mask_time_prob=0.0,
        layerdrop=0.0, hidden_dropout=0.0, attention_dropout=0.0, activation_dropout=0.0, feat_proj_dropout=0.0,
        **small,
    ))  # fmt: skip


def convnext() -> nn.Module:
    h = pytest.importorskip("transformers")
    return h.ConvNextForImageClassification(h.ConvNextConfig(
        patch_size=2, hidden_sizes=[8, 8], depths=[1, 1], num_stages=2, num_labels=CLASSES
    ))  # fmt: skip


class LayerScale(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.full((8,), 0.5))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.gamma


class TimmBlock(nn.Module):
    """A block as timm writes it: norm first, layer scale, and stochastic depth that is switched off."""

    def __init__(self) -> None:
        super().__init__()
        self.norm1, self.attn = nn.LayerNorm(8), nn.MultiheadAttention(8, 2, batch_first=True)
        self.ls1, self.drop_path1 = LayerScale(), nn.Identity()
        self.norm2, self.mlp = nn.LayerNorm(8), nn.Sequential(nn.Linear(8, 16), nn.GELU(), nn.Linear(16, 8))
        self.ls2, self.drop_path2 = LayerScale(), nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        h = self.norm1(x)
        x = x + self.drop_path1(self.ls1(self.attn(h, h, h, need_weights=False)[0]))
        out: Tensor = x + self.drop_path2(self.ls2(self.mlp(self.norm2(x))))
        return out


class TimmViT(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.patch_embed, self.cls_token = nn.Conv2d(3, 8, 4, 4), nn.Parameter(torch.zeros(1, 1, 8))
        self.blocks = nn.Sequential(TimmBlock(), TimmBlock())
        self.norm, self.fc_norm, self.head_drop = nn.LayerNorm(8), nn.Identity(), nn.Dropout(0.0)
        self.head = nn.Linear(8, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        patches = self.patch_embed(x).flatten(2).transpose(1, 2)
        x = self.norm(self.blocks(torch.cat([self.cls_token.expand(len(x), -1, -1), patches], dim=1)))
        out: Tensor = self.head(self.head_drop(self.fc_norm(x[:, 0])))
        return out


class Encoder(nn.Module):
    """Around nn.TransformerEncoder as it is made by default, which takes a fast path in evaluation."""

    def __init__(self, batch_first: bool) -> None:
        super().__init__()
        self.batch_first, self.table = batch_first, nn.Embedding(WORDS, 8, padding_idx=0)
        layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=batch_first)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=batch_first)
        self.head = nn.Linear(8, CLASSES)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        h = self.table(input_ids)
        h = self.encoder(h if self.batch_first else h.transpose(0, 1), src_key_padding_mask=attention_mask == 0)
        h = h if self.batch_first else h.transpose(0, 1)
        out: Tensor = self.head(h[:, 0])
        return out


class Recurrent(nn.Module):
    def __init__(self, kind: str, batch_first: bool, pack: bool) -> None:
        super().__init__()
        self.batch_first, self.pack = batch_first, pack
        kinds: dict[str, Any] = {"lstm": nn.LSTM, "gru": nn.GRU}
        self.rnn = kinds[kind](2, 8, num_layers=2, batch_first=batch_first, bidirectional=True)
        self.out = nn.Linear(16, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = x.permute(0, 2, 1) if self.batch_first else x.permute(2, 0, 1)
        if self.pack:
            lengths = torch.tensor([20, 9, 4, 20, 1, 13])
            x = pack_padded_sequence(x, lengths, batch_first=self.batch_first, enforce_sorted=False)  # type: ignore[assignment]
        states = self.rnn(x)[1]
        last = states[0] if isinstance(states, tuple) else states
        out: Tensor = self.out(torch.cat([last[-2], last[-1]], dim=1))
        return out


class Plain(nn.Module):
    """A CNN without norms, with activations that are functions."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2, self.fc = nn.Conv2d(3, 6, 3), nn.Conv2d(6, 6, 3), nn.Linear(24, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv2(self.conv1(x).relu()).relu()
        out: Tensor = self.fc(nn.functional.max_pool2d(x, 2).flatten(1))
        return out


MODELS: dict[str, tuple[str, Callable[[], nn.Module], Batch]] = {
    "bert": ("text", bert, TEXT),
    "vit": ("image", vit, {"pixel_values": IMAGES}),
    "wav2vec2": ("audio", wav2vec2, {"input_values": CLIPS, "attention_mask": torch.ones(ROWS, 500).long()}),
    "wav2vec2-stable": ("audio", lambda: wav2vec2(stable=True), {"input_values": CLIPS}),
    "convnext": ("image", convnext, IMAGES),
    "timm": ("image", TimmViT, IMAGES),
    "encoder": ("text", lambda: Encoder(True), TEXT),
    "encoder-tokens-first": ("text", lambda: Encoder(False), TEXT),
    "plain": ("image", Plain, IMAGES),
} | {
    f"{kind}-{first}-{pack}": ("timeseries", lambda k=kind, f=first, p=pack: Recurrent(k, f, p), SERIES)  # type: ignore[misc]
    for kind in ("lstm", "gru")
    for first in (True, False)
    for pack in (True, False)
}
INPUT = {
    "text": Step.of("token_masking", fraction=0.5), "image": Step.of("gaussian_noise", std=0.2),
    "audio": Step.of("gaussian_snr", snr_db=5.0), "timeseries": Step.of("gaussian_noise", std=0.3),
}  # fmt: skip
INNER = [
    Step.of("activation_noise", sigma=0.3), Step.of("dropout", p=0.5), Step.of("stochastic_depth", p=0.9),
    Step.of("weight_noise", sigma=0.1), Step.of("drop_connect", p=0.3), Step.of("gradient_noise", eta=1.0),
]  # fmt: skip
OF_TYPE = {
    "text": [Step.of("embedding_noise", sigma=0.3), Step.of("fgsm", eps=0.5)],
    "audio": [Step.of("spec_augment", frequency=0.5, time=0.5), Step.of("spatial_dropout", p=0.5)],
    "image": [Step.of("spatial_dropout", p=0.5), Step.of("fgsm")],
    "timeseries": [Step.of("spatial_dropout", p=0.5)],
}
WITHOUT_BRANCHES = {"plain", *(n for n in MODELS if n.startswith(("lstm", "gru")))}
SPECS = {"text": InputSpec(data_type="text", layout=(7,), pad_id=0, mask_id=1, special_ids=(2,), vocabulary_size=WORDS)}  # type: ignore[arg-type]


@lru_cache(maxsize=len(MODELS))
def made(name: str) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return MODELS[name][1]()


def fresh(name: str) -> nn.Module:
    return copy.deepcopy(made(name)).train()


def hooks(model: nn.Module) -> int:
    """How many hooks are ours; Transformers puts some of its own on a model."""
    all_of_them = (h for m in model.modules() for h in (*m._forward_hooks.values(), *m._forward_pre_hooks.values()))
    return sum("autonoise" in type(h).__module__ for h in all_of_them)


def gradients(model: nn.Module) -> list[Tensor]:
    return [p.grad.clone() for p in model.parameters() if p.grad is not None]


CASES = [(n, s) for n, (d, _, _) in MODELS.items() for s in (INPUT[d], *INNER, *OF_TYPE.get(d, []))]


@pytest.mark.parametrize(("name", "step"), CASES, ids=[f"{n}-{s.name}" for n, s in CASES])
def test_noise_acts_in_training_and_leaves_nothing_behind(name: str, step: Step) -> None:
    data_type, _, x = MODELS[name]
    policy = Policy(data_type, [step])  # type: ignore[arg-type]
    model, plain = fresh(name), fresh(name)
    keys = list(model.state_dict())
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    options: dict[str, Any] = {"input": SPECS[data_type]} if data_type in SPECS else {}
    if step.name == "stochastic_depth" and name in WITHOUT_BRANCHES:
        with pytest.raises(AttachError, match=r"site 'residual' was not found: .* name modules by sites="):
            policy.attach(model, epochs=1, steps_per_epoch=2, **options)
        assert hooks(model) == 0
        return
    injector = policy.attach(model, epochs=1, steps_per_epoch=2, optimizer=optimizer, seed=3, **options)
    noisy, y = injector.perturb(x, Y)
    loss = injector.loss(call_model(model, noisy), y)
    loss.backward()
    nn.functional.cross_entropy(call_model(plain, x), Y).backward()
    if step.name == "gradient_noise":
        clean = gradients(model)
        optimizer.step()
        assert not all(torch.equal(a, b) for a, b in zip(clean, gradients(model), strict=True))
    else:
        same = [torch.allclose(a, b, atol=1e-7) for a, b in zip(gradients(model), gradients(plain), strict=True)]
        assert not all(same)
        optimizer.step()
    injector.step()
    assert injector.status().steps[0].ran is not False
    assert list(model.state_dict()) == keys
    # evaluation is that of a model with these weights that knows of no policy, attached or not
    plain.load_state_dict(model.state_dict())
    plain.eval()
    with torch.no_grad():
        expected = call_model(plain, x)
        assert torch.equal(call_model(model.eval(), x), expected)
        injector.detach()
        assert torch.equal(call_model(model, x), expected)
        state = torch.get_rng_state()
        again = call_model(model.train(), x)
        torch.set_rng_state(state)
        assert torch.allclose(again, call_model(plain.train(), x), atol=1e-6)
    assert hooks(model) == 0


def test_where_the_usual_words_point() -> None:
    places = {
        ("bert", "embedding"): ["bert.embeddings.word_embeddings"],
        ("vit", "penultimate"): ["classifier"],
        ("wav2vec2", "front_end"): ["wav2vec2.feature_extractor"],
        ("convnext", "residual"): [f"convnext.encoder.stages.{i}.layers.0.drop_path" for i in range(2)],
        ("timm", "residual"): [f"blocks.{i}.drop_path{n}" for i in range(2) for n in (1, 2)],
        ("encoder", "residual"): [f"encoder.layers.{i}.dropout{n}" for i in range(2) for n in (1, 2)],
        ("plain", "after_norm"): ["conv1", "conv2"],
        ("lstm-True-True", "after_norm"): ["rnn"],
    }
    technique = {"embedding": "embedding_noise", "penultimate": "dropout", "front_end": "spec_augment"}
    technique |= {"residual": "stochastic_depth", "after_norm": "activation_noise"}
    for (name, site), expected in places.items():
        data_type = MODELS[name][0]
        options: dict[str, Any] = {"input": SPECS[data_type]} if data_type in SPECS else {}
        policy = Policy(data_type, [Step.of(technique[site])])  # type: ignore[arg-type]
        with policy.attach(fresh(name), epochs=1, steps_per_epoch=1, **options) as injector:
            assert [p.name for p in injector.layers.points[0]] == expected
