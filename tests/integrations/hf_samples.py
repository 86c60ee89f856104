"""Tiny models, a tokenizer and a Trainer of Transformers, all made here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from autonoise.integrations.transformers import NoisyTrainer
from autonoise.policy import Policy, Step

H = pytest.importorskip("transformers")
pytest.importorskip("accelerate")
QUIET = [pytest.mark.filterwarnings("ignore:.*(pin_memory|lr_scheduler.step|num_workers).*")]

WORDS = (
    *("red", "green", "blue", "round", "old", "new", "small"),
    *("cat", "dog", "fish", "bird", "sees", "hears", "a"),
)
RNG = torch.Generator().manual_seed(0)
TEXTS = [
    " ".join(WORDS[i] for i in torch.randint(len(WORDS), (int(n),), generator=RNG).tolist())
    for n in torch.randint(3, 9, (16,), generator=RNG)
]
LABELS = (torch.arange(16) % 3).tolist()


def policy_of(*steps: str | Step, data_type: str = "text") -> Policy:
    return Policy(data_type, [Step.of(s) if isinstance(s, str) else s for s in steps])  # type: ignore[arg-type]


def tokenizer(*, side: str = "right", mask: bool = True) -> Any:
    import tokenizers

    vocabulary = {w: i for i, w in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS])}
    inner = tokenizers.Tokenizer(tokenizers.models.WordLevel(vocabulary, unk_token="[UNK]"))
    inner.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    inner.post_processor = tokenizers.processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    special = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    special |= {"mask_token": "[MASK]"} if mask else {}
    return H.PreTrainedTokenizerFast(tokenizer_object=inner, padding_side=side, model_max_length=16, **special)


def bert(**options: Any) -> Any:
    torch.manual_seed(0)
    config = H.BertConfig(
        vocab_size=5 + len(WORDS), hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16,
        max_position_embeddings=16, num_labels=3, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, **options,
    )  # fmt: skip
    model = recording(H.BertForSequenceClassification(config))
    # its loss is the mean of a micro-batch, whatever the whole update holds, which the Trainer cannot know by itself
    model.accepts_loss_kwargs = False
    return model


def recording(model: Any) -> Any:
    """The model, which keeps what its inner model is called with, in training (True) and in evaluation."""
    model.seen = {True: [], False: []}
    forward = type(model).forward

    def kept(*args: Any, **kwargs: Any) -> Any:
        values = {k: v.detach().clone() for k, v in kwargs.items() if isinstance(v, Tensor)}
        model.seen[model.training].append(values)
        return forward(model, *args, **kwargs)

    kept.__signature__ = __import__("inspect").signature(model.forward)  # type: ignore[attr-defined]
    kept.__wrapped__ = model.forward  # type: ignore[attr-defined]
    model.forward = kept
    return model


def encoded(reader: Any | None = None) -> list[dict[str, Any]]:
    reader = reader or tokenizer()
    return [{**reader(text), "labels": label} for text, label in zip(TEXTS, LABELS, strict=True)]


def arguments(path: Path, **options: Any) -> Any:
    plain: dict[str, Any] = {
        "output_dir": str(path), "per_device_train_batch_size": 4, "num_train_epochs": 2, "report_to": [],
        "save_strategy": "no", "disable_tqdm": True, "use_cpu": True, "optim": "sgd", "learning_rate": 0.1,
        "lr_scheduler_type": "constant", "logging_strategy": "no", "max_grad_norm": 0.0, "seed": 1,
    }  # fmt: skip
    return H.TrainingArguments(**(plain | options))


def trainer(model: Any, path: Path, *callbacks: Any, kind: Any = None, rows: Any = None, **options: Any) -> Any:
    own = {"processing_class", "data_collator", "compute_loss_func", "eval_dataset"}
    given = {k: options.pop(k) for k in own & options.keys()}
    given = {"processing_class": tokenizer()} | given
    made = (kind or H.Trainer)(
        model=model,
        args=arguments(path, **options),
        train_dataset=encoded(given["processing_class"]) if rows is None else rows,
        callbacks=list(callbacks),
        **given,
    )
    made.remove_callback(H.PrinterCallback)
    return made


def noisy(*args: Any, **options: Any) -> Any:
    return trainer(*args, kind=NoisyTrainer, **options)


def weights(model: nn.Module) -> dict[str, Tensor]:
    return {k: v.detach().clone() for k, v in model.state_dict().items()}


def close(a: dict[str, Tensor], b: dict[str, Tensor], atol: float = 1e-6) -> bool:
    return a.keys() == b.keys() and all(torch.allclose(v, b[k], atol=atol) for k, v in a.items())


def untouched(model: nn.Module) -> bool:
    hooks = [h for m in model.modules() for h in (*m._forward_hooks.values(), *m._forward_pre_hooks.values())]
    return not [h for h in hooks if "autonoise" in type(h).__module__] and "_autonoise" not in model.__dict__
