import numpy as np

from autonoise.ops.keyboard import NEIGHBOURS, neighbour


def test_neighbours_by_hand() -> None:
    assert set(NEIGHBOURS["q"]) == set("wa")
    assert set(NEIGHBOURS["g"]) == set("tyfhvb")
    assert set(NEIGHBOURS["1"]) == {"2"}
    assert set(NEIGHBOURS["5"]) == {"4", "6"}


def test_being_near_is_mutual_and_never_reflexive() -> None:
    for key, near in NEIGHBOURS.items():
        assert near and key not in near
        assert all(key in NEIGHBOURS[other] for other in near)


def test_case_is_kept_and_unknown_keys_are_told() -> None:
    rng = np.random.default_rng(0)
    assert neighbour("Q", rng) in {"W", "A"}
    assert neighbour("ß", rng) is None
