"""``autonoise report``: the report of a study, made again."""

from __future__ import annotations

from pathlib import Path

from autonoise.cli import options
from autonoise.cli.output import make_console, print_json
from autonoise.errors import StudyError


def report(
    place: options.Study,
    as_json: options.Json = False,
) -> None:
    """Make report.html and report.md of a study again, from what lies in its folder; the data are not needed.

    Needed are result.json, which the verdict leaves, and the trials (study.db, or the database of --storage).

    Example: autonoise report shop
    """
    from autonoise.study.folder import StudyFolder
    from autonoise.study.places import EVALUATION, optuna_study, study_of
    from autonoise.verdict.export import report_again

    if (Path(place).expanduser() / EVALUATION).is_file():
        raise StudyError(f"{place} holds an evaluation, which has no report: its numbers are in its result.json")
    config = study_of(place)
    folder = StudyFolder(config.out)
    result = folder.load_result()
    if result is None:
        known = folder.result_file.exists()
        why = "its result.json is damaged (delete it)" if known else "it has no verdict yet, and so no result.json"
        raise StudyError(f"{config.out}: {why}: let autonoise search {config.out} run to its end")
    try:
        study = optuna_study(config)
    except StudyError as e:
        where = "study.db in its folder" if config.storage is None else "the database that its study.yaml names"
        raise StudyError(f"the report tells of the trials, too, which lie in {where}: {e}") from None
    report_again(folder, result, study)
    files = [str(folder.report_html), str(folder.report_md)]
    if as_json:
        print_json({"study": config.study, "verdict": result.verdict, "files": files})
    else:
        make_console().print("report  " + "  ".join(files), soft_wrap=True)
