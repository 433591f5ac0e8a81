"""FLV tags, the form in which everything received is handed on (Adobe FLV 10.1, annex E)."""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import IntEnum
from fractions import Fraction
from types import MappingProxyType

from streamer.ingest import amf
from streamer.ingest.errors import BadFlv

AVC, AAC = 7, 10
"""CodecID of a picture (§E.4.3.1) and SoundFormat (§E.4.2.1)."""

KEY_FRAME, COMMAND_FRAME = 1, 5
"""FrameType of a picture; a command frame shows nothing."""

CONFIGURATION, MEDIA = 0, 1
"""AVCPacketType and AACPacketType; 2 ends an AVC sequence."""

VIDEO_HEAD, AUDIO_HEAD = 5, 2
"""Bytes before the access unit: of H.264 flags, packet type and offset, of AAC flags and packet type."""

_WRAP = 0xFFFFFFFF
_NEAREST_WRAP = 1 << 31  # FFmpeg leaves out the highest of the 32 bits
_FILE_HEAD, _TAG_HEAD, _TAG_FOOT = 13, 11, 4
_FASTEST = 1000  # frames a second; times are in milliseconds
_ROUNDING = Fraction(1, 200)


class Kind(IntEnum):
    """What a tag carries (§E.4.1)."""

    AUDIO = 8
    VIDEO = 9
    SCRIPT = 18


@dataclass(frozen=True, slots=True, kw_only=True)
class Tag:
    """One tag. `time` is the decode time in milliseconds as the sender counts it, except that it never wraps.

    Script data and configurations may have any time; many encoders say 0.
    `payload` is the tag's data: of video and audio always H.264 and AAC in the plain form of FLV, whichever
    form the publisher sent, with a whole head and something behind it.
    """

    kind: Kind
    time: int
    payload: bytes

    @property
    def configuration(self) -> bool:
        """Whether it describes the access units that follow (AVC sequence header, AudioSpecificConfig)."""
        return self.kind is not Kind.SCRIPT and self.payload[1] == CONFIGURATION

    @property
    def keyframe(self) -> bool:
        """Whether it is a picture that the sender calls a keyframe; a configuration is none."""
        return self.kind is Kind.VIDEO and self.payload[0] >> 4 == KEY_FRAME and self.payload[1] == MEDIA

    @property
    def offset(self) -> int:
        """Milliseconds from decode to presentation time; 0 but for pictures."""
        if self.kind is not Kind.VIDEO:
            return 0
        return int.from_bytes(self.payload[2:5], "big", signed=True)

    @property
    def body(self) -> bytes:
        """The access unit or the decoder configuration (avcC, AudioSpecificConfig), without FLV's head."""
        return self.payload[{Kind.VIDEO: VIDEO_HEAD, Kind.AUDIO: AUDIO_HEAD, Kind.SCRIPT: 0}[self.kind] :]


@dataclass(frozen=True, slots=True, kw_only=True)
class Metadata:
    """What onMetaData says; None where it does not, or says nothing possible. `values` has all of it."""

    frame_rate: Fraction | None
    width: int | None
    height: int | None
    encoder: str | None
    values: Mapping[str, amf.Value]


def metadata(tag: Tag) -> Metadata | None:
    """Read a script tag's onMetaData; None where the tag is another one. Raise BadAmf."""
    if tag.kind is not Kind.SCRIPT or amf.decode(tag.payload, most=1) != ["onMetaData"]:
        return None
    members = amf.decode(tag.payload, most=2)[1:]
    values = members[0] if members and isinstance(members[0], dict) else {}
    rate = _positive(values.get("framerate"))
    encoder = values.get("encoder")
    return Metadata(
        frame_rate=_fraction(rate) if rate is not None else None,
        width=_whole(values.get("width")),
        height=_whole(values.get("height")),
        encoder=encoder if isinstance(encoder, str) else None,
        values=MappingProxyType(values),
    )


def head(*, audio: bool = True, video: bool = True) -> bytes:
    """Write what a file begins with (§E.2): its head, and the size of no tag."""
    return struct.pack(">3sBBII", b"FLV", 1, audio << 2 | video, 9, 0)


def write(tag: Tag) -> bytes:
    """Write a tag and its size behind it (§E.3); the time is cut to 32 bits."""
    time = tag.time & _WRAP
    size = len(tag.payload)
    first = bytes([tag.kind]) + size.to_bytes(3, "big") + (time & 0xFFFFFF).to_bytes(3, "big")
    return b"".join((first, bytes([time >> 24, 0, 0, 0]), tag.payload, (11 + size).to_bytes(4, "big")))


def read(body: bytes) -> list[Tag]:
    """Read a whole file. Raise BadFlv where it is none, or a tag is cut."""
    reader = FlvReader()
    tags = reader.feed(body)
    if not reader.whole:
        raise BadFlv("an FLV file is cut")
    return tags


class FlvReader:
    """Reads a file that arrives in pieces, cut anywhere. Times are as they are written: they may wrap."""

    def __init__(self, *, tag_max: int = 8 << 20) -> None:
        """Take how many bytes the payload of a tag may have."""
        self._tag_max = tag_max
        self._held = bytearray()
        self._begun = False

    @property
    def whole(self) -> bool:
        """Say whether what has come so far ends with a tag."""
        return self._begun and not self._held

    def feed(self, data: bytes) -> list[Tag]:
        """Return the tags that this piece completes. Raise BadFlv."""
        self._held += data
        if not self._begun:
            if len(self._held) < _FILE_HEAD:
                return []
            if self._held[:3] != b"FLV" or int.from_bytes(self._held[5:9], "big") != _FILE_HEAD - 4:
                raise BadFlv("what should be FLV has no such head")
            del self._held[:_FILE_HEAD]
            self._begun = True
        tags, at = [], 0
        while (size := self._complete(at)) is not None:
            tags.append(self._tag(at, size))
            at += _TAG_HEAD + size + _TAG_FOOT
        del self._held[:at]
        return tags

    def _complete(self, at: int) -> int | None:
        """Return the size of the payload of the tag at a place, None while not all of it is there."""
        if len(self._held) < at + _TAG_HEAD:
            return None
        size = int.from_bytes(self._held[at + 1 : at + 4], "big")
        if size > self._tag_max:
            raise BadFlv("a tag of FLV is larger than allowed")
        return size if len(self._held) >= at + _TAG_HEAD + size + _TAG_FOOT else None

    def _tag(self, at: int, size: int) -> Tag:
        held, body = self._held, at + _TAG_HEAD
        if held[at] not in set(Kind):
            raise BadFlv("a tag of FLV is of no known kind")
        time = int.from_bytes(held[at + 4 : at + 7], "big") | held[at + 7] << 24
        return Tag(kind=Kind(held[at]), time=time, payload=bytes(held[body : body + size]))


class Unwrapping:
    """Turns times that wrap into times that go on."""

    def __init__(self) -> None:
        self._last: int | None = None

    def tag(self, tag: Tag) -> Tag:
        """Return the tag with the time nearest to the last one that is its own in the lower 31 bits."""
        if self._last is not None:
            half = _NEAREST_WRAP // 2
            time = self._last + (tag.time - self._last + half) % _NEAREST_WRAP - half
            tag = replace(tag, time=time)
        # Many encoders give time 0 to what is neither seen nor heard, wherever their times begin.
        if tag.kind is not Kind.SCRIPT and not tag.configuration:
            self._last = tag.time
        return tag


def _positive(value: amf.Value) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if 0 < value < math.inf else None


def _whole(value: amf.Value) -> int | None:
    number = _positive(value)
    return round(number) if number is not None and number < 1 << 31 else None


def _fraction(rate: float) -> Fraction | None:
    """Return the rate that was meant: encoders write 29.97 or 23.98 for rates over 1001."""
    exact, near = Fraction(rate), round(rate)
    if not 0 < near <= _FASTEST:
        return None
    meant = min(Fraction(near), Fraction(near * 1000, 1001), key=lambda guess: abs(guess - exact))
    return meant if abs(meant - exact) <= _ROUNDING else exact.limit_denominator(1001)
