"""RobustnessMonitor: accuracy, loss and calibration on clean and noisy data while training; is noise overused?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from autonoise.errors import DataError
from autonoise.evaluation import metrics, noisy_sets
from autonoise.evaluation.noisy_sets import Chosen, ValidationSet
from autonoise.evaluation.predict import evaluating, probabilities
from autonoise.types import Array

if TYPE_CHECKING:
    from autonoise.policy import NoiseInjector

ERRORS = 2.0
"""An epoch is worse than the best one before it if the difference is more than so many standard errors.

By chance alone one standard error is exceeded at about every sixth measurement, two at every fortieth.
"""
BACK_OFF = 0.7
"""Factor by which the strength of the noise is lowered when noise is overused."""

LOSS, WRONG, CALIBRATION, OVERCONFIDENCE = range(4)
_WORDS = {LOSS: "loss", WRONG: "error", CALIBRATION: "calibration error"}


class RobustnessMonitor:
    """Measures a model under training on clean and noisy data, and says when its noise is overused.

    Call ``epoch()`` after each epoch; it appends a row to ``history`` (``epoch``, ``clean``, ``noisy``, ``drop``,
    ``nll_clean``, ``nll_noisy``, ``ece_clean``, ``ece_noisy``, ``strength``, ``overused``, ``noisy.<set>``).
    Noise is overused when the noisy loss, error or calibration error was worse than at its best by two standard
    errors (paired over rows) for ``patience`` measurements in a row, while the strength had not been lowered. Where
    the model only becomes over-confident and its accuracy stays, the cause is overfitting, not the noise.

    Args:
        validation: clean (x, y) in the model's own scale or a list of such batches, ``{"clean": (x, y), ...}``
            with noisy sets of your own, or :class:`autonoise.evaluation.sets.EvaluationSets`.
        corruptions: names, for the first and the last form; default: the search group, at severity 3.
        forward: ``forward(model, batch) -> logits``; default: as the injector calls the model.
        back_off: multiply the injector's strength by 0.7 when noise is overused.
        every: measure after every so many calls of ``epoch()``.
    """

    def __init__(
        self,
        injector: NoiseInjector,
        validation: Any,
        *,
        corruptions: Chosen = None,
        forward: Callable[[nn.Module, Any], Tensor] | None = None,
        back_off: bool = False,
        patience: int = 2,
        every: int = 1,
    ) -> None:
        for name, value in (("patience", patience), ("every", every)):
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise DataError(f"{name} must be a whole number >= 1, but got {value!r}")
        self.history: list[dict[str, Any]] = []
        self.overused, self.advice = False, ""
        self._injector, self._forward = injector, forward
        self._back_off, self._patience, self._every, self._epochs = back_off, patience, every, 0
        self._marks: dict[int, _Mark] = {}
        with evaluating(injector.model):
            self._make = self._source(validation, corruptions)
        self._sets: list[ValidationSet] = []

    def epoch(self) -> dict[str, Any] | None:
        """Measure; returns the new row of ``history``, or None where ``every`` says not yet."""
        self._epochs += 1
        if self._epochs % self._every:
            return None
        with self._injector.averaged(), evaluating(self._injector.model):
            # not before training: the injector learns the input's scale from its first batch
            self._sets = self._sets or self._make()
            readings = [self._read(s) for s in self._sets]
        strength = self._strength()
        row = self._row(readings, strength)
        self._judge(_Reading.of(self._sets[1:], readings[1:]), strength)
        row["overused"] = self.overused
        self.history.append(row)
        if self.overused and self._back_off:
            self._injector.set_strength(BACK_OFF * self._injector.knob)
            self.advice += f"; strength lowered to {self._injector.knob:.3g}"
            self._marks = {}
        return row

    def state_dict(self) -> dict[str, Any]:
        """Plain data from which :meth:`load_state_dict` resumes; the strength is in the injector's own state."""
        marks = {
            column: {
                "strength": m.strength,
                "value": m.value,
                "worse": m.worse,
                "rows": [rows for _, rows in m.reading.groups],
                "weights": [w for w, _ in m.reading.groups],
            }
            for column, m in self._marks.items()
        }
        return {
            "epochs": self._epochs,
            "history": [dict(row) for row in self.history],
            "overused": self.overused,
            "advice": self.advice,
            "marks": marks,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._epochs, self.history = int(state["epochs"]), [dict(row) for row in state["history"]]
        self.overused, self.advice = bool(state["overused"]), str(state["advice"])
        self._marks = {
            column: _Mark(
                _Reading(list(zip(m["weights"], m["rows"], strict=True))), m["strength"], m["value"], m["worse"]
            )
            for column, m in state["marks"].items()
        }

    def _source(self, validation: Any, corruptions: Chosen) -> Callable[[], list[ValidationSet]]:
        injector = self._injector
        if isinstance(validation, noisy_sets.Evaluation):
            sets = noisy_sets.from_evaluation(validation, corruptions)
            return lambda: sets
        if isinstance(validation, Mapping):
            sets = noisy_sets.from_mapping(validation, corruptions)
            return lambda: sets
        x, labels = noisy_sets.pair(validation, "validation")
        noisy_sets.check_clean(injector.policy.data_type, injector.spec.sample_rate)

        def make() -> list[ValidationSet]:
            return noisy_sets.from_clean(x, labels, injector.adapter, injector.spec_for(x), corruptions)

        return make

    def _read(self, given: ValidationSet) -> Tensor:
        """(N, 4) for each row: loss, wrong or not, its part of the calibration error, over-confidence."""
        injector = self._injector
        device = next((p.device for p in injector.inner.parameters()), torch.device("cpu"))
        forward = self._forward or (lambda _, batch: injector.forward(batch))
        p = probabilities(injector.inner, given.make(), forward, device=device)
        if int(given.labels.max()) >= p.shape[1] or int(given.labels.min()) < 0:
            raise DataError(f"validation set {given.name!r} has labels outside the model's {p.shape[1]} classes")
        return terms(p, given.labels.numpy()).float()

    def _strength(self) -> float:
        """The strength at the last update: the knob times the schedule's multiplier, as a mean over the steps."""
        clock, steps = self._injector.clock, self._injector.policy.steps
        progress = min(max(clock.update - 1, 0) / max(clock.epochs * clock.steps_per_epoch - 1, 1), 1.0)
        return self._injector.knob * sum(s.schedule(progress) for s in steps) / max(len(steps), 1)

    def _row(self, readings: list[Tensor], strength: float) -> dict[str, Any]:
        clean = readings[0].double().mean(0).tolist()
        noisy = _Reading.of(self._sets[1:], readings[1:]).mean
        by_set = {
            f"noisy.{s.name}": 1 - float(r[:, WRONG].double().mean())
            for s, r in zip(self._sets[1:], readings[1:], strict=True)
        }
        return {
            "epoch": self._epochs,
            "clean": 1 - clean[WRONG],
            "noisy": 1 - noisy[WRONG],
            "drop": noisy[WRONG] - clean[WRONG],
            "nll_clean": clean[LOSS],
            "nll_noisy": noisy[LOSS],
            "ece_clean": clean[CALIBRATION],
            "ece_noisy": noisy[CALIBRATION],
            "strength": strength,
            **by_set,
        }

    def _judge(self, now: _Reading, strength: float) -> None:
        reasons, overfitting = [], False
        for column, word in _WORDS.items():
            mark = self._marks.get(column)
            # what got worse while the strength fell is not the noise's fault
            if mark is None or strength < mark.strength - 1e-9:
                self._marks[column] = _Mark(now, strength, now.mean[column])
                continue
            change, error = now.minus(mark.reading)
            if change[column] <= 0:
                self._marks[column] = _Mark(now, strength, now.mean[column])
                continue
            beyond = [c > ERRORS * e for c, e in zip(change, error, strict=True)]
            worse = beyond[column] and strength > 0
            if column == CALIBRATION and change[LOSS] <= 0:
                # an untrained model is well calibrated; the loss, a proper score, says whether there was a loss
                worse = False
            if column != WRONG and worse and beyond[OVERCONFIDENCE] and not beyond[WRONG]:
                worse, overfitting = False, True
            mark.worse = mark.worse + 1 if worse else 0
            if mark.worse >= self._patience:
                reasons.append(f"{word} {mark.value:.3g} -> {now.mean[column]:.3g} (± {error[column]:.2g})")
        self.overused = bool(reasons)
        self.advice = ""
        if reasons:
            self.advice = (
                f"noise is overused: on noisy data {', '.join(reasons)} for {self._patience} measurements at strength "
                f"{strength:.3g}; lower it, for example injector.set_strength({BACK_OFF * self._injector.knob:.3g})"
            )
        elif overfitting:
            self.advice = (
                "noisy loss or calibration got worse by over-confidence at equal accuracy: that is overfitting, not "
                "too much noise; stop earlier or regularise more"
            )


def terms(p: Array, labels: Array) -> Tensor:
    """(N, 4) float64; the means of its columns are the NLL, the error rate, the ECE and mean confidence - accuracy."""
    hit = p.argmax(1) == labels
    columns = (metrics.nll_terms(p, labels), ~hit, metrics.ece_terms(p, labels), p.max(1) - hit)
    return torch.from_numpy(np.stack(columns, 1).astype(np.float64))


@dataclass(frozen=True)
class _Reading:
    """The terms of each row on noisy data, as means over the sets of a family and then over the families.

    Sets that hold the same rows (the same labels) form a group, whose rows can be compared in pairs. ``groups``
    holds for each group its weight and the means (N, 4) over its sets; the weights add up to 1.
    """

    groups: list[tuple[float, Tensor]]

    @classmethod
    def of(cls, sets: list[ValidationSet], readings: list[Tensor]) -> _Reading:
        families = [s.family for s in sets]
        weights = [1 / (len(set(families)) * families.count(f)) for f in families]
        groups: list[tuple[float, Tensor, Tensor]] = []
        for s, reading, weight in zip(sets, readings, weights, strict=True):
            for i, (total, rows, labels) in enumerate(groups):
                if labels is s.labels or torch.equal(labels, s.labels):
                    groups[i] = (total + weight, rows + weight * reading.double(), labels)
                    break
            else:
                groups.append((weight, weight * reading.double(), s.labels))
        return cls([(weight, (rows / weight).float()) for weight, rows, _ in groups])

    @property
    def mean(self) -> list[float]:
        total = torch.zeros(4, dtype=torch.float64)
        for weight, rows in self.groups:
            total = total + weight * rows.double().mean(0)
        values: list[float] = total.tolist()
        return values

    def minus(self, other: _Reading) -> tuple[list[float], list[float]]:
        """(differences of the means, their standard errors) of the four terms, paired over rows.

        Errors of several groups are added, which is the most that they can amount to together.
        """
        if [r.shape for _, r in self.groups] != [r.shape for _, r in other.groups]:
            raise DataError("the monitor's saved state is of other validation data: resume with the same data")
        mean, error = torch.zeros(4, dtype=torch.float64), torch.zeros(4, dtype=torch.float64)
        for (weight, rows), (_, before) in zip(self.groups, other.groups, strict=True):
            d = (rows - before).double()
            mean = mean + weight * d.mean(0)
            error = error + weight * d.std(0, correction=min(1, len(d) - 1)) / len(d) ** 0.5
        return mean.tolist(), error.tolist()


@dataclass
class _Mark:
    """The best reading of one metric up to now, and how many measurements in a row have been worse since then."""

    reading: _Reading
    strength: float
    value: float
    worse: int = 0
