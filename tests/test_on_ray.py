"""A search whose workers Ray places: what Ray is told, what is refused, and what is done when workers leave."""

from __future__ import annotations

import os
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from study_samples import config_of

from autonoise import on_ray
from autonoise.calling import config_of as settings_of
from autonoise.cli.options import _with_address
from autonoise.errors import MissingExtraError, StudyError
from autonoise.joining import Place
from autonoise.on_ray import RayCrew, place_of, ray_crew, room, run_worker
from autonoise.study.address import VARIABLE
from autonoise.study.observer import Observer

POSTGRES = "postgresql+psycopg://me:s3cret@db/trials"
CLUSTER = {"ray": "auto", "storage": POSTGRES, "workers": 0}


class Ray(ModuleType):
    """Ray as far as it is used. ``ends``: what workers that have ended gave, by their numbers, a fault included."""

    def __init__(self, free: dict[str, float] | None = None, machines: int = 1, address: str = "127.0.0.1") -> None:
        super().__init__("ray")
        self.free, self.machines = free or {"CPU": 2.0}, machines
        self.util = ModuleType("ray.util")
        self.util.get_node_ip_address = lambda: address  # type: ignore[attr-defined]
        self.connected, self.down = False, 0
        self.begun: list[tuple[dict[str, Any], tuple[Any, ...]]] = []
        self.kept: list[Any] = []
        self.ends: dict[int, Any] = {}
        self.cancelled: list[tuple[int, bool]] = []
        self.told: dict[str, Any] = {}

    def is_initialized(self) -> bool:
        return self.connected

    def init(self, **how: Any) -> None:
        self.told = {**how, "environment": os.environ.get("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER")}
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        self.connected = True

    def shutdown(self) -> None:
        self.down += 1

    def nodes(self) -> list[dict[str, bool]]:
        return [{"Alive": True}] * self.machines + [{"Alive": False}]

    def available_resources(self) -> dict[str, float]:
        return self.free

    def put(self, value: Any) -> str:
        self.kept.append(value)
        return f"ref{len(self.kept) - 1}"

    def remote(self, function: Callable[..., str]) -> Any:
        assert function is run_worker
        ray, options = self, {}

        class Placed:
            @staticmethod
            def options(**given: Any) -> type[Placed]:
                options.update(given)
                return Placed

            @staticmethod
            def remote(*args: Any) -> int:
                ray.begun.append((options, args))
                return len(ray.begun) - 1

        return Placed

    def wait(self, refs: list[int], num_returns: int, timeout: float) -> tuple[list[int], list[int]]:
        assert refs and num_returns == len(refs)
        return [r for r in refs if r in self.ends], [r for r in refs if r not in self.ends]

    def get(self, ref: Any) -> Any:
        if isinstance(ref, str):
            return self.kept[int(ref[3:])]
        if isinstance(self.ends[ref], Exception):
            raise self.ends[ref]
        return self.ends[ref]

    def cancel(self, ref: int, force: bool = False) -> None:
        self.cancelled.append((ref, force))
        self.ends[ref] = ""


class Lines(Observer):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def line(self, text: str) -> None:
        self.lines.append(text)


def crew_of(ray: Ray, folder: Path, /, **settings: Any) -> RayCrew:
    return RayCrew(ray, config_of(folder, **{"ray": "local", "workers": 2, **settings}), Lines())


@pytest.fixture
def ray(monkeypatch: pytest.MonkeyPatch) -> Ray:
    made = Ray()
    monkeypatch.setitem(sys.modules, "ray", made)
    return made


@pytest.mark.parametrize(
    ("free", "cpus", "gpus", "workers"),
    [
        ({"CPU": 7.5}, 1, 0, 7),
        ({"CPU": 7.5}, 2, 0, 3),
        ({"CPU": 0.3}, 0.1, 0, 3),
        ({"CPU": 64, "GPU": 4}, 1, 0.25, 16),
        ({"CPU": 64, "GPU": 4}, 1, 0.4, 8),  # two on each: parts of a GPU are parts of one
        ({"CPU": 64, "GPU": 5}, 1, 2, 2),
        ({"CPU": 3, "GPU": 4}, 1, 0.25, 3),
        ({"CPU": 64}, 1, 0.25, 0),
        ({}, 1, 0, 0),
    ],
)
def test_as_many_workers_as_there_is_room_for(free: dict[str, float], cpus: float, gpus: float, workers: int) -> None:
    assert room(free, cpus, gpus) == workers


def test_the_number_of_workers_is_found_where_none_is_named(tmp_path: Path) -> None:
    def size(cpus: float, **settings: Any) -> int:
        return crew_of(Ray({"CPU": cpus}), tmp_path, **{"workers": 0, **settings}).sized().workers

    assert size(3) == 3
    assert size(64) == 4  # SQLite
    assert size(64, ray="auto", storage=POSTGRES) == 60  # --trials
    assert size(64, ray="auto", storage=POSTGRES, cpus_per_trial=4.0) == 16
    assert size(0.5, workers=9) == 9
    with pytest.raises(StudyError, match=r"1 CPU and 1 GPU for a worker, and free are 8 CPUs and 0 GPUs: give a small"):
        size(8, device="cuda")


def test_what_ray_is_told_of_a_worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPASSWORD", "other")
    ray = Ray()
    crew = crew_of(ray, tmp_path, **CLUSTER | {"workers": 3, "device": "cuda", "gpus_per_trial": 0.25})
    crew.begin()
    assert len(ray.begun) == 3
    options, (place, secrets) = ray.begun[0]
    assert (options["num_cpus"], options["num_gpus"]) == (1.0, 0.25)
    assert options["max_retries"] > 0
    assert place == Place("postgresql+psycopg://me@db/trials", "sample", data="wine")
    assert "s3cret" not in repr(ray.begun) and "other" not in repr(ray.begun)
    assert ray.get(secrets[0]) == {VARIABLE: POSTGRES, "PGPASSWORD": "other"}


def test_places_are_whole_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("shop.csv", "mine.py", "real.csv"):
        (tmp_path / name).touch()
    config = config_of(Path("out"), ray="local", data="shop.csv", model="mine.py:make", noisy_val="real.csv")
    whole = f"{tmp_path}/shop.csv", f"{tmp_path}/mine.py:make", f"{tmp_path}/real.csv"
    assert place_of(config) == Place(f"sqlite:///{tmp_path}/out/study.db", "sample", *whole)
    far = config_of(Path("out"), ray="local", data="s3://b/shop.csv", model="package.module:make")
    assert (place_of(far).data, place_of(far).model) == ("s3://b/shop.csv", "package.module:make")


def test_a_worker_gets_the_password_and_tells_its_end(ray: Ray, monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[str | None] = []
    monkeypatch.setenv(VARIABLE, "before")
    secrets = [ray.put({VARIABLE: POSTGRES})]
    place = Place("postgresql+psycopg://me@db/trials", "sample")

    def ends(fault: Exception | None) -> str:
        def joined(there: Place, wait: float) -> None:
            assert there is place
            found.append(os.environ.get(VARIABLE))
            if fault is not None:
                raise fault

        monkeypatch.setattr(on_ray, "join", joined)
        return run_worker(place, secrets)

    assert ends(None) == "" and found == [POSTGRES]
    assert ends(StudyError("other data")) == f"{socket.gethostname()}: other data"
    assert ends(RuntimeError(f"no {POSTGRES}")).endswith("RuntimeError: no postgresql+psycopg://me:***@db/trials")


def test_workers_that_leave(tmp_path: Path) -> None:
    """One that had nothing to do is placed again, one with a fault is not; without any the search ends."""
    ray = Ray()
    crew = crew_of(ray, tmp_path)
    crew.begin()
    crew.tend()
    assert len(ray.begun) == 2
    ray.ends = {0: "", 1: "a: no such data"}
    crew.tend()
    assert len(ray.begun) == 3
    assert crew.observer.lines == ["a worker has left, a: no such data"]  # type: ignore[attr-defined]
    ray.ends[2] = RuntimeError("The worker died\nunexpectedly")
    with pytest.raises(StudyError, match=r"^no worker on Ray is left, the first ended on a: no such data; every"):
        crew.tend()
    assert crew.observer.lines[1:] == ["a worker has left, Ray: RuntimeError: The worker died unexpectedly"]  # type: ignore[attr-defined]


def test_workers_are_asked_to_end_before_they_are_ended(tmp_path: Path) -> None:
    ray = Ray()
    crew = crew_of(ray, tmp_path)
    crew.begin()
    crew.close()
    assert ray.cancelled == [(0, False), (1, False)]


def test_a_ray_of_its_own_is_on_this_machine_alone(ray: Ray, tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGTERM)
    with ray_crew(config_of(tmp_path, ray="local"), Observer()) as crew:
        assert crew is not None
        told = ray.told
        assert (told["address"], told["_node_ip_address"], told["include_dashboard"]) == ("local", "127.0.0.1", False)
        assert told["environment"] == "0"
        assert "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER" not in os.environ
        assert signal.getsignal(signal.SIGTERM) is before
    assert ray.down == 1
    with ray_crew(config_of(tmp_path), Observer()) as none:
        assert none is None


def test_a_ray_that_other_machines_would_reach_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    ray = Ray(address="192.0.2.7")
    monkeypatch.setitem(sys.modules, "ray", ray)
    with (
        pytest.raises(StudyError, match=r"would listen at 192\.0\.2\.7, which other machines reach"),
        ray_crew(config_of(tmp_path, ray="local"), Observer()),
    ):
        pass
    assert ray.down == 1


def test_a_ray_that_is_connected_is_used_and_left(ray: Ray, tmp_path: Path) -> None:
    ray.connected = True
    with ray_crew(config_of(tmp_path, ray="local"), Observer()):
        assert ray.told == {}
    assert ray.down == 0
    ray.machines = 2
    with (
        pytest.raises(StudyError, match="has 2 machines, and workers on the others cannot reach SQLite"),
        ray_crew(config_of(tmp_path, ray="local"), Observer()),
    ):
        pass


def test_no_ray_at_an_address(ray: Ray, tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
        config = config_of(tmp_path, ray=address, storage=POSTGRES)
        with (
            pytest.raises(StudyError, match=f"--ray {address}: no Ray is reached .*by ray start, or leave"),
            ray_crew(config, Lines()),
        ):
            pass
    assert ray.told == {}


def test_a_missing_ray_is_told_with_its_extra(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    line = r'^--ray needs ray, which is not installed: pip install "autonoise\[ray\]"$'
    with pytest.raises(MissingExtraError, match=line), ray_crew(config_of(tmp_path, ray="local"), Observer()):
        pass


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"ray": "auto"}, r"--ray auto: workers on other machines cannot reach SQLite: give --storage postgresql"),
        ({"ray": "10.0.0.1:6379", "storage": "sqlite:///t.db"}, "cannot reach SQLite"),
        ({"ray": "ray://head:10001", "storage": POSTGRES}, r"--ray must be local .* or HOST:PORT, but got 'ray://"),
        ({"gpus_per_trial": 0.5}, "add --ray"),
        ({"cpus_per_trial": 2.0}, "add --ray"),
        ({"ray": "local", "cpus_per_trial": 0.0}, "--cpus-per-trial > 0 must hold"),
        ({"ray": "local", "gpus_per_trial": float("nan"), "device": "cuda"}, "--gpus-per-trial > 0 must hold"),
        ({"ray": "local", "gpus_per_trial": 1.5, "device": "cuda"}, "1.5: above 1, Ray gives whole GPUs only: give 1"),
        ({"ray": "local", "gpus_per_trial": 0.5}, "--device cpu leaves idle: add --device cuda"),
        ({"ray": "local", "device": "cuda:1"}, "Ray chooses the GPU of each worker: give --device cuda"),
        ({"workers": 0}, "--workers >= 1 must hold"),
    ],
)
def test_what_ray_could_not_do_is_refused(settings: dict[str, Any], said: str, tmp_path: Path) -> None:
    with pytest.raises(StudyError, match=said):
        config_of(tmp_path, **settings)


def test_ray_is_no_setting_that_scores_rest_on(tmp_path: Path) -> None:
    with_ray = config_of(tmp_path, ray="local", cpus_per_trial=2.0, workers=0)
    assert with_ray.differences(config_of(tmp_path)) == []
    assert not {"ray", "cpus_per_trial", "workers"} & set(with_ray.comparable())


def test_ray_without_a_number_of_workers_finds_it(tmp_path: Path) -> None:
    given = {"ray": "local", "out": str(tmp_path)}
    assert settings_of("wine", given).workers == 0
    assert settings_of("wine", {**given, "workers": 3}).workers == 3
    settings_of("wine", given).save(tmp_path / "study.yaml")
    assert settings_of(str(tmp_path), {}).workers == 0
    assert settings_of(str(tmp_path), {"workers": 2}).ray == "local"


@pytest.mark.parametrize(
    ("words", "read"),
    [
        ("d --ray", "d --ray=local"),
        ("d --ray ray://head:10001", "d --ray ray://head:10001"),
        ("--ray s3://b/shop.csv", "--ray=local s3://b/shop.csv"),
        ("--ray shop.csv --trials 3", "--ray=local shop.csv --trials 3"),
        ("d --ray --trials 3", "d --ray=local --trials 3"),
        ("d --ray auto", "d --ray auto"),
        ("d --ray 10.0.0.1:6379 --seed 1", "d --ray 10.0.0.1:6379 --seed 1"),
        ("d --ray=head:1", "d --ray=head:1"),
        ("-- --ray", "-- --ray"),
        ("d", "d"),
    ],
)
def test_the_address_may_be_left_out(words: str, read: str) -> None:
    assert _with_address(words.split()) == read.split()
