"""A throw-away PostgreSQL of one's own: a new folder, a free port of this computer, gone after the test."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from urllib.parse import quote

import pytest

PASSWORD = "s3cr€t @/:?#%25&{x} =+'\"\\"
"""Of letters that mean something in an address, in a shell, in YAML or in a format string."""


def _program(name: str) -> str | None:
    # Debian keeps the server's programs out of the search path
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return shutil.which(name) or (str(found[-1]) if found else None)


def _account() -> dict[str, object]:
    """PostgreSQL refuses to run as root: options of Popen for another user where the tests are run by root."""
    if os.geteuid() != 0:
        return {}
    known = {entry.pw_name: entry for entry in pwd.getpwall()}
    entry = known.get("postgres") or known["nobody"]
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


class Cluster:
    """``url`` is what Optuna opens, ``bare`` the same without the password; ``stop`` and ``start`` the server."""

    def __init__(self) -> None:
        initdb, server = _program("initdb"), _program("postgres")
        if initdb is None or server is None:
            pytest.skip("PostgreSQL is not installed (apt-get install postgresql): the tests on it did not run")
        pytest.importorskip("psycopg", reason='psycopg is missing (pip install "autonoise[postgres]")')
        self._server, self._as = server, _account()
        self.root = Path(tempfile.mkdtemp(prefix="autonoise-pg-"))
        if self._as:
            os.chown(self.root, int(str(self._as["user"])), int(str(self._as["group"])))
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.port = s.getsockname()[1]
        (self.root / "password").write_text(PASSWORD)
        options = [
            "-D",
            self.root / "data",
            "-A",
            "scram-sha-256",
            "--pwfile",
            self.root / "password",
            "-U",
            "autonoise",
        ]
        options += ["--locale=C", "-E", "UTF8", "--no-sync"]
        subprocess.run([initdb, *options], check=True, capture_output=True, cwd=self.root, **self._as)  # type: ignore[call-overload]
        self.bare = f"postgresql+psycopg://autonoise@127.0.0.1:{self.port}/postgres"
        self.url = self.bare.replace("@", f":{quote(PASSWORD, safe='')}@")
        self.start()

    def start(self) -> None:
        settings = {"listen_addresses": "127.0.0.1", "unix_socket_directories": self.root, "fsync": "off"}
        given = [word for k, v in settings.items() for word in ("-c", f"{k}={v}")]
        log = (self.root / "log").open("ab")
        self.process = subprocess.Popen(  # type: ignore[call-overload]
            [self._server, "-D", self.root / "data", "-p", str(self.port), *given],
            stdout=log,
            stderr=log,
            stdin=subprocess.DEVNULL,
            cwd=self.root,
            **self._as,
        )
        log.close()
        import psycopg

        for _ in range(200):
            try:
                psycopg.connect(self.url.replace("+psycopg", "")).close()
            except psycopg.OperationalError:
                assert self.process.poll() is None, (self.root / "log").read_text()
                time.sleep(0.05)
            else:
                return
        raise AssertionError((self.root / "log").read_text())

    def stop(self) -> None:
        """End the server at once, with everybody's connections."""
        self.process.send_signal(signal.SIGINT)
        self.process.wait(30)

    def remove(self) -> None:
        if self.process.poll() is None:
            self.stop()
        shutil.rmtree(self.root, ignore_errors=True)
