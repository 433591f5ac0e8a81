"""Keep uploads in a directory: the Inbox of one process, beside those of others where `node` is given."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import Executor
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from packager.original import Original
from streamer.uploads.arriving import Arriving
from streamer.uploads.disk import Appender, read_span
from streamer.uploads.errors import (
    InvalidUpload,
    NoSuchUpload,
    NotWritable,
    OffsetMismatch,
    Superseded,
    UploadBusy,
    UploadElsewhere,
)
from streamer.uploads.flow import Flow, Pace, Slot
from streamer.uploads.folder import Folder
from streamer.uploads.metadata import Checksum
from streamer.uploads.sources import on_disk
from streamer.uploads.tails import check_tail
from streamer.uploads.upload import Upload

_T = TypeVar("_T")

BUSY_SECONDS = 20.0


class DiskInbox:
    """An Inbox in the directory `root`, which belongs to one process, or to one for each `node`.

    An upload stays with the node that it was begun at; once whole and handed over, every node can read and
    remove it. `reserve` bytes of the disk stay free. Blocking calls run in `executor`, None being the loop's
    own.
    """

    def __init__(
        self,
        root: Path,
        *,
        node: str = "",
        reserve: int = 0,
        pace: Pace | None = None,
        executor: Executor | None = None,
        folder: Folder | None = None,
    ) -> None:
        """Take the directory, which is made when first used; `folder` knows how records are kept."""
        self._node = node
        self._folder = folder or Folder(root, node=node)
        self._reserve = reserve
        self._pace = pace or Pace()
        self._executor = executor
        self._slots: dict[str, Slot] = {}
        self._loading = asyncio.Lock()
        self._loaded = False

    async def create(self, upload: Upload) -> Upload:
        """Begin an upload with offset 0. Raise NoRoom, NotDurable."""
        await self._load()
        upload = replace(upload, node=self._node)
        await self._call(self._folder.create, upload)
        self._slots[upload.id] = Slot(upload=upload, generation=upload.generation, readable=0)
        return upload

    async def state(self, upload_id: str) -> Upload:
        """Return what is known of the upload."""
        return (await self._slot(upload_id)).upload

    async def claim(self, upload_id: str) -> Upload:
        """Stop the present writer, wait until it is settled, and return the upload. Raise UploadBusy."""
        slot = await self._slot(upload_id)
        generation = slot.fence()
        async with self._locked(slot):
            return replace(slot.upload, generation=generation)

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
        slot = await self._slot(upload.id)
        async with self._locked(slot):
            if slot.generation != upload.generation:
                raise Superseded("A newer request goes on with this upload.")
            if slot.upload.delivered or slot.upload.abandoned:
                raise NotWritable("The upload takes no more bytes.")
            if slot.upload.offset != offset:
                raise OffsetMismatch("The upload goes on at another offset.", offset=slot.upload.offset)
            if length is not None:
                await self._settle_length(slot, length)
            await self._reconcile(slot)
            algorithm = checksum.algorithm if checksum is not None else ""
            appender = await self._call(
                lambda: Appender(
                    self.path(slot.upload.into or upload.id),
                    offset,
                    reserve=self._reserve,
                    algorithm=algorithm,
                    base=slot.upload.at,
                    shared=bool(slot.upload.into or slot.upload.tail),
                )
            )
            flow = Flow(
                slot,
                appender,
                keep=self._folder.keep,
                limit=limit,
                pace=self._pace,
                executor=self._executor,
                checksum=checksum,
                expires=expires,
            )
            try:
                await flow.run(chunks)
            finally:
                slot.readable = slot.upload.offset
                slot.pulse()
                await self._call(appender.close)
            return slot.upload

    async def update(self, upload_id: str, **changes: Any) -> Upload:
        """Change fields of the record, durably. Raise NoRoom, NotDurable, UploadBusy."""
        slot = await self._slot(upload_id)
        async with self._locked(slot):
            return await self._change(slot, **changes)

    async def hand_over(self, upload_id: str, give: Callable[[Upload, Path], Awaitable[None]]) -> Upload:
        """Give the sealed bytes away once, and mark them as delivered."""
        slot = await self._slot(upload_id)
        async with self._locked(slot):
            if slot.upload.delivered:
                return slot.upload
            await give(slot.upload, self.path(upload_id))
            tail = self._tail(slot)
            if tail is not None:
                await self._change(tail, delivered=True)
            return await self._change(slot, delivered=True)

    async def read(self, upload_id: str, start: int, stop: int) -> bytes:
        """Return received bytes start to stop (excluded), fewer where they have not come yet."""
        slot = await self._slot(upload_id)
        stop = min(stop, slot.readable)
        if start >= stop:
            return b""
        return await self._call(read_span, self.path(upload_id), start, stop)

    async def size(self, upload_id: str) -> int:
        """Return how many bytes are there, its end's too."""
        return (await self.original(upload_id)).kept

    async def seal(self, upload_id: str) -> Path:
        """Close the upload at its present offset, and return its file."""
        slot = await self._slot(upload_id)
        async with self._locked(slot):
            if slot.upload.length != slot.upload.offset:
                await self._change(slot, length=slot.upload.offset)
        return self.path(upload_id)

    def path(self, upload_id: str) -> Path:
        """Return the file that holds the bytes. Raise NoSuchUpload for what is no id."""
        return self._folder.bytes_of(upload_id)

    async def discard(self, upload_id: str) -> None:
        """Remove the bytes and keep the record, marked as abandoned."""
        slot = await self._slot(upload_id)
        slot.fence()
        async with self._locked(slot):
            await self._change(slot, abandoned=True)
            await self._forget_tail(slot)
            await self._call(self._folder.unlink_bytes, upload_id)
            slot.readable = 0

    async def remove(self, upload_id: str) -> None:
        """Remove bytes and record. Absence is no error. Raise NotDurable, UploadBusy, UploadElsewhere."""
        self.path(upload_id)
        try:
            slot = await self._slot(upload_id)
        except UploadElsewhere:
            raise
        except NoSuchUpload:
            return
        slot.fence()
        async with self._locked(slot):
            await self._call(self._folder.unlink, upload_id)
            await self._forget_tail(slot)
            del self._slots[upload_id]

    async def map_tail(self, tail: Upload) -> Upload:
        """Begin the upload of the end of the upload `tail.into`. See Inbox."""
        slot = await self._slot(tail.into)
        slot.fence()
        async with self._locked(slot):
            check_tail(tail, host=slot.upload)
            earlier = self._tail(slot)
            if earlier is not None and earlier.upload.whole:
                raise NotWritable("The end of this upload is there already.")
            tail = replace(tail, node=self._node)
            await self._call(self._folder.create, tail)
            await self._forget_tail(slot)
            self._slots[tail.id] = Slot(upload=tail, generation=tail.generation, readable=0, host=slot)
            await self._change(slot, tail=tail.id)
        return tail

    async def tail_of(self, upload: Upload) -> Upload | None:
        """Return the upload of this upload's end, None where it has none."""
        tail = self._tail(await self._slot(upload.id))
        return None if tail is None else tail.upload

    async def drop_tail(self, upload_id: str) -> None:
        """Give the end of an upload up, unless the upload is whole."""
        slot = await self._slot(upload_id)
        async with self._locked(slot):
            if slot.upload.tail and not slot.upload.whole:
                await self._forget_tail(slot)
                await self._change(slot, tail="")

    async def meet(self, upload_id: str) -> Upload:
        """Count the end as received where the head has come to it and the end is whole."""
        slot = await self._slot(upload_id)
        if slot.lock.locked():  # whoever writes the head comes here afterwards
            return slot.upload
        async with self._locked(slot):
            tail = self._tail(slot)
            met = tail is not None and tail.upload.whole and slot.upload.offset == tail.upload.at
            if not met or slot.upload.delivered or slot.upload.abandoned:
                return slot.upload
            await self._change(slot, offset=slot.upload.length)
            slot.readable = slot.upload.offset
            slot.pulse()
            return slot.upload

    async def original(self, upload_id: str) -> Arriving:
        """Return the upload as a source that can be read while it grows."""
        slot = await self._slot(upload_id)
        return Arriving(slot, self.path(upload_id), tail=lambda: self._tail(slot))

    async def settle(self, now: int) -> tuple[Upload, ...]:  # noqa: ARG002 - the seam's
        """Return nothing: of what another server receives nobody else takes care."""
        return ()

    async def source(self, upload_id: str) -> Original:
        """Return what is there of an upload, whoever receives it. Raise SourceCut."""
        return await on_disk(self.path)(upload_id)

    async def all(self) -> tuple[Upload, ...]:
        """Return every upload that is known, oldest first."""
        await self._load()
        return tuple(sorted((slot.upload for slot in self._slots.values()), key=lambda one: one.created))

    async def free(self) -> int:
        """Return the bytes that can be received before the reserve is reached."""
        await self._load()
        return max(0, await self._call(self._folder.free) - self._reserve)

    @contextlib.asynccontextmanager
    async def _locked(self, slot: Slot) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(BUSY_SECONDS):
                await slot.lock.acquire()
        except TimeoutError as error:
            raise UploadBusy("The upload's earlier request has not come to rest.") from error
        try:
            if self._slots.get(slot.upload.id) is not slot:
                raise NoSuchUpload("There is no such upload.")
            yield
        finally:
            slot.lock.release()

    def _tail(self, slot: Slot) -> Slot | None:
        return self._slots.get(slot.upload.tail) if slot.upload.tail else None

    async def _forget_tail(self, slot: Slot) -> None:
        """Remove the upload of a slot's end; whoever holds the slot's lock calls it."""
        tail = self._tail(slot)
        if tail is not None:
            tail.fence()
            async with self._locked(tail):
                await self._call(self._folder.unlink_record, tail.upload.id)
                del self._slots[tail.upload.id]

    async def _settle_length(self, slot: Slot, length: int) -> None:
        known = slot.upload.length
        if known is not None and known != length:
            raise InvalidUpload(f"The upload's length is {known} bytes and cannot change.")
        if length < slot.upload.offset:
            raise InvalidUpload(f"{slot.upload.offset} bytes are there already, more than Upload-Length.")
        if known is None:
            await self._change(slot, length=length)

    async def _change(self, slot: Slot, **changes: Any) -> Upload:
        changed = replace(slot.upload, **changes)
        slot.doubtful = True
        await self._call(self._folder.write, changed)
        slot.upload, slot.doubtful = changed, False
        return changed

    async def _reconcile(self, slot: Slot) -> None:
        # After a failed checkpoint the record on disk may count bytes that are about to be cut off.
        if slot.doubtful:
            await self._change(slot)

    async def _slot(self, upload_id: str) -> Slot:
        await self._load()
        slot = self._slots.get(upload_id)
        if slot is None and self._node:
            return await self._others(upload_id)
        if slot is None:
            raise NoSuchUpload("There is no such upload.")
        return slot

    async def _others(self, upload_id: str) -> Slot:
        """Return the slot of an upload that another node has handed over."""
        upload = await self._call(self._folder.look, upload_id)
        if upload is None:
            raise NoSuchUpload("There is no such upload.")
        if upload.node != self._node and not upload.delivered:
            raise UploadElsewhere("Another server receives this upload: send it there.")
        slot = Slot(upload=upload, generation=upload.generation, readable=upload.offset)
        return self._slots.setdefault(upload_id, slot)

    async def _load(self) -> None:
        if self._loaded:
            return
        async with self._loading:
            if self._loaded:
                return
            for upload, differs in await self._call(self._folder.scan):
                self._slots[upload.id] = Slot(
                    upload=upload, generation=upload.generation, readable=upload.offset, doubtful=differs
                )
            for slot in list(self._slots.values()):
                await self._link(slot)
            self._loaded = True

    async def _link(self, slot: Slot) -> None:
        # A crash may have come between the records of an upload and of its end.
        upload = slot.upload
        if upload.into:
            slot.host = self._slots.get(upload.into)
            if slot.host is None or slot.host.upload.tail != upload.id:
                await self._call(self._folder.unlink_record, upload.id)
                del self._slots[upload.id]
        elif upload.tail and upload.tail not in self._slots and not upload.whole:
            slot.upload, slot.doubtful = replace(upload, tail=""), True

    async def _call(self, work: Callable[..., _T], *arguments: Any) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._executor, work, *arguments)
