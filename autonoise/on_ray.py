"""Workers that Ray places and restarts on the machines of a cluster; they join as ``autonoise worker`` does."""

from __future__ import annotations

import importlib
import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from autonoise.errors import AutonoiseError, MissingExtraError, StudyError, one_line
from autonoise.joining import Place, join
from autonoise.study.address import VARIABLE, has_password, hidden, with_password, without_password
from autonoise.study.config import LOCAL, StudyConfig
from autonoise.study.faults import KEPT, of_machine
from autonoise.study.observer import Observer
from autonoise.technique.words import counted

RESTARTS = 100
"""How often Ray starts a worker again whose process was lost; a policy that ends processes is tried thrice anyway."""
SQLITE_WORKERS = 4
"""More workers on one SQLite file lose trials, so no more are placed where the user names no number."""
PATIENCE = 5.0
"""Seconds that workers get to end by themselves once the search is over."""
_LOOPBACK = "127.0.0.1"
_ONLY_HERE = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"
"""What keeps Ray off all other network interfaces; it is read when Ray is imported, on Linux too."""
_SECRETS = ("PGPASSWORD",)


def room(free: Mapping[str, float], cpus: float, gpus: float) -> int:
    """How many workers there are free processors and GPUs for; parts of a GPU are parts of one and the same."""
    some = 1e-9
    fits = [int(free.get("CPU", 0.0) / cpus + some)]
    if gpus:
        whole = free.get("GPU", 0.0)
        fits.append(int(whole / gpus + some) if gpus >= 1 else int(whole + some) * int(1 / gpus + some))
    return min(fits)


def run_worker(place: Place, secrets: list[Any]) -> str:
    """What Ray runs: a worker from joining to the end of the study. Returns why it failed; empty: it did not.

    ``secrets``: holds a reference to environment variables in Ray's object store, which no log or dashboard shows.
    """
    os.environ.update(importlib.import_module("ray").get(secrets[0]))
    try:
        join(place, wait=60.0)
    except AutonoiseError as e:
        return f"{socket.gethostname()}: {e}"
    except Exception as e:
        url = with_password(place.storage)
        return f"{socket.gethostname()}: {of_machine(e, url=url) or hidden(one_line(e), url)}"
    return ""


@dataclass
class RayCrew:
    """The workers of one search on Ray; ``config.workers`` of them. See :class:`autonoise.study.session.Crew`."""

    ray: Any
    config: StudyConfig
    observer: Observer
    _running: list[Any] = field(default_factory=list)
    _faults: list[str] = field(default_factory=list)
    _secrets: list[Any] = field(default_factory=list)

    @property
    def cpus(self) -> float:
        return self.config.cpus_per_trial or 1.0

    @property
    def gpus(self) -> float:
        """A whole GPU where it is not said and the study trains on GPUs."""
        return self.config.gpus_per_trial or (1.0 if self.config.device.startswith("cuda") else 0.0)

    @property
    def wanted(self) -> str:
        return f"Ray has to find {self._share} for a worker"

    @property
    def _share(self) -> str:
        return f"{self.cpus:g} CPU" + (f" and {self.gpus:g} GPU" if self.gpus else "")

    def sized(self) -> StudyConfig:
        """The settings with the number of workers, found by the room that there is. StudyError where there is none."""
        if not self.config.workers:
            free = self._free()
            places = room(free, self.cpus, self.gpus)
            if places < 1:
                raise StudyError(
                    f"--ray {self.config.ray}: {self.wanted}, and free are {free.get('CPU', 0):g} CPUs and "
                    f"{free.get('GPU', 0):g} GPUs: give a smaller --cpus-per-trial or --gpus-per-trial, or --workers "
                    f"N, which waits until Ray finds them"
                )
            if self.config.storage_url.startswith("sqlite"):
                places = min(places, SQLITE_WORKERS)
            self.config = replace(self.config, workers=min(places, self.config.trials))
        self.observer.line(f"Ray: {counted(self.config.workers, 'worker')} with {self._share} each")
        return self.config

    def _free(self) -> Mapping[str, float]:
        """What the cluster has to give; a Ray that has just begun tells it a moment later."""
        until = time.monotonic() + 5.0
        while "CPU" not in (free := dict(self.ray.available_resources())) and time.monotonic() < until:
            time.sleep(0.2)
        return free

    def begin(self) -> None:
        url = with_password(self.config.storage_url)
        given = {name: os.environ[name] for name in _SECRETS if name in os.environ}
        self._secrets = [self.ray.put({**given, VARIABLE: url} if has_password(url) else given)]
        self._running = [self._placed() for _ in range(self.config.workers)]

    def _placed(self) -> Any:
        options: dict[str, Any] = {
            "num_cpus": self.cpus,
            "num_gpus": self.gpus,
            "max_retries": RESTARTS,
            "retry_exceptions": False,
        }
        options |= {"name": f"autonoise worker of {self.config.study}", "scheduling_strategy": "SPREAD"}
        return self.ray.remote(run_worker).options(**options).remote(place_of(self.config), self._secrets)

    def tend(self) -> None:
        try:
            done, self._running = self.ray.wait(self._running, num_returns=len(self._running), timeout=0)
        except Exception as e:
            raise StudyError(f"Ray does not answer ({one_line(e)}); {KEPT}: run the same command again") from None
        for ended in done:
            fault = self._fault(ended)
            if fault:
                self._faults.append(fault)
                self.observer.line(f"a worker has left, {fault}")
            else:
                # it found nothing to do, and now there is something
                self._running.append(self._placed())
        if not self._running:
            raise StudyError(f"no worker on Ray is left, the first ended on {self._faults[0]}; {KEPT}")

    def _fault(self, ended: Any) -> str:
        try:
            return str(self.ray.get(ended))
        except Exception as e:
            return f"Ray: {one_line(e)}"

    def dismiss(self, patience: float | None = None) -> None:
        """Ask all workers to end; wait as long as their trainings take, or so many seconds."""
        until = None if patience is None else time.monotonic() + patience
        for worker in self._running:
            self.ray.cancel(worker)
        while self._running and (until is None or time.monotonic() < until):
            _, self._running = self.ray.wait(self._running, num_returns=len(self._running), timeout=0.5)

    def close(self) -> None:
        """End all workers, at once where they do not end by themselves."""
        with suppress(Exception):  # of a Ray that is gone; nothing of the study depends on it
            self.dismiss(PATIENCE)
            for worker in self._running:
                self.ray.cancel(worker, force=True)


def place_of(config: StudyConfig) -> Place:
    """What a worker is told, with whole paths, since it works in another folder. Without the database's password."""
    url = without_password(config.storage_url)
    if url.startswith("sqlite:///"):
        url = f"sqlite:///{Path(url.removeprefix('sqlite:///')).expanduser().resolve()}"
    file, colon, function = (config.model or "").rpartition(":")
    model = None if config.model is None else f"{_whole(file)}{colon}{function}"
    return Place(url, config.study, _whole(config.data), model, config.noisy_val and _whole(config.noisy_val))


def _whole(text: str) -> str:
    """A path of something that is here as a whole one; addresses and built-in names stay."""
    path = Path(text).expanduser()
    return str(path.resolve()) if path.exists() else text


@contextmanager
def ray_crew(config: StudyConfig, observer: Observer) -> Iterator[RayCrew | None]:
    """The workers on Ray of a search; None where it is not searched on Ray. A Ray that is connected already is used.

    Raises MissingExtraError without Ray, StudyError where it is not reached.
    """
    if config.ray is None:
        yield None
        return
    with ExitStack() as stack:
        ray = _imported(config.ray)
        if not ray.is_initialized():
            _connect(ray, config.ray)
            stack.callback(ray.shutdown)
        machines = len([n for n in ray.nodes() if n["Alive"]])
        if machines > 1 and config.storage_url.startswith("sqlite"):
            raise StudyError(
                f"the Ray that is connected has {machines} machines, and workers on the others cannot reach SQLite: "
                f"give --storage postgresql+psycopg://..."
            )
        crew = RayCrew(ray, config, observer)
        stack.callback(crew.close)
        yield crew


def _imported(address: str) -> Any:
    with _environment({_ONLY_HERE: "0"} if address == LOCAL else {}):
        try:
            return importlib.import_module("ray")
        except ModuleNotFoundError as e:
            if e.name != "ray":
                raise
            raise MissingExtraError.of("ray", "ray", "--ray") from None


def _connect(ray: Any, address: str) -> None:
    logging.getLogger("ray").setLevel(logging.ERROR)
    quiet = {"log_to_driver": False, "configure_logging": False, "logging_level": logging.ERROR}
    with _environment({_ONLY_HERE: "0"} if address == LOCAL else {}), _handler_kept():
        try:
            if address == LOCAL:
                ray.init(address=LOCAL, include_dashboard=False, _node_ip_address=_LOOPBACK, **quiet)
            else:
                if ":" in address:
                    # Ray itself would try for minutes
                    host, _, port = address.rpartition(":")
                    socket.create_connection((host, int(port)), timeout=10).close()
                ray.init(address=address, **quiet)
        except (OSError, RuntimeError, ValueError, OverflowError) as e:
            raise StudyError(
                f"--ray {address}: no Ray is reached ({one_line(e)}): start one by ray start, or leave the "
                f"address out for one on this machine alone"
            ) from None
    here = ray.util.get_node_ip_address()
    if address == LOCAL and here != _LOOPBACK:
        ray.shutdown()
        raise StudyError(
            f"--ray local: Ray would listen at {here}, which other machines reach, since it was imported before: set "
            f"{_ONLY_HERE}=0 before that, or connect it yourself by ray.init"
        )


@contextmanager
def _environment(changes: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in changes}
    os.environ.update(changes)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextmanager
def _handler_kept() -> Iterator[None]:
    """Ray takes SIGTERM for itself, and would end a search without a word on how to go on."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if before is not None:
            signal.signal(signal.SIGTERM, before)
