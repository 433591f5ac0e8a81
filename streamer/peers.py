"""The servers that share a database: which of them are there, and where the others reach them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from sqlalchemy import ColumnElement, delete, select
from sqlalchemy.dialects.postgresql import insert

from streamer import schema
from streamer.database import Database, Transaction
from streamer.leases import LEASE_MS, now


class Peers:
    """This server's row among the others', by the database's clock. `beat` every two seconds."""

    def __init__(self, database: Database, *, node: str, url: str | None) -> None:
        """Take this server's name, and the address at which the others reach it, None where none does."""
        self._database = database
        self._node = node
        self._url = url

    async def beat(self) -> bool:
        """Say that this server is there; return whether it was so all the time since the last call."""
        table = schema.node
        values = {"name": self._node, "url": self._url, "until": now() + LEASE_MS}
        said = insert(table).values(**values).on_conflict_do_update(index_elements=["name"], set_=values)

        async def work(transaction: Transaction) -> bool:
            alive = await transaction.execute(select(table.c.until > now()).where(table.c.name == self._node))
            steady = bool(alive.scalar_one_or_none())
            await transaction.execute(said)
            return steady

        return await self._database.write(work)

    async def leave(self) -> None:
        """Say that this server is there no longer."""
        gone = delete(schema.node).where(schema.node.c.name == self._node)
        await self._database.write(lambda transaction: transaction.execute(gone))


def there(name: ColumnElement[str | None]) -> ColumnElement[bool]:
    """Return the condition that the server of a name is there."""
    table = schema.node
    return select(table.c.name).where(table.c.name == name, table.c.until > now()).exists()


Beat = Callable[[], Awaitable[bool]]
"""See `Peers.beat`."""
