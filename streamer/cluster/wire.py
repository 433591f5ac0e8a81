"""Hints between workers and farms: "look at this Run". What is lost of them is found by polling."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

import psycopg
from psycopg import AsyncConnection
from psycopg.conninfo import make_conninfo

from packager.facts import RunProgress
from streamer.postgresql import connection_line

_CHANNEL = "streamer_run"
_BATCH_SECONDS = 0.01
_PAUSE_SECONDS = 0.25
_MOST = 100  # hints in one notification, which may hold 8000 bytes
_log = logging.getLogger(__name__)

Heard = Callable[[str, RunProgress | None], None]
"""Takes the id of a Run that has changed, and how far it is where only that has."""


class Wire:
    """One connection that tells and, where there is a `heard`, listens. Use as an async context manager.

    Nothing here fails: without the database there are no hints.
    """

    def __init__(self, url: str, *, heard: Heard | None = None) -> None:
        self._line = make_conninfo(connection_line(url), application_name="streamer hints")
        self._heard = heard
        self._waiting: dict[str, list[int] | None] = {}
        self._told = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        self._tasks.append(asyncio.create_task(self._forever(self._tell), name="hints out"))
        if self._heard is not None:
            self._tasks.append(asyncio.create_task(self._forever(self._listen), name="hints in"))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def changed(self, run: str) -> None:
        """Tell that a Run's row or its segments have changed."""
        self._waiting[run] = None
        self._told.set()

    def progress(self, fact: RunProgress) -> None:
        """Tell how far a Run is."""
        if self._waiting.setdefault(fact.run, []) is not None:
            self._waiting[fact.run] = [fact.frames, fact.total, fact.rate]
            self._told.set()

    async def _forever(self, work: Callable[[AsyncConnection[Any]], Any]) -> None:
        while True:
            try:
                async with await AsyncConnection.connect(self._line, autocommit=True) as connection:
                    await work(connection)
            except (psycopg.Error, OSError) as error:
                _log.debug("no hints for now: %r", error)
            await asyncio.sleep(_PAUSE_SECONDS)

    async def _tell(self, connection: AsyncConnection[Any]) -> None:
        while True:
            await self._told.wait()
            await asyncio.sleep(_BATCH_SECONDS)
            self._told.clear()
            while self._waiting:
                batch = [self._waiting.popitem() for _ in range(min(_MOST, len(self._waiting)))]
                await connection.execute("SELECT pg_notify(%s, %s)", (_CHANNEL, json.dumps(batch)))

    async def _listen(self, connection: AsyncConnection[Any]) -> None:
        await connection.execute(f"LISTEN {_CHANNEL}")
        async for notification in connection.notifies():
            for run, progress in json.loads(notification.payload):
                self._hear(run, progress)

    def _hear(self, run: str, progress: list[int] | None) -> None:
        if self._heard is None:
            return
        if progress is None:
            self._heard(run, None)
        else:
            frames, total, rate = progress
            self._heard(run, RunProgress(run=run, frames=frames, total=total, rate=rate))
