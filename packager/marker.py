"""Markers: what is to be told at one moment of the picture."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from typing import Any

SCHEME = "urn:streamer:marker:2026"
"""Names our own events in segments and in the MPD; what they carry is JSON."""


class Splice(StrEnum):
    """What an SCTE-35 message is: the way out of the programme, the way back, or any other command."""

    OUT = "out"
    IN = "in"
    CMD = "cmd"


@dataclass(frozen=True, slots=True, kw_only=True)
class Marker:
    """A moment and what to tell at it.

    `moment` is seconds since the epoch on the clock of the playlists' dates (EXT-X-PROGRAM-DATE-TIME), so it
    means the same whichever life of a broadcast shows it. `number` is unique among an asset's markers and
    never used again. `scte35` is a splice_info_section, empty where there is none. One that is `inband` is
    told by the segments themselves.
    """

    id: str
    number: int
    kind: str
    moment: Fraction
    duration: Fraction | None = None
    data: Mapping[str, Any] | None = None
    scte35: bytes = b""
    splice: Splice = Splice.CMD
    inband: bool = False
    created: int = 0

    @property
    def told(self) -> dict[str, Any]:
        """Return what events of our own scheme carry."""
        return {"id": self.id, "kind": self.kind, "data": self.data}
