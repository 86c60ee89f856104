"""Commands on damaged files, each in a forked process with a limit on memory, and what became of them.

The process is forked from the tests' own, which has imported everything already: so thousands of files take minutes.
"""

from __future__ import annotations

import faulthandler
import importlib
import json
import os
import pkgutil
import re
import resource
import signal
import subprocess
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mutations import CANARY

SECONDS, MEMORY = 10.0, 2**30
"""What reading a file may take: seconds of computing, and bytes of memory beside what importing everything takes."""
GUARD = 3 * 2**30
"""Bytes that a process may ask for beyond what it has when it is forked: the machine must not go down with a fault."""
PATIENCE = 60.0
"""Seconds until a process that neither computes nor ends is taken for one that hangs."""
LONGEST = 2000
"""Characters that a message may have: it quotes from the file, but must stay readable."""
FORBIDDEN = (
    "os.system",
    "os.exec",
    "os.posix_spawn",
    "subprocess.Popen",
    "pickle.find_class",
    "os.startfile",
    "pty.spawn",
)
"""Events of Python's audit hooks that reading a file must never cause. PyTorch's own reader causes none of them."""
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\x80-\x9f]")


@dataclass
class Outcome:
    """What became of the commands on one file: exit statuses, what went wrong, and what it took."""

    statuses: list[int] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    seconds: float = 0.0
    memory: int = 0
    slowest: str = ""

    @property
    def refused(self) -> bool:
        return 2 in self.statuses


def import_everything() -> None:
    """Import all that a command may need, so that no forked process has to."""
    import autonoise

    for module in pkgutil.walk_packages(autonoise.__path__, "autonoise."):
        if not module.name.startswith(
            ("autonoise.integrations", "autonoise.__main__", "autonoise.dashboard", "autonoise.on_ray")
        ):
            importlib.import_module(module.name)
    for name in ("pyarrow.parquet", "pyarrow.compute", "soundfile", "safetensors.torch", "PIL.Image",
        "matplotlib.figure",
                 "pandas", "sklearn.ensemble", "julius.resample", "sqlalchemy.dialects.sqlite",
                 "autonoise.integrations.code.writing"):  # fmt: skip
        with suppress(ImportError):
            importlib.import_module(name)


def judge(
    calls: Sequence[Sequence[str] | Callable[[], None]], folder: Path, accepted: Sequence[int] = (0, 2)
) -> Outcome:
    """Run commands, one after the other, in one process that stands in ``folder``, and look at what they did."""
    read, write = os.pipe()
    log = folder / ".log"
    pid = os.fork()
    if pid == 0:
        os.close(read)
        _child(calls, folder, log, write)
    os.close(write)
    ended = _wait(pid)
    with os.fdopen(read) as file:
        told = [json.loads(line) for line in file.read().splitlines()]
    status, usage = ended
    before = told.pop(0)["before"] if told else 0
    out = Outcome([t["status"] for t in told])
    out.memory = max(usage.ru_maxrss * 1024 - before, 0)
    if out.memory > MEMORY:
        out.faults.append(f"took {out.memory / 2**20:.0f} MiB")
    for call, t in zip(calls, told, strict=False):
        name = " ".join(call) if not callable(call) else call.__name__
        if t["seconds"] > out.seconds:
            out.seconds, out.slowest = t["seconds"], name
        out.faults += [f"{name}: {fault}" for fault in _faults(t, accepted)]
    if len(told) < len(calls):
        call = calls[len(told)]
        name = " ".join(call) if not callable(call) else call.__name__
        out.faults.append(f"{name}: ended with status {status}: {log.read_text(errors='replace')[:2000]}")
    if (folder / CANARY).exists():
        out.faults.append("code of the file was run")
    return out


def judge_process(call: Sequence[str], folder: Path, accepted: Sequence[int] = (0, 2)) -> list[str]:
    """Run one command as users do, in a process that Python starts from nothing; what went wrong."""
    root = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": str(root), "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": ""}
    done = subprocess.run(
        [sys.executable, "-m", "autonoise", *call], cwd=folder, env=environment, capture_output=True, text=True,
        errors="replace",
        stdin=subprocess.DEVNULL, timeout=600,
    )  # fmt: skip
    told = {"status": done.returncode, "out": done.stdout[-20000:], "err": done.stderr, "seconds": 0.0, "events": []}
    return [*_faults(told, accepted), *(["code of the file was run"] if (folder / CANARY).exists() else [])]


def _faults(told: dict[str, object], accepted: Sequence[int]) -> Iterable[str]:
    err, out = str(told["err"]), str(told["out"])
    if told["status"] not in accepted:
        yield f"status {told['status']}: {err[-1500:]}"
    elif told["status"] == 2:
        lines = err.splitlines()
        if (
            not lines
            or not lines[-1].startswith("autonoise: ")
            or sum(line.startswith("autonoise: ") for line in lines) != 1
        ):
            yield f"refused without one clear line: {err[-500:]!r}"
        elif len(lines[-1]) > LONGEST:
            yield f"a message of {len(lines[-1])} characters: {lines[-1][:200]}"
    if "Traceback" in err:
        yield f"traceback: {err[-1500:]}"
    if _CONTROL.search(out + err):
        yield f"control characters in {(out + err)[:300]!r}"
    if float(str(told["seconds"])) > SECONDS:
        yield f"took {float(str(told['seconds'])):.1f} s"
    if told["events"]:
        yield f"caused {told['events']}"


def _wait(pid: int) -> tuple[int, resource.struct_rusage]:
    end = time.monotonic() + PATIENCE
    while True:
        done, status, usage = os.wait4(pid, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status), usage
        if time.monotonic() > end:
            os.kill(pid, signal.SIGABRT)  # faulthandler writes where it stands
            end = time.monotonic() + 5
            while time.monotonic() < end:
                done, status, usage = os.wait4(pid, os.WNOHANG)
                if done:
                    return os.waitstatus_to_exitcode(status), usage
                time.sleep(0.05)
            os.kill(pid, signal.SIGKILL)
            _, status, usage = os.wait4(pid, 0)
            return os.waitstatus_to_exitcode(status), usage
        time.sleep(0.002)


def _memory(name: str) -> int:
    found = re.search(rf"{name}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(found[1]) * 1024 if found else 0


def _child(calls: Sequence[Sequence[str] | Callable[[], None]], folder: Path, log: Path, write: int) -> None:
    try:
        os.setsid()
        os.chdir(folder)
        handle = os.open(log, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND)
        for n in (1, 2):
            os.dup2(handle, n)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        sys.stdin = os.fdopen(0, closefd=False)
        faulthandler.enable(file=os.fdopen(os.dup(2), "w"))
        most = _memory("VmSize") + GUARD
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        events: list[str] = []
        sys.addaudithook(lambda name, _: events.append(name) if name in FORBIDDEN else None)
        os.write(write, (json.dumps({"before": _memory("VmRSS")}) + "\n").encode())
        for call in calls:
            line = json.dumps(_told(call, events)) + "\n"
            os.write(write, line.encode())
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
    finally:
        os._exit(0)


def _told(call: Sequence[str] | Callable[[], None], events: list[str]) -> dict[str, object]:
    from autonoise.cli import main

    how: dict[str, Any] = {"mode": "w+", "encoding": "utf-8", "errors": "surrogatepass"}
    out, err = (Path(f".{name}").open(**how) for name in ("out", "err"))  # noqa: SIM115 - closed below
    sys.stdout, sys.stderr = out, err
    begun = time.process_time()
    try:
        if callable(call):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                call()
            status = 0
        else:
            status = main(list(call))
    except BaseException:
        traceback.print_exc()
        status = 70
    seconds = time.process_time() - begun
    texts = []
    for file in (out, err):
        file.flush()
        file.seek(0)
        texts.append(file.read(4_000_000))
        file.close()
    sys.stdout, sys.stderr = sys.__stdout__, sys.__stderr__
    done = {
        "status": status,
        "seconds": seconds,
        "out": texts[0][-20000:],
        "err": texts[1][-6000:],
        "events": list(events),
    }
    events.clear()
    return done
