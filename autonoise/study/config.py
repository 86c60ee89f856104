"""What a study was asked to do: the content of ``study.yaml``, which re-runs it."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, get_args, get_type_hints

from autonoise.errors import StudyError
from autonoise.files import dump_yaml, read_data, write_whole
from autonoise.study.address import without_password

FORMAT = "autonoise-study/1"
_FIXED = (
    "seed",
    "epochs",
    "train_rows",
    "noise_weight",
    "label_noise",
    "label_matrix",
    "model",
    "proxy",
    "objective",
    "max_cost",
    "max_clean_drop",
    "noisy_val",
    "noisy_val_only",
    "size",
    "steps",
    "precision",
)
"""Settings that may not change when a study goes on: scores would not be comparable."""
LOCAL = "local"
"""What ``--ray`` without an address means: a Ray of its own on this machine."""
_RAY = re.compile(rf"{LOCAL}|auto|[\w.-]+:\d{{1,5}}")
_KINDS = {str: "a text", int: "a whole number", float: "a number", bool: "true or false"}


def _is_of(kind: Any, value: object) -> bool:
    """Whether a value of a study file is of the type of a setting; a whole number serves as a float."""
    if isinstance(value, bool):
        return kind is bool
    allowed = get_args(kind) or (kind,)
    return isinstance(value, allowed) or (float in allowed and isinstance(value, int))


def _above_zero(value: float | None) -> bool:
    return value is None or (math.isfinite(value) and value > 0)


def is_ray_address(text: str) -> bool:
    """Whether a text says which Ray to use: ``local``, ``auto`` (the cluster of this machine) or ``HOST:PORT``."""
    return _RAY.fullmatch(text) is not None


def is_name(text: str) -> bool:
    """Whether a text names a study and no place: without slashes, no ``..``, printable, of at most 200 characters."""
    return (
        text.strip() not in ("", ".", "..") and text.isprintable() and len(text) <= 200 and not set(text) & set("/\\")
    )


@dataclass(frozen=True)
class StudyConfig:
    """All settings of a search; names are those of the command line's options.

    ``workers`` 0, with ``ray`` only: as many as the cluster has room for.
    """

    data: str
    study: str
    out: str
    data_type: str | None = None
    target: str | None = None
    clean_target: str | None = None
    group: str | None = None
    text_column: str | None = None
    trials: int = 60
    timeout: float | None = None
    trial_timeout: float | None = None
    seed: int = 0
    epochs: int | None = None
    train_rows: int = 10_000
    noise_weight: float = 0.5
    space: str | None = None
    steps: str | None = None
    storage: str | None = field(default=None, repr=False)
    device: str = "cpu"
    workers: int = 1
    ray: str | None = None
    cpus_per_trial: float | None = None
    gpus_per_trial: float | None = None
    label_noise: float = 0.0
    label_matrix: str | None = None
    noise_data: str | None = None
    noisy_val: str | None = None
    noisy_val_only: bool = False
    max_cost: float | None = None
    max_clean_drop: float | None = None
    objective: str = "score"
    model: str | None = None
    proxy: str | None = None
    size: float = 1.0
    precision: str = "auto"
    calibrate: bool = False
    memory: bool = True
    seeds: int = 5
    engine: str = "autonoise"

    def __post_init__(self) -> None:
        rules = {
            "--trials >= 1": self.trials >= 1,
            "--timeout > 0": _above_zero(self.timeout),
            "--trial-timeout > 0": _above_zero(self.trial_timeout),
            "0 <= --seed < 2^63": 0 <= self.seed < 2**63,
            "--epochs >= 1": self.epochs is None or self.epochs >= 1,
            "--train-rows >= 20": self.train_rows >= 20,
            "0 <= --noise-weight <= 1": 0 <= self.noise_weight <= 1,
            "--workers >= 1": self.workers >= 1 or (self.workers == 0 and self.ray is not None),
            "--cpus-per-trial > 0": _above_zero(self.cpus_per_trial),
            "--gpus-per-trial > 0": _above_zero(self.gpus_per_trial),
            "0 <= --label-noise < 1": 0 <= self.label_noise < 1,
            "--max-cost >= 1": self.max_cost is None or (math.isfinite(self.max_cost) and self.max_cost >= 1),
            "0 <= --max-clean-drop <= 1 (accuracy; 0.01 is one point)": self.max_clean_drop is None
            or 0 <= self.max_clean_drop <= 1,
            "--seeds >= 3": self.seeds >= 3,
        }
        broken = [rule for rule, holds in rules.items() if not holds]
        if broken:
            name = broken[0].split("--")[1].split(" ")[0]
            raise StudyError(f"{broken[0]} must hold, but got {getattr(self, name.replace('-', '_'))!r}")
        if not is_name(self.study):
            raise StudyError(f"--study must be a plain name without slashes, but got {self.study[:80]!r}")
        if self.objective not in ("score", "pareto"):
            raise StudyError(f"--objective must be score or pareto, but got {self.objective!r}")
        if self.steps not in (None, "three", "whole"):
            raise StudyError(
                f"--steps must be three (training code of perturb, loss and step) or whole (code that can call "
                f"training_step), but got {self.steps!r}"
            )
        if self.precision not in ("auto", "fp32", "bf16"):
            raise StudyError(f"--precision must be auto, fp32 or bf16, but got {self.precision!r}")
        self._check_pairs()
        self._check_ray()

    def _check_pairs(self) -> None:
        """Refuse settings of which one would be ignored beside the other, or has nothing to act on."""
        if self.noisy_val_only and self.noisy_val is None:
            raise StudyError("--noisy-val-only judges by --noisy-val alone: name that file, too, by --noisy-val")
        if self.noisy_val is not None and Path(self.noisy_val).resolve() == Path(self.data).resolve():
            raise StudyError(f"--noisy-val {self.noisy_val} is the data itself: give rows that are noisy")
        if self.label_noise > 0 and self.label_matrix is not None:
            raise StudyError("--label-noise and --label-matrix both say how labels are made wrong: give one of them")
        if self.clean_target is not None and self.clean_target == self.target:
            raise StudyError(f"--clean-target and --target are both {self.target!r}: leave --clean-target out")
        if self.model is not None and self.proxy is not None:
            raise StudyError("--model takes the place of the proxy, so --proxy would be ignored: give one of them")
        if self.model is not None and self.calibrate:
            raise StudyError("--calibrate trains wider proxies, which a --model does not have: give one of them")
        if self.storage is not None and (self.storage == "sqlite://" or ":memory:" in self.storage):
            raise StudyError("--storage in memory would be lost with its process: name a file, sqlite:///trials.db")

    def _check_ray(self) -> None:
        """Refuse what Ray would refuse, or what its workers could not reach."""
        if self.ray is None:
            if self.cpus_per_trial is not None or self.gpus_per_trial is not None:
                raise StudyError("--cpus-per-trial and --gpus-per-trial say what Ray gives a worker: add --ray")
            return
        if not is_ray_address(self.ray):
            raise StudyError(
                f"--ray must be local (one of its own on this machine), auto (the cluster of this machine) or "
                f"HOST:PORT, but got {self.ray!r}"
            )
        gpus = self.gpus_per_trial or 0.0
        if gpus > 1 and gpus != int(gpus):
            raise StudyError(f"--gpus-per-trial {gpus:g}: above 1, Ray gives whole GPUs only: give {int(gpus)}")
        if gpus and not self.device.startswith("cuda"):
            raise StudyError(
                f"--gpus-per-trial {gpus:g} keeps GPUs that --device {self.device} leaves idle: add --device cuda"
            )
        if self.device.startswith("cuda:"):
            raise StudyError(f"--device {self.device}: Ray chooses the GPU of each worker: give --device cuda")
        if self.ray != LOCAL and self.storage_url.startswith("sqlite"):
            raise StudyError(
                f"--ray {self.ray}: workers on other machines cannot reach SQLite: give --storage postgresql+psycopg://..."
            )

    def to_dict(self) -> dict[str, Any]:
        """The settings that were given, as plain values; the address of the database without its password."""
        values = {k: v for k, v in asdict(self).items() if v is not None}
        return values if self.storage is None else {**values, "storage": without_password(self.storage)}

    def save(self, path: Path) -> None:
        """Write the study file. Where it names a database, only its owner may read it."""
        mode = 0o644 if self.storage is None else 0o600
        write_whole(path, dump_yaml({"format": FORMAT, **self.to_dict()}), mode=mode)

    @classmethod
    def load(cls, path: Path) -> StudyConfig:
        """Raises StudyError for what is no study file."""
        values = read_data(path, StudyError, "study file")
        if values.pop("format", None) != FORMAT:
            raise StudyError(f"{path}: not a study file: its first line must be 'format: {FORMAT}'")
        return cls.from_dict(values, str(path))

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], where: str) -> StudyConfig:
        """The settings of what :meth:`to_dict` gave; ``where`` names their source. Raises StudyError."""
        known = {f.name for f in fields(cls)}
        unknown = set(values) - known
        if unknown:
            raise StudyError(f"{where}: unknown setting {sorted(unknown, key=str)[0]!r}; remove it")
        missing = [f.name for f in fields(cls) if f.default is MISSING and f.name not in values]
        if missing:
            raise StudyError(f"{where}: the setting {missing[0]!r} is missing; write it into the file")
        kinds = get_type_hints(cls)
        for name, value in values.items():
            if not _is_of(kinds[name], value):
                kind = (get_args(kinds[name]) or (kinds[name],))[0]
                raise StudyError(f"{where}: {name} must be {_KINDS[kind]}, but is {value!r}; correct the file")
        return cls(**values)

    def differences(self, other: StudyConfig) -> list[str]:
        """Settings that make two runs incomparable, as ``name: old → new``."""
        changed = [n for n in _FIXED if getattr(self, n) != getattr(other, n)]
        return [f"{n}: {getattr(other, n)} → {getattr(self, n)}" for n in changed]

    def comparable(self) -> dict[str, Any]:
        """The settings that scores rest on; files by their names, since their folders differ by machine."""
        paths = ("label_matrix", "model", "noisy_val")
        given = {n: getattr(self, n) for n in _FIXED}
        return {n: Path(v).name if n in paths and v is not None else v for n, v in given.items()}

    @property
    def storage_url(self) -> str:
        return self.storage or f"sqlite:///{Path(self.out) / 'study.db'}"
