"""Markers in HLS playlists: EXT-X-DATERANGE (RFC 8216bis §4.4.5.1)."""

from __future__ import annotations

import json
from bisect import bisect_left
from collections.abc import Sequence
from fractions import Fraction
from urllib.parse import quote

from packager import dates
from packager.marker import Marker, Splice

_SPLICES = {Splice.OUT: "SCTE35-OUT", Splice.IN: "SCTE35-IN", Splice.CMD: "SCTE35-CMD"}


class DateRanges:
    """The lines of an asset's markers, each written once, in the order of their moments."""

    def __init__(self, markers: Sequence[Marker] = ()) -> None:
        ordered = sorted(markers, key=lambda one: (one.moment, one.number))
        self._moments = [one.moment for one in ordered]
        self._lines = [line(one) for one in ordered]

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._lines)

    def between(self, begin: Fraction, end: Fraction | None = None) -> str:
        """Return the lines of the markers from `begin` on, and before `end`."""
        first = bisect_left(self._moments, begin)
        last = len(self._moments) if end is None else bisect_left(self._moments, end)
        return "".join(self._lines[first:last])


def line(marker: Marker) -> str:
    """Return the line of a marker. X-DATA is its JSON, percent-encoded: a quoted string has no quotes."""
    attributes = [
        f'ID="{marker.id}"',
        f'CLASS="{marker.kind}"',
        f'START-DATE="{dates.iso(dates.milliseconds(marker.moment))}"',
    ]
    if marker.duration is not None:
        attributes.append(f"DURATION={_decimal(marker.duration)}")
    if marker.data is not None:
        text = json.dumps(marker.data, separators=(",", ":"), ensure_ascii=False)
        attributes.append(f'X-DATA="{quote(text, safe="")}"')
    if marker.scte35:
        attributes.append(f"{_SPLICES[marker.splice]}=0x{marker.scte35.hex().upper()}")
    return f"#EXT-X-DATERANGE:{','.join(attributes)}\n"


def _decimal(seconds: Fraction) -> str:
    whole, rest = divmod(dates.milliseconds(seconds), 1000)
    return f"{whole}.{rest:03d}"
