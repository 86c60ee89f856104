"""What techniques of single stages promise: what may not be touched, what pairs do, what ``exact`` means."""

from __future__ import annotations

import torch

from autonoise.batches import batch_adapter
from autonoise.technique.registry import Technique
from autonoise.technique.stages import ActivationNoise, InputNoise, PairNoise
from autonoise.technique.step import Step
from autonoise.testing.promises import Promise, hold
from autonoise.testing.samples import SIZE, SPECS, VOCABULARY, dict_batch, spec_of, targets, tensor_batch
from autonoise.testing.training import Trainer, policy_for
from autonoise.types import BatchInfo, DataType, InputSpec, Stage


def padding_and_special_tokens_stay(kind: type[Technique], data_type: DataType) -> None:
    """Padding, special tokens and missing values stay as they are, and no such token is put into a text."""
    for seed in range(4):
        x = dict_batch(data_type, seed=seed)
        trainer = Trainer(policy_for(kind, data_type), dict_batch, attach={"seed": seed})
        noisy, _ = trainer.injector.perturb(x, targets())
        assert not isinstance(noisy, torch.Tensor)
        if data_type is DataType.TEXT:
            fixed = (x["input_ids"] <= 3) | (x["attention_mask"] == 0)
            ids, mask = noisy["input_ids"], noisy["attention_mask"]
            hold(torch.equal(ids[fixed], x["input_ids"][fixed]), "padding or special tokens of a text are changed")
            hold(torch.equal(mask, x["attention_mask"]), "the attention mask of a text is changed")
            special = torch.tensor([0, 2, 3])
            hold(not torch.isin(ids[~fixed], special).any(), "words of a text become padding or special tokens")
            inside = int(ids.min()) >= 0 and int(ids.max()) < VOCABULARY
            hold(inside, f"token ids must be 0 to {VOCABULARY - 1}, but go from {int(ids.min())} to {int(ids.max())}")
        elif data_type in (DataType.AUDIO, DataType.TIMESERIES):
            key = "waveform" if data_type is DataType.AUDIO else "series"
            outside = torch.arange(x[key].shape[-1]) >= x["lengths"][:, None]
            outside = outside if data_type is DataType.AUDIO else outside[:, None].expand_as(x[key])
            hold(torch.equal(noisy[key][outside], x[key][outside]), "what lies behind the end of a row is changed")
            hold(torch.equal(noisy["lengths"], x["lengths"]), "the lengths of the rows are changed")
        elif data_type is DataType.TABULAR:
            was, now = torch.isnan(x["numeric"]), torch.isnan(noisy["numeric"])
            hold(torch.equal(now, was), "missing values of a table appear or go away")


def categories_stay_categories(kind: type[Technique], data_type: DataType) -> None:
    """One-hot columns, codes and flags of a table hold values that they may hold, never a number with noise on it."""
    for seed in range(6):
        x = tensor_batch(data_type, seed=seed)
        trainer = Trainer(policy_for(kind, data_type), tensor_batch, attach={"seed": seed})
        z = trainer.injector.perturb(x, targets())[0]
        assert isinstance(z, torch.Tensor)
        codes = z[:, list(SPECS[data_type].codes)]
        whole = torch.equal(codes, codes.round()) and 0 <= float(codes.min()) <= float(codes.max()) <= 5
        hold(whole, "a column of codes holds a value that is no code: see info.categorical for the columns to leave")
        if kind.stage is Stage.PAIR:  # a share of two categories is what mixing the rows of a table means
            continue
        for group in SPECS[data_type].onehot:
            part = z[:, list(group)]
            binary = bool(((part == 0) | (part == 1)).all()) and bool((part.sum(1) <= 1).all())
            hold(binary, "one-hot columns hold other values than 0 and one 1: see info.feature_of and info.categorical")
        flags = z[:, [flag for flag, _ in SPECS[data_type].flags]]
        hold(((flags == 0) | (flags == 1)).all(), "a flag of missing values is neither 0 nor 1")


def a_row_by_itself_changes(kind: type[Technique], data_type: DataType) -> None:
    """A row by itself changes, or the technique says ``needs_other_rows``: a data set hands out one at a time."""
    row, step = tensor_batch(data_type)[:1], Step(kind())
    # so many seeds that no usual probability leaves them all without a change
    changed = any(not torch.equal(step(row, seed=seed, input=SPECS[data_type]), row) for seed in range(40))
    hold(changed or kind.needs_other_rows, "a batch of one row never changes: say needs_other_rows = True")
    hold(not (changed and kind.needs_other_rows), "it says needs_other_rows, but changes a batch of one row")


def mixing_spreads_no_missing_values(kind: type[Technique], data_type: DataType) -> None:
    """A missing value stays missing and makes no value of its partner missing."""
    x = dict_batch(data_type)
    noisy, _ = Trainer(policy_for(kind, data_type), dict_batch).injector.perturb(x, targets())
    assert not isinstance(noisy, torch.Tensor)
    for key, value in x.items():
        hold(torch.equal(torch.isnan(noisy[key]), torch.isnan(value)), f"mixing changes which values of {key} are NaN")


def rows_of_strength_zero_are_not_mixed(kind: type[Technique], data_type: DataType) -> None:
    """The plan gives rows of strength 0 the weight 1, weights lie in [0, 1], and partners are rows of the batch."""
    x = tensor_batch(data_type)
    main, info = batch_adapter(data_type).open(x, spec_of(data_type, x))
    technique = kind()
    assert isinstance(technique, PairNoise)
    strength = torch.tensor([0.0, 1.0] * (SIZE // 2))
    for seed in range(3):
        plan = technique.plan(main, strength=strength, rng=torch.Generator().manual_seed(seed), info=info)
        weight = plan.weight
        hold(weight.shape == (SIZE,), f"the plan's weight must have shape ({SIZE},), but has {tuple(weight.shape)}")
        hold((weight[strength == 0] == 1).all(), "rows of strength 0 must have the weight 1, so that they stay")
        hold(((weight >= 0) & (weight <= 1)).all(), "weights must lie in [0, 1]")
        partners = plan.permutation.sort().values
        hold(torch.equal(partners, torch.arange(SIZE)), "the plan's permutation must name each row once")


def exact_means_exact(kind: type[Technique], data_type: DataType) -> None:
    """A technique that says ``exact`` gives rows of strength 0 back bit for bit, since nobody else puts them back."""
    if not kind.exact:
        return
    technique = kind()
    spec = SPECS[data_type]
    if data_type is DataType.TABULAR:
        spec = InputSpec(data_type=data_type, layout=(40,), numeric=tuple(range(20)), onehot=(tuple(range(20, 40)),))
    of_layers = (12, 12, 12) if data_type is DataType.IMAGE else (40, 50)
    within = isinstance(technique, ActivationNoise) and data_type is not DataType.TABULAR
    shape = (6, *(of_layers if within else spec.layout))
    strength = torch.tensor([0.0, 1.0, 0.0, 0.5, 0.0, 1.0])
    rng, draws = torch.Generator().manual_seed(0), torch.Generator().manual_seed(1)
    h = torch.randn(shape, generator=rng)
    if isinstance(technique, InputNoise) and data_type is DataType.TEXT:
        h = torch.randint(5, VOCABULARY, shape, generator=rng)
    info = BatchInfo(spec)
    if isinstance(technique, PairNoise):
        plan = technique.plan(h, strength=strength, rng=draws, info=info)
        out = technique.mix(h, plan, rng=draws, info=info)
    elif isinstance(technique, InputNoise | ActivationNoise):
        out = technique.perturb(h, strength=strength.reshape(-1, *[1] * (h.ndim - 1)), rng=draws, info=info)
    else:
        raise AssertionError(f"exact says something of input, pair and activation noise only, not of {kind.stage}")
    still = strength == 0
    hold(
        torch.equal(out[still], h[still]), "it says exact, but changes rows of strength 0: drop exact, or use strength"
    )
    hold(not torch.equal(out[~still], h[~still]), "it changes no row of strength above 0")


def stage_promises(kind: type[Technique], data_type: DataType) -> tuple[Promise, ...]:
    """The promises of a technique's own stage."""
    out: list[Promise] = []
    if kind.stage in (Stage.INPUT, Stage.ADVERSARIAL):
        out.append(padding_and_special_tokens_stay)
    if kind.stage is Stage.INPUT:
        out.append(a_row_by_itself_changes)
    if data_type is DataType.TABULAR and kind.stage in (Stage.INPUT, Stage.ADVERSARIAL, Stage.PAIR):
        out.append(categories_stay_categories)
    if kind.stage is Stage.PAIR:
        out += [mixing_spreads_no_missing_values, rows_of_strength_zero_are_not_mixed]
    if kind.exact:
        out.append(exact_means_exact)
    return tuple(out)
