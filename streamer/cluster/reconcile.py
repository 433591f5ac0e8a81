"""Puts right what crashes leave behind: one process at a time, among servers and workers alike."""

from __future__ import annotations

import asyncio
import logging
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Any, Self

import psycopg
from psycopg import AsyncConnection
from psycopg.conninfo import make_conninfo

from streamer.cluster.queue import STALLED_SECONDS, Queue
from streamer.cluster.register import Register
from streamer.cluster.runs import Runs
from streamer.cluster.wire import Wire
from streamer.errors import CatalogAway
from streamer.postgresql import connection_line
from streamer.rows import RunState

EVERY_SECONDS = 2.0
TIDY_SECONDS = 60.0

_SAMPLE = 20
_LOCK = 0x72656373  # any number, the same for all
_log = logging.getLogger(__name__)


class Reconciler:
    """Looks every two seconds, while it leads, whether every open Run has somebody who works on it.

    The rows decide: a Run whose worker is lost, and one that has no job, is queued again, a few times. Use as
    an async context manager.
    """

    def __init__(
        self, url: str, *, queue: Queue, runs: Runs, register: Register, wire: Wire, name: str
    ) -> None:
        self._line = make_conninfo(connection_line(url), application_name="streamer leader")
        self._queue = queue
        self._runs = runs
        self._register = register
        self._wire = wire
        self._name = name
        self._bare: set[str] = set()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._forever(), name="reconcile")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _forever(self) -> None:
        while True:
            try:
                async with AsyncExitStack() as stack:
                    await self._lead(await self._leader(stack))
            except (psycopg.Error, OSError, CatalogAway) as error:
                _log.debug("not leading: %r", error)
            except Exception:  # noqa: BLE001 - whatever it is must not be the end of it
                _log.exception("reconciling failed; trying again")
            await asyncio.sleep(EVERY_SECONDS)

    async def _leader(self, stack: AsyncExitStack) -> AsyncConnection[Any]:
        """Return a connection that holds the leader's lock; it is free again when that ends, however."""
        connection = await stack.enter_async_context(
            await AsyncConnection.connect(self._line, autocommit=True)
        )
        while True:
            found = await connection.execute("SELECT pg_try_advisory_lock(%s)", (_LOCK,))
            if (await found.fetchone() or (False,))[0]:
                _log.info("%s leads", self._name)
                return connection
            await asyncio.sleep(EVERY_SECONDS)

    async def _lead(self, connection: AsyncConnection[Any]) -> None:
        clock = asyncio.get_running_loop().time
        tidied = clock()
        while True:
            await connection.execute("SELECT 1")  # where the connection is gone, so is the lock
            await self.once()
            if clock() > tidied + TIDY_SECONDS:
                tidied = clock()
                await self._queue.tidy()
                await self._register.forget()
                await self._look_for_builds()
            await asyncio.sleep(EVERY_SECONDS)

    async def _look_for_builds(self) -> None:
        """Warn where Runs wait that no worker can execute; the first few say enough."""
        waiting = [one.id for one in await self._runs.open() if one.state is RunState.QUEUED][:_SAMPLE]
        builds = set((await self._runs.builds(waiting)).values())
        if missing := builds - await self._register.builds():
            _log.warning("Runs wait for an encoder that no worker has: %s", ", ".join(sorted(missing)))

    async def once(self) -> None:
        """Look once."""
        await self._take_from_the_lost()
        await self._defer_the_bare()

    async def _take_from_the_lost(self) -> None:
        """Let others have the Runs of workers that are lost, and those that a worker took without knowing."""
        stalled = await self._queue.stalled()
        taken = await self._queue.begun(before_seconds=STALLED_SECONDS)
        if taken:
            seen, _ = await self._runs.look([one.run for one in taken])
            stalled += [one for one in taken if one.run in seen and seen[one.run].state is RunState.QUEUED]
        for one in stalled:
            if await self._runs.lost(one.run):
                _log.warning("run %s lost its worker; it is queued again", one.run)
                await self._queue.again(one)
            else:
                await self._queue.give_up(one)
            self._wire.changed(one.run)

    async def _defer_the_bare(self) -> None:
        """Give a job to every open Run that has had none at two looks: one look may fall between both."""
        open_ = {one.id: one for one in await self._runs.open()}
        bare = open_.keys() - await self._queue.live(open_)
        builds = await self._runs.builds(bare & self._bare)
        again = []
        for run, build in builds.items():
            if await self._runs.lost(run):
                _log.warning("run %s had no job; it is queued again", run)
                again.append((run, build, open_[run].urgency))
            self._wire.changed(run)
        await self._queue.defer(again)
        self._bare = bare - builds.keys()
