"""The callback for Transformers' Trainer: the same training as by hand, clean evaluation, text and sound."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from autonoise.errors import AttachError
from autonoise.integrations.transformers import NoisePolicy
from autonoise.policy import Policy, Step
from tests.integrations.hf_samples import (
    QUIET,
    H,
    bert,
    close,
    encoded,
    noisy,
    policy_of,
    recording,
    tokenizer,
    trainer,
    untouched,
    weights,
)

pytestmark = QUIET

POLICY = policy_of(
    Step.of("token_replacement", fraction=0.3, probability=0.8, schedule="ramp_down"),
    Step.of("mixup", alpha=0.5, probability=0.7),
    Step.of("label_smoothing", smoothing=0.1),
    Step.of("embedding_noise"),
    Step.of("gradient_noise"),
    Step.of("gce", schedule="ramp_up"),
)


def by_hand(policy: Policy, *, micro: int = 1, smoothing: float = 0.0, epochs: int = 2) -> dict[str, Tensor]:
    """The same training in plain PyTorch."""
    model, reader = bert(), tokenizer()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    rows = encoded(reader)
    batches = [reader.pad(rows[i : i + 4], return_tensors="pt") for i in range(0, 16, 4)]
    injector = policy.attach(
        model, epochs=epochs, steps_per_epoch=4 // micro, optimizer=optimizer, seed=5, input=spec_of(reader)
    )
    model.train()
    for _ in range(epochs):
        for i in range(0, 4, micro):
            optimizer.zero_grad()
            for batch in batches[i : i + micro]:
                y = batch["labels"]
                x, targets = injector.perturb({k: v for k, v in batch.items() if k != "labels"}, y)
                loss = injector.loss(
                    model(**x).logits,
                    targets,
                    base=lambda logits, t: F.cross_entropy(logits, t, label_smoothing=smoothing),
                )
                (loss / micro).backward()
            optimizer.step()
            injector.step()
    injector.detach()
    return weights(model)


def spec_of(reader: Any) -> Any:
    from autonoise.types import InputSpec

    return InputSpec(
        data_type="text",  # type: ignore[arg-type]
        layout=(),
        pad_id=0,
        mask_id=4,
        unk_id=1,
        special_ids=(0, 1, 2, 3, 4),
        vocabulary_size=len(reader),
    )


@pytest.mark.parametrize(("micro", "own"), [(1, False), (2, False), (2, True)])
def test_it_trains_as_a_loop_by_hand_does(micro: int, own: bool, tmp_path: Path) -> None:
    model = bert()
    options: dict[str, Any] = {"gradient_accumulation_steps": micro, "train_sampling_strategy": "sequential"}
    if own:  # divided by the rows of the update, which the Trainer counts
        noisy(model, tmp_path, NoisePolicy(POLICY, seed=5), compute_loss_func=NoisePolicy.loss, **options).train()
    else:
        trainer(model, tmp_path, NoisePolicy(POLICY, seed=5), **options).train()
    assert close(weights(model), by_hand(POLICY, micro=micro))
    assert not close(weights(model), by_hand(policy_of(), micro=micro))
    assert untouched(model)


@pytest.mark.parametrize("own", [False, True])
def test_a_policy_that_compares_versions_of_the_rows(own: bool, tmp_path: Path) -> None:
    model = bert()
    policy = policy_of(Step.of("token_replacement", fraction=0.3), "label_smoothing", "two_view_consistency")
    options: dict[str, Any] = {"train_sampling_strategy": "sequential", "gradient_accumulation_steps": 2}
    if own:
        noisy(model, tmp_path, NoisePolicy(policy, seed=5), compute_loss_func=NoisePolicy.loss, **options).train()
    else:
        trainer(model, tmp_path, NoisePolicy(policy, seed=5), **options).train()
    assert all(v["input_ids"].shape[0] == 12 for v in model.seen[True])
    assert close(weights(model), by_hand(policy, micro=2))


def test_a_policy_that_averages_weights(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    noise = NoisePolicy(policy_of("embedding_noise", Step.of("weight_average", horizon=0.3)))
    model = bert()
    trainer(model, tmp_path, noise, save_strategy="steps", save_steps=4).train()
    assert "their average is the callback's averaged_state_dict" in caplog.text
    assert noise.averaged_state_dict is not None and not close(weights(model), noise.averaged_state_dict)
    model.load_state_dict(noise.averaged_state_dict)
    trainer(bert(), tmp_path, noise).train(resume_from_checkpoint=str(tmp_path / "checkpoint-4"))
    assert "hold no average of the weights: it begins anew" in caplog.text


def test_noise_acts_in_training_and_nowhere_else(tmp_path: Path) -> None:
    model = bert()
    keys = list(model.state_dict())
    policy = policy_of(Step.of("token_replacement", fraction=0.5), "embedding_noise", "mixup", "weight_noise")
    tool = trainer(
        model, tmp_path, NoisePolicy(policy), eval_dataset=encoded(), eval_strategy="steps", eval_steps=2,
        train_sampling_strategy="sequential",
    )  # fmt: skip
    tool.train()
    clean = tokenizer().pad(encoded(), return_tensors="pt")
    first = model.seen[True][0]
    width = first["input_ids"].shape[1]
    own = clean["input_ids"][:4, :width]
    changed = first["input_ids"] != own
    assert changed.any() and not (changed & (own < 5)).any()  # padding and special tokens stay
    assert not (first["input_ids"][changed] < 5).any()  # and no word becomes one
    assert torch.equal(first["labels"], clean["labels"][:4])
    evaluated = [v["input_ids"] for v in model.seen[False]]
    assert len(evaluated) == 8 and all(
        torch.equal(v, clean["input_ids"][i % 2 * 8 :][:8]) for i, v in enumerate(evaluated)
    )
    tool.save_model(str(tmp_path / "saved"))
    from safetensors.torch import load_file

    saved = load_file(tmp_path / "saved" / "model.safetensors")
    assert set(saved) == set(keys) and list(model.state_dict()) == keys
    # the loss that evaluation reports is the plain one
    model.eval()
    with torch.no_grad():
        plain = model(**{k: v for k, v in clean.items() if k != "labels"}).logits
    loss = F.cross_entropy(plain, clean["labels"])
    assert tool.evaluate()["eval_loss"] == pytest.approx(float(loss), rel=1e-4)
    assert tool.predict(encoded()).predictions == pytest.approx(plain.numpy(), abs=1e-5)


@pytest.mark.parametrize(("side", "types"), [("left", True), ("right", True), ("left", False)])
def test_padding_side_and_token_types(side: str, types: bool, tmp_path: Path) -> None:
    reader, model = tokenizer(side=side), bert()
    rows = encoded(reader)
    if types:
        rows = [{**row, "token_type_ids": [0] * len(row["input_ids"])} for row in rows]
    policy = policy_of(Step.of("token_masking", fraction=0.6), Step.of("token_shuffle", fraction=0.9), "fgsm")
    trainer(model, tmp_path, NoisePolicy(policy), processing_class=reader, rows=rows, max_steps=2).train()
    for seen in model.seen[True]:
        if "labels" not in seen:
            continue  # an attack looks for its gradient
        padding = seen["attention_mask"] == 0
        assert bool(padding[:, -1].any()) is (side == "right")
        assert torch.equal(seen["input_ids"] == 0, padding)
        assert (seen["input_ids"] == 2).sum() == (seen["input_ids"] == 3).sum() == 4
        assert (seen["input_ids"] == 4).any()  # words are masked
        assert ("token_type_ids" in seen) is types
    assert sum("labels" in seen for seen in model.seen[True]) == 2


def wav2vec(**options: Any) -> Any:
    torch.manual_seed(0)
    config = H.Wav2Vec2Config(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16, num_feat_extract_layers=2,
        conv_dim=(8, 8), conv_stride=(5, 4), conv_kernel=(10, 8), num_conv_pos_embeddings=4, mask_time_prob=0.0,
        num_conv_pos_embedding_groups=2, classifier_proj_size=8, num_labels=3, hidden_dropout=0.0, layerdrop=0.0,
        attention_dropout=0.0, activation_dropout=0.0, feat_proj_dropout=0.0, final_dropout=0.0, **options,
    )  # fmt: skip
    return recording(H.Wav2Vec2ForSequenceClassification(config))


@pytest.mark.filterwarnings("ignore:.*weight_norm.*")
def test_sound_with_a_feature_extractor(tmp_path: Path) -> None:
    reader = H.Wav2Vec2FeatureExtractor(return_attention_mask=True)
    rng = torch.Generator().manual_seed(1)
    waves = [torch.randn(400 + 40 * i, generator=rng).numpy() for i in range(8)]
    rows = [
        {"input_values": reader(w, sampling_rate=16000).input_values[0], "labels": i % 3} for i, w in enumerate(waves)
    ]

    def collate(part: Any) -> Any:
        out = reader.pad([{"input_values": r["input_values"]} for r in part], padding=True, return_tensors="pt")
        assert type(out) is H.BatchFeature
        out["labels"] = torch.tensor([r["labels"] for r in part])
        return out

    policy = policy_of(Step.of("gaussian_snr"), "mixup", "label_smoothing", data_type="audio")
    model = wav2vec()
    tool = trainer(
        model, tmp_path, NoisePolicy(policy), rows=rows, eval_dataset=rows, data_collator=collate, max_steps=4,
        processing_class=reader, train_sampling_strategy="sequential",
    )  # fmt: skip
    tool.train()
    tool.evaluate()
    clean = collate(rows[:4])
    assert torch.equal(
        model.seen[False][0]["input_values"][:4, : clean["input_values"].shape[1]], clean["input_values"]
    )
    first = model.seen[True][0]
    outside = clean["attention_mask"] == 0
    assert outside.any()
    # clips that are mixed reach as far as the longer of the two
    inside = first["attention_mask"] == 1
    assert torch.equal(first["input_values"][~inside], clean["input_values"][~inside])
    moved = (first["input_values"] - clean["input_values"])[~outside]
    assert float(moved.std()) > 0.05
    assert untouched(model)


@pytest.mark.filterwarnings("ignore:.*weight_norm.*")
@pytest.mark.parametrize("name", ["fgsm", "vat"])
def test_sound_is_attacked_though_its_encoder_asks_for_a_gradient_of_its_own(name: str) -> None:
    """wav2vec 2.0 sets ``requires_grad`` of its input, which torch refuses where the input has a gradient already."""
    model = wav2vec().train()
    injector = policy_of(name, data_type="audio").attach(model, epochs=1, steps_per_epoch=2)
    x = {"input_values": 0.1 * torch.randn(4, 800, generator=torch.Generator().manual_seed(0))}
    noisy, y = injector.perturb(x, torch.arange(4) % 3)
    assert not torch.equal(noisy["input_values"][-4:], x["input_values"])
    loss = injector.loss(model(**noisy).logits, y)
    loss.backward()
    assert torch.isfinite(loss)
    # for gradient checkpointing it goes on asking
    assert model.wav2vec2.feature_extractor._requires_grad is True


def test_what_comes_from_a_batch_encoding_goes_back_as_one() -> None:
    batch = tokenizer().pad(encoded()[:4], return_tensors="pt")
    model = bert()
    injector = policy_of("token_replacement", "mixup").attach(
        model, epochs=1, steps_per_epoch=1, input=spec_of(tokenizer())
    )
    y = batch.pop("labels")
    model.train()
    x, _ = injector.perturb(batch, y)
    assert type(x) is H.BatchEncoding and type(batch) is H.BatchEncoding
    assert x["attention_mask"].shape == batch["attention_mask"].shape


@pytest.mark.parametrize(("options", "epochs", "steps", "total"), [
    ({}, 2, 4, 8),
    ({"num_train_epochs": 1.5}, 2, 4, 6),
    ({"max_steps": 3}, 1, 4, 3),
    ({"gradient_accumulation_steps": 3}, 2, 2, 4),
], ids=str)  # fmt: skip
def test_schedules_end_where_training_ends(
    options: Any, epochs: int, steps: int, total: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    progress: list[float] = []
    callback = NoisePolicy(POLICY)

    class Look(H.TrainerCallback):  # type: ignore[misc, name-defined]
        def on_step_begin(self, *_: Any, **__: Any) -> None:
            clock = callback.injector.clock  # type: ignore[union-attr]
            progress.append(clock.progress)
            assert (clock.epochs, clock.steps_per_epoch, clock.planned) == (epochs, steps, total)

    caplog.set_level(logging.WARNING, "autonoise")
    trainer(bert(), tmp_path, callback, Look(), **options).train()
    assert progress[0] == 0 and progress[-1] == 1 and len(progress) == total
    assert not [r for r in caplog.records if "steps_per_epoch" in r.getMessage()]


def test_a_loss_of_ones_own_and_the_smoothing_of_the_trainer(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "autonoise")
    options: dict[str, Any] = {"train_sampling_strategy": "sequential"}
    # the labels do not reach the model
    with pytest.raises(AttachError, match=r"called without labels.*NoisyTrainer in place of Trainer"):
        trainer(bert(), tmp_path, NoisePolicy(POLICY), compute_loss_func=NoisePolicy.loss, **options).train()
    model = bert()
    noisy(model, tmp_path, NoisePolicy(POLICY, seed=5), compute_loss_func=NoisePolicy.loss, **options).train()
    assert close(weights(model), by_hand(POLICY))
    assert "softened twice" not in caplog.text
    model = bert()
    noisy(model, tmp_path, NoisePolicy(POLICY, seed=5), label_smoothing_factor=0.3, **options).train()
    assert close(weights(model), by_hand(POLICY, smoothing=0.3))
    assert caplog.text.count("softened twice, by label_smoothing of the policy and by label_smoothing_factor") == 1

    class Own(type(noisy(bert(), tmp_path))):  # type: ignore[misc]
        def compute_loss(self, model: Any, inputs: Any, return_outputs: bool = False, **_: Any) -> Any:
            labels = inputs.pop("labels")
            outputs = model(**inputs)
            loss = F.cross_entropy(outputs.logits, labels)
            return (loss, outputs) if return_outputs else loss

    model = bert()
    trainer(model, tmp_path, NoisePolicy(POLICY, seed=5), kind=Own, **options).train()
    assert close(weights(model), by_hand(POLICY))


def test_a_policy_that_needs_no_labels_works_without_them(tmp_path: Path) -> None:
    model = bert()
    policy = policy_of(Step.of("token_replacement", fraction=0.5), "embedding_noise")
    trainer(model, tmp_path, NoisePolicy(policy), label_smoothing_factor=0.1).train()
    assert "labels" not in model.seen[True][0] and len(model.seen[True]) == 8
