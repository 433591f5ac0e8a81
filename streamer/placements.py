"""What is published where: rows that survive a restart, and the events that tell of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import Row, select, update

from streamer import schema
from streamer.channel import Channels, of_asset
from streamer.database import Database, Transaction
from streamer.errors import NoSuchAsset
from streamer.gather import insert_new, one
from streamer.rows import Clock, State, rfc3339, wall_clock
from streamer.vocabulary.kind import Kind
from streamer.vocabulary.publishing import PublishDone, PublishFailed, PublishStarted


class Stand(StrEnum):
    """Where a placement stands. What is `live` is published on air, and completed once that is over."""

    LIVE = "live"
    PUBLISHING = "publishing"
    PUBLISHED = "published"
    WITHDRAWING = "withdrawing"
    WITHDRAWN = "withdrawn"
    FAILED = "failed"


UNDER_WAY = (Stand.LIVE, Stand.PUBLISHING, Stand.WITHDRAWING)


_Telling = Callable[["Placement"], Kind]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """Why it failed: a code for programs, and a sentence for the operator, which may name the bucket."""

    code: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """One asset at one destination. Times are milliseconds since the epoch.

    `objects` and `bytes` are what is there, `uploaded` the objects that the last time had to write.
    """

    asset: str
    destination: str
    state: Stand
    all_of_it: bool
    objects: int
    bytes: int
    uploaded: int
    failure: Trouble | None
    created: int
    updated: int


def show(placement: Placement) -> dict[str, Any]:
    """Return a placement as the API shows it."""
    failure = placement.failure
    told = None if failure is None else {"code": failure.code, "message": failure.message}
    return {
        "asset": placement.asset,
        "destination": placement.destination,
        "state": str(placement.state),
        "objects": placement.objects,
        "bytes": placement.bytes,
        "uploaded": placement.uploaded,
        "failure": told,
        "created": rfc3339(placement.created),
        "updated": rfc3339(placement.updated),
    }


class Placements:
    """Placements over the database. A change and the event that tells of it are one transaction.

    Where the asset has gone meanwhile a change is none, and returns None.
    """

    def __init__(
        self, database: Database, channels: Channels, *, node: str, clock: Clock = wall_clock
    ) -> None:
        """Take the database and the name of this server, which does what is begun here."""
        self._database = database
        self._channels = channels
        self._node = node
        self._clock = clock

    async def begin(
        self, asset: str, destination: str, state: Stand, *, all_of_it: bool = False
    ) -> Placement:
        """Note that an asset is to be published or withdrawn by this server. Raise NoSuchAsset."""
        wish = {"state": str(state), "all_of_it": int(all_of_it), **self._here()}

        async def work(transaction: Transaction) -> Placement:
            await self._insert(transaction, asset, destination, wish)
            begun = await self._changed(transaction, asset, destination, told=_started, failure=None, **wish)
            if begun is None:
                raise NoSuchAsset(asset)
            return begun

        return await self._database.write(work)

    async def begin_new(
        self, asset: str, destination: str, state: Stand = Stand.PUBLISHING
    ) -> Placement | None:
        """Note that an asset is to be published by this server; None where it ever was, or is to be."""
        wish = {"state": str(state), "all_of_it": 0, **self._here()}

        async def work(transaction: Transaction) -> Placement | None:
            if not await self._insert(transaction, asset, destination, wish):
                return None
            return await self._changed(transaction, asset, destination, told=_started)

        return await self._database.write(work)

    async def never(self, destination: str) -> list[str]:
        """Return the complete assets that never were to be published to a destination, oldest first."""
        table, assets = schema.placement, schema.asset
        known = select(table.c.asset).where(table.c.asset == assets.c.id, table.c.destination == destination)
        chosen = select(assets.c.id).where(
            assets.c.deleted_at.is_(None), assets.c.state == str(State.COMPLETE), ~known.exists()
        )
        async with self._database.read() as connection:
            return list(await connection.scalars(chosen.order_by(assets.c.created, assets.c.id)))

    async def done(
        self, placement: Placement, state: Stand, *, objects: int = 0, size: int = 0, uploaded: int = 0
    ) -> Placement | None:
        """Note that what was wanted has been done; `size` is in bytes."""
        return await self._note(placement, _done, state=state, objects=objects, bytes=size, uploaded=uploaded)

    async def failed(self, placement: Placement, failure: Trouble) -> Placement | None:
        """Note that it failed for good, and why."""
        told = {"code": failure.code, "message": failure.message}
        return await self._note(placement, _failed, state=Stand.FAILED, failure=told)

    async def tell(self, asset: str, told: Kind) -> None:
        """Tell of an asset that is published what changes nothing in its row."""

        async def work(transaction: Transaction) -> None:
            await self._channels.stage(transaction, of_asset(asset), told.type, told.json())

        await self._database.write(work)

    async def of(self, asset: str) -> list[Placement]:
        """Return where an asset is or was published, by name. Raise NoSuchAsset."""
        table = schema.placement
        async with self._database.read() as connection:
            await one(connection, asset)
            rows = await connection.execute(
                select(table).where(table.c.asset == asset).order_by(table.c.destination)
            )
            return [_placement(row) for row in rows]

    async def under_way(self) -> list[Placement]:
        """Return what an earlier life of this server has left."""
        table = schema.placement
        chosen = select(table).where(
            table.c.node == self._node, table.c.state.in_([str(state) for state in UNDER_WAY])
        )
        async with self._database.read() as connection:
            return [_placement(row) for row in await connection.execute(chosen.order_by(table.c.created))]

    async def take_up(self, asset: str) -> list[Placement]:
        """Have this server do what is published of an asset on air, whoever did before; return it."""
        table = schema.placement
        chosen = (table.c.asset == asset, table.c.state == str(Stand.LIVE))

        async def work(transaction: Transaction) -> list[Placement]:
            await transaction.execute(update(table).where(*chosen).values(node=self._node))
            return [_placement(row) for row in await transaction.execute(select(table).where(*chosen))]

        return await self._database.write(work)

    async def ours(self, placement: Placement) -> bool:
        """Say whether a placement is still this server's to do."""
        table = schema.placement
        named = (table.c.asset == placement.asset, table.c.destination == placement.destination)
        async with self._database.read() as connection:
            found = await connection.scalar(select(table.c.node).where(*named))
        return bool(found == self._node)

    def _here(self) -> dict[str, Any]:
        return {"node": self._node, "updated": self._clock()}

    async def _insert(
        self, transaction: Transaction, asset: str, destination: str, wish: Mapping[str, Any]
    ) -> bool:
        """Make the row unless it is there; say whether it was not. Raise NoSuchAsset."""
        await one(transaction.connection, asset)
        fresh = {"objects": 0, "bytes": 0, "uploaded": 0, "created": self._clock()}
        table = schema.placement
        row = insert_new(transaction.connection, table).values(
            asset=asset, destination=destination, **fresh, **wish
        )
        return (await transaction.execute(row.returning(table.c.asset))).one_or_none() is not None

    async def _note(self, placement: Placement, told: _Telling, **changes: Any) -> Placement | None:
        changes = {**changes, "state": str(changes["state"]), "updated": self._clock()}
        return await self._database.write(
            lambda transaction: self._changed(
                transaction, placement.asset, placement.destination, told=told, **changes
            )
        )

    async def _changed(
        self, transaction: Transaction, asset: str, destination: str, *, told: _Telling, **changes: Any
    ) -> Placement | None:
        table = schema.placement
        named = (table.c.asset == asset, table.c.destination == destination)
        if changes:
            await transaction.execute(update(table).where(*named).values(**changes))
        row = (await transaction.execute(select(table).where(*named))).one_or_none()
        if row is None:
            return None
        placement = _placement(row)
        # Whoever knows an asset's id may listen to its channel: where its copies lie is not for them.
        kind = told(placement)
        await self._channels.stage(transaction, of_asset(asset), kind.type, kind.json())
        return placement


def _started(placement: Placement) -> Kind:
    return PublishStarted(id=placement.asset, destination=placement.destination, state=str(placement.state))


def _done(placement: Placement) -> Kind:
    return PublishDone(
        id=placement.asset,
        destination=placement.destination,
        state=str(placement.state),
        objects=placement.objects,
        bytes=placement.bytes,
        uploaded=placement.uploaded,
    )


def _failed(placement: Placement) -> Kind:
    code = "" if placement.failure is None else placement.failure.code
    return PublishFailed(id=placement.asset, destination=placement.destination, code=code)


def _placement(row: Row[Any]) -> Placement:
    failure = row.failure
    return Placement(
        asset=row.asset,
        destination=row.destination,
        state=Stand(row.state),
        all_of_it=bool(row.all_of_it),
        objects=row.objects,
        bytes=row.bytes,
        uploaded=row.uploaded,
        failure=None if failure is None else Trouble(code=failure["code"], message=failure["message"]),
        created=row.created,
        updated=row.updated,
    )
