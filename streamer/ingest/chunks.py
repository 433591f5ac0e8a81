"""RTMP's chunk stream: messages cut into chunks and put together again (RTMP 1.0, §5.3 and §5.4)."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from streamer.ingest.errors import BadChunks, TooLarge

SET_CHUNK_SIZE, ABORT, ACKNOWLEDGEMENT, USER_CONTROL, WINDOW_SIZE, PEER_BANDWIDTH = 1, 2, 3, 4, 5, 6
AUDIO, VIDEO, DATA_AMF3, COMMAND_AMF3, DATA, COMMAND, AGGREGATE = 8, 9, 15, 17, 18, 20, 22
"""Types of messages."""

CHUNK_SIZE = 128
"""Bytes of a chunk's payload until the sender says otherwise (§5.4.1)."""

OWN_CHUNK_SIZE = 60_000
"""Bytes of a chunk's payload that we write, once announced. FFmpeg then takes it for its own chunks too."""

STREAMS_MAX = 64
"""Chunk streams that a peer may open; encoders use five or so."""

_EXTENDED = 0xFFFFFF
_WRAP = 0xFFFFFFFF
_HEAD_SIZES = (11, 7, 3, 0)
"""Bytes of a message's head by the chunk's format (§5.3.1.2)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A whole message. `time` is in milliseconds and wraps at 32 bits, `stream` names the message stream."""

    type: int
    body: bytes
    time: int = 0
    stream: int = 0


@dataclass(slots=True, kw_only=True)
class _Stream:
    """What later chunks of a chunk stream leave out. `step` is the last time or delta that was sent.

    `continued` is the whole head of a chunk inside a message where that is one byte, else empty.
    """

    body: bytearray
    continued: bytes = b""
    type: int = 0
    length: int = 0
    message_stream: int = 0
    time: int = 0
    step: int = 0
    extended: bool = False


class ChunkReader:
    """Puts messages together from bytes in any pieces. After an error it must not be fed again.

    What it holds is bounded: unfinished messages have no more than `message_max` bytes, all taken together.
    Chunk sizes and aborts are followed here and not passed on.
    """

    def __init__(self, *, message_max: int) -> None:
        self.message_max = message_max
        self._chunk_size = CHUNK_SIZE
        self._streams: dict[int, _Stream] = {}
        self._current = _Stream(body=bytearray())
        self._left = 0  # bytes to come of the chunk being read
        self._rest = b""  # the beginning of a chunk's head
        self._held = 0

    def feed(self, data: bytes) -> list[Message]:
        """Take bytes and return the messages that end in them. Raise BadChunks, TooLarge."""
        data = self._rest + data if self._rest else data
        at, end = 0, len(data)
        messages = []
        while at < end:
            if self._left:
                taken = min(self._left, end - at)
                self._hold(data[at : at + taken])
                self._left -= taken
                at += taken
            elif (run := self._run(data, at)) > at:
                at = run
            elif (begun := self._begin(data, at)) is not None:
                at = begun
            else:
                break
            if len(self._current.body) == self._current.length:
                messages += self._complete()
        self._rest = data[at:]
        return messages

    def _hold(self, piece: bytes | bytearray) -> None:
        self._held += len(piece)
        if self._held > self.message_max:
            raise TooLarge(f"unfinished messages exceed {self.message_max} bytes")
        self._current.body += piece

    def _run(self, data: bytes, at: int) -> int:
        """Take the whole chunks that continue the message one after the other; return where they end.

        With 128 bytes to a chunk nearly all come this way, and one by one they would cost more than all the
        rest.
        """
        stream, step = self._current, self._chunk_size + 1
        chunks = min((stream.length - len(stream.body)) // self._chunk_size, (len(data) - at) // step)
        if not stream.body or chunks < 1:
            return at
        heads = data[at : at + chunks * step : step]
        end = at + step * (len(heads) - len(heads.lstrip(stream.continued)))
        piece = bytearray(data[at:end])
        del piece[::step]
        self._hold(piece)
        return end

    def _complete(self) -> list[Message]:
        stream = self._current
        body = bytes(stream.body)
        self._drop(stream)
        if stream.type == SET_CHUNK_SIZE:
            self._chunk_size = _integer(body)
            if not 0 < self._chunk_size < 1 << 31:
                raise BadChunks("a chunk size is out of bounds")
        elif stream.type == ABORT:
            aborted = self._streams.get(_integer(body))
            if aborted is not None:
                self._drop(aborted)
        else:
            return [Message(type=stream.type, body=body, time=stream.time, stream=stream.message_stream)]
        return []

    def _drop(self, stream: _Stream) -> None:
        self._held -= len(stream.body)
        stream.body.clear()

    def _begin(self, data: bytes, at: int) -> int | None:
        """Read a chunk's head and return where its payload begins; None where more bytes are needed."""
        form, number, at = _basic(data, at)
        size = _HEAD_SIZES[form]
        if len(data) < at + size:
            return None
        stream = self._streams.get(number)
        inside = stream is not None and bool(stream.body)
        if inside and form < 3:
            raise BadChunks("a message begins inside another one of its chunk stream")
        # librtmp opens a chunk stream with format 1 to answer pings.
        if stream is None and form > 1:
            raise BadChunks("a chunk refers to an earlier one that there is not")
        if stream is None:
            stream = _Stream(body=bytearray())
        fields, at = data[at : at + size], at + size
        step = int.from_bytes(fields[:3], "big") if form < 3 else stream.step
        extended = step == _EXTENDED if form < 3 else stream.extended
        if extended:
            if len(data) < at + 4:
                return None
            sent = int.from_bytes(data[at : at + 4], "big")
            # Inside a message the field repeats what is known, and some senders leave it out.
            if not inside or sent in {stream.step, stream.time}:
                at += 4
            step = stream.step if inside else sent
        if not inside:
            self._head(stream, form, fields, step=step, extended=extended)
            stream.continued = bytes([0xC0 | number]) if number < 64 and not extended else b""
        self._open(number, stream)
        return at

    def _head(self, stream: _Stream, form: int, fields: bytes, *, step: int, extended: bool) -> None:
        """Begin a message with the fields that its chunk has; the others stay (§5.3.1.2)."""
        stream.time = step if form == 0 else (stream.time + step) & _WRAP
        stream.step, stream.extended = step, extended
        if form < 2:
            stream.length = int.from_bytes(fields[3:6], "big")
            stream.type = fields[6]
        if form == 0:
            stream.message_stream = int.from_bytes(fields[7:11], "little")
        if stream.length > self.message_max:
            raise TooLarge(f"a message of {stream.length} bytes exceeds {self.message_max}")

    def _open(self, number: int, stream: _Stream) -> None:
        if number not in self._streams and len(self._streams) >= STREAMS_MAX:
            raise BadChunks(f"more than {STREAMS_MAX} chunk streams")
        self._streams[number] = self._current = stream
        self._left = min(self._chunk_size, stream.length - len(stream.body))


def _basic(data: bytes, at: int) -> tuple[int, int, int]:
    """Read a basic head (§5.3.1.1): format, number of the chunk stream, and where the next byte is.

    The place lies behind the data where the head is not whole.
    """
    form, number = data[at] >> 6, data[at] & 63
    if number > 1:
        return form, number, at + 1
    wide = 1 + number
    place = at + 1 + wide
    return form, 64 + int.from_bytes(data[at + 1 : place], "little"), place


def _integer(body: bytes) -> int:
    if len(body) < 4:
        raise BadChunks("a control message is too short")
    return int.from_bytes(body[:4], "big")


def write(message: Message, *, chunk_stream: int, size: int = OWN_CHUNK_SIZE) -> bytes:
    """Cut a message into chunks of a size. `chunk_stream` is 2 to 63."""
    extended = message.time >= _EXTENDED
    time = struct.pack(">I", message.time) if extended else b""
    head = (
        bytes([chunk_stream])
        + (_EXTENDED if extended else message.time).to_bytes(3, "big")
        + len(message.body).to_bytes(3, "big")
        + struct.pack("<BI", message.type, message.stream)
        + time
    )
    pieces = [message.body[at : at + size] for at in range(0, len(message.body), size)]
    return head + (bytes([0xC0 | chunk_stream]) + time).join(pieces)
