"""Where a framework is not installed, one line names the extra to install."""

from __future__ import annotations

import importlib
import sys

import pytest

from autonoise.errors import MissingExtraError


@pytest.mark.parametrize(
    ("ours", "package", "extra"),
    [
        ("sklearn", "sklearn.base", "sklearn"),
        ("skorch", "skorch", "skorch"),
        ("albumentations", "albumentations", "bench"),
        ("audiomentations", "audiomentations.core.transforms_interface", "bench"),
    ],
)
def test_a_missing_package_is_named_with_its_extra(
    ours: str, package: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.delitem(sys.modules, f"autonoise.integrations.{ours}", raising=False)
    with pytest.raises(MissingExtraError, match=rf"pip install .autonoise\[{extra}\]"):
        importlib.import_module(f"autonoise.integrations.{ours}")
