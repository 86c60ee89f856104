"""Noise reaches every word of a text and nothing else, wherever the padding lies and whatever the tokenizer's ids."""

from __future__ import annotations

import logging
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from autonoise.errors import AttachError
from autonoise.policy import Policy, Step
from autonoise.techniques.mlm_pretraining import MLMPretraining
from autonoise.types import DataType, InputSpec

PAD, UNK, CLS, SEP, MASK = 0, 1, 2, 3, 4
SPEC = InputSpec(
    data_type=DataType.TEXT, layout=(9,), classes=3, pad_id=PAD, unk_id=UNK, mask_id=MASK,
    special_ids=(PAD, UNK, CLS, SEP, MASK), vocabulary_size=40,
)  # fmt: skip
IDS = torch.tensor(
    [
        [CLS, 11, 12, UNK, 13, 14, SEP, PAD, PAD],
        [PAD, PAD, PAD, CLS, 15, UNK, UNK, 16, SEP],
        [CLS, 17, SEP, 18, SEP, PAD, PAD, PAD, PAD],
    ]
)
WORDS = IDS > MASK
Y = torch.tensor([0, 1, 2])
INSIDE = ["fgsm", "pgd", "freelb", "embedding_noise", "neftune"]


class Reader(nn.Module):
    def __init__(self, words: int = 40, padding_idx: int | None = PAD) -> None:
        super().__init__()
        self.embedding = nn.Embedding(words, 6, padding_idx=padding_idx)
        self.head = nn.Linear(6, 3)
        self.seen: Tensor | None = None

    def forward(self, batch: Tensor | dict[str, Tensor]) -> Tensor:
        h = self.embedding(batch if isinstance(batch, Tensor) else batch["input_ids"])
        self.seen = h
        return self.head(h.tanh().mean(1))


def moved(name: str, batch: Tensor | dict[str, Tensor], spec: InputSpec | None = SPEC) -> Tensor:
    """(B, L) bool: the tokens whose embedding the technique changed."""
    torch.manual_seed(0)
    model = Reader(words=spec.vocabulary_size or 40 if spec else 40, padding_idx=spec.pad_id if spec else PAD)
    injector = Policy("text", (Step.of(name),), input=SPEC).attach(model, epochs=1, steps_per_epoch=9, input=spec)
    ids = batch if isinstance(batch, Tensor) else batch["input_ids"]
    clean = model.embedding.weight.detach()[ids]
    noisy, _ = injector.perturb(batch, Y)
    model(noisy)
    assert model.seen is not None
    return ((model.seen.detach() - clean).abs() > 0).any(2)


@pytest.mark.parametrize("name", INSIDE)
def test_every_word_and_no_other_token_is_moved(name: str) -> None:
    assert torch.equal(moved(name, IDS), WORDS)


@pytest.mark.parametrize("name", INSIDE)
def test_the_attention_mask_hides_tokens_on_either_side(name: str) -> None:
    ids = torch.arange(10, 37).reshape(3, 9)
    mask = torch.tensor([[1] * 5 + [0] * 4, [0] * 4 + [1] * 5, [1] * 9])
    assert torch.equal(moved(name, {"input_ids": ids, "attention_mask": mask}), mask.bool())


@pytest.mark.parametrize("name", INSIDE)
def test_a_foreign_tokenizers_special_ids_count(name: str) -> None:
    # <s> 0, <pad> 1, </s> 2, <unk> 3, <mask> last
    ids = torch.tensor([[0, 5, 6, 2, 2, 7, 2, 1, 1], [1, 1, 1, 1, 0, 8, 49, 9, 2], [0, 10, 3, 4, 2, 1, 1, 1, 1]])
    spec = InputSpec(
        data_type=DataType.TEXT, layout=(9,), pad_id=1, unk_id=3, mask_id=49, special_ids=(0, 1, 2, 3, 49),
        vocabulary_size=50,
    )  # fmt: skip
    assert torch.equal(moved(name, ids, spec), (ids > 3) & (ids < 49))


@pytest.mark.parametrize(
    "extra", [{"lengths": torch.tensor([5, 9, 2])}, {"special_tokens_mask": (torch.arange(27).reshape(3, 9) % 4 == 1)}]
)
def test_lengths_and_special_tokens_masks_are_read(extra: dict[str, Tensor]) -> None:
    ids = torch.arange(10, 37).reshape(3, 9)
    lengths = extra.get("lengths")
    real = torch.arange(9) < lengths[:, None] if lengths is not None else ~extra["special_tokens_mask"]
    assert torch.equal(moved("embedding_noise", {"input_ids": ids, **extra}), real)


@pytest.mark.parametrize(("name", "share"), [("token_masking", 1.0), ("word_dropout", 1.0), ("token_replacement", 1.0)])
def test_token_techniques_reach_every_word(name: str, share: float) -> None:
    torch.manual_seed(0)
    injector = Policy("text", (Step.of(name, fraction=share),), input=SPEC).attach(
        Reader(), epochs=1, steps_per_epoch=9
    )
    hit = torch.zeros_like(WORDS)
    for _ in range(4):
        noisy, _ = injector.perturb(IDS, Y)
        assert isinstance(noisy, Tensor)
        hit |= noisy != IDS
    assert torch.equal(hit, WORDS)


def test_neftune_counts_the_words_not_the_places() -> None:
    """5 / sqrt(2 words * 6) = 1.443 for the last row, whose words stand behind [CLS] and [SEP]."""
    torch.manual_seed(0)
    model = Reader()
    injector = Policy("text", (Step.of("neftune", alpha=5.0),), input=SPEC).attach(model, epochs=1, steps_per_epoch=9)
    largest = torch.zeros(3)
    for _ in range(200):
        noisy, _ = injector.perturb(IDS, Y)
        model(noisy)
        assert model.seen is not None
        shift = model.seen.detach() - model.embedding.weight.detach()[IDS]
        largest = torch.maximum(largest, shift.abs().amax((1, 2)))
    # 4, 2 and 2 words
    assert largest.tolist() == pytest.approx([5 / 24**0.5, 5 / 12**0.5, 5 / 12**0.5], rel=0.02)


def test_masked_token_training_and_the_denoising_mask_reach_every_word() -> None:
    model = Reader()
    injector = Policy("text", (Step.of("denoising_autoencoder", p=0.95),), input=SPEC).attach(
        model, epochs=1, steps_per_epoch=9
    )
    ids, info = injector.attached.open(IDS)
    technique = injector.policy.steps[0].technique
    hit = torch.zeros_like(WORDS)
    for seed in range(6):
        hit |= technique.masked(ids, info, rng=torch.Generator().manual_seed(seed)) != ids  # type: ignore[attr-defined]
    assert torch.equal(hit, WORDS)
    chosen = torch.zeros_like(WORDS)
    for seed in range(6):
        rng = torch.Generator().manual_seed(seed)
        assert info.valid is not None
        chosen |= MLMPretraining(mask=0.9).corrupted(ids, info.valid, MASK, 40, SPEC, rng)[1]
    assert torch.equal(chosen, WORDS)


class Convolving(Reader):
    """Each state sees its neighbours, as masked-token training needs."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(6, 6, 3, padding=1)

    def forward(self, batch: Tensor | dict[str, Tensor]) -> Tensor:
        assert isinstance(batch, Tensor)
        return self.head(self.conv(self.embedding(batch).transpose(1, 2)).mean(2))


def test_masked_token_training_asks_for_left_padded_words(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Tensor] = []
    corrupted = MLMPretraining.corrupted

    def recording(self: MLMPretraining, ids: Tensor, real: Tensor, *rest: Any) -> tuple[Tensor, Tensor]:
        seen.append(real)
        return corrupted(self, ids, real, *rest)

    monkeypatch.setattr(MLMPretraining, "corrupted", recording)
    policy = Policy("text", (Step.of("mlm_pretraining", epochs=1),), input=SPEC)
    policy.attach(Convolving(), epochs=1, steps_per_epoch=9).pretrain(lambda: [IDS])
    assert torch.equal(seen[0], WORDS)


@pytest.mark.parametrize("name", ["token_masking", "token_shuffle", "embedding_noise", "neftune", "fgsm", "freelb",
                                  "mlm_pretraining"])  # fmt: skip
def test_ids_of_another_tokenizer_are_refused_where_noise_acts_on_tokens(name: str) -> None:
    tokens = Policy("text", (Step.of(name),), input=SPEC)
    with pytest.raises(AttachError, match="pads with 1: describe your tokenizer"):
        tokens.attach(Reader(padding_idx=1), epochs=1, steps_per_epoch=1)
    with pytest.raises(AttachError, match="vocabulary of 40, the model has 50"):
        tokens.attach(Reader(words=50), epochs=1, steps_per_epoch=1)
    described = InputSpec(data_type="text", layout=(4,), pad_id=1, mask_id=2, vocabulary_size=50)
    tokens.attach(Reader(words=50, padding_idx=1), epochs=1, steps_per_epoch=1, input=described)


def test_a_policy_without_a_description_takes_the_padding_from_the_model() -> None:
    policy = Policy("text", (Step.of("embedding_noise"),))
    assert policy.attach(Reader(padding_idx=1), epochs=1, steps_per_epoch=1).spec.pad_id == 1
    said = InputSpec(data_type="text", layout=(4,), pad_id=3)
    assert policy.attach(Reader(padding_idx=1), epochs=1, steps_per_epoch=1, input=said).spec.pad_id == 3


def test_ids_of_another_tokenizer_come_from_the_model_where_they_only_protect(
    caplog: pytest.LogCaptureFixture,
) -> None:
    policy = Policy("text", (Step.of("activation_noise", site="embedding"),), input=SPEC)
    model = Reader(words=50, padding_idx=1)
    with caplog.at_level(logging.WARNING, logger="autonoise"):
        injector = policy.attach(model, epochs=1, steps_per_epoch=1)
    assert "the model has 50 embeddings: took its padding (1)" in caplog.text
    ids = torch.tensor([[1, 1, 5, 0], [3, 2, 6, 1]])
    injector.perturb(ids, Y[:2])
    model(ids)
    assert model.seen is not None
    change = (model.seen.detach() != model.embedding.weight.detach()[ids]).any(2)
    assert torch.equal(change, ids != 1)
