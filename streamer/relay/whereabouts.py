"""Where broadcasts are: at which of the servers on this database, as their rows say."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace

from sqlalchemy import select

from streamer import schema
from streamer.bus import Bus
from streamer.collapse import Collapsed
from streamer.database import Database
from streamer.leases import now
from streamer.live.succession import MOVED
from streamer.live.tenancy import ON_AIR

FRESH_SECONDS = 1.0
"""How long an answer holds: what moves is told over the bus besides."""

FAREWELL_SECONDS = 30.0
"""How long the parts of a broadcast that is over are asked of the server that had it."""

_KEPT = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a broadcast is: `url` is None while no server that can be reached has it.

    It is `moving` while nobody has it: it will be somewhere in a moment. It is `over` where only its parts
    are still there.
    """

    url: str | None
    moving: bool = False
    over: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    place: Place | None
    until: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    """What the row says; `settled` says that it will say so for ever."""

    place: Place | None
    settled: bool


class Whereabouts:
    """Finds the server of a broadcast on air. What is no broadcast is remembered as that."""

    def __init__(
        self, database: Database, bus: Bus, *, node: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Take the rows, who tells of changes, and this server's name; `clock` is seconds that only grow."""
        self._database = database
        self._node = node
        self._clock = clock
        self._known: OrderedDict[str, _Known] = OrderedDict()
        self._looked = Collapsed(self._look)
        bus.hear(MOVED, lambda asset, _: self.forget(asset))

    def forget(self, asset: str) -> None:
        """Look at the row again when a broadcast is asked for next."""
        known = self._known.get(asset)
        if known is not None and known.place is not None:
            self._known[asset] = _Known(place=known.place, until=0)

    async def of(self, asset: str) -> Place | None:
        """Return where a broadcast is, None for what is none, or is over for good."""
        known = self._known.get(asset)
        if known is None or known.until <= self._clock():
            known = await self._looked(asset)
        return known.place

    async def _look(self, asset: str) -> _Known:
        before = self._known.get(asset)
        row = await self._row(asset)
        until = self._clock() + FRESH_SECONDS
        if row.place is not None:
            known = _Known(place=row.place, until=until)
        elif before is not None and before.place is not None and _had(before.place):
            place = replace(before.place, over=True)
            known = _Known(place=place, until=self._clock() + FAREWELL_SECONDS)
        else:
            known = _Known(place=None, until=float("inf") if row.settled else until)
        self._known[asset] = known
        self._known.move_to_end(asset)
        if len(self._known) > _KEPT:
            self._known.popitem(last=False)
        return known

    async def _row(self, asset: str) -> _Row:
        table, node = schema.asset, schema.node
        asked = (
            select(table.c.stream, table.c.state, table.c.maker, node.c.url)
            .join(node, (node.c.name == table.c.maker) & (node.c.until > now()), isouter=True)
            .where(table.c.id == asset, table.c.deleted_at.is_(None))
        )
        async with self._database.read() as connection:
            row = (await connection.execute(asked)).one_or_none()
        if row is None:
            return _Row(place=None, settled=False)
        if row.stream is None or row.state not in ON_AIR:
            return _Row(place=None, settled=True)
        mine = row.maker == self._node
        place = Place(url=None if mine else row.url, moving=mine or row.maker is None)
        return _Row(place=place, settled=False)


def _had(place: Place) -> bool:
    """Say whether a broadcast was somewhere, as far as was known, until it was over."""
    return place.url is not None and not place.over
