"""One policy to a model; copies of an attached model, saved ones too, have no noise; what is detached stays quiet."""

from __future__ import annotations

import copy
import io
import sys
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from autonoise.errors import AttachError
from autonoise.policy import NoiseInjector, Policy, Step

ROWS, CLASSES = 6, 3
LABELS = torch.arange(ROWS) % CLASSES


def net() -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        return nn.Sequential(nn.Linear(5, 4), nn.LayerNorm(4), nn.Dropout(0.1), nn.ReLU(), nn.Linear(4, CLASSES))


INNER = [Step.of("weight_noise", sigma=0.5), Step.of("activation_noise", sigma=0.5), Step.of("dropout", p=0.6)]


def attach(model: nn.Module, *steps: Step, **options: Any) -> NoiseInjector:
    return Policy("tabular", steps or INNER).attach(model, epochs=1, steps_per_epoch=9, **options)  # type: ignore[arg-type]


def table() -> Tensor:
    return torch.randn(ROWS, 5, generator=torch.Generator().manual_seed(0))


def out(model: nn.Module) -> Tensor:
    """A training pass; the model's own dropout draws the same each time."""
    torch.manual_seed(4)
    result: Tensor = model.train()(table())
    return result.detach()


def update(injector: NoiseInjector, model: nn.Module) -> None:
    x, y = injector.perturb(table(), LABELS)
    injector.loss(model(x), y).backward()
    injector.step()


# -- attaching twice ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("steps", [INNER, [Step.of("gaussian_noise")], [Step.of("gradient_noise")], []])
def test_a_second_policy_is_refused_or_replaces_the_first(steps: list[Step]) -> None:
    model, clean = net(), out(net())
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    policy = Policy("tabular", steps, name="first")  # type: ignore[arg-type]
    first = policy.attach(model, epochs=1, steps_per_epoch=9, optimizer=optimizer)
    for other in (model, nn.parallel.DataParallel(model)):
        with pytest.raises(AttachError, match=r"'first' is attached .* already.*detach\(\) on the .*replace=True"):
            attach(other)
    attach(model, Step.of("gaussian_noise"), optimizer=optimizer, replace=True)
    assert torch.equal(out(model), clean)
    assert not optimizer._optimizer_step_pre_hooks  # type: ignore[attr-defined]
    assert model[2].p == 0.1  # type: ignore[index]
    with pytest.raises(AttachError, match="detached from its model: attach the policy again"):
        first.perturb(table(), LABELS)


def test_after_detaching_another_policy_may_come() -> None:
    model = net()
    for _ in range(2):
        with attach(model) as injector:
            update(injector, model)
    assert "_autonoise" not in vars(model)
    with pytest.raises(AttachError, match="nowhere"):
        attach(model, Step.of("dropout", site="nowhere"))
    attach(model)


def test_an_injector_nobody_holds_any_more_still_acts_and_is_replaced() -> None:
    model, clean = net(), out(net())
    attach(model)
    assert not torch.equal(out(model), clean)
    with pytest.raises(AttachError, match="attached to this model already"):
        attach(model)
    attach(model, Step.of("gaussian_noise"), replace=True)
    assert torch.equal(out(model), clean)


def test_a_part_that_has_its_own_noise_is_noticed() -> None:
    body = net()
    attach(body)
    whole = nn.Sequential(body, nn.Linear(CLASSES, CLASSES))
    with pytest.raises(AttachError, match="in a part it shares, is attached"):
        attach(whole)
    attach(whole, Step.of("gaussian_noise"), replace=True)
    assert torch.equal(out(body), out(net()))


def test_using_an_injector_after_its_block_is_refused() -> None:
    model = net()
    with attach(model, Step.of("gaussian_noise")) as injector:
        pass
    with pytest.raises(AttachError, match="detached"):
        injector.training_step(table(), LABELS, torch.optim.SGD(model.parameters(), lr=0.1))
    x = table()
    model.eval()
    assert injector.perturb(x, LABELS)[0] is x


# -- copies ------------------------------------------------------------------------------------------------------


def saved(model: nn.Module) -> Any:
    """Through a file, as torch.save(model) does it; the test's own file, so that loading whole modules is safe."""
    file = io.BytesIO()
    torch.save(model, file)
    file.seek(0)
    return torch.load(file, weights_only=False)


COPIES: dict[str, Any] = {
    "deepcopy": copy.deepcopy, "average": lambda m: AveragedModel(m).module, "saved": saved,
    "saved copy": lambda m: saved(copy.deepcopy(m)), "copied copy": lambda m: copy.deepcopy(copy.deepcopy(m)),
}  # fmt: skip


@pytest.mark.parametrize("make", COPIES.values(), ids=list(COPIES))
def test_copies_of_an_attached_model_have_no_noise_and_their_own_settings(make: Any) -> None:
    model, clean = net(), out(net())
    injector = attach(model)
    update(injector, model)
    copied = make(model)
    injector.perturb(table(), LABELS)
    assert not torch.equal(out(model), clean)
    assert torch.equal(out(copied), clean)
    assert copied[2].p == 0.1
    injector.detach()
    assert torch.equal(out(model), clean)
    assert torch.equal(out(copied), clean)
    # the copy can have a policy of its own
    update(attach(copied), copied)
    assert torch.equal(out(model), clean)


def test_a_saved_model_is_loaded_without_autonoise(monkeypatch: pytest.MonkeyPatch) -> None:
    model = net()
    attach(model, *INNER, Step.of("sam"))
    file = io.BytesIO()
    torch.save(model, file)
    file.seek(0)
    for name in [n for n in sys.modules if n.split(".")[0] == "autonoise"]:
        monkeypatch.setitem(sys.modules, name, None)
    assert torch.equal(out(torch.load(file, weights_only=False)), out(net()))


def test_the_model_itself_goes_on_with_its_noise_after_being_copied_and_saved() -> None:
    model, clean = net(), out(net())
    injector = attach(model)
    copy.deepcopy(model)
    saved(model)
    before = model.state_dict()
    assert before.keys() == net().state_dict().keys()
    update(injector, model)
    assert not torch.equal(out(model), clean)
    # a shallow copy is made of the same modules, and of the same noise
    shallow = copy.copy(model)
    with pytest.raises(AttachError, match="already"):
        attach(shallow)
    # a copy of one module alone is not of the model
    layer, x = copy.copy(model[1]), torch.randn(ROWS, 4)  # type: ignore[index]
    assert torch.equal(layer(x), nn.LayerNorm(4)(x))
    assert not torch.equal(model[1](x), layer(x))  # type: ignore[index]


def test_a_model_that_holds_its_injector_can_be_copied() -> None:
    model = net()
    model.injector = attach(model)  # type: ignore[assignment]
    copied: Any = copy.deepcopy(model)
    assert copied.injector is not model.injector
    assert copied.injector.model is copied
    with pytest.raises(AttachError, match="detached"):
        copied.injector.perturb(table(), LABELS)
    update(model.injector, model)  # type: ignore[arg-type]
    with pytest.raises(AttachError, match=r"cannot be pickled .* injector.state_dict\(\)"):
        saved(model)
