"""Markers as rows: each one durable with the events that tell of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from sqlalchemy import Row, delete, func, insert, select

from packager import airtime, dates
from packager.life import Aired
from packager.marker import Marker, Splice
from streamer import schema
from streamer.channel import Channels, of_asset, of_stream
from streamer.database import Database, Transaction
from streamer.errors import NoSuchMarker, TooManyMarkers
from streamer.gather import change_asset
from streamer.gather import one as one_asset
from streamer.rows import Asset, Clock, new_id, rfc3339, seconds, wall_clock
from streamer.vocabulary import live as vocabulary
from streamer.vocabulary.kind import Kind

MOST = 500
"""Markers of one asset. All of a window are in every playlist, each time it is loaded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a caller wants told. `time` is seconds from the first picture, `date` a moment of the clock.

    Where neither is given it is meant to be now.
    """

    kind: str
    time: Fraction | None = None
    date: Fraction | None = None
    duration: Fraction | None = None
    data: dict[str, Any] | None = None
    scte35: bytes = b""
    splice: Splice = Splice.CMD


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """Where a marker lies on the clock and in the media, and whether segments are to tell of it."""

    moment: Fraction
    media_time: Fraction
    inband: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A marker, and where it lies in seconds from the first picture."""

    marker: Marker
    media_time: Fraction


class Markers:
    """Markers over the database."""

    def __init__(self, database: Database, channels: Channels, *, clock: Clock = wall_clock) -> None:
        self._database = database
        self._channels = channels
        self._clock = clock

    async def of(self, asset: str) -> tuple[Marker, ...]:
        """Return the markers of an asset, the earliest moment first."""
        return tuple(kept.marker for kept in await self._read(asset))

    async def page(self, asset: str) -> tuple[Kept, ...]:
        """Return them with where they lie. Raise NoSuchAsset."""
        async with self._database.read() as connection:
            await one_asset(connection, asset)
        return await self._read(asset)

    async def add(self, asset: str, wish: Wish, placed: Placed) -> Kept:
        """Keep a marker and tell of it on the channels of the asset and of its stream.

        Raise NoSuchAsset, TooManyMarkers.
        """
        identity, now = new_id(), self._clock()

        async def work(transaction: Transaction) -> Kept:
            await change_asset(transaction, asset, updated=now)
            found = await one_asset(transaction.connection, asset)
            counted = select(func.count()).where(schema.marker.c.asset == asset)
            if (await transaction.execute(counted)).scalar_one() >= MOST:
                raise TooManyMarkers(f"An asset has {MOST} markers at most.")
            made = _made(identity, wish, placed, created=now)
            shown = show(Kept(marker=made, media_time=placed.media_time))
            event = vocabulary.Marker(asset=asset, **shown)
            number = await self._tell(transaction, found, event, media_time=placed.media_time)
            kept = Kept(marker=replace(made, number=number), media_time=placed.media_time)
            await transaction.execute(insert(schema.marker), rows_of(asset, [kept]))
            return kept

        return await self._database.write(work)

    async def remove(self, asset: str, marker: str) -> None:
        """Forget a marker. Raise NoSuchAsset, NoSuchMarker."""
        table = schema.marker

        async def work(transaction: Transaction) -> None:
            await change_asset(transaction, asset, updated=self._clock())
            found = await one_asset(transaction.connection, asset)
            gone = await transaction.execute(
                delete(table).where(table.c.asset == asset, table.c.id == marker)
            )
            if gone.rowcount == 0:
                raise NoSuchMarker(f"The asset has no marker {marker!r}.")
            await self._tell(transaction, found, vocabulary.MarkerDeleted(asset=asset, id=marker))

        await self._database.write(work)

    async def _tell(
        self, transaction: Transaction, asset: Asset, event: Kind, *, media_time: Fraction | None = None
    ) -> int:
        """Tell the listeners of the stream and of the asset; return the offset with the latter."""
        channels = [] if asset.live is None else [of_stream(asset.live.stream)]
        offset = 0
        for channel in (*channels, of_asset(asset.id)):
            offset = await self._channels.stage(
                transaction, channel, event.type, event.json(), media_time=media_time
            )
        return offset

    async def _read(self, asset: str) -> tuple[Kept, ...]:
        async with self._database.read() as connection:
            rows = await connection.execute(select(schema.marker).where(schema.marker.c.asset == asset))
            found = [Kept(marker=_marker(row), media_time=Fraction(row.media_time)) for row in rows]
        return tuple(sorted(found, key=lambda one: (one.marker.moment, one.marker.number)))


def within(lives: Sequence[Aired], markers: Sequence[Marker]) -> list[Kept]:
    """Return those that lie within lives that are over, and where."""
    found: list[Kept] = []
    for aired, begin, own in airtime.shares(lives, markers):
        shown = [one for one in own if one.moment < begin + aired.seconds]
        found += [Kept(marker=one, media_time=airtime.position(lives, one.moment)) for one in shown]
    return found


def rows_of(asset: str, kept: Sequence[Kept]) -> list[dict[str, Any]]:
    """Return markers as the rows of an asset."""
    return [_row(asset, one.marker, one.media_time) for one in kept]


def show(kept: Kept) -> dict[str, Any]:
    """Return a marker as the API and its event show it."""
    marker = kept.marker
    return {
        "id": marker.id,
        "kind": marker.kind,
        "date": rfc3339(dates.milliseconds(marker.moment)),
        "time": seconds(kept.media_time),
        "duration": seconds(marker.duration),
        "data": marker.data,
        "scte35": marker.scte35.hex() or None,
        "splice": str(marker.splice) if marker.scte35 else None,
        "inband": marker.inband,
        "created": rfc3339(marker.created),
    }


def _made(identity: str, wish: Wish, placed: Placed, *, created: int, number: int = 0) -> Marker:
    return Marker(
        id=identity,
        number=number,
        kind=wish.kind,
        moment=placed.moment,
        duration=wish.duration,
        data=wish.data,
        scte35=wish.scte35,
        splice=wish.splice,
        inband=placed.inband,
        created=created,
    )


def _row(asset: str, marker: Marker, media_time: Fraction) -> dict[str, Any]:
    return {
        "asset": asset,
        "id": marker.id,
        "number": marker.number,
        "kind": marker.kind,
        "moment": str(marker.moment),
        "media_time": str(media_time),
        "duration": None if marker.duration is None else str(marker.duration),
        "data": marker.data,
        "scte35": marker.scte35.hex() or None,
        "splice": str(marker.splice),
        "inband": marker.inband,
        "created": marker.created,
    }


def _marker(row: Row[Any]) -> Marker:
    return Marker(
        id=row.id,
        number=row.number,
        kind=row.kind,
        moment=Fraction(row.moment),
        duration=None if row.duration is None else Fraction(row.duration),
        data=row.data,
        scte35=bytes.fromhex(row.scte35 or ""),
        splice=Splice(row.splice),
        inband=row.inband,
        created=row.created,
    )
