"""Wants across servers: a missing segment is asked of the server that makes its asset."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert

from packager import keys
from packager.errors import PackagingError
from packager.packaging import Abandoned, TooManyWants
from packager.spans import Want
from packager.store import Store
from streamer import schema
from streamer.bus import Bus
from streamer.catalog import Catalog
from streamer.database import Database, Transaction
from streamer.errors import CatalogAway, NoSuchAsset
from streamer.leases import now
from streamer.rows import State

WANTED = "want"
"""Topic of the bus: an asset of which another segment is wanted."""

_LEASE_MS = 10_000
_RENEW_SECONDS = 3.0
_RECHECK_SECONDS = 0.25
_LOOK_SECONDS = 1.0
_WANTS = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A segment of an asset's plan."""

    asset: str
    generation: str
    rendition: str
    number: int

    @property
    def key(self) -> str:
        """Its key in the store of all assets."""
        return f"{self.asset}/{keys.segment(self.generation, self.rendition, self.number)}"


@dataclass(slots=True)
class _Waiting:
    """Requests of this server that wait for one segment: one row and one task serve them all."""

    requests: int = 0
    news: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None


class Wants:
    """Waits for segments that other servers make, and says what other servers wait for.

    A want is a row with a lease, renewed while a request is held: a server that dies wants nothing for long.
    """

    def __init__(self, database: Database, catalog: Catalog, store: Store, *, bus: Bus, node: str) -> None:
        """Take what is asked and told; `node` is this server's name."""
        self._database = database
        self._catalog = catalog
        self._store = store
        self._bus = bus
        self._node = node
        self._waiting: dict[Segment, _Waiting] = {}
        bus.hear("channel", self._heard)

    async def wait(self, segment: Segment) -> None:
        """Wait until a segment is stored.

        Raise KeyError where no plan has it, Abandoned, TooManyWants, PackagingError where it failed for good.
        """
        self._bound(segment.asset)
        waiting = self._waiting.setdefault(segment, _Waiting())
        if waiting.task is None:
            waiting.task = asyncio.create_task(self._want(segment, waiting), name=f"want {segment.key}")
        waiting.requests += 1
        try:
            await asyncio.shield(waiting.task)
        finally:
            waiting.requests -= 1
            if not waiting.requests:
                self._forget(segment, waiting)
                waiting.task.cancel()
                await asyncio.gather(waiting.task, return_exceptions=True)

    def _bound(self, asset: str) -> None:
        held = sum(one.requests for segment, one in self._waiting.items() if segment.asset == asset)
        if held >= _WANTS:
            raise TooManyWants("too many requests wait for segments of this video; try again in a moment")

    def _forget(self, segment: Segment, waiting: _Waiting) -> None:
        """Let the next request begin anew."""
        if self._waiting.get(segment) is waiting:
            del self._waiting[segment]

    def _heard(self, channel: str, _last: object) -> None:
        asset = channel.removeprefix("asset:")
        for segment, waiting in self._waiting.items():
            if segment.asset == asset:
                waiting.news.set()

    async def _want(self, segment: Segment, waiting: _Waiting) -> None:
        """Hold a row for a segment until it is there."""
        await self._planned(segment)
        clock = asyncio.get_running_loop().time
        renew = look = clock()
        try:
            while await self._store.stat(segment.key) is None:
                if clock() >= renew:
                    await self._hold(segment)
                    renew = clock() + _RENEW_SECONDS
                if clock() >= look:
                    await self._failed(segment)
                    look = clock() + _LOOK_SECONDS
                await self._news(waiting)
        finally:
            self._forget(segment, waiting)
            with suppress(CatalogAway):  # then it lapses
                await self._let_go(segment)

    async def _news(self, waiting: _Waiting) -> None:
        """Wait for a sign of the asset's channel, a moment at most."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_RECHECK_SECONDS):
                await waiting.news.wait()
        waiting.news.clear()

    async def _planned(self, segment: Segment) -> None:
        try:
            asset = await self._catalog.get(segment.asset)
        except NoSuchAsset as error:
            raise KeyError(segment.key) from error
        rung = next((one for one in asset.rungs if one.name == segment.rendition), None)
        planned = rung is not None and 0 <= segment.number < rung.segments
        if not planned or asset.generation != segment.generation or asset.state is State.COMPLETE:
            raise KeyError(segment.key)

    async def _failed(self, segment: Segment) -> None:
        """Raise what keeps a segment from ever being made."""
        try:
            asset = await self._catalog.get(segment.asset)
        except NoSuchAsset as error:
            raise Abandoned("this video was deleted") from error
        except CatalogAway:
            return
        if asset.state is State.FAILED and asset.failure is not None:
            raise PackagingError(asset.failure.message)
        if asset.generation != segment.generation:
            raise Abandoned("this video is made anew")

    async def _hold(self, segment: Segment) -> None:
        table = schema.want
        values = {
            "asset": segment.asset,
            "generation": segment.generation,
            "rendition": segment.rendition,
            "number": segment.number,
            "node": self._node,
        }

        async def work(transaction: Transaction) -> None:
            count = select(func.count()).where(
                table.c.asset == segment.asset, table.c.until > now(), table.c.node != self._node
            )
            if ((await transaction.execute(count)).scalar() or 0) >= _WANTS:
                raise TooManyWants("too many requests wait for segments of this video")
            until = now() + _LEASE_MS
            held = insert(table).values(**values, until=until)
            await transaction.execute(
                held.on_conflict_do_update(index_elements=list(table.primary_key), set_={"until": until})
            )
            transaction.after(lambda: self._bus.tell(WANTED, segment.asset))

        with suppress(CatalogAway):  # the store is looked at all the same
            await self._database.write(work)

    async def _let_go(self, segment: Segment) -> None:
        table = schema.want
        chosen = (
            table.c.asset == segment.asset,
            table.c.generation == segment.generation,
            table.c.rendition == segment.rendition,
            table.c.number == segment.number,
            table.c.node == self._node,
        )
        if segment not in self._waiting:  # by another request, which came at this moment
            await self._database.write(lambda transaction: transaction.execute(delete(table).where(*chosen)))

    async def elsewhere(self, generations: Mapping[str, str]) -> dict[str, frozenset[Want]]:
        """Return what every server waits for, of these assets' generations (asset → generation)."""
        table = schema.want
        asked = select(table.c.asset, table.c.generation, table.c.rendition, table.c.number).where(
            table.c.asset.in_(generations), table.c.until > now()
        )
        found: dict[str, set[Want]] = {asset: set() for asset in generations}
        if found:
            async with self._database.read() as connection:
                for row in await connection.execute(asked.limit(_WANTS * len(found))):
                    if generations[row.asset] == row.generation:
                        found[row.asset].add(Want(rendition=row.rendition, number=row.number))
        return {asset: frozenset(wants) for asset, wants in found.items()}

    async def sweep(self) -> None:
        """Remove rows whose server has not renewed them."""
        table = schema.want
        await self._database.write(
            lambda transaction: transaction.execute(delete(table).where(table.c.until < now()))
        )
