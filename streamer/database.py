"""One database: migrated at start, many readers, one writer that commits in groups."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar, cast

from sqlalchemy import CursorResult, Executable
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from streamer.errors import CatalogAway

log = logging.getLogger(__name__)

T = TypeVar("T")
Parameters = Mapping[str, Any] | Sequence[Mapping[str, Any]]

_WAITING = 1024  # writes that may wait before callers are held back
_GROUP = 64  # writes in one commit
_PATIENCE_SECONDS = 30.0  # how long a database that is away is waited for
_PAUSE_SECONDS = 0.1


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


class Backing(Protocol):
    """The kind of database behind: streamer.sqlite or streamer.postgresql."""

    @property
    def readers(self) -> AsyncEngine:
        """Connections that see one state of the database for as long as their transaction lasts."""

    @property
    def writers(self) -> AsyncEngine:
        """The writer's connection."""

    async def began(self, connection: AsyncConnection, mark: int) -> None:
        """Make the writer's transaction, which has just begun, the only one, and leave a mark in it."""

    async def committed(self, connection: AsyncConnection, mark: int) -> bool:
        """Say whether the transaction with the mark was committed, after a connection was lost."""

    def passing(self, error: Exception) -> bool:
        """Say whether an error comes from the database being away, so that trying again may help."""

    def told(self, error: Exception) -> Exception:
        """Return the error to tell the caller of a write."""


@dataclass(slots=True, kw_only=True)
class _Job:
    work: Work[Any]
    done: asyncio.Future[Any]
    transaction: Transaction | None = None
    result: Any = None


class Database:
    """The catalog's database. Every write is one transaction; writes that wait together share one commit.

    Writes are one after the other, over all servers of a database on PostgreSQL too: the order in which they
    are committed is the order in which they were executed.
    """

    def __init__(self, backing: Backing) -> None:
        """Take the kind of database; use `open`."""
        self._backing = backing
        self._jobs: asyncio.Queue[_Job | None] = asyncio.Queue(_WAITING)
        self._writer: asyncio.Task[None] | None = None
        self._closing = False
        self._marks = itertools.count(1)
        self._away_since: float | None = None

    @classmethod
    async def open(cls, place: Path | str) -> Database:
        """Create or migrate the SQLite file, whose folder is made, or the database of a PostgreSQL URL.

        Raise ConfigError for a URL that cannot be used, CatalogAway where nobody answers.
        """
        database = cls(await _backing(place))
        database._writer = asyncio.create_task(database._write_forever(), name="catalog writer")
        return database

    @property
    def shared(self) -> bool:
        """Say whether other servers may be at work on this database."""
        return self._backing.writers.dialect.name == "postgresql"

    async def close(self) -> None:
        """Finish what was accepted, and close. Later writes are refused."""
        if self._closing:
            return
        self._closing = True
        await self._jobs.put(None)
        if self._writer is not None:
            await self._writer
        await self._backing.readers.dispose()
        await self._backing.writers.dispose()

    @contextlib.asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """Give a connection whose reads all see one state of the database. Raise CatalogAway."""
        async with contextlib.AsyncExitStack() as stack:
            connection = await self._connected(stack)
            try:
                async with connection.begin():
                    yield connection
            except Exception as error:
                if self._backing.passing(error):
                    raise CatalogAway("The catalog's database went away; try again in a moment.") from error
                raise

    async def write(self, work: Work[T]) -> T:
        """Run the work in a transaction and return its result once it is durable.

        Raise CatalogFull, CatalogUnwritable, CatalogAway.

        The work may be run a second time, after a rollback, so it must change nothing but the database.
        Cancelling the caller never tears a transaction: it is either not begun or completed.
        """
        if self._closing:
            raise RuntimeError("the database is closed")
        job = _Job(work=work, done=asyncio.get_running_loop().create_future())
        await self._jobs.put(job)
        return cast("T", await job.done)

    async def _connected(self, stack: contextlib.AsyncExitStack) -> AsyncConnection:
        while True:
            try:
                connection = await stack.enter_async_context(self._backing.readers.connect())
            except Exception as error:  # noqa: BLE001 - raised again by what follows unless it may pass
                await self._wait_for(error)
            else:
                self._away_since = None
                return connection

    async def _wait_for(self, error: Exception) -> None:
        """Pause where the error may pass; raise it where not, CatalogAway where it has lasted too long."""
        if not self._backing.passing(error):
            raise error
        now = asyncio.get_running_loop().time()
        if self._away_since is None:
            self._away_since = now
        if now - self._away_since > _PATIENCE_SECONDS:
            raise CatalogAway("The catalog's database cannot be reached.") from error
        await asyncio.sleep(_PAUSE_SECONDS)

    async def _write_forever(self) -> None:
        async with contextlib.AsyncExitStack() as stack:
            connection: AsyncConnection | None = None
            while (job := await self._jobs.get()) is not None:
                group, last = self._group(job)
                try:
                    if connection is None:
                        connection = await stack.enter_async_context(self._backing.writers.connect())
                except Exception as error:  # noqa: BLE001 - it belongs to the callers, who get it
                    for one in group:
                        _refuse(one, self._backing.told(error))
                else:
                    await self._commit(connection, group)
                if last:
                    return

    def _group(self, job: _Job) -> tuple[list[_Job], bool]:
        """Return the writes that wait by now, and whether they are the last ones."""
        group = [job]
        while len(group) < _GROUP and not self._jobs.empty():
            following = self._jobs.get_nowait()
            if following is None:
                return group, True
            group.append(following)
        return group, False

    async def _commit(self, connection: AsyncConnection, group: list[_Job]) -> None:
        alive = [job for job in group if not job.done.done()]
        try:
            await self._transact(connection, alive)
        except Exception as error:  # noqa: BLE001 - it belongs to the callers, who get it
            if len(alive) == 1 or isinstance(error, CatalogAway):
                for job in alive:
                    _refuse(job, self._backing.told(error))
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

    async def _transact(self, connection: AsyncConnection, group: list[_Job]) -> None:
        """Run the group in one transaction, again where the database was away, and exactly once."""
        doubtful = 0
        while True:
            try:
                # A connection that is lost at the commit does not tell whether that was done.
                if doubtful and await self._backing.committed(connection, doubtful):
                    break
                doubtful = next(self._marks)
                async with connection.begin():
                    await self._backing.began(connection, doubtful)
                    for job in group:
                        job.transaction = Transaction(connection)
                        job.result = await job.work(job.transaction)
                break
            except Exception as error:  # noqa: BLE001 - raised again by what follows unless it may pass
                await self._wait_for(error)
        self._away_since = None


async def _backing(place: Path | str) -> Backing:
    if isinstance(place, Path):
        from streamer import sqlite  # noqa: PLC0415 - only the kind in use is imported

        return await sqlite.open_file(place)
    from streamer import postgresql  # noqa: PLC0415 - its driver is an extra

    return await postgresql.open_url(place)


def _refuse(job: _Job, error: Exception) -> None:
    if not job.done.done():
        job.done.set_exception(error)
