"""Mirror a broadcast into a bucket while it is on air: segments as they settle, then manifests of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from cdn.arrivals import Arrivals
from cdn.publish import content_hash, stamp
from cdn.s3 import THREADS, Bucket
from packager.errors import KeyMissing
from packager.jointly import jointly
from packager.life import Aired
from packager.live_files import FileManifests
from packager.marker import Marker


class Airing(Protocol):
    """A broadcast on air. It is read on the event loop, and `marked` counts changes of its markers."""

    @property
    def lives(self) -> Sequence[Aired]:
        """Return the lives in order."""

    @property
    def codecs(self) -> Mapping[str, str]:
        """Return the CODECS strings by rendition."""

    @property
    def markers(self) -> Sequence[Marker]:
        """Return the markers."""

    @property
    def marked(self) -> int:
        """Return how often they have changed."""

    @property
    def ended(self) -> bool:
        """Say whether nothing comes any more."""

    async def read(self, key: str) -> bytes | Path:
        """Return an init or a whole segment. Raise KeyMissing where nobody has it any more."""

    async def turn(self) -> None:
        """Wait until there is more."""


class LiveMirror:
    """One broadcast in one bucket, under a prefix that is empty or ends with a slash.

    `run` may be called again after it has failed: it goes on where it was. `window` is how many seconds the
    manifests list. `told` hears after each step how many seconds of the broadcast are not there yet.
    """

    def __init__(
        self,
        air: Airing,
        *,
        prefix: str,
        tag: str,
        window: int | None,
        clock: Callable[[], int],
        told: Callable[[int], Awaitable[None]],
    ) -> None:
        """Take what is on air, the name in cache tags, and the wall clock in milliseconds."""
        self._air = air
        self._prefix = prefix
        self._tag = tag
        self._window = window
        self._clock = clock
        self._told = told
        self._arrivals: Arrivals | None = None
        self._manifests: FileManifests | None = None
        self._written: dict[str, str] = {}
        self._named: object = None

    async def run(self, bucket: Bucket) -> None:
        """Write what comes until the broadcast has ended and all of it is named. Raise PublishError.

        A manifest names nothing that is not there; the one that names the others is written last.
        """
        if self._arrivals is None:
            there = await bucket.listing(self._prefix)
            self._arrivals = Arrivals(
                there=(key.removeprefix(self._prefix) for key in there), window=self._window
            )
            self._manifests = FileManifests(window=self._window, gap=self._arrivals.gap)
        while True:
            ended = self._air.ended
            wanted = self._arrivals.wanted(self._air.lives)
            await self._send(bucket, self._arrivals, wanted[:THREADS])
            await self._name(bucket, self._arrivals, ended=ended and len(wanted) <= THREADS)
            await self._told(self._arrivals.waiting(self._air.lives))
            if len(wanted) > THREADS or self._arrivals.wanted(self._air.lives):
                continue
            if ended:
                return
            if not self._air.ended:
                await self._air.turn()

    async def _send(self, bucket: Bucket, arrivals: Arrivals, wanted: Sequence[str]) -> None:
        """Write objects at one time; what has been written when one fails counts."""

        async def one(key: str) -> None:
            try:
                body = await self._air.read(key)
            except KeyMissing:
                arrivals.lost(key)
                return
            etag = await asyncio.to_thread(content_hash, body)
            await bucket.write(self._prefix + key, body, stamp(key, etag=etag, tag=self._tag))
            arrivals.arrived(key)

        await jointly(one(key) for key in wanted)

    async def _name(self, bucket: Bucket, arrivals: Arrivals, *, ended: bool) -> None:
        """Write the manifests that are other ones now."""
        lives, air = arrivals.shown(self._air.lives), self._air
        named = (lives, air.marked, ended)
        if not lives or named == self._named or self._manifests is None:
            return
        made = self._manifests.render(
            lives, air.codecs, now=self._clock(), ended=ended and lives[-1].over, markers=air.markers
        )
        airs = lives[0].life.target_duration
        for key, text in made.items():
            if self._written.get(key) != text:
                body = text.encode()
                what = stamp(key, etag=content_hash(body), tag=self._tag, airs=airs)
                await bucket.write(self._prefix + key, body, what)
                self._written[key] = text
        self._named = named
