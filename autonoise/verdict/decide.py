"""What the numbers of a verdict mean: two answers, the verdict in a word, a sentence, a recommendation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from autonoise.policy.judged import BETTER, BREAKS, NO_GAIN, NO_NOISE, NOT_MEASURABLE, WORSE
from autonoise.study.result import ContestantResult, Difference, Measured, Result

AS_GOOD, UNDECIDED = "as good as", "undecided"
RECIPE = "best recipe"
"""With ``NO_NOISE`` the two questions that are answered: the policy against no noise, and against the best recipe."""
MARGIN = 0.01
"""Two contestants are as good as each other when the interval of their difference in score lies within +-0.01."""
CHEAPER = 0.2
"""Passes per training step that another helpful contestant must save for the recommendation to name its cost."""
KEPT, MAY_BREAK, BROKEN = "kept", "may be broken", "broken"


def answer(difference: Measured | None) -> str:
    """``better``, ``worse``, ``as good as`` (surely within ``MARGIN``), ``undecided`` or ``not measurable``."""
    if difference is None:
        return NOT_MEASURABLE
    if difference.low > 0:
        return BETTER
    if difference.high < 0:
        return WORSE
    return AS_GOOD if difference.low >= -MARGIN and difference.high <= MARGIN else UNDECIDED


def answers(differences: Mapping[str, Difference]) -> dict[str, str]:
    """The answer to each question. ``differences``: opponent → the policy's score minus its own.

    Better than the best recipe is what is surely better than all of them, worse what is surely worse than one of them.
    Without a recipe among the opponents the second question is not asked.
    """
    out = {NO_NOISE: answer(differences["baseline"].score)}
    each = [answer(d.score) for label, d in differences.items() if label != "baseline"]
    if not each:
        return out
    if NOT_MEASURABLE in each:
        out[RECIPE] = NOT_MEASURABLE
    elif all(a == BETTER for a in each):
        out[RECIPE] = BETTER
    elif WORSE in each:
        out[RECIPE] = WORSE
    else:
        out[RECIPE] = AS_GOOD if all(a in (BETTER, AS_GOOD) for a in each) else UNDECIDED
    return out


def limit_of(clean: Measured | None, most: float | None) -> str:
    """Whether a contestant keeps ``--max-clean-drop``. ``clean``: its clean accuracy minus that of the baseline."""
    if most is None or clean is None or clean.low >= -most:
        return KEPT
    return BROKEN if clean.high < -most else MAY_BREAK


def decide(differences: Mapping[str, Difference], limit: str = KEPT) -> str:
    """The verdict in a word: ``better`` is better than no noise and than every recipe, within the limit."""
    found = answers(differences)
    if found[NO_NOISE] in (NOT_MEASURABLE, WORSE):
        return found[NO_NOISE]
    if limit == BROKEN:
        return BREAKS
    return BETTER if all(a == BETTER for a in found.values()) else NO_GAIN


def best_recipe(result: Result) -> str | None:
    """The label of the recipe with the highest score, None where there is no recipe."""
    recipes = {k: c for k, c in result.contestants.items() if k not in ("baseline", "policy")}
    return max(recipes, key=lambda k: _score(result, k), default=None)


def _deciding_recipe(result: Result) -> str | None:
    """The recipe with the highest score among those against which the answer to the second question was found."""
    found = result.answers.get(RECIPE)
    recipes = [k for k in result.differences if k != "baseline"]
    such = [k for k in recipes if answer(result.differences[k].score) == found]
    return max(such, key=lambda k: _score(result, k), default=best_recipe(result))


def sentence(result: Result, rival: str = RECIPE) -> str:
    """The verdict in a line: the word, both answers, what noise costs, clean accuracy.

    ``rival``: what the best of the other contestants is called.
    """
    base, policy = result.contestants["baseline"], result.contestants["policy"]
    recipe = _deciding_recipe(result)
    asked = [("baseline", NO_NOISE), *([(recipe, RECIPE)] if recipe is not None else [])]
    if result.verdict != NOT_MEASURABLE:
        parts = [_versus(result, label, question, rival) for label, question in asked]
        if result.held_out_of and recipe is not None:
            parts.append("each two compared under the noise that neither trained on")
    else:
        parts = ["every noise kept for judging is of a family that a contestant trained on, or related to one"]
        searched = result.differences["baseline"].search
        if searched is not None:
            parts.append(f"on the families searched with {_signed(searched)} over no noise")
    if base.clean is not None and base.held_out is not None and policy.held_out is not None:
        before, after = base.clean.mean - base.held_out.mean, base.clean.mean - policy.held_out.mean
        gap = policy.gap_closed_held_out
        shown = f"{_percent(gap.mean)} [{_percent(gap.low)}, {_percent(gap.high)}]" if gap else ""
        closed = f"gap closed {shown}" if gap else "no gap to close"
        lost = f"{after:.3f} below" if after >= 0 else f"{-after:.3f} above"
        parts.append(
            f"under noise never trained on it lies {lost} the clean accuracy of no noise, instead of {before:.3f} "
            f"below ({closed})"
        )
    elif result.verdict != NOT_MEASURABLE:
        parts.append("what noise never trained on costs is not measurable")
    told = {
        BROKEN: ", surely more lost than --max-clean-drop allows",
        MAY_BREAK: ", perhaps more lost than --max-clean-drop allows",
    }.get(_limit(result, "policy"), "")
    parts.append(f"clean accuracy {_signed(result.differences['baseline'].clean)}{told}")
    return f"{result.verdict}: {'; '.join(parts)}"


def _versus(result: Result, label: str, question: str, rival: str) -> str:
    """``better than no noise by +0.030 [+0.016, +0.044]``."""
    found = result.answers[question]
    # a recipe's label is the name of its file and that of its column in tables
    kind = f"{label} " if label in ("preset", "start") else ""
    name = question if label == "baseline" else f"the {rival} ({kind}{result.contestants[label].name})"
    if found == NOT_MEASURABLE:
        return f"against {name} {found}, since no noise is left that neither trained on"
    numbers = _signed(result.differences[label].score)
    words = {
        BETTER: f"better than {name} by",
        WORSE: f"worse than {name} by",
        AS_GOOD: f"as good as {name} within {MARGIN:g}:",
        UNDECIDED: f"undecided against {name}:",
    }
    return f"{words[found]} {numbers}"


def recommend(result: Result) -> tuple[str, str]:
    """(label of a contestant, or "undecided"; what to do in words).

    The highest mean score among those that are surely better than no noise and do not surely break the clean limit.
    """
    shown = result.contestants
    over = {k: d.score for k, d in result.over_baseline.items()}
    helpful = [k for k in over if answer(over[k]) == BETTER and _limit(result, k) != BROKEN]
    if helpful:
        best = max(helpful, key=lambda k: _score(result, k))
        return best, f"train with {_called(shown, best)}{_beside(result, best, helpful)}"
    broken = [k for k in over if answer(over[k]) == BETTER]
    if broken:
        return "baseline", (
            f"train without noise: {_called(shown, broken[0])} helps, but surely loses more clean accuracy than "
            f"--max-clean-drop allows; allow more, or search again with the limit"
        )
    if NOT_MEASURABLE in map(answer, over.values()):
        return "undecided", (
            "undecided: no noise is left that no contestant trained on, so nothing can be said about new noise; "
            "judge on your own with --noisy-val, or search with fewer techniques"
        )
    if all(answer(d) == WORSE for d in over.values()):
        return "baseline", "train without noise: " + (
            "the found policy is surely worse" if len(over) == 1 else "every contestant is surely worse"
        )
    if all(answer(d) in (WORSE, AS_GOOD) for d in over.values()):
        return "baseline", f"train without noise: nothing that was tried moves the score up by {MARGIN:g} or more"
    likeliest = _likeliest(result)
    assert likeliest is not None
    return "undecided", (
        f"undecided: nothing is surely better than no noise; the most likely to be is {_called(shown, likeliest)} "
        f"({_signed(over[likeliest])}); more test rows or more --seeds would tell"
    )


def exported(result: Result) -> str:
    """The label of the contestant that a study's policy.yaml holds.

    It is the recommended one; while that is undecided, the one that is the most likely to be better than no noise; and
    where nothing can be said of anyone, the found policy.
    """
    return result.recommended if result.recommended in result.contestants else _likeliest(result) or "policy"


def verdict_on(result: Result, label: str) -> str:
    """The verdict in a word on one contestant: of the found policy that of the study, of a recipe against no noise."""
    if label == "baseline":
        return NO_NOISE
    if label == "policy":
        return result.verdict
    found = answer(result.over_baseline[label].score)
    if found in (NOT_MEASURABLE, WORSE):
        return found
    if _limit(result, label) == BROKEN:
        return BREAKS
    return BETTER if found == BETTER else NO_GAIN


def _likeliest(result: Result) -> str | None:
    """Among contestants that may be better than no noise, none of them surely, the one with the highest score."""
    over = {k: answer(d.score) for k, d in result.over_baseline.items()}
    open_ = [k for k, found in over.items() if found in (UNDECIDED, AS_GOOD)]
    return max(open_, key=lambda k: _score(result, k), default=None)


def _beside(result: Result, best: str, helpful: Sequence[str]) -> str:
    """What a reader has to weigh beside the recommendation: an unsure lead, a cheaper equal, the clean limit."""
    shown, text = result.contestants, ""
    other = max((k for k in helpful if k != best), key=lambda k: _score(result, k), default=None)
    if other is not None and "policy" in (best, other):
        score = result.differences[other if best == "policy" else best].score
        if score is not None and score.low <= 0 <= score.high:
            text += f"; {_called(shown, other)} may be as good"
            cost, cheaper = shown[best].passes, shown[other].passes
            if cost - cheaper > CHEAPER:
                text += f" at {cheaper:.1f} instead of {cost:.1f} passes a step"
    if _limit(result, best) == MAY_BREAK:
        clean = _signed(result.over_baseline[best].clean)
        text += f"; its clean accuracy ({clean}) may fall by more than --max-clean-drop allows"
    return text


def _called(shown: Mapping[str, ContestantResult], label: str) -> str:
    if label == "policy":
        return "the found policy"
    return f"the {label} {shown[label].name} (policies/{label}.yaml)"


def _limit(result: Result, label: str) -> str:
    return result.clean_limit.get(label, KEPT)


def _score(result: Result, label: str) -> float:
    """What contestants are ordered by: the mean score, or, where each has its own held-out noise, its gain on that."""
    score = result.contestants[label].score
    if result.held_out_of:
        score = result.over_baseline[label].score if label in result.over_baseline else None
    return score.mean if score is not None else float("-inf")


def _signed(x: Measured | None) -> str:
    return NOT_MEASURABLE if x is None else f"{x.mean:+.3f} [{x.low:+.3f}, {x.high:+.3f}]"


def _percent(x: float) -> str:
    return f"{100 * x:.0f} %"
