"""``autonoise.search``: from data, in memory or on disk, to a judged policy, in one call."""

from __future__ import annotations

import shutil
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import BrokenExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import optuna
import torch
from torch import nn

from autonoise.data.objects import is_path, store
from autonoise.errors import AutonoiseError, StudyError
from autonoise.files import dump_yaml, write_whole
from autonoise.found import SearchResult
from autonoise.phases import run_search
from autonoise.space.space import SearchSpace
from autonoise.study.config import StudyConfig
from autonoise.study.folder import StudyFolder
from autonoise.study.observer import Lines, Observer
from autonoise.study.places import STUDIES, seconds_of, study_name, study_of
from autonoise.training.factory import IN_MEMORY, ModelFactory

if TYPE_CHECKING:
    from autonoise.types import InputSpec


def search(
    data: Any,
    *,
    target: str | None = None,
    trials: int | None = None,
    timeout: float | str | None = None,
    model: str | Callable[[InputSpec, int], nn.Module] | None = None,
    space: str | Path | Mapping[str, Any] | SearchSpace | None = None,
    out: str | Path | None = None,
    progress: bool | Observer = True,
    **settings: Any,
) -> SearchResult:
    """Search which noise to train with, judge what was found, and export it as a policy.

    The same call with the same data and ``out`` continues a search that was stopped, killed or given too few trials.

    Args:
        data: a path; ``(X, y)`` or ``(X_train, y_train, X_test, y_test)`` of arrays, tensors or strings; a DataFrame
            with ``target``; a map-style ``torch.utils.data.Dataset`` of (input, label), or a pair of them for training
            and test; a Hugging Face ``Dataset`` or ``DatasetDict``; the folder of an earlier study.
        target: the column or array of labels.
        trials: how many policies are tried in total, those of earlier calls included; None: 60.
        timeout: seconds for everything, verdict and export included, or words such as "20m".
        model: ``factory(spec, classes)`` that makes a fresh model, or ``"file.py:factory"``; None: a small proxy.
        space: a search space, its file or its shipped name; None: that of the data type.
        out: the folder of the study; None: ``studies/`` and the name of the data.
        progress: print a line now and then, say nothing (False), or tell an :class:`Observer`.
        settings: any other option of ``autonoise search`` by its name (``workers=2``, ``noise_weight=0.3`` ...).

    Raises DataError, SpaceError or StudyError with one line; what is on disk stays valid.

    Example:
        >>> import autonoise, tempfile
        >>> from sklearn.datasets import load_iris
        >>> folder = tempfile.mkdtemp()
        >>> quick = {"trials": 1, "epochs": 1, "seeds": 3, "train_rows": 60, "progress": False}
        >>> result = autonoise.search(load_iris(return_X_y=True), out=folder, **quick)
        >>> result.policy.data_type
        <DataType.TABULAR: 'tabular'>
    """
    named = {"target": target, "trials": trials, "timeout": timeout, "out": None if out is None else str(out)}
    given = {**settings, **{k: v for k, v in named.items() if v is not None}}
    with ExitStack() as stack:
        config, factory, made = _placed(data, given, model, stack)
        stack.enter_context(StudyFolder(config.out).nothing_half_begun())
        if made is not None:
            stack.enter_context(_kept(made, Path(config.data)))
        if space is not None:
            config = _with_space(config, space)
        observer = progress if isinstance(progress, Observer) else Lines() if progress else Observer()
        with _quiet_optuna(), _main_not_imported_again(), _explained(config):
            outcome = run_search(config, observer=observer, factory=factory)
    return SearchResult(config, outcome.folder, outcome.result, stopped=outcome.stopped)


def config_of(data: str, given: Mapping[str, Any]) -> StudyConfig:
    """The settings of a study on disk, or fresh ones, overridden by what was given. Raises StudyError."""
    if "timeout" in given:
        given = {**given, "timeout": seconds_of(str(given["timeout"]))}
    path = Path(data).expanduser()
    if (path / "study.yaml").is_file() or path.name == "study.yaml":
        return _config(lambda: replace(study_of(data), **given), given)
    name = given["study"] if "study" in given else study_name(data)
    if not name.strip() or name in (".", "..") or Path(name).name != name:
        raise StudyError(f"--study must be a plain name without slashes, but got {name!r}")
    return _config(lambda: StudyConfig(**{"data": data, "out": str(STUDIES / name), **given, "study": name}), given)


def _config(make: Callable[[], StudyConfig], given: Mapping[str, Any]) -> StudyConfig:
    unknown = set(given) - set(StudyConfig.__dataclass_fields__)
    if unknown:
        raise StudyError(f"there is no setting {sorted(unknown)[0]!r}: see the options of autonoise search --help")
    return make()


def _placed(
    data: Any, given: Mapping[str, Any], model: str | ModelFactory | None, stack: ExitStack
) -> tuple[StudyConfig, ModelFactory | None, Path | None]:
    """The settings, the model where it is a function, and the file of data in memory, which is not in its place yet."""
    if is_path(data):
        return *_with_model(config_of(str(data), given), model), None
    place = stack.enter_context(tempfile.TemporaryDirectory())
    made = store(data, place, target=given.get("target"))
    name = given.get("study") or (Path(given["out"]).name if "out" in given else made.stem)
    kept = Path(given.get("out") or STUDIES / name) / made.name
    target = {"target": "label"} if made.suffix == ".parquet" else {}
    settings = {**target, **given, "study": name, "out": str(kept.parent)}
    return *_with_model(config_of(str(kept), settings), model), made


@contextmanager
def _kept(made: Path, kept: Path) -> Iterator[None]:
    """Put the file of data in memory into the study's folder; take it back where the study refuses it."""
    if kept.exists():
        yield
        return
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(made, kept)
    except OSError as e:
        raise StudyError(f"cannot write to {kept.parent} ({e.strerror}): choose another folder by out=") from None
    try:
        yield
    except Exception:
        study = StudyFolder(kept.parent).study_file
        if not (study.is_file() and kept.name in study.read_text()):
            kept.unlink(missing_ok=True)
        raise


def _with_model(config: StudyConfig, model: str | ModelFactory | None) -> tuple[StudyConfig, ModelFactory | None]:
    """A function is recorded by its name: other processes cannot have it, so everything runs in this one."""
    if model is None or isinstance(model, str):
        return (config if model is None else replace(config, model=model)), None
    if not callable(model):
        raise StudyError(f"model must be a function of (InputSpec, classes) or file.py:factory, but got {model!r}")
    if config.workers > 1:
        raise StudyError(
            "workers=1 is needed for a model that is a function in memory, since other processes cannot see it: put it "
            'into a file and give model="file.py:factory"'
        )
    name = getattr(model, "__name__", type(model).__name__)
    return replace(config, model=f"{IN_MEMORY}{name}"), model


def _with_space(config: StudyConfig, space: str | Path | Mapping[str, Any] | SearchSpace) -> StudyConfig:
    """A space in memory is written beside the study, where every process finds it."""
    if isinstance(space, str | Path):
        return replace(config, space=str(space))
    source = space.source if isinstance(space, SearchSpace) else SearchSpace.from_dict(dict(space)).source
    path = Path(config.out) / "space.yaml"
    write_whole(path, dump_yaml(dict(source)))
    return replace(config, space=str(path))


@contextmanager
def _quiet_optuna() -> Iterator[None]:
    """Without Optuna's own lines: faults of trials are counted and told at the end."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)


@contextmanager
def _main_not_imported_again() -> Iterator[None]:
    """Processes that are started in here do not import the caller's script.

    ``multiprocessing`` imports it in each new process, and a script that calls ``search`` without
    ``if __name__ == "__main__"`` would search again in each of them. Nothing of the script is needed there.
    """
    main = sys.modules["__main__"]
    kept = {name: main.__dict__[name] for name in ("__file__", "__spec__") if name in main.__dict__}
    main.__dict__.pop("__file__", None)
    main.__spec__ = None
    try:
        yield
    finally:
        for name, value in kept.items():
            setattr(main, name, value)


@contextmanager
def _explained(config: StudyConfig) -> Iterator[None]:
    """Faults of what is not autonoise's (the user's model, too little memory) in one line, as a StudyError."""
    try:
        yield
    except AutonoiseError:
        raise
    except (BrokenExecutor, MemoryError, torch.OutOfMemoryError) as e:
        raise StudyError(
            f"a training process died, probably for lack of memory ({type(e).__name__}); everything finished is kept: "
            f"run again with fewer --workers, or as another --study with fewer --train-rows"
        ) from None
    except Exception as e:
        if config.model is None:
            raise
        frames = traceback.extract_tb(e.__traceback__)
        file = config.model.rpartition(":")[0]
        place = next((f for f in reversed(frames) if Path(f.filename).name == Path(file).name), frames[-1])
        at = f"{Path(place.filename).name}, line {place.lineno}"
        raise StudyError(f"--model {config.model}: {type(e).__name__}: {e} ({at}); mend it and run again") from None
