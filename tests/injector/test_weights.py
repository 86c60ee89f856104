"""Weight noise: gradients against a second derivation, and restoring whatever happens."""

from __future__ import annotations

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from autonoise.errors import AttachError
from autonoise.injector.sites import Point
from autonoise.injector.weights import WeightSwap
from autonoise.policy import Policy, Step


def seeded(make: type[nn.Module], *args: int, **options: object) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        return make(*args, **options)


def numbers(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def shift(w: Tensor, number: int) -> Tensor:
    """A noise that can be repeated by hand: seeded by the number of the weight."""
    return w + 0.3 * numbers(*w.shape, seed=number)


def swap(model: nn.Module) -> WeightSwap:
    points = [Point(n, m) for n, m in model.named_modules()]
    return WeightSwap(points, lambda: True, shift)


def test_gradient_is_that_of_the_loss_at_the_noisy_weight() -> None:
    """For L = sum (x (w + e)^T)^2: dL/dw = 2 (w + e) x^T x, by hand."""
    layer = seeded(nn.Linear, 4, 3, bias=False)
    x = numbers(6, 4)
    clean = layer.weight.detach().clone()
    swap(layer)
    layer(x).square().sum().backward()
    noisy = shift(clean, 0)
    assert torch.allclose(layer.weight.grad, 2 * noisy @ (x.T @ x), atol=1e-5)
    assert torch.equal(layer.weight, clean)


@pytest.mark.parametrize("make", [
    lambda: seeded(nn.Conv2d, 2, 3, 3),
    lambda: seeded(nn.LSTM, 4, 3, 2, bidirectional=True),
    lambda: seeded(nn.GRU, 4, 3),
    lambda: seeded(nn.MultiheadAttention, 4, 2),
    lambda: seeded(nn.MultiheadAttention, 4, 2, kdim=4, vdim=6),
], ids=["conv", "lstm", "gru", "attention", "attention with own projections"])  # fmt: skip
def test_gradients_equal_those_of_a_model_with_the_noise_written_in(make: object) -> None:
    model, by_hand = make(), make()  # type: ignore[operator]
    swapped = swap(model)
    seen: dict[int, int] = {}
    plain = swapped._noise
    swapped._noise = lambda w, n: (seen.setdefault(id(w), n), plain(w, n))[1]

    def loss(module: nn.Module) -> Tensor:
        if isinstance(module, nn.MultiheadAttention):
            q, v = numbers(5, 2, 4), numbers(5, 2, module.vdim)
            return module(q, q, v)[0].square().sum()
        out = module(numbers(2, 2, 6, 6) if isinstance(module, nn.Conv2d) else numbers(5, 2, 4))
        return (out[0] if isinstance(out, tuple) else out).square().sum()

    loss(model).backward()
    with torch.no_grad():
        for p, q in zip(model.parameters(), by_hand.parameters(), strict=True):
            if id(p) in seen:
                q.copy_(shift(p, seen[id(p)]))
    loss(by_hand).backward()
    assert len(seen) == sum(p.ndim > 1 for p in model.parameters())
    for (name, p), q in zip(model.named_parameters(), by_hand.parameters(), strict=True):
        assert torch.allclose(p.grad, q.grad, atol=1e-4), name


@pytest.mark.parametrize("make", [lambda: seeded(nn.Linear, 4, 3), lambda: seeded(nn.LSTM, 4, 3)])
def test_two_steps_on_one_weight_act_one_after_the_other(make: object) -> None:
    model = make()  # type: ignore[operator]
    clean = {n: p.detach().clone() for n, p in model.named_parameters()}
    flat = [id(w) for w in getattr(model, "_flat_weights", [])]
    for factor in (2.0, 5.0):
        WeightSwap([Point("", model)], lambda: True, lambda w, _, by=factor: w * by)
    tenfold = make()  # type: ignore[operator]
    with torch.no_grad():
        for name, p in tenfold.named_parameters():
            p.mul_(10.0 if "weight" in name else 1.0)
    x = numbers(2, 3, 4)
    out, expected = model(x), tenfold(x)
    pairs = zip(out, expected, strict=True) if isinstance(out, tuple) else [(out, expected)]
    assert torch.allclose(*next(iter(pairs)), atol=1e-5)
    assert [id(w) for w in getattr(model, "_flat_weights", [])] == flat
    assert all(torch.equal(p, clean[n]) for n, p in model.named_parameters())
    assert not {n for n in model.__dict__ if n.startswith(("weight", "_autonoise"))}


def test_an_exception_inside_forward_restores_the_weights() -> None:
    model = nn.ModuleDict({"inner": nn.Linear(3, 3), "lstm": nn.LSTM(3, 2)})
    flat = [id(w) for w in model["lstm"]._flat_weights]
    swap(model)
    with pytest.raises(RuntimeError):
        model["inner"](torch.zeros(2, 7))
    with pytest.raises(RuntimeError):
        model["lstm"](torch.zeros(2, 2, 9))
    for module in (model["inner"], model["lstm"]):
        assert not {n for n in module.__dict__ if n.startswith(("weight", "_autonoise"))}
    assert [id(w) for w in model["lstm"]._flat_weights] == flat
    assert isinstance(model["inner"].weight, nn.Parameter)


def test_a_copy_of_the_model_in_eval_is_not_noisy() -> None:
    """Averaged models are deep copies, with hooks and all, and are validated while the original trains."""
    model = nn.Sequential(seeded(nn.Linear, 5, 4), nn.LayerNorm(4), seeded(nn.Linear, 4, 3))
    steps = [Step.of("weight_noise", sigma=0.5), Step.of("activation_noise", sigma=0.5)]
    injector = Policy("tabular", tuple(steps)).attach(model, epochs=1, steps_per_epoch=1)
    average = copy.deepcopy(model).eval()
    x = numbers(6, 5)
    injector.perturb(x, torch.zeros(6, dtype=torch.long))
    noisy = model(x)
    expected = F.linear(F.layer_norm(F.linear(x, model[0].weight, model[0].bias), (4,)), model[2].weight, model[2].bias)
    assert torch.allclose(average(x), expected, atol=1e-6)
    assert not torch.allclose(noisy, expected, atol=1e-2)


class Checkpointed(nn.Module):
    def __init__(self, on: bool) -> None:
        super().__init__()
        self.on = on
        self.body = nn.Sequential(seeded(nn.Linear, 5, 8), nn.LayerNorm(8), nn.ReLU(), seeded(nn.Linear, 8, 8))
        self.head = seeded(nn.Linear, 8, 3)

    def forward(self, x: Tensor) -> Tensor:
        h = checkpoint(self.body, x, use_reentrant=False) if self.on else self.body(x)
        return self.head(h)


def gradients(on: bool, *steps: Step) -> list[Tensor]:
    model = Checkpointed(on)
    injector = Policy("tabular", steps).attach(model, epochs=1, steps_per_epoch=2)
    x, y = injector.perturb(numbers(6, 5), torch.arange(6) % 3)
    injector.loss(model(x), y).backward()
    return [p.grad for p in model.parameters()]


def test_gradient_checkpointing_sees_the_same_noise() -> None:
    steps = [
        Step.of("weight_noise", sigma=0.3), Step.of("activation_noise", sigma=0.3), Step.of("dropout", p=0.5),
        Step.of("noisy_feature_mixup"),
    ]  # fmt: skip
    stored, recomputed = gradients(False, *steps), gradients(True, *steps)
    assert all(torch.equal(a, b) for a, b in zip(stored, recomputed, strict=True))
    assert any(not torch.equal(a, b) for a, b in zip(stored, gradients(False), strict=True))


def test_checkpointing_with_passes_of_both_kinds_is_refused() -> None:
    """A recomputed quiet pass cannot be told from a noisy one, so nothing is computed rather than nonsense."""
    steps = (Step.of("vrex"), Step.of("gaussian_noise"), Step.of("activation_noise"))
    for on in (False, True):
        model = Checkpointed(on)
        injector = Policy("tabular", steps).attach(model, epochs=1, steps_per_epoch=2)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        if not on:
            injector.training_step(numbers(6, 5), torch.arange(6) % 3, optimizer)
            continue
        with pytest.raises(AttachError, match=r"vrex.*checkpointing off"):
            injector.training_step(numbers(6, 5), torch.arange(6) % 3, optimizer)


def test_norms_and_biases_keep_their_weights() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.LayerNorm(4), nn.BatchNorm1d(4))
    swapped = Policy("tabular", (Step.of("weight_noise"),)).attach(model, epochs=1, steps_per_epoch=1).placed.weights[0]
    assert swapped.count == 1


def test_a_model_without_reachable_weights_is_refused() -> None:
    with pytest.raises(AttachError, match="weight_noise: the model has no weights"):
        policy = Policy("tabular", (Step.of("weight_noise"),))
        policy.attach(nn.LayerNorm(4), epochs=1, steps_per_epoch=1, num_classes=4)


@pytest.mark.parametrize(("name", "values"), [("weight_noise", {"sigma": 1.0}), ("drop_connect", {"p": 0.5})])
def test_the_padding_row_of_an_embedding_stays(name: str, values: dict[str, float]) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Embedding(6, 8, padding_idx=2), nn.Flatten(), nn.Linear(48, 3))
    seen: list[torch.Tensor] = []
    injector = Policy("text", (Step.of(name, **values),)).attach(model, epochs=1, steps_per_epoch=1)
    model[0].register_forward_hook(lambda _m, _i, out: seen.append(out.detach()[0]))
    x, _ = injector.perturb(torch.arange(6)[None], torch.tensor([0]))
    model(x)
    moved = (seen[0] - model[0].weight.detach()).abs().amax(1) > 0
    assert moved.tolist() == [True, True, False, True, True, True]


def test_gradient_noise_leaves_the_padding_row_without_a_gradient() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Embedding(6, 8, padding_idx=2), nn.Flatten(), nn.Linear(48, 3))
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    injector = Policy("text", (Step.of("gradient_noise", eta=1.0),)).attach(model, epochs=1, steps_per_epoch=1)
    before = model[0].weight.detach().clone()
    injector.training_step(torch.arange(6)[None], torch.tensor([0]), optimizer)
    moved = (model[0].weight.detach() - before).abs().amax(1) > 0
    assert moved.tolist() == [True, True, False, True, True, True]
