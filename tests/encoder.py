"""Speak RTMP as an encoder does, byte by byte, and stand at the receiver's door."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import struct
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from streamer.ingest import amf
from streamer.ingest.chunks import COMMAND, ChunkReader, Message
from streamer.ingest.door import Ending, Publisher, Take
from streamer.ingest.errors import KeyUnknown
from streamer.ingest.flv import Tag
from streamer.ingest.rtmp import RtmpReceiver

SOON = 10
AVCC = bytes.fromhex("01 42 c0 1e ff e1 0004 67 42 c0 1e 01 0002 68 ce".replace(" ", ""))
PICTURE = b"\x17\x01\0\0\0" + b"\0\0\0\x02\x65\x88"
SOUND = b"\xaf\x01" + b"\x21\x10\x04"


@dataclass(slots=True, kw_only=True)
class Broadcast:
    """What came of one publisher."""

    publisher: Publisher
    tags: list[Tag] = field(default_factory=list)
    begun: asyncio.Event = field(default_factory=asyncio.Event)
    ended: asyncio.Event = field(default_factory=asyncio.Event)


class Lobby:
    """A door that knows some keys and lets the newest publisher of a key replace the one before."""

    def __init__(self, *keys: str, reading: bool = True) -> None:
        """Know the keys; with `reading` false nothing is taken until `read` is set."""
        self.known = keys
        self.broadcasts: dict[str, list[Broadcast]] = {key: [] for key in keys}
        self.read = asyncio.Event()
        self.changed = asyncio.Condition()
        if reading:
            self.read.set()

    async def admit(self, key: str, publisher: Publisher) -> Take:
        if key not in self.known:
            raise KeyUnknown("This stream key is not known here.")
        earlier = self.broadcasts[key]
        if earlier:
            earlier[-1].publisher.close(Ending.TAKEN_OVER)
            await earlier[-1].ended.wait()
        broadcast = Broadcast(publisher=publisher)
        earlier.append(broadcast)

        async def take(tags: AsyncIterator[Tag]) -> None:
            async with self.changed:
                self.changed.notify_all()
            try:
                await self.read.wait()
                async for tag in tags:
                    broadcast.tags.append(tag)
                    broadcast.begun.set()
            finally:
                broadcast.ended.set()

        return take

    async def entered(self, key: str, count: int = 1) -> Broadcast:
        """Wait until so many publishers have come in with a key, and return the last of them."""
        async with asyncio.timeout(SOON), self.changed:
            await self.changed.wait_for(lambda: len(self.broadcasts[key]) >= count)
        return self.broadcasts[key][count - 1]


@asynccontextmanager
async def receiving(door, **options) -> AsyncIterator[RtmpReceiver]:
    """Listen on loopback, and be sure afterwards that no task is left over."""
    before = asyncio.all_tasks()
    async with RtmpReceiver(door, host="127.0.0.1", port=0, **options) as receiver:
        yield receiver
    assert receiver.connections == 0
    left = {task for task in asyncio.all_tasks() - before if "rtmp" in task.get_name()}
    assert not left, left


def chunked(
    message: Message, *, form: int = 0, stream: int = 3, step: int | None = None, size: int = 128
) -> bytes:
    """Cut a message into chunks with a head of the given form; `step` is the delta, for forms 1 and 2."""
    step = message.time if step is None else step
    wide = struct.pack(">I", step) if step >= 0xFFFFFF else b""
    head = min(step, 0xFFFFFF).to_bytes(3, "big") + len(message.body).to_bytes(3, "big")
    head += bytes([message.type]) + struct.pack("<I", message.stream)
    out = basic(form, stream) + head[: (11, 7, 3, 0)[form]] + wide
    for at in range(0, len(message.body), size):
        out += (basic(3, stream) + wide if at else b"") + message.body[at : at + size]
    return out


def basic(form: int, stream: int) -> bytes:
    """Write a basic head in the shortest of its three lengths."""
    if stream < 64:
        return bytes([form << 6 | stream])
    if stream < 320:
        return bytes([form << 6, stream - 64])
    return bytes([form << 6 | 1]) + struct.pack("<H", stream - 64)


class Encoder:
    """One client connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.heard: list[Message] = []
        self._chunks = ChunkReader(message_max=1 << 20)

    @classmethod
    @asynccontextmanager
    async def to(cls, receiver: RtmpReceiver, *, tls: ssl.SSLContext | None = None):
        """Connect, and cut the connection in the end."""
        reader, writer = await asyncio.open_connection("127.0.0.1", receiver.port, ssl=tls)
        try:
            yield cls(reader, writer)
        finally:
            writer.transport.abort()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    def send(self, message: Message, **how) -> None:
        self.writer.write(chunked(message, **how))

    def ask(self, *values: amf.Writable) -> None:
        self.send(Message(type=COMMAND, body=amf.encode(*values)))

    async def shake_hands(self) -> None:
        """Send the plain handshake without waiting, and check the answer."""
        first = struct.pack(">II", 1, 0) + bytes(range(256)) * 5 + bytes(248)
        self.writer.write(b"\x03" + first + bytes(1536))
        answer = await self.reader.readexactly(1 + 2 * 1536)
        assert answer[0] == 3
        assert answer[1537:] == first

    async def publish(self, key: str, *, app: str = "live", caps: Sequence[str] = ()) -> list:
        """Go all the way to `publish` as OBS does; return the information of the status."""
        await self.shake_hands()
        extra = {"fourCcList": list(caps)} if caps else {}
        self.ask("connect", 1, {"app": app, "type": "nonprivate", "tcUrl": "rtmp://x/" + app, **extra})
        await self.answer("_result", 1)
        self.ask("releaseStream", 2, None, key)
        self.ask("FCPublish", 3, None, key)
        await self.command(lambda values: values[0] == "onFCPublish")
        self.ask("createStream", 4, None)
        await self.answer("_result", 4)
        self.ask("publish", 5, None, key, "live")
        return await self.status()

    async def answer(self, name: str, number: float) -> list:
        """Wait for the answer to a command and return its values."""
        return await self.command(lambda values: values[:2] == [name, number])

    async def status(self) -> dict:
        """Wait for the next status."""
        return (await self.command(lambda values: values[0] == "onStatus"))[3]

    async def command(self, wanted) -> list:
        """Wait for a command that is wanted; what comes before it is kept in `heard`."""
        while True:
            message = await self.message()
            values = amf.decode(message.body) if message.type == COMMAND else []
            if values and wanted(values):
                return values

    async def message(self) -> Message:
        """Wait for the next message; EOFError where the connection is over."""
        while not self.heard:
            async with asyncio.timeout(SOON):
                data = await self.reader.read(4096)
            if not data:
                raise EOFError
            self.heard += self._chunks.feed(data)
        return self.heard.pop(0)

    async def over(self) -> None:
        """Wait until the server has closed the connection; a reset counts."""
        with contextlib.suppress(ConnectionError):
            async with asyncio.timeout(SOON):
                while await self.reader.read(65536):
                    pass
