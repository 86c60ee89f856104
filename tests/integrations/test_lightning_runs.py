"""The Lightning callback: checkpoints, resuming, several processes, what is refused, what is told."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from autonoise.errors import AttachError, MissingExtraError
from autonoise.integrations import lightning
from autonoise.integrations.lightning import NoisePolicy
from autonoise.policy import Policy
from tests.integrations.lightning_samples import (
    POLICY,
    QUIET,
    L,
    Module,
    X,
    Y,
    loader,
    policy_of,
    same,
    trainer,
    untouched,
)

pytestmark = QUIET

# -- checkpoints -------------------------------------------------------------------------------------------------------


class Resumable(DataLoader[Any]):
    """Remembers how many batches of an epoch it gave."""

    given = start = 0

    def __iter__(self) -> Iterator[Any]:
        skipped, self.start, self.given = self.start, 0, 0
        for number, batch in enumerate(super().__iter__()):
            self.given = number + 1
            if number >= skipped:
                yield batch

    def state_dict(self) -> dict[str, int]:
        return {"given": self.given}

    def load_state_dict(self, state: Mapping[str, int]) -> None:
        self.start = state["given"] % 5


@pytest.mark.parametrize("stop", [3, 5, 8])
def test_resuming_goes_on_to_the_bit(stop: int, tmp_path: Path) -> None:
    def run(*callbacks: Any, **options: Any) -> tuple[Any, Any]:
        module = Module()
        tool = trainer(*callbacks, path=tmp_path, max_epochs=2, **options)
        return module, tool

    data = lambda: Resumable(TensorDataset(X, Y), batch_size=4)  # noqa: E731
    whole, tool = run(NoisePolicy(POLICY, seed=3))
    tool.fit(whole, data())
    saver = L.callbacks.ModelCheckpoint(tmp_path, filename="{step}", every_n_train_steps=stop, save_top_k=-1)
    first, tool = run(NoisePolicy(POLICY, seed=3), saver, enable_checkpointing=True)
    tool.fit(first, data())
    file = tmp_path / f"step={stop}.ckpt"
    saved = torch.load(file, weights_only=True)
    assert list(saved["state_dict"]) == list(Module().state_dict())
    assert saved["callbacks"]["NoisePolicy"]["injector"]["update"] == stop
    # the seed comes from the checkpoint
    second, tool = run(NoisePolicy(POLICY, seed=99))
    tool.fit(second, data(), ckpt_path=file)
    assert len(second.trained) == 10 - stop
    assert same(second, whole) and same(first, whole)
    assert [torch.equal(a, b) for a, b in zip(second.trained, whole.trained[stop:], strict=True)] == [True] * (
        10 - stop
    )
    with pytest.raises(AttachError, match="belongs to policy"):
        run(NoisePolicy(policy_of("mixup")))[1].fit(Module(), data(), ckpt_path=file)


def test_a_checkpoint_without_the_callback(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    first = trainer(max_epochs=1)
    module = Module()
    first.fit(module, loader())
    first.save_checkpoint(tmp_path / "plain.ckpt")
    callback = NoisePolicy(POLICY)
    trainer(callback, max_epochs=2).fit(module, loader(), ckpt_path=tmp_path / "plain.ckpt")
    assert "no state of this callback: noise goes on at update 5" in caplog.text
    assert callback.state_dict()["injector"]["update"] == 10


def test_fitting_twice() -> None:
    callback, module = NoisePolicy(POLICY), Module()
    tool = trainer(callback, max_epochs=1)
    tool.fit(module, loader())
    tool.fit_loop.max_epochs = 2
    tool.fit(module, loader())
    assert callback.state_dict()["injector"]["update"] == 10
    trainer(callback, max_epochs=1).fit(Module(), loader())
    assert callback.state_dict()["injector"]["update"] == 5


class Texts(torch.utils.data.Dataset[Any]):
    """Texts of one word each, with typos, as letters."""

    def __init__(self, transform: Any) -> None:
        self.transform = transform

    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return letters(self.transform("extraordinarily", index)), index % 3


def letters(text: str) -> Tensor:
    return torch.tensor(([ord(c) % 32 for c in text] + [0] * 20)[:20])


class Reader(Module):
    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.EmbeddingBag(40, 8), nn.Linear(8, 3))


@pytest.mark.parametrize("workers", [0, 1])
def test_noise_on_strings_follows_the_epochs(workers: int, tmp_path: Path) -> None:
    typos = policy_of(("character_typos", {"fraction": 0.3}), data_type="text")

    def run(**options: Any) -> Tensor:
        transform = typos.raw_transform(epochs=3)
        saver = L.callbacks.ModelCheckpoint(tmp_path, filename="{epoch}", save_top_k=-1)
        tool = trainer(NoisePolicy(typos, raw_transform=transform), saver, max_epochs=3, enable_checkpointing=True)
        module = Reader()
        tool.fit(module, DataLoader(Texts(transform), batch_size=2, num_workers=workers), **options)
        return torch.cat(module.trained)

    whole = run()
    expected = typos.raw_transform(epochs=3)
    for epoch in range(3):
        expected.set_epoch(epoch)
        wanted = torch.stack([letters(expected("extraordinarily", i)) for i in range(4)])
        assert torch.equal(whole[4 * epoch : 4 * epoch + 4], wanted)
    assert len(whole.unique(dim=0)) > 6
    # workers load the first batches before the epoch is told to begin: the transform is set from the checkpoint
    checkpoint = torch.load(tmp_path / "epoch=0.ckpt", weights_only=True)
    transform = typos.raw_transform(epochs=3)
    NoisePolicy(typos, raw_transform=transform).on_load_checkpoint(None, None, checkpoint)
    expected.set_epoch(1)
    assert transform("extraordinarily", 0) == expected("extraordinarily", 0)
    assert torch.equal(run(ckpt_path=tmp_path / "epoch=0.ckpt"), whole[4:])


def test_noise_on_strings_without_its_transform_is_refused() -> None:
    typos = policy_of("character_typos", data_type="text")
    with pytest.raises(AttachError, match="perturbs raw strings"):
        trainer(NoisePolicy(typos)).fit(Reader(), DataLoader(Texts(lambda text, index: text), batch_size=2))


def test_two_processes(tmp_path: Path) -> None:
    class Gathering(Module):
        def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
            self.evaluated.append(batch[0])  # clean as yet

        def on_train_end(self) -> None:
            noise = [noisy - clean for noisy, clean in zip(self.trained, self.evaluated, strict=True)]
            torch.save({"weights": dict(self.net.state_dict()), "noise": noise}, tmp_path / f"{self.global_rank}.pt")

    noise = NoisePolicy(policy_of("gaussian_noise", "gradient_noise", "weight_noise", "label_smoothing"))
    trainer(noise, strategy="ddp_fork", devices=2, max_epochs=1).fit(Gathering(), loader(rows=16))
    first, second = (torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in (0, 1))
    # one model, and each process its own noise: other signs, whatever their size is
    assert all(torch.equal(v, second["weights"][k]) for k, v in first["weights"].items())
    assert not torch.equal(first["noise"][0].sign(), second["noise"][0].sign())


# -- what is refused, and what is told ---------------------------------------------------------------------------------


def test_an_interrupted_training_leaves_the_module_as_it_was() -> None:
    class Broken(Module):
        def loss_of(self, x: Tensor, y: Tensor) -> Tensor:
            if len(self.trained) == 3:
                raise ValueError("a fault")
            return super().loss_of(x, y)

    module = Broken()
    with pytest.raises(ValueError, match="a fault"):
        trainer(NoisePolicy(POLICY)).fit(module, loader())
    assert untouched(module)


class Manual(Module):
    def __init__(self) -> None:
        super().__init__()
        self.automatic_optimization = False


class Two(Module):
    def configure_optimizers(self) -> Any:
        return [torch.optim.SGD(self.net[0].parameters(), 0.1), torch.optim.SGD(self.net[3].parameters(), 0.1)]


class OwnLoss(Module):
    def loss_of(self, x: Tensor, y: Tensor) -> Tensor:
        return F.mse_loss(self(x).softmax(1), F.one_hot(y, 3).float())


class ByRow(Module):
    def loss_of(self, x: Tensor, y: Tensor) -> Tensor:
        return F.cross_entropy(self(x), y, reduction="none").mean()


@pytest.mark.parametrize(("make", "policy", "line"), [
    (ByRow, policy_of("r_drop"), r"divergence to the mean loss.*reduction='none' has no place"),
    (OwnLoss, policy_of("r_drop"), "r_drop: training_step computes its loss without"),
    (Manual, POLICY, "optimises by hand, as those with several optimisers do.*the explicit form"),
    (Module, policy_of("sam"), "sam needs the whole training step.*automatic_optimization = False"),
    (OwnLoss, policy_of("mixup"), r"mixup: training_step computes.*mse_loss, one_hot\).*explicit form"),
    (OwnLoss, policy_of("label_smoothing"), "label_smoothing: training_step computes its loss without"),
    (OwnLoss, policy_of("gce"), "gce: training_step computes its loss without"),
])  # fmt: skip
def test_what_a_callback_cannot_do_is_refused(make: Callable[[], Any], policy: Policy, line: str) -> None:
    module = make()
    with pytest.raises(AttachError, match=line):
        trainer(NoisePolicy(policy)).fit(module, loader())
    assert untouched(module)


def test_a_phase_before_training_is_refused_and_left_out_on_demand() -> None:
    policy = policy_of("mlm_pretraining", data_type="text")
    data = DataLoader(TensorDataset(torch.randint(1, 40, (8, 6)), torch.arange(8) % 3), batch_size=4)
    with pytest.raises(AttachError, match=r"mlm_pretraining trains before .*injector.pretrain.*allow_partial=True"):
        trainer(NoisePolicy(policy)).fit(Reader(), data)
    trainer(NoisePolicy(policy_of("sam"), allow_partial=True), max_epochs=1).fit(Module(), loader())


def test_several_optimisers_are_refused() -> None:
    with pytest.raises((AttachError, RuntimeError), match=r"(?i)multiple optimizers|several optimisers"):
        trainer(NoisePolicy(POLICY)).fit(Two(), loader())


def test_a_compiled_module_is_refused() -> None:
    with pytest.raises(AttachError, match=r"compiled.*uncompiled"):
        trainer(NoisePolicy(POLICY)).fit(torch.compile(Module()), loader())


def test_an_unknown_batch_is_refused() -> None:
    data = DataLoader(TensorDataset(X, Y, Y), batch_size=4)
    with pytest.raises(AttachError, match=r"list of 3, not a pair.*unpack="):
        trainer(NoisePolicy(POLICY)).fit(Module(), data)
    with pytest.raises(AttachError, match="belong together"):
        NoisePolicy(POLICY, unpack=lambda b: b)


def test_a_loss_of_its_own_is_fine_where_only_inputs_are_noisy() -> None:
    class Weighted(Module):
        def loss_of(self, x: Tensor, y: Tensor) -> Tensor:
            return F.cross_entropy(self(x), y, weight=torch.tensor([1.0, 2.0, 3.0]))

    for module in (OwnLoss(), Weighted()):
        trainer(NoisePolicy(policy_of("gaussian_noise"))).fit(module, loader())
        assert not torch.equal(module.trained[0], X[:4])


def test_own_metrics_and_a_second_smoothing_are_told_once(caplog: pytest.LogCaptureFixture) -> None:
    class Metrics(Module):
        def loss_of(self, x: Tensor, y: Tensor) -> Tensor:
            logits = self(x)
            self.log("accuracy", (logits.argmax(1) == y).float().mean())
            return F.cross_entropy(logits, y, label_smoothing=0.1)

    caplog.set_level(logging.WARNING, "autonoise")
    trainer(NoisePolicy(policy_of("gaussian_noise"))).fit(Metrics(), loader())
    assert caplog.text.count("accuracy is of noisy inputs") == 1
    assert "softened twice" not in caplog.text
    caplog.clear()
    trainer(NoisePolicy(policy_of("label_smoothing"))).fit(Metrics(), loader())
    assert caplog.text.count("accuracy is of noisy inputs") == 1
    assert caplog.text.count("softened twice, by label_smoothing of the policy and by the label_smoothing of the") == 1


def test_without_lightning_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("lightning", "lightning.pytorch", "pytorch_lightning"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(
        MissingExtraError, match=r'^the callback for Lightning needs lightning, .*"autonoise\[lightning\]"$'
    ):
        lightning._callback()
