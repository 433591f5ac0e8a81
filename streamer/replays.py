"""Idempotency keys: a request that is sent twice is carried out once and answered the same."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from typing import Any

from sqlalchemy import and_, delete, insert, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from streamer import schema
from streamer.database import Database, Transaction
from streamer.errors import IdempotencyMismatch, InvalidRequest
from streamer.gather import insert_new
from streamer.rows import Clock, wall_clock

KEPT_SECONDS = 86_400

_UNDER_WAY = 0  # in place of a status: a server carries the request out
_CLAIMED_SECONDS = 60
_RECHECK_SECONDS = 0.1

Answer = tuple[int, Any]
"""Status and JSON body."""


def fingerprint(*parts: str | bytes) -> str:
    """Return a hash that tells one request from another."""
    digest = hashlib.sha256()
    for part in parts:
        body = part.encode() if isinstance(part, str) else part
        digest.update(len(body).to_bytes(8) + body)
    return digest.hexdigest()


class Replays:
    """Answers under idempotency keys, kept for a day."""

    def __init__(self, database: Database, *, clock: Clock = wall_clock) -> None:
        """Take the database."""
        self._database = database
        self._clock = clock
        self._locks: dict[str, tuple[asyncio.Lock, int]] = {}

    async def once(self, key: str | None, marks: str, work: Callable[[], Awaitable[Answer]]) -> Answer:
        """Do the work, or where it was done under this key, return its answer. Without a key, do it.

        `marks` is the request's fingerprint. An error is not kept: the next try does the work.
        Raise IdempotencyMismatch where the key was used for a request with another fingerprint.
        """
        if key is None:
            return await work()
        _check(key)
        lock, holders = self._locks.get(key, (asyncio.Lock(), 0))
        self._locks[key] = (lock, holders + 1)
        try:
            async with lock:
                known = await self._known(key, marks)
                if known is not None:
                    return known
                if not self._database.shared:
                    return await self._done(key, marks, work)
                return await self._done_by_one(key, marks, work)
        finally:
            lock, holders = self._locks.pop(key)
            if holders > 1:
                self._locks[key] = (lock, holders - 1)

    async def once_within(
        self, key: str | None, marks: str, work: Callable[[Transaction], Awaitable[Answer]]
    ) -> Answer:
        """Do the work as `once` does, in the transaction that keeps its answer: both are done, or none."""
        if key is None:
            return await self._database.write(work)
        _check(key)

        async def both(transaction: Transaction) -> Answer:
            known = await self._found(transaction.connection, key, marks)
            if known is not None:
                return known
            answer = await work(transaction)
            await self._put(transaction, key, marks, answer)
            return answer

        return await self._database.write(both)

    async def _done(self, key: str, marks: str, work: Callable[[], Awaitable[Answer]]) -> Answer:
        answer = await work()
        await self._keep(key, marks, answer)
        return answer

    async def _done_by_one(self, key: str, marks: str, work: Callable[[], Awaitable[Answer]]) -> Answer:
        """Do the work, unless another server does it at this moment: then wait for its answer."""
        while not await self._claim(key, marks):
            await asyncio.sleep(_RECHECK_SECONDS)
            known = await self._known(key, marks)
            if known is not None:
                return known
        try:
            return await self._done(key, marks, work)
        except BaseException:
            table = schema.idempotency
            chosen = (table.c.key == key, table.c.status == _UNDER_WAY)
            await self._database.write(lambda transaction: transaction.execute(delete(table).where(*chosen)))
            raise

    async def _claim(self, key: str, marks: str) -> bool:
        """Put a row under the key, where there is none, or where the server that has put it there is gone."""
        table = schema.idempotency
        now = self._clock()
        gone = and_(table.c.status == _UNDER_WAY, table.c.created <= now - _CLAIMED_SECONDS * 1000)
        old = or_(gone, table.c.created <= now - KEPT_SECONDS * 1000)
        row = {"key": key, "fingerprint": marks, "status": _UNDER_WAY, "body": None, "created": now}

        async def work(transaction: Transaction) -> bool:
            await transaction.execute(delete(table).where(table.c.key == key, old))
            claimed = await transaction.execute(
                insert_new(transaction.connection, table).values(**row).returning(table.c.key)
            )
            return claimed.one_or_none() is not None

        return await self._database.write(work)

    async def _known(self, key: str, marks: str) -> Answer | None:
        async with self._database.read() as connection:
            return await self._found(connection, key, marks)

    async def _found(self, connection: AsyncConnection, key: str, marks: str) -> Answer | None:
        table = schema.idempotency
        kept = table.c.created > self._clock() - KEPT_SECONDS * 1000
        row = (await connection.execute(select(table).where(table.c.key == key, kept))).one_or_none()
        if row is None:
            return None
        if row.fingerprint != marks:
            raise IdempotencyMismatch("This Idempotency-Key was used for another request.")
        return None if row.status == _UNDER_WAY else (row.status, row.body)

    async def _keep(self, key: str, marks: str, answer: Answer) -> None:
        await self._database.write(lambda transaction: self._put(transaction, key, marks, answer))

    async def _put(self, transaction: Transaction, key: str, marks: str, answer: Answer) -> None:
        table = schema.idempotency
        now = self._clock()
        expired = table.c.created <= now - KEPT_SECONDS * 1000
        await transaction.execute(delete(table).where(or_(expired, table.c.key == key)))
        await transaction.execute(
            insert(table).values(key=key, fingerprint=marks, status=answer[0], body=answer[1], created=now)
        )


def _check(key: str) -> None:
    if not 1 <= len(key) <= 255:
        raise InvalidRequest("An Idempotency-Key has 1 to 255 characters.")
