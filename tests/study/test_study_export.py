"""What an exported policy says of the model it was searched on."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from study_samples import config_of

from autonoise.policy import Policy, Step, load_policy
from autonoise.proxies import build_proxy
from autonoise.study.export import complete_policy
from autonoise.training.task import Task
from autonoise.types import DataType, InputSpec

SPEC = InputSpec(data_type=DataType.IMAGE, layout=(3, 16, 16), classes=4)


def task_of(proxy: str) -> Task:
    fold = SimpleNamespace(train=range(20))
    parts: dict[str, Any] = {
        "dataset": SimpleNamespace(fingerprint="abc"), "splits": SimpleNamespace(folds=[fold]),
        "recipe": SimpleNamespace(epochs=2), "spec": lambda: SPEC, "model": lambda seed: build_proxy(SPEC, name=proxy),
    }  # fmt: skip
    return cast(Task, SimpleNamespace(**parts))


def test_a_policy_knows_at_how_many_places_its_steps_acted_in_the_search(tmp_path: Path) -> None:
    steps = (Step.of("activation_noise"), Step.of("drop_block"), Step.of("drop_connect"), Step.of("gaussian_noise"))
    plain = Policy(DataType.IMAGE, steps)
    made = complete_policy(plain, task_of("resnet8"), config_of(tmp_path), {}, name="made")
    made.save(tmp_path / "policy.yaml")
    # ResNet-8: a norm after the stem, two in each of three blocks, and in shortcuts those that change the shape;
    # as many convolutions, and the classifier
    proxy = build_proxy(SPEC, name="resnet8")
    norms = sum("BatchNorm" in type(m).__name__ for m in proxy.modules())
    assert norms == 10
    found = {s.name: s.sites for s in load_policy(tmp_path / "policy.yaml").steps}
    assert found == {"activation_noise": norms, "drop_block": 5, "drop_connect": norms + 1, "gaussian_noise": 0}
    # the search itself is left as it was: its runs are found by this hash
    assert plain.hash != made.hash
    assert all(s.sites == 0 for s in plain.steps)
