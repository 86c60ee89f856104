"""A tiny BERT in Transformers' Trainer, once as it is and once with a policy: three lines, marked "# policy".

    python examples/train_with_transformers.py [--epochs 8] [--rows 2400] [--seed 0]

The task is real text that every installation has: from which library does a sentence of a docstring come, NumPy,
PyTorch or scikit-learn? Tokenizer and model are made here; nothing is downloaded. Prints accuracy on clean test
sentences and on test sentences with two typos in each long word. Takes about a minute. Needs
pip install "autonoise[transformers]" scikit-learn.
"""

from __future__ import annotations

import argparse
import importlib
import inspect
import random
import re
import tempfile
from typing import Any

import numpy as np
import tokenizers
import torch
import transformers

from autonoise import Policy, Step, load_policy
from autonoise.integrations.transformers import NoisePolicy, NoisyTrainer

LIBRARIES = {
    "numpy": ("numpy", "numpy.linalg", "numpy.random", "numpy.fft", "numpy.ma", "numpy.polynomial"),
    "torch": ("torch", "torch.nn", "torch.nn.functional", "torch.optim", "torch.distributions", "torch.linalg"),
    "sklearn": ("sklearn.linear_model", "sklearn.ensemble", "sklearn.metrics", "sklearn.preprocessing",
                "sklearn.cluster", "sklearn.svm", "sklearn.decomposition", "sklearn.feature_extraction.text"),
}  # fmt: skip
POLICY = Policy(
    "text",  # type: ignore[arg-type]
    [
        Step.of("character_typos", fraction=0.12, probability=0.7),
        Step.of("token_masking", fraction=0.1),
        Step.of("label_smoothing", smoothing=0.05),
    ],
    name="written by hand",
)


def sentences(library: str) -> list[str]:
    """Sentences of 6 to 24 words from the docstrings of a library, in lower case, without its own name."""
    found: dict[str, None] = {}
    for name in LIBRARIES[library]:
        module = importlib.import_module(name)
        for word in sorted(dir(module)):
            text = inspect.getdoc(getattr(module, word)) or "" if not word.startswith("_") else ""
            for part in re.split(r"(?<=[.:])\s+|\n\s*\n", text):
                plain = " ".join(re.sub(r"[^a-z ]+", " ", part.lower()).split())
                plain = re.sub(r"\b(numpy|np|torch|pytorch|scikit|sklearn|learn)\b ?", "", plain)
                if 6 <= len(plain.split()) <= 24:
                    found.setdefault(plain)
    return list(found)


def data(rows: int) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """(training rows, test rows), the libraries in equal parts; no sentence is in both."""
    draw = random.Random(0)
    parts = [sentences(library) for library in LIBRARIES]
    size = min(rows // len(parts), *map(len, parts))
    labelled = [{"text": text, "label": i} for i, part in enumerate(parts) for text in draw.sample(part, size)]
    draw.shuffle(labelled)
    return labelled[: len(labelled) * 3 // 4], labelled[len(labelled) * 3 // 4 :]


def misspelt(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows with two neighbouring letters swapped, twice, in each word of five letters or more."""
    draw = random.Random(1)

    def swapped(word: str) -> str:
        for _ in range(2 if len(word) > 4 else 0):
            at = draw.randrange(len(word) - 1)
            word = word[:at] + word[at + 1] + word[at] + word[at + 2 :]
        return word

    return [{**row, "text": " ".join(map(swapped, row["text"].split()))} for row in rows]


def made_tokenizer(texts: list[str]) -> transformers.PreTrainedTokenizerFast:
    """A WordPiece tokenizer of 2,000 pieces, trained on the training sentences."""
    special = {f"{word}_token": f"[{word.upper()}]" for word in ("pad", "unk", "cls", "sep", "mask")}
    inner = tokenizers.Tokenizer(tokenizers.models.WordPiece(**{"unk_token": special["unk_token"]}))
    inner.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    trainer = tokenizers.trainers.WordPieceTrainer(
        vocab_size=2000, special_tokens=list(special.values()), show_progress=False
    )
    inner.train_from_iterator(texts, trainer)
    return transformers.PreTrainedTokenizerFast(tokenizer_object=inner, model_max_length=48, **special)


def model_for(tokenizer: transformers.PreTrainedTokenizerFast) -> transformers.PreTrainedModel:
    config = transformers.BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=128,
        max_position_embeddings=48,
        num_labels=len(LIBRARIES),
        pad_token_id=tokenizer.pad_token_id,
    )
    return transformers.BertForSequenceClassification(config)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--policy", help="a policy file for text; by default one that stands in this file")
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--rows", type=int, default=2400, help="number of sentences, training and test together")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.set_num_threads(1)
    transformers.utils.logging.set_verbosity_error()
    train, test = data(options.rows)
    tokenizer = made_tokenizer([row["text"] for row in train])
    chosen = load_policy(options.policy) if options.policy else POLICY
    print(f"{len(train)} training sentences, {len(test)} test sentences\n{'':24s}   clean  misspelt")
    for name, policy in (("without", Policy("text")), (chosen.name, chosen)):  # type: ignore[arg-type]
        transformers.set_seed(options.seed)
        noise = NoisePolicy(policy, seed=options.seed)  # policy
        with tempfile.TemporaryDirectory() as folder:
            trainer = NoisyTrainer(  # policy: in place of Trainer, for noise on strings
                model=model_for(tokenizer),
                args=transformers.TrainingArguments(
                    output_dir=folder,
                    num_train_epochs=options.epochs,
                    per_device_train_batch_size=32,
                    per_device_eval_batch_size=100,
                    learning_rate=1e-3,
                    seed=options.seed,
                    report_to=[],
                    save_strategy="no",
                    logging_strategy="no",
                    disable_tqdm=True,
                    remove_unused_columns=False,  # the collator reads the text
                    use_cpu=True,
                ),
                train_dataset=train,
                processing_class=tokenizer,
                data_collator=noise.collator(tokenizer),  # policy
                callbacks=[noise],
                compute_metrics=lambda p: {"accuracy": float((np.argmax(p.predictions, 1) == p.label_ids).mean())},
            )
            trainer.remove_callback(transformers.PrinterCallback)
            trainer.train()
            scores = [trainer.evaluate(rows)["eval_accuracy"] for rows in (test, misspelt(test))]
        print(f"{name:24s}   {scores[0]:.3f}  {scores[1]:.3f}", flush=True)


if __name__ == "__main__":
    main()
