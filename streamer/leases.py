"""Leases: which server makes an asset. One at a time, and another one once it is gone."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from sqlalchemy import BigInteger, ColumnElement, Executable, and_, cast, func, or_, select, update

from streamer import schema
from streamer.database import Database, Transaction
from streamer.ledger import SqlLedger
from streamer.rows import Fill, State

LEASE_MS = 6_000
RENEW_SECONDS = 2.0

_MADE = (str(State.PROBING), str(State.PLAYABLE))


class Leases(Protocol):
    """Who makes what."""

    async def take(self, asset: str) -> bool:
        """Become the maker of an asset, or stay it; False where another server is."""

    async def release(self, assets: Collection[str]) -> None:
        """Stop being the maker of assets, which may be in other hands by now."""

    async def ask(self, asset: str, wish: str) -> None:
        """Leave a wish for whoever makes an asset, in place of an earlier one."""


class OwnLeases:
    """The leases of a server that has its database to itself: it makes everything."""

    async def take(self, asset: str) -> bool:  # noqa: ARG002
        """Return True."""
        return True

    async def release(self, assets: Collection[str]) -> None:
        """Do nothing."""

    async def ask(self, asset: str, wish: str) -> None:
        """Do nothing: there is nobody else to ask."""


class SharedLeases:
    """Leases in the asset's rows. The time is the database's: servers' clocks need not agree."""

    def __init__(self, database: Database, ledger: SqlLedger, *, node: str) -> None:
        """Take the database and this server's name, under which its Runs stand in the ledger too."""
        self._database = database
        self._ledger = ledger
        self._node = node

    async def take(self, asset: str) -> bool:
        """Become the maker of an asset, or stay it; what an earlier maker was executing is closed."""
        table = schema.asset
        free = or_(table.c.maker.is_(None), table.c.maker == self._node, table.c.maker_until < now())

        async def work(transaction: Transaction) -> str | None:
            row = (
                await transaction.execute(select(table.c.maker).where(table.c.id == asset, free))
            ).one_or_none()
            if row is None:
                return None
            await transaction.execute(update(table).where(table.c.id == asset).values(**self._mine()))
            return row.maker or self._node

        earlier = await self._database.write(work)
        if earlier is not None and earlier != self._node:
            await self._ledger.close_runs(earlier)
        return earlier is not None

    async def renew(self, assets: Collection[str]) -> dict[str, str | None]:
        """Renew leases; return what is still held and not deleted, each with the wish that was left."""
        if not assets:
            return {}
        table = schema.asset
        chosen = (table.c.id.in_(assets), table.c.maker == self._node, table.c.deleted_at.is_(None))
        renewed = update(table).where(*chosen).values(**self._mine()).returning(table.c.id, table.c.asked)

        async def work(transaction: Transaction) -> dict[str, str | None]:
            return {row.id: row.asked for row in await transaction.execute(renewed)}

        return await self._database.write(work)

    async def release(self, assets: Collection[str]) -> None:
        """Stop being the maker of assets."""
        table = schema.asset
        chosen = (table.c.id.in_(assets), table.c.maker == self._node)
        await self._write(update(table).where(*chosen).values(maker=None, maker_until=0))

    async def unseat(self, asset: str) -> None:
        """Take an asset from the server that makes it: its source is no longer there."""
        table = schema.asset
        chosen = (table.c.id == asset, table.c.maker != self._node)
        await self._write(update(table).where(*chosen).values(maker=None, maker_until=0))

    async def ask(self, asset: str, wish: str) -> None:
        """Leave a wish for the maker of an asset."""
        await self._write(update(schema.asset).where(schema.asset.c.id == asset).values(asked=wish))

    async def answered(self, asset: str, wish: str) -> None:
        """Take a wish off, unless another one was left meanwhile."""
        table = schema.asset
        await self._write(update(table).where(table.c.id == asset, table.c.asked == wish).values(asked=None))

    async def idle(self) -> dict[str, str | None]:
        """Return the assets that have something to be done and no maker, each with the wish that was left.

        Deleted ones too, whose media are still there. What is made on demand only is where somebody waits.
        """
        table = schema.asset
        want = schema.want
        wanted = select(want.c.asset).where(want.c.asset == table.c.id, want.c.until > now()).exists()
        made = or_(table.c.fill == str(Fill.FULL), table.c.state == str(State.PROBING), wanted)
        on_air = and_(table.c.stream.is_not(None), table.c.state.in_(_MADE))
        left = or_(
            table.c.deleted_at.is_not(None),
            and_(table.c.asked.is_not(None), ~on_air),
            and_(table.c.state.in_(_MADE), table.c.stream.is_(None), made),
        )
        free = or_(table.c.maker_until < now(), table.c.maker == self._node)
        async with self._database.read() as connection:
            found = await connection.execute(select(table.c.id, table.c.asked).where(left, free))
            return {row.id: row.asked for row in found}

    def _mine(self) -> dict[str, object]:
        return {"maker": self._node, "maker_until": now() + LEASE_MS}

    async def _write(self, statement: Executable) -> None:
        await self._database.write(lambda transaction: transaction.execute(statement))


def now() -> ColumnElement[int]:
    """Return PostgreSQL's time in milliseconds since the epoch, at the moment of execution."""
    return cast(func.date_part("epoch", func.clock_timestamp()) * 1000, BigInteger)
