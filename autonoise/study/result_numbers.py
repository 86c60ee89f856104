"""Numbers of a result that may not be known."""

from __future__ import annotations

import math
from typing import Annotated, Any

from pydantic import BeforeValidator


def _nan_for_none(value: Any) -> Any:
    return math.nan if value is None else value


Number = Annotated[float, BeforeValidator(_nan_for_none)]
"""A float that is null in the file where it is not known."""
