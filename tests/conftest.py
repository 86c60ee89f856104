"""One thread: many small operations are faster so, and sums come out the same everywhere."""

import pytest
import torch

torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _seeded() -> None:
    """Torch's modules draw their first weights from the global stream; a test must not pass by luck."""
    torch.manual_seed(0)
