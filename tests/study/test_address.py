"""Passwords of databases stand nowhere: not in messages, not in files, whatever they are made of."""

from __future__ import annotations

import sys
from pathlib import Path
from urllib.parse import quote

import pytest
from study_samples import config_of

from autonoise.calling import config_of as settings_of
from autonoise.errors import StudyError
from autonoise.study.address import hidden, masked, told_by_environment, with_password, without_password
from autonoise.study.config import StudyConfig
from autonoise.study.storage import open_storage

PASSWORD = "p@s:s/w?o#r%d &{x}"
CODED = quote(PASSWORD, safe="")
URL = f"postgresql+psycopg://me:{CODED}@db.org:5432/trials"
BARE = "postgresql+psycopg://me@db.org:5432/trials"


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        (URL, "postgresql+psycopg://me:***@db.org:5432/trials"),
        (f"--storage={URL}", "--storage=postgresql+psycopg://me:***@db.org:5432/trials"),
        ("mysql://me:a@b:c/d@db.org/x", "mysql://me:***@db.org/x"),
        ("postgresql://db.org/x?user=me&password=geheim&sslmode=on", "postgresql://db.org/x?user=me&password=***&sslmode=on"),
        ("postgresql://db.org/x?PassWord=geheim", "postgresql://db.org/x?PassWord=***"),
        ("postgresql://:geheim@db.org/x", "postgresql://:***@db.org/x"),
        (BARE, BARE),
        ("sqlite:////home/me@work:x/study.db", "sqlite:////home/me@work:x/study.db"),
        ("postgresql://me@db.org:5432/x?options=a@b", "postgresql://me@db.org:5432/x?options=a@b"),
        ("--out=runs/a@b", "--out=runs/a@b"),
    ],
)  # fmt: skip
def test_what_is_shown_of_an_address(given: str, shown: str) -> None:
    assert masked(given) == shown


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (URL, BARE),
        (BARE, BARE),
        ("postgresql://me@db.org/x?password=geheim&sslmode=require", "postgresql://me@db.org/x?sslmode=require"),
        ("sqlite:///a b@c:d.db", "sqlite:///a b@c:d.db"),
        ("postgresql://me:geheim@db.org:port/x", "postgresql://me:***@db.org:port/x"),
    ],
)
def test_what_is_written_of_an_address(given: str, kept: str) -> None:
    assert without_password(given) == kept


@pytest.mark.parametrize("form", [PASSWORD, CODED, quote(PASSWORD)], ids=["plain", "coded", "half coded"])
def test_messages_of_others_lose_the_password_in_every_form(form: str) -> None:
    assert hidden(f"cannot connect with {form!s} to db", URL) == "cannot connect with *** to db"
    assert hidden(f"bad {URL}", URL) == "bad postgresql+psycopg://me:***@db.org:5432/trials"


def test_a_study_file_holds_no_password_and_is_its_owners_alone(tmp_path: Path) -> None:
    config = config_of(tmp_path, storage=URL)
    config.save(tmp_path / "study.yaml")
    text = (tmp_path / "study.yaml").read_text()
    assert BARE in text and CODED not in text and PASSWORD not in text
    assert (tmp_path / "study.yaml").stat().st_mode & 0o777 == 0o600
    assert StudyConfig.load(tmp_path / "study.yaml").storage == BARE
    assert CODED not in repr(config)
    config_of(tmp_path).save(tmp_path / "other.yaml")
    assert (tmp_path / "other.yaml").stat().st_mode & 0o777 == 0o644


def test_the_address_of_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTONOISE_STORAGE", URL)
    assert settings_of("wine", {"out": str(tmp_path / "a")}).storage == URL
    assert settings_of("wine", {"out": str(tmp_path / "a"), "storage": "sqlite:///x.db"}).storage == "sqlite:///x.db"
    assert with_password(BARE) == URL
    for other in (
        "postgresql+psycopg://you@db.org:5432/trials",
        "postgresql+psycopg://me@db.org:5432/others",
        "sqlite://",
    ):
        assert with_password(other) == other  # the password goes to no other database, and no other user's
    assert with_password(BARE.replace("me@", "me:mine@")) == BARE.replace("me@", "me:mine@")
    # a study that is there keeps its own place
    config_of(tmp_path / "b").save(tmp_path / "b" / "study.yaml")
    assert settings_of(str(tmp_path / "b"), {}).storage is None
    assert told_by_environment(URL) and told_by_environment(None) and told_by_environment(BARE)
    monkeypatch.delenv("AUTONOISE_STORAGE")
    assert not told_by_environment(URL) and with_password(BARE) == BARE


def test_an_at_sign_in_a_password_is_refused_with_its_remedy() -> None:
    with pytest.raises(
        StudyError, match=r"postgresql://me:\*\*\*@nowhere/db: an @ in the password must be written as %40"
    ):
        open_storage("postgresql://me:top@secret@nowhere/db")


def test_an_address_that_cannot_be_read_is_refused_without_its_password() -> None:
    with pytest.raises(StudyError, match="cannot be opened") as e:
        open_storage("postgresql+psycopg://me:geheim{0}@nowhere:geheim/db?password=geheim2")
    assert "geheim2" not in str(e.value) and "geheim{0}" not in str(e.value)


def test_the_command_to_start_again_is_told_without_the_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from autonoise.cli.output import make_console
    from autonoise.cli.searching import _say_how_to_continue

    monkeypatch.setattr(sys, "argv", ["autonoise", "search", "wine", "--storage", URL, f"--storage={URL}"])
    _say_how_to_continue(make_console(), config_of(tmp_path, storage=URL))
    told = capsys.readouterr().out
    assert CODED not in told and told.count("***") == 2
    assert "its password is not kept: give it by AUTONOISE_STORAGE" in told
