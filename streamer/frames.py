"""WebSocket frames as bytes (RFC 6455 section 5): what a client sends, checked, and what a server does."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from streamer.deflate import Overlong, Undecodable, inflate

PROTOCOL_ERROR = 1002
INVALID_TEXT = 1007
TOO_BIG = 1009

_FINAL, _DEFLATED, _RESERVED = 0x80, 0x40, 0x30
_MASKED = 0x80
_CONTROL_MAX = 125
_FRAGMENTS = 256  # of one message: each costs memory, even an empty one


class Opcode(IntEnum):
    """What a frame is (section 5.2)."""

    CONTINUATION = 0
    TEXT = 1
    BINARY = 2
    CLOSE = 8
    PING = 9
    PONG = 10


_CONTROL = frozenset({Opcode.CLOSE, Opcode.PING, Opcode.PONG})


class Violation(Exception):
    """The peer broke the protocol; `code` is what the connection is closed with (section 7.4.1)."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame of a client, its mask taken off."""

    final: bool
    deflated: bool
    opcode: Opcode
    payload: bytes


@dataclass(frozen=True, slots=True)
class Message:
    """A whole message or a control frame."""

    opcode: Opcode
    payload: bytes


def frame(payload: bytes, *, opcode: Opcode = Opcode.TEXT, deflated: bool = False) -> bytes:
    """Return one unmasked frame, as a server sends it."""
    first = _FINAL | (_DEFLATED if deflated else 0) | opcode
    size = len(payload)
    if size <= _CONTROL_MAX:
        head = bytes((first, size))
    elif size < 1 << 16:
        head = bytes((first, 126)) + size.to_bytes(2)
    else:
        head = bytes((first, 127)) + size.to_bytes(8)
    return head + payload


class FrameReader:
    """Takes bytes as they come and gives frames. What breaks the protocol is found before it is kept."""

    __slots__ = ("_deflate", "_kept", "_most")

    def __init__(self, *, most: int, deflate: bool) -> None:
        """Take the largest payload of a frame, and whether deflated messages were agreed on."""
        self._most = most
        self._deflate = deflate
        self._kept = bytearray()

    def feed(self, data: bytes) -> None:
        """Add bytes of the connection."""
        self._kept += data

    def take(self) -> Frame | None:
        """Return the next frame, None until it is whole. Raise Violation."""
        kept = self._kept
        if len(kept) < 2:
            return None
        opcode = self._opcode(kept[0], kept[1])
        start, size = _size(kept)
        if size > self._most:
            raise Violation(TOO_BIG, "the message is too long")
        end = start + 4 + size
        if not start or len(kept) < end:
            return None
        payload = _unmasked(kept[start + 4 : end], kept[start : start + 4])
        first = kept[0]
        del kept[:end]
        return Frame(bool(first & _FINAL), bool(first & _DEFLATED), opcode, payload)

    def _opcode(self, first: int, second: int) -> Opcode:
        """Check the two bytes that begin a frame."""
        try:
            opcode = Opcode(first & 0x0F)
        except ValueError:
            raise Violation(PROTOCOL_ERROR, "unknown opcode") from None
        if first & _RESERVED:
            raise Violation(PROTOCOL_ERROR, "a reserved bit is set")
        if first & _DEFLATED and (not self._deflate or opcode not in {Opcode.TEXT, Opcode.BINARY}):
            raise Violation(PROTOCOL_ERROR, "a reserved bit is set")
        if opcode in _CONTROL and (not first & _FINAL or second & 0x7F > _CONTROL_MAX):
            raise Violation(PROTOCOL_ERROR, "a control frame is fragmented or too long")
        if not second & _MASKED:  # section 5.1
            raise Violation(PROTOCOL_ERROR, "a client's frame is not masked")
        return opcode


class Fragments:
    """Puts the fragments of a message together (section 5.4)."""

    __slots__ = ("_begun", "_most", "_parts", "_size")

    def __init__(self, *, most: int) -> None:
        """Take the most bytes of a message, deflated or not."""
        self._most = most
        self._begun: Frame | None = None
        self._parts: list[bytes] = []
        self._size = 0

    def add(self, one: Frame) -> Message | None:
        """Return the message that the frame ends, None in the midst of one. Raise Violation."""
        if one.opcode in _CONTROL:
            return Message(one.opcode, one.payload)
        begun = self._begun
        if (begun is None) == (one.opcode is Opcode.CONTINUATION):
            raise Violation(PROTOCOL_ERROR, "a fragment is out of place")
        self._size += len(one.payload)
        self._parts.append(one.payload)
        if self._size > self._most or len(self._parts) > _FRAGMENTS:
            raise Violation(TOO_BIG, "the message is too long")
        if not one.final:
            self._begun = begun or one
            return None
        whole = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
        self._begun = None
        self._parts.clear()
        self._size = 0
        return self._message(begun or one, whole)

    def _message(self, begun: Frame, payload: bytes) -> Message:
        try:
            whole = inflate(payload, most=self._most) if begun.deflated else payload
            if begun.opcode is Opcode.TEXT:
                whole.decode()
        except Undecodable as error:
            raise Violation(PROTOCOL_ERROR, "the message cannot be inflated") from error
        except Overlong as error:
            raise Violation(TOO_BIG, "the message is too long") from error
        except UnicodeDecodeError as error:
            raise Violation(INVALID_TEXT, "a text is not UTF-8") from error
        return Message(begun.opcode, whole)


def close_code(payload: bytes) -> int | None:
    """Return the code of a close frame, None where it has none. Raise Violation (section 7.4)."""
    if not payload:
        return None
    code = int.from_bytes(payload[:2])
    known = 1000 <= code <= 1014 and code not in {1004, 1005, 1006}
    if len(payload) == 1 or not (known or 3000 <= code <= 4999):
        raise Violation(PROTOCOL_ERROR, "a close code that is none")
    try:
        payload[2:].decode()
    except UnicodeDecodeError as error:
        raise Violation(INVALID_TEXT, "a reason is not UTF-8") from error
    return code


def _size(kept: bytearray) -> tuple[int, int]:
    """Return where the mask begins, 0 while that is not known, and how long the payload is."""
    size = kept[1] & 0x7F
    if size < 126:
        return 2, size
    wide = 2 if size == 126 else 8
    if len(kept) < 2 + wide:
        return 0, 0
    size = int.from_bytes(kept[2 : 2 + wide])
    if size < (126 if wide == 2 else 1 << 16) or size >> 63:
        raise Violation(PROTOCOL_ERROR, "a length that is not written as the shortest")
    return 2 + wide, size


def _unmasked(payload: bytearray, mask: bytearray) -> bytes:
    size = len(payload)
    key = (mask * (size // 4 + 1))[:size]
    return (int.from_bytes(payload) ^ int.from_bytes(key)).to_bytes(size)
