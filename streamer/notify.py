"""The Bus on PostgreSQL: NOTIFY in batches, from one connection of each server."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import psycopg

from streamer.bus import Heard
from streamer.postgresql import connection_line
from streamer.rows import new_id

_CHANNEL = "streamer"
_BATCH_SECONDS = 0.01
_AGAIN_SECONDS = 0.5
_PAYLOAD = 7_000  # bytes; PostgreSQL takes 8,000
_WAITING = 10_000
_log = logging.getLogger(__name__)

Wakeup = tuple[str, str, Any]
"""Topic, key and value."""


class NotifyBus:
    """Wake-ups through LISTEN and NOTIFY.

    PostgreSQL lets transactions that notify commit one at a time, over the whole cluster of databases. So no
    transaction of the catalog does; each server sends what has gathered in 10 ms, with one statement.
    """

    shared = True

    def __init__(self, url: str) -> None:
        """Take the database's URL; use `open_bus`."""
        self._line = connection_line(url)
        self._me = new_id()
        self._heard: dict[str, list[Heard]] = {}
        self._regained: list[Callable[[], None]] = []
        self._waiting: dict[tuple[str, str], Any] = {}
        self._some = asyncio.Event()

    def tell(self, topic: str, key: str, value: Any = None) -> None:
        """Send with the next batch, in place of what waits under the same topic and key."""
        if len(self._waiting) >= _WAITING:  # nothing has been sent for long; the others look by themselves
            del self._waiting[next(iter(self._waiting))]
        self._waiting[topic, key] = value
        self._some.set()

    def hear(self, topic: str, heard: Heard) -> None:
        """Call `heard` for every wake-up of a topic that another server sends."""
        self._heard.setdefault(topic, []).append(heard)

    def regained(self, call: Callable[[], None]) -> None:
        """Call whenever the connection was lost and is there again."""
        self._regained.append(call)

    async def send(self) -> None:
        """Send for ever."""
        await self._insist(self._send)

    async def listen(self, ready: asyncio.Event) -> None:
        """Listen for ever; set `ready` once nothing more is missed."""

        async def once(connection: psycopg.AsyncConnection[Any]) -> None:
            await connection.execute(f"LISTEN {_CHANNEL}".encode())
            if ready.is_set():
                for call in self._regained:
                    call()
            ready.set()
            async for note in connection.notifies():
                self._take(note.payload)

        await self._insist(once)

    async def _insist(self, once: Callable[[psycopg.AsyncConnection[Any]], Any]) -> None:
        while True:
            try:
                async with await psycopg.AsyncConnection.connect(self._line, autocommit=True) as connection:
                    await once(connection)
            except psycopg.Error as error:
                _log.warning("the bus has lost its connection: %s", str(error).strip())
            await asyncio.sleep(_AGAIN_SECONDS)

    async def _send(self, connection: psycopg.AsyncConnection[Any]) -> None:
        while True:
            await self._some.wait()
            self._some.clear()
            batch, self._waiting = self._waiting, {}
            try:
                await connection.execute(
                    "SELECT pg_notify(%s, payload) FROM unnest(%s::text[]) AS payload",
                    (_CHANNEL, payloads(self._me, [(*name, value) for name, value in batch.items()])),
                )
            except BaseException:
                self._waiting = batch | self._waiting
                self._some.set()
                raise
            await asyncio.sleep(_BATCH_SECONDS)

    def _take(self, payload: str) -> None:
        sender, wakeups = json.loads(payload)
        if sender == self._me:
            return
        for topic, key, value in wakeups:
            for heard in self._heard.get(topic, ()):
                try:
                    heard(key, value)
                except Exception:  # noqa: BLE001 - it must not keep others from hearing
                    _log.exception("a wake-up about %s could not be taken", topic)


def payloads(sender: str, wakeups: list[Wakeup]) -> list[str]:
    """Return notifications that carry the wake-ups; one too large by itself is left out."""
    full: list[str] = []
    held: list[str] = []
    size = 0
    for wakeup in wakeups:
        text = json.dumps(wakeup, separators=(",", ":"))  # ASCII: characters are bytes
        if len(text) > _PAYLOAD:
            continue
        if held and size + len(text) > _PAYLOAD:
            full.append(_payload(sender, held))
            held, size = [], 0
        held.append(text)
        size += len(text) + 1
    return [*full, _payload(sender, held)] if held else full


def _payload(sender: str, held: list[str]) -> str:
    return f"[{json.dumps(sender)},[{','.join(held)}]]"


@asynccontextmanager
async def open_bus(url: str) -> AsyncIterator[NotifyBus]:
    """Join the servers of a database; the Bus listens when this is entered."""
    bus = NotifyBus(url)
    ready = asyncio.Event()
    tasks = [
        asyncio.create_task(bus.listen(ready), name="bus listener"),
        asyncio.create_task(bus.send(), name="bus sender"),
    ]
    try:
        await ready.wait()
        yield bus
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
