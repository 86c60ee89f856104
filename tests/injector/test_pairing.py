"""Pairs: what a row holds of its partner is what its label says."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from autonoise.policy import NoiseInjector, Policy, Step
from autonoise.types import Batch, DataType, InputSpec

SIZE = 400
Y = torch.arange(SIZE) % 2  # label 1: odd rows


class Anything(nn.Module):
    def __init__(self, classes: int = 2) -> None:
        super().__init__()
        self.fc = nn.Linear(1, classes)

    def forward(self, batch: Batch) -> Tensor:
        x = batch if isinstance(batch, Tensor) else next(v for v in batch.values() if v.is_floating_point())
        return self.fc(torch.nan_to_num(x).flatten(1).mean(1, keepdim=True))


def run(data_type: str, batch: Any, spec: InputSpec | None = None, y: Tensor = Y, **steps: Any) -> tuple[Any, Tensor]:
    """(noisy batch, soft targets) of a policy of one pair technique per keyword."""
    policy = Policy(DataType(data_type), tuple(Step.of(name, **values) for name, values in steps.items()))
    injector = NoiseInjector(
        policy, Anything(int(y.max()) + 1), epochs=1, steps_per_epoch=9, input=spec, num_classes=int(y.max()) + 1
    )
    return injector.perturb(batch, y)


# -- codes -----------------------------------------------------------------------------------------------------

FLAGGED = InputSpec(
    data_type=DataType.TABULAR, layout=(8,), scale="standardised", numeric=(0,), codes=(1, 2, 3),  # type: ignore[arg-type]
    onehot=((5, 6),), flags=((4, 1), (7, 0)),
)  # fmt: skip


def flagged() -> Tensor:
    """Every column says whose row it is: codes 10 or 20, their flag 0 or 1, one-hot (1, 0) or (0, 1)."""
    odd = Y.float()
    return torch.stack([odd, 10 + 10 * odd, 10 + 10 * odd, 10 + 10 * odd, odd, 1 - odd, odd, odd], dim=1)


@pytest.mark.parametrize("as_dict", [False, True])
def test_codes_come_from_the_partner_as_often_as_its_label_weighs(as_dict: bool) -> None:
    batch: Any = flagged()
    if as_dict:
        batch = {"numeric": batch[:, :1], "categorical": batch[:, 1:4].long()}
    shares, weights, apart = [], [], 0
    for seed in range(5):
        torch.manual_seed(seed)
        order = torch.randperm(SIZE)
        given = {k: v[order] for k, v in batch.items()} if as_dict else batch[order]
        noisy, soft = run("tabular", given, None if as_dict else FLAGGED, y=Y[order], mixup={"alpha": 1.0})
        codes = noisy["categorical"] if as_dict else noisy[:, 1:4]
        assert set(codes.unique().tolist()) == {10, 20}  # no code between
        odd = (codes == 20).float()
        other = soft[:, 1] * (1 - Y[order]) + soft[:, 0] * Y[order]  # the weight of the label that is not the own
        mixed = other > 0
        shares.append((odd != Y[order][:, None].float())[mixed].float().mean(1))
        weights.append(other[mixed])
        apart += int((odd.amin(1) != odd.amax(1)).sum())  # each column draws for itself
        if not as_dict:
            assert torch.equal(noisy[:, 4], odd[:, 0])  # the flag goes with its code
            assert torch.allclose(noisy[:, 5] + noisy[:, 6], torch.ones(SIZE))
            assert torch.allclose(noisy[:, 6], soft[:, 1], atol=1e-5)
            assert torch.allclose(noisy[:, 7], noisy[:, 0], atol=1e-5)  # as numbers: by the weight
    share, weight = torch.cat(shares), torch.cat(weights)
    assert weight.mean() == pytest.approx(0.25, abs=0.03)
    for low, high in ((0.0, 0.15), (0.15, 0.35), (0.35, 0.5)):
        here = (weight > low) & (weight <= high)
        assert share[here].mean() == pytest.approx(weight[here].mean().item(), abs=0.05)
    assert apart > 100


# -- lengths ---------------------------------------------------------------------------------------------------


def series() -> dict[str, Tensor]:
    """Row i holds i + 1 in its true length (40 or 200 of 200), padded with -7."""
    lengths = torch.where(torch.arange(SIZE) % 4 < 2, 40, 200)
    x = torch.arange(1.0, SIZE + 1)[:, None, None].expand(SIZE, 2, 200).clone()
    return {"series": x.masked_fill(torch.arange(200) >= lengths[:, None, None], -7), "lengths": lengths}


SERIES = InputSpec(data_type=DataType.TIMESERIES, layout=(2, 200), scale="standardised")  # type: ignore[arg-type]
EACH = torch.arange(SIZE)


def test_cutmix_cuts_and_counts_inside_the_true_length() -> None:
    batch = series()
    noisy, soft = run("timeseries", batch, SERIES, y=EACH, cutmix={"alpha": 1.0})
    lengths, inside = batch["lengths"], torch.arange(200) < batch["lengths"][:, None]
    assert torch.equal(noisy["lengths"], lengths)
    assert torch.equal(noisy["series"][:, 0][~inside], batch["series"][:, 0][~inside])
    replaced = (noisy["series"][:, 0] != batch["series"][:, 0]).sum(1) / lengths
    own = soft[EACH, EACH]
    assert torch.allclose(1 - own, replaced, atol=1e-5)
    assert (noisy["series"][:, 0][inside] > 0).all()  # no padding of the partner was pasted
    # a mixed label means mixed content, and the label beside the own is that of whoever is pasted
    mixed = own < 1
    pasted = noisy["series"][:, 0].masked_fill(~inside | (noisy["series"] == batch["series"])[:, 0], 0).amax(1)
    assert torch.equal(pasted[mixed].long() - 1, soft.scatter(1, EACH[:, None], 0).argmax(1)[mixed])
    # spans of rows of 40 steps: E[l - l^2 / 4] = 5/12 of them where the partner is as long or longer
    assert (1 - own)[lengths == 40].mean() == pytest.approx(5 / 12, abs=0.06)


def test_mixup_of_rows_of_two_lengths_mixes_with_nothing_beyond_the_shorter() -> None:
    batch = series()
    noisy, soft = run("timeseries", batch, SERIES, y=EACH, mixup={"alpha": 1.0})
    weight = soft[EACH, EACH]
    partner = soft.scatter(1, EACH[:, None], 0).argmax(1)
    mixed = weight < 1
    longest = torch.maximum(batch["lengths"], batch["lengths"][partner])
    assert torch.equal(noisy["lengths"][mixed], longest[mixed])
    inside = torch.arange(200) < batch["lengths"][:, None]
    other = inside[partner]
    number = torch.arange(1.0, SIZE + 1)
    expected = weight[:, None] * number[:, None] * inside + (1 - weight[:, None]) * number[partner][:, None] * other
    got = noisy["series"][:, 0]
    either = (inside | other) & mixed[:, None]
    assert torch.allclose(got[either], expected[either], rtol=1e-4)
    assert torch.equal(got[~(inside | other)], batch["series"][:, 0][~(inside | other)])


def test_a_second_pair_technique_meets_the_lengths_of_the_first() -> None:
    batch = series()
    noisy, _ = run("timeseries", batch, SERIES, y=EACH, mixup={"alpha": 1.0}, cutmix={"alpha": 1.0})
    inside = torch.arange(200) < noisy["lengths"][:, None]
    assert torch.equal(noisy["series"][:, 0] == -7, ~inside)
    once, _ = run("timeseries", batch, SERIES, y=EACH, mixup={"alpha": 1.0})
    nothing = {"site": "input", "alpha": 0.001, "additive": 1e-9, "multiplicative": 1e-9}
    again, soft = run("timeseries", batch, SERIES, y=EACH, mixup={"alpha": 1.0}, noisy_feature_mixup=nothing)
    # what the first mixed in beyond a row's own end is content for the second; rows it mixed visibly are left out
    still = (soft > 1e-4).sum(1) <= 2
    assert still.sum() > 100
    inside = (torch.arange(200) < once["lengths"][:, None]) & still[:, None]
    assert torch.allclose(again["series"][:, 0][inside], once["series"][:, 0][inside], atol=0.5)


# -- noise in pairs --------------------------------------------------------------------------------------------


def test_noisy_feature_mixup_at_the_input_gives_no_noise_to_padding_and_categories() -> None:
    batch = series()
    noisy, _ = run("timeseries", batch, SERIES, y=EACH, noisy_feature_mixup={"site": "input", "additive": 0.5})
    inside = torch.arange(200) < noisy["lengths"][:, None]
    assert torch.equal(noisy["series"][:, 0] == -7, ~inside)
    table, soft = run("tabular", flagged(), FLAGGED, noisy_feature_mixup={"site": "input", "additive": 0.5})
    assert set(table[:, 1:4].unique().tolist()) == {10.0, 20.0}
    assert torch.allclose(table[:, 6], soft[:, 1], atol=1e-5)
    assert torch.allclose(table[:, 5] + table[:, 6], torch.ones(SIZE))
    assert (table[:, 0] - soft[:, 1]).std() > 0.01


def test_noisy_feature_mixup_at_an_embedding_leaves_padding_alone() -> None:
    class Reader(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embedding, self.norm, self.fc = nn.Embedding(30, 8), nn.LayerNorm(8), nn.Linear(8, 2)

        def forward(self, ids: Tensor) -> Tensor:
            self.seen = self.norm(self.embedding(ids))
            return self.fc(self.seen.mean(1))

    spec = InputSpec(data_type=DataType.TEXT, layout=(6,), pad_id=0, vocabulary_size=30)
    ids = torch.tensor([[0, 0, 0, 4, 5, 6], [7, 8, 0, 0, 0, 0]])
    model = Reader()
    policy = Policy(DataType.TEXT, (Step.of("noisy_feature_mixup", alpha=0.001, additive=0.5),))
    injector = NoiseInjector(policy, model, epochs=1, steps_per_epoch=9, input=spec)
    noisy, soft = injector.perturb(ids, torch.tensor([0, 1]))
    assert soft.amax(1).tolist() == pytest.approx([1, 1], abs=1e-3)  # hardly mixed: what moves is the noise
    model(noisy)
    moved = (model.seen - model.norm.forward(model.embedding(ids))).abs().amax(2) > 1e-2
    assert not moved[(ids == 0).all(0).expand_as(ids)].any()
    assert moved[ids != 0].all()


def test_a_missing_value_stays_missing_where_a_part_is_replaced() -> None:
    x = torch.randn(SIZE, 2, 20)
    x[::3, 1, 5:9] = torch.nan
    noisy, y = run("timeseries", x, cutmix={"alpha": 1.0})
    assert torch.equal(noisy.isnan(), x.isnan())
    # many rows did get a part of another one there
    assert (noisy[:, 0, 5:9] != x[:, 0, 5:9]).any(1).float().mean() > 0.3 and (y.amax(1) < 1).float().mean() > 0.3
