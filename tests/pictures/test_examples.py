"""Examples of what a policy does: which rows are shown, what becomes of labels and cells, what is said of each step."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from autonoise import Policy, Schedule, Step
from autonoise.data import Dataset
from autonoise.errors import DataError, PolicyError
from autonoise.pictures.audio import spectrogram
from autonoise.pictures.differences import Piece, difference, marked, words_of
from autonoise.pictures.examples import BATCH, examples, label_words
from autonoise.pictures.showing import lines
from autonoise.pictures.text import MOST, broken
from autonoise.pictures.timeseries import moved
from autonoise.pictures.words import label_line, point, shares, step_line, step_lines

N = 90
Y = np.arange(N) % 2
RNG = np.random.default_rng(0)


def data(kind: str, x: Any, **more: Any) -> Dataset:
    return Dataset("own", kind, x, Y, ("cat", "dog"), **more)  # type: ignore[arg-type]


IMAGES = data("image", RNG.integers(0, 256, (N, 6, 8, 3)).astype(np.uint8))
SERIES = data("timeseries", (5 + 3 * RNG.normal(size=(N, 4, 20))).astype(np.float32))
TABLE = data(
    "tabular",
    pd.DataFrame(
        {
            "age": np.where(np.arange(N) % 9 == 0, np.nan, 20.0 + np.arange(N) % 50),
            "size": np.round(RNG.normal(1, 0.5, N), 2),
            "town": pd.Series([["Rome", "Oslo", "Bonn"][i % 3] if i % 7 else None for i in range(N)], dtype=object),
        }
    ),
)  # fmt: skip
TEXTS = data("text", [f"a {w} story about number {i}" for i, w in enumerate(["dull", "fine", "sad"] * (N // 3))])


@pytest.mark.parametrize(
    ("target", "words"),
    [
        (torch.tensor(1), "b"),
        (torch.tensor([0.0, 1.0, 0.0, 0.0]), "b"),
        (torch.tensor([0.004, 0.996, 0.0, 0.0]), "b"),
        (torch.tensor([0.3, 0.7, 0.0, 0.0]), "b 70 % + a 30 %"),
        (torch.tensor([0.02, 0.94, 0.02, 0.02]), "b 94 %"),
        (torch.tensor([0.25, 0.69, 0.03, 0.03]), "b 69 % + a 25 %"),
        (torch.tensor([0.5, 0.5, 0.0, 0.0]), "a 50 % + b 50 %"),
    ],
)
def test_labels_in_words(target: torch.Tensor, words: str) -> None:
    assert label_words(target, ("a", "b", "c", "d")) == words


def test_rows_that_change_come_first_and_their_share_is_told() -> None:
    rare = Policy("image", [Step.of("cutout", probability=0.1)])
    few = examples(rare, IMAGES, rows=6, at=(0.5,))
    share = few.changed[0]
    assert 0 < share < 0.3
    changed = [r.changed[0] for r in few.rows]
    assert changed == sorted(changed, reverse=True) and 0 < sum(changed) < 6
    assert "Rows that are changed come first." in shares(few)
    for row in few.rows:
        assert (row.clean != row.noisy[0]).any() == row.changed[0]
        assert (row.clean == IMAGES.x[row.number]).all() and row.label == ("cat", "dog")[Y[row.number]]


def test_the_same_draw_at_each_point_but_where_nothing_else_differs() -> None:
    ramp, steady = (
        examples(Policy("image", [Step.of("gaussian_noise", std=0.2, schedule=s)]), IMAGES, rows=1)
        for s in ("ramp_up", "constant")
    )
    clean, noisy = ramp.rows[0].clean.astype(float), [n.astype(float) for n in ramp.rows[0].noisy]
    inside = (noisy[2] > 0) & (noisy[2] < 255)
    assert np.abs((noisy[1] - clean) - (noisy[2] - clean) / 2)[inside].max() <= 1
    assert (noisy[0] == clean).all() and ramp.changed[0] == 0
    start, middle, end = steady.rows[0].noisy
    assert (start != middle).any() and (middle != end).any()
    again = examples(Policy("image", [Step.of("gaussian_noise", std=0.2)]), IMAGES, rows=1)
    assert (again.rows[0].noisy[0] == start).all()


def test_mixed_labels_are_shown() -> None:
    mixed = examples(Policy("image", [Step.of("mixup"), Step.of("label_smoothing", smoothing=0.2)]), IMAGES, rows=8)
    assert all(any("%" in text for text in r.labels) for r in mixed.rows)
    late = examples(Policy("image", [Step.of("label_smoothing", smoothing=0.2, schedule="ramp_up")]), IMAGES, rows=1)
    row = late.rows[0]
    other = {"cat": "dog", "dog": "cat"}[row.label]
    assert row.labels == (row.label, f"{row.label} 95 % + {other} 5 %", f"{row.label} 90 % + {other} 10 %")
    assert row.changed == (False,) * 3 and not late.steps[0].seen
    assert label_line("cat", ("cat", "dog 60 %", "dog"), (0.0, 0.3, 1.0)) == "label: cat  →  30 % dog 60 %;  end dog"
    assert label_line("cat", ("dog", "dog"), (0.0, 1.0)) == "label: cat  →  dog"
    assert label_line("cat", ("cat", "cat"), (0.0, 1.0)) == "label: cat"


def test_series_and_sound_in_their_own_units() -> None:
    shown = examples(Policy("timeseries", [Step.of("spike_noise")]), SERIES, rows=2)
    for row in shown.rows:
        np.testing.assert_allclose(row.clean, SERIES.x[row.number], rtol=1e-5)  # type: ignore[call-overload]
    x = np.full((N, 500), np.nan, dtype=np.float32)
    x[:, :400] = 0.5 * np.sin(np.arange(400) / 3)
    x[::2, 300:] = np.nan
    sound = data("audio", x, sample_rate=8000)
    heard = examples(Policy("audio", [Step.of("gain", gain_db=3)]), sound, rows=3)
    for row in heard.rows:
        assert len(row.clean) == (300 if row.number % 2 == 0 else 400)  # without the padding
    assert heard.about.rate == 8000


def test_the_channels_that_move_most_are_drawn() -> None:
    clean = np.stack([np.sin(np.arange(30) / k) * 10**c for c, k in enumerate((2, 3, 4, 5))])
    noisy = clean.copy()
    # each is moved by a share of its own spread, which is about 0.7 * 10^c
    for channel, by in enumerate((0.5, 0.4, 3.0, 900.0)):
        noisy[channel] += by
    row = examples(Policy("timeseries", [Step.of("spike_noise")]), SERIES, rows=1).rows[0]
    assert moved(replace(row, clean=clean, noisy=(clean, noisy))) == [0, 1, 3]


def test_a_spectrogram_has_its_peak_at_the_tone() -> None:
    rate, tone = 8000, 1500
    power = spectrogram(np.sin(2 * np.pi * tone * np.arange(4000) / rate).astype(np.float32), rate)
    high, frames = power.shape
    assert high == 129 and frames == int(np.ceil((4000 - 256) / 64)) + 1
    assert int(power.mean(1).argmax()) == round(tone / (rate / 256))
    # Hann window of 256 samples: the amplitude of a bin is half the window's sum, 63.75
    assert power[:, frames // 2].max() == pytest.approx(20 * np.log10(63.75), abs=0.1)
    assert spectrogram(np.zeros(10, dtype=np.float32), rate).max() == pytest.approx(-120)


def test_cells_of_a_table() -> None:
    lost = examples(Policy("tabular", [Step.of("feature_masking", fraction=0.95)]), TABLE, rows=8, at=(1.0,))
    seen = set()
    for row in lost.rows:
        frame = TABLE.x
        assert isinstance(frame, pd.DataFrame)
        raw = frame.iloc[row.number]
        assert row.clean["town"] == (raw["town"] or "missing")
        assert row.clean["age"] == ("missing" if np.isnan(raw["age"]) else f"{raw['age']:.0f}")
        assert row.clean["size"] == f"{raw['size']:.2f}"
        seen |= {(k, v) for k, v in row.noisy[0].items() if v != row.clean[k]}
    assert ("town", "missing") in seen and ("age", "missing") in seen
    assert any(k == "size" and v.endswith("(the mean)") for k, v in seen)  # it has no flag that says missing
    swapped = examples(Policy("tabular", [Step.of("swap_noise", fraction=0.9)]), TABLE, rows=20, at=(1.0,))
    frame = TABLE.x
    assert isinstance(frame, pd.DataFrame)
    known = {"size": {f"{v:.2f}" for v in frame["size"]}, "age": {"missing", *(f"{v:.0f}" for v in frame["age"])}}
    for row in swapped.rows:  # what comes from another row reads as it does there
        assert all(row.noisy[0][name] in values for name, values in known.items())
    assert sum(r.noisy[0]["size"] != r.clean["size"] for r in swapped.rows) > 10
    mixed = examples(Policy("tabular", [Step.of("mixup", alpha=50.0)]), TABLE, rows=20, at=(1.0,))
    towns = [r.noisy[0]["town"] for r in mixed.rows]
    assert any(t.count("%") == 2 for t in towns)
    moved_ages = examples(Policy("tabular", [Step.of("gaussian_noise", std=0.1)]), TABLE, rows=3, at=(1.0,))
    for row in moved_ages.rows:
        if row.clean["age"] != "missing":
            now, digits = row.noisy[0]["age"], row.noisy[0]["age"].partition(".")[2]
            assert digits.isdigit() and float(now) != float(row.clean["age"])
            assert len(digits) == 1 or round(float(now), 1) == float(row.clean["age"])


def test_differences_by_hand() -> None:
    assert words_of("don't stop, Ünal!  x") == ["don", "'", "t", " ", "stop", ",", " ", "Ünal", "!", "  ", "x"]
    before, after = words_of("the good film ends"), words_of("the goood film ends well")
    assert difference(before, after, letters=True) == [
        Piece("the goo", "same"), Piece("o", "added"), Piece("d film ends", "same"), Piece(" well", "added"),
    ]  # fmt: skip
    assert marked(difference(before, after, letters=False)) == "the [-good-]{+goood+} film ends{+ well+}"
    other = difference(words_of("a b"), words_of("a xyz"), letters=True)
    assert other == [Piece("a ", "same"), Piece("b", "removed"), Piece("xyz", "added")]
    same = difference(before, before, letters=True)
    assert same == [Piece("the good film ends", "same")]
    rebuilt = "".join(p.text for p in difference(before, after, letters=True) if p.kind != "removed")
    assert rebuilt == "the goood film ends well"


def test_texts_are_broken_between_words() -> None:
    found = [Piece("one two", "same"), Piece("XY", "added"), Piece(" three", "same")]
    assert [[p.text for p in line] for line in broken(found, 8)] == [["one "], ["two", "XY", " "], ["three"]]
    assert ["".join(p.text for p in line) for line in broken([Piece("a" * 10, "same")], 4)] == ["aaaa", "aaaa", "aa"]
    assert len(broken([Piece("word " * 100, "same")], 10)) == MOST
    wide = broken([Piece("日本語", "same")], 4)
    assert [p.text for line in wide for p in line] == ["日本", "語"]


def test_texts_are_shown_as_strings_or_as_tokens() -> None:
    typos = examples(Policy("text", [Step.of("character_typos", fraction=0.3)]), TEXTS, rows=3, at=(1.0,))
    row = typos.rows[0]
    assert "".join(row.clean) == TEXTS.x[row.number] and "".join(row.noisy[0]) != TEXTS.x[row.number]
    assert not typos.about.tokens and any("{+" in line for line in lines(typos))
    masks = examples(Policy("text", [Step.of("token_masking", fraction=0.5)]), TEXTS, rows=3, at=(0.0, 1.0))
    assert masks.about.tokens and any("[MASK]" in "".join(r.noisy[0]) for r in masks.rows)
    assert all("".join(r.clean) == TEXTS.x[r.number] for r in masks.rows)
    # this tokenizer writes small letters: the model meets no other text
    casing = Policy("text", [Step.of("random_casing", fraction=0.9), Step.of("token_masking", probability=0.0)])
    assert examples(casing, TEXTS, rows=2).changed == (0.0, 0.0, 0.0)


def test_steps_in_words() -> None:
    policy = Policy(
        "image",
        [
            Step.of("gaussian_noise", std=0.25, probability=0.5, schedule="ramp_up", magnitude="uniform"),
            Step.of("dropout", p=0.3, schedule=Schedule("constant", 0.6, 1.0)),
            Step.of("weight_noise", gate=4, probability=0.5),
            Step.of("sam"),
        ],
    ).scaled(0.5)
    shown = examples(policy, IMAGES, rows=1)
    by_name = {s.name: s for s in shown.steps}
    assert [s.name for s in shown.steps if s.seen] == ["gaussian_noise"]
    assert by_name["gaussian_noise"].strengths == ("off", "25 %", "50 %")
    assert by_name["gaussian_noise"].acts == "on 50 % of the rows, each by a random share of it"
    assert by_name["dropout"].strengths == ("off", "off", "50 %")
    assert by_name["weight_noise"].acts == "on 50 % of the updates, in every 4th update"
    line = step_line(by_name["weight_noise"], shown.at)
    assert line.startswith("weight_noise: sigma ") and line.endswith("strength 50 % throughout")
    text = "\n".join(step_lines(shown))
    assert text.index("Seen in the rows") < text.index("gaussian_noise") < text.index("Not to be seen")
    assert text.index("Not to be seen") < text.index("sam") and "use the gradient at w + e" in text


def test_the_probability_of_steps_that_act_or_not() -> None:
    flips = Policy("image", [Step.of("horizontal_flip", probability=0.8, schedule="ramp_up")])
    (step,) = examples(flips, IMAGES, rows=1).steps
    if type(flips.steps[0].technique).multiplier == "probability":
        assert step.strengths == ("off", "acts with probability 0.4", "acts with probability 0.8")


def test_points_have_names() -> None:
    assert [point(t) for t in (0.0, 0.5, 1.0, 0.25)] == ["start", "middle", "end", "25 %"]


@pytest.mark.parametrize(
    ("rows", "at", "words"),
    [
        (0, (0.0,), "--rows"),
        (BATCH + 1, (0.0,), "--rows"),
        (1, (), "--at"),
        (1, (1.5,), "--at"),
        (1, (float("nan"),), "--at"),
        (1, (0.1,) * 6, "--at"),
    ],
)
def test_numbers_out_of_range_are_refused(rows: int, at: tuple[float, ...], words: str) -> None:
    with pytest.raises(DataError, match=words):
        examples(Policy("image", [Step.of("cutout")]), IMAGES, rows=rows, at=at)


def test_another_data_type_is_refused() -> None:
    with pytest.raises(PolicyError, match="is for text data, but own is image"):
        examples(Policy("text", [Step.of("word_swap")]), IMAGES)
