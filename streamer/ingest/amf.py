"""AMF0, the values in RTMP's commands and in FLV's script tags (Adobe AMF0 specification, §2).

Objects, typed objects and ECMA arrays are read as dicts, dates as numbers of milliseconds, undefined and
unsupported as None.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence

from streamer.ingest.errors import BadAmf

Value = float | bool | str | None | dict[str, "Value"] | list["Value"]
"""What is read. Numbers are IEEE doubles: AMF0 has no other."""

Writable = float | bool | str | None | Mapping[str, "Writable"] | Sequence["Writable"]
"""What can be written; integers become doubles."""

DEPTH_MAX = 16
VALUES_MAX = 4096
"""Limits on one body: how deep values nest, and how many there are in all."""

_NUMBER, _BOOLEAN, _STRING, _OBJECT = 0, 1, 2, 3
_NULL, _UNDEFINED, _ECMA_ARRAY, _OBJECT_END, _STRICT_ARRAY = 5, 6, 8, 9, 10
_DATE, _LONG_STRING, _UNSUPPORTED, _XML, _TYPED_OBJECT = 11, 12, 13, 15, 16
_SHORT_MAX = 0xFFFF


def decode(body: bytes, *, most: int = VALUES_MAX) -> list[Value]:
    """Read the values of a body one after the other, `most` at most. Raise BadAmf."""
    reader = _Reader(body)
    values: list[Value] = []
    while reader.at < len(body) and len(values) < most:
        values.append(reader.value(0))
    return values


def encode(*values: Writable) -> bytes:
    """Write values one after the other."""
    return b"".join(map(_value, values))


class _Reader:
    """A place in a body."""

    def __init__(self, body: bytes) -> None:
        self.at = 0
        self._body = body
        self._values = 0

    def value(self, depth: int) -> Value:
        """Read one value."""
        self._values += 1
        if depth > DEPTH_MAX or self._values > VALUES_MAX:
            raise BadAmf("AMF0 values are nested too deep or are too many")
        kind = self._take(1)[0]
        if kind == _NUMBER:
            return self._number()
        if kind == _BOOLEAN:
            return self._take(1) != b"\0"
        if kind == _STRING:
            return self._text(2)
        if kind in {_LONG_STRING, _XML}:
            return self._text(4)
        if kind in {_NULL, _UNDEFINED, _UNSUPPORTED}:
            return None
        return self._compound(kind, depth + 1)

    def _compound(self, kind: int, depth: int) -> Value:
        if kind == _OBJECT:
            return self._members(depth)
        if kind == _ECMA_ARRAY:
            self._take(4)  # its length is a hint only; the end is marked (§2.10)
            return self._members(depth)
        if kind == _TYPED_OBJECT:
            self._text(2)
            return self._members(depth)
        if kind == _STRICT_ARRAY:
            return [self.value(depth) for _ in range(self._integer(4))]
        if kind == _DATE:
            milliseconds = self._number()
            self._take(2)  # a time zone that is always 0 (§2.13)
            return milliseconds
        raise BadAmf(f"AMF0 has no value of type {kind} that is used here")

    def _members(self, depth: int) -> dict[str, Value]:
        members: dict[str, Value] = {}
        while True:
            name = self._text(2)
            if not name and self._body[self.at : self.at + 1] == bytes([_OBJECT_END]):
                self.at += 1
                return members
            members[name] = self.value(depth)

    def _number(self) -> float:
        (number,) = struct.unpack(">d", self._take(8))
        return float(number)

    def _text(self, width: int) -> str:
        return self._take(self._integer(width)).decode(errors="replace")

    def _integer(self, width: int) -> int:
        return int.from_bytes(self._take(width), "big")

    def _take(self, size: int) -> bytes:
        taken = self._body[self.at : self.at + size]
        if len(taken) < size:
            raise BadAmf("an AMF0 value is longer than its message")
        self.at += size
        return taken


def _value(value: Writable) -> bytes:
    if isinstance(value, str):
        return _string(value)
    if isinstance(value, Mapping):
        members = b"".join(_name(name) + _value(member) for name, member in value.items())
        return bytes([_OBJECT]) + members + _name("") + bytes([_OBJECT_END])
    if isinstance(value, Sequence):
        return struct.pack(">BI", _STRICT_ARRAY, len(value)) + b"".join(map(_value, value))
    return _scalar(value)


def _scalar(value: float | None) -> bytes:
    if value is None:
        return bytes([_NULL])
    if isinstance(value, bool):
        return bytes([_BOOLEAN, value])
    return struct.pack(">Bd", _NUMBER, value)


def _string(value: str) -> bytes:
    text = value.encode()
    if len(text) > _SHORT_MAX:
        return struct.pack(">BI", _LONG_STRING, len(text)) + text
    return struct.pack(">BH", _STRING, len(text)) + text


def _name(name: str) -> bytes:
    text = name.encode()
    return struct.pack(">H", len(text)) + text
