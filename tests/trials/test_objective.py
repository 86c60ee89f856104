"""One trial on a task that trains nothing: rungs, repeats, faults, constraints, attributes."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import optuna
import pytest
from optuna.trial import FrozenTrial, TrialState
from study_samples import FakeTask, config_of, new_study, policy_of, score_of, space_of

from autonoise.policy import Policy, Step
from autonoise.study.prepare import harmless
from autonoise.study.processes import Stop
from autonoise.study.storage import completed
from autonoise.study.trial_record import PREFIX
from autonoise.trials.objective import SHORT, Objective
from autonoise.trials.worker import ALIKE_IN_A_ROW, work
from autonoise.verdict.confirm import pick_candidates

pytestmark = pytest.mark.usefixtures("looked_up")
SPACE = space_of()
PLAIN = Policy("tabular")
GAUSSIAN, DROPOUT = policy_of("gaussian_noise", std=0.3), policy_of("dropout", p=0.2)


def of(trial: FrozenTrial, name: str) -> Any:
    return trial.user_attrs.get(PREFIX + name)


def run(
    task: FakeTask, *policies: Policy, study: optuna.Study | None = None, space: Any = SPACE, **settings: Any
) -> optuna.Study:
    study = study or new_study()
    config = config_of(Path("nowhere"), trials=len(study.get_trials()) + len(policies), **settings)
    for policy in policies:
        study.enqueue_trial(space.parameters_of(policy))
    work(study, Objective(task, space, config), Stop())  # type: ignore[arg-type]
    return study


def by_steps(policy: Policy, fidelity: Any) -> Any:
    return score_of(0.9, 0.5 + 0.1 * len(policy.steps))


def test_the_attributes_of_a_trial() -> None:
    study = run(FakeTask(by_steps), PLAIN, GAUSSIAN)
    base, trial = study.get_trials()
    assert trial.value == pytest.approx(0.5 * 0.9 + 0.5 * 0.6)
    assert Policy.from_dict(of(trial, "policy")).hash == of(trial, "policy_hash") == Policy.from_trial(trial).hash
    assert (of(trial, "clean"), of(trial, "noisy"), of(trial, "noisy.blur")) == (0.9, 0.6, pytest.approx(0.7))
    assert (of(trial, "worst"), of(trial, "worst_family")) == (0.6, "independent")
    assert of(trial, "clean_drop") == pytest.approx(0.0)
    assert (of(trial, "ece_clean"), of(trial, "ece_noisy"), of(trial, "nll_noisy")) == (0.05, 0.1, 0.9)
    assert (of(trial, "passes"), of(trial, "rung")) == (1.0, 1)
    assert of(trial, "seconds") >= 0
    assert (of(trial, "host"), of(trial, "pid")) == (socket.gethostname(), os.getpid())
    # a third for the short training, and a full one: passes / (100 rows x 10 epochs)
    assert of(trial, "work") == pytest.approx(SHORT.rows * SHORT.epochs + 1)
    assert of(base, "work") == pytest.approx(1)


def test_numbers_that_are_not_finite_become_none() -> None:
    study = run(FakeTask(lambda p, f: score_of(0.9, 0.5, error_auroc=float("nan"))), PLAIN)
    assert of(study.get_trials()[0], "error_auroc") is None
    assert PREFIX + "error_auroc" in study.get_trials()[0].user_attrs


def test_a_repeated_policy_is_not_trained_again() -> None:
    task = FakeTask(by_steps)
    study = run(task, PLAIN, GAUSSIAN, GAUSSIAN)
    assert len(task.trainings) == 3  # one for the baseline, a short and a full one
    first, second = study.get_trials()[1:]
    assert second.value == first.value
    assert of(second, "reason") == "same policy as trial 1"
    assert (of(second, "clean"), of(second, "noisy.blur"), of(second, "work")) == (0.9, of(first, "noisy.blur"), 0.0)


def test_a_fault_fails_its_trial_and_the_search_goes_on() -> None:
    def answers(policy: Policy, fidelity: Any) -> Any:
        if "dropout" in {s.name for s in policy.steps}:
            raise MemoryError("out of\nmemory")
        return by_steps(policy, fidelity)

    study = run(FakeTask(answers), PLAIN, DROPOUT, GAUSSIAN)
    assert [t.state.name for t in study.get_trials()] == ["COMPLETE", "FAIL", "COMPLETE"]
    assert of(study.get_trials()[1], "reason") == "MemoryError: out of memory"


def test_many_faults_in_a_row_end_the_search_in_one_line() -> None:
    from autonoise.errors import StudyError

    def fault(policy: Policy, fidelity: Any) -> Any:
        raise RuntimeError("no such device")

    study = new_study()
    config = config_of(Path("nowhere"), trials=50)
    with pytest.raises(StudyError, match=r"3 trials in a row failed, the first with: RuntimeError: no such device"):
        work(study, Objective(FakeTask(fault), SPACE, config), Stop())  # type: ignore[arg-type]
    assert len(study.get_trials()) == ALIKE_IN_A_ROW


@pytest.mark.parametrize("short", [True, False])
def test_diverged_training_completes_at_chance(short: bool) -> None:
    def answers(policy: Policy, fidelity: Any) -> Any:
        return None if policy.steps and (fidelity.rows < 1) == short else by_steps(policy, fidelity)

    task = FakeTask(answers)
    trial = run(task, PLAIN, GAUSSIAN).get_trials()[1]
    assert (trial.state, trial.value) == (TrialState.COMPLETE, 0.4)
    assert (of(trial, "clean"), of(trial, "noisy"), of(trial, "worst")) == (0.4, 0.4, 0.4)
    assert of(trial, "reason") == "training diverged; counted at chance"
    assert of(trial, "clean_drop") == pytest.approx(0.5)
    assert len(task.trainings) == (2 if short else 3)


def test_short_trainings_prune_all_but_the_best_and_never_the_baseline() -> None:
    """Of policies that come in falling quality only the first is among the best third."""
    policies = [policy_of("gaussian_noise", std=0.1 + 0.05 * i) for i in range(6)]
    quality = {p.hash: 0.9 - 0.05 * i for i, p in enumerate(policies)}
    task = FakeTask(lambda p, f: score_of(quality.get(p.hash, 0.1), quality.get(p.hash, 0.1)))
    study = run(task, *policies, PLAIN)
    states = [t.state.name for t in study.get_trials()]
    assert states == ["COMPLETE", *["PRUNED"] * 5, "COMPLETE"]  # the baseline is the worst of all
    baseline, pruned = study.get_trials()[-1], study.get_trials()[1]
    assert baseline.intermediate_values == {}
    assert pruned.intermediate_values == {1: pytest.approx(0.85)}
    assert (of(pruned, "rung"), of(pruned, "reason")) == (0, "pruned after the short training")
    assert (of(pruned, "clean"), of(pruned, "noisy")) == (pytest.approx(0.85), pytest.approx(0.85))
    trained = len(task.trainings)
    run(task, policies[1], study=study)
    assert (study.get_trials()[-1].state, len(task.trainings)) == (TrialState.PRUNED, trained)


def test_seeds_report_their_short_training_but_are_never_pruned() -> None:
    policies = [policy_of("gaussian_noise", std=0.1 + 0.05 * i) for i in range(5)]
    quality = {p.hash: 0.9 - 0.05 * i for i, p in enumerate(policies)}
    task = FakeTask(lambda p, f: score_of(quality.get(p.hash, 0.1), quality.get(p.hash, 0.1)))
    study = new_study()
    for policy in policies[:4]:
        study.enqueue_trial(SPACE.parameters_of(policy), user_attrs={PREFIX + "origin": "seed"})
    study.enqueue_trial(SPACE.parameters_of(policies[4]))
    config = config_of(Path("nowhere"), trials=5)
    work(study, Objective(task, SPACE, config), Stop())  # type: ignore[arg-type]
    assert [t.state.name for t in study.get_trials()] == [*["COMPLETE"] * 4, "PRUNED"]
    assert [t.intermediate_values for t in study.get_trials()] == [{1: pytest.approx(0.9 - 0.05 * i)} for i in range(5)]


def test_pareto_returns_two_values_and_never_reports() -> None:
    study = new_study(directions=["maximize", "maximize"])
    task = FakeTask(by_steps)
    run(task, PLAIN, GAUSSIAN, GAUSSIAN, study=study, objective="pareto")
    trials = study.get_trials()
    assert [t.values for t in trials] == [[0.9, 0.5], [0.9, 0.6], [0.9, 0.6]]
    assert all(t.intermediate_values == {} for t in trials)
    assert len(task.trainings) == 2
    assert of(trials[1], "score") == pytest.approx(0.75)


def test_max_cost_is_a_constraint_and_saves_the_training() -> None:
    space = space_of(techniques={"fgsm": {"eps": [0.01, 0.1], "schedule": "constant"}, "dropout": {}})
    attack = Policy("tabular", (Step.of("fgsm", eps=0.05),))
    task = FakeTask(lambda p, f: score_of(0.95, 0.95) if p.passes > 1 else by_steps(p, f))
    study = run(task, PLAIN, attack, DROPOUT, space=space, max_cost=1.5)
    dear, cheap = study.get_trials()[1:]
    assert dear.state == TrialState.PRUNED
    assert of(dear, "constraints") == {"cost": pytest.approx(0.5)}
    assert dear.constraints["cost"] == pytest.approx(0.5)
    assert dear.system_attrs["constraints"] == [pytest.approx(0.5)]  # where the dashboard looks
    assert "above --max-cost" in of(dear, "reason")
    assert cheap.constraints["cost"] == pytest.approx(-0.5)
    assert len(task.trainings) == 3
    assert study.best_trial.number == 2
    both = new_study(directions=["maximize", "maximize"])
    run(task, PLAIN, attack, DROPOUT, space=space, max_cost=1.5, objective="pareto", study=both)
    assert both.get_trials()[1].state == TrialState.COMPLETE
    assert [t.number for t in completed(both)] == [2, 0]
    assert 1 not in [t.number for t in both.best_trials]
    assert [p.hash for p in pick_candidates(completed(both), 4)] == [Policy.from_trial(both.get_trials()[2]).hash]


def test_max_clean_drop_is_a_constraint_on_what_was_measured() -> None:
    def answers(policy: Policy, fidelity: Any) -> Any:
        if fidelity.rows < 1:
            return score_of(0.99, 0.99)
        return {"gaussian_noise": score_of(0.8, 0.95), "dropout": score_of(0.89, 0.6)}.get(
            next((s.name for s in policy.steps), ""), score_of(0.9, 0.5)
        )

    study = run(FakeTask(answers), PLAIN, GAUSSIAN, DROPOUT, GAUSSIAN, max_clean_drop=0.05)
    best, kept, again = study.get_trials()[1:]
    assert best.value == max(t.value for t in study.get_trials() if t.value)
    assert of(best, "constraints") == {"clean_drop": pytest.approx(0.05)}
    assert best.constraints["clean_drop"] == pytest.approx(0.05)
    assert of(kept, "constraints") == {"clean_drop": pytest.approx(-0.04)}
    assert of(again, "constraints") == of(best, "constraints")
    assert study.best_trial.number == 2
    assert [t.number for t in completed(study)] == [2, 0]


def test_harmless_corruptions_are_left_out_but_no_group_is_emptied() -> None:
    def frozen(name: str, group: str, last: float) -> Any:
        return SimpleNamespace(name=name, group=group, retentions=(0.99, last))

    search = [frozen("a", "search", 0.62), frozen("b", "search", 0.96), frozen("c", "search", 0.94)]
    assert harmless([*search, frozen("d", "held_out", 0.97)]) == ["b"]
    assert harmless([*search, frozen("d", "held_out", 0.97), frozen("e", "held_out", 0.8)]) == ["b", "d"]
    assert harmless([SimpleNamespace(name="real", group="search", retentions=())]) == []
