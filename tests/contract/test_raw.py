"""What raw noise refuses; its promises are those of ``autonoise.testing``."""

from __future__ import annotations

from typing import Any

import pytest

from autonoise.errors import AttachError
from autonoise.injector.raw import MANY
from autonoise.policy import Policy, Step
from autonoise.technique.registry import get_technique, techniques_for
from autonoise.types import Stage


def test_what_is_no_string_is_refused() -> None:
    transform = Policy("text", (Step.of("eda"),)).raw_transform()
    with pytest.raises(AttachError, match="before the tokenizer"):
        transform([1, 2, 3], 0)  # type: ignore[arg-type]


RAW = [kind.name for kind in techniques_for("text") if kind.stage is Stage.RAW]
TEXTS = [
    "the quick brown fox jumps over a lazy dog",
    "",
    "  two  spaces\tand\na tab ",
    "one",
    " ",
    " ".join(f"w{i}" for i in range(100)),
    "a b",
    "c d e f",
    "Well, it is: yes!",
]


@pytest.mark.parametrize("name", RAW)
@pytest.mark.parametrize(
    ("step", "strength"), [({}, 1.0), ({"probability": 0.5, "magnitude": "uniform"}, 1.0), ({}, 0.4), ({}, 3.0)]
)
def test_many_strings_get_what_each_would_get_alone(name: str, step: dict[str, Any], strength: float) -> None:
    """At once, one by one and from one technique's own hand the numbers are the same, so resuming changes nothing."""
    policy = Policy("text", (Step.of(name, **step),), strength=strength)
    transform = policy.raw_transform(epochs=3, seed=5)
    texts, indices = TEXTS * 3, [7 * i - 20 for i in range(3 * len(TEXTS))]
    assert len(texts) > MANY
    together = transform.many(texts, indices)
    assert together == [transform(t, i) for t, i in zip(texts, indices, strict=True)]
    assert together != texts


def test_groups_and_views_of_many_strings_are_those_of_each_alone() -> None:
    steps = (Step.of("word_swap", one_of="g"), Step.of("eda", one_of="g", probability=0.6), Step.of("character_typos"))
    transform = Policy("text", (*steps, Step.of("two_view_consistency"))).raw_transform(seed=3)
    texts = TEXTS * 4
    alone = [transform.views([t], [i]) for i, t in enumerate(texts)]
    assert transform.views(texts, range(len(texts))) == [versions[k] for k in range(3) for versions in alone]


def test_many_strings_with_one_that_is_none_are_refused() -> None:
    transform = Policy("text", (Step.of("eda"),)).raw_transform()
    with pytest.raises(AttachError, match="before the tokenizer"):
        transform.many(["a b"] * 20 + [3], range(21))  # type: ignore[list-item]
    with pytest.raises(ValueError, match="zip"):
        transform.many(["a b"] * 20, range(21))


def test_a_string_that_would_be_left_empty_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(get_technique("eda"), "perturb_texts", lambda self, texts, **how: [""] * len(texts))
    assert Policy("text", (Step.of("eda"),)).raw_transform().many(TEXTS, range(len(TEXTS))) == TEXTS
