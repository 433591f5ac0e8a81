"""One answer of another server while it comes in, for all who read it here."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager

from streamer.relay.upstream import Fetched, PeerGone, Upstream

_MOST_BYTES = 256 << 20


class Inflow:
    """Asks once. Readers get what has come so far, and the rest as it comes; bounded in memory.

    It is given up when nobody reads any more.
    """

    def __init__(self, upstream: Upstream, url: str) -> None:
        self._upstream = upstream
        self._url = url
        self._pieces: list[bytes] = []
        self._bell = asyncio.Event()
        self._readers = 0
        self._head: Fetched | None = None
        self._failed: Exception | None = None
        self.task = asyncio.create_task(self._run(), name="relayed answer")
        self.task.add_done_callback(lambda _: self._ring())

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Have it go on while the block runs."""
        self._readers += 1
        try:
            yield
        finally:
            self._readers -= 1
            if not self._readers:
                self.task.cancel()

    async def head(self) -> Fetched:
        """Return the head, once it is there. Raise PeerGone."""
        while self._head is None:
            await self._turn()
        return self._head

    async def read(self) -> AsyncGenerator[bytes, None]:
        """Yield all of the body. Raise PeerGone where it does not come to its end."""
        sent = 0
        while True:
            while sent < len(self._pieces):
                yield self._pieces[sent]
                sent += 1
            if self.task.done():
                if self._failed is not None:
                    raise self._failed
                return
            await self._turn()

    async def sent(self) -> AsyncGenerator[bytes, None]:
        """Yield all of the body to a connection. Raise ConnectionResetError where it breaks off."""
        try:
            async for piece in self.read():
                yield piece
        except PeerGone as error:
            raise ConnectionResetError(error.message) from error

    async def whole(self) -> bytes:
        """Return all of the body. Raise PeerGone."""
        return b"".join([piece async for piece in self.read()])

    async def _run(self) -> None:
        size = 0
        try:
            async with self._upstream.opened(self._url) as (head, pieces):
                self._head = head
                self._ring()
                async for piece in pieces:
                    size += len(piece)
                    self._pieces.append(piece)
                    if size > _MOST_BYTES:
                        self._failed = PeerGone("An answer of another server is too large.")
                        return
                    self._ring()
        except PeerGone as error:
            self._failed = error
        except asyncio.CancelledError:
            self._failed = PeerGone("Nobody waited any more.")
            raise

    async def _turn(self) -> None:
        """Wait for what comes next. Raise PeerGone where nothing does any more."""
        if self.task.done() and self._head is None:
            raise self._failed or PeerGone("Another server has not answered.")
        if not self.task.done():
            await self._bell.wait()

    def _ring(self) -> None:
        bell, self._bell = self._bell, asyncio.Event()
        bell.set()
