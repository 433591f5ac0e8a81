"""One database: migrated at start, many readers, one writer that commits in groups."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

from alembic import command
from alembic.config import Config as AlembicConfig
from sqlalchemy import CursorResult, Executable, create_engine, event
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from streamer.errors import CatalogFull, CatalogUnwritable

log = logging.getLogger(__name__)

T = TypeVar("T")
Parameters = Mapping[str, Any] | Sequence[Mapping[str, Any]]

_WAITING = 1024  # writes that may wait before callers are held back
_GROUP = 64  # writes in one commit
_BUSY_MS = 10_000


class Transaction:
    """A write in progress. What `after` is given runs when the commit is on disk, in order."""

    def __init__(self, connection: AsyncConnection) -> None:
        """Wrap the writer's connection."""
        self.connection = connection
        self._after: list[Callable[[], None]] = []

    async def execute(self, statement: Executable, parameters: Parameters | None = None) -> CursorResult[Any]:
        """Execute one statement."""
        return cast("CursorResult[Any]", await self.connection.execute(statement, parameters))

    def after(self, callback: Callable[[], None]) -> None:
        """Call back once the commit is durable; never if the write fails."""
        self._after.append(callback)

    def committed(self) -> None:
        """Run the callbacks; for the writer alone. What is committed stays so, whatever they do."""
        for callback in self._after:
            try:
                callback()
            except Exception:
                log.exception("a callback after a commit failed")


Work = Callable[[Transaction], Awaitable[T]]


@dataclass(slots=True, kw_only=True)
class _Job:
    work: Work[Any]
    done: asyncio.Future[Any]
    transaction: Transaction | None = None
    result: Any = None


class Database:
    """The catalog's database. Every write is one transaction; writes that wait together share one commit."""

    def __init__(self, *, readers: AsyncEngine, writers: AsyncEngine) -> None:
        """Take the engines; use `open`."""
        self._readers = readers
        self._writers = writers
        self._jobs: asyncio.Queue[_Job | None] = asyncio.Queue(_WAITING)
        self._writer: asyncio.Task[None] | None = None
        self._closing = False

    @classmethod
    async def open(cls, file: Path) -> Database:
        """Create or migrate the SQLite file, whose folder is made, and start the writer."""
        await asyncio.get_running_loop().run_in_executor(None, _migrate, file)
        database = cls(
            readers=_engine(file, begin="BEGIN", pool=4),
            writers=_engine(file, begin="BEGIN IMMEDIATE", pool=1),
        )
        database._writer = asyncio.create_task(database._write_forever(), name="catalog writer")
        return database

    async def close(self) -> None:
        """Finish what was accepted, and close. Later writes are refused."""
        if self._closing:
            return
        self._closing = True
        await self._jobs.put(None)
        if self._writer is not None:
            await self._writer
        await self._readers.dispose()
        await self._writers.dispose()

    @contextlib.asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """Give a connection whose reads all see one state of the database."""
        async with self._readers.connect() as connection, connection.begin():
            yield connection

    async def write(self, work: Work[T]) -> T:
        """Run the work in a transaction and return its result once it is durable.

        Raise CatalogFull, CatalogUnwritable.

        The work may be run a second time, after a rollback, so it must change nothing but the database.
        Cancelling the caller never tears a transaction: it is either not begun or completed.
        """
        if self._closing:
            raise RuntimeError("the database is closed")
        job = _Job(work=work, done=asyncio.get_running_loop().create_future())
        await self._jobs.put(job)
        return cast("T", await job.done)

    async def _write_forever(self) -> None:
        async with self._writers.connect() as connection:
            while (job := await self._jobs.get()) is not None:
                group = [job]
                last = False
                while len(group) < _GROUP and not self._jobs.empty():
                    following = self._jobs.get_nowait()
                    if following is None:
                        last = True
                        break
                    group.append(following)
                await self._commit(connection, group)
                if last:
                    return

    async def _commit(self, connection: AsyncConnection, group: list[_Job]) -> None:
        alive = [job for job in group if not job.done.done()]
        try:
            async with connection.begin():
                for job in alive:
                    job.transaction = Transaction(connection)
                    job.result = await job.work(job.transaction)
        except Exception as error:  # noqa: BLE001 - it belongs to the callers, who get it
            if len(alive) == 1:
                _refuse(alive[0], error)
                return
            # One of them failed and took the others along: each gets a transaction of its own. That is
            # cheaper than a savepoint around every write for the sake of the few that fail.
            for job in alive:
                await self._commit(connection, [job])
            return
        for job in alive:
            if job.transaction is not None:
                job.transaction.committed()
            if not job.done.done():
                job.done.set_result(job.result)


def _refuse(job: _Job, error: Exception) -> None:
    if job.done.done():
        return
    if isinstance(error, OperationalError) and "full" in str(error.orig):
        error = CatalogFull("The disk of the catalog is full; nothing was changed.")
    elif isinstance(error, OperationalError) and "disk I/O" in str(error.orig):
        error = CatalogUnwritable("The disk of the catalog cannot be written; nothing was changed.")
    job.done.set_exception(error)


def _engine(file: Path, *, begin: str, pool: int) -> AsyncEngine:
    engine = create_async_engine(f"sqlite+aiosqlite:///{file}", pool_size=pool, max_overflow=0)

    def connected(raw: Any, _record: Any) -> None:
        # The driver's own transaction handling would begin late and never immediate.
        raw.isolation_level = None
        cursor = raw.cursor()
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
            f"busy_timeout={_BUSY_MS}",
            "temp_store=MEMORY",
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    def began(connection: Any) -> None:
        connection.exec_driver_sql(begin)

    event.listen(engine.sync_engine, "connect", connected)
    event.listen(engine.sync_engine, "begin", began)
    return engine


def _migrate(file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(f"sqlite:///{file}")
    settings = AlembicConfig()
    settings.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    settings.set_main_option("path_separator", "os")
    try:
        with engine.begin() as connection:
            settings.attributes["connection"] = connection
            command.upgrade(settings, "head")
    finally:
        engine.dispose()
