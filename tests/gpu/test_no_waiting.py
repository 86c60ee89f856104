"""``perturb`` and the rest of a training step never wait for the GPU."""

from __future__ import annotations

import pytest
import torch
from contract.samples import at_stages, named

from autonoise.technique.registry import Technique
from autonoise.testing.samples import SIZE, tensor_batch
from autonoise.testing.training import Trainer, policy_for
from autonoise.types import DataType, Stage
from gpu.device import DEVICE, marks, report, watching

pytestmark = marks
IN_MODEL = at_stages(but=(Stage.RAW,))
KNOWN = {
    # a phase before training
    ("mlm_pretraining", "*"),
}


@pytest.mark.parametrize("probability", [1.0, 0.5])
@pytest.mark.parametrize(("kind", "data_type"), IN_MODEL, ids=named(IN_MODEL))
def test_no_technique_waits_for_the_device(kind: type[Technique], data_type: DataType, probability: float) -> None:
    made = Trainer(policy_for(kind, data_type, probability=probability), tensor_batch, device=DEVICE)
    injector, model = made.injector, made.model
    made.run(2)
    # the first batches are looked at more closely, which takes waiting
    injector.clock.update = 100
    x, y, rows = made.batch(7), made.targets(7), torch.arange(SIZE)
    simple = not injector.policy.needs_whole_step
    waits: dict[str, list[str]] = {"perturb": [], "loss and step": [], "training_step": []}
    for turn in range(2):  # what is kept from batch to batch is made in the first turn
        found = {k: [] for k in waits} if turn == 0 else waits
        if simple:
            with watching(found["perturb"]):
                noisy, targets = injector.perturb(x, y, rows=rows)
            with watching(found["loss and step"]):
                made.optimizer.zero_grad()
                injector.loss(model(noisy), targets).backward()
                made.optimizer.step()
                injector.step()
        with watching(found["training_step"]):
            injector.training_step(x, y, made.optimizer, rows=rows)
    about = f"{kind.name} ({data_type}, probability {probability})"
    for part, places in waits.items():
        report(f"{about} {part}", places)
    if {(kind.name, "*"), (kind.name, str(data_type))} & KNOWN:
        return
    assert not any(waits.values()), waits
