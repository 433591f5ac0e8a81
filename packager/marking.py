"""Note where a demuxer may begin and stop, while the packets are read. Runs in a child."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from av.packet import Packet
from av.stream import Stream

from packager import transport
from packager.clusters import Clusters
from packager.feed import Piece
from packager.marks import NONE, Marks, TrackMarks

_SYNC_APART = Fraction(1, 4)
_APART = Fraction(1)
_PEEK = 32
_HEAD = 512 << 10
_WRAP = (1 << 33) - 60 * 90_000
"""FFmpeg moves times of a transport stream that begins within a minute of the clock's wrap."""


class Layout(Protocol):
    """What the bytes of a container say of where to begin."""

    format: str

    @property
    def head(self) -> tuple[Piece, ...] | None:
        """Return what stands before any stretch, None where it is not known."""

    def see(self, offset: int, block: bytes) -> None:
        """Take the bytes from `offset` on; all up to there have been shown, or need not be."""

    def unit(self, position: int) -> int | None:
        """Return the byte at which to begin to read for a packet at this position."""

    def read(self, path: Path) -> None:
        """See a whole file."""


class Matroska:
    """Stretches of whole clusters."""

    format = "matroska"

    def __init__(self) -> None:
        self._clusters = Clusters()

    @property
    def head(self) -> tuple[Piece, ...] | None:
        """Return the EBML header, a Segment of unknown size, its Info and its Tracks."""
        return self._clusters.head

    def see(self, offset: int, block: bytes) -> None:
        """Take the bytes from `offset` on."""
        self._clusters.see(offset, block)

    def unit(self, position: int) -> int | None:
        """Return the cluster of a packet."""
        starts = self._clusters.starts
        place = bisect_right(starts, position)
        return starts[place - 1] if place and not self._clusters.broken else None

    def read(self, path: Path) -> None:
        """See the headers of a whole file's elements."""
        with path.open("rb", buffering=0) as file:
            while not self._clusters.broken:
                at = file.seek(self._clusters.following)
                block = file.read(_PEEK)
                self._clusters.see(at, block)
                if len(block) < _PEEK:
                    return


class Transport:
    """Stretches of transport packets behind the tables of programs."""

    format = "mpegts"

    def __init__(self) -> None:
        self._start = bytearray()
        self._tables: bytes | None = None

    @property
    def head(self) -> tuple[Piece, ...] | None:
        """Return the packets of the first PAT and the first PMTs."""
        return None if self._tables is None else (self._tables,)

    def see(self, offset: int, block: bytes) -> None:
        """Take the bytes from `offset` on."""
        if self._tables is None and offset == len(self._start) < _HEAD:
            self._start += block[: _HEAD - offset]
            self._tables = transport.tables(bytes(self._start))
            if self._tables is not None:
                self._start.clear()

    def unit(self, position: int) -> int | None:
        """Return the packet with which a PES packet begins, which is where FFmpeg says that it is."""
        return position

    def read(self, path: Path) -> None:
        """See the start of a whole file."""
        with path.open("rb") as file:
            self.see(0, file.read(_HEAD))


def layout(container: str) -> Layout | None:
    """Return the layout of a container by its short name, None where stretches of it mean nothing."""
    if container in {"matroska", "webm"}:
        return Matroska()
    return Transport() if container == "mpegts" else None


class _Groups:
    """The groups of one track."""

    def __init__(self, time_base: Fraction) -> None:
        self.time_base = time_base
        self.places, self.lows, self.syncs = array("q"), array("q"), array("q")
        self.changed = 0
        self._sync_apart, self._apart = (int(apart / time_base) for apart in (_SYNC_APART, _APART))
        self._unit = -1
        self._began = 0
        self._synced = -NONE

    def take(self, unit: int, pts: int, *, key: bool) -> None:
        """Take one packet that a demuxer finds when it begins at `unit`."""
        entered = unit > self._unit
        self._unit = max(unit, self._unit)
        if not self.places or (entered and self._due(pts, key=key)):
            self.places.append(unit)
            self.lows.append(pts)
            self.syncs.append(pts if key else NONE)
            self._began = pts
            self._synced = pts if key else self._synced
            return
        last = len(self.places) - 1
        self.lows[last] = min(self.lows[last], pts)
        if key:
            self.syncs[last] = min(self.syncs[last], pts)

    def _due(self, pts: int, *, key: bool) -> bool:
        return pts - self._began >= self._apart or (key and pts - self._synced >= self._sync_apart)


class Marking:
    """Keeps the marks of some streams."""

    def __init__(self, layout: Layout, streams: Iterable[Stream]) -> None:
        self.layout = layout
        self.groups = {one.index: _Groups(one.time_base or Fraction(1, 1000)) for one in streams}
        self._unusable = False

    def take(self, packet: Packet[Any]) -> None:
        """Note one packet."""
        position, pts = packet.pos, packet.pts
        if position is None or position < 0 or pts is None:
            return
        if self.layout.format == Transport.format and not 0 <= pts < _WRAP:
            self._unusable = True
        unit = self.layout.unit(position)
        if unit is not None:
            self.groups[packet.stream_index].take(unit, pts, key=packet.is_keyframe)

    @property
    def head(self) -> tuple[Piece, ...] | None:
        """Return what stands before any stretch, None where none can be cut."""
        return None if self._unusable else self.layout.head

    def news(self) -> list[tuple[int, int, Sequence[Sequence[int]]]]:
        """Return (track, number of the first, places, lows and syncs) of groups that are new or changed."""
        found: list[tuple[int, int, Sequence[Sequence[int]]]] = []
        for track, groups in self.groups.items():
            first = groups.changed
            columns = [column[first:].tolist() for column in (groups.places, groups.lows, groups.syncs)]
            groups.changed = max(0, len(groups.places) - 1)
            found.append((track, first, columns))
        return found

    def marks(self, end: int) -> Marks | None:
        """Return all marks; `end` is where the last group ends, 0 where that is not known."""
        head = self.head
        tracks = {
            track: TrackMarks(
                track=track,
                time_base=groups.time_base,
                places=np.array(groups.places, dtype=np.int64),
                lows=np.array(groups.lows, dtype=np.int64),
                syncs=np.array(groups.syncs, dtype=np.int64),
            )
            for track, groups in self.groups.items()
            if groups.places
        }
        if head is None or not tracks:
            return None
        return Marks(format=self.layout.format, head=head, end=end, tracks=tracks)
