"""Two answers, one word, one sentence, one recommendation: all by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from autonoise.study.result import ContestantResult, Difference, Measured, Result
from autonoise.verdict.decide import answer, answers, best_recipe, decide, limit_of, recommend, sentence

UP, DOWN = Measured(0.05, 0.02, 0.08), Measured(-0.05, -0.08, -0.02)
CLOSE, OPEN = Measured(0.001, -0.004, 0.006), Measured(0.01, -0.02, 0.04)


@pytest.mark.parametrize(
    ("difference", "expected"),
    [
        (UP, "better"),
        (DOWN, "worse"),
        (CLOSE, "as good as"),
        (OPEN, "undecided"),
        (None, "not measurable"),
        ([0.004, 0.001, 0.007], "better"),
        ([-0.004, -0.007, -0.001], "worse"),  # sure, however small
        ([0.0, -0.01, 0.01], "as good as"),
        ([0.0, -0.011, 0.01], "undecided"),
        ([0.0, -0.01, 0.011], "undecided"),
        ([0.05, 0.0, 0.1], "undecided"),
    ],
)
def test_one_answer(difference: list[float] | None, expected: str) -> None:
    assert answer(None if difference is None else Measured(*difference)) == expected


def against(**scores: Any) -> dict[str, Difference]:
    return {k: Difference(score=v) for k, v in scores.items()}


@pytest.mark.parametrize(
    ("differences", "noise", "recipe", "verdict"),
    [
        (against(baseline=UP), "better", None, "better"),
        (against(baseline=UP, preset=UP), "better", "better", "better"),
        (against(baseline=UP, preset=CLOSE), "better", "as good as", "no significant gain"),
        (against(baseline=UP, preset=OPEN), "better", "undecided", "no significant gain"),
        (against(baseline=UP, preset=DOWN), "better", "worse", "no significant gain"),
        (against(baseline=OPEN, preset=UP), "undecided", "better", "no significant gain"),
        (against(baseline=DOWN, preset=UP), "worse", "better", "worse"),
        (against(baseline=UP, preset=UP, seed=CLOSE), "better", "as good as", "no significant gain"),
        (against(baseline=UP, preset=UP, seed=UP), "better", "better", "better"),
        (against(baseline=UP, preset=UP, seed=DOWN), "better", "worse", "no significant gain"),
        (against(baseline=UP, preset=CLOSE, seed=OPEN), "better", "undecided", "no significant gain"),
        (against(baseline=None, preset=None), "not measurable", "not measurable", "not measurable"),
    ],
)
def test_two_answers_and_a_word(differences: Any, noise: str, recipe: str | None, verdict: str) -> None:
    found = answers(differences)
    assert found["no noise"] == noise
    assert found.get("best recipe") == recipe
    assert decide(differences) == verdict


def test_the_clean_limit() -> None:
    clean = Measured(-0.04, -0.05, -0.03)
    assert limit_of(clean, None) == "kept"
    assert limit_of(clean, 0.02) == "broken"
    assert limit_of(clean, 0.03) == "may be broken"  # not surely by more than that
    assert limit_of(clean, 0.045) == "may be broken"
    assert limit_of(clean, 0.05) == "kept"
    assert decide(against(baseline=UP, preset=UP), "broken") == "breaks the clean limit"
    assert decide(against(baseline=UP, preset=UP), "may be broken") == "better"
    assert decide(against(baseline=DOWN, preset=UP), "broken") == "worse"


def around(x: float) -> Measured:
    return Measured(x, x - 0.01, x + 0.01)


def contestant(name: str, score: float, passes: float = 1.0, **more: Any) -> ContestantResult:
    numbers = {"clean": around(0.87), "held_out": around(0.63), "gap_closed_held_out": Measured(0.42, 0.35, 0.49)}
    return ContestantResult(name, score=around(score), passes=passes, **{**numbers, **more})


def result_of(
    policy: Any,
    preset: Any,
    between: Any,
    scores: tuple[float, float] = (0.8, 0.78),
    *,
    passes: tuple[float, float] = (1.0, 1.0),
    limits: Any = None,
    clean: Measured = Measured(-0.004, -0.011, 0.003),
) -> Result:
    """``policy`` and ``preset``: score minus that of no noise; ``between``: policy minus preset."""
    differences = {"baseline": Difference(policy, clean, UP), "preset": Difference(between, clean)}
    return Result(
        contestants={
            "baseline": contestant("no-noise", 0.75),
            "preset": contestant("AugMix", scores[1], passes[1]),
            "policy": contestant("found", scores[0], passes[0], held_out=around(0.73), clean=around(0.86)),
        },
        differences=differences,
        over_baseline={"policy": Difference(policy, clean), "preset": Difference(preset, DOWN)},
        clean_limit=limits or {},
        answers=answers(differences),
        verdict=decide(differences, (limits or {}).get("policy", "kept")),
    )


def test_the_highest_mean_among_the_surely_better_is_recommended() -> None:
    assert recommend(result_of(UP, UP, UP)) == ("policy", "train with the found policy")
    label, text = recommend(result_of(UP, UP, DOWN, (0.77, 0.80)))
    assert (label, text) == ("preset", "train with the preset AugMix (policies/preset.yaml)")
    # the policy has the higher mean, but only the preset is surely better than no noise
    assert recommend(result_of(OPEN, UP, OPEN, (0.80, 0.78)))[0] == "preset"
    assert recommend(result_of(UP, OPEN, OPEN, (0.77, 0.80)))[0] == "policy"
    assert recommend(result_of(DOWN, UP, DOWN, (0.70, 0.78)))[0] == "preset"
    for case in (result_of(OPEN, UP, OPEN), result_of(UP, UP, CLOSE), result_of(UP, OPEN, OPEN)):
        assert "train without noise" not in recommend(case)[1]


def test_what_is_as_good_and_cheaper_is_told() -> None:
    dear = recommend(result_of(UP, UP, CLOSE, (0.80, 0.79), passes=(4.0, 1.5)))
    assert dear == (
        "policy",
        "train with the found policy; the preset AugMix (policies/preset.yaml) may be as good at 1.5 "
        "instead of 4.0 passes a step",
    )
    cheap = recommend(result_of(UP, UP, CLOSE, (0.80, 0.79), passes=(1.5, 4.0)))
    assert cheap == (
        "policy",
        "train with the found policy; the preset AugMix (policies/preset.yaml) may be as good",
    )
    other = recommend(result_of(UP, UP, CLOSE, (0.79, 0.80), passes=(1.0, 4.0)))
    assert other == (
        "preset",
        "train with the preset AugMix (policies/preset.yaml); the found policy may be as good at 1.0 "
        "instead of 4.0 passes a step",
    )


def test_nothing_sure_is_undecided_and_no_noise_needs_a_reason() -> None:
    label, text = recommend(result_of(OPEN, OPEN, OPEN))
    assert label == "undecided"
    assert text.startswith(
        "undecided: nothing is surely better than no noise; the most likely to be is the found policy "
        "(+0.010 [-0.020, +0.040])"
    )
    assert recommend(result_of(OPEN, CLOSE, OPEN))[0] == "undecided"
    assert recommend(result_of(DOWN, DOWN, UP)) == ("baseline", "train without noise: every contestant is surely worse")
    assert recommend(result_of(DOWN, CLOSE, DOWN)) == (
        "baseline",
        "train without noise: nothing that was tried moves the score up by 0.01 or more",
    )
    both = result_of(DOWN, None, None)
    alone = replace(both, over_baseline={"policy": both.over_baseline["policy"]})
    assert recommend(alone) == ("baseline", "train without noise: the found policy is surely worse")
    assert recommend(result_of(None, None, None))[0] == "undecided"


def test_who_breaks_the_clean_limit_is_not_recommended() -> None:
    broken = result_of(UP, UP, UP, limits={"policy": "broken", "preset": "kept"})
    assert broken.verdict == "breaks the clean limit"
    assert recommend(broken)[0] == "preset"
    both = result_of(UP, UP, UP, limits={"policy": "broken", "preset": "broken"})
    assert recommend(both)[0] == "baseline"
    assert "--max-clean-drop" in recommend(both)[1]
    perhaps = result_of(UP, UP, UP, limits={"policy": "may be broken"})
    assert recommend(perhaps) == (
        "policy",
        "train with the found policy; its clean accuracy (-0.004 [-0.011, +0.003]) may fall "
        "by more than --max-clean-drop allows",
    )


def test_the_sentence() -> None:
    result = result_of(Measured(0.05, 0.03, 0.07), UP, Measured(0.02, 0.01, 0.03))
    assert sentence(result) == (
        "better: better than no noise by +0.050 [+0.030, +0.070]; better than the best recipe (preset AugMix) by "
        "+0.020 [+0.010, +0.030]; under noise never trained on it lies 0.140 below the clean accuracy of no noise, "
        "instead of 0.240 below (gap closed 42 % [35 %, 49 %]); "
        "clean accuracy -0.004 [-0.011, +0.003]"
    )
    no_gap = replace(result.contestants["policy"], gap_closed_held_out=None)
    assert "(no gap to close)" in sentence(replace(result, contestants={**result.contestants, "policy": no_gap}))
    unclear = sentence(result_of(UP, UP, OPEN))
    assert unclear.startswith(
        "no significant gain: better than no noise by +0.050 [+0.020, +0.080]; undecided against "
        "the best recipe (preset AugMix): +0.010 [-0.020, +0.040]; "
    )
    equal = sentence(result_of(UP, UP, CLOSE, limits={"policy": "may be broken"}))
    assert "as good as the best recipe (preset AugMix) within 0.01: +0.001 [-0.004, +0.006]" in equal
    assert equal.endswith("perhaps more lost than --max-clean-drop allows")
    assert "worse than no noise by -0.050" in sentence(result_of(DOWN, UP, DOWN))


def test_the_best_recipe_is_that_with_the_highest_score() -> None:
    result = result_of(UP, UP, UP)
    assert best_recipe(result) == "preset"
    met = result.contestants
    assert best_recipe(replace(result, contestants={**met, "seed": contestant("seed", 0.79)})) == "seed"  # against .78
    assert best_recipe(Result(contestants={k: met[k] for k in ("baseline", "policy")})) is None


def test_the_sentence_names_the_recipe_that_decides() -> None:
    """Where one recipe is beaten and another is not, the numbers beside "undecided" are those of the other."""
    result = result_of(UP, UP, UP)
    beaten = result.differences["preset"]
    open_one = replace(beaten, score=OPEN)
    start = replace(result.contestants["preset"], name="broad, weak", score=Measured(0.1, 0.0, 0.2))
    both = replace(
        result,
        contestants={**result.contestants, "start": start},
        differences={**result.differences, "start": open_one},
        answers={**result.answers, "best recipe": "undecided"},
    )
    assert "undecided against the best recipe (start broad, weak)" in sentence(both)


def test_a_policy_above_the_baseline_is_said_to_be_above() -> None:
    result = result_of(UP, UP, UP)
    high = replace(result.contestants["policy"], held_out=Measured(0.95, 0.9, 1.0))
    told = sentence(replace(result, contestants={**result.contestants, "policy": high}))
    clean = result.contestants["baseline"].clean
    assert clean is not None
    assert f"lies {0.95 - clean.mean:.3f} above the clean accuracy of no noise" in told
