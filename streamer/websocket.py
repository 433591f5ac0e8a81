"""A WebSocket on a connection taken over from aiohttp: strict, and small where thousands are open.

aiohttp's own takes frames without a mask, keeps 40 kB for each client that compresses, leaves no say in what
is negotiated, and holds the request with all that handled it for as long as the socket is open.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, cast

from aiohttp import hdrs, web

from streamer.allowance import Allowance
from streamer.deflate import agreed
from streamer.frames import Fragments, Frame, FrameReader, Message, Opcode, Violation, close_code, frame
from streamer.problems import Problem

if TYPE_CHECKING:
    from aiohttp.http import WebSocketReader

BUFFER_MAX = 256 << 10
"""Bytes that a peer may leave untaken before it is held up."""

_MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455 section 1.3
_VERSION = "13"
_WAITING = 64  # messages that wait to be taken before no more are read from the connection
_WAITING_BYTES = 64 << 10
_UNREAD_BYTES = 64 << 10  # whoever leaves so much untaken gets no pong
_CLOSE_SECONDS = 2
_SEND_BUFFER = 64 << 10  # the kernel's own would hold megabytes for one that does not read


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a client may send: bytes of a message, frames a second and how many of these it may save up.

    `too_fast` is what a socket that brings more is closed with.
    """

    message_bytes: int = 64 << 10
    frames_a_second: float = 50
    frames_saved: float = 300
    too_fast: int = 4429


class Owner(Protocol):
    """Whom a socket tells what happens to it. None of these may raise."""

    def heard(self) -> None:
        """Note that there is a message to take."""

    def held_up(self) -> None:
        """Write no more: the peer leaves too much untaken."""

    def drained(self) -> None:
        """Go on: the peer has caught up."""

    def lost(self) -> None:
        """Note that the connection has ended: this comes last."""


class WebSocket(asyncio.Protocol):
    """An open WebSocket. Frames are written at once and whole; messages wait to be taken."""

    __slots__ = (
        "_allowance",
        "_closing",
        "_failed",
        "_fragments",
        "_loop",
        "_messages",
        "_owner",
        "_paused",
        "_reader",
        "_size",
        "_timer",
        "_too_fast",
        "_transport",
        "deflates",
    )

    def __init__(self, transport: asyncio.Transport, owner: Owner, *, deflates: bool, limits: Limits) -> None:
        """Take a connection on which nothing but frames comes; `upgraded` makes it so."""
        self.deflates = deflates
        self._loop = asyncio.get_running_loop()
        self._transport = transport
        self._owner = owner
        self._reader = FrameReader(most=limits.message_bytes, deflate=deflates)
        self._fragments = Fragments(most=limits.message_bytes)
        self._allowance = Allowance(limits.frames_a_second, saved=limits.frames_saved, now=self._loop.time())
        self._too_fast = limits.too_fast
        self._messages: list[Message] = []
        self._size = 0
        self._timer: asyncio.TimerHandle | None = None
        self._paused = False
        self._failed = False
        self._closing = False

    def write(self, whole: bytes) -> None:
        """Write whole frames without waiting. On a connection that is closing they go nowhere."""
        if not self._closing and not self._transport.is_closing():
            self._transport.write(whole)

    def take(self) -> Message | None:
        """Return the next text, binary message or pong, None where there is none."""
        if not self._messages:
            return None
        message = self._messages.pop(0)
        self._size -= len(message.payload)
        if self._paused and len(self._messages) <= _WAITING // 2 and self._size <= _WAITING_BYTES // 2:
            self._paused = False
            self._transport.resume_reading()
        return message

    def close(self, code: int, reason: str = "") -> None:
        """Say why; the connection ends with the answer, or in a moment without."""
        if self._say(code.to_bytes(2) + reason.encode()[:120]):
            self._messages.clear()
            self._transport.resume_reading()

    def data_received(self, data: bytes) -> None:
        """Take what the connection brings."""
        if self._failed:
            return
        self._reader.feed(data)
        try:
            while not self._transport.is_closing() and (one := self._reader.take()) is not None:
                self._arrived(one)
        except Violation as error:
            self._failed = True  # what follows makes no sense any more
            self.close(error.code, str(error))

    def pause_writing(self) -> None:
        """Tell the owner that the peer does not keep up."""
        self._owner.held_up()

    def resume_writing(self) -> None:
        """Tell the owner that it does again."""
        self._owner.drained()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the owner."""
        del exc
        self._closing = True
        self._messages.clear()
        if self._timer is not None:
            self._timer.cancel()
        self._owner.lost()

    def _arrived(self, one: Frame) -> None:
        if not self._allowance.spend(1, now=self._loop.time()):
            raise Violation(self._too_fast, "too many messages")
        message = self._fragments.add(one)
        if message is None:
            return
        if message.opcode is Opcode.CLOSE:
            code = close_code(message.payload)
            self._say(b"" if code is None else code.to_bytes(2))
            self._transport.close()
        elif self._closing:
            return
        elif message.opcode is Opcode.PING:
            if self._transport.get_write_buffer_size() < _UNREAD_BYTES:
                self.write(frame(message.payload, opcode=Opcode.PONG))
        else:
            self._messages.append(message)
            self._size += len(message.payload)
            if not self._paused and (len(self._messages) > _WAITING or self._size > _WAITING_BYTES):
                self._paused = True
                self._transport.pause_reading()
            self._owner.heard()

    def _say(self, payload: bytes) -> bool:
        """Write the close frame, which is the last one; say whether this was the time to."""
        if self._closing:
            return False
        self.write(frame(payload, opcode=Opcode.CLOSE))
        self._closing = True
        self._timer = self._loop.call_later(_CLOSE_SECONDS, self._transport.abort)
        return True


def upgraded(request: web.Request, owner: Owner, limits: Limits) -> WebSocket:
    """Accept the upgrade that a request asks for, and take its connection from aiohttp.

    What the handler returns is sent to nobody. Raise Problem.
    """
    deflation = agreed(request.headers.getall(hdrs.SEC_WEBSOCKET_EXTENSIONS, ()))
    lines = [
        "HTTP/1.1 101 Switching Protocols",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Accept: {_accept(request)}",
    ]
    if deflation is not None:
        lines.append(f"Sec-WebSocket-Extensions: {deflation}")

    def made(transport: asyncio.Transport) -> WebSocket:
        plain = transport.get_extra_info("socket")
        if plain is not None:
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
        transport.set_write_buffer_limits(high=BUFFER_MAX, low=BUFFER_MAX // 2)
        transport.write("\r\n".join((*lines, "", "")).encode())
        return WebSocket(transport, owner, deflates=deflation is not None, limits=limits)

    return _taken(request, made)


class _Rest:
    """Keeps what came behind a request."""

    def __init__(self) -> None:
        self.data = b""

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        self.data += data
        return False, b""

    def feed_eof(self) -> None:
        """Do nothing."""


def _taken(request: web.Request, made: Callable[[asyncio.Transport], WebSocket]) -> WebSocket:
    """Give a request's connection another protocol; to aiohttp it is lost. Raise ConnectionResetError."""
    before, rest = request.protocol, _Rest()
    transport = before.transport
    if transport is None:
        raise ConnectionResetError("The client has gone.")
    before.set_parser(cast("WebSocketReader", rest))
    before.transport = None  # or it would be closed
    before.connection_lost(None)
    after = made(transport)
    transport.set_protocol(after)
    transport.resume_reading()
    if rest.data:
        after.data_received(rest.data)
    return after


def _accept(request: web.Request) -> str:
    """Return the answer to the client's key (RFC 6455 section 4.2). Raise Problem."""
    headers = request.headers
    upgrades = {one.strip().lower() for one in headers.get(hdrs.UPGRADE, "").split(",")}
    connection = ",".join(headers.getall(hdrs.CONNECTION, ()))
    if "websocket" not in upgrades or "upgrade" not in {one.strip().lower() for one in connection.split(",")}:
        raise Problem(
            "upgrade-required",
            "This is a WebSocket",
            426,
            headers={hdrs.UPGRADE: "websocket", hdrs.CONNECTION: "Upgrade"},
        )
    if headers.get(hdrs.SEC_WEBSOCKET_VERSION, "").strip() != _VERSION:
        raise Problem(
            "upgrade-required",
            "Only version 13 of WebSocket is spoken",
            426,
            headers={hdrs.SEC_WEBSOCKET_VERSION: _VERSION, hdrs.UPGRADE: "websocket"},
        )
    key = headers.get(hdrs.SEC_WEBSOCKET_KEY, "").strip()
    try:
        whole = len(base64.b64decode(key, validate=True)) == 16
    except (binascii.Error, ValueError):
        whole = False
    if not whole:
        raise Problem("bad-handshake", "The WebSocket key is not 16 bytes in base64", 400)
    return base64.b64encode(hashlib.sha1(key.encode() + _MAGIC, usedforsecurity=False).digest()).decode()
