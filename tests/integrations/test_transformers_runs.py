"""The callback for Transformers' Trainer: resuming, noise on strings, what is refused, what is told."""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from autonoise.errors import AttachError, MissingExtraError
from autonoise.integrations import hf_callback
from autonoise.integrations.transformers import NoiseMixin, NoisePolicy, TextCollator
from autonoise.policy import Policy, Step
from tests.integrations.hf_samples import (
    LABELS,
    QUIET,
    TEXTS,
    H,
    bert,
    noisy,
    policy_of,
    tokenizer,
    trainer,
    untouched,
    weights,
)

pytestmark = QUIET

POLICY = policy_of(
    Step.of("token_replacement", fraction=0.3, schedule="ramp_down"), "mixup", "label_smoothing", "gradient_noise"
)
TYPOS = policy_of(Step.of("character_typos", fraction=0.4))
RAW = [{"text": text, "label": label} for text, label in zip(TEXTS, LABELS, strict=True)]


# -- checkpoints -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stop", [3, 4])
def test_resuming_goes_on_to_the_bit(stop: int, tmp_path: Path) -> None:
    whole = bert()
    tool = trainer(
        whole, tmp_path, NoisePolicy(POLICY, seed=3), save_strategy="steps", save_steps=stop, save_total_limit=3
    )
    tool.train()
    folder = tmp_path / f"checkpoint-{stop}"
    saved = json.loads((folder / "trainer_state.json").read_text())["stateful_callbacks"]["autonoise"]
    assert saved["update"] == stop and saved["policy"] == POLICY.hash
    model, callback = bert(), NoisePolicy(POLICY, seed=99)  # the seed comes from the checkpoint
    trainer(model, tmp_path / "other", callback).train(resume_from_checkpoint=str(folder))
    assert len(model.seen[True]) == 8 - stop
    assert all(torch.equal(v, weights(whole)[k]) for k, v in weights(model).items())
    ids = [v["input_ids"] for v in whole.seen[True][stop:]]
    assert all(torch.equal(a["input_ids"], b) for a, b in zip(model.seen[True], ids, strict=True))
    other = bert()
    with pytest.raises(AttachError, match="belongs to policy"):
        trainer(other, tmp_path / "third", NoisePolicy(policy_of("mixup"))).train(resume_from_checkpoint=str(folder))
    assert untouched(other)


def test_a_checkpoint_without_the_callback(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    trainer(bert(), tmp_path, save_strategy="steps", save_steps=4).train()
    callback = NoisePolicy(POLICY)
    tool = trainer(bert(), tmp_path, callback)
    tool.train(resume_from_checkpoint=str(tmp_path / "checkpoint-4"))
    assert "no state of this callback: noise goes on at update 4" in caplog.text
    assert tool.state.stateful_callbacks["autonoise"]["update"] == 8


def test_training_twice_starts_anew(tmp_path: Path) -> None:
    model = bert()
    tool = trainer(model, tmp_path, NoisePolicy(POLICY), max_steps=2)
    for _ in range(2):
        tool.train()
        assert tool.state.stateful_callbacks["autonoise"]["update"] == 2
    assert untouched(model)


# -- noise on strings --------------------------------------------------------------------------------------------------


def words(reader: Any, ids: Any) -> list[list[str]]:
    return [reader.convert_ids_to_tokens(row) for row in ids]


@pytest.mark.parametrize("workers", [0, 1])
def test_strings_are_noisy_in_training_alone(workers: int, tmp_path: Path) -> None:
    model, reader = bert(), tokenizer()
    noise = NoisePolicy(TYPOS, seed=2)
    tool = noisy(
        model, tmp_path, noise, rows=RAW, eval_dataset=RAW, data_collator=noise.collator(reader),
        processing_class=reader, remove_unused_columns=False, eval_strategy="epoch",
        train_sampling_strategy="sequential", dataloader_num_workers=workers,
    )  # fmt: skip
    tool.train()
    clean = reader(TEXTS, padding=True, return_tensors="pt")["input_ids"]
    assert all(torch.equal(v["input_ids"], clean[i % 2 * 8 :][:8]) for i, v in enumerate(model.seen[False]))
    transform = TYPOS.raw_transform(epochs=2, seed=2)
    expected = []
    for epoch in range(2):
        transform.set_epoch(epoch)
        numbers = [hf_text_number(text) for text in TEXTS]
        expected += transform.many(TEXTS, numbers)
    seen = [row for v in model.seen[True] for row in v["input_ids"].tolist()]
    plain = [[i for i in row if i] for row in seen]
    assert plain == [reader(text)["input_ids"] for text in expected]
    assert expected[:16] != expected[16:] and expected[:16] != TEXTS
    assert [v["labels"].tolist() for v in model.seen[True][:4]] == [LABELS[i : i + 4] for i in range(0, 16, 4)]


def test_versions_of_strings_that_a_policy_compares(tmp_path: Path) -> None:
    reader, model = tokenizer(), bert()
    noise = NoisePolicy(policy_of(Step.of("character_typos", fraction=0.4), "two_view_consistency"))
    tool = noisy(
        model, tmp_path, noise, rows=RAW, data_collator=noise.collator(reader), processing_class=reader,
        remove_unused_columns=False, train_sampling_strategy="sequential", max_steps=2,
    )  # fmt: skip
    tool.train()
    first = model.seen[True][0]["input_ids"]
    assert len(first) == 12
    clean = [[i for i in row if i] for row in first[:4].tolist()]
    assert clean == [reader(text)["input_ids"] for text in TEXTS[:4]]
    assert not torch.equal(first[4:8], first[:4]) and not torch.equal(first[8:], first[4:8])


def hf_text_number(text: str) -> int:
    import hashlib

    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=7).digest(), "big")


def test_a_collator_for_strings_without_noise() -> None:
    collate = TextCollator(tokenizer(), TYPOS.raw_transform(), column="words", max_length=4)
    batch = collate([{"words": "red cat sees a dog"}, {"words": "red"}])
    assert type(batch) is H.BatchEncoding
    assert batch["input_ids"].shape == (2, 4) and "labels" not in batch
    assert words(tokenizer(), batch["input_ids"][:1]) == [["[CLS]", "red", "cat", "[SEP]"]]
    with pytest.raises(AttachError, match=r"no 'words' but label: set remove_unused_columns=False"):
        collate([{"label": 1}])


def test_noise_on_strings_that_would_not_act_or_act_everywhere_is_refused(tmp_path: Path) -> None:
    noise = NoisePolicy(TYPOS)
    given: dict[str, Any] = {"rows": RAW, "data_collator": noise.collator(tokenizer()), "remove_unused_columns": False}
    with pytest.raises(AttachError, match=r"character_typos: Trainer collates .* alike: use .*NoisyTrainer"):
        trainer(bert(), tmp_path, noise, **given).train()
    with pytest.raises(AttachError, match=r"character_typos acts on strings.*noise.collator\(tokenizer\)"):
        trainer(bert(), tmp_path, NoisePolicy(TYPOS)).train()
    trainer(bert(), tmp_path, NoisePolicy(TYPOS, allow_partial=True), max_steps=1).train()


# -- what is refused, and what is told ---------------------------------------------------------------------------------


class OwnLoss(nn.Module):
    """Computes another loss than cross entropy."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.head = nn.Embedding(30, 8), nn.Linear(8, 3)
        self.seen: dict[bool, list[Any]] = {True: [], False: []}

    def forward(self, input_ids: Any, labels: Any = None, attention_mask: Any = None) -> Any:
        logits = self.head(self.body(input_ids).mean(1))
        if len(self.seen[True]) == 2:
            raise ValueError("a fault")
        self.seen[self.training].append(input_ids)
        loss = None if labels is None else F.mse_loss(logits.softmax(1), F.one_hot(labels, 3).float())
        return {"loss": loss, "logits": logits}


@pytest.mark.parametrize(("policy", "options", "line"), [
    (policy_of("sam"), {}, "sam needs the whole training step.*loop yourself"),
    (policy_of("mixup"), {"torch_compile": True}, "set torch_compile=False"),
    (policy_of("mixup"), {"n_gpu": 2}, "DataParallel splits.*torchrun"),
    (policy_of("weight_noise"), {"deepspeed": {"x": 1}}, "weight_noise needs whole parameters"),
], ids=["sam", "compile", "gpus", "deepspeed"])  # fmt: skip
def test_what_the_callback_cannot_do_is_refused(policy: Policy, options: Any, line: str, tmp_path: Path) -> None:
    from types import SimpleNamespace

    plain = {"n_gpu": 1, "torch_compile": False, "fsdp": [], "deepspeed": None, "neftune_noise_alpha": None}
    with pytest.raises(AttachError, match=line):
        NoisePolicy(policy).on_train_begin(
            SimpleNamespace(**(plain | options)), None, None, model=bert(), train_dataloader=[1], optimizer=None
        )


def test_a_loss_out_of_reach_is_refused_and_a_failing_model_says_so_itself(tmp_path: Path) -> None:
    model = OwnLoss()
    with pytest.raises(AttachError, match=r"mixup: the training computes .*mse_loss, one_hot\).*: let the model"):
        trainer(model, tmp_path, NoisePolicy(policy_of("mixup"))).train()
    model = OwnLoss()
    policy = policy_of(Step.of("token_replacement", fraction=0.5))
    with pytest.raises(ValueError, match="a fault"):
        noisy(model, tmp_path, NoisePolicy(policy)).train()
    assert untouched(model)  # by the trainer, after the error
    model = OwnLoss()
    noise = NoisePolicy(policy)
    with pytest.raises(ValueError, match="a fault"):
        trainer(model, tmp_path, noise).train()
    noise.detach()
    assert untouched(model)


def test_without_a_tokenizer_token_noise_asks_for_a_description(tmp_path: Path) -> None:
    from dataclasses import replace

    from tests.integrations.test_transformers import spec_of

    known = replace(POLICY, input=replace(spec_of(tokenizer()), vocabulary_size=99))
    with pytest.raises(AttachError, match=r"vocabulary of 99"):
        trainer(bert(), tmp_path, NoisePolicy(known), processing_class=None, data_collator=padded).train()
    trainer(bert(), tmp_path, NoisePolicy(known), max_steps=1).train()


def padded(rows: Any) -> Any:
    return tokenizer().pad(rows, return_tensors="pt")


def test_two_kinds_of_neftune_are_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    noise = NoisePolicy(policy_of("neftune"))
    trainer(bert(), tmp_path, noise, neftune_noise_alpha=1.0, max_steps=1).train()
    assert caplog.text.count("neftune_noise_alpha and the policy's neftune both add noise") == 1


def test_the_mixin_without_a_callback_changes_nothing(tmp_path: Path) -> None:
    one, two = bert(), bert()
    trainer(one, tmp_path, label_smoothing_factor=0.2).train()
    tool = noisy(two, tmp_path, label_smoothing_factor=0.2)
    tool.train()
    assert isinstance(tool, NoiseMixin) and tool.noise is None
    assert all(torch.equal(v, weights(two)[k]) for k, v in weights(one).items())


def test_bfloat16(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    model = bert()
    policy = policy_of("embedding_noise", "mixup", "fgsm")
    trainer(model, tmp_path, NoisePolicy(policy), bf16=True, max_steps=2, gradient_accumulation_steps=2).train()
    assert all(bool(torch.isfinite(p).all()) and p.dtype == torch.float32 for p in model.parameters())


def test_without_transformers_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(MissingExtraError, match=r'^the callback .* needs transformers, .*"autonoise\[transformers\]"$'):
        hf_callback.from_transformers("Trainer")
