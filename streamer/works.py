"""What happens to assets: uploads become Makings, failures are retried, deletions leave nothing behind."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from weakref import WeakValueDictionary

from cdn.policy import MANIFEST_LIFE
from packager.errors import StoreAway
from streamer.bus import Alone, Bus
from streamer.catalog import Catalog
from streamer.errors import CatalogAway, NoSuchAsset, WrongState
from streamer.leases import Leases, OwnLeases
from streamer.making import Making
from streamer.nodes import ASKED, CHANGED
from streamer.rows import Asset, Clock, Fill, PlaybackPolicy, State, wall_clock
from streamer.tools import Tools
from streamer.uploads.errors import NoSuchUpload, StorageAway, UploadElsewhere
from streamer.uploads.inbox import Inbox

RETIRED_SECONDS = MANIFEST_LIFE
"""How long an old generation stays: longer than any cache may hold a manifest that names it."""

_SWEEP_SECONDS = 60
_REENCODE = "reencode"
_REFILL = "refill"
_log = logging.getLogger(__name__)


class Works:
    """The Makings of this process. Use `start` and `stop`; everything else may be called in between."""

    def __init__(
        self,
        tools: Tools,
        inbox: Inbox,
        *,
        clock: Clock = wall_clock,
        forget: Callable[[str], None],
        leases: Leases | None = None,
        bus: Bus | None = None,
    ) -> None:
        """Take what makes; `forget` is told of assets whose manifests are to be rendered anew."""
        self._tools = tools
        self._inbox = inbox
        self._clock = clock
        self._forget = forget
        self._leases: Leases = leases or OwnLeases()
        self._bus: Bus = bus or Alone()
        self._bus.hear(CHANGED, lambda asset, _: forget(asset))
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._makings: dict[str, tuple[Making, asyncio.Task[None]]] = {}
        self._left = False
        self._sweeper: asyncio.Task[None] | None = None

    @property
    def _catalog(self) -> Catalog:
        return self._tools.catalog

    async def start(self) -> None:
        """Go on with what an earlier life has left: unfinished assets, and deletions that were cut short."""
        await self._take_up()
        self._sweeper = asyncio.create_task(self._sweep(), name="sweeper")

    async def _take_up(self) -> None:
        self._left = False
        for asset in await self._catalog.tombstones():
            await self.resume(asset)
        for row in await self._catalog.in_state(State.PROBING, State.PLAYABLE):
            if row.live is None and not _on_demand(row) and row.id not in self._makings:
                await self.resume(row.id)

    async def stop(self) -> None:
        """Stop every Making; the next life goes on from the segments that exist."""
        tasks = [task for _, task in self._makings.values()]
        if self._sweeper is not None:
            tasks.append(self._sweeper)
        for task in tasks:
            task.cancel()
        makings = list(self._makings)
        await asyncio.gather(*tasks, return_exceptions=True)
        with suppress(CatalogAway):  # then they lapse
            await self._leases.release(makings)
        for asset in makings:
            self._bus.tell(ASKED, asset)

    @property
    def makings(self) -> Mapping[str, Making]:
        """Return what is being made here, by asset."""
        return {asset: making for asset, (making, _) in self._makings.items()}

    def making(self, asset_id: str) -> Making | None:
        """Return the Making of an asset that is being made."""
        found = self._makings.get(asset_id)
        return found[0] if found else None

    async def begin(self, *, title: str, size: int | None, upload_id: str, policy: str | None = None) -> str:
        """Make the asset of an upload and return its id; the same id again for an upload that is known."""
        known = await self._catalog.by_upload(upload_id)
        if known is not None:
            return known.id
        asset = await self._catalog.create_asset(
            title=title,
            size=size,
            upload_id=upload_id,
            fill=self._tools.fill,
            policy=PlaybackPolicy(policy or self._tools.policy),
        )
        return asset.id

    async def arriving(self, asset_id: str) -> None:
        """Begin to make the asset from the bytes of its upload as they come, unless that was begun."""
        if asset_id in self._makings:
            return
        with suppress(NoSuchAsset):
            if (await self._catalog.get(asset_id)).state is State.UPLOADING:
                await self._begin(asset_id)

    async def received(self, asset_id: str, offset: int) -> None:
        """Note how many bytes are there, and how much of that can be played."""
        making = self.making(asset_id)
        with suppress(NoSuchAsset):
            await self._catalog.set_received(
                asset_id, offset, seekable=None if making is None else making.seekable
            )

    async def complete(self, asset_id: str, upload_id: str, path: Path) -> None:  # noqa: ARG002 - the seam's
        """Take the sealed bytes of an upload: what was begun while they came is ended, else begun now."""
        size = (await self._inbox.state(upload_id)).offset
        with suppress(NoSuchAsset):
            asset = await self._catalog.set_arrived(asset_id, size)
            making = self.making(asset_id)
            if making is not None:
                making.arrived()
            elif asset.state is State.PROBING:
                await self._begin(asset_id, whole=True)

    async def abandon(self, asset_id: str) -> None:
        """Remove the asset of an upload that was given up; whoever gave it up removes the bytes."""
        with suppress(NoSuchAsset):
            await self._catalog.delete(asset_id)
        async with self._turn(asset_id):
            await self._halt(asset_id)
        await self._purge(asset_id, bytes_too=False)

    async def retry(self, asset_id: str) -> None:
        """Go on from the step that failed; segments that exist are kept."""
        await self._catalog.set_state(asset_id, State.PROBING)
        await self._begin(asset_id)  # else another server has seen it first

    async def reencode(self, asset_id: str) -> None:
        """Make a new generation. The old one stays in the store until no cache can name it."""
        asset = await self._catalog.get(asset_id)
        if asset.upload_id is None:
            raise WrongState("The original is gone: there is nothing to encode anew.")
        if not await self._begin(asset_id, salt=secrets.token_hex(4)):
            await self._ask(asset_id, _REENCODE)

    async def remove(self, asset_id: str) -> None:
        """Stop the Runs of a deleted asset and remove its media and its rows."""
        async with self._turn(asset_id):  # not around the rest: removing the upload waits for its writer
            await self._halt(asset_id)
        if await self._leases.take(asset_id):
            await self._purge(asset_id)
        else:
            self._bus.tell(ASKED, asset_id)

    async def refill(self, asset_id: str, fill: Fill) -> None:
        """Make all of an asset from now on, or only what viewers ask for."""
        asset = await self._catalog.set_fill(asset_id, fill)
        if fill is Fill.WATCHED and asset.state is State.COMPLETE:
            await self._catalog.set_state(asset_id, State.PLAYABLE)
        making = self.making(asset_id)
        if making is not None:
            making.refill(fill)
        elif asset.state is State.PLAYABLE and not await self._begin(asset_id, anew=False):
            await self._ask(asset_id, _REFILL)

    async def wake(self, asset_id: str) -> Making | None:
        """Return the Making of an asset; where it is made on demand only, this is a demand."""
        if asset_id not in self._makings:
            with suppress(NoSuchAsset):
                if _on_demand(await self._catalog.get(asset_id)):
                    await self._begin(asset_id, anew=False)
        return self.making(asset_id)

    async def changed(self, asset_id: str) -> None:
        """Have what is held of an asset or a stream read anew, here and at other servers."""
        self._forget(asset_id)
        self._bus.tell(CHANGED, asset_id)

    async def drop(self, asset_id: str, making: Making) -> None:
        """Stop making an asset that is another server's now, or deleted."""
        async with self._turn(asset_id):
            if self.making(asset_id) is making:
                await self._halt(asset_id)

    async def resume(self, asset_id: str) -> None:
        """Go on with an asset that nobody makes, or with its removal, unless another server is faster."""
        try:
            asset = await self._catalog.get(asset_id)
        except NoSuchAsset:
            if await self._leases.take(asset_id):
                await self._purge(asset_id)
            return
        if asset.live is None and asset.state in {State.PROBING, State.PLAYABLE}:
            await self._begin(asset_id)

    async def carry_out(self, asset_id: str, wish: str) -> bool:
        """Do what another server was asked for; False where that is for yet another one to do."""
        if wish == _REFILL:
            return await self._refill(asset_id)
        if wish != _REENCODE:
            _log.warning("asset %s: %r is unknown here; is another version running?", asset_id, wish)
            return True
        with suppress(NoSuchAsset):
            return await self._begin(asset_id, salt=secrets.token_hex(4))
        return True

    async def _refill(self, asset_id: str) -> bool:
        with suppress(NoSuchAsset):
            asset = await self._catalog.get(asset_id)
            making = self.making(asset_id)
            if making is None:
                return await self._begin(asset_id, anew=False)
            making.refill(asset.fill)
        return True

    async def _ask(self, asset_id: str, wish: str) -> None:
        """Leave a wish for the server that makes an asset, and wake it."""
        await self._leases.ask(asset_id, wish)
        self._bus.tell(ASKED, asset_id)

    def _turn(self, asset_id: str) -> asyncio.Lock:
        """Return the lock under which an asset's Making begins or ends: a deletion must not cross a begin."""
        return self._turns.setdefault(asset_id, asyncio.Lock())

    async def _begin(self, asset_id: str, *, salt: str = "", whole: bool = False, anew: bool = True) -> bool:
        """Begin to make an asset, `anew` even where that was begun; False where another server makes it."""
        async with self._turn(asset_id):
            if not anew and asset_id in self._makings:
                return True
            asset = await self._catalog.get(asset_id)
            try:
                original = await self._inbox.original(asset.upload_id or "")
            except UploadElsewhere:
                return False
            except NoSuchUpload:
                await self._catalog.fail(asset_id, step="upload", message="the uploaded file is gone")
                return True
            except StorageAway as error:
                self._put_off(asset_id, error)
                return False
            if not await self._leases.take(asset_id):
                return False
            await self._halt(asset_id)
            whole = whole or (await self._inbox.state(original.upload)).delivered
            making = Making(self._tools, asset, original, whole=whole, salt=salt)
            task = asyncio.create_task(self._make(making), name=f"making {asset_id}")
            self._makings[asset_id] = (making, task)
            task.add_done_callback(lambda _: self._ended(asset_id, making))
        return True

    async def _make(self, making: Making) -> None:
        await making.run()
        with suppress(CatalogAway):  # then it lapses
            await self._leases.release([making.asset])

    def _ended(self, asset_id: str, making: Making) -> None:
        found = self._makings.get(asset_id)
        if found is None or found[0] is not making:
            return
        del self._makings[asset_id]
        self._forget(asset_id)
        if not found[1].cancelled() and (error := found[1].exception()) is not None:
            _log.error("making %s ended unexpectedly", asset_id, exc_info=error)

    async def _halt(self, asset_id: str) -> None:
        found = self._makings.get(asset_id)
        if found is not None:
            found[1].cancel()
            await asyncio.gather(found[1], return_exceptions=True)

    def _put_off(self, asset_id: str, error: Exception) -> None:
        """Have the next sweep take up what a storage that is away keeps from being done."""
        _log.warning("asset %s is taken up when the storage is back: %s", asset_id, error)
        self._left = True

    async def _purge(self, asset_id: str, *, bytes_too: bool = True) -> None:
        try:
            await self._purge_now(asset_id, bytes_too=bytes_too)
        except (StoreAway, StorageAway) as error:
            self._put_off(asset_id, error)

    async def _purge_now(self, asset_id: str, *, bytes_too: bool) -> None:
        upload = await self._catalog.upload_of(asset_id)
        if upload is not None and bytes_too:
            try:
                await self._inbox.remove(upload)
            except UploadElsewhere:  # for the server that receives it to do
                await self._leases.release([asset_id])
                self._bus.tell(ASKED, asset_id)
                return
            except NoSuchUpload:
                pass
        await self._tools.store.delete(f"{asset_id}/")
        await self._tools.indexes.remove(asset_id)
        await self._catalog.purge(asset_id)
        self._forget(asset_id)

    async def sweep_once(self) -> None:
        """Remove retired generations once no manifest that names them can still be in a cache."""
        if self._left:
            await self._take_up()
        for old in await self._catalog.retired(self._clock() - RETIRED_SECONDS * 1000):
            await self._tools.store.delete(f"{old.asset}/{old.name}/")
            await self._catalog.drop_generation(old.asset, old.name)
            self._forget(old.asset)

    async def _sweep(self) -> None:
        while True:
            try:
                await self.sweep_once()
            except Exception:  # noqa: BLE001 - a sweep that fails must not be the last
                _log.exception("retired generations could not be swept; trying again later")
            await asyncio.sleep(_SWEEP_SECONDS)


def _on_demand(asset: Asset) -> bool:
    """Say whether nothing is to be made of an asset unless somebody asks."""
    return asset.fill is Fill.WATCHED and asset.state is State.PLAYABLE and not asset.arriving
