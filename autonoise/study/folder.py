"""The folder of a study on disk: what lies where, and results of single runs that survive a kill."""

from __future__ import annotations

import io
import json
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

import numpy as np

from autonoise.array_files import BROKEN_FILE, open_npz
from autonoise.corruptions.frozen import FrozenCorruption, freeze, thaw
from autonoise.errors import StudyError
from autonoise.files import read_json, write_json, write_whole
from autonoise.study.result import Result
from autonoise.types import Array

BEING_WRITTEN = 1.0
"""Seconds after which a policy's file that has not got its name yet is taken for one that a killed process left."""
UNUSABLE = (
    "the model trained without noise is of no use: its loss, weights or outputs are NaN or infinite, so there is "
    "nothing to compare policies with; look for the cause in --model or the data (a learning rate too high, a log of 0)"
)


class OccupiedError(StudyError):
    """Another search is at work in the folder, so that nothing there may be touched."""


@dataclass(frozen=True)
class RunResult:
    """Numbers of one run by group of corruptions, and which examples were right.

    ``numbers``: group ("search", "held_out") → name → value; ``corruptions``: group → name → accuracies;
    ``correct`` (N,) on clean rows; ``noisy``: corruption → (N,) share of severities that were right.
    ``reliability``: group → "clean" and "noisy" → the reliability diagram in numbers (bins, 3), see
    :func:`~autonoise.evaluation.metrics.reliability`; empty in files of older versions.
    """

    numbers: Mapping[str, Mapping[str, float]]
    corruptions: Mapping[str, Mapping[str, list[float]]]
    correct: Array
    noisy: Mapping[str, Array]
    seconds: float = 0.0
    passes: float = 0.0
    diverged: bool = False
    reliability: Mapping[str, Mapping[str, list[list[float]]]] = field(default_factory=dict)

    def save(self, path: Path) -> None:
        head = {
            "numbers": self.numbers,
            "corruptions": self.corruptions,
            "seconds": self.seconds,
            "passes": self.passes,
            "diverged": self.diverged,
            "reliability": self.reliability,
        }
        arrays = {f"noisy/{k}": v.astype(np.float32) for k, v in self.noisy.items()}
        buffer = io.BytesIO()
        np.savez_compressed(
            buffer,
            head=np.array(json.dumps(head)),
            correct=self.correct.astype(np.float32),
            **arrays,  # type: ignore[arg-type]
        )
        write_whole(path, buffer.getvalue())

    @classmethod
    def load(cls, path: Path) -> RunResult | None:
        """None where there is no (readable) result yet."""
        try:
            with open_npz(path, StudyError) as file:
                head = json.loads(str(file["head"]))
                noisy = {k.removeprefix("noisy/"): file[k] for k in file.files if k.startswith("noisy/")}
                return cls(
                    head["numbers"],
                    head["corruptions"],
                    file["correct"],
                    noisy,
                    head["seconds"],
                    head["passes"],
                    head["diverged"],
                    head.get("reliability", {}),
                )
        except FileNotFoundError:
            return None
        except (StudyError, *BROKEN_FILE):
            path.unlink(missing_ok=True)
            return None


class StudyFolder:
    """Paths of a study's folder; docs/search.md says what each file holds."""

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root)
        self.study_file = self.root / "study.yaml"
        self.space_file = self.root / "resolved_space.yaml"
        self.corruptions_file = self.root / "corruptions.json"
        self.policy_file = self.root / "policy.yaml"
        self.policies = self.root / "policies"
        self.trials_file = self.root / "trials.csv"
        self.artifacts = self.root / "artifacts"
        self.runs = self.root / "runs"
        self.sets = self.root / "sets"
        self.report_html = self.root / "report.html"
        self.report_md = self.root / "report.md"
        self.result_file = self.root / "result.json"

    def create(self, *, searched: bool = True) -> None:
        """Make the folders. ``searched``: also those of what only a search leaves. StudyError where that is denied."""
        for folder in (self.root, self.runs, *((self.artifacts, self.policies) if searched else ())):
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError as e:
                raise StudyError(f"cannot write to {folder} ({e.strerror}); choose another folder by --out") from None
        if not os.access(self.root, os.W_OK):
            raise StudyError(f"cannot write to {self.root}; choose another folder by --out")
        self._clear_half_written()

    def _clear_half_written(self) -> None:
        """Remove what a process that was killed while it wrote a policy left beside it."""
        for folder in (self.root, self.policies):
            for file in folder.glob(".*.yaml.????????"):
                with suppress(OSError):
                    if time.time() - file.stat().st_mtime > BEING_WRITTEN:
                        file.unlink()

    @contextmanager
    def nothing_half_begun(self) -> Iterator[None]:
        """Take back what a search wrote here when it is refused before its first training has ended.

        Its study file would otherwise make the corrected call look like one with other settings.
        """
        root = self.root
        existed, before = root.exists(), set(root.iterdir()) if root.is_dir() else set()
        try:
            yield
        except OccupiedError:
            raise
        except Exception:
            if root.is_dir() and not self.corruptions_file.exists():
                for path in set(root.iterdir()) - before:
                    shutil.rmtree(path) if path.is_dir() else path.unlink()
                if not existed:
                    root.rmdir()
            raise

    def forget_sets(self) -> None:
        """Give back the disk that corrupted rows took, once a study has its verdict."""
        shutil.rmtree(self.sets, ignore_errors=True)

    @contextmanager
    def alone(self, what: str = "search") -> Iterator[None]:
        """Hold the folder, which must exist, for this process; the system lets go of it when the process ends.

        ``what``: the kind of work, "search" or "evaluation". Raises OccupiedError where another is at work in it. Where
        the system or the file system knows no locks, nothing is held.
        """
        if fcntl is None:
            yield
            return
        handle = os.open(self.root, os.O_RDONLY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            join = f" join it by autonoise worker {self.root}," if what == "search" else ""
            raise OccupiedError(
                f"another {what} is at work in {self.root}: let it end,{join} or name another folder by --out"
            ) from None
        except OSError:
            pass
        try:
            yield
        finally:
            os.close(handle)

    def run_file(self, policy_hash: str, part: str, fold: int, seed: int, tag: str = "") -> Path:
        return self.runs / f"{policy_hash}-{part}-f{fold}-s{seed}{tag}.npz"

    def save_corruptions(self, frozen: tuple[FrozenCorruption, ...], baseline: Mapping[str, Any]) -> None:
        write_json(self.corruptions_file, {**freeze(frozen), "baseline": dict(baseline)})

    def load_corruptions(self) -> tuple[FrozenCorruption, ...] | None:
        """The frozen corruptions of this study, or None before calibration. StudyError when damaged."""
        try:
            data = read_json(self.corruptions_file)
        except FileNotFoundError:
            return None
        except (OSError, ValueError):
            raise StudyError(f"{self.corruptions_file} is damaged; start again in another folder by --out") from None
        return thaw(data)

    def load_baseline(self) -> dict[str, Any]:
        """What the calibration measured of the baseline. StudyError where that is damaged."""
        try:
            found = read_json(self.corruptions_file)["baseline"]
            if not all(isinstance(found.get(name, 0.0), int | float) for name in ("seconds", "noisy_seconds")):
                raise TypeError("seconds are no number")
            list(found.get("left_out", ()))
            return dict(found)
        except (OSError, ValueError, LookupError, TypeError, AttributeError):
            raise StudyError(f"{self.corruptions_file} is damaged; start again in another folder by --out") from None

    def save_result(self, result: Result) -> None:
        """Write result.json; a number that is not finite becomes null."""
        write_json(self.result_file, finite(result.to_dict()))

    def load_result(self) -> Result | None:
        """What result.json holds; None where there is none yet, or none that can be read."""
        try:
            return Result.from_dict(read_json(self.result_file))
        except (OSError, ValueError, TypeError):
            return None


def finite(value: Any) -> Any:
    """Plain values with null (None) in place of numbers that are not finite, which JSON does not know."""
    if isinstance(value, float) and not np.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {str(k): finite(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [finite(v) for v in value]
    return value
