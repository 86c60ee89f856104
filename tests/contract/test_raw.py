"""Noise on strings, for every raw technique."""

from __future__ import annotations

import pytest

from autonoise.errors import AttachError
from autonoise.injector.raw import RawTransform
from autonoise.policy import Policy, Step
from autonoise.technique.registry import Technique, techniques_for
from autonoise.technique.schedule import Gate, Schedule
from autonoise.types import Stage

RAW = [t for t in techniques_for() if t.stage is Stage.RAW]
TEXTS = [
    "The quick brown fox jumps over the lazy dog, and then it rests. Nobody knows why!",
    "Une phrase où l'été dure; ça va? 你好世界 — نعم. It's 2024: #noise @home (really).",
    "word",
    " ",
    "",
    "a\nb\tc  d",
] + [f"Row {n} of a longer corpus, with some more words to change, reorder or lose entirely." for n in range(20)]
INDICES = range(len(TEXTS))
raw_techniques = pytest.mark.parametrize("kind", RAW, ids=lambda k: k.name)


def transform(kind: type[Technique], *, epochs: int = 4, seed: int = 0, **options: object) -> RawTransform:
    made = kind()
    policy = Policy("text", (Step(made, **options),))  # type: ignore[arg-type]
    return policy.raw_transform(epochs=epochs, seed=seed)


@raw_techniques
def test_zero_is_the_identity(kind: type[Technique]) -> None:
    quiet = Schedule("window", 0.9, 1.0)
    assert transform(kind, probability=0.0).many(TEXTS, INDICES) == TEXTS
    assert transform(kind, schedule=quiet).many(TEXTS, INDICES) == TEXTS
    scaled = Policy("text", (Step(kind()),), strength=0.0)
    assert scaled.raw_transform().many(TEXTS, INDICES) == TEXTS


@raw_techniques
def test_a_function_of_seed_epoch_and_index(kind: type[Technique]) -> None:
    first, second = transform(kind), transform(kind)
    out = first.many(TEXTS, INDICES)
    assert out != TEXTS
    # in another order, as other workers would
    assert [second(TEXTS[i], i) for i in reversed(INDICES)] == out[::-1]
    assert transform(kind, seed=1).many(TEXTS, INDICES) != out
    second.set_epoch(1)
    assert second.many(TEXTS, INDICES) != out
    second.set_epoch(0)
    assert second.many(TEXTS, INDICES) == out
    same_text = [first(TEXTS[0], i) for i in range(20)]
    assert len(set(same_text)) > 1


@raw_techniques
def test_strings_stay_strings_that_say_something(kind: type[Technique]) -> None:
    made = transform(kind)
    for epoch in range(4):
        made.set_epoch(epoch)
        for before, after in zip(TEXTS, made.many(TEXTS, INDICES), strict=True):
            assert isinstance(after, str)
            assert bool(after.strip()) == bool(before.strip())
            assert len(after) <= 3 * len(before) + 3
            after.encode("utf-8")


@raw_techniques
def test_probability_gate_and_schedule(kind: type[Technique]) -> None:
    texts = [TEXTS[0]] * 300
    always = sum(a != b for a, b in zip(texts, transform(kind).many(texts, range(300)), strict=True))
    half = sum(a != b for a, b in zip(texts, transform(kind, probability=0.5).many(texts, range(300)), strict=True))
    assert 0.35 * always < half < 0.65 * always
    gated = transform(kind, gate=Gate(2, "epoch"))
    gated.set_epoch(1)
    assert gated.many(TEXTS, INDICES) == TEXTS
    gated.set_epoch(2)
    assert gated.many(TEXTS, INDICES) != TEXTS


def test_what_is_no_string_is_refused() -> None:
    with pytest.raises(AttachError, match="before the tokenizer"):
        transform(RAW[0])([1, 2, 3], 0)  # type: ignore[arg-type]
