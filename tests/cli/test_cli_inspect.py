"""``autonoise inspect``: what is shown of each data type before anything is trained, names that do harm included."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from autonoise.data import cells, columns

N = 60
Y = np.arange(N) % 2


@pytest.fixture
def table(tmp_path: Path) -> Path:
    frame = pd.DataFrame({
        "price": [f"{1000 + 7 * i:,}" if i else "n.a." for i in range(N)], "customer_id": np.arange(N) * 3 + 1,
        "colour": ["red", "blue", "green"] * (N // 3), "patient": np.arange(N) // 5,
        "sold": [f"2020-01-{1 + i % 28:02}" for i in range(N)], "label": [*("yes", "no") * (N // 2 - 1), "no", "maybe"],
    })  # fmt: skip
    frame.to_csv(tmp_path / "shop.csv")
    return tmp_path / "shop.csv"


def test_a_table(command: Any, table: Path) -> None:
    done = command("inspect", table)
    assert (done.status, done.err) == (0, "")
    lines = done.out.splitlines()
    assert lines[0] == "shop · tabular · 59 rows (no split of its own) · 12 groups"
    assert lines[1] == "classes  2: no (30), yes (29)"
    assert lines[2:5] == ["numbers  2 columns: price, sold", "categories  1 column: colour (3)", "missing  1 cell"]
    notes = [line for line in lines if line.startswith("note  ")]
    for words in (
        ("'Unnamed: 0'", "left out", "index"),
        ("'customer_id'", "left out"),
        ("'price'", "thousands"),
        ("'sold'", "days"),
        ("'patient'", "--group none"),
        ("1 class ", "'maybe'"),
    ):
        assert sum(all(w in note for w in words) for note in notes) == 1, words
    assert len(notes) == 6
    assert lines[-1].startswith("parts  train ")


def test_a_table_as_json_with_the_options_of_a_search(command: Any, table: Path) -> None:
    told = json.loads(command("inspect", table, "--json", "--group", "none", "--target", "colour").out)
    assert told["classes"] == {"blue": 20, "green": 20, "red": 20}
    assert (told["name"], told["data_type"], told["rows"], told["groups"]) == ("shop", "tabular", N, None)
    assert told["form"]["numeric"] == ["price", "patient", "sold"]
    assert told["form"]["categorical"] == {"label": 3}
    assert sum(told["parts"][p] for p in ("train", "search", "confirm", "test")) == N
    assert told["left_out"] is None
    assert len(told["notes"]) == 4


def test_texts(command: Any, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice(["alpha", "beta", "gamma", "delta"], 8)) + f" {i}" for i in range(N)]
    frame = pd.DataFrame({"id": range(N), "title": texts, "text": [f"{t} once more" for t in texts], "label": Y})
    frame.to_csv(tmp_path / "t.csv", index=False)
    refused = command("inspect", tmp_path / "t.csv")
    assert refused.status == 2
    assert "--text-column" in refused.err and len(refused.err.splitlines()) == 1
    done = command("inspect", tmp_path / "t.csv", "--text-column", "text")
    assert "t · text · 60 rows" in done.out and "texts  11 words (median), 11 at most" in done.out
    assert "'text' is read as text, 'id', 'title' left out" in done.out


def test_series_pictures_and_sound(command: Any, tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(N, 2, 30)).astype(np.float32)
    x[3, :, 20:] = np.nan
    split = {"X_train": x[:40], "y_train": Y[:40], "X_test": x[40:], "y_test": Y[40:]}
    np.savez(tmp_path / "s.npz", **split)
    out = command("inspect", tmp_path / "s.npz", "--data-type", "timeseries").out
    assert "s · timeseries · 60 rows (40 train, 20 test)" in out and "series  2 channels, 20 to 30 steps" in out
    clips = np.random.default_rng(1).integers(-9000, 9000, (N, 4000)).astype(np.int16)
    np.savez(tmp_path / "a.npz", X=clips, y=Y, sample_rate=8000)
    out = command("inspect", tmp_path / "a.npz").out
    assert "a · audio · 60 rows" in out and "clips  0.5 s at 8000 Hz" in out
    for i in range(24):
        folder = tmp_path / "pictures" / "ab"[i % 2]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((6, 8, 3), 9 * i, dtype=np.uint8)).save(folder / f"{i}.png")
    out = command("inspect", tmp_path / "pictures").out
    assert "pictures · image · 24 rows" in out and "6x8 pixels" in out and "classes  2: a (12), b (12)" in out


def test_names_cannot_steer_the_terminal(command: Any, tmp_path: Path) -> None:
    evil = "\x1b[2J[red]x[/red]\x07\u202e"
    frame = pd.DataFrame({evil: np.arange(N) * 0.5, "when\x1b[31m": "2020-01-01", "label": [evil, "b"] * (N // 2)})
    path = tmp_path / "\x1b[1mdata.csv"
    frame.to_csv(path, index=False)
    done = command("inspect", path)
    assert done.status == 0
    for said in (done.out, done.err, command("inspect", path, "--target", evil + "?").err):
        assert not {"\x1b", "\x07", "\u202e"} & set(said)
    assert "\\x1b[2J[red]x[/red]\\x07\\u202e (30)" in done.out
    assert "\\x1b[1mdata" in done.out


def test_what_is_shown_is_not_logged_as_well(command: Any, table: Path, caplog: pytest.LogCaptureFixture) -> None:
    command("inspect", table)
    assert not [r for r in caplog.records if r.name == "autonoise.data"]


def test_the_docs_tell_the_numbers_of_the_code() -> None:
    text = (Path(__file__).parents[2] / "docs" / "data.md").read_text()
    assert f"{100 * cells.NEARLY_ALL:.0f} % of the filled training cells" in text
    assert {6: "six"}[columns.SENTENCE_WORDS] + " words or more" in text
