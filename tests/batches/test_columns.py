"""What the columns of a table are: guessed, named, and refused where they are not what the description says."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn

from autonoise.batches.columns import infer_columns
from autonoise.data import Dataset, prepare
from autonoise.data.tabular import from_frame
from autonoise.errors import AttachError, PolicyError
from autonoise.policy import NoiseInjector, Policy, Step, load_policy
from autonoise.types import DataType, InputSpec

RNG = torch.Generator().manual_seed(0)
ROWS = 64


def numbers(columns: int) -> Tensor:
    return torch.randn(ROWS, columns, generator=RNG)


def group(*shares: float) -> Tensor:
    """One-hot columns with these shares; a share of 0: a category that the batch does not have."""
    chosen = torch.multinomial(torch.tensor(shares), ROWS, replacement=True, generator=RNG)
    return torch.nn.functional.one_hot(chosen, len(shares)).float()


def flag(share: float) -> Tensor:
    return (torch.rand(ROWS, 1, generator=RNG) < share).float()


def found(*parts: Tensor) -> tuple[tuple[int, ...], ...]:
    spec = InputSpec(data_type="tabular", layout=())  # type: ignore[arg-type]
    return infer_columns(torch.cat(parts, dim=1), spec).onehot


# -- guessing ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("parts", "expected"), [
    ((numbers(2), group(0.5, 0.5), numbers(1)), ((2, 3),)),
    ((group(0.3, 0.3, 0.4), group(0.5, 0.5)), ((0, 1, 2), (3, 4))),
    # the next group's first category is rare: never set together with one of the group before it
    ((group(0.3, 0.7), group(0.0, 0.5, 0.5)), ((0, 1), (2,), (3, 4))),
    ((group(0.3, 0.7, 0.0), group(0.5, 0.5)), ((0, 1), (2,), (3, 4))),
    ((group(0.3, 0.0, 0.7), group(0.5, 0.5)), ((0, 1, 2), (3, 4))),  # in the middle it belongs to the group around it
    ((flag(0.5), group(0.5, 0.5)), ((0,), (1, 2))),
    ((flag(0.03), group(0.5, 0.3, 0.2), flag(0.03)), ((0,), (1, 2, 3), (4,))),
    ((flag(0.02), flag(0.02)), ((0,), (1,))),  # two rare flags that happen not to meet
    ((torch.zeros(ROWS, 3), numbers(1)), ((0,), (1,), (2,))),
    ((torch.ones(ROWS, 1), group(0.5, 0.5)), ((0,), (1, 2))),
    ((numbers(3),), ()),
])  # fmt: skip
def test_groups_of_one_hot_columns(parts: tuple[Tensor, ...], expected: tuple[tuple[int, ...], ...]) -> None:
    assert found(*parts) == expected


def test_a_rare_category_that_meets_no_value_of_its_neighbours_stays_out_of_their_group() -> None:
    """One row of 64 has it, and lacks the feature before: by "at most one is set" it would belong to that one."""
    a, b = group(0.5, 0.5), group(0.5, 0.5)
    a[:3], b[0] = 0, 0
    rare = torch.zeros(ROWS, 1)
    rare[0] = 1
    assert found(a, torch.cat([rare, b], dim=1)) == ((0, 1), (2, 3, 4))


def test_a_group_with_missing_values_is_still_a_group() -> None:
    gappy = group(0.4, 0.3, 0.3)
    gappy[:10] = 0
    assert found(gappy, group(0.5, 0.5)) == ((0, 1, 2), (3, 4))
    assert found(group(0.5, 0.5), gappy, numbers(1)) == ((0, 1), (2, 3, 4))


def test_flags_in_a_dict_of_numbers_are_no_numbers(caplog: pytest.LogCaptureFixture) -> None:
    batch = {"numeric": torch.cat([numbers(2), flag(0.4)], dim=1), "categorical": torch.randint(5, (ROWS, 1))}
    with caplog.at_level(logging.WARNING, logger="autonoise"):
        injector = attach(Policy("tabular", [Step.of("gaussian_noise", std=0.5)]), 4)  # type: ignore[arg-type]
        noisy, _ = injector.perturb(batch, LABELS)
    assert "columns 2 of 'numeric' hold 0 and 1 alone: taken as flags" in caplog.text
    assert isinstance(noisy, dict)
    assert torch.equal(noisy["numeric"][:, 2], batch["numeric"][:, 2])
    assert not torch.equal(noisy["numeric"][:, :2], batch["numeric"][:, :2])
    said = InputSpec(data_type="tabular", layout=(4,), numeric=(0, 1, 2), codes=(3,), scale="standardised")  # type: ignore[arg-type]
    injector = attach(Policy("tabular", [Step.of("gaussian_noise", std=0.5)]), 4, input=said)  # type: ignore[arg-type]
    noisy, _ = injector.perturb(batch, LABELS)
    assert isinstance(noisy, dict)
    assert not torch.equal(noisy["numeric"][:, 2], batch["numeric"][:, 2])


# -- names -------------------------------------------------------------------------------------------------------

LABELS = torch.arange(ROWS) % 3
NAMES = ("age", "income", "colour=red", "colour=blue", "colour=green", "size=s", "size=m", "income is missing")
SPEC = InputSpec(
    data_type="tabular", layout=(8,), numeric=(0, 1), onehot=((2, 3, 4), (5, 6)), flags=((7, 1),), names=NAMES,
    scale="unit", mean=(40.0, 1000.0), std=(10.0, 100.0),
)  # type: ignore[arg-type]  # fmt: skip


def table() -> Tensor:
    numeric = torch.tensor([40.0, 1000.0]) + numbers(2) * torch.tensor([10.0, 100.0])
    return torch.cat([numeric, group(0.3, 0.3, 0.4), group(0.5, 0.5), flag(0.2)], dim=1)


def attach(policy: Policy, columns: int = 8, **options: Any) -> NoiseInjector:
    model = nn.Sequential(nn.Linear(columns, 3))
    return policy.attach(model, epochs=1, steps_per_epoch=4, **options)


POLICY = Policy("tabular", [Step.of("swap_noise", fraction=0.4), Step.of("gaussian_noise", std=0.1)], input=SPEC)  # type: ignore[arg-type]
ORDER = [7, 5, 0, 3, 6, 1, 4, 2]


def one_hot(x: Tensor, names: tuple[str, ...]) -> bool:
    """Each row has one colour and one size."""
    sums = [x[:, [i for i, n in enumerate(names) if n.startswith(word)]].sum(1) for word in ("colour", "size")]
    return all(bool((s == 1).all()) for s in sums)


def test_another_order_is_mapped_by_the_names() -> None:
    """The very noise that the same rows get in the policy's own order."""
    x = table()
    names = tuple(NAMES[i] for i in ORDER)
    given = InputSpec(data_type="tabular", layout=(8,), names=pd.Index(names))  # type: ignore[arg-type]
    here, there = attach(POLICY), attach(POLICY, input=given)
    for _ in range(3):
        noisy, turned = here.perturb(x, LABELS)[0], there.perturb(x[:, ORDER], LABELS)[0]
        assert isinstance(noisy, Tensor)
        assert isinstance(turned, Tensor)
        assert one_hot(noisy, NAMES)
        assert one_hot(turned, names)
        age, income = names.index("age"), names.index("income")
        # in each column's own standard deviations, of 10 and 100
        moved = (turned - x[:, ORDER])[:, [age, income]].abs()
        assert 0 < moved[:, 0].median() < moved[:, 1].median() / 4
        here.step()
        there.step()
    assert there.spec.names == names
    assert [names[c] for c in there.spec.numeric] == ["age", "income"]
    assert [names[c] for g in there.spec.onehot for c in g] == list(NAMES[2:7])
    assert [(names[a], names[b]) for a, b in there.spec.flags] == [("income is missing", "income")]
    assert there.spec.mean == SPEC.mean


def test_another_order_without_names_is_refused() -> None:
    """Before, a fifth of the rows got a category that was no longer one-hot, without a word."""
    with pytest.raises(AttachError, match=r"as many columns .* not in its order, since .* give their names, attach\("):
        attach(POLICY).perturb(table()[:, ORDER], LABELS)
    groups_turned = [0, 1, 2, 5, 3, 6, 4, 7]  # every column still holds 0 and 1 alone
    with pytest.raises(AttachError, match="since a row has several of 'colour=red', 'colour=blue', 'colour=green' set"):
        attach(POLICY).perturb(table()[:, groups_turned], LABELS)


def test_a_mapping_from_names_to_columns_is_a_batch_in_whatever_order() -> None:
    x = table()
    columns: dict[str, Tensor] = {NAMES[i]: x[:, i] for i in ORDER}
    columns["colour=red"] = columns["colour=red"].long()
    columns["age"] = columns["age"][:, None]
    columns["row"] = torch.arange(ROWS)
    model = nn.Sequential(nn.Linear(8, 3))
    forward = lambda m, batch: m(torch.cat([batch[n].reshape(-1, 1).float() for n in NAMES], dim=1))  # noqa: E731
    injector = POLICY.attach(model, epochs=1, steps_per_epoch=4, forward=forward)
    noisy, _ = injector.perturb(columns, LABELS)
    expected, _ = attach(POLICY).perturb(x, LABELS)
    assert isinstance(noisy, dict)
    assert list(noisy) == list(columns)
    for i, n in enumerate(NAMES):
        assert noisy[n].shape == columns[n].shape
        assert noisy[n].dtype == columns[n].dtype
        assert torch.allclose(noisy[n].reshape(-1).float(), expected[:, i], atol=1e-4)
    assert noisy["row"] is columns["row"]
    injector.training_step(columns, LABELS, torch.optim.SGD(model.parameters(), lr=0.1))
    del columns["income"]
    with pytest.raises(AttachError, match="the batch has no column 'income', which the description names"):
        injector.perturb(columns, LABELS)


@pytest.mark.parametrize(("names", "rule"), [
    ((*NAMES[:-1], "wealth"), "'income is missing' of the policy missing; 'wealth' unknown to it"),
    (tuple(f"x{i}" for i in range(8)), "'age', 'income', 'colour=red' and 5 more of the policy missing"),
])  # fmt: skip
def test_other_names_are_refused(names: tuple[str, ...], rule: str) -> None:
    with pytest.raises(AttachError, match=rule):
        attach(POLICY, input=InputSpec(data_type="tabular", layout=(8,), names=names))  # type: ignore[arg-type]


def test_names_alone_need_a_policy_that_has_names() -> None:
    plain = Policy("tabular", [Step.of("swap_noise")])  # type: ignore[arg-type]
    with pytest.raises(AttachError, match="the policy does not name its columns: describe numeric="):
        attach(plain, input=InputSpec(data_type="tabular", layout=(8,), names=NAMES))  # type: ignore[arg-type]


@pytest.mark.parametrize(("names", "layout", "rule"), [
    (["a", "b", "a"], (3,), "the name 'a' stands for two columns"),
    (["a", "b"], (3,), r"2 names for a layout of \(3,\)"),
    ("abc", (3,), "must be a list of texts"),
])  # fmt: skip
def test_names_that_cannot_be(names: Any, layout: tuple[int, ...], rule: str) -> None:
    with pytest.raises(AttachError, match=rule):
        InputSpec(data_type="tabular", layout=layout, names=names)  # type: ignore[arg-type]


def test_names_are_an_optional_field_of_the_file(tmp_path: Path) -> None:
    for file in ("policy.yaml", "policy.json"):
        POLICY.save(tmp_path / file)
        loaded = load_policy(tmp_path / file)
        assert loaded.input == SPEC
        assert (
            (tmp_path / file)
            .read_text()
            .startswith(("format: autonoise-policy/1", '{\n "format": "autonoise-policy/1"'))
        )
    values = POLICY.to_dict()
    values["input"]["names"] = ["a"]
    with pytest.raises(PolicyError, match="there are 1 names for a layout of"):
        Policy.from_dict(values)


def test_the_search_names_the_columns_that_it_makes() -> None:
    frame = pd.DataFrame({
        "age": [30.0, None, 50.0, 20.0] * 5, "colour": ["red", "blue", "red", None] * 5, "weight": [1.0, 2.0] * 10,
    })  # fmt: skip
    y = np.arange(20) % 2
    dataset = Dataset("toy", DataType.TABULAR, from_frame(frame, "toy"), y, ("a", "b"))
    preparation = prepare(dataset, np.arange(20))
    names = ("age", "weight", "colour=red", "colour=blue", "colour is missing", "age is missing")
    assert preparation.spec.names == names
    assert preparation.spec.onehot == ((2, 3, 4),)
    # two columns that would get one name: better none
    twice = frame.set_axis(["colour=red", "colour", "weight"], axis=1)
    dataset = Dataset("toy", DataType.TABULAR, from_frame(twice, "toy"), y, ("a", "b"))
    assert prepare(dataset, np.arange(20)).spec.names == ()
