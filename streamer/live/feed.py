"""What is on its way to an encoder: bounded, so that a publisher is held back and not the memory filled."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterable

from streamer.ingest import flv
from streamer.ingest.flv import Tag

_ROOM = 4 << 20
_GATHERED = 1 << 16


class Feed:
    """FLV for one encoder. `stream` gives it out once; `end` lets that come to its end."""

    def __init__(self, *, audio: bool) -> None:
        self._chunks: deque[bytes] = deque([flv.head(audio=audio, video=True)])
        self._held = 0
        self._ended = False
        self._more = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._more.set()

    def add(self, tags: Iterable[Tag]) -> None:
        """Take tags at once, whether there is room or not: what fills in for a publisher is small."""
        for tag in tags if not self._ended else ():
            chunk = flv.write(tag)
            self._chunks.append(chunk)
            self._held += len(chunk)
        if self._held >= _ROOM:
            self._room.clear()
        self._more.set()

    async def room(self) -> None:
        """Wait until there is room for more, or nobody reads any longer."""
        await self._room.wait()

    def end(self) -> None:
        """Say that nothing more comes."""
        self._ended = True
        self._more.set()
        self._room.set()

    async def stream(self) -> AsyncIterator[bytes]:
        """Give out what comes, gathered into larger pieces where much of it waits."""
        while True:
            await self._more.wait()
            piece = bytearray()
            while self._chunks and len(piece) < _GATHERED:
                piece += self._chunks.popleft()
            if piece:
                self._held = max(0, self._held - len(piece))
                if self._held < _ROOM and not self._ended:
                    self._room.set()
                yield bytes(piece)
            elif self._ended:
                return
            else:
                self._more.clear()
