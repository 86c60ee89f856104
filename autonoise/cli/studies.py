"""Commands on studies that exist: status, best, dashboard."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from autonoise.cli import options
from autonoise.cli.output import make_console, number, print_json, print_policy
from autonoise.errors import AutonoiseError, MissingExtraError, StudyError, one_line
from autonoise.study.places import STUDIES, optuna_study, study_of

if TYPE_CHECKING:
    from rich.console import Console

    from autonoise.policy import Policy
    from autonoise.study.config import StudyConfig


def status(
    place: Annotated[
        str | None,
        typer.Argument(
            metavar="[STUDY]",
            help="Folder of a study, or its name; left out: all studies under studies/.",
            callback=options.filled,
        ),
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Tell where a study stands: its phase, its trials by how they ended, the best of them, its workers, the verdict.

    A worker is stalled when its process is gone or has given no sign of life for three minutes.

    Example: watch autonoise status shop
    """
    rows = [status_of(study_of(place))] if place is not None else _all_studies()
    if as_json:
        print_json(rows)
        return
    from autonoise.study.crew import worker_line

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
        for line in row["workers"]:
            console.print(f"  worker {worker_line(line)}", soft_wrap=True, markup=False)
        short = row["verdict_at"] is not None and row["verdict_at"] < row["trials"]
        reached = f"  (reached at {row['verdict_at']} of {row['trials']} trials)" if short else ""
        console.print(f"  verdict  {row['verdict']}{reached}", soft_wrap=True)
        if row["sentence"]:
            console.print(f"  {row['sentence']}", soft_wrap=True)


def _all_studies() -> list[dict[str, Any]]:
    """The rows of all studies under ``studies``; one that cannot be read must not hide the others."""
    rows = []
    for file in sorted(STUDIES.glob("*/study.yaml")):
        try:
            rows.append(status_of(study_of(str(file.parent))))
        except AutonoiseError as e:
            rows.append(
                {**_nothing_yet(file.parent.name, str(file.parent), 0), "phase": "unreadable", "sentence": str(e)}
            )
    if not rows:
        raise StudyError(f"there is no study in ./{STUDIES}: name the folder of one")
    return rows


def _nothing_yet(study: str, folder: str, trials: int) -> dict[str, Any]:
    return {
        "study": study,
        "folder": folder,
        "trials": trials,
        "done": 0,
        "counts": {},
        "best": None,
        "phase": "not begun",
        "workers": [],
        "verdict": "unconfirmed",
        "verdict_at": None,
        "sentence": "",
    }


def status_of(config: StudyConfig) -> dict[str, Any]:
    """Where one study stands, as plain values. StudyError where its files cannot be read."""
    from autonoise.study.crew import worker_rows
    from autonoise.study.folder import StudyFolder
    from autonoise.study.storage import completed, finished

    folder = StudyFolder(config.out)
    row = _nothing_yet(config.study, config.out, config.trials)
    if config.storage is None and not (folder.root / "study.db").is_file():
        return row
    study = optuna_study(config)
    states = Counter(t.state.name.lower() for t in study.get_trials(deepcopy=False))
    row["done"] = len(finished(study))
    if "waiting" in states:
        # starting policies are queued whatever the number of trials: those beyond it will not run
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
    row["workers"] = worker_rows(study)
    row["phase"] = "search" if row["done"] < config.trials else _phase(folder.runs)
    result = folder.load_result()
    if result is None and folder.result_file.exists():
        raise StudyError(f"{folder.result_file} is damaged: delete it and run autonoise search {config.out} again")
    if result is not None:
        # a search that ran out of time, or that was given more trials later, has its verdict below the total
        counts = result.counts
        row["verdict_at"] = row["done"] if counts is None else counts.complete + counts.pruned + counts.failed
        row |= {"verdict": result.verdict, "sentence": result.sentence}
        going_on = any(worker["running"] and not worker["stalled"] for worker in row["workers"])
        row["phase"] = "search" if going_on and row["done"] < config.trials else "done"
    return row


def _phase(runs: Path) -> str:
    """The last phase that has left results of trainings; minimising leaves the same kind of files as confirming."""
    if any(runs.glob("*-test-*.npz")):
        return "verdict"
    return "confirm" if any(runs.glob("*-confirm-*.npz")) else "search done"


def best(
    place: options.Study,
    as_json: options.Json = False,
) -> None:
    """Print the policy that a study recommends; before its verdict, the best trial so far.

    Example: autonoise best shop
    """
    config = study_of(place)
    policy = current(config)
    if as_json:
        print_json(policy.to_dict())
    else:
        console = make_console()
        print_policy(console, policy)
        tell_found(console, config, policy)


def current(config: StudyConfig) -> Policy:
    """What a study recommends, or its best trial so far. Raises StudyError before there is one."""
    from autonoise.policy import load_policy
    from autonoise.study.folder import StudyFolder

    path = StudyFolder(config.out).policy_file
    if not path.is_file():
        raise StudyError(f"{config.out}: no policy was found yet; let autonoise search run on")
    return load_policy(path, warn=False)


def tell_found(console: Console, config: StudyConfig, policy: Policy) -> None:
    """Where the policy is that the search found, if another one is recommended; which policies are the same one."""
    from autonoise.study.folder import StudyFolder
    from autonoise.study.names import one_policy

    folder = StudyFolder(config.out)
    found = folder.policies / "found.yaml"
    if found.is_file() and policy.judged.contestant != "policy":
        told = policy.scores.get("found", "unconfirmed")
        console.print(f"what the search found: {found}  ({told})", soft_wrap=True)
    result = folder.load_result()
    for line in one_policy(result.winners) if result is not None else ():
        console.print(line, soft_wrap=True)


def dashboard(
    place: options.Study,
    host: Annotated[
        str,
        typer.Option(help="Address to listen on; 127.0.0.1 is seen from this computer alone.", callback=options.filled),
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.", min=1, max=65535)] = 8080,
) -> None:
    """Show the trials of a study in the browser, by Optuna's dashboard.

    Example: autonoise dashboard shop --port 8081
    """
    config = study_of(place)
    study = optuna_study(config)
    try:
        from optuna_dashboard import run_server
    except ImportError:
        raise MissingExtraError.of("optuna-dashboard", "dashboard", "autonoise dashboard") from None
    from autonoise.dashboard.artifacts import store_of
    from autonoise.dashboard.publish import publish
    from autonoise.study.folder import StudyFolder

    console = make_console()
    try:
        publish(study, config)
    except Exception as e:  # a storage that may only be read, for example: the trials can be looked at all the same
        console.print(f"notes and graphs could not be brought up to date: {one_line(e)}", soft_wrap=True)
    console.print(f"http://{host}:{port}  study {config.study}  (Ctrl-C ends it)")
    try:
        run_server(study._storage, host=host, port=port, artifact_store=store_of(StudyFolder(config.out)))
    except OSError as e:
        raise StudyError(f"cannot listen on {host}:{port} ({e.strerror}); choose another --host or --port") from None
    except KeyboardInterrupt:
        return
