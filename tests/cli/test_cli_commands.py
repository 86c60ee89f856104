"""What the small commands print, and that the command line starts without torch."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

import autonoise
from autonoise.calling import config_of
from autonoise.errors import PolicyWarning, StudyError
from autonoise.policy import Policy, Step, load_policy
from autonoise.study.config import StudyConfig
from autonoise.study.places import seconds_of, study_name

from .running import Command


def test_help_and_version_need_neither_torch_nor_optuna() -> None:
    code = (
        "import sys; from autonoise.cli import main\n"
        "status = [main(['--version']), main(['--help']), main(['search', '--help'])]\n"
        "print(status, sorted({'torch', 'optuna', 'pandas', 'numpy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert lines[0] == f"autonoise {autonoise.__version__}"
    assert lines[-1] == "[0, 0, 0] []"
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90", 90),
        ("90s", 90),
        ("10m", 600),
        ("1h", 3600),
        ("1h30m", 5400),
        ("0.5h", 1800),
        ("2 m 5 s", 125),
        ("1d", 86400),
    ],
)
def test_durations(text: str, seconds: float) -> None:
    assert seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["", "m", "10x", "10m!", "ten", "1h-5m"])
def test_no_durations(text: str) -> None:
    with pytest.raises(StudyError, match="--timeout must be a duration"):
        seconds_of(text)


def test_a_study_is_named_after_its_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my.photos").mkdir()
    monkeypatch.chdir(tmp_path / "my.photos")
    assert study_name("digits") == "digits"
    assert study_name("some/where/table.csv.gz") == "table"
    assert study_name("../my.photos/") == "my.photos"
    assert study_name(".") == "my.photos"
    assert study_name("a b.csv") == "a-b"


def test_settings_come_from_the_study_file_unless_given(tmp_path: Path) -> None:
    fresh = config_of("digits", {"timeout": "2m", "trials": 7})
    assert fresh == StudyConfig("digits", "digits", str(Path("studies") / "digits"), trials=7, timeout=120.0)
    StudyConfig("digits", "mine", "elsewhere", trials=9, seed=4).save(tmp_path / "study.yaml")
    expected = StudyConfig("digits", "mine", str(tmp_path), trials=9, seed=4)
    assert config_of(str(tmp_path / "study.yaml"), {}) == expected
    assert config_of(str(tmp_path), {"trials": 20}) == replace(expected, trials=20)


def test_techniques_lists_them_all_and_tells_about_one(command: Command) -> None:
    listed = json.loads(command("techniques", "--data-type", "tabular", "--json").out)
    names = {row["name"] for row in listed}
    assert {"mixup", "gaussian_noise", "swap_noise"} <= names and "cutmix" not in names
    one = command("techniques", "gaussian-noise")
    assert one.status == 0
    assert "Bishop 1995" in one.out and "0.01 to 0.5 log" in one.out and "input scale" in one.out
    wanted = command("techniques", "gausian_noise")
    assert wanted.status == 2 and "did you mean gaussian_noise" in wanted.err
    shown = command("techniques", "--data-type", "tabular")
    assert f"{len(names)} techniques" in shown.out and all(name in shown.out for name in names)


def test_corruptions_with_and_without_list(command: Command) -> None:
    plain = command("corruptions", "--data-type", "image")
    assert plain.status == 0 and "held_out" in plain.out
    assert command("corruptions", "list", "--data-type", "image").out == plain.out
    rows = json.loads(command("corruptions", "--data-type", "image", "--json").out)
    assert {r["data_type"] for r in rows} == {"image"}
    assert {r["group"] for r in rows} == {"search", "held_out"}
    assert all(len(r["amounts"]) == 5 for r in rows)
    every = json.loads(command("corruptions", "--json").out)
    assert {r["data_type"] for r in every} == {"image", "text", "tabular", "timeseries", "audio"}


def test_spaces_and_datasets(command: Command) -> None:
    rows = json.loads(command("spaces", "--json").out)
    assert {r["name"] for r in rows} == {"image", "text", "tabular", "timeseries", "audio"}
    assert "preset mixup: mixup (Zhang et al. 2018" in command("spaces", "tabular").out
    assert json.loads(command("spaces", "tabular", "--json").out)["data_type"] == "tabular"
    assert "did you mean tabular" in command("spaces", "tabula").err
    assert set(json.loads(command("datasets", "--json").out)) >= {"digits", "breast_cancer", "wine"}
    assert "1,797 handwritten digits" in command("datasets").out


def test_show_prints_units_timing_cost_scores(tmp_path: Path, command: Command) -> None:
    steps = (Step.of("gaussian_noise", std=0.15, probability=0.7), Step.of("mixup", alpha=0.3, gate=2))
    policy = Policy(
        "image", steps, "mine [v2]", scores={"verdict": "better", "interval": [0.1, 0.2]}, provenance={"trial": 37}
    )
    path = tmp_path / "p.yaml"
    policy.save(path)
    out = command("show", path).out
    for words in (
        "mine [v2]",
        "std 0.15 (input scale)",
        "0.70",
        "every 2 updates",
        "cost  1.00",
        "verdict: better",
        "interval: [0.1, 0.2]",
        "trial: 37",
    ):
        assert words in out, out
    group = tuple(Step.of(n, one_of="colours") for n in ("solarise", "photometric_jitter"))
    Policy("image", group, clean_share=0.25).save(path)
    grouped = command("show", path).out
    assert "strength 1 · 25 % of the rows stay clean" in grouped and "one of colours" in grouped
    empty = tmp_path / "none.json"
    Policy("image", (), "nothing").save(empty)
    assert "train without noise" in command("show", empty).out


def test_recommend_falls_back_on_a_preset(tmp_path: Path, command: Command) -> None:
    out = tmp_path / "recommended.yaml"
    done = command("recommend", "wine", "--bank", tmp_path, "--out", out)
    assert done.status == 0 and done.err == ""
    assert done.out.startswith("0 finished studies of tabular data are in the bank, 3 are needed")
    policy = load_policy(out, warn=False)
    assert [s.name for s in policy.steps] == ["swap_noise"]
    assert policy.input is not None and policy.input.layout == (13,)
    assert command("verify", out).status == 0
    assert "no such folder" in command("recommend", "wine", "--bank", tmp_path / "none").err


def test_a_recommendation_says_what_its_policy_was_worth_where_it_was_found(tmp_path: Path, command: Command) -> None:
    out = tmp_path / "p.yaml"
    done = command("recommend", "wine", "--bank", Path(__file__).parents[2] / "studies", "--out", out)
    name = done.out.splitlines()[1].split()[0]
    assert f"{name}, which is of other data; the verdict on it there: no significant gain: compare it" in done.out
    with pytest.warns(PolicyWarning, match=f"is unconfirmed. The policy was found on {name}, which is of other data"):
        load_policy(out)


def test_a_recommendation_from_measurements_tells_what_to_expect(tmp_path: Path, command: Command) -> None:
    out = tmp_path / "p.yaml"
    done = command("recommend", "wine", "--out", out, "--json")
    told = json.loads(done.out)
    expected = told["expected"]
    assert expected["low"] < expected["regained"] < expected["high"] < 3
    assert expected["sets"] >= 20 and expected["level"] == 0.5
    # no noise where the lower end is not above 0
    assert bool(told["policy"]["steps"]) == (expected["low"] > 0)
    assert load_policy(out, warn=False).hash == Policy.from_dict(told["policy"], "p").hash


def test_a_missing_extra_is_named(tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    StudyConfig("wine", "wine", str(tmp_path)).save(tmp_path / "study.yaml")
    import optuna

    optuna.create_study(storage=f"sqlite:///{tmp_path}/study.db", study_name="wine")
    monkeypatch.setitem(sys.modules, "optuna_dashboard", None)
    done = command("dashboard", tmp_path)
    assert done.status == 2 and 'pip install "autonoise[dashboard]"' in done.err


def test_dashboard_listens_on_this_machine_only(
    tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    import optuna
    import optuna_dashboard

    StudyConfig("wine", "wine", str(tmp_path)).save(tmp_path / "study.yaml")
    optuna.create_study(storage=f"sqlite:///{tmp_path}/study.db", study_name="wine")
    seen: list[tuple[str, int]] = []

    def serve(storage: object, host: str, port: int, artifact_store: object) -> None:
        seen.append((host, port))
        if port == 81:
            raise OSError(98, "Address already in use")
        raise KeyboardInterrupt

    monkeypatch.setattr(optuna_dashboard, "run_server", serve)
    assert command("dashboard", tmp_path).status == 0
    assert seen == [("127.0.0.1", 8080)]
    assert "choose another --host or --port" in command("dashboard", tmp_path, "--port", 81).err


@pytest.mark.slow
def test_calibrate_prints_and_writes_the_amounts(tmp_path: Path, command: Command) -> None:
    out = tmp_path / "corruptions.json"
    done = command("corruptions", "calibrate", "wine", "--epochs", 2, "--out", out)
    assert done.status == 0, done.err
    assert "column_swap" in done.out and json.loads(out.read_text())["baseline"]["clean"] > 0.5
