"""NoisePolicy in skorch: noise in training alone, the right loss, nets that can be copied, pickled and searched."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.model_selection import GridSearchCV
from skorch import NeuralNet, NeuralNetClassifier
from skorch.callbacks import Callback, Checkpoint
from skorch.dataset import Dataset as SkorchDataset
from torch import Tensor, nn

from autonoise.errors import AttachError, PolicyError
from autonoise.integrations.skorch import NoisePolicy
from autonoise.policy import Policy, Step
from autonoise.technique.schedule import Schedule
from autonoise.types import InputSpec

X, Y = load_iris(return_X_y=True)
X = ((X - X.mean(0)) / X.std(0)).astype(np.float32)
ORDER = np.random.default_rng(0).permutation(len(X))
X, Y = X[ORDER], Y.astype(np.int64)[ORDER]
SPEC = InputSpec(data_type="tabular", layout=(4,), numeric=(0, 1, 2, 3), scale="standardised", classes=3)


def policy_of(*steps: Step) -> Policy:
    return Policy("tabular", steps, input=SPEC)


NOISE = policy_of(Step.of("gaussian_noise", std=0.5))


class Seen(nn.Module):
    """A linear layer, and what it was given: (whether in training, the input)."""

    def __init__(self, softmax: bool = False) -> None:
        super().__init__()
        self.norm, self.last, self.softmax = nn.BatchNorm1d(4), nn.Linear(4, 3), softmax
        self.met: list[tuple[bool, Tensor]] = []

    def forward(self, x: Tensor) -> Tensor:
        self.met.append((self.training, x.detach().clone()))
        out: Tensor = self.last(self.norm(x))
        return out.softmax(1) if self.softmax else out


class Watch(Callback):  # type: ignore[misc]
    """Keeps the training losses, and calls ``at_batch`` in the middle of training."""

    def __init__(self, at_batch: Any = None) -> None:
        self.at_batch = at_batch

    def initialize(self) -> Watch:
        self.losses_: list[float] = []
        return self

    def on_batch_end(self, net: Any, training: bool | None = None, loss: Any = None, **kwargs: Any) -> None:
        if training:
            self.losses_.append(float(loss.detach()))
            if self.at_batch is not None:
                self.at_batch(net)


def net_of(policy: Any, *, kind: Any = NeuralNetClassifier, **arguments: Any) -> Any:
    torch.manual_seed(0)
    callback = policy if isinstance(policy, NoisePolicy) else NoisePolicy(policy)
    defaults = {
        "module": Seen,
        "criterion": nn.CrossEntropyLoss,
        "max_epochs": 2,
        "batch_size": 50,
        "verbose": 0,
        "train_split": None,
        "callbacks": [("noise", callback), ("watch", Watch())],
    }
    return kind(**{**defaults, **arguments})


def test_noise_acts_in_training_and_not_elsewhere() -> None:
    net = net_of(NOISE, train_split=lambda dataset, y: (dataset, dataset))
    net.fit(X, Y)
    training = [x for acting, x in net.module_.met if acting]
    validation = [x for acting, x in net.module_.met if not acting]
    assert len(training) == len(validation) == 6
    clean = torch.from_numpy(X).split(50) * 2
    assert all(torch.equal(a, b) for a, b in zip(validation, clean, strict=True))
    difference = torch.cat([a - b for a, b in zip(training, clean, strict=True)])
    assert abs(float(difference.std()) - 0.5) < 0.03  # 1200 values: three standard errors
    assert not torch.equal(training[0] - clean[0], training[3] - clean[3])
    net.module_.met.clear()
    net.predict(X)
    assert torch.equal(torch.cat([x for _, x in net.module_.met]), torch.from_numpy(X))


def test_training_leaves_the_net_as_it_was() -> None:
    plain, net = net_of(None).fit(X, Y), net_of(policy_of(Step.of("weight_noise"), Step.of("mixup"))).fit(X, Y)
    assert list(net.module_.state_dict()) == list(plain.module_.state_dict())
    for module in (*net.module_.modules(), net.criterion_):
        assert not module._forward_hooks and not module._forward_pre_hooks
    assert set(net.module_.__dict__) == set(plain.module_.__dict__)


def losses_by_hand(policy: Policy, *, softmax: bool, weight: Tensor | None = None) -> list[float]:
    """Two epochs of a plain loop with the injector."""
    torch.manual_seed(0)
    model = Seen(softmax)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    injector = policy.attach(model, epochs=2, steps_per_epoch=3)
    found = []
    for _ in range(2):
        for x, y in zip(torch.from_numpy(X).split(50), torch.from_numpy(Y).split(50), strict=True):
            noisy, soft = injector.perturb(x, y)
            logits = model(noisy)
            logits = torch.log(logits + torch.finfo(logits.dtype).eps) if softmax else logits
            loss = -(soft * logits.log_softmax(1))
            if weight is None:
                loss = loss.sum(1).mean()
            else:
                loss = (loss * weight).sum() / (soft @ weight).sum()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            injector.step()
            found.append(float(loss.detach()))
    return found


@pytest.mark.parametrize("softmax", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
def test_the_loss_is_that_of_the_soft_targets(softmax: bool, weighted: bool) -> None:
    policy = policy_of(Step.of("gaussian_noise", std=0.3), Step.of("mixup", alpha=1.0), Step.of("label_smoothing"))
    weight = torch.tensor([1.0, 2.0, 0.5]) if weighted else None
    net = net_of(
        policy,
        module__softmax=softmax,
        criterion=nn.NLLLoss if softmax else nn.CrossEntropyLoss,
        criterion__weight=weight,
    ).fit(X, Y)
    assert np.allclose(dict(net.callbacks_)["watch"].losses_, losses_by_hand(policy, softmax=softmax, weight=weight))


def test_a_robust_loss_is_used_in_training_alone() -> None:
    net = net_of(policy_of(Step.of("mae")), train_split=lambda dataset, y: (dataset, dataset), max_epochs=1, lr=0.0)
    net.fit(X, Y)
    torch.manual_seed(0)
    logits = Seen().train()(torch.from_numpy(X[:50]))
    mae = (logits.detach().softmax(1) - F.one_hot(torch.from_numpy(Y[:50]), 3)).abs().sum(1).mean()
    assert abs(dict(net.callbacks_)["watch"].losses_[0] - float(mae)) < 1e-5
    net.module_.eval()
    clean = F.cross_entropy(net.module_(torch.from_numpy(X)), torch.from_numpy(Y))
    assert abs(net.history[-1, "valid_loss"] - float(clean.detach())) < 1e-5


def test_schedules_go_by_the_history_and_partial_fit_goes_on() -> None:
    ramp = policy_of(Step.of("gaussian_noise", std=1.0, schedule=Schedule("ramp_up")))
    net = net_of(NoisePolicy(ramp, epochs=4), max_epochs=2)
    sizes = []
    for step in range(2):
        net = net.fit(X, Y) if step == 0 else pickle.loads(pickle.dumps(net)).partial_fit(X, Y)
        noisy = [x for acting, x in net.module_.met if acting][-6:]
        sizes += [float((a - b).std()) for a, b in zip(noisy, torch.from_numpy(X).split(50) * 2, strict=True)]
    assert np.allclose(sizes, np.arange(12) / 11, atol=0.12)
    assert sizes[0] == 0 and sizes == sorted(sizes)


def test_the_length_is_the_nets_own_and_stretches_over_what_is_planned() -> None:
    ramp = policy_of(Step.of("gaussian_noise", std=1.0, schedule=Schedule("ramp_up")))
    net = net_of(ramp, max_epochs=3).fit(X, Y)
    noisy = [x for acting, x in net.module_.met if acting]
    sizes = [float((a - b).std()) for a, b in zip(noisy, torch.from_numpy(X).split(50) * 3, strict=True)]
    assert np.allclose(sizes, np.arange(9) / 8, atol=0.12)


KEPT: list[Any] = []


def keep(net: Any) -> None:
    """The net in the middle of training, pickled and copied."""
    if not KEPT:
        KEPT.extend([pickle.dumps(net), copy.deepcopy(net)])


def test_nets_can_be_copied_and_pickled_at_any_time(tmp_path: Path) -> None:
    KEPT.clear()
    policy = policy_of(Step.of("gaussian_noise", std=0.5), Step.of("activation_noise"), Step.of("mixup"))
    net = net_of(
        NoisePolicy(policy),
        callbacks=[
            ("noise", NoisePolicy(policy)),
            ("watch", Watch(keep)),
            ("save", Checkpoint(monitor=None, dirname=str(tmp_path), f_pickle="net.pkl")),
        ],
    )
    net.fit(X, Y)
    with (tmp_path / "net.pkl").open("rb") as file:
        saved = pickle.load(file)
    for other in (pickle.loads(KEPT[0]), KEPT[1], saved, pickle.loads(pickle.dumps(net)), copy.deepcopy(net)):
        other.module_.met.clear()
        other.module_.train()
        x = torch.from_numpy(X)
        other.module_(x)
        assert torch.equal(other.module_.met[-1][1], x)  # a copy has no noise
        assert dict(other.callbacks_)["noise"].running_ is None
        other.set_params(callbacks__save=None, callbacks__watch=None)
        other.initialize_callbacks()
        other.partial_fit(X, Y)  # and gets it when it is trained again
        training = [x for acting, x in other.module_.met[1:] if acting]
        assert abs(float((training[0] - torch.from_numpy(X[:50])).std())) > 0.2


def test_grid_search_over_policies() -> None:
    net = net_of(None, max_epochs=15, lr=0.1, callbacks=[("noise", NoisePolicy(None))])
    drowned = policy_of(Step.of("gaussian_noise", std=10.0))
    search = GridSearchCV(net, {"callbacks__noise__policy": [drowned, None, NOISE]}, cv=3, error_score="raise")
    search.fit(X, Y)
    scores = search.cv_results_["mean_test_score"]
    assert search.best_params_["callbacks__noise__policy"] != drowned
    assert scores[0] < min(scores[1:]) and scores[1] > 0.7
    copied = clone(net_of(NOISE)).fit(X, Y)
    assert copied.get_params()["callbacks__noise__policy"] == NOISE


def test_a_policy_file_and_a_mapping_of_inputs(tmp_path: Path) -> None:
    NOISE.save(tmp_path / "policy.yaml")

    class Named(Seen):
        def forward(self, numeric: Tensor, scale: float = 1.0) -> Tensor:  # type: ignore[override]
            return super().forward(numeric) * scale

    net = net_of(str(tmp_path / "policy.yaml"), module=Named).fit({"numeric": X}, Y, scale=1.0)
    noisy = torch.cat([x for acting, x in net.module_.met if acting][:3])
    assert abs(float((noisy - torch.from_numpy(X)).std()) - 0.5) < 0.06


def test_attacks_move_the_input_where_the_loss_is_larger() -> None:
    attack = policy_of(Step.of("fgsm", eps=0.3, start="zero"))
    for softmax, criterion in ((False, nn.CrossEntropyLoss), (True, nn.NLLLoss)):
        net = net_of(attack, module__softmax=softmax, criterion=criterion, max_epochs=1, lr=0.0)
        net.fit(X, Y)
        # the module also runs for the gradient, on the clean batch: the noisy one is that of the training step
        clean, moved = (x for acting, x in net.module_.met[:2])
        assert torch.equal(clean, torch.from_numpy(X[:50]))
        assert float((moved - clean).abs().max()) == pytest.approx(0.3, abs=1e-5)
        torch.manual_seed(0)
        model, x = Seen(), clean.clone().requires_grad_()
        F.cross_entropy(model.train()(x), torch.from_numpy(Y[:50])).backward()
        assert x.grad is not None
        assert torch.equal((moved - clean).sign(), x.grad.sign())
        net_loss = dict(net.callbacks_)["watch"].losses_[0]
        plain = net_of(None, module__softmax=softmax, criterion=criterion, max_epochs=1, lr=0.0).fit(X, Y)
        assert net_loss > dict(plain.callbacks_)["watch"].losses_[0] + 0.05


def test_gradient_noise_reaches_the_optimizer() -> None:
    still = policy_of(Step.of("gradient_noise", eta=0.3))
    moved = [net_of(p, max_epochs=1).fit(X, Y).module_.last.weight for p in (still, None)]
    assert not torch.allclose(*moved)


class Binary(NeuralNetClassifier):  # type: ignore[misc]
    def get_loss(self, y_pred: Tensor, y_true: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        return F.cross_entropy(y_pred, y_true)


@pytest.mark.parametrize(
    ("policy", "arguments", "message"),
    [
        (policy_of(Step.of("sam")), {}, "sam: skorch runs the training step itself"),
        (
            policy_of(Step.of("mixup")),
            {"criterion": nn.MultiMarginLoss},
            "mixup: MultiMarginLoss does not take the soft targets",
        ),
        (policy_of(Step.of("mixup")), {"kind": Binary}, r"without net\.criterion_"),
        (Policy("text", [Step.of("eda")]), {}, "raw strings|embedding|integer token ids"),
    ],
)
def test_what_cannot_work_is_refused(policy: Policy, arguments: Any, message: str) -> None:
    with pytest.raises(AttachError, match=message):
        net_of(policy, **arguments).fit(X, Y)


def test_a_policy_without_a_part_in_the_loss_goes_with_any_criterion() -> None:
    net = net_of(NOISE, criterion=nn.MultiMarginLoss, kind=NeuralNet).fit(X, Y)
    assert len(dict(net.callbacks_)["watch"].losses_) == 6
    with pytest.raises(PolicyError, match="a Policy, the path of one or None"):
        net_of(NoisePolicy(7)).fit(X, Y)  # type: ignore[arg-type]


class Endless(torch.utils.data.IterableDataset[Any]):
    def __iter__(self) -> Any:
        return iter(zip(X, Y, strict=True))


def test_data_without_a_length_need_the_number_of_batches() -> None:
    for arguments in ({}, {"steps_per_epoch": 3}):
        net = net_of(NoisePolicy(NOISE, **arguments), dataset=SkorchDataset)  # type: ignore[arg-type]
        if not arguments:
            with pytest.raises(AttachError, match="steps_per_epoch"):
                net.fit(Endless(), None)
        else:
            net.fit(Endless(), None)
            assert len(dict(net.callbacks_)["watch"].losses_) == 6


def test_training_again_after_an_error() -> None:
    def fail(net: Any) -> None:
        raise RuntimeError("broken off")

    net = net_of(NOISE, callbacks=[("noise", NoisePolicy(NOISE)), ("watch", Watch(fail))])
    with pytest.raises(RuntimeError, match="broken off"):
        net.fit(X, Y)
    net.predict(X)
    dict(net.callbacks_)["watch"].at_batch = None
    net.partial_fit(X, Y)
    assert not net.module_._forward_pre_hooks
