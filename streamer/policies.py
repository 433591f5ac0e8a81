"""Who may watch what: the playback policies of assets and streams, held in memory for the origin."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from streamer import schema
from streamer.database import Database
from streamer.errors import CatalogAway
from streamer.rows import PlaybackPolicy

FRESH_SECONDS = 30.0
"""After so long a policy is read again; whoever changes one says so at once with `forget`."""

_KEPT = 16_384


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Whether an asset or a stream is signed; `stream` is the one whose address stands for the asset now."""

    signed: bool
    stream: str | None = None


class PlaybackPolicies:
    """Policies over the database. What is not there is public: there is nothing to watch."""

    def __init__(self, database: Database, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Take the database; `clock` tells seconds that only grow."""
        self._database = database
        self._clock = clock
        self._known: OrderedDict[str, tuple[float, Standing]] = OrderedDict()
        self._reading: dict[str, asyncio.Task[Standing]] = {}
        self._tasks: set[asyncio.Task[Standing]] = set()

    def known(self, identity: str) -> Standing | None:
        """Return how it stands without a wait, None where that has to be read.

        What was read long ago is told once more, and read again meanwhile: media that is at hand is sent
        while the database is away.
        """
        found = self._known.get(identity)
        if found is None:
            return None
        if found[0] <= self._clock():
            self._read(identity)
        return found[1]

    async def of(self, identity: str) -> Standing:
        """Return how an asset or a stream stands. Raise CatalogAway."""
        found = self.known(identity)
        return await asyncio.shield(self._read(identity)) if found is None else found

    def forget(self, identity: str) -> None:
        """Have a policy read again before it is told."""
        self._known.pop(identity, None)
        self._reading.pop(identity, None)  # what that brings may be of before

    async def close(self) -> None:
        """Stop reading."""
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _read(self, identity: str) -> asyncio.Task[Standing]:
        task = self._reading.get(identity)
        if task is None:
            task = asyncio.create_task(self._look(identity), name=f"policy of {identity}")
            self._reading[identity] = task
            self._tasks.add(task)
            task.add_done_callback(lambda done: self._done(identity, done))
        return task

    def _done(self, identity: str, task: asyncio.Task[Standing]) -> None:
        self._tasks.discard(task)
        if self._reading.get(identity) is not task:
            return  # forgotten meanwhile
        del self._reading[identity]
        with suppress(asyncio.CancelledError, CatalogAway):
            self._known[identity] = (self._clock() + FRESH_SECONDS, task.result())
            self._known.move_to_end(identity)
            if len(self._known) > _KEPT:
                self._known.popitem(last=False)

    async def _look(self, identity: str) -> Standing:
        async with self._database.read() as connection:
            return await _asset(connection, identity) or await _stream(connection, identity)


async def _asset(connection: AsyncConnection, identity: str) -> Standing | None:
    asset, stream = schema.asset, schema.stream
    asked = (
        select(asset.c.policy, stream.c.id)
        .join(stream, (stream.c.asset == asset.c.id) & stream.c.deleted.is_(None), isouter=True)
        .where(asset.c.id == identity)
    )
    row = (await connection.execute(asked)).one_or_none()
    if row is None:
        return None
    return Standing(signed=row.policy == PlaybackPolicy.SIGNED, stream=row.id)


async def _stream(connection: AsyncConnection, identity: str) -> Standing:
    table = schema.stream
    asked = select(table.c.settings).where(table.c.id == identity)
    settings = (await connection.execute(asked)).scalar_one_or_none() or {}
    return Standing(signed=settings.get("policy") == PlaybackPolicy.SIGNED)
