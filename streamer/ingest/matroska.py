"""Writes Matroska as far as it takes to hand live frames to a demuxer (RFC 8794, RFC 9559)."""

from __future__ import annotations

import struct
from dataclasses import dataclass

H264, VP8, OPUS = "V_MPEG4/ISO/AVC", "V_VP8", "A_OPUS"
"""CodecIDs. H.264 comes with start codes and its parameter sets in the frames."""

VIDEO, AUDIO = 1, 2
"""Track numbers, and the types of the tracks as well."""

_EBML, _SEGMENT, _INFO, _TRACKS, _CLUSTER = 0x1A45DFA3, 0x18538067, 0x1549A966, 0x1654AE6B, 0x1F43B675
_ENTRY, _NUMBER, _UID, _TYPE, _CODEC, _PRIVATE = 0xAE, 0xD7, 0x73C5, 0x83, 0x86, 0x63A2
_SEEN, _WIDTH, _HEIGHT, _HEARD, _RATE, _CHANNELS = 0xE0, 0xB0, 0xBA, 0xE1, 0xB5, 0x9F
_DOCTYPE, _SCALE, _TIME, _BLOCK = 0x4282, 0x2AD7B1, 0xE7, 0xA3
_UNKNOWN_SIZE = b"\x01" + b"\xff" * 7
_MILLISECOND = 1_000_000
_KEY = 0x80
_OPUS_RATE = 48_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """What a video track's entry says."""

    codec: str
    width: int
    height: int


def head(picture: Picture, *, sound: bool) -> bytes:
    """Write what stands before the frames; the sound is Opus in stereo."""
    seen = _element(_SEEN, _number(_WIDTH, picture.width), _number(_HEIGHT, picture.height))
    tracks = [_track(VIDEO, picture.codec, seen)]
    if sound:
        # RFC 7845, §5.1: version, channels, pre-skip, rate before encoding, gain, mapping family.
        private = b"OpusHead" + struct.pack("<BBHIHB", 1, 2, 0, _OPUS_RATE, 0, 0)
        heard = _element(_HEARD, _element(_RATE, struct.pack(">d", _OPUS_RATE)), _number(_CHANNELS, 2))
        tracks.append(_track(AUDIO, OPUS, _element(_PRIVATE, private), heard))
    return b"".join(
        (
            _element(_EBML, _element(_DOCTYPE, b"matroska")),
            _identity(_SEGMENT) + _UNKNOWN_SIZE,
            _element(_INFO, _number(_SCALE, _MILLISECOND)),
            _element(_TRACKS, *tracks),
        )
    )


def frame(track: int, time: int, data: bytes, *, key: bool) -> bytes:
    """Write a frame at a time in milliseconds, in a cluster of its own: it waits for no other."""
    block = struct.pack(">BhB", 0x80 | track, 0, _KEY if key else 0)
    return _element(_CLUSTER, _number(_TIME, time), _element(_BLOCK, block, data))


def _track(number: int, codec: str, *more: bytes) -> bytes:
    marks = _number(_NUMBER, number), _number(_UID, number), _number(_TYPE, number)
    return _element(_ENTRY, *marks, _element(_CODEC, codec.encode()), *more)


def _element(identity: int, *parts: bytes) -> bytes:
    size = sum(map(len, parts))
    return b"".join((_identity(identity), (size | 1 << 56).to_bytes(8, "big"), *parts))


def _number(identity: int, value: int) -> bytes:
    return _element(identity, value.to_bytes(8, "big"))


def _identity(identity: int) -> bytes:
    return identity.to_bytes((identity.bit_length() + 7) // 8, "big")
