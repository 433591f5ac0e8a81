"""The life of an upload from creation to its asset, for whichever protocol brings the bytes."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from streamer.rows import Clock
from streamer.uploads.errors import (
    InvalidUpload,
    NoRoom,
    NoSuchUpload,
    NotWritable,
    StorageAway,
    TooLarge,
    TooMany,
    UploadError,
    UploadExpired,
)
from streamer.uploads.inbox import Inbox
from streamer.uploads.intake import Intake, UploadSettings
from streamer.uploads.metadata import Checksum
from streamer.uploads.tails import Body
from streamer.uploads.upload import Upload

log = logging.getLogger(__name__)

JOIN_BYTES = 2 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Reception:
    """Begin, receive, join, end and expire uploads. It holds no state of its own."""

    inbox: Inbox
    intake: Intake
    settings: UploadSettings
    clock: Clock

    async def begin(
        self,
        *,
        title: str,
        length: int | None,
        metadata: str = "",
        partial: bool = False,
        parts: tuple[str, ...] = (),
        resumable: bool = True,
        policy: str | None = None,
    ) -> Upload:
        """Create an upload, and its asset unless it is partial; `policy` says who may watch that.

        Raise TooLarge, TooMany, NoRoom, NotDurable.
        """
        if length is not None and length > self.settings.max_size:
            raise TooLarge(f"An upload may have {self.settings.max_size} bytes at most.")
        await self._admit(length or 0)
        fresh = self._fresh(length=length, metadata=metadata)
        upload = await self.inbox.create(replace(fresh, partial=partial, parts=parts, resumable=resumable))
        if partial:
            return upload
        # The upload exists first: should this process end here, `recover` finds it without an asset, asks for
        # the same asset again and abandons it.
        try:
            asset = await self.intake.begin(title=title, size=length, upload_id=upload.id, policy=policy)
        except BaseException:
            await self.inbox.remove(upload.id)
            raise
        return await self.inbox.update(upload.id, asset=asset)

    async def begin_tail(self, *, asset: str, at: int, length: int | None, metadata: str) -> Upload:
        """Create the upload of the end of an asset's file. See Inbox.map_tail."""
        host = next((one for one in await self.inbox.all() if asset and one.asset == asset), None)
        if host is None or self.expired(host):
            raise InvalidUpload("No upload of this asset is under way.")
        fresh = self._fresh(length=length, metadata=metadata)
        return await self.inbox.map_tail(replace(fresh, partial=True, into=host.id, at=at))

    def _fresh(self, *, length: int | None, metadata: str) -> Upload:
        """Return the record of an upload that begins now."""
        now = self.clock()
        return Upload(
            id=secrets.token_hex(16),
            length=length,
            created=now,
            expires=now + self.settings.expiry_seconds * 1000,
            metadata=metadata,
        )

    async def claim(self, upload_id: str) -> Upload:
        """Take an upload over from whoever writes to it. Raise NoSuchUpload, UploadExpired, UploadBusy."""
        upload = await self.inbox.claim(upload_id)
        if upload.abandoned or self.expired(upload):
            raise UploadExpired("The upload was left unfinished for too long.")
        if not upload.resumable:
            raise NoSuchUpload("There is no such upload.")
        return upload

    def expired(self, upload: Upload) -> bool:
        """Say whether the upload was left for too long; what an asset owns never expires."""
        return not upload.delivered and not upload.into and self.clock() >= upload.expires

    async def receive(
        self,
        upload: Upload,
        offset: int,
        chunks: AsyncIterator[bytes],
        *,
        coming: int | None = None,
        length: int | None = None,
        checksum: Checksum | None = None,
    ) -> Upload:
        """Append a body at the offset, and when that was the last of it hand the upload over.

        `coming` is the body's size where it is announced, `length` settles a deferred length. Raise what
        `Inbox.append` raises, and before a byte is read TooLarge and NoRoom.
        """
        if upload.delivered and coming == 0:
            return upload
        known = upload.length if upload.length is not None else length
        limit = self.settings.max_size if known is None else known
        if coming is not None and upload.offset == offset:
            if offset <= limit < offset + coming:
                raise TooLarge(f"The body goes past the {limit} bytes that this upload may have.")
            await self._room(coming)
        shown = await self.inbox.state(upload.into) if upload.into else upload
        if shown.asset and not shown.delivered:
            await self.intake.arriving(shown.asset)
        async with contextlib.aclosing(self._watched(shown, chunks)) as watched:
            expires = self.clock() + self.settings.expiry_seconds * 1000
            append = partial(self.inbox.append, upload, length=length, checksum=checksum, expires=expires)
            tail = await self.inbox.tail_of(upload)
            if tail is not None and offset <= tail.at and upload.offset == offset:
                if checksum is not None and offset + (coming or 0) > tail.at:
                    raise InvalidUpload("A body with a checksum has to end where the end of the file begins.")
                return await self._receive_head(upload, offset, Body(watched), tail=tail, append=append)
            upload = await append(offset, watched, limit=limit)
        if upload.into:
            await self._met(upload.into)
        elif upload.whole and not upload.partial:
            return await self.deliver(upload)
        return upload

    async def _receive_head(
        self,
        upload: Upload,
        offset: int,
        body: Body,
        *,
        tail: Upload,
        append: Callable[..., Awaitable[Upload]],
    ) -> Upload:
        """Append to an upload whose end is or was on its way, up to that; see docs/api.md."""
        received = await append(offset, body.first(tail.at - offset), limit=tail.at)
        if received.offset < tail.at:
            return received
        received = await self._met(upload.id)
        if not await body.more():
            return received
        if received.whole:
            await body.drop(tail.length or 0)
            return received
        await self.inbox.drop_tail(upload.id)
        received = await append(tail.at, body.rest(), limit=upload.length)
        return await self.deliver(received) if received.whole else received

    async def _met(self, upload_id: str) -> Upload:
        """Join head and end where both are there, and hand the whole over."""
        upload = await self.inbox.meet(upload_id)
        return await self.deliver(upload) if upload.whole else upload

    async def seal(self, upload: Upload) -> Upload:
        """End an upload whose length was not known, and hand it over."""
        await self.inbox.seal(upload.id)
        return await self.deliver(upload)

    async def deliver(self, upload: Upload) -> Upload:
        """Hand the whole upload over to its asset, once."""

        async def give(held: Upload, path: Path) -> None:
            await self.intake.received(held.asset, held.offset)
            await self.intake.complete(held.asset, held.id, path)

        return await self.inbox.hand_over(upload.id, give)

    async def join(
        self, parts: tuple[str, ...], *, title: str, metadata: str, policy: str | None = None
    ) -> Upload:
        """Make one upload of whole partial ones, which are removed. The same parts again: the same upload.

        Raise NoSuchUpload, InvalidUpload, TooLarge, NoRoom, NotDurable.
        """
        for known in await self.inbox.all():
            if known.parts == parts and known.delivered:
                return known
        sources = [await self.claim(part) for part in parts]
        if not all(source.partial and source.whole and not source.into for source in sources):
            raise InvalidUpload("Upload-Concat joins partial uploads that are whole.")
        total = sum(source.offset for source in sources)
        upload = await self.begin(title=title, length=total, metadata=metadata, parts=parts, policy=policy)
        try:
            joined = await self.receive(upload, 0, self._bytes_of(sources), coming=total)
        except BaseException:
            await self.forget(upload)
            raise
        for part in dict.fromkeys(parts):
            await self.inbox.remove(part)
        return joined

    async def terminate(self, upload_id: str) -> None:
        """Remove an upload and its asset. Raise NotWritable where the bytes belong to the asset already."""
        upload = await self.claim(upload_id)
        if upload.delivered:
            raise NotWritable("The upload is complete and belongs to its asset: delete that.")
        if upload.into:
            await self.inbox.drop_tail(upload.into)
        else:
            await self.forget(upload)

    async def forget(self, upload: Upload) -> None:
        """Remove an upload, and abandon its asset."""
        if upload.asset:
            await self.intake.abandon(upload.asset)
        await self.inbox.remove(upload.id)

    async def recover(self) -> bool:
        """After a start: deliver what was whole, forget what nobody can go on with, show the rest again.

        Return False where the storage is away: then it is to be called again.
        """
        try:
            await self._recover()
        except StorageAway as error:
            log.warning("uploads are taken up when the storage is back: %s", error)
            return False
        return True

    async def _recover(self) -> None:
        for upload in await self.inbox.all():
            if upload.delivered or upload.abandoned or upload.partial:
                continue
            if not upload.asset:
                asset = await self.intake.begin(title="", size=upload.length, upload_id=upload.id)
                await self.intake.abandon(asset)
                await self.inbox.remove(upload.id)
            elif (await self._met(upload.id)).whole:
                continue
            elif upload.parts or not upload.resumable:
                await self.forget(upload)
            elif await self.inbox.size(upload.id):
                await self.intake.arriving(upload.asset)

    async def sweep_once(self) -> None:
        """Remove what has expired; the memory of it, which answers 410, goes one expiry time later."""
        now = self.clock()
        lapsed = await self.inbox.settle(now)
        for upload in (*await self.inbox.all(), *lapsed):
            if upload.abandoned:
                if now >= upload.expires + self.settings.expiry_seconds * 1000:
                    await self.inbox.remove(upload.id)
            elif upload.whole and not upload.partial and not upload.delivered:
                await self.deliver(upload)
            elif self.expired(upload):
                if upload.asset:
                    await self.intake.abandon(upload.asset)
                await self.inbox.discard(upload.id)

    async def sweep(self, *, recovered: bool = True) -> None:
        """Sweep for ever, every `sweep_seconds`; a failing round is logged and tried again.

        Unless that was done it recovers first.
        """
        while True:
            await asyncio.sleep(self.settings.sweep_seconds)
            try:
                recovered = recovered or await self.recover()
                await self.sweep_once()
            except (UploadError, OSError):
                log.exception("expired uploads could not be swept; trying again later")

    async def _admit(self, size: int) -> None:
        unfinished = [one for one in await self.inbox.all() if not one.delivered and not one.abandoned]
        if len(unfinished) >= self.settings.unfinished:
            raise TooMany(f"{len(unfinished)} uploads are unfinished; finish or terminate some first.")
        await self._room(size)

    async def _room(self, size: int) -> None:
        free = await self.inbox.free()
        if free == 0 or size > free:
            raise NoRoom(f"There is room for {free} bytes; everything acknowledged is kept.")

    async def _watched(self, upload: Upload, chunks: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
        # Tell the intake now and then how far it can read, in the pauses between chunks.
        loop = asyncio.get_running_loop()
        told = loop.time()
        async for chunk in chunks:
            yield chunk
            now = loop.time()
            if upload.asset and now - told >= self.settings.tell_seconds:
                told = now
                await self.intake.received(upload.asset, await self.inbox.size(upload.id))

    async def _bytes_of(self, sources: list[Upload]) -> AsyncIterator[bytes]:
        for source in sources:
            for start in range(0, source.offset, JOIN_BYTES):
                yield await self.inbox.read(source.id, start, min(start + JOIN_BYTES, source.offset))
