"""Which asset a stream's address stands for: what is on air, or the last recording."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import select

from streamer import schema
from streamer.database import Database

_K = TypeVar("_K")
_V = TypeVar("_V")
_KEPT = 4096
_FRESH_SECONDS = 1.0


class Aliases:
    """Finds the asset of a request for `/v/{id}/{key}`.

    What is under a generation belongs for ever to the broadcast that made it; manifests are those of the
    broadcast on air, or of the last one, at most a second late. Ids and generations are random, so what one
    is not it never becomes.
    """

    def __init__(self, database: Database, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Take the database; `clock` tells seconds that only grow."""
        self._database = database
        self._clock = clock
        self._streams: OrderedDict[str, tuple[float, str | None]] = OrderedDict()
        self._makers: OrderedDict[tuple[str, str], str] = OrderedDict()

    async def resolve(self, identity: str, key: str) -> str:
        """Return the id of the asset that is meant: the given one unless it is a stream's."""
        known = self._streams.get(identity)
        if known is None or known[0] < self._clock():
            known = await self._look(identity)
        if known[1] is None:
            return identity
        generation, slash, _ = key.partition("/")
        return await self._maker(identity, generation, key) if slash else known[1]

    async def _look(self, identity: str) -> tuple[float, str | None]:
        table = schema.stream
        asked = select(table.c.asset).where(table.c.id == identity, table.c.deleted.is_(None))
        async with self._database.read() as connection:
            row = (await connection.execute(asked)).one_or_none()
        known: tuple[float, str | None] = (float("inf"), None)
        if row is not None:
            known = (self._clock() + _FRESH_SECONDS, row.asset or identity)
        _remember(self._streams, identity, known)
        return known

    async def _maker(self, stream: str, generation: str, key: str) -> str:
        place = (stream, generation)
        if place not in self._makers:
            asset, made, caption = schema.asset, schema.generation, schema.caption
            asked = select(asset.c.id).where(asset.c.stream == stream).limit(1)
            media = asked.join(made, made.c.asset == asset.c.id).where(made.c.name == generation)
            captions = asked.join(caption, caption.c.asset == asset.c.id).where(caption.c.key == key)
            async with self._database.read() as connection:
                found = await connection.scalar(media) or await connection.scalar(captions)
            if found is None:
                return stream
            _remember(self._makers, place, found)
        return self._makers[place]


def _remember(kept: OrderedDict[_K, _V], key: _K, value: _V) -> None:
    kept[key] = value
    kept.move_to_end(key)
    if len(kept) > _KEPT:
        kept.popitem(last=False)
