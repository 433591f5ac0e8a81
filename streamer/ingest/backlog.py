"""Tags that have been received and not yet taken: a queue for one writer and one reader, bounded."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator

from streamer.ingest.flv import Tag


class Backlog:
    """Holds up to `tags_max` tags and `bytes_max` bytes of payload, or one tag that alone has more."""

    def __init__(self, *, tags_max: int, bytes_max: int) -> None:
        self._tags_max = tags_max
        self._bytes_max = bytes_max
        self._tags: deque[Tag] = deque()
        self._bytes = 0
        self._ended = False
        self._room = asyncio.Event()
        self._some = asyncio.Event()

    @property
    def ended(self) -> bool:
        """Whether nothing more is taken."""
        return self._ended

    @property
    def tags(self) -> int:
        """How many tags are held."""
        return len(self._tags)

    @property
    def bytes(self) -> int:
        """How many bytes of payload are held."""
        return self._bytes

    async def put(self, tag: Tag) -> None:
        """Add a tag once there is room for it; after the end it is dropped."""
        while self._full(tag) and not self._ended:
            self._room.clear()
            await self._room.wait()
        if not self._ended:
            self._tags.append(tag)
            self._bytes += len(tag.payload)
            self._some.set()

    def end(self) -> None:
        """Take nothing more. The reader comes to its end behind what is held."""
        self._ended = True
        self._some.set()
        self._room.set()

    async def __aiter__(self) -> AsyncIterator[Tag]:
        while self._tags or not self._ended:
            if not self._tags:
                self._some.clear()
                await self._some.wait()
                continue
            tag = self._tags.popleft()
            self._bytes -= len(tag.payload)
            self._room.set()
            yield tag

    def _full(self, tag: Tag) -> bool:
        crowded = len(self._tags) >= self._tags_max or self._bytes + len(tag.payload) > self._bytes_max
        return bool(self._tags) and crowded
