"""What resuming a training needs: progress, seed, strength, the input as first met, auxiliary heads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from autonoise.errors import AttachError
from autonoise.injector.attached import Attached
from autonoise.injector.averages import Averages
from autonoise.injector.heads import Heads
from autonoise.injector.raw import RawTransform
from autonoise.types import InputSpec


def state_of(attached: Attached, heads: Heads, averages: Averages) -> dict[str, Any]:
    """Plain data and tensors, for ``torch.save`` beside the model's own state."""
    return {
        "policy": attached.policy.hash,
        "update": attached.clock.update,
        "seed": attached.clock.seed,
        "strength": attached.strength,
        "input": attached.spec.to_dict() if attached.checked else None,
        "pretrained": attached.pretrained,
        "heads": heads.state_dict(),
        "average": averages.saved(),
        "records": None if attached.records is None else attached.records.state_dict(),
    }


def restore(
    attached: Attached,
    heads: Heads,
    averages: Averages,
    transforms: Iterable[RawTransform],
    state: Mapping[str, Any],
) -> None:
    """Go on from there; ``transforms`` get the seed. Raises AttachError when the state is of another policy."""
    if state.get("policy") != attached.policy.hash:
        raise AttachError(
            f"the saved state belongs to policy {state.get('policy')}, not to {attached.policy.hash}: resume with the "
            f"policy file the run was started with"
        )
    attached.clock.update, attached.clock.micro = int(state["update"]), -1
    attached.clock.seed = int(state["seed"])
    for transform in transforms:
        transform.set_seed(attached.clock.seed)
    if state["input"] is not None:
        # as it was when training began: the first batch after resuming could look differently scaled
        attached.spec, attached.checked = InputSpec.from_dict(attached.policy.data_type, state["input"]), True
    # states of earlier versions do not say it; the training they belong to is under way
    attached.pretrained = bool(state.get("pretrained", True))
    attached.knob.value = float(state["strength"])
    heads.load_state_dict(state["heads"])
    averages.restore(state.get("average"))
    if attached.records is not None and state.get("records") is not None:
        attached.records.load_state_dict(state["records"])
