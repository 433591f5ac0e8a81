"""Who is pushed frames: over one endless answer in chunks, or over a WebSocket. Neither is waited for."""

from __future__ import annotations

import asyncio
import time
from typing import Protocol, Self

from aiohttp import WSCloseCode, web
from aiohttp.abc import AbstractStreamWriter

from streamer.files import last_lines
from streamer.live.push import Viewer, Wrap

BEHIND_BYTES = 1 << 20
"""What may wait for a viewer: some seconds. Whoever is slower is cut off, and takes the playlists instead."""

_PING_SECONDS = 20
_SAID_BYTES = 1 << 10
_CLOSE_SECONDS = 1


class Pushing(Protocol):
    """What pushes renditions: what is made here, or comes from another server."""

    @property
    def room(self) -> bool:
        """Say whether one more viewer may join."""

    def knows(self, rendition: str) -> bool:
        """Say whether there is such a rendition to be pushed."""

    def join(self, rendition: str, viewer: Viewer) -> None:
        """Let a viewer in. Raise KeyError where nothing is pushed."""

    def leave(self, rendition: str, viewer: Viewer) -> None:
        """Let a viewer go."""


class _Line:
    """A connection that takes what it is given at once, or is cut."""

    def __init__(self) -> None:
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._transport: asyncio.Transport | None = None

    def open(self, request: web.Request) -> bool:
        """Take the connection of a request; False where it is gone already."""
        self._transport = request.transport
        return self._transport is not None

    def write(self, data: bytes) -> None:
        """Write, unless the other side is gone or too slow."""
        transport = self._transport
        if transport is None or self.done.done():
            return
        if transport.is_closing():
            self.end()
        elif transport.get_write_buffer_size() > BEHIND_BYTES:
            transport.abort()  # what was cut must not look whole
            self.end()
        else:
            transport.write(data)

    def end(self) -> None:
        """Take it that nothing more is written."""
        if not self.done.done():
            self.done.set_result(None)


class ChunkedViewer(web.StreamResponse):
    """One answer that goes on until the life ends, the viewer leaves, or is too slow."""

    def __init__(self) -> None:
        super().__init__()
        self._line = _Line()

    @property
    def wrap(self) -> Wrap:
        """Return what makes a chunk of a body."""
        return _chunk

    def send(self, wrapped: bytes) -> None:
        """Send chunks on, unless the viewer is gone or too slow."""
        self._line.write(wrapped)

    def finish(self) -> None:
        """End the answer as a whole one."""
        self._line.write(b"0\r\n\r\n")
        self._line.end()

    async def serve(self, request: web.Request, push: Pushing, rendition: str, *, head: bytes) -> Self:
        """Answer until it is over; the head, which lacks its last lines, announces a body in chunks."""
        self._eof_sent = True
        self._keep_alive = False
        if not self._line.open(request):
            return self
        self._line.write(head + last_lines(int(time.time()), b"Connection: close\r\n"))
        push.join(rendition, self)
        try:
            await self._line.done
        finally:
            push.leave(rendition, self)
        return self

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:  # noqa: ARG002
        """Do nothing: `serve` has done it."""
        return None

    async def write_eof(self, data: bytes = b"") -> None:
        """Do nothing: `serve` has done it."""


class SocketViewer:
    """One WebSocket: the first message is the init, and every further one a fragment.

    It is closed with 1000 when the life ends, and cut where the viewer is too slow. What a viewer says is
    not listened to.
    """

    def __init__(self) -> None:
        self._line = _Line()

    @property
    def wrap(self) -> Wrap:
        """Return what makes a message of a body."""
        return _message

    def send(self, wrapped: bytes) -> None:
        """Send messages on, unless the viewer is gone or too slow."""
        self._line.write(wrapped)

    def finish(self) -> None:
        """Have the socket closed."""
        self._line.end()

    async def serve(self, request: web.Request, push: Pushing, rendition: str) -> web.WebSocketResponse:
        """Open the socket and send until it is over."""
        socket = web.WebSocketResponse(
            compress=False, max_msg_size=_SAID_BYTES, heartbeat=_PING_SECONDS, timeout=_CLOSE_SECONDS
        )
        await socket.prepare(request)
        # While it was opened the life may have ended, and others come.
        if not (push.room and push.knows(rendition) and self._line.open(request)):
            await socket.close(code=WSCloseCode.TRY_AGAIN_LATER)
            return socket
        push.join(rendition, self)
        leaving = asyncio.create_task(_left(socket), name="pushed to a socket")
        try:
            await asyncio.wait((leaving, self._line.done), return_when=asyncio.FIRST_COMPLETED)
        finally:
            push.leave(rendition, self)
            leaving.cancel()
            await asyncio.gather(leaving, return_exceptions=True)
        await socket.close()
        return socket


async def _left(socket: web.WebSocketResponse) -> None:
    """Return when the other side has gone; reading also answers its pings."""
    async for _ in socket:
        pass


def _chunk(body: bytes) -> bytes:
    """Return one chunk of the chunked coding (RFC 9112 §7.1)."""
    return b"%x\r\n%s\r\n" % (len(body), body)


def _message(body: bytes) -> bytes:
    """Return one unmasked binary message (RFC 6455 §5.2)."""
    size = len(body)
    if size < 126:
        head = bytes((0x82, size))
    elif size < 1 << 16:
        head = b"\x82\x7e" + size.to_bytes(2)
    else:
        head = b"\x82\x7f" + size.to_bytes(8)
    return head + body
