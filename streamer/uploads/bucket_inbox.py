"""Keep uploads in a store that servers share: any of them goes on with any upload."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import Executor
from pathlib import Path
from weakref import WeakValueDictionary

from packager.errors import StoreAway
from packager.original import Original, SourceCut
from packager.store import Store
from streamer.uploads.arriving import Arriving
from streamer.uploads.bucket_folder import BucketFolder
from streamer.uploads.directory import DiskInbox
from streamer.uploads.disk import failure
from streamer.uploads.errors import NoSuchUpload, NotDurable, StorageAway, Superseded, UploadError
from streamer.uploads.flow import Pace, Slot
from streamer.uploads.metadata import Checksum
from streamer.uploads.pieces import PIECE_BYTES
from streamer.uploads.sources import Piecewise
from streamer.uploads.spool import Spool
from streamer.uploads.upload import Upload


class BucketInbox(DiskInbox):
    """An Inbox in a store. An upload is in the hand of one server; whoever claims it takes it from another.

    The server that has it in hand has its bytes in the spool too: from there its video is made while they
    come. What is acknowledged is in the store.
    """

    def __init__(
        self,
        spool: Spool,
        store: Store,
        *,
        node: str,
        reserve: int = 0,
        pace: Pace | None = None,
        executor: Executor,
        taken: Callable[[Upload], Awaitable[None]] | None = None,
        piece_bytes: int = PIECE_BYTES,
    ) -> None:
        """Take the spool, the store, and who is told of an upload that was taken from another server.

        Threads of the `executor` wait for the store: it must not be one that the store itself needs.
        """
        self._bucket = BucketFolder(spool, store, node=node, piece_bytes=piece_bytes)
        super().__init__(
            spool.root, node=node, reserve=reserve, pace=pace, executor=executor, folder=self._bucket
        )
        self._spool = spool
        self._store = store
        self._taken = taken
        self._near: set[str] = set()
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def create(self, upload: Upload) -> Upload:
        """Begin an upload with offset 0. Raise NoRoom, NotDurable."""
        made = await super().create(upload)
        self._near.add(made.id)
        return made

    async def claim(self, upload_id: str) -> Upload:
        """Stop the present writer, of another server too, and return the upload. Raise UploadBusy."""
        await self._take(upload_id)
        return await super().claim(upload_id)

    async def append(
        self,
        upload: Upload,
        offset: int,
        chunks: AsyncIterator[bytes],
        *,
        limit: int,
        length: int | None = None,
        checksum: Checksum | None = None,
        expires: int | None = None,
    ) -> Upload:
        """Append chunks at the offset and return the upload with its new acknowledged offset. See Inbox."""
        await self._bring(upload.id)
        try:
            kept = await super().append(
                upload, offset, chunks, limit=limit, length=length, checksum=checksum, expires=expires
            )
        except Superseded:
            if not await self._call(self._bucket.holds, upload.id):
                await self._let_go(upload.id)
            raise
        await self._tell(upload.id)
        return kept

    async def hand_over(self, upload_id: str, give: Callable[[Upload, Path], Awaitable[None]]) -> Upload:
        """Give the sealed bytes away once, and mark them as delivered."""
        await self._take(upload_id)
        upload = await super().hand_over(upload_id, give)
        if upload_id in self._near:
            self._near.discard(upload_id)
            self._spool.take(upload_id)
            await asyncio.to_thread(self._spool.shrink)
        return upload

    async def read(self, upload_id: str, start: int, stop: int) -> bytes:
        """Return received bytes start to stop (excluded), fewer where they have not come yet."""
        original = await self.original(upload_id)
        stop = min(stop, original.received)
        return await original.read(start, stop) if start < stop else b""

    async def original(self, upload_id: str) -> Arriving:
        """Return the upload as a source that can be read while it grows."""
        slot = await self._slot(upload_id)
        if not slot.upload.delivered:
            await self._bring(upload_id)
        far = Piecewise(self._store, upload_id, self._spool)
        return _Near(slot, self.path(upload_id), tail=lambda: self._tail(slot), far=far)

    async def source(self, upload_id: str) -> Original:
        """Return what is there of an upload, whoever receives it. Raise SourceCut."""
        if upload_id in self._near:
            return await self.original(upload_id)
        found = Piecewise(self._store, upload_id, self._spool)
        await found.look()
        return found

    async def discard(self, upload_id: str) -> None:
        """Remove the bytes and keep the record, marked as abandoned."""
        await self._take(upload_id)
        await super().discard(upload_id)
        self._near.discard(upload_id)

    async def remove(self, upload_id: str) -> None:
        """Remove bytes and record. Absence is no error. Raise NotDurable, UploadBusy, UploadElsewhere."""
        await super().remove(upload_id)
        self._near.discard(upload_id)

    async def settle(self, now: int) -> tuple[Upload, ...]:
        """Let go of what other servers have taken, and return what of theirs has expired."""
        await self._load()
        for slot in list(self._slots.values()):
            upload = slot.upload
            over = upload.delivered or upload.abandoned or bool(upload.into)
            if not (over or await self._call(self._bucket.holds, upload.id)):
                await self._let_go(upload.id)
        return tuple(await self._call(self._bucket.lapsed, now))

    async def _tell(self, upload_id: str) -> None:
        """Tell other servers when an upload expires by now; they may take it for given up without that."""
        with contextlib.suppress(UploadError):
            slot = await self._slot(upload_id)
            async with self._locked(slot):
                if not (slot.upload.delivered or slot.upload.abandoned):
                    await self._change(slot)

    async def _take(self, upload_id: str) -> None:
        """Take an upload, unless this server has it in hand or it is over. Raise NoSuchUpload."""
        self.path(upload_id)
        await self._load()
        async with self._turn(upload_id):
            slot = self._slots.get(upload_id)
            if slot is not None and (slot.upload.delivered or slot.upload.abandoned):
                return
            if await self._call(self._bucket.holds, upload_id):
                return
            found = await self._call(self._bucket.look, upload_id)
            await self._let_go(upload_id)
            if found is None:
                raise NoSuchUpload("There is no such upload.")
            host = found.into or upload_id
            await self._let_go(host)
            for upload in await self._call(self._bucket.take, host):
                self._slots[upload.id] = Slot(
                    upload=upload, generation=upload.generation, readable=upload.offset
                )
            for slot in list(self._slots.values()):
                await self._link(slot)
            if self._taken is not None and found.node != self._node:
                await self._taken(self._slots[host].upload)

    async def _let_go(self, upload_id: str) -> None:
        """Stop writing to an upload that another server has, and forget it with its end."""
        slot = self._slots.pop(upload_id, None)
        if slot is not None:
            slot.fence()
            self._slots.pop(slot.upload.tail, None)
        if upload_id in self._near:
            self._near.discard(upload_id)
            await asyncio.to_thread(self.path(upload_id).unlink, missing_ok=True)

    async def _bring(self, upload_id: str) -> None:
        """Have all bytes of an upload that are in the store on this machine too. Raise NotDurable."""
        slot = await self._slot(upload_id)
        host = slot.upload.into or upload_id
        async with self._turn(f"{host} comes"):
            if host in self._near or slot.upload.delivered:
                return
            path = self.path(host)
            await asyncio.to_thread(path.unlink, missing_ok=True)
            try:
                await Piecewise(self._store, host, self._spool).write_to(path)
            except StoreAway as error:
                raise StorageAway("What was received cannot be read: the storage is away.") from error
            except SourceCut as error:
                raise NotDurable(f"What was received cannot be read: {error.message}") from error
            except OSError as error:
                raise failure(error, doing="bringing here what was received") from error
            self._near.add(host)

    def _turn(self, name: str) -> asyncio.Lock:
        return self._turns.setdefault(name, asyncio.Lock())


class _Near(Arriving):
    """An upload that is read from this machine while it is in hand, and from the store once it is whole."""

    def __init__(self, slot: Slot, path: Path, *, tail: Callable[[], Slot | None], far: Piecewise) -> None:
        super().__init__(slot, path, tail=tail)
        self._far = far

    async def file(self) -> Path:
        """Return the file, brought here again where it has been removed. Raise SourceCut."""
        return await self._far.file() if self._slot.upload.delivered else self.path

    async def read(self, start: int, stop: int) -> bytes:
        """Return bytes start to stop (excluded). Raise SourceCut where they are not there."""
        if self._slot.upload.delivered:
            return await self._far.read(start, stop)
        return await super().read(start, stop)
