"""Channels: bounded, resumable event logs. A numbered event is durable before anybody sees it."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

from sqlalchemy import delete, insert, or_, select, update

from streamer import schema
from streamer.bus import Alone, Bus
from streamer.database import Database, Transaction
from streamer.errors import NoSuchChannel
from streamer.events import Event, Hint, stamp
from streamer.following import Following, stored
from streamer.gather import insert_new
from streamer.retention import Retention
from streamer.rows import Clock, new_id, wall_clock
from streamer.subscription import Log, Subscription
from streamer.vocabulary.assets import AssetDeleted
from streamer.vocabulary.live import StreamDeleted
from streamer.webhooks.outbox import Outbox, awaited

ASSETS = "assets"  # the channel of the library as a whole

_TRIM_EVERY = 64  # rows above that before they are deleted
_IDLE_LOGS = 256  # logs kept in memory that nobody listens to
_HINTS = 256  # hints a channel remembers
_HINTED = 4096  # channels whose hints are remembered
_ADVANCED = "channel"  # topic of the bus: a channel's name, and its last offset, None at its end
_HINTED_AT = "hint"


def of_asset(asset: str) -> str:
    """Return the name of an asset's channel."""
    return f"asset:{asset}"


def of_stream(stream: str) -> str:
    """Return the name of a live stream's channel."""
    return f"stream:{stream}"


class Channels:
    """Every channel over the catalog's database.

    Where other servers share it, run `follow` as a task: their events and hints are seen here too.
    """

    def __init__(
        self,
        database: Database,
        *,
        bus: Bus | None = None,
        retention: Retention | None = None,
        clock: Clock = wall_clock,
    ) -> None:
        """Take the database; logs are read from it when somebody listens."""
        self._database = database
        self._retention = retention or Retention()
        self._clock = clock
        self._bus: Bus = bus or Alone()
        self.outbox = Outbox(self._bus)
        self._logs: OrderedDict[str, Log] = OrderedDict()
        self._hints: OrderedDict[str, dict[tuple[str, str], Hint]] = OrderedDict()
        self._following = Following(database, self._logs, ended=self._end, retention=self._retention)
        self._bus.hear(_ADVANCED, self._advanced)
        self._bus.hear(_HINTED_AT, self._hinted)

    async def follow(self) -> None:
        """Follow what other servers write, until cancelled."""
        await self._following.forever()

    async def publish(
        self, channel: str, type_: str, data: Any, *, media_time: Fraction | None = None
    ) -> int:
        """Append an event to the channel, which is made if need be; return its offset once it is durable."""

        async def work(transaction: Transaction) -> int:
            await self.stage_open(transaction, channel)
            return await self.stage(transaction, channel, type_, data, media_time=media_time)

        return await self._database.write(work)

    async def stage_event(
        self,
        transaction: Transaction,
        channel: str,
        type_: str,
        data: Any,
        *,
        media_time: Fraction | None = None,
    ) -> Event:
        """Append an event as `stage` does, and return it. Raise NoSuchChannel."""
        events = await self._append(transaction, channel, type_, [data], media_time=media_time)
        if not events:
            raise NoSuchChannel(channel)
        return events[0]

    async def stage(
        self,
        transaction: Transaction,
        channel: str,
        type_: str,
        data: Any,
        *,
        media_time: Fraction | None = None,
    ) -> int:
        """Append an event within a transaction; it is seen when that commits. Return its offset.

        Where there is no such channel, as of a deleted asset, nothing happens and the offset is 0.
        """
        return await self.stage_all(transaction, channel, type_, [data], media_time=media_time)

    async def stage_all(
        self,
        transaction: Transaction,
        channel: str,
        type_: str,
        told: Sequence[Any],
        *,
        media_time: Fraction | None = None,
    ) -> int:
        """Append one event for each of `told`, as `stage` does for one; return the offset of the last."""
        events = await self._append(transaction, channel, type_, told, media_time=media_time)
        return events[-1].offset or 0 if events else 0

    async def _append(
        self,
        transaction: Transaction,
        channel: str,
        type_: str,
        told: Sequence[Any],
        *,
        media_time: Fraction | None,
    ) -> list[Event]:
        table = schema.channel
        advanced = await transaction.execute(
            update(table)
            .where(table.c.name == channel)
            .values(last=table.c.last + len(told))
            .returning(table.c.epoch, table.c.last, awaited().label("awaited"))
        )
        row = advanced.one_or_none()
        if row is None or not told:
            return []
        time = self._clock()
        media = None if media_time is None else str(media_time)
        first = row.last - len(told) + 1
        same = {"channel": channel, "type": str(type_), "time": time, "media_time": media}
        await transaction.execute(
            insert(schema.event),
            [{**same, "offset": at, "data": data} for at, data in enumerate(told, first)],
        )
        if row.last // _TRIM_EVERY != (first - 1) // _TRIM_EVERY:
            await self._trim(transaction, channel, row.last)
        events = [
            stamp(channel, row.epoch, at, type_=type_, time=time, media=media_time, data=data)
            for at, data in enumerate(told, first)
        ]
        if row.awaited:
            await self.outbox.stage(transaction, events)
        offset: int = row.last
        transaction.after(lambda: self._show(events))
        transaction.after(lambda: self._bus.tell(_ADVANCED, channel, offset))
        return events

    async def _trim(self, transaction: Transaction, channel: str, last: int) -> None:
        """Delete what the log does not reach back to any more."""
        table = schema.event
        gone = or_(
            table.c.offset <= last - self._retention.events,
            table.c.time < self._retention.oldest(self._clock()),
        )
        await transaction.execute(delete(table).where(table.c.channel == channel, gone))

    async def stage_open(self, transaction: Transaction, channel: str) -> None:
        """Make the channel within a transaction unless it is there."""
        await transaction.execute(
            insert_new(transaction.connection, schema.channel).values(name=channel, epoch=new_id(), last=0)
        )

    async def stage_end(self, transaction: Transaction, channel: str) -> None:
        """Delete the channel within a transaction; who listens now still gets what was staged before."""
        await transaction.execute(delete(schema.event).where(schema.event.c.channel == channel))
        await transaction.execute(delete(schema.channel).where(schema.channel.c.name == channel))
        transaction.after(lambda: self._forget(channel))
        transaction.after(lambda: self._bus.tell(_ADVANCED, channel))

    def hint(self, channel: str, type_: str, data: Any, *, key: str = "") -> None:
        """Tell the latest value of something under (type, key); None forgets it. It is never stored."""
        self._hint(channel, type_, data, key=key)
        self._bus.tell(_HINTED_AT, json.dumps([channel, type_, key]), data)

    def hint_here(self, channel: str, type_: str, data: Any, *, key: str = "") -> None:
        """Tell a value as `hint` does, but to nobody who listens on another server."""
        self._hint(channel, type_, data, key=key)

    def _hinted(self, name: str, data: Any) -> None:
        channel, type_, key = json.loads(name)
        self._hint(channel, type_, data, key=key)

    def _hint(self, channel: str, type_: str, data: Any, *, key: str) -> None:
        if data is None:
            self._hints.get(channel, {}).pop((type_, key), None)
            return
        hints = self._hints.setdefault(channel, {})
        self._hints.move_to_end(channel)
        if len(self._hints) > _HINTED:
            self._hints.popitem(last=False)
        hints.pop((type_, key), None)
        hints[type_, key] = hint = Hint(type=type_, key=key, data=data, time=self._clock())
        if len(hints) > _HINTS:
            del hints[next(iter(hints))]
        log = self._logs.get(channel)
        if log is None or not log.listeners:
            return
        event = _hint_event(log, hint)
        for listener in log.listeners:
            listener.hint((type_, key), event)

    def hints(self, channel: str) -> list[Hint]:
        """Return the latest hints of a channel, oldest first: a part of its snapshot."""
        return list(self._hints.get(channel, {}).values())

    async def subscribe(
        self,
        channel: str,
        *,
        epoch: str | None = None,
        offset: int | None = None,
        hinted: int = 0,
        wake: Callable[[], None] | None = None,
    ) -> Subscription:
        """Listen from (epoch, offset) on where the log still reaches there, else from now on.

        `recovered` of the result tells which; where it is False, take a snapshot after this call: it may
        already hold what the first events repeat, and misses nothing. Hints that are not newer than the time
        `hinted` are left out. Raise NoSuchChannel.
        """
        log = await self._log(channel)
        log.age(self._clock())
        recovered = epoch == log.epoch and offset is not None and log.first - 1 <= offset <= log.last
        place = offset if recovered and offset is not None else log.last
        subscription = Subscription(log, offset=place, recovered=recovered, wake=wake)
        for hint in self.hints(channel):
            if hint.time > hinted:
                subscription.hint((hint.type, hint.key), _hint_event(log, hint))
        if subscription.offset < log.last:
            subscription.wake()
        return subscription

    async def _log(self, channel: str) -> Log:
        log = self._logs.get(channel)
        if log is None:
            self._evict()
            log = self._logs[channel] = Log(channel, self._retention)
        self._logs.move_to_end(channel)
        log.pending += 1
        reads = log.reads
        try:
            async with log.loading:
                if not log.loaded:
                    await self._load(log)
                elif self._bus.shared and log.reads == reads:
                    # Who comes from another server may have seen more there; one look is enough for all who
                    # have waited for it to begin.
                    await self._following.catch_up(log)
            if self._logs.get(channel) is not log:  # it had ended; there may be another of that name
                return await self._log(channel)
        finally:
            log.pending -= 1
            if not log.loaded and not log.pending and self._logs.get(channel) is log:
                del self._logs[channel]
        return log

    async def _load(self, log: Log) -> None:
        log.reads += 1
        async with self._database.read() as connection:
            row = (
                await connection.execute(select(schema.channel).where(schema.channel.c.name == log.name))
            ).one_or_none()
            if row is None:
                raise NoSuchChannel(log.name)
            log.load(
                row.epoch, row.last, await stored(connection, row, after=row.last - self._retention.events)
            )

    def _show(self, events: list[Event]) -> None:
        log = self._logs.get(events[0].channel)
        if log is not None and self._bus.shared:
            self._following.show(log, events)
        elif log is not None:
            log.append(events)

    def _advanced(self, channel: str, last: int | None) -> None:
        log = self._logs.get(channel)
        if last is not None:
            self._following.behind(channel, last)
        elif log is not None and log.loaded:
            self._end(log)

    def _end(self, log: Log) -> None:
        """End a channel that another server has deleted; what its last event says is in no row any more."""
        kind, _, identity = log.name.partition(":")
        event = stamp(
            log.name,
            log.epoch,
            log.last + 1,
            type_=StreamDeleted.type if kind == "stream" else AssetDeleted.type,
            time=self._clock(),
            media=None,
            data={"id": identity},
        )
        log.append([event])
        self._forget(log.name)

    def _forget(self, channel: str) -> None:
        self._logs.pop(channel, None)
        self._hints.pop(channel, None)

    def _evict(self) -> None:
        idle = [name for name, log in self._logs.items() if not log.listeners and not log.pending]
        for name in idle[: max(0, len(idle) - _IDLE_LOGS)]:
            del self._logs[name]


def _hint_event(log: Log, hint: Hint) -> Event:
    return stamp(log.name, log.epoch, None, type_=hint.type, time=hint.time, media=None, data=hint.data)
