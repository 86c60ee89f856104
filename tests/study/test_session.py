"""What the parts of a study hand on to each other."""

from __future__ import annotations

from types import SimpleNamespace

from study_samples import session_of

from autonoise.study.observer import Observer


class Phases(Observer):
    def __init__(self) -> None:
        self.told: list[tuple[str, int, int]] = []

    def phase(self, name: str, done: int, total: int) -> None:
        self.told.append((name, done, total))


def test_a_counter_tells_each_training_and_never_more_than_all() -> None:
    session = session_of()
    session.observer = watching = Phases()
    done = session.counter("confirm", 2)
    for number in (1, 2, 3):
        done(number)
    assert watching.told == [("confirm", 0, 2), ("confirm", 1, 2), ("confirm", 2, 2), ("confirm", 3, 3)]


def test_the_users_noisy_rows_are_a_family_of_their_own() -> None:
    frozen = (SimpleNamespace(name="fog", family="low_frequency"), SimpleNamespace(name="blur", family="blur"))
    families = {"fog": "low_frequency", "blur": "blur"}
    assert session_of(SimpleNamespace(frozen=frozen, real=None)).families == families
    assert session_of(SimpleNamespace(frozen=frozen, real=object())).families == {**families, "real": "real"}
