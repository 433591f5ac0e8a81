"""Markers find their moment, become durable, and reach what is on air, recordings and films."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from fractions import Fraction
from typing import Protocol

from packager import airtime
from packager.life import Aired
from streamer.bus import Bus
from streamer.errors import CatalogAway, InvalidRequest, WrongState
from streamer.live.clip_rows import ClipRows
from streamer.live.cues import Cues
from streamer.live.onair import OnAir
from streamer.live.recordings import Recordings
from streamer.markers import Kept, Markers, Placed, Wish
from streamer.rows import Asset, Clock, State

AHEAD_SECONDS = 3600
"""How far ahead of what is on air a marker may lie."""

_MARKED = "marked"
"""Topic of the bus: an asset whose markers are other ones now."""

_WATCHED = frozenset({State.PLAYABLE, State.COMPLETE})
_log = logging.getLogger(__name__)


class Live(Protocol):
    """What is on air here."""

    def find(self, asset: str) -> OnAir | None:
        """Return what is on air of a broadcast."""

    def cues(self, asset: str) -> Cues | None:
        """Return the markers ahead of it."""


class Marking:
    """Adds and removes markers, and has manifests tell of them and of captions. Call `close` at the end.

    `changed` has the manifests of an asset rendered anew, here and by other servers.
    """

    def __init__(
        self,
        markers: Markers,
        rows: ClipRows,
        recordings: Recordings,
        live: Live,
        *,
        asset: Callable[[str], Awaitable[Asset]],
        changed: Callable[[str], Awaitable[None]],
        bus: Bus,
        clock: Clock,
    ) -> None:
        """Take the rows of markers and of broadcasts, and what shows them; `asset` finds one by its id."""
        self._markers = markers
        self._rows = rows
        self._recordings = recordings
        self._live = live
        self._asset = asset
        self._changed = changed
        self._bus = bus
        self._clock = clock
        self._tasks: set[asyncio.Task[None]] = set()
        bus.hear(_MARKED, lambda name, _: self._heard(name))

    async def close(self) -> None:
        """Stop looking at what other servers have changed."""
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def add(self, asset_id: str, wish: Wish) -> Kept:
        """Keep a marker; it is durable, and told of, when this returns.

        Raise NoSuchAsset, WrongState, InvalidRequest, TooManyMarkers.
        """
        asset = await self._asset(asset_id)
        if asset.state not in _WATCHED:
            raise WrongState("Markers are for what can be watched.")
        placed = _film(asset, wish) if asset.live is None else await self._broadcast(asset, wish)
        kept = await self._markers.add(asset_id, wish, placed)
        await self._spread(asset_id)
        return kept

    async def remove(self, asset_id: str, marker: str) -> None:
        """Forget a marker. Segments that tell of it stay as they are. Raise NoSuchAsset, NoSuchMarker."""
        await self._markers.remove(asset_id, marker)
        await self._spread(asset_id)

    async def captions_changed(self, asset_id: str) -> None:
        """Have manifests name the captions that an asset has now."""
        await self._spread(asset_id)

    async def origin(self, asset_id: str) -> Fraction:
        """Return the media time in seconds at which a recording or clip begins; others begin at 0."""
        if (await self._asset(asset_id)).live is None:
            return Fraction(0)
        lives = await self._recordings.lives(await self._rows.source(asset_id))
        return lives[0].started if lives else Fraction(0)

    async def _broadcast(self, asset: Asset, wish: Wish) -> Placed:
        onair, cues = self._live.find(asset.id), self._live.cues(asset.id)
        if onair is not None and cues is not None and onair.lives and not onair.ended:
            # Where only an earlier server had a life of it, the moment is before the next one.
            clock = Fraction(self._clock(), 1000)
            return _aired(onair.lives, wish, now=cues.now or clock, edge=cues.edge or clock)
        source = await self._rows.source(asset.id)
        lives = await self._recordings.lives(source)
        if asset.on_air:  # by another server
            now = Fraction(self._clock(), 1000)
            return _aired(lives, wish, now=now, edge=now)
        return _recorded(lives, wish)

    async def _spread(self, asset_id: str) -> None:
        """Have everybody show the markers as they are now."""
        onair, cues = self._live.find(asset_id), self._live.cues(asset_id)
        if onair is not None and cues is not None:
            markers = await self._markers.of(asset_id)
            onair.mark(markers)
            cues.follow(markers)
        asset = await self._asset(asset_id)
        if asset.live is not None and asset.state is State.COMPLETE:
            source = await self._rows.source(asset_id)
            await self._recordings.keep(asset_id, await self._recordings.lives(source))
        await self._changed(asset_id)
        self._bus.tell(_MARKED, asset_id)

    def _heard(self, asset_id: str) -> None:
        if self._live.find(asset_id) is None:
            return
        task = asyncio.create_task(self._follow(asset_id), name=f"markers of {asset_id}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _follow(self, asset_id: str) -> None:
        """Show markers that another server has taken."""
        try:
            markers = await self._markers.of(asset_id)
        except CatalogAway as error:
            _log.warning("markers of %s are shown with the next one: %s", asset_id, error)
            return
        onair, cues = self._live.find(asset_id), self._live.cues(asset_id)
        if onair is not None and cues is not None:
            onair.mark(markers)
            cues.follow(markers)


def _film(asset: Asset, wish: Wish) -> Placed:
    """Place a marker in what has one timeline, whose dates begin when the asset was made."""
    started = Fraction(asset.created // 1000)
    time = wish.date - started if wish.date is not None else wish.time
    if time is None:
        raise InvalidRequest("`time` or `date` is missing.")
    if time < 0 or (not asset.arriving and asset.duration is not None and time > asset.duration):
        raise InvalidRequest("This moment is not within the asset.")
    return Placed(moment=started + time, media_time=time)


def _aired(lives: Sequence[Aired], wish: Wish, *, now: Fraction, edge: Fraction) -> Placed:
    """Place a marker in a broadcast on air: at or behind the edge the segments to come tell of it."""
    moment = _wished(lives, wish) or now
    if not lives:
        raise WrongState("There is nothing on air yet.")
    if not airtime.begin(lives[0]) <= moment <= edge + AHEAD_SECONDS:
        raise InvalidRequest("This moment is before the broadcast, or more than an hour ahead of it.")
    return Placed(moment=moment, media_time=airtime.position(lives, moment), inband=moment >= edge)


def _recorded(lives: Sequence[Aired], wish: Wish) -> Placed:
    """Place a marker in a recording, whose segments stay as they are."""
    if not lives:
        raise WrongState("There is nothing of the recording.")
    moment = _wished(lives, wish)
    if moment is None:
        raise InvalidRequest("`time` or `date` is missing.")
    if not airtime.begin(lives[0]) <= moment <= airtime.begin(lives[-1]) + lives[-1].seconds:
        raise InvalidRequest("This moment is not within the recording.")
    return Placed(moment=moment, media_time=airtime.position(lives, moment))


def _wished(lives: Sequence[Aired], wish: Wish) -> Fraction | None:
    if wish.time is not None and lives:
        return airtime.moment_of(lives, wish.time)
    return wish.date
