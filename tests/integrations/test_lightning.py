"""The Lightning callback: the same training as by hand, clean evaluation, the length of training."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset

from autonoise.errors import AttachError
from autonoise.integrations.lightning import NoisePolicy
from autonoise.technique.schedule import Gate
from tests.integrations.lightning_samples import (
    POLICY,
    QUIET,
    L,
    Module,
    X,
    Y,
    by_hand,
    close,
    loader,
    policy_of,
    trainer,
    untouched,
)

pytestmark = QUIET

# -- training ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("options", "reference"), [
    ({}, {}),
    ({"accumulate_grad_batches": 2}, {"micro": 2}),
    ({"gradient_clip_val": 0.05}, {"max_norm": 0.05}),
    ({"accumulate_grad_batches": 2, "gradient_clip_val": 0.05}, {"micro": 2, "max_norm": 0.05}),
], ids=str)  # fmt: skip
def test_it_trains_as_a_loop_by_hand_does(options: Any, reference: Any) -> None:
    module, callback = Module(), NoisePolicy(POLICY, seed=5)
    trainer(callback, **options).fit(module, loader())
    assert close(module, by_hand(POLICY, seed=5, **reference))
    assert not close(module, by_hand(policy_of(), **reference))
    assert untouched(module) and callback.injector is None


@pytest.mark.parametrize("accumulate", [1, 2])
@pytest.mark.parametrize("consistency", ["two_view_consistency", "r_drop"])
def test_a_policy_that_compares_versions_of_the_rows(consistency: str, accumulate: int) -> None:
    class Metrics(Module):
        def loss_of(self, x: Tensor, y: Tensor) -> Tensor:
            logits = self(x)
            assert len(logits) == len(y) and (logits.argmax(1) == y).sum() >= 0
            assert torch.equal(y, torch.cat([y[:4]] * (len(y) // 4)))
            return torch.nn.functional.cross_entropy(logits, y, reduction="sum") / 4

    policy = policy_of("gaussian_noise", "activation_noise", "label_smoothing", consistency)
    module = Metrics()
    trainer(NoisePolicy(policy), accumulate_grad_batches=accumulate).fit(module, loader())
    assert all(len(x) == {"two_view_consistency": 12, "r_drop": 8}[consistency] for x in module.trained)
    assert close(module, by_hand(policy, micro=accumulate))


def test_a_policy_that_averages_weights(caplog: pytest.LogCaptureFixture) -> None:
    policy = policy_of("gaussian_noise", ("weight_average", {"horizon": 0.3}))
    module, callback = Module(), NoisePolicy(policy)
    assert callback.averaged_state_dict is None
    trainer(callback, max_steps=7, max_epochs=-1).fit(module, loader())
    assert caplog.text.count("their average is the callback's averaged_state_dict") == 1
    average = callback.averaged_state_dict
    assert average is not None
    assert not close(module, with_state(average))
    trainer(callback).fit(module := Module(), loader())
    reference = by_hand(policy)
    assert close(module, reference)
    assert callback.averaged_state_dict is not None
    inner = {k.removeprefix("net."): v for k, v in callback.averaged_state_dict.items()}
    assert inner.keys() == reference.averaged.keys()
    assert all(torch.allclose(v, reference.averaged[k], atol=1e-6) for k, v in inner.items())


def with_state(state: dict[str, Tensor]) -> Module:
    module = Module()
    module.load_state_dict(state)
    return module


def test_noise_acts_in_training_and_nowhere_else() -> None:
    module = Module()
    keys = list(module.state_dict())
    seen: list[list[str]] = []

    class Look(L.Callback):  # type: ignore[misc, name-defined]
        def on_train_batch_end(self, trainer: Any, module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
            seen.append(list(module.state_dict()))
            assert torch.equal(batch[0], X[4 * batch_idx : 4 * batch_idx + 4])  # others get the clean batch

    policy = policy_of("gaussian_noise", "mixup", "activation_noise", "weight_noise")
    tool = trainer(NoisePolicy(policy), Look(), val_check_interval=2, limit_val_batches=1)
    tool.fit(module, loader(), loader())
    assert all(not torch.equal(x, X[i % 5 * 4 : i % 5 * 4 + 4]) for i, x in enumerate(module.trained))
    assert all(y.dtype == torch.long for y in module.labels)  # its own metrics go on working
    assert module.evaluated and all(torch.equal(x, X[:4]) for x in module.evaluated)
    assert seen and all(k == keys for k in seen)
    predicted = tool.predict(module, loader())
    with torch.no_grad():
        assert torch.equal(torch.cat(predicted), module.eval()(X))
    assert torch.equal(X, torch.randn(20, 5, generator=torch.Generator().manual_seed(0)))


def test_validation_within_training_is_clean() -> None:
    class Inner(Module):
        def validation_step(self, batch: Any, batch_idx: int) -> None:
            assert not self.training
            assert torch.equal(self(batch[0]), self.net(batch[0]))
            expected = batch[0]
            for layer in self.net:
                expected = layer.forward(expected)  # past all hooks
            assert torch.equal(self(batch[0]), expected)
            self.evaluated.append(expected)

    module = Inner()
    trainer(NoisePolicy(policy_of("activation_noise", "weight_noise"))).fit(module, loader(), loader())
    assert len(module.evaluated) > 10


def test_bfloat16(caplog: pytest.LogCaptureFixture) -> None:
    module = Module()
    trainer(NoisePolicy(POLICY), precision="bf16-mixed").fit(module, loader())
    assert all(p.dtype == torch.float32 and bool(torch.isfinite(p).all()) for p in module.parameters())
    reference = by_hand(POLICY)
    assert not close(module, reference)
    assert all(torch.allclose(v, reference.state_dict()[k], atol=0.02) for k, v in module.state_dict().items())


def test_an_optimiser_that_asks_several_times_gets_the_same_noise() -> None:
    module = Module(optimizer=torch.optim.LBFGS, lr=0.1, max_iter=3)
    trainer(NoisePolicy(policy_of("gaussian_noise", "mixup")), max_epochs=1).fit(module, loader())
    assert len(module.trained) > 10
    batches = [x for i, x in enumerate(module.trained) if i == 0 or not torch.equal(x, module.trained[i - 1])]
    assert len(batches) == 5


def test_the_other_package_of_lightning() -> None:
    other = pytest.importorskip("pytorch_lightning")

    class Old(other.LightningModule):  # type: ignore[misc, name-defined]
        __init__, forward, loss_of = Module.__init__, Module.forward, Module.loss_of
        training_step, configure_optimizers = Module.training_step, Module.configure_optimizers

    Old.__init__ = lambda self: _filled(self, other)  # type: ignore[method-assign]
    module = Old()
    trainer(NoisePolicy(POLICY), library=other).fit(module, loader())
    assert close(module, by_hand(POLICY))


def _filled(self: Any, library: Any) -> None:
    library.LightningModule.__init__(self)
    made = Module()
    self.net, self.optimizer, self.options, self.trained, self.labels = made.net, torch.optim.SGD, {"lr": 0.1}, [], []


@pytest.mark.parametrize("kind", ["list", "named", "mapping", "own"])
def test_forms_of_a_batch(kind: str) -> None:
    from typing import NamedTuple

    class Pair(NamedTuple):
        x: Tensor
        y: Tensor

    class Other(Module):
        def training_step(self, batch: Any, batch_idx: int) -> Tensor:
            if kind == "mapping":
                assert set(batch) == {"x", "label", "name"} and batch["name"] == ["a"] * 4
                return super().training_step((batch["x"], batch["label"]), batch_idx)  # type: ignore[no-any-return]
            if kind == "own":
                assert batch[0].tolist() == list(range(len(batch[0])))
                return super().training_step(batch[1:], batch_idx)  # type: ignore[no-any-return]
            assert type(batch) is (Pair if kind == "named" else list)
            return super().training_step(batch, batch_idx)  # type: ignore[no-any-return]

    def collate(rows: Any) -> Any:
        x, y = (torch.stack(part) for part in zip(*rows, strict=True))
        return {
            "list": [x, y],
            "named": Pair(x, y),
            "mapping": {"x": x, "label": y, "name": ["a"] * len(x)},
            "own": (torch.arange(len(x)), x, y),
        }[kind]

    own = {"unpack": lambda b: (b[1], b[2]), "pack": lambda b, x, y: (b[0], x, y)} if kind == "own" else {}
    module = Other()
    data = DataLoader(TensorDataset(X, Y), batch_size=4, collate_fn=collate)
    trainer(NoisePolicy(POLICY, **own)).fit(module, data)
    assert close(module, by_hand(POLICY))


# -- the length of training --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("options", "epochs", "steps", "total"), [
    ({}, 2, 5, 10),
    ({"max_steps": 7, "max_epochs": -1}, 2, 5, 7),
    ({"max_steps": 4, "max_epochs": 3}, 1, 5, 4),
    ({"accumulate_grad_batches": 2, "max_epochs": 3}, 3, 3, 9),
    ({"limit_train_batches": 3}, 2, 3, 6),
], ids=str)  # fmt: skip
def test_schedules_end_where_training_ends(options: Any, epochs: int, steps: int, total: int) -> None:
    callback = NoisePolicy(POLICY)
    progress: list[float] = []

    class Look(L.Callback):  # type: ignore[misc, name-defined]
        def on_train_batch_start(self, *_: Any) -> None:
            clock = callback.injector.clock  # type: ignore[union-attr]
            progress.append(clock.progress)
            assert (clock.epochs, clock.steps_per_epoch, clock.planned) == (epochs, steps, total)

    trainer(callback, Look(), **options).fit(Module(), loader())
    assert progress[0] == 0 and progress[-1] == 1
    assert len(set(progress)) == total


def test_a_loader_without_length() -> None:
    class Endless(torch.utils.data.IterableDataset):  # type: ignore[type-arg]
        def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
            while True:
                yield from zip(X, Y, strict=True)

    data = DataLoader(Endless(), batch_size=4)
    callback = NoisePolicy(POLICY)
    trainer(callback, max_steps=6, max_epochs=1).fit(Module(), data)
    assert callback.state_dict()["injector"]["update"] == 6
    with pytest.raises(AttachError, match=r"length of training is not known.*max_steps"):
        trainer(NoisePolicy(POLICY), max_epochs=-1).fit(Module(), data)
    every = policy_of("gaussian_noise", gate=Gate(2, "epoch"))
    with pytest.raises(AttachError, match=r"gaussian_noise acts in every so-many-th epoch.*limit_train_batches"):
        trainer(NoisePolicy(every), max_steps=6, max_epochs=1).fit(Module(), data)
