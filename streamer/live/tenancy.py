"""Which of several servers has a broadcast: its name in the row, and a term that fences whoever had it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlalchemy import ColumnElement, and_, or_, select, update

from streamer import schema
from streamer.database import Database, Transaction
from streamer.errors import ServerError
from streamer.peers import there
from streamer.rows import State

ON_AIR = (str(State.PROBING), str(State.PLAYABLE))


class TakenOver(ServerError):
    """Another server has the broadcast by now: what this one still knows of it does not count."""

    def __init__(self, asset: str) -> None:
        """Name the broadcast."""
        super().__init__(f"Broadcast {asset} is another server's now.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenure:
    """Who has a broadcast: `node` is None for nobody, `alive` says whether that server is there."""

    node: str | None
    term: int
    alive: bool
    asked: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """Broadcasts that a server has, each with the wish that was left, and those it has lost."""

    wishes: Mapping[str, str | None] = field(default_factory=dict)
    lost: frozenset[str] = frozenset()


class Tenancy:
    """The broadcasts of this server, each with its term in the row.

    A term is one server's time with a broadcast. Whoever takes it makes the term one higher, so that all that
    an earlier one still writes is refused, however late it comes.
    """

    def __init__(self, database: Database, *, node: str) -> None:
        """Take this server's name."""
        self.node = node
        self._database = database
        self._terms: dict[str, int] = {}

    def began(self, asset: str, term: int) -> None:
        """Have a broadcast from now on, for whom the row says so."""
        self._terms[asset] = term

    def has(self, asset: str) -> bool:
        """Say whether this server has a broadcast, as far as it knows."""
        return asset in self._terms

    def forget(self, asset: str) -> None:
        """Have a broadcast no longer."""
        self._terms.pop(asset, None)

    def free(self) -> ColumnElement[bool]:
        """Return the condition that a broadcast is nobody's, of a server that is gone, or this one's."""
        table = schema.asset
        mine = or_(table.c.maker.is_(None), table.c.maker == self.node)
        return or_(mine, ~there(table.c.maker)) if self._database.shared else mine

    async def check(self, transaction: Transaction, asset: str) -> None:
        """Raise TakenOver where a broadcast that exists is not this server's, under this term."""
        table = schema.asset
        asked = select(table.c.maker, table.c.term).where(table.c.id == asset, table.c.deleted_at.is_(None))
        row = (await transaction.execute(asked)).one_or_none()
        if row is not None and (row.maker, row.term) != (self.node, self._terms.get(asset)):
            raise TakenOver(asset)

    async def take(self, asset: str) -> bool:
        """Have a broadcast that is free, under a new term; False where it is not, or not on air."""
        table = schema.asset
        chosen = and_(table.c.id == asset, table.c.state.in_(ON_AIR), self.free())
        values = {"maker": self.node, "term": table.c.term + 1, "asked": None}
        taking = update(table).where(chosen).values(**values).returning(table.c.term)

        async def work(transaction: Transaction) -> int | None:
            return (await transaction.execute(taking)).scalar_one_or_none()

        term = await self._database.write(work)
        if term is None:
            return False
        self.began(asset, term)
        return True

    async def give(self, asset: str, *, heir: str | None = None) -> None:
        """Have a broadcast no longer: it is the heir's, or free for everybody."""
        term = self._terms.pop(asset, None)
        table = schema.asset
        chosen = (table.c.id == asset, table.c.maker == self.node, table.c.term == term)
        giving = update(table).where(*chosen).values(maker=heir, asked=None)
        await self._database.write(lambda transaction: transaction.execute(giving))

    async def held(self) -> Held:
        """Return what this server still has of what it had, and what it has no longer."""
        terms = dict(self._terms)  # what begins meanwhile is not looked for, and not lost
        if not terms:
            return Held()
        table = schema.asset
        chosen = (table.c.id.in_(terms), table.c.maker == self.node, table.c.deleted_at.is_(None))
        async with self._database.read() as connection:
            found = await connection.execute(select(table.c.id, table.c.term, table.c.asked).where(*chosen))
            wishes = {row.id: row.asked for row in found if row.term == terms[row.id]}
        # What was taken again or ended meanwhile is another matter.
        lost = [asset for asset in terms.keys() - wishes if self._terms.get(asset) == terms[asset]]
        return Held(wishes=wishes, lost=frozenset(lost))

    async def of(self, asset: str) -> Tenure | None:
        """Return who has a broadcast on air, None where it is not."""
        table = schema.asset
        alive = there(table.c.maker) if self._database.shared else table.c.maker == self.node
        asked = select(table.c.maker, table.c.term, table.c.asked, alive.label("alive")).where(
            table.c.id == asset,
            table.c.stream.is_not(None),
            table.c.state.in_(ON_AIR),
            table.c.deleted_at.is_(None),
        )
        async with self._database.read() as connection:
            row = (await connection.execute(asked)).one_or_none()
        if row is None:
            return None
        return Tenure(node=row.maker, term=row.term, alive=bool(row.alive), asked=row.asked)

    async def ask(self, asset: str, wish: str | None) -> None:
        """Leave a wish for whoever has a broadcast, in place of an earlier one; None takes it off."""
        asking = update(schema.asset).where(schema.asset.c.id == asset).values(asked=wish)
        await self._database.write(lambda transaction: transaction.execute(asking))
