"""Every technique in a training whose matrix products are done in bfloat16: finite losses, weights that move."""

from __future__ import annotations

import pytest
import torch

from autonoise.technique.registry import Technique
from autonoise.testing.samples import tensor_batch
from autonoise.testing.training import Trainer, policy_for
from autonoise.types import DataType, Stage
from contract.samples import at_stages, named

IN_MODEL = at_stages(but=(Stage.RAW,))


@pytest.mark.parametrize(("kind", "data_type"), IN_MODEL, ids=named(IN_MODEL))
def test_a_step_in_bfloat16(kind: type[Technique], data_type: DataType) -> None:
    trainer = Trainer(policy_for(kind, data_type), tensor_batch)
    before = [p.detach().clone() for p in trainer.model.parameters()]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        trainer.run(2)
    after = list(trainer.model.parameters())
    assert all(torch.isfinite(p).all() and p.dtype == torch.float32 for p in after)
    assert any(not torch.equal(a, b) for a, b in zip(after, before, strict=True))
