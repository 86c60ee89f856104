"""A policy's noise for learners without gradients, in the interfaces of imbalanced-learn and scikit-learn.

``NoiseAugmenter`` adds noisy copies of the training rows (``fit_resample``), ``NoiseTransformer`` puts noise on them in
their place (``fit_transform``). Neither changes anything when a fitted pipeline predicts.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from os import PathLike
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from autonoise.errors import DataError, MissingExtraError, PolicyError
from autonoise.integrations import copies as engine
from autonoise.integrations.rows import Rows, array_rows, is_frame, string_rows, table_rows
from autonoise.policy import Policy, load_policy
from autonoise.types import Array, DataType, InputSpec

try:
    from sklearn.base import BaseEstimator, TransformerMixin
    from sklearn.utils import check_random_state
    from sklearn.utils.multiclass import check_classification_targets
    from sklearn.utils.validation import check_consistent_length, check_is_fitted, validate_data
except ImportError:
    raise MissingExtraError.of("scikit-learn 1.6 or newer", "sklearn", "autonoise.integrations.sklearn") from None


class _Noise(BaseEstimator):  # type: ignore[misc]
    """What both estimators share: reading the policy and X, and making noisy copies."""

    policy: Policy | str
    random_state: Any
    input: InputSpec | None

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = tags.input_tags.categorical = tags.input_tags.string = True
        return tags

    def _policy(self) -> Policy:
        if isinstance(self.policy, Policy):
            return self.policy
        if isinstance(self.policy, str | PathLike):
            return load_policy(self.policy)
        raise PolicyError(f"policy must be a Policy or the path of one, but got {self.policy!r:.80}")

    def _checked(self, X: Any, *, reset: bool) -> Any:
        """X as scikit-learn checks it: tables only, since strings and images have no columns."""
        if self._policy().data_type is not DataType.TABULAR:
            return X
        if is_frame(X):
            return validate_data(self, X, skip_check_array=True, reset=reset)
        return validate_data(self, X, dtype=None, ensure_all_finite="allow-nan", reset=reset)

    def _opened(self, X: Any, policy: Policy) -> Rows | list[str]:
        if policy.data_type is DataType.TEXT:
            return string_rows(X)
        if policy.data_type is DataType.TABULAR:
            return table_rows(X)
        return array_rows(X, policy.data_type, policy.input, self.input)

    def _seed(self) -> int:
        return int(check_random_state(self.random_state).randint(np.iinfo(np.int32).max))


def _noisy(
    rows: Rows | list[str], X: Any, used: Any, y: Tensor, classes: int, *, copies: int, seed: int
) -> Iterator[tuple[Any, Tensor]]:
    """Noisy copies (X, targets) of all rows."""
    if isinstance(rows, list):
        strings = engine.noisy_strings(used, rows, copies=copies, seed=seed)
        spec = InputSpec(data_type=used.data_type, layout=(1,), classes=classes)
        targets = engine.noisy_rows(
            used, torch.zeros(len(rows), 1, dtype=torch.long), spec, y, copies=copies, seed=seed
        )
        for texts, (_, soft) in zip(strings, targets, strict=True):
            yield _as_given(texts, X), soft
        return
    spec = replace(rows.spec, classes=classes)
    index = np.arange(len(y))
    for noisy, soft in engine.noisy_rows(used, rows.batch, spec, y, copies=copies, seed=seed):
        yield rows.back(noisy, index), soft


class NoiseAugmenter(_Noise):
    """Adds noisy copies of the training rows, for learners that are not trained step by step (boosted trees, SVMs).

    It has the interface of imbalanced-learn's samplers: as a step of ``imblearn.pipeline.Pipeline`` it acts when the
    pipeline is fitted, and is passed over when it predicts. The steps of a policy that act on inputs, targets or pairs
    of rows are done; those that need a gradient or a network are left out, which is said once and stands in
    ``left_out_``. Schedules stretch over the copies: a single one gets the middle of its schedule.

    X is a table: a DataFrame or an array, with categories, missing values and names as they are; dtypes are kept, so
    that integers are rounded. Numbers are standardised by their own mean and standard deviation, and what noise makes
    missing is missing where the column has missing values, and elsewhere its mean or most frequent category. For
    policies of other data types X is a list of strings (text), or an array of images, series or clips.

    Args:
        policy: a Policy, or the path of a policy file.
        copies: how many noisy copies of each row are added behind the clean rows.
        soft_labels: what becomes of a label that noise made soft (mixup, label smoothing). ``draw``: a class is drawn
            with these probabilities, the same on average. ``weights``: the row comes once for each class, with its
            share as weight in ``sample_weight_``.
        random_state: an integer for the same noise in each call, as everywhere in scikit-learn.
        input: the description of images, series or clips, where the policy's own does not fit.

    Attributes:
        sample_indices_: for each row that was returned, the number of the row of X that it came from.
        sample_weight_: for each row that was returned, its weight: that of its row of X times its share.
        left_out_: the steps that were left out, each with the reason.

    Raises PolicyError for no policy, DataError for an X that the policy cannot act on.
    """

    def __init__(
        self,
        policy: Policy | str,
        *,
        copies: int = 1,
        soft_labels: Literal["draw", "weights"] = "draw",
        random_state: Any = None,
        input: InputSpec | None = None,  # noqa: A002 - the word of ``attach``
    ) -> None:
        self.policy, self.copies, self.soft_labels = policy, copies, soft_labels
        self.random_state, self.input = random_state, input

    def fit(self, X: Any, y: Any) -> NoiseAugmenter:
        """Check the arguments; nothing is learnt from the rows."""
        self._prepared(X, y)
        return self

    def fit_resample(self, X: Any, y: Any, sample_weight: Any = None) -> tuple[Any, Any]:
        """The rows as they are, and behind them ``copies`` noisy copies of all.

        Args:
            X: the rows, (N, ...).
            y: their targets (N,): labels of any type; numbers too, where the policy leaves targets alone.
            sample_weight: (N,), carried over to ``sample_weight_``.

        Returns (X, y) of the same kinds.
        """
        as_list = isinstance(X, list)
        X, rows, found, labels, indices = self._prepared(X, y)
        seed, size = self._seed(), len(indices)
        weight = np.ones(size) if sample_weight is None else np.asarray(sample_weight, dtype=np.float64)
        check_consistent_length(indices, weight)
        parts, origins, classes, weights = [X], [np.arange(size)], [indices], [weight]
        target = torch.from_numpy(indices)
        noisy = _noisy(rows, X, found.used, target, max(len(labels), 2), copies=self.copies, seed=seed)
        for number, (x, soft) in enumerate(noisy):
            if soft.ndim == 1:
                row, chosen, share = np.arange(size), soft.numpy(), np.ones(size)
            else:
                wanted = self.soft_labels == "weights"
                row, chosen, share = engine.soft_as_rows(soft.double().numpy(), seed + number, weights=wanted)
            parts.append(x if len(row) == size else _taken(x, row))
            origins.append(row)
            classes.append(chosen)
            weights.append(weight[row] * share)
        self.sample_indices_ = np.concatenate(origins)
        self.sample_weight_ = np.concatenate(weights)
        self.left_out_ = list(found.left_out)
        picked = np.concatenate(classes if len(labels) else origins)
        joined = _joined(parts)
        joined = joined.tolist() if as_list and isinstance(joined, np.ndarray) else joined
        return joined, _labels_like(y, labels, picked)

    def _prepared(self, X: Any, y: Any) -> tuple[Any, Rows | list[str], engine.Divided, Array, Array]:
        """(X, its rows, the steps, the classes, each row's class); without classes where targets are left alone."""
        if isinstance(self.copies, bool) or not isinstance(self.copies, int | np.integer) or self.copies < 1:
            raise ValueError(f"copies must be a whole number >= 1, but got {self.copies!r}")
        if self.soft_labels not in ("draw", "weights"):
            raise ValueError(f"soft_labels must be 'draw' or 'weights', but got {self.soft_labels!r}")
        policy = self._policy()
        X = self._checked(X, reset=True)
        if y is None:
            raise ValueError("NoiseAugmenter requires y to be passed, but the target y is None")
        found = engine.divided(policy, targets=True, user=type(self).__name__)
        rows = self._opened(X, policy)
        check_consistent_length(X, y)
        values = np.asarray(y)
        values = values[:, 0] if values.ndim == 2 and values.shape[1] == 1 else values
        labels, indices = np.array([]), np.zeros(len(values), dtype=np.int64)
        if any(s.stage in ("target", "pair") for s in found.used.steps):
            if values.ndim != 1:
                raise DataError(f"noise on targets takes one label for each row, but y has the shape {values.shape}")
            check_classification_targets(values)
            labels, indices = np.unique(values, return_inverse=True)
        return X, rows, found, labels, indices


class NoiseTransformer(TransformerMixin, _Noise):  # type: ignore[misc]
    """Puts noise on the training rows themselves, as a step of a scikit-learn ``Pipeline``.

    ``fit_transform``, which a pipeline calls on the rows that it is fitted on, returns noisy rows; ``transform``, which
    it calls when it predicts, returns the rows as they are. Only steps on strings and inputs act, since a transformer
    cannot change targets; for those, and to keep the clean rows too, use :class:`NoiseAugmenter`, whose other
    arguments and attributes hold here as well.
    """

    def __init__(
        self,
        policy: Policy | str,
        *,
        random_state: Any = None,
        input: InputSpec | None = None,  # noqa: A002 - the word of ``attach``
    ) -> None:
        self.policy, self.random_state, self.input = policy, random_state, input

    def fit(self, X: Any, y: Any = None) -> NoiseTransformer:
        """Remember the columns; nothing else is learnt."""
        self._checked(X, reset=True)
        self._divided()
        return self

    def fit_transform(self, X: Any, y: Any = None) -> Any:
        """The training rows with noise."""
        policy = self._policy()
        X = self._checked(X, reset=True)
        rows, used = self._opened(X, policy), self._divided().used
        target = torch.zeros(len(rows) if isinstance(rows, list) else len(rows.batch), dtype=torch.long)
        ((noisy, _),) = _noisy(rows, X, used, target, 2, copies=1, seed=self._seed())
        return noisy

    def transform(self, X: Any) -> Any:
        """The rows as they are."""
        check_is_fitted(self, "left_out_")
        return self._checked(X, reset=False)

    def get_feature_names_out(self, input_features: Any = None) -> Any:
        """The names of the columns, which stay as they are."""
        from sklearn.utils.validation import _check_feature_names_in

        return _check_feature_names_in(self, input_features)

    def _divided(self) -> engine.Divided:
        found = engine.divided(self._policy(), targets=False, user=type(self).__name__)
        self.left_out_ = list(found.left_out)
        return found


def _as_given(texts: list[str], X: Any) -> Any:
    """Strings as the kind of X: a list, an array or a Series."""
    if isinstance(X, np.ndarray):
        return np.array(texts, dtype=object if X.dtype.kind == "O" else None)
    return texts if isinstance(X, list) else type(X)(texts)


def _taken(x: Any, rows: Array) -> Any:
    if hasattr(x, "iloc"):
        return x.iloc[rows]
    return x[rows] if isinstance(x, np.ndarray) else [x[i] for i in rows]


def _joined(parts: list[Any]) -> Any:
    if hasattr(parts[0], "iloc"):
        import pandas as pd

        return pd.concat(parts, ignore_index=True)
    if isinstance(parts[0], np.ndarray):
        return np.concatenate(parts)
    return [row for part in parts for row in part]


def _labels_like(y: Any, labels: Array, picked: Array) -> Any:
    """``labels[picked]`` as the kind of y; without labels, the rows ``picked`` of y."""
    if not len(labels):
        picked_y = _taken(y, picked)
        return picked_y.reset_index(drop=True) if hasattr(y, "iloc") else picked_y
    values = labels[picked]
    if is_frame(y):
        return type(y)({y.columns[0]: values}).astype(y.dtypes)
    if hasattr(y, "iloc"):
        return type(y)(values, name=y.name).astype(y.dtype)
    if isinstance(y, list):
        return values.tolist()
    return values.astype(np.asarray(y).dtype).reshape(-1, *np.asarray(y).shape[1:])
