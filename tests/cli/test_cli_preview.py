"""``autonoise preview``: text and tables in the terminal, pictures in files, mistakes in a line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from autonoise import Policy, Step, load_policy, preview

N = 60
EVIL = "\x1b[2J[red]x[/red]"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    frame = pd.DataFrame({f"{EVIL} price": np.arange(N) * 0.5, "town": ["Rome", "Oslo", "Bonn"] * (N // 3)})
    frame.assign(label=["yes", "no"] * (N // 2)).to_csv(tmp_path / "shop.csv", index=False)
    Policy("tabular", [Step.of("swap_noise", fraction=0.5), Step.of("weight_noise", gate=4)], name=EVIL).save(
        tmp_path / "policy.yaml"
    )
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_table_in_the_terminal(command: Any, place: Path) -> None:
    done = command("preview", "policy.yaml", "shop.csv", "--rows", "2")
    assert (done.status, done.err) == (0, "")
    lines = done.out.splitlines()
    assert lines[0] == "\\x1b[2J[red]x[/red] on shop" and "\x1b" not in done.out
    heads = [i for i, line in enumerate(lines) if line.split() == ["column", "clean", "start", "middle", "end"]]
    assert len(heads) == 2
    block = lines[heads[0] + 1 : heads[0] + 4]
    assert block[0].split()[0] == "label" and block[0].split()[1] in ("yes", "no")
    assert any(town in block[2] for town in ("Rome", "Oslo", "Bonn")) and " *" in "".join(block[1:])
    assert "Not to be seen in the rows (strength at start → middle → end):" in done.out
    assert "weight_noise: " in done.out and "in every 4th update" in done.out
    again = command("preview", "policy.yaml", "shop.csv", "--rows", "2")
    other = command("preview", "policy.yaml", "shop.csv", "--rows", "2", "--seed", "1")
    assert again.out == done.out != other.out


def test_a_picture(command: Any, place: Path) -> None:
    done = command("preview", "policy.yaml", "shop.csv", "-o", "p.png", "--at", "0.5")
    assert (done.status, done.out.split()) == (0, ["picture", "p.png"])
    with Image.open("p.png") as image:
        assert image.width == 1200
    assert command("preview", "policy.yaml", "shop.csv", "-o", "again.png", "--at", "0.5").status == 0
    assert Path("p.png").read_bytes() == Path("again.png").read_bytes()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["policy.yaml", "lost.csv"], "lost.csv"),
        (["lost.yaml", "shop.csv"], "lost.yaml"),
        (["policy.yaml", "digits"], "is for tabular data, but digits is image"),
        (["policy.yaml", "shop.csv", "-o", "p.jpg"], "must end in .png"),
        (["policy.yaml", "shop.csv", "-o", "shop.csv/p.png"], "shop.csv is a file"),
        (["policy.yaml", "shop.csv", "--rows", "0"], "--rows must be"),
        (["policy.yaml", "shop.csv", "--at", "2"], "--at must be"),
        (["policy.yaml", "shop.csv", "--at", "start"], "--at must be"),
        (["policy.yaml", "shop.csv", "--target", "nothing"], "nothing"),
        (["policy.yaml", ""], "empty"),
    ],
)
def test_bad_input_is_told_in_a_line(command: Any, place: Path, arguments: list[str], words: str) -> None:
    done = command("preview", *arguments)
    assert (done.status, done.out) == (2, "")
    assert words in done.err and len(done.err.splitlines()) == 1
    assert sorted(p.name for p in place.iterdir()) == ["policy.yaml", "shop.csv"]


def test_data_in_memory_and_on_disk_are_shown_alike(place: Path) -> None:
    policy, frame = load_policy("policy.yaml", warn=False), pd.read_csv("shop.csv")
    own, read = preview(policy, frame, target="label", rows=2), preview("policy.yaml", "shop.csv", rows=2)
    assert own.examples.data == "data in memory" and read.examples.data == "shop"
    assert own.examples.rows == read.examples.rows
    assert own._repr_png_().startswith(b"\x89PNG") and "2 rows of data in memory (tabular)" in repr(own)
    arrays = preview(Policy("tabular", [Step.of("swap_noise")]), (frame.iloc[:, :1].to_numpy(), np.arange(N) % 2))
    assert len(arrays.examples.rows) == 3
