"""Data sets that need no download: three of scikit-learn's, and a generated one for each remaining type."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd

from autonoise.data import tabular
from autonoise.data.base import Raw, Request
from autonoise.errors import DataError
from autonoise.types import Array, DataType

_SEED = 1994
_RATE = 8000
"""Samples per second (Hz) of the built-in clips."""
CBF_CLASSES = ("cylinder", "bell", "funnel")


def digits() -> Raw:
    """1,797 handwritten digits, 8x8 grey, 10 classes."""
    from sklearn.datasets import load_digits

    images, y = load_digits(return_X_y=True)
    x = np.round(images.reshape(-1, 8, 8, 1) * (255 / 16)).astype(np.uint8)
    return Raw(DataType.IMAGE, x, y)


def breast_cancer() -> Raw:
    """569 tumours, 30 numeric columns, malignant or benign."""
    from sklearn.datasets import load_breast_cancer

    return _bunch(load_breast_cancer(as_frame=True))


def wine() -> Raw:
    """178 wines, 13 numeric columns, 3 growers."""
    from sklearn.datasets import load_wine

    return _bunch(load_wine(as_frame=True))


def _bunch(bunch: Mapping[str, object]) -> Raw:
    frame, y = bunch["data"], bunch["target"]
    assert isinstance(frame, pd.DataFrame) and isinstance(y, pd.Series)
    names = tuple(str(v) for v in np.asarray(bunch["target_names"]))
    return Raw(DataType.TABULAR, tabular.from_frame(frame, "built-in"), y.to_numpy(), class_names=names)


def cylinder_bell_funnel() -> Raw:
    """3,000 generated series of length 128, 3 shapes (Saito 1994)."""
    rng = np.random.default_rng(_SEED)
    y = np.arange(3000) % 3
    return Raw(DataType.TIMESERIES, cbf_series(y, rng)[:, None], y, class_names=CBF_CLASSES)


def cbf_series(y: Array, rng: np.random.Generator, length: int = 128) -> Array:
    """One series (N, length) float32 per label (0 cylinder, 1 bell, 2 funnel), t = 1..length.

    c = (6 + η) χ[a, b] + ε, bell c = (6 + η) χ[a, b] (t - a) / (b - a) + ε, funnel with (b - t) / (b - a);
    η, ε(t) ~ N(0, 1), a uniform on 16..32, b - a uniform on 32..96 (Saito 1994, for length 128).
    """
    n = len(y)
    t = np.arange(1, length + 1)[None]
    a = rng.integers(16, 33, size=(n, 1))
    width = rng.integers(32, 97, size=(n, 1))
    inside = (t >= a) & (t <= a + width)
    shape = np.select(
        [y[:, None] == 0, y[:, None] == 1], [np.ones((n, length)), (t - a) / width], (a + width - t) / width
    )
    series = (6 + rng.standard_normal((n, 1))) * inside * shape + rng.standard_normal((n, length))
    return series.astype(np.float32)


_TOPICS: dict[str, str] = {
    "sport": "match referee goal stadium coach league striker penalty tournament athlete",
    "food": "recipe oven soup flour spice dinner baker sauce kitchen pastry",
    "music": "melody violin concert choir rhythm album guitar orchestra singer piano",
    "travel": "airport passport hotel luggage ferry border ticket itinerary harbour tourist",
    "health": "doctor fever vaccine clinic pulse surgeon medicine allergy nurse symptom",
    "money": "bank loan invoice salary tax market pension budget mortgage dividend",
}
_FRAMES = (
    "what does the {a} have to do with the {b} {when}",
    "after the {x} nobody asked about the {a} or the {b} {when}",
    "unlike the {x} the {a} near the {b} was {how} {when}",
    "how {how} was the {a} when the {b} came up {when}",
    "my {who} told me {when} that the {a} matters more than the {x}",
    "a {how} {a} is worth more to my {who} than any {x} or {x2}",
    "why did my {who} forget the {a} and keep the {x} {when}",
    "{when} the {b} was {how} but the {a} was not",
)
_FILLERS: dict[str, str] = {
    "when": "yesterday|last week|this morning|in the end|every summer|on monday|before noon|again",
    "how": "strange|expensive|quiet|famous|terrible|splendid|ordinary|late|small|modern",
    "who": "brother|neighbour|teacher|colleague|cousin|friend|boss|aunt",
}


def toy_topics() -> Raw:
    """3,000 generated sentences, 6 topics; words of other topics are mixed in as distractors."""
    rng = np.random.default_rng(_SEED)
    names = tuple(sorted(_TOPICS))
    nouns = [_TOPICS[name].split() for name in names]
    fillers = {k: v.split("|") for k, v in _FILLERS.items()}
    texts: dict[str, int] = {}
    while len(texts) < 3000:
        topic = len(texts) % len(names)
        other = int(topic + rng.integers(1, len(names))) % len(names)
        a, b = rng.permutation(nouns[topic])[:2]
        x, x2 = rng.permutation(nouns[other])[:2]
        if rng.random() < 0.1:  # a sentence whose side remark is off topic
            b = x2
        words = {k: str(rng.choice(v)) for k, v in fillers.items()}
        texts.setdefault(str(rng.choice(_FRAMES)).format(a=a, b=b, x=x, x2=x2, **words), topic)
    return Raw(DataType.TEXT, list(texts), np.array(list(texts.values())), class_names=names)


# two formants in Hz at the start and the end of a word: four of the words are others played backwards
_WORDS: dict[str, tuple[tuple[float, float], tuple[float, float]]] = {
    "ai": ((750, 300), (1200, 2300)),
    "ia": ((300, 750), (2300, 1200)),
    "au": ((750, 320), (1200, 800)),
    "ua": ((320, 750), (800, 1200)),
    "ei": ((480, 300), (1900, 2300)),
    "oi": ((480, 300), (900, 2300)),
    "io": ((300, 480), (2300, 900)),
    "eu": ((480, 320), (1900, 800)),
}


def tone_words() -> Raw:
    """2,500 generated clips of 1 s at 8 kHz, 8 words made of two gliding formants."""
    rng = np.random.default_rng(_SEED)
    names = tuple(_WORDS)
    y = np.arange(2500) % len(names)
    x = np.stack([_speak(_WORDS[names[c]], rng) for c in y])
    return Raw(DataType.AUDIO, x, y, class_names=names, sample_rate=_RATE)


def _speak(word: tuple[tuple[float, float], tuple[float, float]], rng: np.random.Generator) -> Array:
    """One clip (8000,): gliding sines under a voice-like pulse, at a random place, pitch, tract and level."""
    n = int(rng.uniform(0.35, 0.75) * _RATE)
    glide = 1 / (1 + np.exp(-rng.uniform(6, 12) * (np.linspace(0, 1, n) - rng.uniform(0.35, 0.65))))
    tract = np.exp(rng.normal(0, 0.1))
    wave = np.zeros(n)
    for (start, end), level in zip(word, (1.0, rng.uniform(0.3, 0.7)), strict=True):
        phase = 2 * np.pi * np.cumsum((start + (end - start) * glide) * tract) / _RATE
        wave += level * np.sin(phase + rng.uniform(0, 2 * np.pi))
    pitch = rng.uniform(90, 220) * np.arange(n) / _RATE
    wave *= (0.6 + 0.4 * np.cos(2 * np.pi * pitch)) * np.hanning(n) ** 0.5
    clip = rng.normal(0, rng.uniform(0.002, 0.03), _RATE)
    at = int(rng.integers(0, _RATE - n + 1))
    clip[at : at + n] += rng.uniform(0.2, 0.6) * wave / np.abs(wave).max()
    return np.clip(clip, -1, 1).astype(np.float32)


_SETS: dict[str, Callable[[], Raw]] = {
    f.__name__: f for f in (digits, breast_cancer, wine, cylinder_bell_funnel, toy_topics, tone_words)
}


def builtin_names() -> dict[str, str]:
    """Name → one line on each built-in set."""
    return {name: (make.__doc__ or "").splitlines()[0] for name, make in _SETS.items()}


def read_builtin(name: str, request: Request) -> Raw:
    """Make a built-in set; it has no columns to choose from, so a request for one is a DataError."""
    request.refuse(name, "target", "clean_target", "group", "text_column")
    raw = _SETS[name]()
    if request.data_type not in (None, raw.data_type):
        raise DataError(f"{name}: this set is {raw.data_type} data, not {request.data_type}: leave data_type out")
    return raw
