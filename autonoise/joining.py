"""A worker that joins a study by the address of its storage: checked, then trials, then the trainings after them."""

from __future__ import annotations

import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from random import SystemRandom

import optuna

from autonoise.corruptions.frozen import checksum, corrupted, digest
from autonoise.data.notes import unlogged
from autonoise.errors import DataError, StudyError
from autonoise.files import version_of
from autonoise.space.space import SearchSpace
from autonoise.study.config import StudyConfig
from autonoise.study.folder import StudyFolder
from autonoise.study.noise_data import CLIPS_FILE
from autonoise.study.prepare import build_task, load_data
from autonoise.study.processes import Stop, one_thread, stop_on_interrupt
from autonoise.study.shared import NoStudyError, Shared, found_study, model_file, sha256_of
from autonoise.study.storage import finished, heed, open_existing, open_storage, taken
from autonoise.study.trial_record import StudyRecord
from autonoise.training.factory import IN_MEMORY
from autonoise.training.task import Task
from autonoise.trials.guided import sampler_of
from autonoise.trials.objective import Objective
from autonoise.trials.worker import work
from autonoise.verdict.queue import Queue
from autonoise.verdict.sharing import serve

LOOK_AGAIN = 5.0
"""Seconds between two looks whether the search has ended, and whether a study is there that is waited for."""


@dataclass(frozen=True)
class Place:
    """What a worker is told: the storage, the study, and where this machine has what is not in the storage.

    ``data``, ``noisy_val``: paths in place of the study's own; ``model``: the user's model as ``file.py:factory``,
    which must be named here, since no code is run because a database names it.
    """

    storage: str = field(repr=False)
    study: str
    data: str | None = None
    model: str | None = None
    noisy_val: str | None = None


@dataclass(frozen=True)
class Joined:
    """A study as a worker has it after all checks."""

    config: StudyConfig
    space: SearchSpace
    task: Task
    study: optuna.Study


class UntilVerdict(Stop):
    """Also late once the search has gone over to its verdict, which its driver writes into the study."""

    study: optuna.Study
    _looked: float = -LOOK_AGAIN
    _over: bool = False

    @property
    def late(self) -> bool:
        if time.monotonic() - self._looked > LOOK_AGAIN:
            self._looked = time.monotonic()
            self._over = StudyRecord.of(self.study).phase in ("verdict", "done")
        return self._over or super().late


def join(place: Place, *, timeout: float | None = None, wait: float = 0.0) -> tuple[StudyConfig, int, int]:
    """Work for a study until it is done: returns its settings, its finished trials, and the trainings run after them.

    ``timeout``: seconds after which nothing more is begun; ``wait``: seconds to wait for the study to be there. Raises
    StudyError or DataError where this machine does not have what the study was begun with.
    """
    one_thread()
    deadline = None if timeout is None else time.time() + timeout
    with tempfile.TemporaryDirectory(prefix="autonoise-worker-") as folder:
        study, shared = _found(place, wait)
        joined = checked(place, study, shared, Path(folder))
        stop = UntilVerdict(deadline=deadline)
        stop.study = study
        with stop_on_interrupt(stop, _say):
            config, trials = joined.config, len(study.get_trials(deepcopy=False))
            # any number serves that no other worker has
            number = SystemRandom().randrange(1000, 2**31)
            study.sampler = sampler_of(config, joined.space, joined.task, trials=trials, worker=number)
            objective, queue, ran = Objective(joined.task, joined.space, config), Queue.of(study), 0
            rest = Stop(deadline=deadline)

            def wanted() -> bool:
                # a trial that another worker lost was queued again
                return not stop.late and taken(study) < config.trials

            while True:
                work(study, objective, stop, say=_say)
                if queue is None or stop():
                    break
                heed(study, rest, _say)
                with stop_on_interrupt(rest, _say):
                    ran += serve(queue, joined.task, config, rest, lambda: _done(study) or wanted(), _say)
                if rest() or rest.late or not wanted():
                    break
        return config, len(finished(study)), ran


def _done(study: optuna.Study) -> bool:
    return StudyRecord.of(study).phase == "done"


def _found(place: Place, wait: float) -> tuple[optuna.Study, Shared]:
    """The study and its description, once both are there. StudyError after ``wait`` seconds."""
    until, told = time.monotonic() + wait, False
    storage = open_storage(place.storage) if wait else open_existing(place.storage)
    while True:
        try:
            study = found_study(storage, place.study)
            shared = Shared.of(study)
            missing = f"study {place.study!r} is not ready to be joined: its search has to calibrate its noise first"
        except NoStudyError as e:
            shared, missing = None, str(e)
        if shared is not None:
            return study, shared
        if time.monotonic() >= until:
            raise StudyError(f"{missing}; --wait 10m waits for it" if not wait else missing)
        if not told:
            _say(f"waiting up to {wait:.0f} s: {missing}")
            told = True
        time.sleep(min(LOOK_AGAIN, max(until - time.monotonic(), 0.0)))


def checked(place: Place, study: optuna.Study, shared: Shared, folder: Path) -> Joined:
    """The study with this machine's data; ``folder`` is the worker's own. StudyError where anything differs."""
    here = version_of("autonoise")
    if shared.version != here:
        raise StudyError(
            f"study {place.study!r} was begun with autonoise {shared.version}, and here is {here}: scores "
            f'would not be comparable; pip install "autonoise=={shared.version}"'
        )
    _check_files(place, shared, folder)
    config = shared.settings_for(folder, place.storage, data=place.data, model=place.model, noisy_val=place.noisy_val)
    claims = StudyRecord.of(study).claims
    space = SearchSpace.from_dict(dict(shared.space))
    _compare("search space", claims.get("space_hash"), space.hash, "use the same version of autonoise")
    shared.write(StudyFolder(folder))
    frozen = StudyFolder(folder).load_corruptions() or ()
    _compare("frozen corruptions", claims.get("frozen_corruptions"), digest(frozen), "run its search again")
    with unlogged():
        try:
            dataset = load_data(config)
        except DataError as e:
            raise DataError(f"{e}; --data says where this machine has the study's data") from None
        said = claims.get("data_fingerprint")
        _compare(f"data than {config.data}", said, dataset.fingerprint, "give the study's data by --data")
        task = build_task(config, dataset)
    noisy = "" if task.real is None else task.real.dataset.fingerprint
    _compare(f"noisy rows than {config.noisy_val}", shared.noisy, noisy, "give the study's own by --noisy-val")
    task.frozen = frozen
    sets, reference = task.sets("search", 0), task.reference(0)
    for f in frozen:
        here = checksum(corrupted(sets.rows, f, 3, "search0", reference))
        said = f.checksums.get("search0/3", here)
        _compare(f"rows after the corruption {f.name}", said, here, "use the versions of the libraries that it used")
    return Joined(config, space, task, study)


def _compare(what: str, said: object, here: str, remedy: str) -> None:
    if said != here:
        raise StudyError(f"the study has other {what} (there {str(said)[:19]}, here {here[:19]}): {remedy}")


def _check_files(place: Place, shared: Shared, folder: Path) -> None:
    """Refuse a machine without the study's model or clips, or with other ones."""
    model = str(shared.settings.get("model") or "")
    if model.startswith(IN_MEMORY):
        raise StudyError(f"the study trains a function in memory ({model}), which no other process can have")
    if model and place.model is None:
        raise StudyError(f"the study trains a model of its user: name it here by --model, as in --model {model}")
    if place.model is not None and not model:
        raise StudyError("the study trains no model of its user: leave --model out")
    if model and place.model is not None:
        if model.rpartition(":")[2] != place.model.rpartition(":")[2]:
            raise StudyError(f"--model {place.model}: the study trains {model}; name the same function")
        file, said = model_file(place.model), shared.digests.get("model")
        if said is not None and file.is_file():
            _compare(f"code than {file}", said, sha256_of(file), "give the file that the search was begun with")
    if shared.clips:
        clips = Path(shared.clips)
        if not clips.is_file():
            raise StudyError(
                f"the study's policies name its --noise-data by {clips}, which this machine lacks: have that folder "
                f"at the same place"
            )
        _compare(f"clips than {clips}", shared.digests.get("clips"), sha256_of(clips), "have the search's own there")
        (folder / CLIPS_FILE).symlink_to(clips)


def _say(text: str) -> None:
    sys.stderr.write(f"worker: {text}\n")
    sys.stderr.flush()
