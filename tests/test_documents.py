"""Every snippet of Python in the documents and every example in a docstring is run here, imports included."""

from __future__ import annotations

import doctest
import importlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from sklearn.datasets import load_iris

import autonoise
from autonoise.technique.registry import _REGISTRY

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")])
WITH_EXAMPLES = sorted(f for f in (ROOT / "autonoise").rglob("*.py") if ">>>" in f.read_text())


def snippets(page: Path) -> list[str]:
    return re.findall(r"```python\n(.*?)```", page.read_text(), flags=re.S)


class Text(torch.nn.Module):
    """A small text model of 20 words."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding, self.conv = torch.nn.Embedding(20, 8), torch.nn.Conv1d(8, 8, 3, padding=1)
        self.head = torch.nn.Linear(8, 2)

    def forward(self, ids: torch.Tensor) -> Any:
        return self.head(self.conv(self.embedding(ids).transpose(1, 2)).relu().amax(2))


def tiny_bert() -> dict[str, Any]:
    """What a reader of the page on frameworks has at hand: a classifier, its tokenizer, encoded rows."""
    import tokenizers
    import transformers

    words = ["[PAD]", "[UNK]", "[MASK]", "a", "the", "red", "old", "cat", "dog"]
    inner = tokenizers.Tokenizer(tokenizers.models.WordLevel({w: i for i, w in enumerate(words)}, unk_token="[UNK]"))
    inner.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=inner, pad_token="[PAD]", unk_token="[UNK]", mask_token="[MASK]", model_max_length=16
    )
    config = transformers.BertConfig(
        vocab_size=9, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16
    )
    rows = [{**tokenizer(text), "labels": i % 2} for i, text in enumerate(["a red cat", "the old dog", "a cat"])]
    return {"classifier": transformers.BertForSequenceClassification(config), "tokenizer": tokenizer, "rows": rows}


def reader() -> dict[str, Any]:
    """What a reader of the documents has at hand: a model, a loader, an optimiser."""
    torch_rng = torch.Generator().manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 32), torch.nn.ReLU(), torch.nn.Linear(32, 10))
    batches = [
        (torch.rand(8, 1, 8, 8, generator=torch_rng), torch.randint(10, (8,), generator=torch_rng)) for _ in range(2)
    ]
    features, labels = load_iris(return_X_y=True)
    return {
        "autonoise": autonoise,
        "torch": torch,
        "model": model,
        "loader": batches,
        "epoch": 0,
        "optimizer": torch.optim.SGD(model.parameters(), lr=0.1),
        "x": batches[0][0],
        "y": batches[0][1],
        "X": features,
        "labels": labels,
        "text_model": Text(),
        "text_loader": [(torch.randint(3, 20, (8, 6), generator=torch_rng), torch.arange(8) % 2) for _ in range(2)],
        "vocabulary": 20,
        "train_and_score": lambda policy, learning_rate: -len(policy.steps) - learning_rate,
    }


@pytest.fixture(autouse=True)
def _registry_as_before() -> Iterator[None]:
    """Techniques that a page defines are unknown to other tests."""
    yield
    for name, kind in list(_REGISTRY.items()):
        if not kind.__module__.startswith("autonoise.techniques."):
            del _REGISTRY[name]


@pytest.mark.filterwarnings("ignore:.*(LeafSpec|pin_memory).*")
@pytest.mark.filterwarnings("ignore::UserWarning:lightning.*")
@pytest.mark.parametrize("page", [p for p in PAGES if snippets(p)], ids=lambda p: p.name)
def test_snippets_run(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "policy.yaml").write_text((ROOT / "examples" / "policy_image.yaml").read_text())
    names = reader() | (tiny_bert() if page.name == "frameworks.md" else {})
    for number, text in enumerate(snippets(page), start=1):
        code = text.replace('trials=40, timeout="20m"', "trials=2, epochs=1, seeds=3, progress=False")
        code = code.replace("model=build, seeds=5", "model=build, epochs=10, seeds=3, once=True, progress=False")
        try:
            exec(compile(code, f"{page.name}, snippet {number}", "exec"), names)
        except Exception as e:
            raise AssertionError(f"{page.name}, snippet {number}: {type(e).__name__}: {e}\n{code}") from e


@pytest.mark.parametrize("file", WITH_EXAMPLES, ids=lambda f: str(f.relative_to(ROOT)))
def test_examples_in_docstrings(file: Path) -> None:
    name = ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    found = doctest.testmod(importlib.import_module(name), optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    assert found.attempted > 0
    assert found.failed == 0
