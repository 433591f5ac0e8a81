"""A broadcast goes to a bucket while it is on air. A storage that is slow or away holds up nothing here."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from functools import partial
from pathlib import Path

from cdn import s3
from cdn.errors import PublishError
from cdn.live import LiveMirror
from cdn.places import Access
from cdn.s3 import Bucket
from packager import keys
from packager.errors import PackagingError
from packager.life import Aired
from packager.marker import Marker
from packager.store import Scoped, Store
from streamer.destinations import Destination
from streamer.errors import CatalogAway
from streamer.live.onair import Left, OnAir
from streamer.placements import Placement, Placements
from streamer.rows import Clock, wall_clock
from streamer.vocabulary.kind import Kind
from streamer.vocabulary.publishing import PublishDelayed, PublishRecovered

PAUSES = (1, 2, 5)
"""Seconds before a storage that has failed is tried again; the last one again and again."""

SLOW = "slow"
_LATE_SECONDS = 10
_log = logging.getLogger(__name__)

Open = Callable[[Access, str], AbstractAsyncContextManager[Bucket]]
_HURRIED: Open = partial(s3.bucket, hurry=True)


class Abroad:
    """Follows broadcasts of this server to where their placements say."""

    def __init__(
        self,
        find: Callable[[str], OnAir | None],
        store: Store,
        placements: Placements,
        *,
        clock: Clock = wall_clock,
        opened: Open = _HURRIED,
        pauses: Sequence[float] = PAUSES,
    ) -> None:
        """Take what finds a broadcast by its asset, where its segments are, and what tells of delays."""
        self._find = find
        self._store = store
        self._placements = placements
        self._clock = clock
        self._opened = opened
        self._pauses = pauses

    async def follow(self, placement: Placement, destination: Destination) -> None:
        """Mirror a broadcast until it is over, whatever the storage does; return at once without one."""
        air = self._find(placement.asset)
        if air is None:
            return
        pace = _Pace(placement, self._placements)
        place = destination.place.under(placement.asset)
        longest = destination.live_dvr_seconds
        mirror = LiveMirror(
            _Seen(air, Scoped(self._store, placement.asset)),
            prefix=place.prefix,
            tag=placement.asset,
            window=min(air.window or longest, longest),
            clock=self._clock,
            told=pace.take,
        )
        while True:
            try:
                async with self._opened(destination.access, place.bucket) as bucket:
                    await mirror.run(bucket)
                    return
            except Left:  # whoever has it now goes on with it
                return
            except (PublishError, PackagingError) as error:
                _log.warning("broadcast %s is late at %s: %s", air.asset, place, error.message)
                await pace.failed(error.code)
            if air.ended:  # what is missing is for whom publishes the recording
                return
            await asyncio.sleep(self._pauses[min(pace.failures, len(self._pauses)) - 1])


class _Pace:
    """Tells when a broadcast begins to be late at a destination, and when it no longer is."""

    def __init__(self, placement: Placement, placements: Placements) -> None:
        self.failures = 0
        self._placement = placement
        self._placements = placements
        self._late = False

    async def take(self, waiting: int) -> None:
        """Take how many seconds are not there yet, after something has been written."""
        self.failures = 0
        if waiting > _LATE_SECONDS:
            await self._delayed(SLOW)
        elif self._late and not waiting:
            self._late = False
            one = self._placement
            await self._tell(PublishRecovered(id=one.asset, destination=one.destination))

    async def failed(self, code: str) -> None:
        """Take it that the storage has failed."""
        self.failures += 1
        await self._delayed(code)

    async def _delayed(self, code: str) -> None:
        if not self._late:
            self._late = True
            one = self._placement
            await self._tell(PublishDelayed(id=one.asset, destination=one.destination, code=code))

    async def _tell(self, told: Kind) -> None:
        with suppress(CatalogAway):
            await self._placements.tell(self._placement.asset, told)


class _Seen:
    """What is on air as it is mirrored: what memory lacks is in the store."""

    def __init__(self, air: OnAir, store: Store) -> None:
        self._air = air
        self._store = store

    @property
    def lives(self) -> Sequence[Aired]:
        """Return the lives in order. Raise Left: what ended here for that goes on elsewhere otherwise."""
        if self._air.left:
            raise Left("This server has left the broadcast.")
        return self._air.lives

    @property
    def codecs(self) -> Mapping[str, str]:
        """Return the CODECS strings by rendition."""
        return self._air.codecs

    @property
    def markers(self) -> Sequence[Marker]:
        """Return the markers."""
        return self._air.markers

    @property
    def marked(self) -> int:
        """Return how often they have changed."""
        return self._air.marked

    @property
    def ended(self) -> bool:
        """Say whether nothing comes any more."""
        return self._air.ended

    async def read(self, key: str) -> bytes | Path:
        """Return an init or a whole segment. Raise KeyMissing where nobody has it any more."""
        held = None
        if init := keys.parse_init(key):
            held = self._air.init(*init)
        elif segment := keys.parse_segment(key):
            held = self._air.segment(*segment)
        return await self._store.get(key) if held is None else held

    async def turn(self) -> None:
        """Wait until there is more: sound or pictures, whichever comes last."""
        lives = self._air.lives
        await self._air.turn(lives[-1].life.names[-1] if lives else "")
