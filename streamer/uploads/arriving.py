"""An upload as the source of a video: it can be read as far as its bytes have come."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from packager.original import SourceCut, read_span
from streamer.uploads.flow import Slot


class Arriving:
    """The Original of an upload.

    Bytes that can be read are not yet durable: whoever sends them again after a crash sends the same ones.
    """

    def __init__(self, slot: Slot, path: Path, *, tail: Callable[[], Slot | None]) -> None:
        """Take the upload's slot and file, and who finds the slot of its end."""
        self.path = path
        self._slot = slot
        self._tail = tail

    @property
    def upload(self) -> str:
        """Return the upload's id."""
        return self._slot.upload.id

    @property
    def size(self) -> int | None:
        """Return how many bytes there will be, None while that is not known."""
        return self._slot.upload.length

    @property
    def received(self) -> int:
        """Return how many bytes from the first one on can be read without a hole."""
        return self._slot.readable

    @property
    def kept(self) -> int:
        """Return how many bytes are there, those of the end too."""
        tail = self._tail()
        if tail is None or self.received > tail.upload.at:
            return self.received
        return self.received + tail.readable

    @property
    def whole(self) -> bool:
        """Say whether all bytes are there, durably."""
        return self._slot.upload.whole

    def has(self, start: int, stop: int) -> bool:
        """Say whether bytes start to stop (excluded) can be read."""
        if stop <= self._slot.readable:
            return True
        tail = self._tail()
        return tail is not None and tail.upload.at <= start and stop <= tail.upload.at + tail.readable

    async def file(self) -> Path:
        """Return the file."""
        return self.path

    async def read(self, start: int, stop: int) -> bytes:
        """Return bytes start to stop (excluded). Raise SourceCut where they are not there."""
        if not self.has(start, stop):
            raise SourceCut("The source has not come so far.", evidence=f"bytes {start} to {stop}")
        return await asyncio.to_thread(read_span, self.path, start, stop)

    async def changed(self) -> None:
        """Wait until bytes have come, at the end of the file too, or all are durable."""
        await self._slot.changed.wait()

    async def grown(self, beyond: int) -> None:
        """Wait until more than `beyond` bytes are received, or all there will be."""
        while self.received <= beyond and not self.whole:
            await self.changed()
