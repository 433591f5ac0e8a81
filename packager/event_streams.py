"""Markers in an MPD: EventStream for those that no segment tells of, InbandEventStream for the others."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterable, Sequence
from fractions import Fraction
from xml.sax.saxutils import escape

from packager.elements import tag
from packager.emsg import SPLICE_SCHEME
from packager.marker import SCHEME, Marker

SPLICE_XML = "urn:scte:scte35:2014:xml+bin"
"""SCTE 214-1: the message in base64 within XML, as an MPD carries it."""

MICROSECONDS = 1_000_000
"""The timescale of events where media time has none that all tracks share."""

_SIGNAL = "http://www.scte.org/schemas/35/2016"


def inband() -> list[str]:
    """Return what an adaptation set says of the messages that its segments may have (23009-1 §5.10.3)."""
    return [
        tag("InbandEventStream", empty=True, schemeIdUri=scheme, value="")
        for scheme in (SCHEME, SPLICE_SCHEME)
    ]


def streams(markers: Sequence[Marker], *, begin: Fraction, scale: int) -> list[str]:
    """Return the event streams of a Period that begins at the moment `begin`; times are ticks of `scale`."""
    own = [_event(one, begin, scale, escape(json.dumps(one.told, ensure_ascii=False))) for one in markers]
    cued = [_event(one, begin, scale, _signal(one.scte35)) for one in markers if one.scte35]
    return [*_stream(SCHEME, scale, own), *_stream(SPLICE_XML, scale, cued)]


def _stream(scheme: str, scale: int, events: Iterable[str]) -> list[str]:
    lines = list(events)
    if not lines:
        return []
    return [tag("EventStream", schemeIdUri=scheme, value="", timescale=scale), *lines, "</EventStream>"]


def _event(marker: Marker, begin: Fraction, scale: int, content: str) -> str:
    head = tag(
        "Event",
        presentationTime=round((marker.moment - begin) * scale),
        duration=None if marker.duration is None else round(marker.duration * scale),
        id=marker.number,
    )
    return f"{head}{content}</Event>"


def _signal(section: bytes) -> str:
    binary = b64encode(section).decode()
    return f'<Signal xmlns="{_SIGNAL}"><Binary>{binary}</Binary></Signal>'
