"""From what a user typed to a study on disk, and from a duration in words to seconds."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from autonoise.errors import StudyError

if TYPE_CHECKING:
    import optuna

    from autonoise.study.config import StudyConfig

STUDIES = Path("studies")
EVALUATIONS = Path("evaluations")
EVALUATION = "evaluation.yaml"
"""The file of an evaluation's settings; of another name than a study's, since no search can go on with it."""
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def seconds_of(text: str, option: str = "--timeout") -> float:
    """``90`` or ``90s``, ``10m``, ``1h30m`` in seconds. StudyError for anything else."""
    try:
        return _positive(float(text), text, option)
    except ValueError:
        pass
    parts = re.findall(r"(\d+(?:\.\d+)?)\s*([smhd])", text.strip().lower())
    if not parts or re.sub(r"(\d+(?:\.\d+)?)\s*([smhd])", "", text.strip().lower()).strip():
        raise StudyError(f"{option} must be a duration such as 90s, 10m or 1h30m, but got {text!r}")
    return _positive(sum(float(value) * _UNITS[unit] for value, unit in parts), text, option)


def _positive(seconds: float, text: str, option: str) -> float:
    if not (math.isfinite(seconds) and seconds > 0):
        raise StudyError(f"{option} must be above 0 and finite, but got {text!r}; leave it out for no limit")
    return seconds


def study_name(data: str) -> str:
    """The name a study gets from its data: the last part of the path, without endings."""
    name = Path(data).expanduser()
    stem = (name.resolve() if name.name in ("", "..", ".") else name).name
    stem = stem if name.is_dir() else stem.split(".")[0] or stem
    return re.sub(r"[^\w.-]+", "-", stem).strip("-.") or "study"


def is_study(data: str | Path) -> bool:
    """Whether ``data`` is the folder of a study, or its study file, and not data themselves."""
    path = Path(data).expanduser()
    return (path / "study.yaml").is_file() or path.name == "study.yaml"


def study_dir(given: str) -> Path:
    """The folder of a study given by its folder, its study file or its name under ``studies``. StudyError."""
    path = Path(given).expanduser()
    for candidate in (path.parent if path.name == "study.yaml" else path, STUDIES / given):
        if (candidate / "study.yaml").is_file():
            return candidate
    raise StudyError(f"no study in {given} nor in {STUDIES / given}: give the folder that holds its study.yaml")


def judged_of(given: str) -> StudyConfig:
    """The settings of a study or of an evaluation on disk, given by its folder or by its name. StudyError."""
    from autonoise.study.config import StudyConfig

    for folder in (Path(given).expanduser(), EVALUATIONS / given):
        if (folder / EVALUATION).is_file():
            return replace(StudyConfig.load(folder / EVALUATION), out=str(folder))
    return study_of(given)


def study_of(given: str) -> StudyConfig:
    """The settings of a study on disk; its folder is where it lies now, wherever it was made."""
    from autonoise.study.config import StudyConfig

    folder = study_dir(given)
    return replace(StudyConfig.load(folder / "study.yaml"), out=str(folder))


def optuna_study(config: StudyConfig) -> optuna.Study:
    """The Optuna study of a folder, to read. StudyError when there is none yet, or its storage is damaged."""
    import optuna

    from autonoise.study.storage import check_readable, open_existing, readable

    if config.storage is None and not (Path(config.out) / "study.db").is_file():
        raise StudyError(f"{config.out}: no trial was begun yet (there is no study.db); run autonoise search first")
    storage = open_existing(config.storage_url)
    with readable(config.study):
        try:
            study = optuna.load_study(study_name=config.study, storage=storage)
        except KeyError:
            raise StudyError(f"{config.out}: its storage holds no study {config.study!r}; check --storage") from None
    return check_readable(study)
