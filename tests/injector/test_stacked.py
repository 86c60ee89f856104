"""Several batches as one keep the class of their mapping."""

from __future__ import annotations

from collections import UserDict
from typing import Any

import torch

from autonoise.batches.rows import stacked


def test_mappings_keep_their_class_and_what_has_no_rows() -> None:
    flag = torch.tensor(True)
    first, second = (UserDict({"x": torch.full((2, 3), float(i)), "flag": flag, "name": "a"}) for i in (1, 2))
    whole: Any = stacked([first, second], 2)  # type: ignore[list-item]
    assert type(whole) is UserDict
    assert whole["x"].tolist() == [[1.0] * 3] * 2 + [[2.0] * 3] * 2
    assert whole["flag"] is flag and whole["name"] == "a"
    assert first["x"].shape == (2, 3)
