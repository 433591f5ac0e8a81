"""Idempotency keys: a request that is sent twice is carried out once and answered the same."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from typing import Any

from sqlalchemy import delete, insert, select

from streamer import schema
from streamer.database import Database, Transaction
from streamer.errors import IdempotencyMismatch, InvalidRequest
from streamer.rows import Clock, wall_clock

KEPT_SECONDS = 86_400
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
        if not 1 <= len(key) <= 255:
            raise InvalidRequest("An Idempotency-Key has 1 to 255 characters.")
        lock, holders = self._locks.get(key, (asyncio.Lock(), 0))
        self._locks[key] = (lock, holders + 1)
        try:
            async with lock:
                known = await self._known(key, marks)
                if known is not None:
                    return known
                answer = await work()
                await self._keep(key, marks, answer)
                return answer
        finally:
            lock, holders = self._locks.pop(key)
            if holders > 1:
                self._locks[key] = (lock, holders - 1)

    async def _known(self, key: str, marks: str) -> Answer | None:
        table = schema.idempotency
        async with self._database.read() as connection:
            row = (
                await connection.execute(
                    select(table).where(
                        table.c.key == key, table.c.created > self._clock() - KEPT_SECONDS * 1000
                    )
                )
            ).one_or_none()
        if row is None:
            return None
        if row.fingerprint != marks:
            raise IdempotencyMismatch("This Idempotency-Key was used for another request.")
        return row.status, row.body

    async def _keep(self, key: str, marks: str, answer: Answer) -> None:
        table = schema.idempotency
        now = self._clock()

        async def work(transaction: Transaction) -> None:
            await transaction.execute(delete(table).where(table.c.created <= now - KEPT_SECONDS * 1000))
            await transaction.execute(
                insert(table).values(
                    key=key, fingerprint=marks, status=answer[0], body=answer[1], created=now
                )
            )

        await self._database.write(work)
