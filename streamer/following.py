"""Following: keeps channel logs up to date with what other servers of the same database write."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

from sqlalchemy import Row, select
from sqlalchemy.ext.asyncio import AsyncConnection

from streamer import schema
from streamer.database import Database
from streamer.errors import CatalogAway
from streamer.events import Event, stamp
from streamer.retention import Retention
from streamer.subscription import Log

POLL_SECONDS = 1.5
"""How long an event of another server may go unseen where its wake-up was lost."""

_log = logging.getLogger(__name__)


class Following:
    """Brings logs up to what is in the database. `ended` is told of a log whose channel is gone.

    Offsets are committed in their order, so whatever lies behind a log's last event can be read at once, and
    nothing comes in between later.
    """

    def __init__(
        self,
        database: Database,
        logs: Mapping[str, Log],
        *,
        ended: Callable[[Log], None],
        retention: Retention,
    ) -> None:
        """Take the database, the logs in memory, and how far back these reach."""
        self._retention = retention
        self._database = database
        self._logs = logs
        self._ended = ended
        self._known: dict[str, int] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def show(self, log: Log, events: list[Event]) -> None:
        """Append events that this server has committed, unless another one's before them are missing."""
        first, last = events[0].offset or 0, events[-1].offset or 0
        if log.loaded and first <= log.last + 1:
            log.append(events)
        else:
            self.behind(log.name, last)

    def behind(self, channel: str, last: int) -> None:
        """Take note that a channel reaches up to `last`, and fetch what the log in memory lacks."""
        log = self._logs.get(channel)
        if log is None or (log.loaded and log.last >= last):
            return
        self._known[channel] = max(last, self._known.get(channel, 0))
        if channel not in self._tasks:
            self._tasks[channel] = asyncio.create_task(self._fetch(log), name=f"follow {channel}")

    async def _fetch(self, log: Log) -> None:
        try:
            async with log.loading:
                before = -1
                while log.loaded and before < log.last < self._known[log.name]:
                    before = log.last
                    await self.catch_up(log)
        except CatalogAway:
            _log.debug("channel %s is behind: the database is away", log.name)
        except Exception:  # noqa: BLE001 - the next look tries again
            _log.exception("channel %s could not be followed", log.name)
        finally:  # not in a callback: whoever calls `behind` from here on gets a task of its own
            del self._tasks[log.name], self._known[log.name]

    async def catch_up(self, log: Log) -> None:
        """Bring a loaded log up to the database; for whoever holds `log.loading`."""
        log.reads += 1
        async with self._database.read() as connection:
            row = (
                await connection.execute(select(schema.channel).where(schema.channel.c.name == log.name))
            ).one_or_none()
            if row is None or row.epoch != log.epoch:
                self._ended(log)
                return
            if row.last <= log.last:
                return
            events = await stored(connection, row, after=max(log.last, row.last - self._retention.events))
        if events and (events[0].offset or 0) > log.last + 1:
            log.skip(events)
        else:
            log.append(events)

    async def forever(self) -> None:
        """Look at all logs now and then, for wake-ups that were lost; until cancelled."""
        try:
            while True:
                await asyncio.sleep(POLL_SECONDS)
                try:
                    await self.look()
                except CatalogAway:
                    _log.debug("channels cannot be followed: the database is away")
                except Exception:  # noqa: BLE001 - a look that fails must not be the last
                    _log.exception("channels could not be followed; trying again")
        finally:
            for task in list(self._tasks.values()):
                task.cancel()
            await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def look(self) -> None:
        """Look once how far every channel has come."""
        logs = {name: log for name, log in self._logs.items() if log.loaded}
        if not logs:
            return
        table = schema.channel
        async with self._database.read() as connection:
            rows = (await connection.execute(select(table).where(table.c.name.in_(logs)))).all()
        for row in rows:
            if row.epoch == logs[row.name].epoch:
                self.behind(row.name, row.last)
        there = {row.name for row in rows if row.epoch == logs[row.name].epoch}
        for name, log in logs.items():
            if name not in there and self._logs.get(name) is log:
                self._ended(log)


async def stored(connection: AsyncConnection, channel: Row[Any], *, after: int) -> list[Event]:
    """Return the events of a channel's row behind an offset."""
    table = schema.event
    rows = await connection.execute(
        select(table).where(table.c.channel == channel.name, table.c.offset > after).order_by(table.c.offset)
    )
    return [_event(channel.epoch, row) for row in rows]


def _event(epoch: str, row: Row[Any]) -> Event:
    media = None if row.media_time is None else Fraction(row.media_time)
    return stamp(row.channel, epoch, row.offset, type_=row.type, time=row.time, media=media, data=row.data)
