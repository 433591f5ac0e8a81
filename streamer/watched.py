"""Which segments of assets that are filled as watched are there, and when each was last asked for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Join, and_, delete, func, select, update

from streamer import schema
from streamer.channel import Channels, of_asset
from streamer.database import Database, Transaction
from streamer.rows import Fill
from streamer.vocabulary.assets import SegmentEvicted

_MOST = 2000
"""Segments chosen at one time; the next sweep takes the next ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A stored segment: `size` in bytes, `watched` when it was last asked for, in ms since the epoch."""

    asset: str
    generation: str
    rendition: str
    number: int
    size: int = 0
    watched: int = 0


class Watched:
    """Reads and changes of the segment rows that the quota needs."""

    def __init__(self, database: Database, channels: Channels) -> None:
        self._database = database
        self._channels = channels

    async def assets(self) -> frozenset[str]:
        """Return the assets that are filled as watched."""
        async with self._database.read() as connection:
            return frozenset(await connection.scalars(select(schema.asset.c.id).where(_filled())))

    async def note(self, asked: Iterable[Kept]) -> None:
        """Note when segments were last asked for; those that are gone by now are passed over."""
        table = schema.segment
        rows = list(asked)

        async def work(transaction: Transaction) -> None:
            for row in rows:
                await transaction.execute(update(table).where(_is(row)).values(watched=row.watched))

        if rows:
            await self._database.write(work)

    async def size(self) -> int:
        """Return the bytes of all segments of assets that are filled as watched."""
        asked = select(func.coalesce(func.sum(schema.segment.c.size), 0)).select_from(_joined())
        async with self._database.read() as connection:
            return int((await connection.execute(asked.where(_filled()))).scalar_one())

    async def longest_ago(self, surplus: int, *, before: int) -> Sequence[Kept]:
        """Return the segments asked for longest ago, and before a time, that make up `surplus` bytes."""
        table = schema.segment
        columns = (table.c.asset, table.c.generation, table.c.rendition, table.c.number, table.c.size)
        asked = (
            select(*columns, table.c.watched)
            .select_from(_joined())
            .where(_filled(), table.c.watched < before)
            .order_by(table.c.watched, table.c.asset, table.c.rendition, table.c.number)
            .limit(_MOST)
        )
        chosen: list[Kept] = []
        async with self._database.read() as connection:
            for row in await connection.execute(asked):
                if surplus <= 0:
                    break
                chosen.append(Kept(**row._mapping))  # noqa: SLF001 - SQLAlchemy's public name for it
                surplus -= row.size
        return chosen

    async def forget(self, segment: Kept) -> None:
        """Delete a segment's row, and tell of it."""
        table = schema.segment
        told = SegmentEvicted(
            generation=segment.generation, rendition=segment.rendition, number=segment.number
        )

        async def work(transaction: Transaction) -> None:
            gone = await transaction.execute(delete(table).where(_is(segment)))
            if gone.rowcount:
                channel = of_asset(segment.asset)
                await self._channels.stage(transaction, channel, told.type, told.json())

        await self._database.write(work)


def _joined() -> Join:
    return schema.segment.join(schema.asset, schema.asset.c.id == schema.segment.c.asset)


def _filled() -> ColumnElement[bool]:
    return and_(schema.asset.c.fill == str(Fill.WATCHED), schema.asset.c.deleted_at.is_(None))


def _is(segment: Kept) -> ColumnElement[bool]:
    table = schema.segment
    return and_(
        table.c.asset == segment.asset,
        table.c.generation == segment.generation,
        table.c.rendition == segment.rendition,
        table.c.number == segment.number,
    )
