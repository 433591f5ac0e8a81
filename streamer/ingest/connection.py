"""One connection of an RTMP encoder, from its handshake to its end (RTMP 1.0, §5.2 and §7.2)."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import secrets
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from streamer.errors import ServerError
from streamer.ingest import chunks, commands, statuses
from streamer.ingest.backlog import Backlog
from streamer.ingest.chunks import ChunkReader, Message
from streamer.ingest.commands import Command
from streamer.ingest.door import Door, Ending
from streamer.ingest.errors import Gone, NoSuchApp, NotForPlaying, NotRtmp, Silent, TooSlow
from streamer.ingest.publishing import give
from streamer.ingest.tags import TagReader

_log = logging.getLogger(__name__)

READ_BYTES = 64 << 10
"""How much is read at once, and held by the reader before TCP holds the peer back."""

_VERSION = 3
_HANDSHAKE_BYTES = 1536
_COMMANDS_MAX = 64 << 10  # bytes of a message, and of all unfinished ones, before a publisher is admitted
_WINDOW = 2_500_000
_WINDOW_LEAST = 64 << 10
_LEAVING = frozenset({"FCUnpublish", "deleteStream", "closeStream"})
_PLAYING = frozenset({"play", "play2"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a receiver allows. Each connection holds `backlog_bytes`, a message and a few reads at most.

    `begin_seconds` run from the connection to `publish`, `idle_seconds` whenever nothing comes, and
    `farewell_seconds` while a peer may read why it is ended. Whoever takes the tags has `settle_seconds` to
    return after their end.
    """

    connections: int = 1000
    connections_per_address: int = 32
    begin_seconds: float = 5
    idle_seconds: float = 10
    farewell_seconds: float = 2
    settle_seconds: float = 10
    message_bytes: int = 8 << 20
    backlog_bytes: int = 4 << 20
    backlog_tags: int = 1024


class Connection:
    """A Publisher over RTMP. Serve it once, in a task of its own."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        *,
        door: Door,
        app: str,
        limits: Limits,
        address: str,
    ) -> None:
        """Take the open streams, who decides about the key, and the application's name in addresses."""
        self.address = address
        self.priority = 0
        self.session = secrets.token_hex(8)
        self.protocol = "rtmp" if writer.get_extra_info("sslcontext") is None else "rtmps"
        self._reader = reader
        self._writer = writer
        self._door = door
        self._app = app
        self._limits = limits
        self._chunks = ChunkReader(message_max=_COMMANDS_MAX)
        self._tags = TagReader()
        self._backlog = Backlog(tags_max=limits.backlog_tags, bytes_max=limits.backlog_bytes)
        self._closing: asyncio.Future[Ending | ServerError] = asyncio.get_running_loop().create_future()
        self._taking: asyncio.Task[None] | None = None
        self._greeted = False
        self._window = _WINDOW
        self._received = 0
        self._acknowledged = 0

    def close(self, ending: Ending) -> None:
        """End the connection and tell the publisher why; see Publisher."""
        self._end(ending)

    def _end(self, cause: Ending | ServerError) -> None:
        self._backlog.end()
        if not self._closing.done():
            self._closing.set_result(cause)

    async def serve(self) -> None:
        """Serve the peer until either side ends it; log how that came about. Nothing is raised."""
        work = asyncio.create_task(self._work(), name=f"rtmp {self.session}")
        ends: tuple[asyncio.Future[Any], ...] = (work, self._closing)
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                work.cancel()
                await asyncio.wait([work])
            self._backlog.end()
            await self._farewell(self._outcome(work))
            if self._taking is not None:
                await asyncio.wait([self._taking], timeout=self._limits.settle_seconds)
        finally:
            await _cancelled(work, self._taking)
            self._writer.transport.abort()

    def _outcome(self, work: asyncio.Task[None]) -> bytes:
        """Log why it is over and return what the peer is told."""
        ended = None if work.cancelled() else work.exception()
        cause = self._closing.result() if self._closing.done() else ended
        if cause is None:
            self._note("unpublished")
            return statuses.unpublished()
        if isinstance(cause, Ending):
            self._note(f"closed, {cause.name.lower().replace('_', ' ')}")
            return statuses.ended(cause)
        if isinstance(cause, ServerError):
            self._note(cause.message)
            return statuses.failed(cause)
        if isinstance(cause, OSError):
            self._note(f"the connection is lost: {cause.strerror or type(cause).__name__}")
            return b""
        _log.error("session %s failed", self.session, exc_info=cause)
        return statuses.ended(Ending.FAILED)

    def _note(self, what: str) -> None:
        _log.info("%s session %s from %s: %s", self.protocol, self.session, self.address, what)

    async def _farewell(self, words: bytes) -> None:
        """Say the last words and read on: a close with bytes unread would unsay them (RFC 9293 §3.6.1)."""
        with contextlib.suppress(OSError):
            async with asyncio.timeout(self._limits.farewell_seconds):
                if self._greeted and words:
                    self._writer.write(words)
                    await self._writer.drain()
                if self._writer.can_write_eof():
                    self._writer.write_eof()
                while await self._reader.read(READ_BYTES):
                    pass

    async def _work(self) -> None:
        """Return when the publisher stops; raise ServerError or OSError when it has to."""
        async with aclosing(self._messages()) as messages:
            try:
                async with asyncio.timeout(self._limits.begin_seconds):
                    await self._shake_hands()
                    key = await self._begin(messages)
            except TimeoutError as error:
                raise TooSlow("The client did not come to publishing in time.") from error
            take = await self._door.admit(key, self)
            self._note("publishes")
            self._writer.write(commands.started())
            self._chunks.message_max = self._limits.message_bytes
            giving = give(take, self._backlog, session=self.session, end=self._end)
            self._taking = asyncio.create_task(giving, name=f"rtmp tags {self.session}")
            await self._receive(messages)

    async def _shake_hands(self) -> None:
        """Exchange the plain handshake (§5.2); digests, which only Flash players ask for, are not needed."""
        try:
            version = await self._reader.readexactly(1)
            if version[0] != _VERSION:
                raise NotRtmp("The client does not speak plain RTMP on this port.")
            theirs = await self._reader.readexactly(_HANDSHAKE_BYTES)
            self._writer.write(bytes([_VERSION]) + bytes(8) + os.urandom(_HANDSHAKE_BYTES - 8) + theirs)
            await self._reader.readexactly(_HANDSHAKE_BYTES)
        except asyncio.IncompleteReadError as error:
            raise Gone("The client left during the handshake.") from error

    async def _begin(self, messages: AsyncGenerator[Message, None]) -> str:
        """Answer commands, whose order and number differ, until one asks to publish; return its key."""
        place: str | None = None
        app = ""
        async for message in messages:
            command = commands.read(message)
            if command is None:
                continue
            if command.name == "connect":
                app = _app(command)
                place = self._connect(command, app)
            elif command.name in _PLAYING:
                raise NotForPlaying("Nothing is played over RTMP here; watch over HTTP.")
            elif command.name == "publish":
                if place is None:
                    raise NoSuchApp("The client publishes before it connects.")
                self.priority = commands.priority_of(app, command.text(1))
                return commands.key_of(place, command.text(1))
            else:
                self._answer(command)
        raise Gone("The client left before it published.")

    def _connect(self, command: Command, app: str) -> str:
        self._writer.write(commands.greeting(window=_WINDOW))
        self._greeted = True
        try:
            place = commands.in_app(app, self._app)
        except NoSuchApp as error:
            self._writer.write(commands.no_such_app(command, error.message))
            raise
        self._writer.write(commands.welcome(command))
        return place

    def _answer(self, command: Command) -> None:
        if command.name == "createStream":
            self._writer.write(commands.result(command, None, commands.STREAM))
        elif command.name == "FCPublish":
            # Encoders in hardware go no further without the second answer.
            self._writer.write(commands.result(command, None) + commands.prepared())
        elif command.name == "releaseStream":
            self._writer.write(commands.result(command, None))

    async def _receive(self, messages: AsyncGenerator[Message, None]) -> None:
        """Take media until the publisher stops."""
        async for message in messages:
            command = commands.read(message)
            if command is not None:
                if command.name in _LEAVING:
                    return
                self._answer(command)
            for tag in self._tags.read(message):
                await self._backlog.put(tag)
        raise Gone("The publisher left without a word.")

    async def _messages(self) -> AsyncGenerator[Message, None]:
        """Yield messages until the peer closes; what is about the connection itself is settled here."""
        while data := await self._read():
            for message in self._chunks.feed(data):
                if message.type == chunks.USER_CONTROL:
                    self._writer.write(commands.pong(message))
                elif message.type == chunks.WINDOW_SIZE:
                    self._window = max(_WINDOW_LEAST, int.from_bytes(message.body[:4], "big"))
                else:
                    yield message

    async def _read(self) -> bytes:
        # Half the window: an encoder that waits for an acknowledgement must not come to a halt.
        if self._received - self._acknowledged >= self._window // 2:
            self._acknowledged = self._received
            self._writer.write(commands.acknowledgement(self._received))
        try:
            async with asyncio.timeout(self._limits.idle_seconds):
                await self._writer.drain()
                data = await self._reader.read(READ_BYTES)
        except TimeoutError as error:
            seconds = self._limits.idle_seconds
            raise Silent(f"Nothing was received for {seconds:g} seconds.") from error
        self._received += len(data)
        return data


def _app(command: Command) -> str:
    app = command.object.get("app")
    return app if isinstance(app, str) else ""


async def _cancelled(*tasks: asyncio.Task[None] | None) -> None:
    """Cancel what still runs and wait until it has ended."""
    running = [task for task in tasks if task is not None]
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)
