"""Commands on studies that exist: worker, status, best, export, dashboard."""

from __future__ import annotations

import os
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from autonoise.cli.output import make_console, number, print_json, print_policy
from autonoise.errors import MissingExtraError, StudyError
from autonoise.study.places import STUDIES, optuna_study, seconds_of, study_of

if TYPE_CHECKING:
    import optuna

    from autonoise.policy import Policy
    from autonoise.study.config import StudyConfig

_Place = Annotated[str, typer.Argument(metavar="STUDY", help="Folder of a study, or its name under studies/.")]


def worker(
    place: Annotated[str | None, typer.Argument(metavar="[STUDY]", help="Folder of the study, or its name.")] = None,
    storage: Annotated[str | None, typer.Option(help="Database URL of the trials, if not the folder's own.")] = None,
    study: Annotated[str | None, typer.Option(help="Name of the study in that database.")] = None,
    out: Annotated[str | None, typer.Option(help="Folder of the study; the same as STUDY.")] = None,
    timeout: Annotated[str | None, typer.Option(help="Begin no trial after this time: 90s, 10m, 1h30m.")] = None,
) -> None:
    """Run trials of a study beside the search that began it, until the study has them all."""
    given = place or out or study
    if given is None:
        raise StudyError("name the study: autonoise worker STUDY, or --storage URL --study NAME --out DIR")
    config = study_of(given)
    config = replace(config, storage=storage or config.storage, study=study or config.study)

    from autonoise.search.worker import run_worker
    from autonoise.space.space import SearchSpace
    from autonoise.study.folder import StudyFolder

    deadline = time.time() + seconds_of(timeout) if timeout else None
    space = SearchSpace.load(StudyFolder(config.out).space_file)
    # any number that no other worker has; the sampler's seed depends on it
    done = run_worker(config, space, index=1000 + os.getpid(), parent=None, deadline=deadline)
    make_console().print(f"{config.study}: {done} of {config.trials} trials are there")


def status(
    place: Annotated[
        str | None, typer.Argument(metavar="[STUDY]", help="Folder of a study, or its name; left out: all studies.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """Where a study stands: trials by state, best, phase, verdict. Short enough for watch(1)."""
    if place is not None:
        configs = [study_of(place)]
    else:
        configs = [study_of(str(p.parent)) for p in sorted(STUDIES.glob("*/study.yaml"))]
        if not configs:
            raise StudyError(f"there is no study in ./{STUDIES}: name the folder of one")
    rows = [status_of(config) for config in configs]
    if as_json:
        print_json(rows)
        return
    console = make_console()
    for row in rows:
        counts = " · ".join(f"{n} {state}" for state, n in row["counts"].items()) or "no trial yet"
        console.print(f"{row['study']}  {row['phase']}  {row['done']}/{row['trials']} trials  ({counts})")
        if row["best"] is not None:
            b = row["best"]
            console.print(
                f"  best {number(b['score'])} (clean {number(b['clean'])}, noisy {number(b['noisy'])})"
                f"  trial {b['trial']}: {' + '.join(b['techniques']) or 'no noise'}"
            )
        console.print(f"  verdict  {row['verdict']}")
        if row["sentence"]:
            console.print(f"  {row['sentence']}", soft_wrap=True)


def status_of(config: StudyConfig) -> dict[str, Any]:
    """Plain numbers of one study."""
    from autonoise.study.folder import StudyFolder
    from autonoise.study.storage import completed, finished

    folder = StudyFolder(config.out)
    row: dict[str, Any] = {
        "study": config.study,
        "folder": config.out,
        "trials": config.trials,
        "done": 0,
        "counts": {},
        "best": None,
        "phase": "not begun",
        "verdict": "unconfirmed",
        "sentence": "",
    }
    try:
        study = optuna_study(config)
    except StudyError:
        return row
    states = Counter(t.state.name.lower() for t in study.get_trials(deepcopy=False))
    row["done"] = len(finished(study))
    if "waiting" in states:
        # seeds and presets are queued whatever the total: those beyond it will not run
        states["waiting"] = min(states["waiting"], max(config.trials - row["done"] - states["running"], 0))
    row["counts"] = {state: n for state, n in sorted(states.items()) if n}
    best = next(iter(completed(study)), None)
    if best is not None:
        row["best"] = {
            "trial": best.number,
            "score": best.score,
            "clean": best.clean,
            "noisy": best.noisy,
            "techniques": list(best.techniques),
        }
    row["phase"] = "search" if row["done"] < config.trials else _phase(folder.runs)
    result = folder.load_result()
    if result is not None and row["phase"] != "search":
        row |= {"phase": "done", "verdict": result["verdict"], "sentence": result["sentence"]}
    return row


def _phase(runs: Path) -> str:
    """Which of the later phases has left results; minimising leaves the same kind as confirming."""
    if any(runs.glob("*-test-*.npz")):
        return "verdict"
    return "confirm" if any(runs.glob("*-confirm-*.npz")) else "search done"


def best(
    place: _Place,
    as_json: Annotated[bool, typer.Option("--json", help="Print the policy as JSON.")] = False,
) -> None:
    """Print the best policy of a study."""
    policy = _current(study_of(place))
    if as_json:
        print_json(policy.to_dict())
    else:
        print_policy(make_console(), policy)


def _current(config: StudyConfig) -> Policy:
    from autonoise.policy import load_policy
    from autonoise.study.folder import StudyFolder

    path = StudyFolder(config.out).policy_file
    if not path.is_file():
        raise StudyError(f"{config.out}: no policy was found yet; let autonoise search run on")
    return load_policy(path)


def export(
    place: _Place,
    trial: Annotated[int | None, typer.Option(help="Number of a completed trial (the study's policy).")] = None,
    out: Annotated[Path | None, typer.Option(help="File to write: .yaml or .json (in the current folder).")] = None,
) -> None:
    """Write the policy of a study, or of any completed trial (verdict: unconfirmed)."""
    config = study_of(place)
    policy = _current(config) if trial is None else _of_trial(config, trial)
    path = out or Path(f"{policy.name}.yaml")
    policy.save(path)
    make_console().print(f"{path}  ({policy.scores.get('verdict', 'unconfirmed')})", soft_wrap=True)


def _of_trial(config: StudyConfig, trial: int) -> Policy:
    from autonoise.study.export import policy_of_trial
    from autonoise.study.prepare import build_task
    from autonoise.study.trial_record import TrialRecord

    found = TrialRecord.of(_trial(optuna_study(config), trial))
    return policy_of_trial(found, build_task(config), config)


def _trial(study: optuna.Study, number: int) -> optuna.trial.FrozenTrial:
    trials = study.get_trials(deepcopy=False)
    complete = [t.number for t in trials if t.state.name == "COMPLETE"]
    if number not in complete:
        state = next((f"is {t.state.name.lower()}" for t in trials if t.number == number), "does not exist")
        shown = ", ".join(map(str, complete[:20])) or "none yet"
        raise StudyError(f"--trial {number} {state}: only completed trials have scores; they are: {shown}")
    return trials[number]


def dashboard(
    place: _Place,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.", min=1, max=65535)] = 8080,
) -> None:
    """Serve Optuna's dashboard on a study."""
    config = study_of(place)
    optuna_study(config)
    try:
        from optuna_dashboard import run_server
    except ImportError:
        raise MissingExtraError.of("optuna-dashboard", "dashboard", "autonoise dashboard") from None
    from autonoise.study.storage import open_storage

    make_console().print(f"http://{host}:{port}  study {config.study}  (Ctrl-C ends it)")
    try:
        run_server(open_storage(config.storage_url), host=host, port=port)
    except OSError as e:
        raise StudyError(f"cannot listen on {host}:{port} ({e.strerror}); choose another --port") from None
    except KeyboardInterrupt:
        return
