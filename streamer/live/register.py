"""The register of live streams: what they are called, what was set, and the hashes of their keys."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from typing import Any

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from streamer import schema
from streamer.channel import Channels, of_stream
from streamer.cursors import behind, cursor_of
from streamer.database import Database, Transaction
from streamer.errors import NoSuchStream, WrongState
from streamer.live.streams import Page, Settings, Stream, asked, show, stored, stream_row
from streamer.rows import Clock, StreamState, new_id, wall_clock
from streamer.vocabulary.live import StreamChanged, StreamDeleted

PAGE_MAX = 100

_KEY_MAX = 200  # characters: longer ones are not hashed at all


class Register:
    """Streams over the database. Every change and the event that tells of it are one transaction.

    Methods that name a stream raise NoSuchStream where there is none or it was deleted.
    """

    def __init__(self, database: Database, channels: Channels, *, clock: Clock = wall_clock) -> None:
        """Take the database and the channels that tell of changes."""
        self._database = database
        self._channels = channels
        self._clock = clock

    async def create(self, *, title: str, settings: Settings) -> tuple[Stream, str]:
        """Make a stream and its channel; return it and its key, which is not kept and never shown again."""
        identity, key, now = new_id(), _new_key(), self._clock()

        async def work(transaction: Transaction) -> Stream:
            await transaction.execute(
                insert(schema.stream).values(
                    id=identity,
                    title=title,
                    key_hash=_hash(key),
                    state=str(StreamState.IDLE),
                    created=now,
                    updated=now,
                    settings=stored(settings),
                )
            )
            await self._channels.stage_open(transaction, of_stream(identity))
            return await one(transaction.connection, identity)

        return await self._database.write(work), key

    async def get(self, stream: str) -> Stream:
        """Return a stream."""
        async with self._database.read() as connection:
            return await one(connection, stream)

    async def page(self, *, cursor: str | None = None, limit: int = 20) -> Page:
        """Return streams from the newest on. Raise InvalidCursor."""
        table = schema.stream
        listed = asked().order_by(table.c.created.desc(), table.c.id.desc())
        if cursor is not None:
            listed = listed.where(behind(table, cursor))
        limit = max(1, min(limit, PAGE_MAX))
        async with self._database.read() as connection:
            found = [stream_row(row) for row in await connection.execute(listed.limit(limit + 1))]
        more = found[limit - 1] if len(found) > limit else None
        return Page(
            items=tuple(found[:limit]), next=None if more is None else cursor_of(more.created, more.id)
        )

    async def by_key(self, key: str) -> Stream | None:
        """Return the stream that a publisher's key belongs to, None for a wrong key."""
        if not key or len(key) > _KEY_MAX:
            return None
        hashed = _hash(key)
        async with self._database.read() as connection:
            chosen = asked().where(schema.stream.c.key_hash == hashed)
            row = (await connection.execute(chosen)).one_or_none()
        # What the index compares are hashes: how long that takes tells nothing of a key.
        if row is None or not hmac.compare_digest(row.key_hash, hashed):
            return None
        return stream_row(row)

    async def key_hashes(self, limit: int) -> dict[str, str]:
        """Return the hash of the key of each stream, the oldest streams first."""
        table = schema.stream
        chosen = select(table.c.id, table.c.key_hash).where(table.c.deleted.is_(None))
        async with self._database.read() as connection:
            found = await connection.execute(chosen.order_by(table.c.created, table.c.id).limit(limit))
            return {row.id: row.key_hash for row in found}

    async def change(
        self, stream: str, *, title: str | None = None, settings: Settings | None = None
    ) -> Stream:
        """Give the stream another title or other settings, for the broadcasts to come."""
        values: dict[str, Any] = {} if title is None else {"title": title}
        if settings is not None:
            values["settings"] = stored(settings)

        async def work(transaction: Transaction) -> Stream:
            await self._update(transaction, stream, **values)
            changed = await one(transaction.connection, stream)
            await self._channels.stage(transaction, of_stream(stream), StreamChanged.type, show(changed))
            return changed

        return await self._database.write(work)

    async def rotate_key(self, stream: str) -> tuple[Stream, str]:
        """Give the stream another key; the old one opens nothing from now on. Who is on air stays there."""
        key = _new_key()

        async def work(transaction: Transaction) -> Stream:
            await self._update(transaction, stream, key_hash=_hash(key))
            return await one(transaction.connection, stream)

        return await self._database.write(work), key

    async def delete(self, stream: str) -> None:
        """Delete the stream and end its channel; its recordings stay. Raise WrongState while it is on air."""

        async def work(transaction: Transaction) -> None:
            if (await one(transaction.connection, stream)).on_air:
                raise WrongState("The stream is on air; end the broadcast first.")
            await self._update(transaction, stream, deleted=self._clock())
            channel = of_stream(stream)
            told = StreamDeleted(id=stream)
            await self._channels.stage(transaction, channel, told.type, told.json())
            await self._channels.stage_end(transaction, channel)

        await self._database.write(work)

    async def _update(self, transaction: Transaction, stream: str, **values: Any) -> None:
        table = schema.stream
        changed = await transaction.execute(
            update(table)
            .where(table.c.id == stream, table.c.deleted.is_(None))
            .values(**values, updated=self._clock())
        )
        if changed.rowcount == 0:
            raise NoSuchStream(stream)


async def one(connection: AsyncConnection, stream: str) -> Stream:
    """Return a stream. Raise NoSuchStream."""
    row = (await connection.execute(asked().where(schema.stream.c.id == stream))).one_or_none()
    if row is None:
        raise NoSuchStream(stream)
    return stream_row(row)


def _new_key() -> str:
    return f"live_{secrets.token_urlsafe(24)}"


def _hash(key: str) -> str:
    # Random keys of 192 bits need no slow hash: there is nothing to guess.
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
