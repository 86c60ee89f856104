"""The facts that autonoise keeps in Optuna's attributes of trials and studies, by name and type.

Every fact lies in a user attribute whose name begins with ``PREFIX``, so that it cannot meet an attribute of somebody
else; no other file needs to know that.
"""

from __future__ import annotations

import math
from collections.abc import Container, Mapping, MutableMapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol
from weakref import WeakKeyDictionary

import optuna
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState

from autonoise.errors import StudyError, one_line
from autonoise.policy import Policy

PREFIX = "autonoise."
KILLED = "its process was killed"
"""Reason of a trial that did not end by itself; it is queued again and does not count."""
REPEATED = "same policy as trial"
"""How the reason of a trial begins whose policy had been scored before, so that nothing was trained."""
ASKED = ("origin", "job")
"""Facts that say what a trial is to do; they stay when it is queued again, what it measured does not."""
MAX_RETRY = 2
"""How often the parameters of a trial are queued again whose process ended: its policy may be what ends processes."""


def killed_for_good(times: int) -> str:
    """Reason of a trial that is not queued again: with those before it, it lost so many processes. It counts."""
    return f"its process was killed {times} times; its policy is not tried again"


RESTORE = "restore the storage from a copy, or search again in another folder by --out"
"""What helps where a storage is damaged."""
TOLD = ("0_policy", "1_result")
"""Facts for people only; nothing reads them."""


class _Attributed(Protocol):
    """A running trial or a study."""

    def set_user_attr(self, key: str, value: Any) -> None: ...


def attributes(**facts: Any) -> dict[str, Any]:
    """Facts as Optuna's user attributes."""
    return {PREFIX + name: value for name, value in facts.items()}


def write_facts(target: _Attributed, /, **facts: Any) -> None:
    """Write facts of a running trial, or of a study, into its storage."""
    for name, value in attributes(**facts).items():
        target.set_user_attr(name, value)


def tell(trial: optuna.Trial, policy: str | None = None, *, result: str | None = None) -> None:
    """Write for people what a trial tries (``policy``, in words) and what it reached; without either, begin both.

    Storages list attributes in the order in which they were first written, or by name: these two come first.
    """
    begun = policy is None and result is None
    for name, text in zip(TOLD, (policy, result), strict=True):
        if begun or text is not None:
            write_facts(trial, **{name: text or "-"})


def facts_of(target: Any) -> dict[str, Any]:
    """The facts of a trial or a study by their names; attributes of others are left out."""
    return {k.removeprefix(PREFIX): v for k, v in target.user_attrs.items() if k.startswith(PREFIX)}


def column_name(column: str) -> str:
    """The name of a column of Optuna's data frame of trials without what Optuna and autonoise put before it."""
    return column.replace(f"user_attrs_{PREFIX}", "").replace("params_", "")


@dataclass(frozen=True)
class TrialRecord:
    """What is known of a trial so far.

    ``score`` is the mixed score, ``clean`` and ``noisy`` are accuracies, ``worst`` is the accuracy under the worst
    family of noise (all 0 to 1, NaN while unknown). ``passes``: forward and backward passes per training step.
    ``seconds``: duration; ``work``: cost in full trainings without noise; both 0 while unknown. ``rung``: 0 after the
    short training, 1 after the full one, None before. ``reason``: why the trial failed, was pruned or was not trained.
    ``origin``: "seed" or "memory" for a policy that was queued with knowledge, else empty. ``constraints``: name →
    excess over the limit; at 0 and below it is kept. ``process``: the mark of its process (identity.py), ``retries``:
    how many trials with its parameters lost their process before it.
    """

    trial: FrozenTrial
    number: int
    state: TrialState | None
    policy_hash: str = ""
    techniques: tuple[str, ...] = ()
    score: float = math.nan
    clean: float = math.nan
    noisy: float = math.nan
    worst: float = math.nan
    passes: float = math.nan
    seconds: float = 0.0
    work: float = 0.0
    rung: int | None = None
    reason: str = ""
    origin: str = ""
    host: str | None = None
    pid: int | None = None
    process: str = ""
    retries: int = 0
    constraints: Mapping[str, float] | None = None
    has_policy: bool = False

    @classmethod
    def of(cls, trial: Any) -> TrialRecord:
        """The record of a trial, finished or not. StudyError where what its storage says of it is damaged."""
        facts = facts_of(trial)
        policy, number = facts.get("policy"), getattr(trial, "number", -1)
        try:
            known: dict[str, Any] = {n: _float(facts.get(n)) for n in ("score", "clean", "noisy", "worst", "passes")}
            known |= {n: _float(facts.get(n) or 0.0) for n in ("seconds", "work")}
            known |= {n: _of_kind(facts.get(n, ""), str) for n in ("policy_hash", "reason", "origin", "process")}
            known |= {n: _of_kind(facts.get(n), int, type(None)) for n in ("rung", "pid")}
            return cls(
                trial,
                number,
                getattr(trial, "state", None),
                **known,
                techniques=tuple(_of_kind(s["technique"], str) for s in _of_kind(policy or {}, dict).get("steps", ())),
                host=_of_kind(facts.get("host"), str, type(None)),
                retries=len(
                    _of_kind((getattr(trial, "system_attrs", None) or {}).get("retry_history", ()), list, tuple)
                ),
                constraints={str(k): _float(v) for k, v in (facts.get("constraints") or {}).items()} or None,
                has_policy=policy is not None,
            )
        except (TypeError, LookupError, AttributeError, ArithmeticError) as e:
            raise StudyError(
                f"trial {number}: what its storage says of it is damaged ({one_line(e, 80)}): {RESTORE}"
            ) from None

    @cached_property
    def policy(self) -> Policy:
        """The policy that was tried. Raises PolicyError for a trial that has not drawn one."""
        return Policy.from_trial(self.trial)

    @property
    def scored(self) -> bool:
        """Whether the trial has a mixed score, which only a full training gives."""
        return not math.isnan(self.score)

    @property
    def without_noise(self) -> bool:
        """Whether the trial is the baseline: its policy has no step."""
        return self.has_policy and not self.techniques

    @property
    def feasible(self) -> bool:
        """Whether all constraints are kept, as far as they are known."""
        return all(excess <= 0 for excess in (self.constraints or {}).values())

    @property
    def killed(self) -> bool:
        """Whether it failed only since its process was ended."""
        return self.state == TrialState.FAIL and self.reason == KILLED

    @property
    def value(self) -> float:
        """The mixed score, or that of the short training where the trial got no further; NaN where there is none."""
        return self.score if self.scored else _float(next(iter(self.trial.intermediate_values.values()), None))


_KNOWN: MutableMapping[BaseStorage, dict[int, TrialRecord]] = WeakKeyDictionary()
"""Records of finished trials by the storage they were read from and by their ids there."""


def records_of(study: optuna.Study, states: Container[TrialState] | None = None) -> list[TrialRecord]:
    """The records of a study's trials in some states, in the order of their numbers.

    A finished trial does not change any more, so its record is made once: with thousands of trials that is most of what
    drawing the next one would cost. StudyError as for :meth:`TrialRecord.of`.
    """
    known, found = _KNOWN.setdefault(study._storage, {}), []
    for trial in study.get_trials(deepcopy=False, states=states):
        record = known.get(trial._trial_id)
        if record is None or record.trial is not trial:
            record = TrialRecord.of(trial)
            if trial.state.is_finished():
                known[trial._trial_id] = record
        found.append(record)
    return found


@dataclass(frozen=True)
class StudyRecord:
    """What a study keeps about itself beside its trials.

    ``claims``: what its scores rest on (hash of the space, fingerprint of the data ...), compared when it goes on.
    ``seeded``: the baseline, seeds and presets are queued. ``test_read_at``: when the test rows were first read (ISO
    time in UTC); ``test_contestants``: the sets of policies that were compared on them, each as hashes joined by "+";
    ``verdict_looks``: the looks of each verdict, as :class:`~autonoise.verdict.looks.Ledger` writes them. ``phase``:
    "search" while trials may begin, "verdict" during the trainings after them, "done" at the end; empty before, and in
    studies of versions that did not tell; ``verdict``, ``sentence``: what it was in a word and in a sentence.
    """

    claims: Mapping[str, Any]
    seeded: bool
    test_read_at: str | None
    test_contestants: tuple[str, ...]
    verdict_looks: tuple[dict[str, Any], ...]
    phase: str = ""
    verdict: str = ""
    sentence: str = ""

    @classmethod
    def of(cls, study: optuna.Study) -> StudyRecord:
        facts = facts_of(study)
        try:
            return cls(
                facts,
                bool(facts.get("seeded")),
                _of_kind(facts.get("test_read_at"), str, type(None)),
                tuple(_of_kind(c, str) for c in facts.get("test_contestants", ())),
                tuple(dict(_of_kind(r, dict)) for r in facts.get("verdict_looks", ())),
                *(str(facts.get(name, "")) for name in ("phase", "verdict", "sentence")),
            )
        except TypeError as e:
            raise StudyError(
                f"study {study.study_name!r}: what its storage says of it is damaged ({one_line(e, 80)}): {RESTORE}"
            ) from None


def _float(value: Any) -> float:
    return math.nan if value is None else float(_of_kind(value, int, float))


def _of_kind(value: Any, *kinds: type) -> Any:
    """The value. TypeError where it is of none of the kinds; true and false are no numbers."""
    if not isinstance(value, kinds) or isinstance(value, bool):
        raise TypeError(f"{str(value)[:30]!r} is a {type(value).__name__}")
    return value
