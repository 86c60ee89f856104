"""The rows a model is evaluated on: clean, and under every corruption at every severity."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np

from autonoise.batches.mappings import tensors_of
from autonoise.batches.rows import to_device
from autonoise.corruptions.base import Reference
from autonoise.corruptions.frozen import FrozenCorruption, corrupted
from autonoise.data import Preparation, Rows, count, take
from autonoise.evaluation.predict import EVALUATION_BATCH
from autonoise.evaluation.stored import StoredSets
from autonoise.types import Array, Batch

CACHE_BYTES = 1 << 30
"""Bytes (1 GiB) of prepared batches that one part keeps; what does not fit is made anew each time."""


class EvaluationSets:
    """A part of the data, clean and under frozen corruptions: made when first asked for, the same in every worker.

    ``real`` is a noisy set of the user's own, (rows, labels). It counts as one more family; with ``only_real`` the
    corruptions do not count at all. ``stored`` keeps corrupted rows on disk, where other processes find them.
    """

    def __init__(
        self,
        part: str,
        rows: Rows,
        labels: Array,
        preparation: Preparation,
        frozen: Iterable[FrozenCorruption],
        reference: Reference,
        *,
        device: str = "cpu",
        real: tuple[Rows, Array] | None = None,
        only_real: bool = False,
        stored: StoredSets | None = None,
    ) -> None:
        self.part, self.rows, self.labels, self.device = part, rows, labels, device
        self.frozen = () if only_real else tuple(frozen)
        self.real = real
        self._prepare, self._reference = preparation, reference
        self._stored = stored
        self._cache: dict[tuple[str, int], Batch] = {}
        self._bytes = 0

    def __len__(self) -> int:
        return count(self.rows)

    def clean(self) -> Batch:
        return self._kept("clean", 0, lambda: self.prepare(self.rows))

    def noisy(self, frozen: FrozenCorruption, severity: int) -> Batch:
        return self._kept(frozen.name, severity, lambda: self._corrupted(frozen, severity))

    def real_noisy(self) -> tuple[Batch, Array]:
        assert self.real is not None
        rows, labels = self.real
        return self._kept("real", 0, lambda: self.prepare(rows)), labels

    def parts(self, frozen: FrozenCorruption | None = None, severity: int = 0) -> Iterator[Batch]:
        """Yield the rows, clean or under a corruption, in one batch where it may be kept, else a few at a time.

        So a set that is too large for the memory that is meant for it is never there as a whole.
        """
        key = ("clean", 0) if frozen is None else (frozen.name, severity)
        if key in self._cache or len(self) <= EVALUATION_BATCH or (frozen is not None and not self._raw):
            yield self.clean() if frozen is None else self.noisy(frozen, severity)
            return
        rows = self.rows if frozen is None else self._rows(frozen, severity)
        some = self.prepare(take(rows, np.arange(EVALUATION_BATCH)))
        if self._bytes + _size(some) * len(self) / EVALUATION_BATCH <= CACHE_BYTES:
            yield self._kept(*key, lambda: self.prepare(rows))
            return
        yield some
        for start in range(EVALUATION_BATCH, len(self), EVALUATION_BATCH):
            yield self.prepare(take(rows, np.arange(start, min(start + EVALUATION_BATCH, len(self)))))

    def prepare(self, rows: Rows) -> Batch:
        return to_device(self._prepare(rows), self.device)

    def only(self, keep: Callable[[FrozenCorruption], bool]) -> EvaluationSets:
        """The same rows with some of the corruptions; shares what has been made already."""
        other = EvaluationSets(
            self.part,
            self.rows,
            self.labels,
            self._prepare,
            filter(keep, self.frozen),
            self._reference,
            device=self.device,
            real=self.real,
            only_real=False,
            stored=self._stored,
        )
        other._cache = self._cache
        return other

    def first(self, n: int) -> EvaluationSets:
        """The first n rows (of every class nearly its share), for quick scores."""
        index = np.arange(min(n, len(self)))
        return EvaluationSets(
            f"{self.part}.{len(index)}",
            take(self.rows, index),
            self.labels[index],
            self._prepare,
            self.frozen,
            self._reference,
            device=self.device,
            real=self.real,
            only_real=not self.frozen,
            stored=self._stored,
        )

    def _corrupted(self, frozen: FrozenCorruption, severity: int) -> Batch:
        """Prepared rows under a corruption, from disk where they are kept there.

        Arrays are kept as they come, since pictures take a quarter of the place as bytes; texts and tables prepared.
        """

        if self._raw:
            return self.prepare(self._rows(frozen, severity))
        assert self._stored is not None
        made = self._stored.batch(self._words(frozen, severity), lambda: self._prepare(self._made(frozen, severity)))
        return to_device(made, self.device)

    @property
    def _raw(self) -> bool:
        """Whether corrupted rows are at hand before they are prepared."""
        return self._stored is None or isinstance(self.rows, np.ndarray)

    def _rows(self, frozen: FrozenCorruption, severity: int) -> Rows:
        if self._stored is None:
            return self._made(frozen, severity)
        return self._stored.array(self._words(frozen, severity), lambda: np.asarray(self._made(frozen, severity)))

    def _made(self, frozen: FrozenCorruption, severity: int) -> Rows:
        return corrupted(self.rows, frozen, severity, self.part, self._reference)

    def _words(self, frozen: FrozenCorruption, severity: int) -> tuple[object, ...]:
        at = severity - 1
        return (self.part, frozen.name, frozen.amounts[at], frozen.seeds[at])

    def _kept(self, name: str, severity: int, make: Callable[[], Batch]) -> Batch:
        key = (name, severity)
        if key not in self._cache:
            batch = make()
            size = _size(batch)
            if self._bytes + size > CACHE_BYTES:
                return batch
            self._bytes += size
            self._cache[key] = batch
        return self._cache[key]


def _size(batch: Batch) -> int:
    """The bytes that the tensors of a batch take."""
    return sum(t.numel() * t.element_size() for t in tensors_of(batch))
