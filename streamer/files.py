"""Replies that go out past aiohttp's own serialising: a rendered head, then memory, sendfile or chunks."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import time
from collections.abc import AsyncGenerator
from email.utils import formatdate
from functools import lru_cache
from io import FileIO
from typing import Protocol, Self

from aiohttp import HttpVersion11, web
from aiohttp.abc import AbstractStreamWriter

from packager.errors import StoreFailed
from streamer.hot import Entry, Read
from streamer.passage import head_for

log = logging.getLogger(__name__)

STALL_SECONDS = 60
SLOWEST_BYTES_PER_SECOND = 8 * 1024
_CHUNK = 256 * 1024
_ONE_WRITE = 64 * 1024


class Closing(Protocol):
    """Knows whether a connection is to end with this answer."""

    @property
    def begun(self) -> bool:
        """Say whether the server is about to stop."""


closing_key: web.RequestKey[Closing] = web.RequestKey("closing", Closing)


class Reply(web.StreamResponse):
    """Send a rendered head, and bytes start to stop of an entry.

    `send` returns when the last bytes are with the transport. It raises nothing: where the other side has
    gone or stalls (a minute, and below 8 KiB/s), or where reading fails after the head has left, it resets
    the connection, so that nobody takes a part for the whole.
    """

    def __init__(
        self, status: int, lines: bytes, *, entry: Entry | None = None, start: int = 0, stop: int = 0
    ) -> None:
        super().__init__(status=status)
        self._lines = lines
        self._entry = entry
        self._span = (start, stop)
        self._written = False

    def write_now(self, request: web.Request) -> None:
        """Write all of a body in memory without waiting; `send` then only waits until it has left.

        For one answer to many who were held: all of them are written before anyone's task is woken.
        """
        entry, transport = self._entry, request.transport
        if entry is None or entry.body is None or transport is None or transport.is_closing():
            return
        self._written = True
        lines = head_for(request, self._lines) + last_lines(int(time.time()), _connection(request))
        body = entry.body if self._span == (0, entry.size) else entry.body[slice(*self._span)]
        if len(body) <= _ONE_WRITE:
            transport.write(lines + body)
        else:
            transport.write(lines)
            transport.write(body)

    async def send(self, request: web.Request) -> Self:
        """Send it all; a reply to HEAD has no entry. Return the reply, for aiohttp."""
        self._eof_sent = True
        self._keep_alive = _goes_on(request)
        transport = request.transport
        if transport is None or transport.is_closing():
            self._keep_alive = False
            return self
        try:
            await self._send(request, transport)
            self._body_length = self._span[1] - self._span[0]
        except (OSError, TimeoutError) as error:
            log.debug("the reader of %s has gone: %r", request.raw_path, error)
            self._reset(transport)
        except asyncio.CancelledError:
            self._reset(transport)
            raise
        except Exception:
            log.exception("sending %s failed", request.raw_path)
            self._reset(transport)
        return self

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:  # noqa: ARG002
        """Do nothing: `send` has done it."""
        return None

    async def write_eof(self, data: bytes = b"") -> None:
        """Do nothing: `send` has done it."""

    async def _send(self, request: web.Request, transport: asyncio.Transport) -> None:
        if not self._written:
            await self._send_entry(request, transport)
        if transport.get_write_buffer_size():
            await _drained(request, transport)

    async def _send_entry(self, request: web.Request, transport: asyncio.Transport) -> None:
        lines = head_for(request, self._lines) + last_lines(int(time.time()), _connection(request))
        entry = self._entry
        start, stop = self._span
        if entry is None or start == stop:
            transport.write(lines)
        elif entry.body is not None and stop - start <= _ONE_WRITE:
            piece = entry.body if stop - start == entry.size else entry.body[start:stop]
            transport.write(lines + piece)
        else:
            transport.write(lines)
            if entry.file is not None:
                start += await _send_file(transport, entry.file, start, stop)
            if start < stop:
                await _send_chunks(request, transport, _reader(entry), start, stop)

    def _reset(self, transport: asyncio.Transport) -> None:
        self._keep_alive = False
        transport.abort()


class Growing(Reply):
    """Send a rendered head, and pieces as they come, in chunks (RFC 9112 section 7.1).

    Where the pieces end with an exception the connection is reset: the end of the body was not seen.
    """

    def __init__(self, lines: bytes, pieces: AsyncGenerator[bytes, None]) -> None:
        super().__init__(200, lines)
        self._pieces = pieces

    async def _send(self, request: web.Request, transport: asyncio.Transport) -> None:
        lines = head_for(request, self._lines)
        transport.write(lines + last_lines(int(time.time()), _connection(request)))
        async with contextlib.aclosing(self._pieces) as pieces:
            async for piece in pieces:
                if transport.is_closing():
                    raise ConnectionResetError
                transport.writelines((b"%x\r\n" % len(piece), piece, b"\r\n"))
                if transport.get_write_buffer_size():
                    await _drained(request, transport)
        transport.write(b"0\r\n\r\n")


@lru_cache(maxsize=8)
def last_lines(second: int, connection: bytes) -> bytes:
    """Return the last lines of a head. RFC 9110 section 6.6.1 wants a date from whoever has a clock."""
    return b"%sDate: %s\r\n\r\n" % (connection, formatdate(second, usegmt=True).encode())


def _connection(request: web.Request) -> bytes:
    if not _goes_on(request):
        return b"Connection: close\r\n"
    return b"" if request.version >= HttpVersion11 else b"Connection: keep-alive\r\n"


def _goes_on(request: web.Request) -> bool:
    """Say whether the connection takes another request behind this answer."""
    closing = request.get(closing_key)
    return request.keep_alive and not (closing is not None and closing.begun)


def _allowance(size: int) -> float:
    """Return how many seconds a reader may take for so many bytes."""
    return STALL_SECONDS + size / SLOWEST_BYTES_PER_SECOND


async def _send_file(transport: asyncio.Transport, file: FileIO, start: int, stop: int) -> int:
    """Send from a file in the kernel; return how many bytes, fewer where it cannot (TLS, uvloop)."""
    if transport.get_extra_info("sslcontext") is not None:
        return 0
    if transport.get_write_buffer_size():
        # An earlier answer is still leaving. asyncio knows how to wait for that.
        return await _send_later(transport, file, start, stop)
    sent = 0
    number = transport.get_extra_info("socket").fileno()
    # Whatever the socket takes at once needs neither a timer nor a registration with the selector.
    with contextlib.suppress(BlockingIOError, InterruptedError):
        sent = os.sendfile(number, file.fileno(), start, stop - start)
    if sent < stop - start:
        await _pump(number, file.fileno(), start + sent, stop)
    return stop - start


async def _pump(number: int, file: int, start: int, stop: int) -> None:
    """Send the rest as the socket takes it, with one registration for all of it.

    loop.sendfile makes two for every turn, and a third of the work with it. The loop refuses callbacks on a
    descriptor that a transport has, hence a second name for the socket. Raise OSError or TimeoutError.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[None] = loop.create_future()
    number = os.dup(number)

    def turn() -> None:
        nonlocal start
        try:
            sent = os.sendfile(number, file, start, stop - start)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            finish(error)
            return
        start += sent
        if start == stop:
            finish(None)
        elif sent == 0:
            finish(StoreFailed("The object is shorter than it was."))

    def finish(error: Exception | None) -> None:
        loop.remove_writer(number)
        if done.done():
            return
        if error is None:
            done.set_result(None)
        else:
            done.set_exception(error)

    timer = loop.call_later(_allowance(stop - start), finish, TimeoutError())
    try:
        loop.add_writer(number, turn)
        await done
    finally:
        timer.cancel()
        loop.remove_writer(number)
        os.close(number)


async def _send_later(transport: asyncio.Transport, file: FileIO, start: int, stop: int) -> int:
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(_allowance(stop - start)):
            return await loop.sendfile(transport, file, start, stop - start, fallback=False)
    except (NotImplementedError, asyncio.SendfileNotAvailableError):
        return 0
    except RuntimeError as error:  # the transport began to close between two steps
        raise ConnectionResetError from error


async def _send_chunks(
    request: web.Request, transport: asyncio.Transport, read: Read, start: int, stop: int
) -> None:
    while start < stop:
        chunk = await read(start, min(stop, start + _CHUNK))
        if not chunk:
            raise StoreFailed("The object is shorter than it was.")
        if transport.is_closing():
            raise ConnectionResetError
        transport.write(chunk)
        start += len(chunk)
        await _drained(request, transport)


async def _drained(request: web.Request, transport: asyncio.Transport) -> None:
    """Wait until a slow reader has taken most of what was written."""
    async with asyncio.timeout(_allowance(transport.get_write_buffer_size())):
        await request.writer.drain()


def _reader(entry: Entry) -> Read:
    """Return how pieces of an entry are read."""
    body, file = entry.body, entry.file

    async def from_memory(start: int, stop: int) -> bytes:
        return body[start:stop] if body is not None else b""

    async def from_file(start: int, stop: int) -> bytes:
        if file is None:
            return b""
        # Never by the file's own position, which all readers of this descriptor share.
        return await asyncio.to_thread(os.pread, file.fileno(), stop - start, start)

    return from_memory if body is not None else entry.read or from_file
