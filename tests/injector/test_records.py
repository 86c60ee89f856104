"""Records of samples lie where the predictions are."""

from __future__ import annotations

import torch

from autonoise.injector.records import Records
from autonoise.policy import Step


def test_records_move_to_the_predictions_before_they_are_written() -> None:
    """A GPU is stood in for by torch's device without memory, which refuses tensors of two devices, too."""
    elr, records = Step.of("elr").technique, Records(3)
    records.begin(torch.tensor([4, 0]), 2, "elr")
    assert records.state_dict()["table"].device.type == "cpu"
    records.keep(elr, torch.zeros(2, 3, device="meta"))  # type: ignore[arg-type]
    assert records.state_dict()["table"].device.type == "meta"
