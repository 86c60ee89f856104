"""Data at an address, by fsspec: what comes back, what is refused, what a message may show."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import fsspec
import numpy as np
import pytest
from PIL import Image

from autonoise.data import load
from autonoise.data.remote import shown
from autonoise.errors import DataError

TABLE = "a,b,label\n" + "".join(f"{i},{i % 7},{'xy'[i % 2]}\n" for i in range(60))


@pytest.fixture
def memory() -> Iterator[fsspec.AbstractFileSystem]:
    files = fsspec.filesystem("memory")
    yield files
    files.store.clear()
    files.pseudo_dirs[:] = [""]


def test_a_table_at_an_address_is_the_table(memory: fsspec.AbstractFileSystem, tmp_path: Path) -> None:
    memory.pipe("/bucket/shop.csv", TABLE.encode())
    (tmp_path / "shop.csv").write_text(TABLE)
    there, here = load("memory://bucket/shop.csv", target="label"), load(tmp_path / "shop.csv", target="label")
    assert (there.name, there.fingerprint) == ("shop", here.fingerprint)
    assert load(f"file://{tmp_path}/shop.csv", target="label").fingerprint == here.fingerprint


def test_a_folder_of_pictures(memory: fsspec.AbstractFileSystem, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for i in range(12):
            pixels = rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "photos" / name / f"{i}.png")
    memory.put(f"{tmp_path}/photos", "/photos", recursive=True)
    assert load("memory://photos").fingerprint == load(tmp_path / "photos").fingerprint


def test_what_cannot_be_had_is_one_line(memory: fsspec.AbstractFileSystem) -> None:
    memory.pipe("/big.csv", TABLE.encode())
    for address, told in {
        "memory://nothing.csv": "memory://nothing.csv: nothing is there",
        "nonsense://x.csv": "nonsense://x.csv: cannot be fetched .*rotocol",
        "memory://big.csv": "above the limit",
    }.items():
        with pytest.raises(DataError, match=told) as e:
            load(address, max_bytes=100)
        assert "\n" not in str(e.value)


def test_messages_show_no_key() -> None:
    assert shown("https://me:secret@host:8/a/b.csv?key=secret#secret") == "https://host:8/a/b.csv"
    assert shown("s3://bucket/b.csv") == "s3://bucket/b.csv"
