"""One evaluation: clean and noisy accuracy, calibration, per corruption and per family."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from torch import nn

from autonoise.evaluation import metrics
from autonoise.evaluation.predict import Forward, probabilities
from autonoise.evaluation.sets import EvaluationSets
from autonoise.types import Array, Batch, Family

SMALLEST_GAP = 0.002


@dataclass(frozen=True)
class Score:
    """How good a model is on one part of the data.

    Attributes:
        accuracy, balanced, nll, brier, ece: on clean rows; see :mod:`autonoise.evaluation.metrics`.
        noisy: accuracy on noisy rows: the mean over the severities of a corruption, then over the corruptions of a
            family, then over the families. ``noisy_nll``, ``noisy_brier``, ``noisy_ece`` and ``error_auroc`` likewise.
        corruptions: accuracy at each severity, by the name of the corruption.
        families: accuracy by family.
        correct: (N,) 1 where a clean row is classified rightly, else 0.
        noisy_correct: (N,) the share of severities at which a row is classified rightly, by the corruption's name.
        usable: False where the model tells no class of any clean row from another, as one does whose outputs are NaN.
        reliability: "clean" and "noisy" → the reliability diagram in numbers, see
            :func:`~autonoise.evaluation.metrics.reliability`; noisy is a mean over noisy sets, as the accuracy is.
    """

    accuracy: float
    balanced: float
    nll: float
    brier: float
    ece: float
    noisy: float
    noisy_nll: float
    noisy_brier: float
    noisy_ece: float
    error_auroc: float
    corruptions: Mapping[str, Sequence[float]]
    families: Mapping[str, float]
    correct: Array = field(repr=False)
    noisy_correct: Mapping[str, Array] = field(repr=False)
    usable: bool = True
    reliability: Mapping[str, Array] = field(default_factory=dict, repr=False)

    def mixed(self, weight: float) -> float:
        """(1 - weight) * clean accuracy + weight * noisy accuracy."""
        return (1 - weight) * self.accuracy + weight * self.noisy

    @property
    def worst(self) -> tuple[str, float]:
        """The family with the lowest accuracy."""
        if not self.families:
            return "clean", self.accuracy
        name = min(self.families, key=lambda f: self.families[f])
        return name, self.families[name]

    def flat(self) -> dict[str, float]:
        """The numbers of a report, by name."""
        return {
            "clean": self.accuracy,
            "noisy": self.noisy,
            "worst": self.worst[1],
            "balanced": self.balanced,
            "nll_clean": self.nll,
            "nll_noisy": self.noisy_nll,
            "ece_clean": self.ece,
            "ece_noisy": self.noisy_ece,
            "brier_clean": self.brier,
            "brier_noisy": self.noisy_brier,
            "error_auroc": self.error_auroc,
            **{f"noisy.{f}": a for f, a in self.families.items()},
        }


def _predicted(model: nn.Module, parts: Iterable[Batch], forward: Forward | None) -> Array:
    """Probabilities (N, C) of rows that come in parts."""
    return np.concatenate([probabilities(model, part, forward) for part in parts])


def evaluate(
    model: nn.Module, sets: EvaluationSets, severities: Sequence[int] = (1, 2, 3, 4, 5), forward: Forward | None = None
) -> Score:
    """Score a model on a part of the data; where there is no noise at all, the noisy figures equal the clean ones."""
    labels = sets.labels
    clean = _predicted(model, sets.parts(), forward)
    correct = (clean.argmax(1) == labels).astype(float)
    by_corruption: dict[str, list[float]] = {}
    by_row: dict[str, Array] = {}
    families: dict[Family, list[_Noisy]] = {}
    for frozen in sets.frozen:
        runs = [_Noisy.of(_predicted(model, sets.parts(frozen, s), forward), labels) for s in severities]
        by_corruption[frozen.name] = [r.accuracy for r in runs]
        by_row[frozen.name] = np.mean([r.correct for r in runs], axis=0)
        families.setdefault(frozen.family, []).append(_Noisy.mean(runs))
    means: dict[str, _Noisy] = {str(f): _Noisy.mean(v) for f, v in families.items()}
    if sets.real is not None:
        batch, real_labels = sets.real_noisy()
        means["real"] = _Noisy.of(probabilities(model, batch, forward), real_labels)
        by_corruption["real"] = [means["real"].accuracy]
        by_row["real"] = means["real"].correct
    overall = _Noisy.mean(list(means.values())) if means else _Noisy.of(clean, labels)
    return Score(
        accuracy=float(correct.mean()),
        balanced=metrics.balanced_accuracy(clean, labels),
        nll=metrics.nll(clean, labels),
        brier=metrics.brier(clean, labels),
        ece=metrics.ece(clean, labels),
        noisy=overall.accuracy,
        noisy_nll=overall.nll,
        noisy_brier=overall.brier,
        noisy_ece=overall.ece,
        error_auroc=overall.auroc,
        corruptions=by_corruption,
        families={f: m.accuracy for f, m in means.items()},
        correct=correct,
        noisy_correct=by_row,
        usable=not bool((clean == clean[:, :1]).all()),
        reliability={"clean": metrics.reliability(clean, labels), "noisy": overall.bins},
    )


@dataclass(frozen=True)
class _Noisy:
    """Metrics on one noisy set, or their means over several."""

    accuracy: float
    nll: float
    brier: float
    ece: float
    auroc: float
    correct: Array
    bins: Array

    @classmethod
    def of(cls, p: Array, labels: Array) -> _Noisy:
        correct = (p.argmax(1) == labels).astype(float)
        return cls(
            float(correct.mean()),
            metrics.nll(p, labels),
            metrics.brier(p, labels),
            metrics.ece(p, labels),
            metrics.error_auroc(p, labels),
            correct,
            metrics.reliability(p, labels),
        )

    @classmethod
    def mean(cls, runs: Sequence[_Noisy]) -> _Noisy:
        def over(values: list[float]) -> float:
            known = [v for v in values if np.isfinite(v)]
            return float(np.mean(known)) if known else float("nan")

        same = all(len(r.correct) == len(runs[0].correct) for r in runs)
        return cls(
            over([r.accuracy for r in runs]),
            over([r.nll for r in runs]),
            over([r.brier for r in runs]),
            over([r.ece for r in runs]),
            over([r.auroc for r in runs]),
            np.mean([r.correct for r in runs], axis=0) if same else runs[0].correct,
            np.mean([r.bins for r in runs], axis=0),
        )


def gap_closed(policy_noisy: float, baseline_clean: float, baseline_noisy: float) -> float:
    """Which share of what noise costs the baseline the policy wins back: 0 none of it, 1 all of it.

    (noisy of policy - noisy of baseline) / (clean of baseline - noisy of baseline), all accuracies. NaN where noise
    costs the baseline 0.2 percentage points or less, of which no share can be told.
    """
    gap = baseline_clean - baseline_noisy
    return (policy_noisy - baseline_noisy) / gap if gap > SMALLEST_GAP else float("nan")
