"""What a verdict leaves on disk: policy.yaml is what is recommended, each policy has one file with its own verdict."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from study_samples import config_of, policy_of

from autonoise.policy import Policy, load_policy
from autonoise.study.folder import StudyFolder
from autonoise.study.names import one_policy
from autonoise.study.result import ContestantResult, Difference, Measured, Result
from autonoise.verdict import export
from autonoise.verdict.confirm import Standing
from autonoise.verdict.decide import decide, exported, recommend, verdict_on

FOUND, PRESET, DEAR = policy_of("gaussian_noise", "dropout"), policy_of("mixup"), policy_of("fgsm")
UP, OPEN, DOWN = Measured(0.03, 0.01, 0.05), Measured(0.0, -0.02, 0.02), Measured(-0.03, -0.05, -0.01)


def result_of(policy: Measured | None, preset: Measured | None, limits: Mapping[str, str] | None = None) -> Result:
    """``policy``, ``preset``: score minus that of no noise; their own scores follow from them."""
    differences = {"baseline": Difference(policy), "preset": Difference(OPEN)}
    means = {"baseline": 0.75, "preset": 0.75 + (preset.mean if preset else 0), "policy": 0.76}
    made = Result(
        contestants={
            k: ContestantResult(k, score=Measured(m, m, m), gap_closed_held_out=Measured(m, 0.0, 1.0))
            for k, m in means.items()
        },
        differences=differences,
        over_baseline={"policy": Difference(policy), "preset": Difference(preset)},
        clean_limit=limits or {},
        gaps={"held_out": None},
        verdict=decide(differences, (limits or {}).get("policy", "kept")),
    )
    recommended, recommendation = recommend(made)
    return replace(made, recommended=recommended, recommendation=recommendation)


def written(
    folder: Path, result: Result, monkeypatch: pytest.MonkeyPatch, standings: list[Standing] | None = None
) -> tuple[Result, dict[str, Policy]]:
    """The result as written, and the policies in the study's folder by the names of their files."""

    def complete(policy: Policy, task: Any, config: Any, scores: Any, *, name: str, created: Any = None) -> Policy:
        return replace(policy, scores=scores, name=name)

    banked: list[Policy] = []
    monkeypatch.setattr(export, "complete_policy", complete)
    for name in ("write_trials", "write_study_report", "write_facts"):
        monkeypatch.setattr(export, name, lambda *_, **__: None)
    monkeypatch.setattr(export, "deposit", lambda task, folder, result, final: banked.append(final))
    home = StudyFolder(folder)
    home.create()
    session = SimpleNamespace(task=None, study=None, folder=home, config=config_of(folder))
    policies = {"baseline": Policy("tabular", name="no-noise"), "preset": PRESET, "policy": FOUND}
    out = export.write_verdict(session, result, standings or [], policies)  # type: ignore[arg-type]
    # the bank learns of what was found, whatever is recommended
    assert [(p.hash, p.name) for p in banked] == [(FOUND.hash, "sample")]
    assert home.load_result() == out
    files = [home.policy_file, *home.policies.iterdir()]
    return out, {p.stem: load_policy(p, warn=False) for p in files}


def standing(policy: Policy, score: float, noisy: float) -> Standing:
    return Standing(policy, "found", (), score, 2 * score - noisy, noisy)


@pytest.mark.parametrize(
    ("policy", "preset", "held", "verdict", "word"),
    [
        (UP, OPEN, FOUND, "no significant gain", "no significant gain"),  # better than no noise, and recommended
        (OPEN, UP, PRESET, "no significant gain", "better"),
        (DOWN, DOWN, None, "worse", "no noise"),
        (DOWN, OPEN, PRESET, "worse", "no significant gain"),  # undecided: the likeliest to help
        (None, None, FOUND, "not measurable", "not measurable"),
    ],
)
def test_policy_yaml_is_the_recommended_contestant_and_the_found_one_is_kept(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    policy: Measured | None,
    preset: Measured | None,
    held: Policy | None,
    verdict: str,
    word: str,
) -> None:
    result, files = written(tmp_path, result_of(policy, preset), monkeypatch)
    main, found = files["policy"], files["found"]
    assert main.steps == (held.steps if held else ())
    assert (main.name, found.name, files["preset"].name) == ("sample", "sample-found", "sample-preset")
    assert (main.judged.word, found.judged.word, main.scores["found"]) == (word, verdict, verdict)
    assert found.steps == FOUND.steps
    assert files["preset"].judged.word == verdict_on(result, "preset")
    for file in files.values():
        assert file.scores["recommended"] == result.recommended
        assert file.scores["recommendation"] == result.recommendation
    # whoever loads what is recommended hears nothing, and of another contestant what to take instead
    sure = result.recommended != "undecided"
    assert main.judged.doubtful is not sure
    if held is not FOUND:
        assert found.judged.doubtful
        assert ("Recommended instead: " in found.judged.warning("x")) == sure


def test_the_numbers_in_a_file_are_of_its_own_policy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, files = written(tmp_path, result_of(DOWN, UP), monkeypatch)
    assert files["found"].scores["difference"] == {"baseline": list(DOWN), "preset": list(OPEN)}
    assert files["preset"].scores["difference"] == {"baseline": list(UP)} == files["policy"].scores["difference"]
    told = "worse: score -0.030 [-0.050, -0.010] against no noise, 76 % [0, 100] of the gap closed"
    assert files["found"].judged.sentence == told
    assert files["preset"].scores["gap_closed_held_out"] == [0.78, 0.0, 1.0]
    nothing = export.scores_of(result_of(DOWN, DOWN), "baseline")
    assert (nothing["difference"], nothing["verdict"], nothing["contestant"]) == ({}, "no noise", "baseline")


def test_a_recipe_that_breaks_the_clean_limit_is_not_called_better() -> None:
    result = result_of(DOWN, UP, {"preset": "broken", "policy": "kept"})
    assert verdict_on(result, "preset") == "breaks the clean limit"
    assert verdict_on(result_of(DOWN, UP, {"preset": "may be broken"}), "preset") == "better"
    assert exported(result) == "baseline"
    assert exported(replace(result, recommended="undecided", over_baseline={})) == "policy"


def test_a_policy_that_is_best_for_several_wishes_is_written_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = [standing(FOUND, 0.8, 0.7)]
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "robust.yaml").write_text("of an earlier verdict")
    result, files = written(tmp_path, result_of(UP, OPEN), monkeypatch, one)
    assert set(files) == {"policy", "found", "preset"}
    assert one_policy(result.winners) == ("balanced, robust and cheap are one policy: policies/found.yaml",)
    assert files["found"].scores["best_for"] == ["balanced", "robust", "cheap"]
    assert "best_for" not in files["preset"].scores

    two = [standing(FOUND, 0.8, 0.7), standing(DEAR, 0.7, 0.9), standing(PRESET, 0.7, 0.6)]
    result, files = written(tmp_path / "two", result_of(UP, OPEN), monkeypatch, two)
    assert set(files) == {"policy", "found", "preset", "robust"}
    assert {k: w.file for k, w in result.winners.items()} == {
        "balanced": "policies/found.yaml", "robust": "policies/robust.yaml", "cheap": "policies/found.yaml",
    }  # fmt: skip
    assert one_policy(result.winners) == ("balanced and cheap are one policy: policies/found.yaml",)
    robust = files["robust"]
    assert (robust.hash, robust.scores["best_for"]) == (DEAR.hash, ["robust"])
    assert robust.judged.doubtful
    assert "not judged on the test part: clean accuracy 0.500, noisy accuracy 0.900" in robust.judged.warning("x")

    # a recipe that wins in something has its own file already
    three = [standing(FOUND, 0.8, 0.7), standing(PRESET, 0.7, 0.9)]
    result, files = written(tmp_path / "three", result_of(UP, OPEN), monkeypatch, three)
    assert result.winners["robust"].file == "policies/preset.yaml"
    assert (set(files), files["preset"].scores["best_for"]) == ({"policy", "found", "preset"}, ["robust"])
    assert one_policy({}) == ()
