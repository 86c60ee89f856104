"""What noise on strings promises: it acts before the tokenizer, inside of data loaders."""

from __future__ import annotations

from autonoise.injector.raw import RawTransform
from autonoise.policy import Policy, Step
from autonoise.technique.registry import Technique
from autonoise.technique.schedule import Gate, Schedule
from autonoise.testing.promises import Promise, hold
from autonoise.types import DataType

TEXTS = [
    "The quick brown fox jumps over the lazy dog, and then it rests. Nobody knows why!",
    "Une phrase où l'été dure; ça va? 你好世界 — نعم. It's 2024: #noise @home (really).",
    "word",
    " ",
    "",
    "a\nb\tc  d",
] + [f"Row {n} of a longer corpus, with some more words to change, reorder or lose entirely." for n in range(20)]
INDICES = range(len(TEXTS))


def transform(kind: type[Technique], *, epochs: int = 4, seed: int = 0, **options: object) -> RawTransform:
    """What a data loader calls, with the technique alone in the policy."""
    policy = Policy(DataType.TEXT, (Step(kind(), **options),))  # type: ignore[arg-type]
    return policy.raw_transform(epochs=epochs, seed=seed)


def nothing_happens_to_strings_at_zero(kind: type[Technique], data_type: DataType) -> None:
    """At strength 0 strings come back as they are."""
    quiet = Schedule("window", 0.9, 1.0)
    still = Policy(data_type, (Step(kind()),), strength=0.0).raw_transform()
    for made in (transform(kind, probability=0.0), transform(kind, schedule=quiet), still):
        hold(made.many(TEXTS, INDICES) == TEXTS, "strings are changed at strength 0")


def seed_epoch_and_index_decide(kind: type[Technique], data_type: DataType) -> None:
    """Noise depends on seed, epoch and index of a row alone, so that loader workers may take rows in any order."""
    first, second = transform(kind), transform(kind)
    out = first.many(TEXTS, INDICES)
    hold(out != TEXTS, "with its default parameters it changes none of 26 strings")
    backwards = [second(TEXTS[i], i) for i in reversed(INDICES)]
    hold(backwards == out[::-1], "the same rows in another order get other noise; draw from rng, and keep nothing")
    hold(transform(kind, seed=1).many(TEXTS, INDICES) != out, "another seed gives the same noise; draw from rng")
    second.set_epoch(1)
    hold(second.many(TEXTS, INDICES) != out, "another epoch gives the same noise; draw from rng")
    second.set_epoch(0)
    hold(second.many(TEXTS, INDICES) == out, "the same epoch gives other noise the second time")
    hold(len({first(TEXTS[0], i) for i in range(20)}) > 1, "all rows get the same noise; draw from rng")


def strings_stay_strings(kind: type[Technique], data_type: DataType) -> None:
    """Strings stay strings that can be encoded, are not emptied, and are at most three times as long."""
    made = transform(kind)
    for epoch in range(4):
        made.set_epoch(epoch)
        for before, after in zip(TEXTS, made.many(TEXTS, INDICES), strict=True):
            hold(isinstance(after, str), f"{before!r:.40} became a {type(after).__name__}")
            hold(bool(after.strip()) == bool(before.strip()), f"{before!r:.40} became {after!r:.40}")
            hold(len(after) <= 3 * len(before) + 3, f"{before!r:.40} became {len(after)} characters long")
            after.encode("utf-8")


def probability_and_gate_decide_who(kind: type[Technique], data_type: DataType) -> None:
    """Probability 1/2 changes about half as many strings, and a closed gate none."""
    texts, rows = [TEXTS[0]] * 300, range(300)
    always = sum(a != b for a, b in zip(texts, transform(kind).many(texts, rows), strict=True))
    half = sum(a != b for a, b in zip(texts, transform(kind, probability=0.5).many(texts, rows), strict=True))
    hold(0.35 * always < half < 0.65 * always, f"probability 1/2 changes {half} strings where 1 changes {always}")
    gated = transform(kind, gate=Gate(2, "epoch"))
    gated.set_epoch(1)
    hold(gated.many(TEXTS, INDICES) == TEXTS, "strings are changed in an epoch in which the gate is closed")
    gated.set_epoch(2)
    hold(gated.many(TEXTS, INDICES) != TEXTS, "no string is changed in an epoch in which the gate is open")


RAW_PROMISES: tuple[Promise, ...] = (
    nothing_happens_to_strings_at_zero,
    seed_epoch_and_index_decide,
    strings_stay_strings,
    probability_and_gate_decide_who,
)
