"""Groups of steps of which one acts on each row, and rows that surely stay clean."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from autonoise.errors import PolicyError
from autonoise.injector.injector import NoiseInjector
from autonoise.policy import Policy, Step, load_policy
from autonoise.types import DataType, InputSpec

ROWS = 600
SPEC = InputSpec(data_type=DataType.TABULAR, layout=(4,), classes=3, numeric=tuple(range(4)))
Y = torch.arange(ROWS) % 3
X = torch.ones(ROWS, 4)


def attached(steps: list[Step], model: nn.Module | None = None, **how: Any) -> NoiseInjector:
    model = model or nn.Linear(4, 3)
    return Policy("tabular", tuple(steps), **how).attach(model, epochs=1, steps_per_epoch=40, input=SPEC)


def perturbed(injector: NoiseInjector) -> Tensor:
    x, _ = injector.perturb(X, Y)
    assert isinstance(x, Tensor)
    return x


# each leaves its own trace: gaussian noise on all columns, masking sets whole values to 0, scaling keeps columns equal
NOISE = Step.of("gaussian_noise", std=0.1, one_of="a")
MASK = Step.of("feature_masking", fraction=0.5, one_of="a")


def test_one_step_of_a_group_acts_on_each_row() -> None:
    x = perturbed(attached([NOISE, MASK]))
    masked, moved = (x == 0).any(1), ((x != 0) & (x != 1)).any(1)
    assert not (masked & moved).any()
    # masking leaves some rows as they are: two of four values at a half each
    assert moved.float().mean().item() == pytest.approx(0.5, abs=0.06)
    assert masked.float().mean().item() == pytest.approx(0.5, abs=0.06)


def test_steps_outside_of_the_group_act_as_ever() -> None:
    x = perturbed(attached([NOISE, Step.of("feature_masking")]))
    both = (x == 0).any(1) & ((x != 0) & (x != 1)).any(1)
    assert both.any()


def test_the_choice_is_drawn_anew_for_each_batch_and_follows_the_seed() -> None:
    injector, again = attached([NOISE, MASK]), attached([NOISE, MASK])
    first = perturbed(injector)
    assert torch.equal(first, perturbed(again))
    injector.step()
    assert not torch.equal((first == 1).all(1) | (first == 0).any(1), (perturbed(injector) == 0).any(1))


def test_probability_counts_within_the_choice() -> None:
    x = perturbed(attached([Step.of("gaussian_noise", std=0.1, one_of="a", probability=0.5), MASK]))
    moved = ((x != 0) & (x != 1)).any(1)
    assert moved.float().mean().item() == pytest.approx(0.25, abs=0.05)


def test_a_group_of_steps_of_the_whole_update() -> None:
    """One of two for each update: SAM's second pass, or none of it and V-REx's three."""
    seen: list[int] = []
    model = nn.Linear(4, 3)
    model.register_forward_hook(lambda *_: seen.append(1))
    injector = attached([Step.of("sam", one_of="b"), Step.of("vrex", one_of="b")], model)
    passes = []
    for _ in range(20):
        seen.clear()
        injector.training_step(X[:8], Y[:8], torch.optim.SGD(model.parameters(), lr=0.01))
        passes.append(len(seen))
    # SAM: two passes; V-REx: its own two beside the noisy one
    assert set(passes) == {2, 3}


def test_a_share_of_the_rows_surely_stays_clean() -> None:
    steps = [Step.of("gaussian_noise", std=0.1), Step.of("label_smoothing", smoothing=0.3), Step.of("mixup", alpha=1.0)]
    injector = attached(steps, clean_share=0.25)
    counts = []
    rows = []
    for _ in range(3):
        x, y = injector.perturb(X, Y)
        assert isinstance(x, Tensor)
        clean = (x == 1).all(1)
        # what is clean is so in its target too
        assert torch.equal(y[clean], nn.functional.one_hot(Y[clean], 3).float())
        assert not (y[~clean] == 1).any()
        counts.append(int(clean.sum()))
        rows.append(clean)
        injector.step()
    assert all(c in (150, 151) for c in counts) and not torch.equal(rows[0], rows[1])


def test_a_fraction_of_a_row_is_one_in_so_many_batches() -> None:
    injector = attached([Step.of("gaussian_noise", std=0.1)], clean_share=0.25)
    clean = 0
    for _ in range(400):
        x, _ = injector.perturb(X[:2], Y[:2])
        clean += int((x == 1).all(1).sum())
        injector.step()
    assert clean / 400 == pytest.approx(0.5, abs=0.08)


def test_clean_rows_stay_clean_inside_the_model_and_in_all_views() -> None:
    model = nn.Sequential(nn.Identity(), nn.Linear(4, 3))
    steps = [
        Step.of("gaussian_noise", std=0.1),
        Step.of("activation_noise", sigma=0.5, site="0"),
        Step.of("two_view_consistency"),
    ]
    injector = attached(steps, model, clean_share=0.5)
    x, _ = injector.perturb(X[:40], Y[:40])
    assert isinstance(x, Tensor)
    inner: list[Tensor] = []
    model[1].register_forward_hook(lambda _, args, out: inner.append(args[0]))
    model(x)
    first, second = ((x.reshape(3, 40, 4)[i] == 1).all(1) for i in (1, 2))
    assert torch.equal(first, second) and int(first.sum()) == 20
    untouched = (inner[0].reshape(3, 40, 4) == 1).all(2)
    assert torch.equal(untouched, first.expand(3, 40))


def test_strings_choose_among_their_own_steps() -> None:
    steps = (
        Step.of("random_casing", probability=1.0, fraction=1.0, one_of="s"),
        Step.of("word_swap", fraction=1.0, one_of="s"),
    )
    transform = Policy("text", steps).raw_transform()
    out = transform.many(["one two three four five six"] * 300, range(300))
    cased = [t != t.lower() for t in out]
    assert sum(cased) / 300 == pytest.approx(0.5, abs=0.1)
    assert all(t.lower() == "one two three four five six" for t, c in zip(out, cased, strict=True) if c)


def test_files_hold_both_and_older_files_neither(tmp_path: Path) -> None:
    policy = Policy("tabular", (NOISE, MASK), clean_share=0.25)
    policy.save(tmp_path / "p.yaml")
    again = load_policy(tmp_path / "p.yaml")
    assert again.steps == policy.steps and again.clean_share == 0.25 and again.hash == policy.hash
    # the digest covers it
    text = (tmp_path / "p.yaml").read_text()
    (tmp_path / "p.yaml").write_text(text.replace("clean_share: 0.25", "clean_share: 0.5"))
    with pytest.raises(PolicyError, match="digest"):
        load_policy(tmp_path / "p.yaml")
    plain = Policy("tabular", (Step.of("gaussian_noise"),))
    assert "clean_share" not in plain.to_dict() and "one_of" not in plain.to_dict()["steps"][0]
    assert plain.hash != Policy("tabular", plain.steps, clean_share=0.1).hash


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(PolicyError, match=r"one_of: a: its steps act at the stages input and target"):
        Policy("tabular", (NOISE, Step.of("label_smoothing", one_of="a")))
    with pytest.raises(PolicyError, match=r"clean_share: noise on strings comes before the batch"):
        Policy("text", (Step.of("word_swap"),), clean_share=0.5)
    with pytest.raises(PolicyError, match=r"0 <= clean_share <= 1 must hold, but got 2"):
        Policy("tabular", (), clean_share=2)
    with pytest.raises(PolicyError, match=r"a step's one_of must be a str"):
        Step.of("gaussian_noise", one_of=3)  # type: ignore[arg-type]
