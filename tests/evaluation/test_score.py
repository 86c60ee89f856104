"""One evaluation against an independent loop over a linear model."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from autonoise.corruptions.base import Reference, corruptions_for
from autonoise.corruptions.frozen import FrozenCorruption, corrupted, fix
from autonoise.data.builtin import cbf_series
from autonoise.evaluation.predict import probabilities
from autonoise.evaluation.score import Score, evaluate, gap_closed
from autonoise.evaluation.sets import EvaluationSets
from autonoise.evaluation.stored import StoredSets
from autonoise.types import DataType, Family

Y = np.arange(60) % 3
X = cbf_series(Y, np.random.default_rng(0), 32)[:, None]
REFERENCE = Reference(DataType.TIMESERIES, X)
FROZEN = tuple(fix(c, study_seed=1) for c in corruptions_for("timeseries", "search"))
WEIGHTS = torch.randn(32, 3, generator=torch.Generator().manual_seed(2))


class Linear(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(1) @ WEIGHTS


class NotANumber(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.full((len(x), 3), float("nan"))


def prepare(rows: Any) -> Tensor:
    return torch.from_numpy(np.nan_to_num(rows).astype(np.float32))


def sets(frozen: tuple[FrozenCorruption, ...] = FROZEN, **options: Any) -> EvaluationSets:
    return EvaluationSets("search0", X, Y, prepare, frozen, REFERENCE, **options)  # type: ignore[arg-type]


def predicted(rows: Any) -> np.ndarray[Any, Any]:
    return (prepare(rows).flatten(1) @ WEIGHTS).argmax(1).numpy()


def same_family(frozen: FrozenCorruption) -> FrozenCorruption:
    """The first two corruptions become one family, so that means over families and over corruptions differ."""
    import dataclasses

    merged = frozen.name in [f.name for f in FROZEN[:2]]
    return dataclasses.replace(frozen, family=Family.INDEPENDENT) if merged else frozen


def test_means_run_over_severities_then_corruptions_then_families() -> None:
    frozen = tuple(map(same_family, FROZEN))
    assert len(frozen) >= 3
    score = evaluate(Linear(), sets(frozen), severities=(1, 4))
    families: dict[str, list[float]] = {}
    for f in frozen:
        accuracies = [float((predicted(corrupted(X, f, s, "search0", REFERENCE)) == Y).mean()) for s in (1, 4)]
        assert score.corruptions[f.name] == pytest.approx(accuracies)
        assert score.noisy_correct[f.name].mean() == pytest.approx(np.mean(accuracies))
        families.setdefault(str(f.family), []).append(float(np.mean(accuracies)))
    means = {f: float(np.mean(v)) for f, v in families.items()}
    assert score.families == pytest.approx(means)
    assert score.noisy == pytest.approx(np.mean(list(means.values())))
    assert score.worst == (min(means, key=lambda f: means[f]), pytest.approx(min(means.values())))
    clean = float((predicted(X) == Y).mean())
    assert score.accuracy == pytest.approx(clean)
    assert score.mixed(0.25) == pytest.approx(0.75 * clean + 0.25 * score.noisy)
    np.testing.assert_array_equal(score.correct, predicted(X) == Y)
    assert score.flat()["noisy.independent"] == score.families["independent"]
    # the ranges of the diagram hold all rows, and their hits are the accuracy, by the same means
    for part, right in (("clean", score.accuracy), ("noisy", score.noisy)):
        shares, _, hits = score.reliability[part].sum(axis=0)
        assert (shares, hits) == (pytest.approx(1), pytest.approx(right))
    gaps = score.reliability["clean"][:, 2] - score.reliability["clean"][:, 1]
    assert np.abs(gaps).sum() == pytest.approx(score.ece)


def test_without_corruptions_the_noisy_figures_are_the_clean_ones() -> None:
    score = evaluate(Linear(), sets(()))
    assert (score.noisy, score.noisy_nll, score.noisy_ece) == (score.accuracy, score.nll, score.ece)
    assert score.worst == ("clean", score.accuracy)
    assert score.corruptions == {}


def test_logits_that_are_no_numbers_count_as_uniform() -> None:
    score = evaluate(NotANumber(), sets(FROZEN[:1]), severities=(3,))
    assert score.accuracy == pytest.approx(1 / 3)  # the first class, whose share it is
    assert (score.nll, score.noisy_nll) == (pytest.approx(math.log(3)), pytest.approx(math.log(3)))
    assert (
        math.isnan(
            evaluate(
                Linear(),
                sets(()),
            ).error_auroc
        )
        is False
    )


@pytest.mark.parametrize("alone", [True, False])
def test_a_real_noisy_set_is_one_more_family_or_the_only_one(alone: bool) -> None:
    rows, labels = X[:20] + 1.5, Y[:20]
    score = evaluate(Linear(), sets(FROZEN[:2], real=(rows, labels), only_real=alone), severities=(2,))
    real = float((predicted(rows) == labels).mean())
    assert score.families["real"] == pytest.approx(real)
    assert score.noisy_correct["real"].shape == (20,)
    others = (
        [] if alone else [float((predicted(corrupted(X, f, 2, "search0", REFERENCE)) == Y).mean()) for f in FROZEN[:2]]
    )
    assert score.noisy == pytest.approx(np.mean([*others, real]))
    assert set(score.families) == {"real"} | ({str(f.family) for f in FROZEN[:2]} if not alone else set())
    quick = sets(FROZEN[:2], real=(rows, labels), only_real=alone).first(30)
    assert len(quick) == 30
    assert set(evaluate(Linear(), quick, (2,)).families) == set(score.families)


def test_corrupted_rows_are_made_once_and_shared() -> None:
    made: list[int] = []

    def counting(rows: Any) -> Tensor:
        made.append(len(rows))
        return prepare(rows)

    one = EvaluationSets("search0", X, Y, counting, FROZEN, REFERENCE)  # type: ignore[arg-type]
    evaluate(Linear(), one, (1, 2))
    evaluate(Linear(), one, (1, 2))
    evaluate(Linear(), one.only(lambda f: f.name == FROZEN[0].name), (1, 2))
    assert made == [60] * (1 + 2 * len(FROZEN))


def test_the_mode_of_the_model_is_restored_and_batches_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    model = nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.Linear(32, 3))
    model.train()
    whole = probabilities(model, prepare(X))
    assert model.training
    monkeypatch.setattr("autonoise.evaluation.predict.EVALUATION_BATCH", 7)
    np.testing.assert_allclose(probabilities(model, prepare(X)), whole, atol=1e-6)
    np.testing.assert_allclose(whole.sum(1), 1)
    call: Callable[..., Any] = lambda m, x: m(x) * 0  # noqa: E731
    np.testing.assert_allclose(probabilities(model, prepare(X), call), 1 / 3)


def test_gap_closed() -> None:
    assert gap_closed(0.7, 0.9, 0.5) == pytest.approx(0.5)
    assert gap_closed(0.4, 0.9, 0.5) == pytest.approx(-0.25)
    assert math.isnan(gap_closed(0.9, 0.9, 0.899))


def test_a_score_is_frozen() -> None:
    assert Score.__dataclass_params__.frozen  # type: ignore[attr-defined]


@pytest.mark.parametrize("on_disk", [False, True])
def test_a_set_too_large_to_keep_is_prepared_a_part_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, on_disk: bool
) -> None:
    """Scores are those of the whole set, and never are there more prepared rows than one forward pass takes."""
    most: list[int] = []

    def watched(rows: Any) -> Tensor:
        most.append(len(rows))
        return prepare(rows)

    rows, labels = np.tile(X, (20, 1, 1))[:950], np.tile(Y, 20)[:950]

    def made() -> EvaluationSets:
        stored = StoredSets(tmp_path) if on_disk else None
        return EvaluationSets("search0", rows, labels, watched, FROZEN[:2], REFERENCE, stored=stored)  # type: ignore[arg-type]

    together = made()
    whole = evaluate(Linear(), together, severities=(1, 5))
    assert max(most) == 950 and len(together._cache) == 5
    most.clear()
    # room for one part in memory, but for no whole set
    monkeypatch.setattr("autonoise.evaluation.sets.CACHE_BYTES", 512 * 32 * 4)
    parts = made()
    some = [p for p in parts.parts(FROZEN[0], 5) if isinstance(p, Tensor)]
    assert [len(p) for p in some] == [512, 438]
    assert torch.equal(torch.cat(some), prepare(corrupted(rows, FROZEN[0], 5, "search0", REFERENCE)))
    assert evaluate(Linear(), parts, severities=(1, 5)).flat() == whole.flat()
    assert max(most) == 512
    assert not parts._cache
