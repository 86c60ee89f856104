"""What raw noise refuses; its promises are those of ``autonoise.testing``."""

from __future__ import annotations

import pytest

from autonoise.errors import AttachError
from autonoise.policy import Policy, Step


def test_what_is_no_string_is_refused() -> None:
    transform = Policy("text", (Step.of("eda"),)).raw_transform()
    with pytest.raises(AttachError, match="before the tokenizer"):
        transform([1, 2, 3], 0)  # type: ignore[arg-type]
