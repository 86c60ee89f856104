"""Consistency over views in three lines: what perturb hands out, what loss makes of it, what clean gives back."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from autonoise.errors import AttachError
from autonoise.injector.injector import NoiseInjector
from autonoise.ops.random import generator
from autonoise.policy import Policy, Step
from autonoise.types import DataType, InputSpec

ROWS, CLASSES = 6, 3
Y = torch.arange(ROWS) % CLASSES
NOISE = Step.of("gaussian_noise", std=0.5)
JSD, R_DROP = Step.of("two_view_consistency", weight=12.0), Step.of("r_drop", weight=2.0)
VAT, TRADES = Step.of("vat", eps=0.3), Step.of("trades", eps=0.3, steps=2)
CONSISTENCY = [JSD, R_DROP, VAT, TRADES]
name = lambda value: value.name if isinstance(value, Step) else None  # noqa: E731


class Bag(nn.Module):
    """Counts tokens of (B, L) ids, with a mask where the batch is a mapping; dropout and batch norm inside."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.norm = nn.Embedding(30, 8), nn.BatchNorm1d(8)
        self.drop, self.head = nn.Dropout(0.3), nn.Linear(8, CLASSES)
        self.rows: list[int] = []

    def forward(self, batch: Any) -> Tensor:
        ids = batch if isinstance(batch, Tensor) else batch["input_ids"]
        mask = torch.ones_like(ids) if isinstance(batch, Tensor) else batch["attention_mask"]
        self.rows.append(len(ids))
        out: Tensor = self.head(self.drop(self.norm((self.embed(ids) * mask[..., None]).sum(1))))
        return out


def table_net() -> nn.Module:
    return nn.Sequential(nn.Linear(5, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.3), nn.Linear(8, CLASSES))


def table() -> Tensor:
    return torch.randn(ROWS, 5, generator=generator(1))


def words() -> dict[str, Tensor]:
    mask = torch.ones(ROWS, 7, dtype=torch.long)
    mask[0, 4:] = 0
    return {"input_ids": torch.randint(4, 30, (ROWS, 7), generator=generator(2)) * mask, "attention_mask": mask}


TEXT = InputSpec(
    data_type=DataType.TEXT,
    layout=(7,),
    classes=CLASSES,
    pad_id=0,
    unk_id=1,
    mask_id=2,
    special_ids=(3,),
    vocabulary_size=30,
)
TABLE = InputSpec(data_type=DataType.TABULAR, layout=(5,), classes=CLASSES, numeric=tuple(range(5)))


def attached(data_type: str, steps: list[Step]) -> tuple[nn.Module, NoiseInjector, torch.optim.Optimizer]:
    torch.manual_seed(0)
    model = Bag() if data_type == "text" else table_net()
    spec = TEXT if data_type == "text" else TABLE
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    injector = Policy(DataType(data_type), tuple(steps)).attach(
        model, epochs=1, steps_per_epoch=4, input=spec, seed=3, optimizer=optimizer
    )
    return model, injector, optimizer


COMPANY = [
    ("tabular", [NOISE]),
    ("tabular", [NOISE, Step.of("label_smoothing", smoothing=0.2), Step.of("target_noise", fraction=0.3)]),
    ("tabular", [NOISE, Step.of("mixup", alpha=1.0)]),
    ("tabular", [NOISE, Step.of("fgsm", eps=0.3), Step.of("activation_noise", sigma=0.3, probability=0.5)]),
    ("tabular", [NOISE, Step.of("noisy_feature_mixup", alpha=1.0), Step.of("weight_noise", sigma=0.1)]),
    ("text", [Step.of("word_dropout", fraction=0.4), Step.of("activation_noise", site="penultimate")]),
    ("text", [Step.of("token_masking"), Step.of("mixup", alpha=1.0), Step.of("fgsm", eps=0.3)]),
    ("text", [Step.of("noisy_feature_mixup", alpha=1.0, site="embedding")]),
]


@pytest.mark.parametrize(("data_type", "others"), COMPANY)
@pytest.mark.parametrize("step", CONSISTENCY, ids=name)
def test_three_lines_train_as_the_whole_step_does(step: Step, data_type: str, others: list[Step]) -> None:
    batch = table() if data_type == "tabular" else words()
    whole, injector, optimizer = attached(data_type, [*others, step])
    torch.manual_seed(5)
    wanted = [injector.training_step(batch, Y, optimizer).item() for _ in range(2)]

    model, injector, optimizer = attached(data_type, [*others, step])
    torch.manual_seed(5)
    got = []
    for _ in range(2):
        x, y = injector.perturb(batch, Y)
        logits = model(x)
        loss = injector.loss(logits, y)
        assert len(injector.clean(logits)) == ROWS
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        injector.step()
        got.append(loss.item())
    assert got == wanted
    for a, b in zip(whole.state_dict().values(), model.state_dict().values(), strict=True):
        assert torch.equal(a, b)


def one_row(step: Step, *logits: list[float], strength: float = 1.0) -> float:
    """The loss of one row of class 0 whose versions get these logits."""
    _, injector, _ = attached("tabular", [step])
    injector.set_strength(strength)
    x, y = injector.perturb(table()[:2], torch.tensor([0, 0]))
    # the row stands twice in every version, so that the mean over rows is its own
    given = torch.tensor(logits).repeat_interleave(2, 0)
    assert len(x) == len(y) == len(given)
    return injector.loss(given, y).item()


def test_the_losses_against_numbers_by_hand() -> None:
    even, sure, other = [0.0, 0.0, -99.0], [2.1972246, 0.0, -99.0], [0.0, 2.1972246, -99.0]  # 1/2; 9/10; 1/10
    # log 2 + 12 * (2 / 3) * (.9 log 1.8 + .1 log .2)
    assert one_row(JSD, even, sure, other) == pytest.approx(0.693147 + 12 * 0.245376, rel=1e-5)
    assert one_row(JSD, even, sure, other, strength=0.5) == pytest.approx(0.693147 + 6 * 0.245376, rel=1e-5)
    # (-log .9 - log .5) / 2 + 2 * (KL(.9 | .5) + KL(.5 | .9)) / 2, with KL .368064 and .510826
    assert one_row(R_DROP, sure, even) == pytest.approx(0.399254 + 0.368064 + 0.510826, rel=1e-5)
    # -log .9 + KL(.9 | .5), and six times that
    assert one_row(VAT, sure, even) == pytest.approx(0.105361 + 0.368064, rel=1e-5)
    assert one_row(TRADES, sure, even) == pytest.approx(0.105361 + 6 * 0.368064, rel=1e-5)


def test_the_views_of_augmix_are_the_clean_batch_and_two_draws() -> None:
    _, injector, _ = attached("tabular", [NOISE, JSD])
    x, y = injector.perturb(table(), Y)
    assert torch.equal(x[:ROWS], table()) and torch.equal(y, Y.repeat(3)) and not y.is_floating_point()
    noise = x[ROWS:] - table().repeat(2, 1)
    assert noise.std().item() == pytest.approx(0.5, abs=0.15) and not torch.equal(noise[:ROWS], noise[ROWS:])
    assert torch.equal(injector.clean(x), table()) and torch.equal(injector.clean(y), Y)
    assert injector.clean(Y) is Y


def test_r_drop_sees_the_same_noisy_rows_twice_and_its_dropout_differs() -> None:
    model, injector, _ = attached("tabular", [NOISE, R_DROP])
    x, y = injector.perturb(table(), Y)
    assert torch.equal(x[:ROWS], x[ROWS:]) and not torch.equal(x[:ROWS], table()) and torch.equal(y, Y.repeat(2))
    logits = model(x)
    assert not torch.allclose(logits[:ROWS], logits[ROWS:])


def test_mixed_rows_come_before_the_clean_ones() -> None:
    _, injector, _ = attached("tabular", [NOISE, Step.of("mixup", alpha=1.0), JSD])
    x, y = injector.perturb(table(), Y)
    hard = F.one_hot(Y, CLASSES).float()
    assert len(x) == len(y) == 4 * ROWS and torch.equal(injector.clean(x), table())
    assert torch.equal(y[ROWS:], hard.repeat(3, 1)) and not torch.equal(y[:ROWS], hard)
    assert torch.equal(injector.clean(y), hard)


def test_other_entries_of_a_batch_follow_their_rows() -> None:
    _, injector, _ = attached("text", [Step.of("word_dropout", fraction=0.4), JSD])
    names, table_of_positions = [f"row {i}" for i in range(ROWS)], torch.arange(40)
    batch: Any = words() | {"name": names, "positions": table_of_positions, "scale": torch.tensor(2.0), "flag": True}
    x, _ = injector.perturb(batch, Y)
    assert x["name"] == names * 3 and x["flag"] is True and x["scale"].ndim == 0
    assert torch.equal(x["positions"], table_of_positions)
    assert torch.equal(x["attention_mask"], words()["attention_mask"].repeat(3, 1))
    back = injector.clean(x)
    assert back["name"] == names and torch.equal(back["input_ids"], words()["input_ids"])
    assert torch.equal(back["positions"], table_of_positions)


def test_rows_are_not_stacked_where_the_technique_does_not_act() -> None:
    model, injector, _ = attached("tabular", [NOISE, Step.of("two_view_consistency", gate=2)])
    sizes = []
    for _ in range(3):
        x, y = injector.perturb(table(), Y)
        logits = model(x)
        assert len(x) == len(y) and len(injector.clean(logits)) == ROWS
        injector.loss(logits, y)
        sizes.append(len(x))
        injector.step()
    assert sizes == [18, 6, 18]
    model.eval()
    x, y = injector.perturb(table(), Y)
    assert x is not None and len(x) == ROWS
    # a validation batch of another size, while the last training batch had views
    logits = model(table()[:4])
    assert injector.clean(logits) is logits
    assert injector.loss(logits, Y[:4]).item() == pytest.approx(F.cross_entropy(logits, Y[:4]).item())


def test_logits_or_targets_of_the_clean_rows_alone_are_refused() -> None:
    model, injector, _ = attached("tabular", [NOISE, JSD])
    x, y = injector.perturb(table(), Y)
    logits = model(x)
    with pytest.raises(AttachError, match=r"handed out 18 rows, 3 versions of 6 rows.*logits of 6"):
        injector.loss(injector.clean(logits), y)
    with pytest.raises(AttachError, match=r"targets of 6.*the y that perturb\(\) returned"):
        injector.loss(logits, Y)
    with pytest.raises(AttachError, match=r"clean\(\) takes values of the 18 rows"):
        injector.clean(torch.zeros(7, 3))


def test_a_loop_that_never_takes_the_loss_is_told(caplog: pytest.LogCaptureFixture) -> None:
    _, injector, _ = attached("tabular", [NOISE, JSD])
    for _ in range(4):
        injector.perturb(table(), Y)
        injector.step()
    assert "loss() was not called in the whole first epoch" in caplog.text and "two_view_consistency" in caplog.text


def test_techniques_of_the_whole_step_are_still_refused() -> None:
    _, injector, _ = attached("tabular", [NOISE, JSD, Step.of("sam")])
    assert injector.policy.needs_whole_step and not Policy("tabular", (NOISE, JSD)).needs_whole_step
    with pytest.raises(AttachError, match=r"whole training step \(sam\)"):
        injector.perturb(table(), Y)


def test_one_consistency_technique_is_enough() -> None:
    with pytest.raises(Exception, match=r"contradict each other \(consistency\)"):
        Policy("tabular", (JSD, R_DROP))


def test_what_it_costs() -> None:
    def passes(*steps: Step) -> float:
        return Policy("tabular", (NOISE, *steps)).passes

    mixup, sam = Step.of("mixup"), Step.of("sam")
    assert [passes(s) for s in (JSD, R_DROP)] == [3, 2]
    assert passes(VAT) == pytest.approx(2 + 1 + 1 / 3) and passes(TRADES) == pytest.approx(2 + 2 + 1 / 3)
    # only views of clean rows need a block more beside mixed pairs
    assert [passes(s, mixup) for s in (JSD, R_DROP)] == [4, 2]
    # SAM repeats the forward and backward pass, not the search for a neighbour
    assert passes(TRADES, sam) == pytest.approx(2 * 2 + 2 + 1 / 3) and passes(R_DROP, sam) == 4


def test_strings_have_their_views_made_before_the_tokenizer() -> None:
    typos, texts = Step.of("character_typos", fraction=0.5), [f"the text of row {i}" for i in range(ROWS)]
    model, injector, _ = attached("text", [typos, JSD])
    noise = injector.raw_transform()
    views = noise.views(texts, range(ROWS))
    assert len(views) == 18 and views[:6] == texts and views[6:12] == noise.many(texts, range(ROWS))
    assert len({tuple(views[i : i + 6]) for i in (0, 6, 12)}) == 3

    ids = torch.tensor([[4 + ord(c) % 26 for c in t[:7]] for t in views])
    x, y = injector.perturb(ids, Y)
    assert torch.equal(x, ids) and torch.equal(y, Y.repeat(3))
    loss = injector.loss(model(x), y)
    assert torch.isfinite(loss) and torch.equal(injector.clean(x), ids[:6])
    plain = attached("text", [typos, R_DROP])[1].raw_transform()
    assert plain.views(texts, range(ROWS)) == plain.many(texts, range(ROWS))


def test_strings_in_views_while_the_technique_is_off() -> None:
    _, injector, _ = attached("text", [Step.of("character_typos"), Step.of("two_view_consistency", probability=0)])
    ids = torch.randint(4, 30, (18, 7), generator=generator(0))
    x, y = injector.perturb(ids, Y)
    assert torch.equal(x, ids[6:12]) and torch.equal(y, Y)


def test_the_users_own_loss_is_that_of_the_clean_rows() -> None:
    seen = []

    def loss(logits: Tensor, y: Tensor) -> Tensor:
        seen.append((len(logits), len(y)))
        return F.cross_entropy(logits, y)

    torch.manual_seed(0)
    model = table_net()
    injector = Policy("tabular", (NOISE, JSD)).attach(model, epochs=1, steps_per_epoch=1, input=TABLE, loss=loss)
    x, y = injector.perturb(table(), Y)
    injector.loss(model(x), y)
    assert seen == [(ROWS, ROWS)]


def test_pairs_inside_the_model_are_mixed_in_the_blocks_they_belong_to() -> None:
    """The mixing of a layer meets four blocks (three clean ones among them), or two that are mixed alike."""
    steps = [Step.of("mixup", alpha=1.0, site="0")]
    for step, mixed in ((JSD, 1), (R_DROP, 2)):
        torch.manual_seed(0)
        model = nn.Sequential(nn.Identity(), nn.Linear(5, CLASSES))
        plain = copy.deepcopy(model)
        injector = Policy("tabular", (*steps, step)).attach(model, epochs=1, steps_per_epoch=1, input=TABLE)
        x, _ = injector.perturb(table(), Y)
        changed = (model(x) != plain(x)).any(1).reshape(-1, ROWS)
        assert changed[:mixed].any() and not changed[mixed:].any()
        if mixed == 2:
            first, second = model(x).reshape(2, ROWS, CLASSES)
            assert torch.equal(first, second)


@pytest.mark.parametrize(("step", "shifted"), [(JSD, [1, 0, 0, 0]), (R_DROP, [1, 1]), (VAT, [1, 1])], ids=name)
def test_the_shift_of_an_embedding_goes_to_the_blocks_it_belongs_to(step: Step, shifted: list[int]) -> None:
    model, injector, _ = attached("text", [Step.of("fgsm", eps=0.3), step])
    assert isinstance(model, Bag)
    x, _ = injector.perturb(words(), Y)
    given: list[Tensor] = []
    model.embed.register_forward_hook(lambda _, args, out: given.append(out))
    model(x)
    shift = given[0].detach() - F.embedding(x["input_ids"], model.embed.weight.detach())
    moved = shift.reshape(len(shifted), -1).abs().amax(1) > 0
    assert moved.tolist() == [bool(s) for s in shifted]
    if step is VAT:
        # the second view lies a little further than the attacked one
        assert not torch.equal(shift[:ROWS], shift[ROWS:])
