"""A dropout step acts at one place, as it did in the search, and replaces the model's own dropout there."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from autonoise.policy import NoiseInjector, Policy, Step
from autonoise.types import DataType

ROWS = 4000
ONES = torch.ones(ROWS, 5)
LABELS = torch.arange(ROWS) % 3


def attach(model: nn.Module, step: Step, **options: Any) -> NoiseInjector:
    injector = Policy(DataType.TABULAR, (step,)).attach(model, epochs=1, steps_per_epoch=4, **options)
    injector.perturb(ONES, LABELS)
    return injector


def entering(model: nn.Module, name: str) -> Tensor:
    """What enters a module in a training pass over ones."""
    seen: list[Tensor] = []
    # the classifier's own hooks were registered before: this one sees what they have made
    handle = model.get_submodule(name).register_forward_pre_hook(lambda _, args: seen.append(args[0].detach().clone()))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model(ONES)
    handle.remove()
    return seen[0]


class Body(nn.Module):
    def __init__(self, blocks: int = 6, rate: float = 0.1) -> None:
        super().__init__()
        layer = nn.TransformerEncoderLayer(4, 2, 8, rate, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, blocks, enable_nested_tensor=False)


class Transformer(Body):
    def __init__(self, rate: float = 0.1) -> None:
        super().__init__()
        self.embed, self.drop, self.head = nn.Linear(1, 4), nn.Dropout(rate), nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.drop(self.encoder(self.embed(x[..., None])).mean(1)))


class Passed(nn.Module):
    """One dropout at two places, of which the second stands before the classifier."""

    def __init__(self, *, in_place: bool = False, early: bool = True, late: bool = True) -> None:
        super().__init__()
        self.drop, self.fc = nn.Dropout(0.25, in_place), nn.Linear(5, 3)
        self.early, self.late = early, late

    def forward(self, x: Tensor) -> Tensor:
        x = self.drop(x.clone()) if self.early else x
        return self.fc(self.drop(x * 1) if self.late else x * 1)


def test_only_the_place_of_the_search_is_set() -> None:
    model = Transformer()
    rates = [m.p for m in model.modules() if isinstance(m, nn.Dropout)]
    injector = attach(model, Step.of("dropout", p=0.6))
    h = entering(model, "head")
    assert float((h == 0).float().mean()) == pytest.approx(0.6, abs=0.02)
    assert len(rates) == 19
    assert [m.p for m in model.modules() if isinstance(m, nn.Dropout)] == rates
    assert "at head:input, takes over drop if it stands directly before" in injector.describe()
    injector.detach()
    assert float((entering(model, "head") == 0).float().mean()) == pytest.approx(0.1, abs=0.02)
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())


@pytest.mark.parametrize("in_place", [False, True])
def test_its_own_rate_moves_to_p(in_place: bool) -> None:
    """Own rate .25, p = .65: at strength 1 .65, at half strength .45, each sample by its own strength."""
    for strength, rate in ((1.0, 0.65), (0.5, 0.45)):
        model = Passed(in_place=in_place, early=False)
        injector = attach(model, Step.of("dropout", p=0.65))
        injector.set_strength(strength)
        h = entering(model, "fc")
        assert h.unique().tolist() == pytest.approx([0, 1 / (1 - rate)], rel=1e-5)
        assert float((h == 0).float().mean()) == pytest.approx(rate, abs=0.012)
        injector.detach()
        assert model.drop.inplace == in_place
    model = Passed(in_place=in_place, early=False)
    attach(model, Step.of("dropout", p=0.65, probability=0.5))
    gone = (entering(model, "fc") == 0).float().mean(1)
    # half the samples at .25, half at .65: the variance of a sample's mean is (.25 * .75 + .65 * .35) / 2 / 5 + .2^2
    # = .0815; were all at .45, it would be .45 * .55 / 5 = .0495
    assert float(gone.mean()) == pytest.approx(0.45, abs=0.015)
    assert float(gone.var()) == pytest.approx(0.0815, abs=0.006)


def test_a_dropout_elsewhere_stays_and_nothing_is_replaced_that_is_not_there() -> None:
    early = Passed(early=True, late=False)
    attach(early, Step.of("dropout", p=0.6))
    h = entering(early, "fc")
    # dropped at .25 early on, and at .6 before the classifier
    assert float((h == 0).float().mean()) == pytest.approx(1 - 0.75 * 0.4, abs=0.012)
    assert h.max() == pytest.approx(1 / 0.75 / 0.4)
    both = Passed()
    attach(both, Step.of("dropout", p=0.6))
    assert float((entering(both, "fc") == 0).float().mean()) == pytest.approx(1 - 0.75 * 0.4, abs=0.012)


def test_other_steps_at_the_same_place_do_not_hide_the_models_dropout() -> None:
    model = Passed(early=False)
    steps = (Step.of("activation_noise", sigma=0.01, site="penultimate"), Step.of("dropout", p=0.6))
    injector = Policy(DataType.TABULAR, steps).attach(model, epochs=1, steps_per_epoch=4)
    injector.perturb(ONES, LABELS)
    h = entering(model, "fc")
    assert float((h == 0).float().mean()) == pytest.approx(0.6, abs=0.012)
    assert float(h[h != 0].mean()) == pytest.approx(1 / 0.4, rel=0.01)


@pytest.mark.parametrize(("step", "sites"), [
    (Step.of("dropout", p=0.6, site="*drop*"), {}),
    (Step.of("dropout", p=0.6), {"penultimate": "*drop*"}),
])  # fmt: skip
def test_all_of_them_where_they_are_named(step: Step, sites: dict[str, str]) -> None:
    model = Transformer()
    injector = attach(model, step, sites=sites)
    assert "takes over 19 nn.Dropout" in injector.describe()
    assert float((entering(model, "encoder.layers.0.norm1") == 0).float().mean()) < 0.01
    assert float((entering(model, "encoder.layers.2.linear2") == 0).float().mean()) > 0.55
    model.eval()
    assert torch.equal(model(ONES[:9]), model(ONES[:9]))


def test_a_dropout_that_is_named_is_replaced_too() -> None:
    model = Passed(early=False)
    attach(model, Step.of("dropout", p=0.65), sites={"penultimate": "drop"})
    h = entering(model, "fc")
    assert float((h == 0).float().mean()) == pytest.approx(0.65, abs=0.012)
    assert h.max() == pytest.approx(1 / 0.35)


def test_a_model_of_its_own_in_the_search_follows_the_same_rule_under_equal_keys() -> None:
    """The noise of a replaced dropout is keyed, so that a second run is the same to the bit."""
    first, second = Passed(early=False), Passed(early=False)
    attach(first, Step.of("dropout", p=0.6))
    attach(second, Step.of("dropout", p=0.6))
    torch.manual_seed(1)
    assert torch.equal(entering(first, "fc"), entering(second, "fc"))


def test_the_models_own_mask_is_drawn_fast_and_elsewhere_keeps_its_rate() -> None:
    """A dropout that stands before the classifier and elsewhere drops there as the module itself would."""
    model = Passed()
    attach(model, Step.of("dropout", p=0.5))
    torch.manual_seed(3)
    before = torch.random.get_rng_state()
    seen: list[Tensor] = []
    handle = model.drop.register_forward_hook(lambda _, args, out: seen.append(out.detach()))
    model(ONES)
    handle.remove()
    early = seen[0]
    gone = (early == 0).float().mean().item()
    assert gone == pytest.approx(0.25, abs=4 * (0.25 * 0.75 / early.numel()) ** 0.5)
    assert torch.allclose(early[early != 0], torch.tensor(1 / 0.75), atol=1e-4)
    assert model.drop.p == 0.25
    torch.random.set_rng_state(before)
    seen.clear()
    handle = model.drop.register_forward_hook(lambda _, args, out: seen.append(out.detach()))
    model(ONES)
    handle.remove()
    assert torch.equal(seen[0], early), "the global seed decides, as for nn.Dropout"


def test_the_rate_is_back_after_detaching_in_the_middle_of_a_call() -> None:
    model = Transformer()
    injector = attach(model, Step.of("dropout", p=0.5))

    def leave(_: nn.Module, args: tuple[Tensor, ...]) -> None:
        injector.detach()

    handle = model.drop.register_forward_pre_hook(leave)
    model(ONES)
    handle.remove()
    assert model.drop.p == 0.1
