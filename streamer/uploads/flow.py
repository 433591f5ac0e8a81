"""Bring one request's bytes to disk: gather, write overlapped, sync, acknowledge."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import dataclass, field, replace

from streamer.uploads.disk import Appender
from streamer.uploads.errors import (
    ChecksumMismatch,
    IdleBody,
    NoRoom,
    NotDurable,
    Superseded,
    TooLarge,
)
from streamer.uploads.metadata import Checksum
from streamer.uploads.upload import Upload

BATCH_BYTES = 2 << 20
BATCH_SECONDS = 0.25  # a batch that does not fill is written after so long
FIRST_BYTES = 8 << 20  # of the first ones of a request somebody may wait to see the first picture
FIRST_SECONDS = 0.05
IDLE_BYTES = 1024  # a sender that needs longer than the idle time for these counts as silent
GIVE_BACK = 64 << 10  # freed on a full disk, so that the record of what was received can be written


@dataclass(slots=True, kw_only=True)
class Slot:
    """One upload in this process: its record, who may write, how far reading may go.

    `host` is the slot into whose file an end goes.
    """

    upload: Upload
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    generation: int
    readable: int
    gate: asyncio.Timeout | None = None
    doubtful: bool = False  # the record on disk may differ from `upload`: a checkpoint failed
    host: Slot | None = None
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def pulse(self) -> None:
        """Wake whoever waits for bytes of this upload, or of what it goes into."""
        self.changed.set()
        self.changed = asyncio.Event()
        if self.host is not None:
            self.host.pulse()

    def fence(self) -> int:
        """Take the upload over: stop the present writer and return the new generation."""
        self.generation += 1
        if self.gate is not None and not self.gate.expired():
            self.gate.reschedule(asyncio.get_running_loop().time())
        return self.generation


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How a flow syncs: at the latest after so many bytes or seconds; `idle` seconds of silence end it."""

    sync_bytes: int = 32 << 20
    sync_seconds: float = 2.0
    idle_seconds: float = 30.0


class Flow:
    """The bytes of one request on their way into one slot. Whoever runs it holds the slot's lock."""

    def __init__(
        self,
        slot: Slot,
        appender: Appender,
        *,
        keep: Callable[[Upload], None],
        limit: int,
        pace: Pace,
        executor: Executor | None,
        checksum: Checksum | None = None,
        expires: int | None = None,
    ) -> None:
        """Take the slot, an appender at its offset, and what makes what is counted durable.

        That is called in a thread once the bytes are on the disk.
        """
        self._slot = slot
        self._generation = slot.generation
        self._appender = appender
        self._keep = keep
        self._limit = limit
        self._pace = pace
        self._executor = executor
        self._checksum = checksum
        self._expires = expires
        # Two buffers that take turns. Kept chunks, written by writev, cost more than this copy: memory that
        # goes back and forth between the allocator and the kernel is a page fault for every 4 KiB.
        size = max(1, min(BATCH_BYTES, limit - appender.end))
        self._batch, self._spare = bytearray(size), bytearray(size)
        self._size = 0
        self._over = memoryview(b"")
        self._began = self._taken = appender.end
        self._job: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._failure: NoRoom | NotDurable | Superseded | None = None
        self._broken = False
        self._loop = asyncio.get_running_loop()
        self._synced_at, self._synced_end = self._loop.time(), appender.end

    async def run(self, chunks: AsyncIterator[bytes]) -> None:
        """Take all chunks; in the end, however it comes, settle what was received."""
        try:
            while await self._gather(chunks):
                await self._flush()
        except BaseException:
            await self._settle(whole=False)
            raise
        await self._settle(whole=True)

    async def _gather(self, chunks: AsyncIterator[bytes]) -> bool:
        # Fill the batch; False at the end of the chunks. One timer serves silence and fencing.
        if self._slot.generation != self._generation:
            raise Superseded("A newer request goes on with this upload.")
        if self._fill():
            return True
        moved = self._loop.time()
        fresh = 0
        try:
            async with asyncio.timeout(self._pace.idle_seconds) as gate:
                self._slot.gate = gate
                async for chunk in chunks:
                    self._take(chunk)
                    if self._fill():
                        return True
                    now = self._loop.time()
                    fresh += len(chunk)
                    if fresh >= IDLE_BYTES and now - moved >= self._pace.idle_seconds / 8:
                        fresh, moved = 0, now
                        if not gate.expired():
                            gate.reschedule(now + self._pace.idle_seconds)
        except TimeoutError as error:
            if not gate.expired():
                raise
            if self._slot.generation != self._generation:
                raise Superseded("A newer request goes on with this upload.") from error
            raise IdleBody("The body stopped coming; what had come is kept.") from error
        finally:
            self._slot.gate = None
        return False

    def _take(self, chunk: bytes) -> None:
        if self._taken + len(chunk) > self._limit:
            raise TooLarge(f"The body goes past the {self._limit} bytes that this upload may have.")
        self._taken += len(chunk)
        self._over = memoryview(chunk)

    def _fill(self) -> bool:
        # Move what is at hand into the batch, and say whether that is full.
        moved = min(len(self._over), len(self._batch) - self._size)
        self._batch[self._size : self._size + moved] = self._over[:moved]
        self._over = self._over[moved:]
        self._size += moved
        if moved and self._timer is None:
            first = self._taken - self._began <= FIRST_BYTES
            self._timer = self._loop.call_later(FIRST_SECONDS if first else BATCH_SECONDS, self._overdue)
        return self._size == len(self._batch)

    async def _flush(self) -> None:
        # Hand the batch to a thread, after the one before it is through: at most two are in memory.
        await self._rest()
        self._start()

    def _start(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._size:
            full = memoryview(self._batch)[: self._size]
            self._batch, self._spare, self._size = self._spare, self._batch, 0
            self._job = self._loop.run_in_executor(self._executor, self._write, full)

    def _drop(self) -> None:
        self._over, self._size = memoryview(b""), 0
        self._start()

    def _overdue(self) -> None:
        # A slow sender's batch does not wait until it is full.
        self._timer = None
        if self._job is None or self._job.done():
            if self._failure is None:
                self._start()
        else:
            self._timer = self._loop.call_later(BATCH_SECONDS, self._overdue)

    async def _rest(self) -> None:
        # Wait for the write under way. asyncio.wait leaves it running should this task be cancelled.
        while self._job is not None:
            job = self._job
            await asyncio.wait((job,))
            if self._job is job:
                self._job = None
        if self._failure is not None:
            raise self._failure

    def _write(self, batch: memoryview) -> None:
        # In a thread. After a failure nothing more is written: it would leave a hole.
        try:
            self._appender.write(batch)
            if self._checksum is None:
                self._slot.readable = self._appender.end
                self._tell()
            waiting = self._appender.end - self._synced_end
            late = self._loop.time() - self._synced_at >= self._pace.sync_seconds
            if waiting >= self._pace.sync_bytes or late:
                self._checkpoint()
        except (NoRoom, NotDurable, Superseded) as error:
            self._failure = error

    async def _settle(self, *, whole: bool) -> None:
        # `whole` tells that the request's body came to its end.
        try:
            self._fill()
            while self._size:
                await self._flush()
                self._fill()
            await self._rest()
        except (NoRoom, NotDurable):
            self._drop()
            if not self._broken:
                await self._loop.run_in_executor(self._executor, self._count)
            raise
        await self._loop.run_in_executor(self._executor, self._end, whole)

    def _end(self, whole: bool) -> None:  # noqa: FBT001 - run_in_executor passes by position
        # In a thread.
        if self._checksum is not None and whole:
            if self._appender.digest() != self._checksum.digest:
                raise ChecksumMismatch("The bytes do not have the checksum sent with them; none is kept.")
            self._checksum = None
        self._count()

    def _count(self) -> None:
        # In a thread: acknowledge what was received; on a full disk less its end, as the record needs room.
        if self._checksum is not None or self._appender.end == self._slot.upload.offset:
            return
        try:
            self._checkpoint()
        except NoRoom:
            kept = self._appender.end - GIVE_BACK
            if not self._broken and kept > self._slot.upload.offset:
                self._appender.cut(kept)
                self._checkpoint()
            raise

    def _checkpoint(self) -> None:
        # In a thread: first the bytes, then the record that counts them, then the acknowledgement.
        slot, end = self._slot, self._appender.end
        try:
            self._appender.sync()
        except (NoRoom, NotDurable):
            self._broken = True  # the kernel may have dropped the pages: no second sync can tell
            slot.readable = slot.upload.offset
            raise
        self._synced_at, self._synced_end = self._loop.time(), end
        if self._checksum is not None:
            return
        expires = slot.upload.expires if self._expires is None else self._expires
        counted = replace(slot.upload, offset=end, expires=expires, generation=self._generation)
        slot.doubtful = True
        self._keep(counted)
        slot.upload, slot.readable, slot.doubtful = counted, end, False
        self._tell()

    def _tell(self) -> None:
        # In a thread, once for each batch: those who wait for bytes look for themselves.
        with suppress(RuntimeError):  # the loop has been closed: nobody waits
            self._loop.call_soon_threadsafe(self._slot.pulse)
