"""Adversarial, pair, embedding and whole-step stages inside foreign models."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from autonoise.errors import AttachError
from autonoise.injector.attached import frozen_statistics
from autonoise.injector.targets import SoftTargets
from autonoise.policy import NoiseInjector, Policy, Step
from autonoise.types import DataType, InputSpec

ROWS, CLASSES = 6, 3
LABELS = torch.arange(ROWS) % CLASSES
TEXT = InputSpec(data_type=DataType.TEXT, layout=(5,), pad_id=0, mask_id=1, vocabulary_size=20)


def numbers(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def ids() -> Tensor:
    out = torch.randint(2, 20, (ROWS, 5), generator=torch.Generator().manual_seed(0))
    out[2, 3:] = 0
    return out


def attach(data_type: str, model: nn.Module, *steps: Step, **options: Any) -> NoiseInjector:
    return Policy(DataType(data_type), steps).attach(model, **({"epochs": 1, "steps_per_epoch": 4} | options))


# -- adversarial -------------------------------------------------------------------------------------------------


def test_fgsm_against_the_gradient_by_hand() -> None:
    """A linear softmax model: d loss / d x = (p - y) W, so x' = x + clip(1.25 eps sign(.), eps)."""
    model = nn.Linear(4, CLASSES)
    injector = attach("tabular", model, Step.of("fgsm", eps=0.1, start="zero"))
    x = numbers(ROWS, 4)
    with torch.no_grad():
        p = (x @ model.weight.T + model.bias).softmax(1)
        expected = x + 0.1 * ((p - F.one_hot(LABELS, CLASSES)) @ model.weight).sign()
    assert torch.allclose(injector.perturb(x, LABELS)[0], expected, atol=1e-6)
    assert model.weight.grad is None


@pytest.mark.parametrize("kind", [nn.BatchNorm1d, nn.InstanceNorm1d])
def test_statistics_are_frozen_in_adversarial_passes(kind: Any) -> None:
    norm = kind(4, track_running_stats=True)

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.norm, self.head = nn.Conv1d(1, 4, 3), norm, nn.Linear(4, CLASSES)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(self.norm(self.first(x)).mean(2))

    model = Net().train()
    injector = attach("timeseries", model, Step.of("pgd", steps=3), Step.of("gaussian_noise"))
    before = {k: v.clone() for k, v in norm.state_dict().items()}
    x, _ = injector.perturb(numbers(ROWS, 1, 20), LABELS)
    assert all(torch.equal(v, before[k]) for k, v in norm.state_dict().items())
    assert (norm.track_running_stats, norm.momentum) == (True, 0.1)
    model(x)
    assert not torch.equal(norm.running_mean, before["running_mean"])
    with pytest.raises(RuntimeError, match="stop"), frozen_statistics(model):
        raise RuntimeError("stop")
    assert (norm.track_running_stats, norm.momentum) == (True, 0.1)


class Reader(nn.Module):
    """Its embedding carries no name a search would find first: another table is larger."""

    def __init__(self) -> None:
        super().__init__()
        self.unused_large = nn.Embedding(100, 2)
        self.words = nn.Embedding(20, 4, padding_idx=0)
        self.head = nn.Linear(4, CLASSES)
        self.seen: list[Tensor] = []

    def forward(self, x: Tensor) -> Tensor:
        h = self.words(x)
        self.seen.append(h.detach())
        return self.head(h.mean(1))


def test_attacks_on_text_enter_at_the_embedding_that_sites_names() -> None:
    model = Reader()
    steps = [Step.of("fgsm", eps=0.2, start="zero")]
    with pytest.raises(AttachError, match="does not depend on its input through unused_large: name its embedding"):
        attach("text", model, *steps, input=TEXT).perturb(ids(), LABELS)
    model = Reader()
    injector = attach("text", model, *steps, input=TEXT, sites={"embedding": "words"})
    x, _ = injector.perturb(ids(), LABELS)
    assert torch.equal(x, ids())
    model.seen.clear()
    model(x)
    clean = F.embedding(ids(), model.words.weight).detach()
    moved = (model.seen[0] - clean).abs()
    # RMS of the real tokens only, and no step on padding
    real = ids() != 0
    radius = 0.2 * clean[real].square().mean().sqrt()
    assert torch.allclose(moved[real], radius.expand_as(moved[real]), rtol=1e-4)
    assert not moved[~real].any()
    injector.perturb(ids(), LABELS)
    model.eval().seen.clear()
    model(x)
    assert torch.equal(model.seen[0], clean)


def test_an_attack_sees_the_same_gradient_whatever_the_batch_size() -> None:
    model = nn.Linear(4, CLASSES)
    x = numbers(ROWS, 4)
    whole = attach("tabular", model, Step.of("fgsm", start="zero")).perturb(x, LABELS)[0]
    again = attach("tabular", model, Step.of("fgsm", start="zero"), replace=True)
    part = again.perturb(x[:2], LABELS[:2])[0]
    assert torch.allclose(whole[:2], part)


# -- pairs inside the model --------------------------------------------------------------------------------------


class Probe(nn.Module):
    """Keeps what went in and what came out of its norm."""

    def __init__(self, arrange: str) -> None:
        super().__init__()
        self.arrange, self.norm, self.head = arrange, nn.Identity(), nn.Linear(4, CLASSES)
        self.norm.__class__ = type("ProbeNorm", (nn.Identity,), {})

    def forward(self, x: Tensor) -> Tensor:
        self.before = x.transpose(0, 1) if self.arrange == "sequence first" else x
        self.before = x.flatten(0, 1) if self.arrange == "flat" else self.before
        out = self.norm(self.before)
        self.after = {"flat": lambda: out.unflatten(0, x.shape[:2]), "sequence first": lambda: out.transpose(0, 1)}.get(
            self.arrange, lambda: out
        )()
        return self.head(self.after.mean(1))


@pytest.mark.parametrize("arrange", ["batch first", "sequence first", "flat"])
def test_pairs_are_mixed_as_their_targets_however_the_layer_is_laid_out(arrange: str) -> None:
    model = Probe(arrange)
    step = Step.of("noisy_feature_mixup", additive=0.0, multiplicative=0.0)
    injector = attach("timeseries", model, step)
    x = numbers(ROWS, 5, 4)
    _, y = injector.perturb(x, LABELS)
    model(x)
    plan = injector.attached.batch.plans[0]
    w = plan.weight[:, None, None]
    assert float(plan.weight.min()) < 0.95
    assert torch.allclose(model.after, w * x + (1 - w) * x[plan.permutation], atol=1e-6)
    hard = F.one_hot(LABELS, CLASSES).float()
    assert torch.allclose(y, w[:, 0] * hard + (1 - w[:, 0]) * hard[plan.permutation], atol=1e-6)


def test_sequence_and_batch_of_one_length_are_told_apart() -> None:
    """nn.TransformerEncoder with batch_first=False and as many steps as rows: samples are mixed, not steps."""
    layer = nn.TransformerEncoderLayer(4, 1, 8, dropout=0.0, batch_first=False)

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder = nn.TransformerEncoder(layer, 1, enable_nested_tensor=False)
            self.head = nn.Linear(4, CLASSES)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(self.encoder(x.transpose(0, 1)).mean(0))

    model = Net()
    norm = model.encoder.layers[0].norm2
    outputs: list[Tensor] = []
    norm.register_forward_hook(lambda _, __, out: outputs.append(out.detach()))
    step = Step.of("noisy_feature_mixup", additive=0.0, multiplicative=0.0, site="encoder.layers.0.norm2")
    injector = attach("timeseries", model, step)
    x = numbers(ROWS, ROWS, 4)
    injector.perturb(x, LABELS)
    mixed: list[Tensor] = []
    norm.register_forward_hook(lambda _, __, out: mixed.append(out.detach()))
    model(x)
    plan, clean = injector.attached.batch.plans[0], outputs[0].transpose(0, 1)
    w = plan.weight[:, None, None]
    assert torch.allclose(mixed[0].transpose(0, 1), w * clean + (1 - w) * clean[plan.permutation], atol=1e-6)


# -- dropout, heads, whole steps ---------------------------------------------------------------------------------


def test_heads_belong_to_the_injector() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, CLASSES))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    injector = attach("tabular", model, Step.of("denoising_autoencoder"))
    stream = torch.random.get_rng_state()
    injector.training_step(numbers(ROWS, 4), LABELS, optimizer)
    assert torch.equal(torch.random.get_rng_state(), stream)
    assert list(model.state_dict()) == ["0.weight", "0.bias", "2.weight", "2.bias"]
    state = injector.state_dict()["heads"][0]
    assert set(state) == {"head", "optimizer"}
    assert all("head" in k or k in ("weight", "bias") for k in state["head"])


def test_an_auxiliary_loss_uses_the_site_that_is_named() -> None:
    class Deep(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.trunk, self.conv_head = nn.Linear(4, 7), nn.Conv1d(7, CLASSES, 1)

        def forward(self, x: Tensor) -> Tensor:
            return self.conv_head(self.trunk(x)[..., None])[..., 0]

    model = Deep()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    injector = attach(
        "tabular", model, Step.of("denoising_autoencoder"), num_classes=CLASSES, sites={"penultimate": "trunk"}
    )
    injector.training_step(numbers(ROWS, 4), LABELS, optimizer)
    assert injector.state_dict()["heads"][0]["head"]["weight"].shape[1] == 7


def test_a_wrapped_model_is_called_through_its_wrapper() -> None:
    """DistributedDataParallel averages gradients only of passes that went through its own forward."""
    store = torch.distributed.HashStore()
    torch.distributed.init_process_group("gloo", store=store, rank=0, world_size=1)
    try:
        wrapped = nn.parallel.DistributedDataParallel(nn.Linear(4, CLASSES))
        calls: list[nn.Module] = []
        wrapped.register_forward_hook(lambda m, _, __: calls.append(m))
        optimizer = torch.optim.SGD(wrapped.parameters(), lr=0.1)
        steps = [Step.of("gaussian_noise"), Step.of("fgsm"), Step.of("vrex"), Step.of("sam")]
        injector = attach("tabular", wrapped, *steps)
        injector.training_step(numbers(ROWS, 4), LABELS, optimizer)
        assert len(calls) == 2  # the step itself and the second gradient; attacks and views stay local
        assert injector.inner is wrapped.module
        text = nn.parallel.DistributedDataParallel(Reader(), find_unused_parameters=True)
        pretraining = attach("text", text, Step.of("mlm_pretraining"), input=TEXT, sites={"embedding": "words"})
        with pytest.raises(AttachError, match="pre-train before the model is wrapped"):
            pretraining.pretrain(lambda: [ids()])
    finally:
        torch.distributed.destroy_process_group()


@pytest.mark.parametrize("classes", [3, 5000])
def test_soft_targets_by_hand(classes: int) -> None:
    soft = SoftTargets(classes)
    out = soft(torch.tensor([2, 0], dtype=torch.int32))
    assert out.dtype == torch.float32
    assert out.shape == (2, classes)
    assert out.nonzero().tolist() == [[0, 2], [1, 0]]
    assert torch.equal(soft(out.double()), out)
    with pytest.raises(AttachError, match=f"the model has {classes} classes: pass num_classes="):
        soft(torch.tensor([0, classes]))
