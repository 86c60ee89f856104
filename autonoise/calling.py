"""What the public functions share: settings, data and models in memory, faults of other code in one line."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from autonoise.data import Dataset
from autonoise.data.objects import is_path, store
from autonoise.errors import AutonoiseError, DataError, StudyError
from autonoise.policy import Policy
from autonoise.study.address import VARIABLE
from autonoise.study.config import StudyConfig, is_name
from autonoise.study.faults import of_machine
from autonoise.study.places import STUDIES, is_study, seconds_of, study_name, study_of
from autonoise.study.prepare import load_data
from autonoise.training.factory import IN_MEMORY, ModelFactory


def config_of(data: str, given: Mapping[str, Any]) -> StudyConfig:
    """The settings of a study on disk, or fresh ones, overridden by what was given. Raises StudyError."""
    for name in ("timeout", "trial_timeout"):
        if name in given:
            given = {**given, name: seconds_of(str(given[name]), f"--{name.replace('_', '-')}")}
    if "ray" in given:
        given = {"workers": 0, **given}
    if is_study(data):
        return _made(lambda: replace(study_of(data), **given), given)
    if os.environ.get(VARIABLE):
        given = {"storage": os.environ[VARIABLE], **given}
    name = given["study"] if "study" in given else study_name(data)
    if not is_name(name):
        raise StudyError(f"--study must be a plain name without slashes, but got {name!r}")
    return _made(lambda: StudyConfig(**{"data": data, "out": str(STUDIES / name), **given, "study": name}), given)


def _made(make: Callable[[], StudyConfig], given: Mapping[str, Any]) -> StudyConfig:
    unknown = set(given) - set(StudyConfig.__dataclass_fields__)
    if unknown:
        raise StudyError(f"there is no setting {sorted(unknown)[0]!r}: see the options of autonoise search --help")
    return make()


def loaded_for(config: StudyConfig, policy: Policy) -> tuple[StudyConfig, Dataset]:
    """The data that a policy is to act on, and the settings with their type.

    Where the data leave their type open, or look like another one, they are read as the policy's. Raises StudyError for
    data of another type, DataError for what cannot be read at all.
    """
    own = replace(config, data_type=str(policy.data_type))
    try:
        dataset = load_data(config)
    except DataError:
        if config.data_type is not None:
            raise
        return own, load_data(own)
    if dataset.data_type == policy.data_type:
        return config, dataset
    if config.data_type is None:
        with suppress(DataError):
            return own, load_data(own)
    raise StudyError(
        f"{policy.name} is for {policy.data_type} data, but {dataset.name} is {dataset.data_type}: give a policy and "
        f"data of one type"
    )


def placed(
    data: Any, given: Mapping[str, Any], model: str | ModelFactory | None, stack: ExitStack, *, home: Path = STUDIES
) -> tuple[StudyConfig, ModelFactory | None, Path | None]:
    """The settings, the model where it is a function, and the file of data in memory, which is not in its place yet.

    ``home``: the folder that holds the folder of the study where the caller names none for data in memory.
    """
    if is_path(data):
        return *with_model(config_of(str(data), given), model), None
    place = stack.enter_context(tempfile.TemporaryDirectory())
    made = store(data, place, target=given.get("target"))
    name = given.get("study") or (Path(given["out"]).name if "out" in given else made.stem)
    goal = Path(given.get("out") or home / name) / made.name
    target = {"target": "label"} if made.suffix == ".parquet" else {}
    settings = {**target, **given, "study": name, "out": str(goal.parent)}
    return *with_model(config_of(str(goal), settings), model), made


@contextmanager
def kept(made: Path, place: Path, settings: Path) -> Iterator[None]:
    """Put the file of data in memory into the study's folder; take it back where the study refuses it.

    ``settings``: the file that names its data once the study has begun.
    """
    if place.exists():
        yield
        return
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(made, place)
    except OSError as e:
        raise StudyError(f"cannot write to {place.parent} ({e.strerror}): choose another folder by out=") from None
    try:
        yield
    except Exception:
        if not (settings.is_file() and place.name in settings.read_text()):
            place.unlink(missing_ok=True)
        raise


def with_model(config: StudyConfig, model: str | ModelFactory | None) -> tuple[StudyConfig, ModelFactory | None]:
    """A function is recorded by its name: other processes cannot have it, so everything runs in this one."""
    if model is None or isinstance(model, str):
        return (config if model is None else replace(config, model=model)), None
    if not callable(model):
        raise StudyError(f"model must be a function of (InputSpec, classes) or file.py:factory, but got {model!r}")
    if config.workers != 1 or config.ray is not None:
        raise StudyError(
            "workers=1 is needed, without ray, for a model that is a function in memory, since other processes cannot "
            'see it: put it into a file and give model="file.py:factory"'
        )
    name = getattr(model, "__name__", type(model).__name__)
    return replace(config, model=f"{IN_MEMORY}{name}"), model


@contextmanager
def quiet_optuna() -> Iterator[None]:
    """Without Optuna's own lines: faults of trials are counted and told at the end."""
    import optuna

    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)


@contextmanager
def main_not_imported_again() -> Iterator[None]:
    """Processes that are started in here do not import the caller's script.

    ``multiprocessing`` imports it in each new process, and a script that calls ``search`` without
    ``if __name__ == "__main__"`` would search again in each of them. Nothing of the script is needed there.
    """
    main = sys.modules["__main__"]
    held = {name: main.__dict__[name] for name in ("__file__", "__spec__") if name in main.__dict__}
    main.__dict__.pop("__file__", None)
    main.__spec__ = None
    try:
        yield
    finally:
        for name, value in held.items():
            setattr(main, name, value)


@contextmanager
def explained(config: StudyConfig) -> Iterator[None]:
    """Faults of what is not autonoise's (the user's model, too little memory) in one line, as a StudyError."""
    try:
        yield
    except AutonoiseError:
        raise
    except (Exception, SystemExit) as e:
        told = of_machine(e, workers=config.workers, url=config.storage or "")
        if told is not None:
            raise StudyError(told) from None
        if config.model is None:
            raise
        frames = traceback.extract_tb(e.__traceback__)
        file = config.model.rpartition(":")[0]
        place = next((f for f in reversed(frames) if Path(f.filename).name == Path(file).name), frames[-1])
        at = f"{Path(place.filename).name}, line {place.lineno}"
        raise StudyError(f"--model {config.model}: {type(e).__name__}: {e} ({at}); mend it and run again") from None
