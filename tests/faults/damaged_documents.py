"""Damaged policies, search spaces and study folders, and the commands that read each."""

from __future__ import annotations

import json
import shutil
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import mutations as m
import yaml

from autonoise.files import resource_dir

Calls = list[Sequence[str] | Callable[[], None]]
FLAG_MODEL = f"from pathlib import Path\nPath({m.CANARY!r}).touch()\n"


def policies() -> list[Path]:
    return sorted(resource_dir("studies").glob("*/policy.yaml"))


def _document(path: Path, rng: m.Rng) -> tuple[bytes, str]:
    """The content of a policy or space after some damage, and the ending of its new name."""
    content = path.read_bytes()
    if rng.random() < 0.4:
        return m.changed(content, rng, text=True), ".yaml"
    values = yaml.safe_load(content)
    if rng.random() < 0.8:
        values.get("check", {}).pop("digest", None)  # or hardly anything that follows the digest would be looked at
    made = m.document(values, rng)
    return (m.as_yaml(made), ".yaml") if rng.random() < 0.5 else (m.as_json(made), ".json")


def _odd_place(file: Path, rng: m.Rng) -> None:
    """Now and then a file is no file: a folder, a link to nowhere, to itself, or to a device."""
    way = int(rng.integers(60))
    if way > 3:
        return
    file.unlink()
    if way == 0:
        file.mkdir()
    else:
        file.symlink_to(["gone", file.name, "/dev/zero"][way - 1])


def policy(folder: Path, rng: m.Rng) -> Calls:
    content, ending = _document(m.pick(rng, policies()), rng)
    file = folder / f"policy{ending}"
    file.write_bytes(content)
    _odd_place(file, rng)
    name = file.name
    more: Sequence[str] = m.pick(rng, [
        ["diff", name, "image/fashion-mnist"], ["diff", "tabular/adult", name, "--json"], ["show", name, "--json"],
        *(["export", name, "--to", library, "--out", "code.py"]
          for library in ("albumentations", "audiomentations", "kornia", "torchvision")),
    ])  # fmt: skip
    return [["show", name], ["verify", name], more]


def space(folder: Path, rng: m.Rng) -> Calls:
    content, ending = _document(m.pick(rng, sorted(resource_dir("search_spaces").glob("*.yaml"))), rng)
    file = folder / f"space{ending}"
    file.write_bytes(content)
    _odd_place(file, rng)

    def draws_policies() -> None:
        """What a search does with a space before its first training."""
        import optuna

        from autonoise.errors import AutonoiseError
        from autonoise.space.space import SearchSpace

        try:
            found = SearchSpace.load(str(file))
            found.describe(), found.hash
            made = [found.for_label_noise(), *(found.for_steps(s) for s in (None, "three", "whole"))]
            for one in made:
                study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
                for _ in range(3):
                    one.suggest(study.ask())
                for start in (*one.seeds, *one.presets):
                    study.enqueue_trial(one.parameters_of(start))
                    one.suggest(study.ask())
        except AutonoiseError as e:
            text = str(e)
            assert "\n" not in text and len(text) < 2000, text[:3000]

    return [["spaces", file.name], ["spaces", file.name, "--json"], draws_policies]


_STUDY_FILES = {
    "study.yaml": 5, "result.json": 6, "study.db": 6, "policy.yaml": 2, "corruptions.json": 3,
    "resolved_space.yaml": 2,
    "memory.json": 3, "trials.csv": 1, "runs": 3, "study.db: attributes": 6,
}  # fmt: skip
_NOT_COPIED = shutil.ignore_patterns("report.*", "*.svg", "*.png", "artifacts", "policies", ".*")


SEARCHED = ["wine", "--trials", "6", "--epochs", "2", "--seeds", "3", "--train-rows", "100"]
"""The options of the search that made the study."""


def _searching_again() -> None:
    """The search goes on with its damaged folder; where it begins to train, it is interrupted."""
    _interrupted(["search", *SEARCHED, "--out", "bank/one"])


def _joining_by_folder() -> None:
    _interrupted(["worker", "bank/one"])


def _joining_by_storage() -> None:
    _interrupted(["worker", "--storage", "sqlite:///bank/one/study.db", "--study", "wine", "--data", "wine"])


def _showing() -> None:
    """The dashboard in the browser, up to where it would listen."""
    import optuna_dashboard

    from autonoise.cli import main

    optuna_dashboard.run_server = lambda *_, **__: None
    assert main(["dashboard", "bank/one"]) in (0, 2)


def _interrupted(command: list[str]) -> None:
    from autonoise.cli import main

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGVTALRM, interrupt)
    signal.setitimer(signal.ITIMER_VIRTUAL, 4.0)
    try:
        status = main(command)
        assert status in (0, 2, 130), status
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)


def study(folder: Path, rng: m.Rng, sample: Path, *, mode: str = "look") -> Calls:
    """A copy of a finished study with one file damaged. ``sample``: that study's folder.

    ``mode``: what is done with it: "look", "search" to go on with it, or "join" it as a worker and show it.
    """
    place = folder / "bank" / "one"
    shutil.copytree(sample, place, ignore=_NOT_COPIED)
    (folder / "evil.py").write_text(FLAG_MODEL)
    weights = list(_STUDY_FILES.values())
    what = list(_STUDY_FILES)[int(rng.choice(len(weights), p=[w / sum(weights) for w in weights]))]
    if what == "study.db: attributes":
        _attributes(place / "study.db", rng)
    else:
        file = m.pick(rng, sorted((place / "runs").glob("*.npz"))) if what == "runs" else place / what
        _damage(file, rng)
    if mode == "join":
        return [_joining_by_folder, _joining_by_storage, _showing]
    if mode == "search":
        return [_searching_again, _searching_again, ["status", "bank/one"]]
    calls: Calls = [["status", "bank/one"], ["studies", "bank"], ["best", "bank/one"], ["report", "bank/one"]]
    calls += [["compare", "bank/one", str(sample)], ["status", "bank/one", "--json"], ["inspect", "bank/one"]]
    calls += [["export", "bank/one", "--out", "p.yaml"]]
    model_of_its_own = what == "study.yaml" and (place / what).is_file() and b"model" in (place / what).read_bytes()
    # the policy of a trial is described with the study's model, which is a program of the user's
    if what in ("study.yaml", "study.db", "study.db: attributes") and not model_of_its_own:
        calls.append(["export", "bank/one", "--trial", "0", "--out", "t.yaml"])
    if what == "memory.json":
        for name in ("two", "three", "four"):
            shutil.copytree(sample, folder / "bank" / name, ignore=_NOT_COPIED)
        calls = [
            ["recommend", "wine", "--bank", "bank", "--out", "r.yaml"],
            ["recommend", "wine", "--bank", "bank", "--json"],
        ]
        return calls
    return [calls[i] for i in rng.permutation(len(calls))[:4]]


def _damage(file: Path, rng: m.Rng) -> None:
    content = file.read_bytes()
    suffix = file.suffix
    if suffix in (".yaml", ".json") and rng.random() < 0.7:
        values = yaml.safe_load(content) if suffix == ".yaml" else json.loads(content)
        if file.name == "study.yaml" and rng.random() < 0.3:
            values |= m.pick(rng, [
                {"model": "evil.py:make"}, {"storage": "postgresql+psycopg://u:p@127.0.0.1:9/x"},
                {"storage": "sqlite:////dev/zero"},
                {"storage": f"sqlite:///{'x' * 5000}"}, {"storage": "nonsense"}, {"data": ".."},
                {"data": "/dev/zero"}, {"data": "\x00"},
                {"study": "other"}, {"noisy_val": "/dev/stdin"}, {"space": "/proc/self/mem"}, {"out": "/proc"},
                {"label_matrix": "evil.py"},
                {"storage": "mysql://u@h/x"}, {"storage": "oracle+evil://x"}, {"storage": "sqlite+evil:///x"},
                {"proxy": "evil"},
                {"model": "os:system"}, {"noise_data": "evil.py"}, {"device": "cuda:99"}, {"device": "evil"},
                {"target": "\x1b[1m"},
                {"trials": 10**400}, {"timeout": float("nan")}, {"seed": 2**63 - 1}, {"train_rows": 10**18},
                {"data": "z" * 5000},
            ])  # fmt: skip
        made = m.document(values, rng) if rng.random() < 0.8 or file.name != "study.yaml" else values
        file.write_bytes(m.as_yaml(made) if suffix == ".yaml" else m.as_json(made))
    else:
        file.write_bytes(m.changed(content, rng, text=suffix in (".yaml", ".json", ".csv")))
    _odd_place(file, rng)


def _attributes(file: Path, rng: m.Rng) -> None:
    """Other values in the tables of a study's database: what the search has noted of its trials and of itself."""
    import sqlite3
    from contextlib import closing

    with closing(sqlite3.connect(file)) as db, db:
        for _ in range(int(rng.integers(1, 4))):
            way = int(rng.integers(10))
            table = m.pick(rng, ["trial_user_attributes", "study_user_attributes", "trial_system_attributes"])
            rows = db.execute(f"select rowid, value_json from {table}").fetchall()
            if way < 7 and rows:
                row, value = m.pick(rng, rows)
                values = {"a": json.loads(value)}
                made = m.document(values, rng).get("a")
                text = (
                    json.dumps(made)
                    if rng.random() < 0.8
                    else m.pick(rng, ["", "{", "nan", "x" * 9, value[: len(value) // 2]])
                )
                db.execute(f"update {table} set value_json = ? where rowid = ?", (text, row))
            elif way == 7:
                db.execute(f"delete from {table} where rowid in (select rowid from {table} order by random() limit 3)")
            elif way == 8:
                new = m.pick(rng, [1e308, -1e308, None, "x", 10**18, -1, 5])
                db.execute("update or ignore trial_values set value = ? where rowid % 2 = 0", (new,))
            else:
                name, column, new = m.pick(rng, [
                    ("trials", "state", "EVIL"), ("trials", "datetime_start", "never"), ("trials",
                    "datetime_complete", None),
                    ("trials", "number", 0), ("trials", "state", "RUNNING"), ("studies", "study_name", "other"),
                    ("trial_params", "param_value", 1e9), ("trial_params", "distribution_json", "{}"), ("trials",
                    "datetime_start", None),
                    ("trial_params", "distribution_json", '{"name": "Evil", "attributes": {}}'), ("version_info",
                    "schema_version", 99),
                    ("alembic_version", "version_num", "zzz"), ("study_directions", "direction", "MINIMIZE"),
                    ("trial_heartbeats", "heartbeat", "x"), ("trial_values", "value_type", "NONSENSE"),
                ])  # fmt: skip
                _forgiving(db, f"update or ignore {name} set {column} = ?", (new,))
        if rng.random() < 0.1:
            _forgiving(db, f"drop table {table}", ())


def _forgiving(db: Any, command: str, values: tuple[Any, ...]) -> None:
    import sqlite3

    try:
        db.execute(command, values)
    except sqlite3.Error:  # the file's own rules forbid it
        return
