"""One training run: seeds, divergence, cost, batches, schedules, noise on raw text."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import pytest
import torch
from torch import Tensor, nn

from autonoise.data import load, split
from autonoise.policy import Policy, Step
from autonoise.technique.schedule import Schedule
from autonoise.training.task import Fidelity, Task
from autonoise.training.train import Trained, train


@cache
def task_of(name: str, rows: int = 10_000) -> Task:
    data = load(name)
    return Task(data, split(data, seed=0, train_rows=rows), data.y, data.y, epochs=2)


def policy(*steps: Step, data_type: str = "tabular") -> Policy:
    return Policy(data_type, steps)  # type: ignore[arg-type]


PLAIN = policy()


def weights(trained: Trained) -> Tensor:
    return torch.cat([p.detach().flatten() for p in trained.model.parameters()])


def test_equal_seeds_give_equal_weights_to_the_bit() -> None:
    task, noise = task_of("wine"), policy(Step.of("gaussian_noise", std=0.5), Step.of("dropout", p=0.3))
    state = torch.random.get_rng_state()
    first = weights(task.train(noise, seed=3))
    assert torch.equal(first, weights(task.train(noise, seed=3)))
    assert not torch.equal(first, weights(task.train(noise, seed=4)))
    assert not torch.equal(first, weights(task.train(PLAIN, seed=3)))
    assert torch.equal(state, torch.random.get_rng_state())


def test_a_training_that_diverges_is_told() -> None:
    task = task_of("wine")
    data, recipe = task.training(0), replace(task.recipe, learning_rate=1e30)
    trained = train(task.model(0), data, PLAIN, recipe, seed=0)
    assert trained.diverged
    assert not trained.model.training
    assert 0 < trained.passes < recipe.epochs * len(data)
    assert not task.train(PLAIN, seed=0).diverged


def test_ruined_weights_after_a_finite_last_loss_are_told() -> None:
    """One update only: its loss is finite, and what it leaves is not."""
    task = task_of("wine")
    data = task.training(0).first(16)
    recipe = replace(task.recipe, epochs=1, batch_size=16, learning_rate=3e38, warmup=0.0, optimizer="sgd")
    assert recipe.steps_per_epoch(len(data)) == 1
    trained = train(nn.Linear(13, 3), data, PLAIN, recipe, seed=0, forward=lambda m, x: m(100 * x))
    assert trained.diverged
    assert trained.passes == 16  # the training went to its end


def test_passes_are_counted_in_rows() -> None:
    task = task_of("wine")
    n = len(task.training(0))
    assert task.train(PLAIN, seed=0).passes == 2 * n
    assert task.train(policy(Step.of("fgsm", eps=0.05)), seed=0).passes == 2 * n * policy(Step.of("fgsm")).passes
    assert policy(Step.of("fgsm")).passes == 2


class Recorder(nn.Module):
    """A linear model that keeps what it is shown while training."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(13, 3)
        self.seen: list[Tensor] = []

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            self.seen.append(x.detach().clone())
        out: Tensor = self.linear(x)
        return out


def test_every_row_is_seen_once_an_epoch_and_a_last_batch_of_one_is_left_out() -> None:
    task = task_of("wine")
    for rows, sizes in ((36, [16, 16, 4]), (33, [16, 16])):
        data, model = task.training(0).first(rows), Recorder()
        recipe = replace(task.recipe, epochs=1, batch_size=16)
        train(model, data, PLAIN, recipe, seed=0)
        assert [len(x) for x in model.seen] == sizes
        shown = {tuple(r.tolist()) for x in model.seen for r in x}
        assert isinstance(data.batch, Tensor)
        assert shown <= {tuple(r.tolist()) for r in data.batch}
        assert len(shown) == sum(sizes)


@pytest.mark.parametrize("fidelity", [Fidelity(), Fidelity(epochs=0.5)])
def test_schedules_are_compressed_into_a_shorter_training(fidelity: Fidelity) -> None:
    """Noise of the second half of a training acts in the second half of a training of any length."""
    task = replace(task_of("wine"), epochs=8, factory=lambda spec, classes: Recorder())
    noise = policy(Step.of("gaussian_noise", std=10.0, schedule=Schedule("window", 0.5, 1.0)))
    model = task.train(noise, seed=0, fidelity=fidelity).model
    assert isinstance(model, Recorder)
    noisy = [bool(x.abs().mean() > 4) for x in model.seen]
    assert len(noisy) == round(8 * fidelity.epochs) * task.recipe.steps_per_epoch(len(task.training(0)))
    middle = len(noisy) // 2
    assert not any(noisy[: middle - 1])
    assert all(noisy[middle + 1 :])


def test_a_hook_after_each_epoch_may_stop_the_training() -> None:
    task, seen = task_of("wine"), []

    def hook(epoch: int, model: nn.Module, injector: object) -> bool:
        seen.append(epoch)
        model.eval()
        return epoch < 0

    trained = task.train(PLAIN, seed=0, after_epoch=hook)
    assert (seen, trained.stopped, trained.passes) == ([0], True, len(task.training(0)))


def test_noise_on_raw_text_acts_before_the_tokenizer() -> None:
    task = task_of("toy_topics", 120)
    noise = policy(Step.of("character_typos"), data_type="text")
    plain, noisy = (task.train(p, seed=0) for p in (policy(data_type="text"), noise))
    assert not noisy.diverged
    assert noisy.passes == 2 * len(task.training(0))
    assert not torch.equal(weights(plain), weights(noisy))
    assert torch.equal(weights(noisy), weights(task.train(noise, seed=0)))


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_matrix_products_are_in_the_precision_asked_for_and_weights_stay_float32(precision: str) -> None:
    task = task_of("wine")
    data, recipe = task.training(0), replace(task.recipe, epochs=1, precision=precision)
    model, seen = task.model(0), set()
    linear = next(m for m in model.modules() if isinstance(m, nn.Linear))
    linear.register_forward_hook(lambda module, args, out: seen.add(out.dtype))
    trained = train(model, data, PLAIN, recipe, seed=0)
    assert seen == {torch.bfloat16 if precision == "bf16" else torch.float32}
    assert {p.dtype for p in trained.model.parameters()} == {torch.float32}
    assert not trained.diverged


def test_precision_is_chosen_by_the_hardware_and_never_for_a_model_of_the_users(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def task(precision: str, **own: object) -> Task:
        data = load("wine")
        return Task(data, split(data, seed=0), data.y, data.y, precision=precision, **own)  # type: ignore[arg-type]

    for has in (True, False):
        monkeypatch.setattr("autonoise.training.task.has_bfloat16", lambda device, has=has: has)
        assert task("auto").recipe.precision == ("bf16" if has else "fp32")
        assert task("fp32").recipe.precision == "fp32"
        assert task("bf16").recipe.precision == "bf16"
        assert task("auto", factory=lambda spec, classes: nn.Linear(1, 1)).recipe.precision == "fp32"
