"""A verdict with hand-made runs: who gets which run, what counts as held out, the tables, several winners."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import optuna
import pytest
from study_samples import config_of, new_study, policy_of, session_of

from autonoise.corruptions.frozen import FrozenCorruption
from autonoise.errors import StudyError
from autonoise.policy import Policy
from autonoise.study.budget import Plan
from autonoise.study.folder import RunResult
from autonoise.study.result import FrontResult, Gap, Measured, Result
from autonoise.study.trial_record import PREFIX, TrialRecord, attributes
from autonoise.types import DataType, Family
from autonoise.verdict.confirm import Standing
from autonoise.verdict.contestants import NUMBERS, Contestant, Held, Numbers, table_of
from autonoise.verdict.decide import NOT_MEASURABLE, decide, recommend, sentence
from autonoise.verdict.export import scores_of
from autonoise.verdict.judge import FIRST_SEED, judge
from autonoise.verdict.trainings import Job
from autonoise.verdict.winners import front, front_table, named_winners


def frozen(name: str, group: Any, family: Family) -> FrozenCorruption:
    return FrozenCorruption(name, DataType.TABULAR, group, family, (1.0,) * 5, (1,) * 5)


CORRUPTIONS = (
    frozen("jitter", "search", Family.INDEPENDENT),
    frozen("grain", "held_out", Family.INDEPENDENT),
    frozen("spikes", "held_out", Family.IMPULSE),
    frozen("drift", "held_out", Family.SHIFT),
    frozen("swap", "held_out", Family.VALUE_SWAP),
)
BASE, PRESET, POLICY = Policy("tabular", name="no-noise"), policy_of("mixup"), policy_of("dropout")
THREE = {"baseline": BASE, "preset": PRESET, "policy": POLICY}
ROWS = 40


def test_families_that_were_trained_on_do_not_count_as_held_out() -> None:
    policies = [Policy("tabular"), policy_of("gaussian_noise"), policy_of("swap_noise")]
    held = Held.of(CORRUPTIONS, policies[:2], real=False, real_alone=False)
    assert held.held_out == ("drift", "swap")
    assert (held.exposure["grain"], held.exposure["spikes"], held.exposure["drift"]) == ("same", "related", "unseen")
    assert held.search == ("jitter",)
    assert held.every_held_out == ("grain", "spikes", "drift", "swap")
    # what one contestant trained on counts for none of them, while anything is left
    assert held.between(policies[0]) == ("drift", "swap")
    assert Held.of(CORRUPTIONS, policies, real=False, real_alone=False).held_out == ("drift",)
    assert Held.of(CORRUPTIONS, policies[:1], real=False, real_alone=False).held_out == held.every_held_out


def test_a_real_noisy_set_counts_beside_the_corruptions_or_alone() -> None:
    policies = [policy_of("gaussian_noise")]
    mixed = Held.of(CORRUPTIONS, policies, real=True, real_alone=False)
    assert mixed.held_out == ("drift", "swap", "real")
    assert mixed.search == ("jitter", "real")
    assert mixed.families["real"] == "real"
    alone = Held.of(CORRUPTIONS, policies, real=True, real_alone=True)
    assert (alone.search, alone.held_out, alone.every_held_out) == (("real",), ("real",), ("real",))


def run_like(clean: float, held: float, search: float, passes: float = 1.0, seconds: float = 2.0) -> RunResult:
    """Rows that differ a little around the given accuracies, the same way in every run."""
    wave = 0.02 * np.resize([1.0, -1.0], ROWS)
    corruptions = {"search": {"jitter": [search] * 5}, "held_out": {"drift": [held] * 5}}
    numbers = {g: dict.fromkeys(NUMBERS, search if g == "search" else held) for g in corruptions}
    noisy = {"jitter": search + wave, "drift": held + wave}
    bins = {
        g: {"clean": [[1.0, 0.9, clean]], "noisy": [[1.0, 0.8, n]]} for g, n in (("search", search), ("held_out", held))
    }
    return RunResult(numbers, corruptions, clean + wave, noisy, seconds, passes, reliability=bins)


class Runner:
    """Answers jobs by ``of(job)`` and keeps them."""

    def __init__(self, of: Callable[[Job], RunResult]) -> None:
        self.of, self.jobs = of, list[Job]()

    def run(
        self,
        jobs: Sequence[Job],
        *,
        stop: Callable[[], bool] = lambda: False,
        done: Callable[[int], None] = lambda n: None,
    ) -> list[RunResult | None]:
        self.jobs += [j for j in jobs if j not in self.jobs]
        return [None if stop() else self.of(j) for j in jobs]


def task_of(folds: int = 1, group: Any = None, frozen: Any = CORRUPTIONS[:1] + CORRUPTIONS[3:4]) -> Any:
    return SimpleNamespace(
        folds=folds,
        frozen=frozen,
        real=None,
        splits=SimpleNamespace(test=np.arange(ROWS)),
        test_groups=lambda: [group],
    )


def known(job: Job) -> RunResult:
    """Baseline .9 clean, .5 held out; preset .8, .6; policy .88, .7; the last digits tell the seed."""
    clean, held, search = {BASE.hash: (0.9, 0.5, 0.4), PRESET.hash: (0.8, 0.6, 0.6), POLICY.hash: (0.88, 0.7, 0.65)}[
        job.policy.hash
    ]
    change = 0.001 * (job.seed % 5)
    return run_like(clean + change, held + change, search + change)


def verdict_of(
    runner: Any, *, task: Any = None, policies: Any = None, seeds: int = 5, study: Any = None, **config: Any
) -> Result:
    out = judge(
        session_of(task or task_of(), config_of(Path("nowhere"), **config), study),
        runner,
        policies or THREE,
        seeds,
    )
    assert out is not None
    return out


def whole(judged: Result) -> Result:
    out = replace(judged, verdict=decide(judged.differences, judged.clean_limit["policy"]))
    recommended, recommendation = recommend(out)
    return replace(out, sentence=sentence(out), recommended=recommended, recommendation=recommendation)


def test_every_contestant_gets_its_own_runs_and_numbers() -> None:
    runner = Runner(known)
    found = verdict_of(runner)
    assert list(found.contestants) == ["baseline", "preset", "policy"]
    means = {
        k: [round(m.mean, 3) for m in (c.clean, c.held_out, c.search, c.score) if m is not None]
        for k, c in found.contestants.items()
    }
    assert means == {  # .002 is the mean of the seeds' digits
        "baseline": [0.902, 0.502, 0.402, 0.702],
        "preset": [0.802, 0.602, 0.602, 0.702],
        "policy": [0.882, 0.702, 0.652, 0.792],
    }
    assert [c.hash for c in found.contestants.values()] == [p.hash for p in THREE.values()]
    difference = {
        k: {x: round(v.mean, 3) for x, v in vars(d).items() if v is not None} for k, d in found.differences.items()
    }
    assert difference == {
        "baseline": {"score": 0.09, "clean": -0.02, "search": 0.25, "held_out": 0.2},
        "preset": {"score": 0.09, "clean": 0.08, "search": 0.05, "held_out": 0.1},
    }
    assert round(found.over_baseline["preset"].clean.mean, 3) == -0.1  # the preset minus the baseline
    assert found.over_baseline["policy"] == found.differences["baseline"]
    by_name = {c.name: c.accuracy for c in found.corruptions}
    assert by_name["drift"] == {"baseline": (0.502,) * 5, "preset": (0.602,) * 5, "policy": (0.702,) * 5}
    assert found.contestants["policy"].numbers["nll_noisy_held_out"] == pytest.approx(0.702)
    assert found.contestants["policy"].numbers["nll_noisy_search"] == pytest.approx(0.652)
    hits = {part: rows[0][2] for part, rows in found.contestants["policy"].reliability.items()}
    assert hits == {"clean": 0.882, "search": 0.652, "held_out": 0.702}


def test_the_weight_is_that_of_noise() -> None:
    found = verdict_of(Runner(known), noise_weight=0.25)
    assert found.contestants["policy"].score.mean == pytest.approx(0.75 * 0.882 + 0.25 * 0.702)


def test_seeds_of_the_verdict_are_no_others() -> None:
    runner = Runner(known)
    verdict_of(runner)
    seeds = {k: [j.seed for j in runner.jobs if j.policy.hash == p.hash] for k, p in THREE.items()}
    assert seeds == {key: list(range(FIRST_SEED, FIRST_SEED + 5)) for key in THREE}
    assert {j.part for j in runner.jobs} == {"test"}
    # confirming and leaving techniques out use those from 0
    assert max(Plan().confirm_seeds, Plan().ablate_seeds) < FIRST_SEED


def test_gap_closed_by_hand() -> None:
    found = verdict_of(Runner(known))
    # held out: (.7 - .5) / (.9 - .5); search: (.65 - .4) / (.9 - .4)
    policy = found.contestants["policy"]
    assert policy.gap_closed_held_out[0] == pytest.approx(0.5, abs=1e-5)
    assert policy.gap_closed_search[0] == pytest.approx(0.5, abs=1e-5)
    assert found.contestants["preset"].gap_closed_held_out.mean == pytest.approx(0.25, abs=1e-5)
    assert found.contestants["baseline"].gap_closed_held_out == (0.0, 0.0, 0.0)
    assert found.gaps["held_out"] == Gap(Measured(0.4, 0.4, 0.4), closable=True)
    assert found.gaps["search"].gap.mean == pytest.approx(0.5, abs=1e-5)


def contestant(label: str, policy: Policy, runs: Sequence[RunResult]) -> Contestant:
    return Contestant(label, policy, tuple(runs), ())


HELD = Held({"drift": "shift", "jitter": "independent"}, ("jitter",), ("drift",), ("drift",), {})


def test_the_interval_of_a_gap_is_that_of_a_ratio() -> None:
    rng = np.random.default_rng(4)

    def made(clean: float, noisy: float, sd: float) -> list[RunResult]:
        return [
            run_like(clean + 0.1 * sd * rng.standard_normal(), noisy + sd * rng.standard_normal(), 0.5)
            for _ in range(6)
        ]

    base = contestant("baseline", BASE, made(0.9, 0.5, 0.02))
    policy = contestant("policy", POLICY, made(0.88, 0.8, 1e-4))
    found = Numbers(0.5, HELD).gap_closed(policy, base, ("drift",))
    assert found is not None
    clean, noisy = (
        np.array([x.mean() for x in v]) for v in ([r.correct for r in base.runs], [r.noisy["drift"] for r in base.runs])
    )
    own = np.array([r.noisy["drift"].mean() for r in policy.runs])
    ratio = (own.mean() - noisy.mean()) / (clean.mean() - noisy.mean())
    assert found[0] == pytest.approx(ratio, abs=1e-5)
    # d ratio = (d own - ratio * d clean - (1 - ratio) * d noisy) / gap; rows vary alike in all, so seeds alone count
    spread = np.var(own, ddof=1) / 6 + np.var(ratio * clean + (1 - ratio) * noisy, ddof=1) / 6
    half = (found[2] - found[1]) / 2
    assert half / (spread**0.5 / (clean.mean() - noisy.mean())) == pytest.approx(2.5706, abs=0.03)  # t of 5


@pytest.mark.parametrize(("gap", "closable"), [(0.10, True), (0.02, False), (-0.1, False)])
def test_no_gap_to_close_below_three_standard_errors(gap: float, closable: bool) -> None:
    # seeds differ by .0158 (standard deviation) in clean accuracy alone: the standard error of the gap is .00707
    runs = [run_like(0.8 + d, 0.8 - gap, 0.5) for d in (-0.02, -0.01, 0.0, 0.01, 0.02)]
    base = contestant("baseline", BASE, runs)
    assert Numbers(0.5, HELD).gap(base, ("drift",)).variance ** 0.5 == pytest.approx(0.00707, rel=1e-2)  # type: ignore[union-attr]
    table = table_of(contestant("policy", POLICY, [run_like(0.8, 0.79, 0.5)] * 5), base, Numbers(0.5, HELD))
    assert (table.gap_closed_held_out is not None) == closable


def test_accuracies_have_intervals_that_cover_rows_too() -> None:
    rows = np.resize([1.0, 1.0, 0.0, 1.0], ROWS)  # every seed is right on the same rows
    runs = [RunResult({}, {}, rows, {"drift": rows, "jitter": rows})] * 5
    c = contestant("policy", POLICY, runs)
    mean, low, high = table_of(c, c, Numbers(0.5, HELD)).clean  # type: ignore[misc]
    assert mean == 0.75
    assert high - low == pytest.approx(2 * 2.0227 * (0.75 * 0.25 / (ROWS - 1)) ** 0.5, rel=1e-3)


def test_nothing_held_out_is_not_measurable_anywhere() -> None:
    found = whole(
        verdict_of(
            Runner(lambda job: run_like(0.9, 0.5, 0.4)),
            task=task_of(frozen=CORRUPTIONS[:2]),
            policies={"baseline": BASE, "policy": policy_of("gaussian_noise")},
        )
    )
    assert found.held_out == ()
    assert found.contestants["policy"].held_out is None
    assert found.contestants["policy"].score is None
    assert found.contestants["policy"].gap_closed_held_out is None
    assert found.differences["baseline"].score is None
    assert found.differences["baseline"].clean is not None
    assert found.answers == {"no noise": NOT_MEASURABLE}
    assert found.verdict == NOT_MEASURABLE
    assert found.sentence.startswith("not measurable: every noise kept for judging")
    assert "costs" not in found.sentence
    assert found.recommended == "undecided"
    scores = scores_of(found)
    assert scores["held_out"] == {"baseline": NOT_MEASURABLE, "policy": NOT_MEASURABLE}
    assert scores["difference"] == {"baseline": NOT_MEASURABLE}
    assert scores["gap_closed_held_out"] == NOT_MEASURABLE


BY_NAME = {"jitter": 0.4, "grain": 0.7, "spikes": 0.8, "drift": 0.3, "swap": 0.35}
"""Accuracy of the baseline under each noise in the pairwise cases below; the gains are by policy and noise."""


def pairwise(gains: Mapping[str, Mapping[str, float]], policies: Mapping[str, Policy]) -> Result:
    def run(job: Job) -> RunResult:
        label = next(k for k, p in policies.items() if p.hash == job.policy.hash)
        wave, extra = 0.02 * np.resize([1.0, -1.0], ROWS), 0.001 * (job.seed % 5)
        at = {n: a + gains.get(label, {}).get(n, 0.0) + extra for n, a in BY_NAME.items()}
        shown = {"search": {"jitter": [at["jitter"]] * 5}, "held_out": {n: [at[n]] * 5 for n in list(at)[1:]}}
        return RunResult({}, shown, 0.9 + extra + wave, {n: a + wave for n, a in at.items()}, 1.0, 1.0)

    return whole(verdict_of(Runner(run), task=task_of(frozen=CORRUPTIONS), policies=policies))


def test_two_are_compared_by_what_neither_met_where_nothing_is_new_to_all() -> None:
    # noise on values met grain (the same kind) and spikes (a related one); swaps met swap, the shift drift
    policies = {
        "baseline": BASE,
        "preset": policy_of("swap_noise", "column_shift"),
        "policy": policy_of("gaussian_noise"),
    }
    own = {k: set(Held.of(CORRUPTIONS, [p], real=False, real_alone=False).held_out) for k, p in policies.items()}
    assert own["policy"] == {"drift", "swap"}
    assert own["preset"] == {"grain", "spikes"}
    found = pairwise({"policy": {"grain": 0.3, "drift": 0.1}, "preset": {"spikes": 0.06, "swap": 0.1}}, policies)
    # found against no noise: drift +.1 and swap +0; the preset: grain +0 and spikes +.06; no noise that neither met
    assert found.differences["baseline"].held_out.mean == pytest.approx(0.05)
    assert found.differences["baseline"].score.mean == pytest.approx(0.025)
    assert found.over_baseline["preset"].held_out.mean == pytest.approx(0.03)
    assert found.differences["preset"].score is None
    assert found.answers == {"no noise": "better", "best recipe": NOT_MEASURABLE}
    assert found.verdict == "no significant gain"
    assert found.held_out == ("drift", "swap")
    assert found.held_out_of["preset"] == ("grain", "spikes")
    assert found.held_out_of["baseline"] == ("grain", "spikes", "drift", "swap")
    columns = {k: c.held_out.mean for k, c in found.contestants.items()}
    assert columns == pytest.approx({"baseline": 0.327, "policy": 0.377, "preset": 0.782}, abs=1e-6)
    # clean .902; what the found policy has not met costs no noise .902 - .327, the preset .902 - .752
    assert found.gaps["held_out"].gap.mean == pytest.approx(0.575, abs=1e-5)
    assert found.contestants["policy"].gap_closed_held_out.mean == pytest.approx(0.05 / 0.575, abs=1e-4)
    assert found.contestants["preset"].gap_closed_held_out.mean == pytest.approx(0.03 / 0.15, abs=1e-4)
    assert {c.name: (c.exposure, c.counts) for c in found.corruptions if c.group == "held_out"} == {
        "grain": ("same", False),
        "spikes": ("related", False),
        "drift": ("unseen", True),
        "swap": ("unseen", True),
    }
    assert found.recommended == "policy"  # +.025 on what it has not met; the preset, at the higher accuracy, +.015
    assert "each two compared under the noise that neither trained on" in found.sentence


@pytest.mark.parametrize(("folds", "asked", "trained"), [(3, 5, 6), (3, 3, 3), (1, 5, 5), (3, 7, 9)])
def test_every_fold_has_as_many_seeds(folds: int, asked: int, trained: int) -> None:
    runner = Runner(known)
    found = verdict_of(runner, task=task_of(folds), seeds=asked)
    assert found.seeds == trained
    own = [j.fold(folds) for j in runner.jobs if j.policy.hash == POLICY.hash]
    assert np.bincount(own).tolist() == [trained // folds] * folds


def test_folds_that_differ_widen_the_interval() -> None:
    def differing(job: Job) -> RunResult:
        change = (0.0, 0.04, -0.04)[job.fold(3)] if job.policy.hash == POLICY.hash else 0.0
        return run_like(0.9, 0.5 + change, 0.4 + change)

    pair = {"baseline": BASE, "policy": POLICY}
    found = verdict_of(Runner(differing), task=task_of(3), policies=pair, seeds=6)
    _, low, high = found.differences["baseline"].held_out  # type: ignore[misc]
    # .04 between folds: se .04 / sqrt(3) and 2 degrees of freedom at the level of the first verdict
    assert (high - low) / 2 == pytest.approx(5.02 * 0.04 / 3**0.5, rel=0.02)


def test_groups_widen_the_interval() -> None:
    def grouped(job: Job) -> RunResult:
        run = known(job)
        if job.policy.hash == POLICY.hash:
            run.noisy["drift"][:] += np.repeat([0.2, -0.2, 0.1, -0.1], ROWS // 4)
        return run

    pair = {"baseline": BASE, "policy": POLICY}
    alone = verdict_of(Runner(grouped), policies=pair)
    found = verdict_of(Runner(grouped), policies=pair, task=task_of(group=np.repeat(list("abcd"), ROWS // 4)))
    width = [score.high - score.low for v in (alone, found) if (score := v.differences["baseline"].score)]
    assert width[1] > 3 * width[0]
    assert (alone.test_groups, found.test_groups) == (None, 4)


def test_a_policy_that_breaks_the_clean_limit() -> None:
    for limit, expected in ((0.05, "kept"), (0.01, "broken")):
        found = whole(verdict_of(Runner(known), max_clean_drop=limit))
        assert found.clean_limit["policy"] == expected
        assert found.clean_limit["preset"] == "broken"  # .1 lost
    assert found.verdict == "breaks the clean limit"
    assert "surely more lost than --max-clean-drop allows" in found.sentence
    assert found.recommended == "baseline"


def test_a_verdict_is_refused_or_stopped() -> None:
    runner, config, study = Runner(known), config_of(Path("nowhere")), new_study()
    stopped = judge(session_of(task_of(), config, study, stopped=True), runner, THREE, 5)  # type: ignore[arg-type]
    assert stopped is None
    assert study.user_attrs[PREFIX + "test_read_at"]
    with pytest.raises(StudyError, match="empty"):
        verdict_of(runner, policies={"baseline": BASE, "policy": Policy("tabular")})


def trial_of(number: int, clean: float, noisy: float, passes: float) -> Any:
    facts = attributes(clean=clean, noisy=noisy, passes=passes, policy=policy_of("dropout").to_dict())
    trial = optuna.trial.create_trial(value=0.0, user_attrs=facts)
    trial.number = number
    return TrialRecord.of(trial)


def test_the_front_by_hand() -> None:
    trials = [
        trial_of(0, 0.9, 0.5, 1.0),
        trial_of(1, 0.8, 0.7, 1.0),
        trial_of(2, 0.8, 0.6, 1.0),  # beaten by 1
        trial_of(3, 0.8, 0.75, 2.0),
        trial_of(4, 0.8, 0.7, 1.5),  # 4: as good as 1 and dearer
        trial_of(5, 0.9, 0.5, 1.0),  # equal to 0: neither beats the other
    ]
    assert [t.number for t in front(trials)] == [0, 1, 3, 5]
    assert front_table(trials)[1] == FrontResult(1, 0.8, 0.7, 1.0, ("dropout",))


def standing(policy: Policy, role: str, score: float, noisy: float) -> Standing:
    return Standing(policy, role, (), score, 2 * score - noisy, noisy)


def test_named_winners_by_hand() -> None:
    dear, pair, single = policy_of("fgsm"), policy_of("gaussian_noise", "dropout"), policy_of("dropout")
    weak, baseline = policy_of("mixup"), Policy("tabular")
    assert dear.passes > 1.1
    standings = [
        standing(dear, "found", 0.84, 0.80),
        standing(pair, "found", 0.82, 0.74),
        standing(single, "preset", 0.816, 0.73),
        standing(weak, "preset", 0.70, 0.60),
        standing(baseline, "baseline", 0.9, 0.9),
    ]
    winners = named_winners(standings, pair)
    assert {k: p.hash for k, (p, _) in winners.items()} == {
        "balanced": pair.hash,
        "robust": dear.hash,
        "cheap": single.hash,
    }  # half a point less, but one technique
    assert winners["balanced"][1] is standings[1]
    only = named_winners([standings[-1]], pair)
    assert only == {"balanced": (pair, None)}
    assert named_winners([standings[0]], dear)["cheap"][0] is dear
    assert np.isclose(winners["robust"][1].noisy, 0.8)  # type: ignore[union-attr]
    # among dear ones alone the cheapest, and a whole point is no longer near
    dearer = policy_of("pgd") if policy_of("pgd").passes > dear.passes else dear
    both = [standing(dearer, "found", 0.9, 0.9), standing(dear, "found", 0.8, 0.7)]
    assert named_winners(both, dearer)["cheap"][0].hash == dear.hash
    apart = [standing(pair, "found", 0.82, 0.74), standing(single, "preset", 0.81, 0.73)]
    assert named_winners(apart, pair)["cheap"][0] is pair


def test_an_unclear_verdict_trains_the_noisy_baseline_again() -> None:
    def noisy(job: Job) -> RunResult:
        shift = 0.03 * ((-1) ** job.seed) if job.policy.hash == BASE.hash else 0.0
        held = {BASE.hash: 0.5, PRESET.hash: 0.5, POLICY.hash: 0.55}[job.policy.hash]
        return run_like(0.9 + shift, held + shift, 0.4)

    runner = Runner(noisy)
    found = verdict_of(runner)
    own = {k: sorted(j.seed for j in runner.jobs if j.policy.hash == p.hash) for k, p in THREE.items()}
    assert found.seeds_of == {k: len(v) for k, v in own.items()}
    assert (len(own["policy"]), len(own["preset"])) == (5, 5)
    assert own["baseline"] == list(range(FIRST_SEED, FIRST_SEED + found.seeds_of["baseline"]))
    assert found.seeds_of["baseline"] > 5
    assert found.looks > 1
    # all runs count: an even number of seeds has as many high ones as low ones
    if len(own["baseline"]) % 2 == 0:
        assert found.contestants["baseline"].clean.mean == pytest.approx(0.9)


def test_the_policy_file_holds_means_both_answers_and_the_seeds() -> None:
    scores = scores_of(whole(verdict_of(Runner(known))))
    assert scores["held_out"] == pytest.approx({"baseline": 0.502, "preset": 0.602, "policy": 0.702}, abs=1e-4)
    assert scores["clean"] == pytest.approx({"baseline": 0.902, "preset": 0.802, "policy": 0.882}, abs=1e-4)
    assert scores["answers"] == {"no noise": "better", "best recipe": "better"}
    assert (scores["verdict"], scores["recommended"]) == ("better", "policy")
    assert scores["seeds"] == dict.fromkeys(THREE, 5)
