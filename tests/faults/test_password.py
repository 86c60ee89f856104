"""The password of a real PostgreSQL, of the worst letters: from where it may come, and that it is told to nobody."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import quote

import pytest
from optuna.storages import BaseStorage
from postgres import PASSWORD, Cluster

from autonoise.errors import StudyError
from autonoise.study.storage import open_storage

FORMS = (PASSWORD, quote(PASSWORD), quote(PASSWORD, safe=""), PASSWORD[:5])


@pytest.fixture(autouse=True)
def nothing_given(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AUTONOISE_STORAGE", "PGPASSWORD"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PGPASSFILE", str(tmp_path / "none"))


def opens(url: str) -> bool:
    storage: BaseStorage = open_storage(url)
    storage.get_all_studies()
    storage._backend.engine.dispose()  # type: ignore[attr-defined]
    return True


def test_a_password_of_any_letters_in_the_address(cluster: Cluster) -> None:
    assert opens(cluster.url)


def test_from_the_environment(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    assert opens(cluster.bare)
    monkeypatch.delenv("PGPASSWORD")
    monkeypatch.setenv("AUTONOISE_STORAGE", cluster.url)
    assert opens(cluster.bare)


def test_from_a_pgpass_file(cluster: Cluster, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "pgpass"
    file.write_text("*:*:*:autonoise:" + re.sub(r"([\\:])", r"\\\1", PASSWORD) + "\n")
    file.chmod(0o600)
    monkeypatch.setenv("PGPASSFILE", str(file))
    assert opens(cluster.bare)


def test_a_missing_and_a_wrong_one(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(StudyError, match=r"no password supplied.*give it by AUTONOISE_STORAGE"):
        open_storage(cluster.bare)
    with pytest.raises(StudyError, match="password authentication failed") as e:
        open_storage(cluster.url.replace("autonoise:", "autonoise:X"))
    assert not any(form in str(e.value) for form in FORMS) and "give it by" not in str(e.value)
