"""Which workers there are: each keeps a row of its own fresh."""

from __future__ import annotations

import asyncio
import logging
import re
import secrets
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import ColumnElement, delete, func, insert, select, update

from streamer import __version__, schema
from streamer.cluster.queue import BEAT_SECONDS, STALLED_SECONDS
from streamer.database import Database
from streamer.errors import CatalogAway
from streamer.rows import Clock, wall_clock

_KEPT_SECONDS = 3600  # how long one can see of a worker that it is gone
_log = logging.getLogger(__name__)


class WorkerState(StrEnum):
    """Whether a worker takes Runs, finishes what it has, or has ended; a lost one still says working."""

    WORKING = "working"
    DRAINING = "draining"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """A process that executes Runs: `slots` at a time, and `urgent` more for what a viewer waits for."""

    name: str
    slots: int
    urgent: int
    encoder: str


def worker_name(given: str | None = None) -> str:
    """Return a name for this life of a worker: what was given or the host's, and a random end."""
    base = re.sub(r"[^A-Za-z0-9._-]", "-", given or socket.gethostname())[:50]
    return f"{base}-{secrets.token_hex(3)}"


class Register:
    """The worker rows of a database."""

    def __init__(self, database: Database, *, clock: Clock = wall_clock) -> None:
        self._database = database
        self._clock = clock

    @asynccontextmanager
    async def joined(self, worker: Worker) -> AsyncIterator[None]:
        """Show the worker for as long as the block runs."""
        now = self._clock()
        row = {
            "name": worker.name,
            "slots": worker.slots,
            "urgent": worker.urgent,
            "encoder": worker.encoder,
            "version": __version__,
            "state": str(WorkerState.WORKING),
            "started": now,
            "seen": now,
        }
        await self._database.write(lambda transaction: transaction.execute(insert(schema.worker).values(row)))
        beating = asyncio.create_task(self._beat(worker.name), name="worker heartbeat")
        try:
            yield
        finally:
            beating.cancel()
            await asyncio.gather(beating, return_exceptions=True)
            await self._note(worker.name, state=WorkerState.STOPPED)

    async def draining(self, name: str) -> None:
        """Say of a worker that it takes nothing more."""
        await self._note(name, state=WorkerState.DRAINING)

    async def slots(self) -> int:
        """Return how many ordinary slots there are in all."""
        table = schema.worker
        asked = select(func.coalesce(func.sum(table.c.slots), 0)).where(self._alive())
        async with self._database.read() as connection:
            return int((await connection.execute(asked)).scalar_one())

    async def builds(self) -> set[str]:
        """Return the encoder builds for which there is a worker."""
        asked = select(schema.worker.c.encoder).where(self._alive()).distinct()
        async with self._database.read() as connection:
            return set((await connection.execute(asked)).scalars())

    async def forget(self) -> None:
        """Delete the rows of workers that have been gone for an hour."""
        table = schema.worker
        gone = table.c.seen < self._clock() - _KEPT_SECONDS * 1000
        await self._database.write(lambda transaction: transaction.execute(delete(table).where(gone)))

    def _alive(self) -> ColumnElement[bool]:
        table = schema.worker
        since = self._clock() - int(STALLED_SECONDS * 1000)
        return (table.c.state == str(WorkerState.WORKING)) & (table.c.seen >= since)

    async def _beat(self, name: str) -> None:
        while True:
            await asyncio.sleep(BEAT_SECONDS)
            try:
                await self._note(name)
            except CatalogAway:
                _log.warning("the catalog is away; running encodes go on")

    async def _note(self, name: str, *, state: WorkerState | None = None) -> None:
        table = schema.worker
        values: dict[str, object] = {"seen": self._clock()}
        if state is not None:
            values["state"] = str(state)
        await self._database.write(
            lambda transaction: transaction.execute(update(table).where(table.c.name == name).values(values))
        )
