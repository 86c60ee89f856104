"""The pictures: nothing lies outside of the page, names from the data are drawn as they are written."""

from __future__ import annotations

import io
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.text import Text
from PIL import Image

from autonoise import Policy, Step
from autonoise.data import Dataset
from autonoise.pictures.examples import examples
from autonoise.pictures.glyphs import UNKNOWN, columns, families, width
from autonoise.pictures.page import fitted, wrapped, written
from autonoise.pictures.showing import figure as draw
from autonoise.pictures.showing import lines
from autonoise.pictures.values import Examples
from autonoise.pictures.words import alternative

N = 60
Y = np.arange(N) % 2
RNG = np.random.default_rng(0)
NASTY = "$x^2$ \\frac{ <b>\x1b[2J a name that is far too long for any column of any picture " + "ab" * 60
NAMES = (NASTY, "日本語 $")


def shown(kind: str, x: Any, *steps: Step, **more: Any) -> Examples:
    dataset = Dataset(NASTY, kind, x, Y, NAMES, **more)  # type: ignore[arg-type]
    policy = Policy(kind, list(steps), name=NASTY)  # type: ignore[arg-type]
    return examples(policy, dataset, rows=2, at=(0.0, 0.25, 1.0))


def table() -> pd.DataFrame:
    frame = pd.DataFrame({f"{NASTY}{i}": RNG.normal(size=N) for i in range(30)})
    return frame.assign(kind=pd.Series([NASTY, "b", "c"] * (N // 3), dtype=object))


MIXED = (Step.of("mixup"), Step.of("label_smoothing"), Step.of("dropout"))
MADE = {
    "image": lambda: shown("image", RNG.integers(0, 256, (N, 7, 20, 1)).astype(np.uint8), Step.of("cutout"), *MIXED),
    "audio": lambda: shown(
        "audio", RNG.uniform(-1, 1, (N, 2000)).astype(np.float32), Step.of("gain"), *MIXED, sample_rate=8000
    ),
    "timeseries": lambda: shown(
        "timeseries", 1e6 * RNG.normal(size=(N, 5, 30)).astype(np.float32), Step.of("time_warp"), *MIXED
    ),
    "tabular": lambda: shown("tabular", table(), Step.of("gaussian_noise"), Step.of("swap_noise"), *MIXED),
    "text": lambda: shown(
        "text",
        [f"{NASTY} word\tand\nline 日本 {'long ' * 150} {i}" for i in range(N)],
        Step.of("character_typos"),
        Step.of("embedding_noise"),
    ),
}


@pytest.mark.parametrize("kind", MADE)
def test_nothing_is_clipped_and_nothing_is_a_formula(kind: str) -> None:
    found = MADE[kind]()
    figure = draw(found)
    renderer = figure.canvas.get_renderer()  # type: ignore[attr-defined]
    figure.draw(renderer)
    page = figure.bbox
    texts = [t for t in figure.findobj(Text) if t.get_text().strip() and t.get_visible()]
    assert len(texts) > 15
    for text in texts:
        box = text.get_window_extent(renderer)
        assert box.x0 >= -0.5 and box.y0 >= -0.5, text.get_text()
        assert box.x1 <= page.width + 0.5 and box.y1 <= page.height + 0.5, text.get_text()
        assert "\x1b" not in text.get_text()
    own = [t for t in figure.texts if "$" in t.get_text()]
    assert own and not any(t.get_parse_math() for t in own)
    with Image.open(io.BytesIO(written(figure, "png", 60))) as image:
        size = image.size
    assert size == ((8 * 60), int(figure.get_figheight() * 60))
    assert "\x1b" not in alternative(found) and "\x1b" not in "\n".join(lines(found))


def test_without_a_frame_the_picture_alone() -> None:
    found = MADE["image"]()
    whole, bare = draw(found), draw(found, frame=False)
    assert bare.get_figheight() < whole.get_figheight()
    assert not any("Steps" in t.get_text() for t in bare.texts) and any("Steps" in t.get_text() for t in whole.texts)


def test_settings_of_matplotlib_stay_as_they_were() -> None:
    before = {k: v for k, v in mpl.rcParams.items() if k != "backend"}
    first = written(draw(MADE["timeseries"]()), "svg", 72)
    assert {k: v for k, v in mpl.rcParams.items() if k != "backend"} == before
    assert first.startswith(b"<?xml")


def test_lines_fit() -> None:
    for size in (7.0, 12.0):
        for text in (NASTY, "short", "W" * 80, "i" * 80):
            line = fitted(text, 2.0, size)
            assert width(line, size) <= 2.0
            assert line.endswith("…") or line == " ".join(text.replace("\x1b", "\\x1b").split())
    lines = wrapped("one two three four five six seven eight nine ten " * 4, 2.0, 8.5, "    ")
    assert len(lines) > 3 and all(width(x, 8.5) <= 2.0 for x in lines)
    assert all(x.startswith("    ") for x in lines[1:]) and "".join(lines).replace(" ", "").startswith("onetwothree")


def test_letters_without_a_font_are_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("autonoise.pictures.glyphs._others", lambda: ())
    assert families("aé日\tb") == (f"aé{UNKNOWN} b", ["DejaVu Sans"])
    assert families("ab", mono=True) == ("ab", ["DejaVu Sans Mono"])
    assert [columns(c) for c in "a日\u0301"] == [1, 2, 0]
