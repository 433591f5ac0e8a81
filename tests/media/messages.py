"""Read the event messages of segments (ISO/IEC 23009-1 §5.10.3.3), by means of the tests' own."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One emsg box of version 1; `time` and `duration` are seconds of media time."""

    scheme: str
    value: str
    number: int
    time: Fraction
    duration: Fraction
    body: bytes


def boxes(data: bytes) -> list[tuple[str, bytes]]:
    """Return the type and the bytes of each box, one behind the other."""
    found, at = [], 0
    while at < len(data):
        size, name = struct.unpack_from(">I4s", data, at)
        found.append((name.decode(), data[at : at + size]))
        at += size
    return found


def messages(data: bytes) -> list[Message]:
    """Return the event messages of a part or a segment."""
    return [_message(box) for name, box in boxes(data) if name == "emsg"]


def without(data: bytes) -> bytes:
    """Return a part or a segment without its event messages."""
    return b"".join(box for name, box in boxes(data) if name != "emsg")


def _message(box: bytes) -> Message:
    version, scale, time, duration, number = struct.unpack_from(">B3xIQII", box, 8)
    assert version == 1
    scheme, value, body = box[32:].split(b"\0", 2)
    return Message(
        scheme=scheme.decode(),
        value=value.decode(),
        number=number,
        time=Fraction(time, scale),
        duration=Fraction(duration, scale),
        body=body,
    )
