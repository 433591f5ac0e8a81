"""The pictures of broadcasts as rows: which keys they have, and which recordings have none yet."""

from __future__ import annotations

from typing import Any

from sqlalchemy import and_, select, update

from streamer import schema
from streamer.channel import Channels
from streamer.database import Database, Transaction
from streamer.gather import change_asset
from streamer.gather import one as one_asset
from streamer.rows import Asset, Clock, State, wall_clock
from streamer.telling import tell


class StillRows:
    """Posters and storyboards over the database. A change and the event that tells of it are one."""

    def __init__(self, database: Database, channels: Channels, *, clock: Clock = wall_clock) -> None:
        self._database = database
        self._channels = channels
        self._clock = clock

    async def show(self, asset: str, *, poster: str, storyboard: str | None = None) -> Asset:
        """Show these objects of the store with what can be watched of a broadcast. Raise NoSuchAsset."""
        table = schema.generation
        keys: dict[str, Any] = {"poster": poster, "storyboard": storyboard}

        async def work(transaction: Transaction) -> Asset:
            found = await one_asset(transaction.connection, asset)
            chosen = (table.c.asset == asset, table.c.name == found.generation)
            await transaction.execute(update(table).where(*chosen).values(**keys))
            await change_asset(transaction, asset, updated=self._clock())
            return await tell(transaction, self._channels, asset)

        return await self._database.write(work)

    async def lacking(self) -> tuple[str, ...]:
        """Return the recordings and clips without a storyboard, the newest first."""
        asset, generation = schema.asset, schema.generation
        shown = and_(generation.c.asset == asset.c.id, generation.c.name == asset.c.generation)
        asked = (
            select(asset.c.id)
            .join(generation, shown)
            .where(
                asset.c.stream.is_not(None),
                asset.c.state == str(State.COMPLETE),
                asset.c.deleted_at.is_(None),
                generation.c.storyboard.is_(None),
            )
            .order_by(asset.c.created.desc(), asset.c.id)
        )
        async with self._database.read() as connection:
            return tuple(await connection.scalars(asked))
