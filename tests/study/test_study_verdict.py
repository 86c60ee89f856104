"""Which corruptions count as held out, the decision, and several winners of one study."""

from __future__ import annotations

from typing import Any

import numpy as np
import optuna
import pytest
from study_samples import policy_of

from autonoise.corruptions.frozen import FrozenCorruption
from autonoise.policy import Policy
from autonoise.study.confirm import Standing
from autonoise.study.storage import PREFIX
from autonoise.study.verdict import Held, decide, sentence
from autonoise.study.winners import front, front_table, named_winners
from autonoise.types import DataType, Family


def frozen(name: str, group: Any, family: Family) -> FrozenCorruption:
    return FrozenCorruption(name, DataType.TABULAR, group, family, (1.0,) * 5, (1,) * 5)


CORRUPTIONS = (
    frozen("jitter", "search", Family.INDEPENDENT), frozen("grain", "held_out", Family.INDEPENDENT),
    frozen("spikes", "held_out", Family.IMPULSE), frozen("drift", "held_out", Family.SHIFT),
    frozen("swap", "held_out", Family.VALUE_SWAP),
)


def test_families_that_were_trained_on_do_not_count_as_held_out() -> None:
    policies = [Policy("tabular"), policy_of("gaussian_noise"), policy_of("swap_noise")]
    held = Held.of(CORRUPTIONS, policies[:2], real=False, real_alone=False)
    assert held.held_out == ("drift", "swap")
    assert (held.exposure["grain"], held.exposure["spikes"], held.exposure["drift"]) == ("same", "related", "unseen")
    assert held.search == ("jitter",)
    assert held.every_held_out == ("grain", "spikes", "drift", "swap")
    # what one contestant trained on counts for none of them
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


@pytest.mark.parametrize(("baseline", "preset", "verdict"), [
    ([0.05, 0.02, 0.08], [0.03, 0.01, 0.05], "better"),
    ([0.05, 0.02, 0.08], [0.03, -0.01, 0.07], "no significant gain"),
    ([0.01, -0.02, 0.04], [0.03, 0.01, 0.05], "no significant gain"),
    ([-0.05, -0.08, -0.02], [0.03, 0.01, 0.05], "worse"),
    ([0.05, 0.02, 0.08], [-0.03, -0.05, -0.01], "no significant gain"),
    ([0.05, 0.0, 0.1], None, "no significant gain"),
    ([0.05, 0.001, 0.1], None, "better"),
])
def test_decide(baseline: list[float], preset: list[float] | None, verdict: str) -> None:
    against = {"baseline": {"score": baseline}} | ({"preset": {"score": preset}} if preset else {})
    assert decide(against) == verdict


def test_the_sentence() -> None:
    result = {
        "verdict": "better",
        "contestants": {
            "baseline": {"clean": [0.87, 0, 0], "held_out": [0.63, 0, 0]},
            "policy": {"held_out": [0.73, 0, 0], "gap_closed_held_out": [0.42, 0.35, 0.49]},
        },
        "differences": {"baseline": {"clean": [-0.004, -0.011, 0.003], "score": [0.05, 0.03, 0.07]}},
    }
    assert sentence(result) == (
        "better: noise never trained on costs 0.140 instead of 0.240 (gap closed 42 % [35 %, 49 %]); "
        "clean accuracy -0.004 [-0.011, +0.003]"
    )
    result["contestants"]["policy"]["gap_closed_held_out"] = None
    assert "gap closed" not in sentence(result)
    result["verdict"] = "no significant gain"
    result["contestants"]["preset"] = {"name": "AugMix"}
    assert sentence(result).startswith(
        "no significant gain over the preset AugMix, but better than no noise by 0.050 [0.030, 0.070]: noise never"
    )


def trial_of(number: int, clean: float, noisy: float, passes: float) -> Any:
    trial = optuna.trial.create_trial(value=0.0, user_attrs={
        PREFIX + "clean": clean, PREFIX + "noisy": noisy, PREFIX + "passes": passes,
        "autonoise.policy": policy_of("dropout").to_dict()})
    trial.number = number
    return trial


def test_the_front_by_hand() -> None:
    trials = [
        trial_of(0, 0.9, 0.5, 1.0), trial_of(1, 0.8, 0.7, 1.0),
        trial_of(2, 0.8, 0.6, 1.0),  # beaten by 1
        trial_of(3, 0.8, 0.75, 2.0), trial_of(4, 0.8, 0.7, 1.5),  # 4: as good as 1 and dearer
        trial_of(5, 0.9, 0.5, 1.0),  # equal to 0: neither beats the other
    ]
    assert [t.number for t in front(trials)] == [0, 1, 3, 5]
    assert front_table(trials)[1] == {"trial": 1, "clean": 0.8, "noisy": 0.7, "passes": 1.0, "techniques": ["dropout"]}


def standing(policy: Policy, role: str, score: float, noisy: float) -> Standing:
    return Standing(policy, role, (), score, 2 * score - noisy, noisy)


def test_named_winners_by_hand() -> None:
    dear, pair, single = policy_of("fgsm"), policy_of("gaussian_noise", "dropout"), policy_of("dropout")
    weak, baseline = policy_of("mixup"), Policy("tabular")
    assert dear.passes > 1.1
    standings = [
        standing(dear, "found", 0.84, 0.80), standing(pair, "found", 0.82, 0.74),
        standing(single, "preset", 0.816, 0.73),
        standing(weak, "preset", 0.70, 0.60), standing(baseline, "baseline", 0.9, 0.9),
    ]
    winners = named_winners(standings, pair)
    assert {k: p.hash for k, (p, _) in winners.items()} == {
        "balanced": pair.hash, "robust": dear.hash, "cheap": single.hash}  # half a point less, but one technique
    assert winners["balanced"][1] is standings[1]
    only = named_winners([standings[-1]], pair)
    assert only == {"balanced": (pair, None)}
    assert named_winners([standings[0]], dear)["cheap"][0] is dear
    assert np.isclose(winners["robust"][1].noisy, 0.8)  # type: ignore[union-attr]
