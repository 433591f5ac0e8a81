"""A PostgreSQL server of the tests' own: on loopback, in a temporary folder, ended with the session."""

from __future__ import annotations

import contextlib
import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.ports import free_port

_OWNER = "postgres"  # PostgreSQL refuses to run as root
_SETTINGS = {
    # As durable as anybody's: crash tests look at what is left. Only sizes and the jobs of a large server
    # are trimmed.
    "autovacuum_naptime": "10s",
    "jit": "off",
    "max_connections": "200",
    "max_wal_senders": "0",
    "shared_buffers": "32MB",
    "wal_level": "minimal",
}

_EMPTY = """
DO $$ DECLARE name text; BEGIN
    SET LOCAL session_replication_role = replica;  -- in any order
    FOR name IN SELECT tablename FROM pg_tables
        WHERE schemaname = 'streamer' AND tablename <> 'alembic_version'
    LOOP EXECUTE format('DELETE FROM streamer.%I', name); END LOOP;
END $$
"""


def need_postgres() -> Path:
    """Return the folder of the newest PostgreSQL's programs; skip without one, or fail under CI=true."""
    found = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: float(path.parts[-3]), reverse=True
    )
    if found:
        return found[0].parent
    path = shutil.which("initdb")
    if path is not None:
        return Path(path).resolve().parent
    if os.environ.get("CI") == "true":
        pytest.fail("postgresql is not installed")
    pytest.skip("postgresql is not installed")


class Postgres:
    """A private server. Methods block for as long as the server takes; call them from the main thread only.

    The kernel ends the server with the thread that has started it.
    """

    def __init__(self, programs: Path, folder: Path) -> None:
        """Make an empty cluster in the folder; `start` runs it."""
        self._programs = programs
        self._folder = folder
        self._data = folder / "data"
        self._process: subprocess.Popen[bytes] | None = None
        self._numbers = itertools.count()
        self._shared: str | None = None
        self.port = free_port()
        if os.getuid() == 0:
            owner = pwd.getpwnam(_OWNER)
            os.chown(folder, owner.pw_uid, owner.pw_gid)
        subprocess.run(
            [
                *_as_owner(),
                str(programs / "initdb"),
                "--pgdata",
                str(self._data),
                "--username=streamer",
                "--auth=trust",
                "--encoding=UTF8",
                "--locale=C.UTF-8",
                "--no-sync",
            ],
            check=True,
            stdout=subprocess.DEVNULL,
            cwd="/",
        )

    @property
    def pid(self) -> int:
        """Return the server's process id."""
        assert self._process is not None
        return self._process.pid

    def url(self, name: str) -> str:
        """Return the address of a database of this server."""
        return f"postgresql://streamer@127.0.0.1:{self.port}/{name}"

    def start(self) -> None:
        """Start the server and return when it answers; after a crash, when it has recovered."""
        settings = _SETTINGS | {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": str(self._folder),
        }
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *_as_owner(),
                    "--pdeathsig=QUIT",
                    str(self._programs / "postgres"),
                    "-D",
                    str(self._data),
                    *(f"--{name}={value}" for name, value in settings.items()),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                start_new_session=True,
            )
        until = time.monotonic() + 60
        while not self._answers():
            assert self._process.poll() is None, (self._folder / "log").read_text()[-2000:]
            assert time.monotonic() < until, "PostgreSQL does not come up"
            time.sleep(0.05)

    def stop_immediate(self) -> None:
        """End the server as a crash does (`pg_ctl stop -m immediate`): the next start has to recover."""
        self._end(signal.SIGQUIT)

    def stop(self) -> None:
        """End the server after its sessions have been ended."""
        self._end(signal.SIGINT)

    def create(self, *, template: str = "template1") -> str:
        """Make a database and return its URL."""
        name = f"test{next(self._numbers)}"
        self._sql(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        return self.url(name)

    def emptied(self) -> str:
        """Return the URL of the catalog that tests take turns with, without what the last one has left.

        Emptying tables takes a tenth of the time that a database of one's own does. The tables are there from
        the second time on.
        """
        if self._shared is None:
            self._shared = self.create()
        self._sql(_EMPTY, name=self._shared.rpartition("/")[2])
        return self._shared

    def drop(self, url: str) -> None:
        """Delete a database, whoever is still connected to it."""
        name = url.rpartition("/")[2]
        self._sql(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def _end(self, number: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(number)
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _answers(self) -> bool:
        return not subprocess.run(
            [str(self._programs / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)], check=False
        ).returncode

    def _sql(self, statement: str, *, name: str = "postgres") -> None:
        import psycopg  # noqa: PLC0415 - only these tests need it

        with psycopg.connect(self.url(name), autocommit=True) as connection:
            connection.execute(statement.encode())


def _as_owner() -> list[str]:
    if os.getuid() != 0:
        return ["setpriv"]
    return ["setpriv", f"--reuid={_OWNER}", f"--regid={_OWNER}", "--init-groups"]


@contextlib.contextmanager
def running_postgres() -> Iterator[Postgres]:
    """Run a private server, for tests that stop it; for all others there is the fixture `postgres`."""
    programs = need_postgres()
    folder = Path(tempfile.mkdtemp(prefix="streamer-postgres-"))
    try:
        server = Postgres(programs, folder)
        try:
            server.start()
            yield server
        finally:
            server.stop_immediate()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
