"""Markers in segments: the event message box (ISO/IEC 23009-1 §5.10.3.3), before the fragment of a part."""

from __future__ import annotations

import json
import struct
from fractions import Fraction

from packager import boxes
from packager.errors import BadBoxes
from packager.life import Life
from packager.marker import SCHEME, Marker

SPLICE_SCHEME = "urn:scte:scte35:2013:bin"
"""SCTE 214-3: the message is a splice_info_section."""

_UNKNOWN = 0xFFFF_FFFF


def events(marker: Marker, life: Life) -> bytes:
    """Return the boxes of a marker within a life, the same in every rendition of it.

    Times are ticks of the pictures. A moment before the life is told with its first picture.
    """
    scale = life.timescale
    since = (marker.moment - Fraction(life.started, 1000)) * scale
    time = max(0, round(since))
    duration = 0 if marker.duration is None else min(_UNKNOWN - 1, round(marker.duration * scale))
    fixed = struct.pack(">IQII", scale, time, duration, marker.number & _UNKNOWN)
    told = json.dumps(marker.told, separators=(",", ":"), ensure_ascii=False).encode()
    made = _box(fixed, SCHEME, told)
    return made + (_box(fixed, SPLICE_SCHEME, marker.scte35) if marker.scte35 else b"")


def inserted(body: bytes, messages: bytes) -> bytes:
    """Return a part with event messages before its fragment, all else as it was. Raise BadBoxes without one.

    A CMAF chunk has them behind styp and prft (ISO/IEC 23000-19 §7.3.3.2).
    """
    at = next((box.start for box in boxes.walk(body) if box.type == "moof"), None)
    if at is None:
        raise BadBoxes("a part without a movie fragment")
    return body[:at] + messages + body[at:]


def _box(fixed: bytes, scheme: str, message: bytes) -> bytes:
    """Return one box of version 1, whose time is the track's own; the value of the scheme is empty."""
    return boxes.full_box("emsg", 1, 0, fixed, scheme.encode() + b"\0", b"\0", message)
