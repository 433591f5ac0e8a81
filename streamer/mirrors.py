"""Publishing by the server: what its rows say is done in the background, and gone on with after a restart."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress

from cdn import s3
from cdn.errors import EndpointAway, PublishError
from cdn.places import Access
from cdn.publish import Fact, Listing, publish, withdraw
from cdn.s3 import Bucket
from cdn.shown import Shown
from packager.errors import PackagingError
from streamer.catalog import Catalog
from streamer.channel import ASSETS, Channels, of_asset
from streamer.completing import completed, for_everybody, pictured, promoted, publishable, recorded
from streamer.destinations import Destination
from streamer.errors import (
    CatalogAway,
    FellBehind,
    NoSuchAsset,
    NoSuchDestination,
    NotForEverybody,
    ServerError,
)
from streamer.placements import Placement, Placements, Stand, Trouble
from streamer.purging import Purging
from streamer.rows import Fill, State
from streamer.vocabulary.publishing import PublishProgress, PurgeFailed

AT_ONCE = 2
"""Assets that are written to buckets at one time."""

PAUSES = (5, 30, 120, 600)
"""Seconds before a storage that cannot be reached is tried again; after the last one it has failed."""

_TELL_SECONDS = 0.5
_AWAY_SECONDS = 5
_log = logging.getLogger(__name__)

Open = Callable[[Access, str], AbstractAsyncContextManager[Bucket]]
Follow = Callable[[Placement, Destination], Awaitable[None]]
"""Mirrors a broadcast while it is on air."""

_Key = tuple[str, str]


class Mirrors:
    """The placements that this server does. Use `start` and `stop`; the rest may be called in between."""

    def __init__(
        self,
        placements: Placements,
        destinations: Mapping[str, Destination],
        *,
        automatic: str | None,
        catalog: Catalog,
        channels: Channels,
        shown: Callable[[str], Shown],
        refill: Callable[[str, Fill], Awaitable[None]],
        follow: Follow,
        purging: Purging,
        opened: Open = s3.bucket,
        pauses: tuple[float, ...] = PAUSES,
    ) -> None:
        """Take the rows, where to, what shows an asset by its id, has all of one made, follows a broadcast.

        `automatic` is the destination that every asset goes to once it is complete.
        """
        self._placements = placements
        self._destinations = destinations
        self._automatic = automatic
        self._catalog = catalog
        self._channels = channels
        self._shown = shown
        self._refill = refill
        self._followed = follow
        self._purging = purging
        self._opened = opened
        self._pauses = pauses
        self._turn = asyncio.Lock()
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._tasks: dict[_Key, asyncio.Task[None]] = {}
        self._follower: asyncio.Task[None] | None = None
        self._beginning: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Go on with what an earlier life has left, and publish by rule from now on.

        What it has left on air is on air again by now, or over.
        """
        for placement in await self._placements.under_way():
            if (placement.asset, placement.destination) not in self._tasks:
                self._begin(placement)
        if self._automatic is not None:
            self._follower = asyncio.create_task(self._follow(self._automatic), name="publish by rule")

    async def stop(self) -> None:
        """Stop everything; the next life goes on with it."""
        tasks = [*self._tasks.values(), *self._beginning, *([self._follower] if self._follower else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def on_air(self, asset: str, destination: str | None) -> None:
        """Begin to mirror a broadcast that is on air here, unless it was withdrawn; nobody waits for it.

        What another server has mirrored of it so far this one goes on with.
        """
        if destination is not None and destination not in self._destinations:
            _log.warning("broadcast %s is not published: no destination is named %r", asset, destination)
            destination = None
        task = asyncio.create_task(self._on_air(asset, destination), name=f"publish {asset} on air")
        self._beginning.add(task)
        task.add_done_callback(self._beginning.discard)

    async def publish(
        self, asset: str, destination: str, *, all_of_it: bool = False, live: bool = False
    ) -> Placement:
        """Begin to publish an asset, complete; or `live`, while it is on air.

        Raise NoSuchAsset, NoSuchDestination, NotCompleted, NotForEverybody.
        """
        found = await self._catalog.get(asset)
        for_everybody(found, signed=self._takes_signed(destination))
        if live and found.on_air:
            return await self._wish(asset, destination, Stand.LIVE)
        publishable(found, all_of_it=all_of_it)
        return await self._wish(asset, destination, Stand.PUBLISHING, all_of_it=all_of_it)

    async def withdraw(self, asset: str, destination: str) -> Placement:
        """Begin to delete an asset from a destination. Raise NoSuchAsset, NoSuchDestination."""
        return await self._wish(asset, destination, Stand.WITHDRAWING)

    async def of(self, asset: str) -> list[Placement]:
        """Return where an asset is or was published. Raise NoSuchAsset."""
        return await self._placements.of(asset)

    def _takes_signed(self, destination: str) -> bool:
        known = self._destinations.get(destination)
        return known is None or known.signed  # an unknown one is told of first

    async def _wish(
        self, asset: str, destination: str, state: Stand, *, all_of_it: bool = False
    ) -> Placement:
        if destination not in self._destinations:
            raise NoSuchDestination(f"No destination is named {destination!r} in the configuration.")
        async with self._turn:
            await self._halt((asset, destination))
            placement = await self._placements.begin(asset, destination, state, all_of_it=all_of_it)
            self._begin(placement)
        return placement

    def _begin(self, placement: Placement) -> None:
        key = (placement.asset, placement.destination)
        task = asyncio.create_task(self._do(placement), name=f"publish {placement.asset}")
        self._tasks[key] = task
        task.add_done_callback(lambda done: self._ended(key, done))

    def _ended(self, key: _Key, task: asyncio.Task[None]) -> None:
        if self._tasks.get(key) is task:
            del self._tasks[key]
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("publishing %s to %s ended unexpectedly", *key, exc_info=error)

    async def _halt(self, key: _Key) -> None:
        """Stop what is done for an earlier wish."""
        task = self._tasks.get(key)
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _do(self, placement: Placement) -> None:
        """Do what a row says, and note how it ended."""
        try:
            if placement.state is Stand.LIVE and not await self._live(placement):
                return
            await self._tried(placement)
        except CatalogAway:
            _log.warning("publishing asset %s is gone on with at the next start", placement.asset)
        except NoSuchAsset:
            _log.info("asset %s was deleted while it was published", placement.asset)
        except (PublishError, PackagingError, ServerError) as error:
            _log.warning("publishing asset %s failed: %s", placement.asset, error.message)
            code = error.code if isinstance(error, PublishError | PackagingError) else "not-completed"
            with suppress(CatalogAway):
                await self._placements.failed(placement, Trouble(code=code, message=error.message))
        finally:
            forgotten = of_asset(placement.asset), PublishProgress.type
            self._channels.hint(*forgotten, None, key=placement.destination)

    async def _tried(self, placement: Placement) -> None:
        """Do it, again after a pause while the storage cannot be reached."""
        for pause in (*self._pauses, None):
            try:
                if placement.state is Stand.WITHDRAWING:
                    await self._withdraw(placement)
                else:
                    await self._publish(placement)
            except EndpointAway as error:
                if pause is None:
                    raise
                _log.info("publishing asset %s again in %g s: %s", placement.asset, pause, error.message)
                await asyncio.sleep(pause)
            else:
                return

    async def _live(self, placement: Placement) -> bool:
        """Mirror a broadcast until its recording is there; say whether that is for this server to publish."""
        await self._followed(placement, self._destination(placement))
        await recorded(self._catalog, placement.asset)
        return await self._placements.ours(placement)

    async def _publish(self, placement: Placement) -> None:
        asset = placement.asset
        await promoted(self._catalog, asset, self._refill, wanted=placement.all_of_it)
        await completed(
            self._catalog,
            asset,
            tell=lambda done, total: self._tell(placement, "making", done, total),
        )
        if placement.state is Stand.LIVE:
            await pictured(self._catalog, asset)
        async with self._bucket(placement) as (bucket, prefix):
            progress = _Progress(lambda done, total: self._tell(placement, "uploading", done, total))
            done = await publish(
                self._shown(asset),
                bucket,
                prefix=prefix,
                tag=asset,
                sink=progress,
                restamp=placement.state is Stand.LIVE,
            )
        await self._placements.done(
            placement, Stand.PUBLISHED, objects=done.objects, size=done.bytes, uploaded=done.uploaded
        )
        purged = self._purging.replaced(asset, self._destination(placement), done.replaced)
        await self._purged(placement, purged)

    async def _withdraw(self, placement: Placement) -> None:
        async with self._bucket(placement) as (bucket, prefix):
            await withdraw(
                bucket,
                prefix=prefix,
                sink=lambda gone, total: self._tell(placement, "deleting", gone, total),
            )
        await self._placements.done(placement, Stand.WITHDRAWN)
        destination = self._destination(placement)
        prefix = destination.place.under(placement.asset).prefix
        await self._purged(placement, self._purging.withdrawn(placement.asset, destination, prefix))

    async def _purged(self, placement: Placement, work: Awaitable[bool]) -> None:
        """Wait until a CDN has forgotten what it had, and tell where it does not."""
        if not await work:
            told = PurgeFailed(id=placement.asset, destination=placement.destination)
            await self._placements.tell(placement.asset, told)

    @asynccontextmanager
    async def _bucket(self, placement: Placement) -> AsyncIterator[tuple[Bucket, str]]:
        """Give the bucket and the prefix of an asset, in its turn. Raise NoSuchDestination."""
        destination = self._destination(placement)
        place = destination.place.under(placement.asset)
        async with self._slots, self._opened(destination.access, place.bucket) as bucket:
            yield bucket, place.prefix

    def _destination(self, placement: Placement) -> Destination:
        destination = self._destinations.get(placement.destination)
        if destination is None:  # it was taken out of the configuration meanwhile
            raise NoSuchDestination(f"No destination is named {placement.destination!r} any more.")
        return destination

    def _tell(self, placement: Placement, step: str, done: int, total: int) -> None:
        """Hint how far it is."""
        told = PublishProgress(
            id=placement.asset, destination=placement.destination, step=step, done=done, total=total
        )
        channel, key = of_asset(placement.asset), placement.destination
        self._channels.hint(channel, told.type, told.json(), key=key)

    async def _follow(self, destination: str) -> None:
        """Publish what becomes complete, until cancelled; at first what has become so before."""
        while True:
            listening = await self._channels.subscribe(ASSETS)
            try:
                for asset in await self._placements.never(destination):
                    await self._new(asset, destination)
                async for event in listening:
                    if event.offset is not None and event.data.get("state") == str(State.COMPLETE):
                        await self._new(event.data["id"], destination)
            except FellBehind:
                _log.info("fell behind the library; looking at all of it for what is to be published")
            except CatalogAway:
                await asyncio.sleep(_AWAY_SECONDS)
            finally:
                listening.close()

    async def _on_air(self, asset: str, destination: str | None) -> None:
        while True:
            try:
                for placement in await self._placements.take_up(asset):
                    async with self._turn:
                        await self._halt((asset, placement.destination))
                        self._begin(placement)
                if destination is not None:
                    await self._new(asset, destination, Stand.LIVE)
            except CatalogAway:
                await asyncio.sleep(_AWAY_SECONDS)
            else:
                return

    async def _new(self, asset: str, destination: str, state: Stand = Stand.PUBLISHING) -> None:
        """Begin to publish an asset that never was to be."""
        async with self._turn:
            with suppress(NoSuchAsset, NotForEverybody):
                for_everybody(await self._catalog.get(asset), signed=self._takes_signed(destination))
                placement = await self._placements.begin_new(asset, destination, state)
                if placement is not None:
                    self._begin(placement)


class _Progress:
    """Tells how many objects are there of how many, twice a second at most."""

    def __init__(self, tell: Callable[[int, int], None]) -> None:
        self._tell = tell
        self._told = 0.0
        self._done = 0
        self._total = 0

    def __call__(self, fact: Fact) -> None:
        if isinstance(fact, Listing):
            self._total = fact.objects
        else:
            self._done += 1
        now = asyncio.get_running_loop().time()
        if now - self._told >= _TELL_SECONDS or self._done == self._total:
            self._told = now
            self._tell(self._done, self._total)
