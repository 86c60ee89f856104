"""``autonoise worker``: one more process for a study, beside its folder or on another machine."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from autonoise.cli import completing, options
from autonoise.cli.output import make_console, print_json, stdout_is_for_json
from autonoise.errors import StudyError
from autonoise.study.address import VARIABLE
from autonoise.study.places import optuna_study, seconds_of, study_of

if TYPE_CHECKING:
    from autonoise.study.config import StudyConfig


def worker(
    place: Annotated[
        str | None,
        typer.Argument(
            metavar="[STUDY]",
            help="Folder of the study, or its name.",
            callback=options.filled,
            autocompletion=completing.studies,
        ),
    ] = None,
    storage: Annotated[
        str | None,
        typer.Option(
            help="Database URL of the trials, or AUTONOISE_STORAGE in the environment: with --study enough to join.",
            callback=options.filled,
        ),
    ] = None,
    study: Annotated[
        str | None, typer.Option(help="Name of the study in that database.", callback=options.filled)
    ] = None,
    out: Annotated[
        str | None, typer.Option(help="Folder of the study; the same as STUDY.", callback=options.filled)
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(help="Where this machine has the study's data: a path or an address.", callback=options.filled),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(help="Where this machine has the study's --model, if it has one.", callback=options.filled),
    ] = None,
    noisy_val: Annotated[
        str | None,
        typer.Option(help="Where this machine has the study's --noisy-val, if it has one.", callback=options.filled),
    ] = None,
    timeout: Annotated[
        str | None,
        typer.Option(help="Begin no training after this time: 90s, 10m, 1h30m.", callback=options.filled),
    ] = None,
    wait: Annotated[
        str | None,
        typer.Option(help="Wait so long for the study to be there: 90s, 10m, 1h30m.", callback=options.filled),
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Run trials of a study beside the search that began it, and the trainings after them, until it is done.

    A worker needs the storage and the data, nothing else. It refuses to join where the data, the search space, the
    noise, a setting or the version of autonoise are not those of the search.

    Example: autonoise worker --storage postgresql+psycopg://me@db/trials --study shop --data shop.csv
    """
    if place is not None and out is not None:
        raise StudyError(f"STUDY ({place}) and --out ({out}) both name the folder of the study: give one of them")
    if place is None and out is None and storage is None:
        storage = os.environ.get(VARIABLE)
    given = place or out or (study if storage is None else None)
    limit = seconds_of(timeout) if timeout else None
    if given is None and (storage is None or study is None):
        raise StudyError("name the study: autonoise worker STUDY, or --storage URL --study NAME")
    if given is not None:
        config = study_of(given)
        config = replace(config, storage=storage or config.storage, study=study or config.study)
        optuna_study(config)  # a mistyped --study or --storage would otherwise begin a study of its own
        if config.storage is None:
            done = _beside(config, data, model, noisy_val, limit, as_json)
            _tell(config, done, 0, as_json=as_json)
            return
        storage, study = config.storage, config.study
        data, model, noisy_val = data or config.data, model or config.model, noisy_val or config.noisy_val
    assert storage is not None and study is not None

    from autonoise.joining import Place, join

    there = Place(storage, study, data, model, noisy_val)
    with stdout_is_for_json(as_json):
        joined, done, ran = join(there, timeout=limit, wait=seconds_of(wait, "--wait") if wait else 0.0)
    _tell(joined, done, ran, as_json=as_json)


def _tell(config: StudyConfig, done: int, ran: int, *, as_json: bool) -> None:
    """How many trials the study has now, and how many of the trainings after them this worker ran."""
    if as_json:
        print_json({"study": config.study, "done": done, "trials": config.trials, "trainings_after": ran})
        return
    after = f", and this worker ran {ran} of the trainings after them" if ran else ""
    make_console().print(
        f"{config.study}: {done} of {config.trials} trials are there{after}",
        soft_wrap=True,
    )


def _beside(
    config: StudyConfig, data: str | None, model: str | None, noisy_val: str | None, limit: float | None, as_json: bool
) -> int:
    """Run trials of a study that lies in its folder alone; returns how many it has at the end."""
    from autonoise.space.space import SearchSpace
    from autonoise.study.folder import StudyFolder
    from autonoise.trials.worker import run_worker

    if data or model or noisy_val:
        raise StudyError(f"{config.out} says where its data are: leave --data, --model and --noisy-val out")
    deadline = None if limit is None else time.time() + limit
    space = SearchSpace.load(StudyFolder(config.out).space_file)
    # the sampler draws from a seed of its own in each worker: any number serves that no other worker has
    with stdout_is_for_json(as_json):
        return run_worker(config, space, index=1000 + os.getpid(), parent=None, deadline=deadline)
