"""Where in a foreign model noise enters."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from autonoise.errors import AttachError
from autonoise.injector.layout import batch_dimension
from autonoise.injector.sites import classifier, resolve, sequence_first


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.small, self.words = nn.Embedding(4, 6), nn.Embedding(50, 6)
        self.blocks = nn.Sequential(nn.Linear(6, 6), nn.LayerNorm(6), nn.ReLU(), nn.Linear(6, 5), nn.BatchNorm1d(5))
        self.head = nn.ModuleDict({"pre": nn.Linear(5, 4), "fc": nn.Linear(4, 3)})
        self.auxiliary = nn.Linear(6, 7)


def found(site: str, overrides: dict[str, str] | None = None, *, model: nn.Module | None = None) -> list[str]:
    points = resolve(model or Net(), site, 3, overrides or {}, default=True)
    return [f"{p.name}:{p.where}" for p in points]


@pytest.mark.parametrize(("site", "points"), [
    ("embedding", ["words:output"]),
    ("after_norm", ["blocks.1:output", "blocks.4:output"]),
    ("late_norm", ["blocks.4:output"]),
    ("penultimate", ["head.fc:input"]),
    ("blocks.?", [f"blocks.{i}:output" for i in range(5)]),
    ("*.1", ["blocks.1:output"]),
    ("fc", ["head.fc:output"]),
])  # fmt: skip
def test_words_and_globs(site: str, points: list[str]) -> None:
    assert found(site) == points


def test_overrides() -> None:
    assert found("after_norm", {"after_norm": "blocks.2"}) == ["blocks.2:output"]
    # whoever names the classifier means the features that enter it; any other module gives its output
    assert found("penultimate", {"penultimate": "head.fc"}) == ["head.fc:input"]
    assert found("penultimate", {"penultimate": "head.pre"}) == ["head.pre:output"]


def test_fallbacks_and_refusals() -> None:
    plain = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 3))
    assert found("after_norm", model=plain) == ["1:output"]
    assert found("late_norm", model=plain) == ["1:output"]  # of one point, that one
    assert found("after_norm", model=nn.Sequential(nn.Linear(4, 3))) == ["0:input"]
    for site in ("after_norm", "late_norm", "embedding", "residual", "nowhere*"):
        with pytest.raises(AttachError) as caught:
            resolve(plain, site, 3, {}, default=False)
        assert "\n" not in str(caught.value)
    with pytest.raises(AttachError, match=r"'embedding'\] = 'tables\*' matches no module .* modules are 0, 1"):
        resolve(plain, "embedding", 3, {"embedding": "tables*"}, default=True)
    with pytest.raises(AttachError, match=r"no nn.Linear; name modules by sites="):
        resolve(nn.Conv2d(1, 1, 1), "penultimate", 3, {}, default=True)


def test_the_embedding_a_model_declares_wins() -> None:
    class Declares(Net):
        def get_input_embeddings(self) -> nn.Module:
            return self.small

    assert found("embedding", model=Declares()) == ["small:output"]


def test_residual_branches_of_known_kinds() -> None:
    encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(4, 2, 8, batch_first=True), 2)
    assert found("residual", model=encoder) == [
        f"layers.{i}.{c}:output" for i in range(2) for c in ("dropout1", "dropout2")
    ]

    class Basic(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.bn1, self.bn2, self.downsample = nn.BatchNorm2d(2), nn.BatchNorm2d(2), None

    assert found("residual", model=nn.Sequential(Basic())) == ["0.bn2:output"]


def test_the_classifier_is_the_last_fitting_linear() -> None:
    name, module = classifier(Net(), 3) or ("", None)
    assert (name, module.out_features if module else 0) == ("head.fc", 3)
    assert (classifier(Net(), 99) or ("",))[0] == "auxiliary"
    assert classifier(nn.Conv2d(1, 1, 1), 3) is None

    class Head(nn.Module):
        """As in RoBERTa: the classifier itself is called out_proj."""

        def __init__(self) -> None:
            super().__init__()
            self.attention = nn.MultiheadAttention(4, 2)
            self.dense, self.out_proj = nn.Linear(4, 4), nn.Linear(4, 4)

    assert (classifier(Head(), 4) or ("",))[0] == "out_proj"


@pytest.mark.parametrize(("shape", "size", "prefer", "expected"), [
    ((8, 5), 8, 0, (0, 1)),
    ((8, 5, 3), 8, 0, (0, 1)),
    ((5, 8, 3), 8, 0, (1, 1)),
    ((40, 3), 8, 0, (0, 5)),
    ((7, 3), 8, 0, (0, 1)),
    ((8, 8, 3), 8, 0, (0, 1)),
    ((8, 8, 3), 8, 1, (1, 1)),
    ((8, 8), 8, 1, (0, 1)),
    ((7, 3), 0, 0, (0, 1)),
])  # fmt: skip
def test_finding_the_batch(shape: tuple[int, ...], size: int, prefer: int, expected: tuple[int, int]) -> None:
    assert batch_dimension(torch.zeros(shape), size, prefer=prefer) == expected


def test_modules_that_see_the_sequence_first() -> None:
    def make(batch_first: bool) -> nn.TransformerEncoder:
        layer = nn.TransformerEncoderLayer(4, 2, 8, batch_first=batch_first)
        return nn.TransformerEncoder(layer, 1, norm=nn.LayerNorm(4), enable_nested_tensor=False)

    late = make(False)
    assert {late, late.norm, late.layers[0], late.layers[0].norm1, late.layers[0].self_attn} <= sequence_first(late)
    assert not sequence_first(make(True))
    assert len(sequence_first(nn.LSTM(2, 2))) == 1
    assert not sequence_first(nn.LSTM(2, 2, batch_first=True))
