"""What a study keeps about itself in its storage, so that a worker needs the storage and the data, and no folder."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import BaseStorage
from optuna.trial import TrialState

from autonoise.errors import StudyError
from autonoise.files import version_of, write_json, write_whole
from autonoise.space.space import SearchSpace
from autonoise.study.config import StudyConfig
from autonoise.study.folder import StudyFolder
from autonoise.study.noise_data import CLIPS_FILE
from autonoise.study.storage import check_readable, readable
from autonoise.study.trial_record import PREFIX, facts_of
from autonoise.training.factory import IN_MEMORY
from autonoise.training.task import Task

FORMAT = "autonoise-shared/1"
KEY = PREFIX + "shared"
_LOCAL = (
    *("out", "storage", "workers", "ray", "cpus_per_trial", "gpus_per_trial"),
    *("timeout", "space", "calibrate", "memory"),
)
"""Settings that are the driver's own: where it writes, how it searches and how long."""
TRAININGS = "/trainings"
"""Ends the name of the study that holds the trainings after the search; names that users give have no slashes."""
_MATRIX = "label_matrix.csv"


class NoStudyError(StudyError):
    """A database holds no study of that name."""


@dataclass(frozen=True)
class Shared:
    """Everything a worker has to know of a study beside its trials, as plain values.

    It lies in a system attribute of Optuna's study, which no sampler reads and no dashboard shows.

    ``version``: autonoise's. ``settings``: those of :class:`StudyConfig` that are not the driver's own; ``precision``:
    what "auto" stood for on the driver's machine. ``space``: the resolved search space. ``corruptions``: what
    corruptions.json holds. ``noisy``: fingerprint of ``--noisy-val``. ``digests``: SHA-256 of files that a worker must
    have itself, by "model" and "clips"; ``clips``: where the clips of ``--noise-data`` lie. ``matrix``: the text of
    ``--label-matrix``.
    """

    version: str
    settings: Mapping[str, Any]
    precision: str
    space: Mapping[str, Any]
    corruptions: Mapping[str, Any]
    noisy: str = ""
    digests: Mapping[str, str] = field(default_factory=dict)
    clips: str = ""
    matrix: str = ""

    @classmethod
    def of(cls, study: optuna.Study) -> Shared | None:
        """What the storage holds of a study; None where its search has not got so far. StudyError where damaged."""
        with readable(study.study_name):
            found = study._storage.get_study_system_attrs(study._study_id).get(KEY)
        if found is None:
            return None
        if not isinstance(found, Mapping) or found.get("format") != FORMAT:
            raise StudyError(
                f"study {study.study_name!r} was begun by a version of autonoise that describes studies in another way "
                f"than {FORMAT}: use that version here"
            )
        values = {k: v for k, v in found.items() if k != "format"}
        texts = ("version", "precision", "noisy", "clips", "matrix")
        if set(values) != {f.name for f in fields(cls)} or not all(
            isinstance(v, str if k in texts else Mapping) for k, v in values.items()
        ):
            raise StudyError(f"what the storage says of study {study.study_name!r} is damaged: run its search again")
        return cls(**values)

    def settings_for(self, folder: Path, storage: str, **own: str | None) -> StudyConfig:
        """The settings for a worker with a folder of its own; ``own``: its places of the data, the model and so on."""
        given = {**self.settings, **{k: v for k, v in own.items() if v is not None}}
        if self.matrix:
            write_whole(folder / _MATRIX, self.matrix)
            given["label_matrix"] = str(folder / _MATRIX)
        config = StudyConfig.from_dict({**given, "out": str(folder), "storage": storage}, "the study in the storage")
        return replace(config, precision=self.precision)

    def write(self, folder: StudyFolder) -> None:
        """Put the frozen corruptions into a folder that has none: it goes on with those of the study."""
        if not folder.corruptions_file.exists():
            write_json(folder.corruptions_file, dict(self.corruptions))


def found_study(storage: BaseStorage, name: str) -> optuna.Study:
    """A study of a database, to read or to work for. StudyError, with the names that are there, where it has none."""
    try:
        return check_readable(optuna.load_study(study_name=name, storage=storage))
    except KeyError:
        names = [s.study_name for s in storage.get_all_studies() if not s.study_name.endswith(TRAININGS)]
        here = ", ".join(names[:10]) or "none"
        raise NoStudyError(
            f"the storage holds no study {name!r} (there are: {here}): check --study and --storage"
        ) from None


def trainings(searched: optuna.Study) -> list[str]:
    """The part ("confirm", "test") of each training after the search whose result is in the storage."""
    try:
        study = optuna.load_study(study_name=searched.study_name + TRAININGS, storage=searched._storage)
    except KeyError:
        return []
    with readable(study.study_name):
        trials = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        return [str(facts_of(t).get("job", {}).get("part")) for t in trials]


def share(study: optuna.Study, config: StudyConfig, space: SearchSpace, task: Task, folder: StudyFolder) -> None:
    """Write into the storage what workers without the study's folder need, unless it is there."""
    settings = {k: v for k, v in config.to_dict().items() if k not in _LOCAL}
    clips = (folder.root / CLIPS_FILE).resolve()
    files = {"clips": clips} if config.noise_data else {}
    if config.model and not config.model.startswith(IN_MEMORY):
        files["model"] = model_file(config.model)
    made = Shared(
        version_of("autonoise"),
        settings,
        task.recipe.precision,
        dict(space.source),
        json.loads(folder.corruptions_file.read_text()),
        noisy=task.real.dataset.fingerprint if task.real is not None else "",
        digests={name: sha256_of(path) for name, path in files.items() if path.is_file()},
        clips=str(clips) if config.noise_data else "",
        matrix=Path(config.label_matrix).read_text() if config.label_matrix else "",
    )
    if made != Shared.of(study):
        study._storage.set_study_system_attr(study._study_id, KEY, {"format": FORMAT, **asdict(made)})


def model_file(text: str) -> Path:
    """The file of ``file.py:factory``; of ``package.module:factory`` one that does not exist."""
    return Path(text.rpartition(":")[0])


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
