"""A policy attached before ``torch.compile``: the same noise as without, and no compiling again for a number."""

from __future__ import annotations

import copy
from collections.abc import Iterator

import pytest
import torch
import torch._dynamo as dynamo
from torch import Tensor, nn
from torch._dynamo.utils import counters

from autonoise.policy import NoiseInjector, Policy, Step
from autonoise.technique.schedule import Schedule
from autonoise.types import DataType

# torch looks at every tensor's .grad while it compiles, and hides its own warning where warnings are no errors
pytestmark = pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor:UserWarning")

UPDATES, EPOCHS = 16, 4
X = torch.randn(UPDATES, 6, 5, generator=torch.Generator().manual_seed(0))
Y = torch.arange(6) % 3
RAMP = Schedule("ramp_up")
POLICIES = {
    "activations": [Step.of("activation_noise", sigma=0.3, probability=0.5, magnitude="uniform", schedule=RAMP)],
    "weights": [Step.of("weight_noise", sigma=0.3, schedule=RAMP)],
    "weights twice": [Step.of("weight_noise", sigma=0.3), Step.of("drop_connect", p=0.3, probability=0.5)],
    "the model's own dropout": [Step.of("dropout", p=0.6, schedule=Schedule("step"))],
    "pairs and gates": [Step.of("noisy_feature_mixup"), Step.of("activation_noise", gate=2)],
}


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc, self.norm, self.drop = nn.Linear(8, 8), nn.LayerNorm(8), nn.Dropout(0.0)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.drop(torch.relu(self.norm(self.fc(x))))


def net(rate: float = 0.0) -> nn.Sequential:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        return nn.Sequential(nn.Linear(5, 8), Block(), Block(), nn.Dropout(rate), nn.Linear(8, 3))


def attach(steps: list[Step], model: nn.Module) -> NoiseInjector:
    return Policy(DataType.TABULAR, tuple(steps)).attach(model, epochs=EPOCHS, steps_per_epoch=UPDATES // EPOCHS)


def compiled(model: nn.Module, how: str) -> nn.Module:
    if how == "in place":
        model.compile(backend="eager")
    elif how == "a part":
        model[1] = torch.compile(model[1], backend="eager")  # type: ignore[operator, index]
    elif how == "wrapped":
        model = torch.compile(model, backend="eager")  # type: ignore[assignment]
    return model


def trained(steps: list[Step], how: str) -> tuple[list[Tensor], nn.Module, NoiseInjector]:
    """Logits of every update, training and evaluating in turns; no graph may be made after the tenth update."""
    model = net(0.2 if steps[0].name == "dropout" else 0.0)
    injector = attach(steps, model)
    called = compiled(model, how)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    logits = []
    graphs = 0
    for update, x in enumerate(X):
        with dynamo.config.patch(error_on_recompile=update >= 10, fail_on_recompile_limit_hit=True):
            model.train()
            noisy, y = injector.perturb(x, Y)
            out = called(noisy)
            optimizer.zero_grad()
            injector.loss(out, y).backward()
            optimizer.step()
            injector.step()
            model.eval()
            with torch.no_grad():
                logits += [out.detach(), called(x)]
        if update == 9:
            graphs = counters["stats"]["unique_graphs"]
    assert counters["stats"]["unique_graphs"] == graphs, how
    assert (graphs > 0) == (how != "not at all")
    return logits, called, injector


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    dynamo.reset()
    counters.clear()
    yield
    dynamo.reset()
    counters.clear()


@pytest.mark.parametrize(("name", "how"), [
    *((name, "wrapped") for name in POLICIES), ("weights", "in place"), ("activations", "a part"),
])  # fmt: skip
def test_compiled_and_plain_models_get_the_same_noise(name: str, how: str) -> None:
    plain, _, _ = trained(POLICIES[name], "not at all")
    out, called, injector = trained(POLICIES[name], how)
    for update, (a, b) in enumerate(zip(plain, out, strict=True)):
        assert torch.allclose(a, b, atol=1e-5), update
    # in eval, and after detaching, nothing acts; while training it does
    model = injector.model
    clean = net()
    clean.load_state_dict({k.replace("_orig_mod.", ""): v for k, v in model.state_dict().items()})
    assert torch.allclose(out[-1], clean.eval()(X[-1]), atol=1e-5)
    model.train()
    injector.clock.update, injector.clock.micro = UPDATES - 2, -1
    injector.perturb(X[0], Y)
    clean.train()
    assert not torch.allclose(called(X[0]), clean(X[0]), atol=1e-3)
    injector.detach()
    model[3].p = 0.0  # type: ignore[operator, index]
    assert torch.allclose(called(X[0]), clean(X[0]), atol=1e-5)


def test_graphs_break_at_the_sites_only() -> None:
    trained(POLICIES["weights"], "wrapped")
    # the model's code and the block's, each compiled twice: with gradients and without
    assert sum(counters["graph_break"].values()) <= 4


def test_copies_and_detached_models_have_their_own_forward() -> None:
    model = net()
    injector = attach(POLICIES["weights twice"], model)
    average = copy.deepcopy(model)
    assert average[0].forward.__self__ is average[0]
    injector.detach()
    assert not any("forward" in m.__dict__ for m in model.modules())
    patched = net()
    own = patched[0].forward = lambda x: nn.functional.linear(x, patched[0].weight)  # type: ignore[method-assign]
    injector = attach(POLICIES["weights twice"], patched)
    assert torch.equal(patched.eval()[0](X[0]), own(X[0]))
    assert copy.deepcopy(patched)[0].forward is own
    injector.detach()
    assert patched[0].forward is own
