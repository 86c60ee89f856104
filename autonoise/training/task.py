"""A task: data with its splits, its input description, its proxy and how noisy accuracy is measured on it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
import torch
from torch import nn

from autonoise.corruptions.base import Reference
from autonoise.corruptions.frozen import FrozenCorruption
from autonoise.data import Dataset, Rows, Splits, prepare, take
from autonoise.data.copies import NoisyParts, deal_out
from autonoise.data.splits import stratified_order
from autonoise.errors import DataError, StudyError, no_exit, one_line
from autonoise.evaluation.sets import EvaluationSets
from autonoise.evaluation.stored import StoredSets
from autonoise.files import version_of
from autonoise.ops.random import generator, seed_from
from autonoise.policy import Policy
from autonoise.proxies import Recipe, build_proxy, default_recipe, has_bfloat16
from autonoise.training.factory import ModelFactory
from autonoise.training.train import EpochHook, Trained, TrainingData, train
from autonoise.types import Array, InputSpec

PARTS = ("search", "confirm", "test")


@dataclass(frozen=True)
class Fidelity:
    """How much of a full training a run does: a share of the rows, a share of the epochs, and how many folds."""

    rows: float = 1.0
    epochs: float = 1.0
    folds: int = 1

    @property
    def cost(self) -> float:
        """What the run costs, where one full training on one fold costs 1."""
        return self.rows * self.epochs * self.folds


FULL = Fidelity()


@dataclass(frozen=True)
class RealNoise:
    """The user's own noise: a noisy validation set, and whether it replaces the synthetic corruptions."""

    dataset: Dataset
    alone: bool = False


@dataclass
class Task:
    """Everything a training run and its evaluation need, made once per process.

    Attributes:
        labels: (N,) labels that are trained on.
        truth: (N,) labels that are evaluated on; the same unless label noise was added or the data bring clean labels.
        epochs: length of a full training; None: as long as the default recipe of the data type.
        proxy: name of the proxy; None: the default one of the data type. ``size`` multiplies its width.
        precision: "fp32", or "bf16" for matrix products in bfloat16; "auto": see :attr:`recipe`.
        factory: makes the user's own model, which then takes the place of the proxy.
        real: the user's own noisy validation set.
        clips: background clips of the user's that are mixed into evaluation rows (audio).
        frozen: the corruptions of the study with their amounts and seeds.
        stored: the folder in which the processes of a study share corrupted rows; None keeps them in memory only.
    """

    dataset: Dataset
    splits: Splits
    labels: Array
    truth: Array
    seed: int = 0
    device: str = "cpu"
    epochs: int | None = None
    proxy: str | None = None
    size: float = 1.0
    precision: str = "auto"
    factory: ModelFactory | None = None
    real: RealNoise | None = None
    clips: np.ndarray[Any, np.dtype[np.float32]] | None = None
    frozen: tuple[FrozenCorruption, ...] = ()
    stored: StoredSets | None = None
    _folds: dict[int, TrainingData] = field(default_factory=dict, repr=False)
    _sets: dict[tuple[str, int, str], EvaluationSets] = field(default_factory=dict, repr=False)

    @property
    def folds(self) -> int:
        return len(self.splits.folds)

    def training(self, fold: int) -> TrainingData:
        """Prepared training rows of a fold, in an order in which every stretch has nearly the class shares of all."""
        if fold not in self._folds:
            index = self._stratified(self.splits.folds[fold].train)
            preparation = prepare(self.dataset, self.splits.folds[fold].train)
            rows = take(self.dataset.x, index)
            self._folds[fold] = TrainingData.of(rows, self.labels[index], preparation)
        return self._folds[fold]

    def spec(self, fold: int = 0) -> InputSpec:
        return self.training(fold).preparation.spec

    @cached_property
    def recipe(self) -> Recipe:
        recipe = default_recipe(self.dataset.data_type, len(self.splits.folds[0].train), self.dataset.classes)
        return replace(recipe, epochs=self.epochs or recipe.epochs, precision=self._precision())

    def _precision(self) -> Literal["fp32", "bf16"]:
        """bfloat16 where the hardware has it, but for a model of the user's own only if it was asked for."""
        if self.precision == "auto":
            return "bf16" if self.factory is None and has_bfloat16(self.device) else "fp32"
        return "bf16" if self.precision == "bf16" else "fp32"

    def reference(self, fold: int) -> Reference:
        rng = np.random.default_rng(seed_from(self.seed, fold, 11))
        rows = take(self.dataset.x, self.splits.folds[fold].train)
        return Reference.of(
            self.dataset.data_type, rows, rng=rng, sample_rate=self.dataset.sample_rate, clips=self.clips
        )

    def sets(self, part: str, fold: int = 0, group: str = "search") -> EvaluationSets:
        """Evaluation rows of a part ("search", "confirm", "test"), under the frozen corruptions of a group."""
        key = (part, fold, group)
        if key not in self._sets:
            found = self.splits.test if part == "test" else getattr(self.splits.folds[fold], part)
            index = self._stratified(found)
            frozen = [f for f in self.frozen if f.group == group]
            real = self._real_part(part, fold) if self.real is not None else None
            self._sets[key] = EvaluationSets(
                f"{part}{fold}",
                take(self.dataset.x, index),
                self.truth[index],
                self.training(fold).preparation,
                frozen,
                self.reference(fold),
                device=self.device,
                real=real,
                only_real=self.real is not None and self.real.alone,
                stored=self._stored_for(index, fold),
            )
        return self._sets[key]

    def _stored_for(self, index: Array, fold: int) -> StoredSets | None:
        """The shared folder for these rows, told apart by all that the corrupted and prepared rows depend on."""
        if self.stored is None:
            return None
        clips = hashlib.sha256(self.clips.tobytes()).hexdigest() if self.clips is not None else ""
        return self.stored.of(
            version_of("autonoise"), self.dataset.fingerprint, index.tolist(), self.seed, fold, clips,
            self.dataset.sample_rate, json.dumps(self.spec(fold).to_dict(), sort_keys=True),
        )  # fmt: skip

    def test_groups(self) -> list[Array | None]:
        """The group of each row of the test part, in the order of its ``sets``; then of each row of the noisy set.

        None where there are no groups.
        """
        group = self.dataset.group
        return [None if group is None else group[self._stratified(self.splits.test)]]

    def model(self, seed: int, fold: int = 0, size: float = 1.0) -> nn.Module:
        """A fresh model with weights from the seed: the user's own, else the proxy, ``size`` times as wide."""
        spec = self.spec(fold)
        if self.factory is None:
            return build_proxy(spec, size=self.size * size, name=self.proxy, rng=generator(seed_from(seed, 3)))
        with torch.random.fork_rng(devices=[]):
            # a foreign factory draws from the global stream
            torch.default_generator.manual_seed(seed_from(seed, 3))
            try:
                with no_exit("--model: the factory"):
                    model = self.factory(spec, spec.classes)
            except StudyError:
                raise
            except Exception as e:
                raise StudyError(f"--model: the factory failed on (InputSpec, classes): {one_line(e)}") from e
        if not isinstance(model, nn.Module):
            raise StudyError(f"--model must return a torch.nn.Module, but returned {type(model).__name__}")
        return model

    def train(
        self,
        policy: Policy,
        *,
        seed: int,
        fold: int = 0,
        fidelity: Fidelity = FULL,
        after_epoch: EpochHook | None = None,
        size: float = 1.0,
    ) -> Trained:
        """Train a fresh model under a policy at a fidelity; schedules are compressed into it."""
        data = self.training(fold)
        if fidelity.rows < 1:
            data = data.first(max(int(len(data) * fidelity.rows), 2 * self.dataset.classes))
        recipe = replace(self.recipe, epochs=max(round(self.recipe.epochs * fidelity.epochs), 1))
        model = self.model(seed, fold, size)
        with no_exit("--model: the model"):
            return train(model, data, policy, recipe, seed=seed, device=self.device, after_epoch=after_epoch)

    @property
    def chance(self) -> float:
        """The accuracy of always guessing the largest class: its share of the training rows."""
        train_labels = self.truth[self.splits.folds[0].train]
        return float(np.bincount(train_labels).max() / len(train_labels))

    def _real_part(self, part: str, fold: int) -> tuple[Rows, Array]:
        """The rows of the user's noisy set that a part is judged on. No row is in two parts of a fold."""
        assert self.real is not None
        data = self.real.dataset
        chosen = self.noisy_parts.rows(part, fold, self.splits)
        return take(data.x, chosen), self._real_labels[chosen]

    @cached_property
    def noisy_parts(self) -> NoisyParts:
        """Which rows of the user's noisy set belong to which part: see :mod:`autonoise.data.copies`."""
        assert self.real is not None
        return deal_out(self.real.dataset, self.dataset, self.splits, labels=self._real_labels, seed=self.seed)

    @cached_property
    def _real_labels(self) -> Array:
        """The noisy set's labels in the numbering of the data."""
        assert self.real is not None
        data = self.real.dataset
        names = {name: i for i, name in enumerate(self.dataset.class_names)}
        unknown = [n for n in data.class_names if n not in names]
        if unknown:
            raise DataError(f"--noisy-val has class {unknown[0]!r}, which the training data lacks: use the same labels")
        mapped: Array = np.array([names[n] for n in data.class_names])[data.y]
        return mapped

    def _stratified(self, index: Array) -> Array:
        """Row numbers reordered so that any first n of them have nearly the class shares of all."""
        rng = np.random.default_rng(seed_from(self.seed, len(index), 5))
        return stratified_order(index, self.truth, rng, every_class_first=False)
