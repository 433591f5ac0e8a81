"""Chooses the samples of an MP4 that a stretch of time needs, and makes a feed of them."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from packager import remux
from packager.feed import Feed, Feeder, Piece
from packager.index import Flags, Ticks
from packager.ranges import RangeFeeder
from packager.tables import Tables, TrackTable

_SPARSE = 256
"""Samples from one mark to the next at least, on average: what is kept in memory of a table."""

_AT_ONCE = 1024


def feeder(tables: Tables) -> Feeder:
    """Return what cuts feeds out of a source that has these tables."""
    return Mp4Feeder(tables) if tables.marks is None else RangeFeeder(tables.marks)


class Mp4Feeder:
    """Makes small MP4s of one track: headers of our own around the samples' bytes, which stay in the source.

    A stretch is found by a few marks and one look into the table: hours cost neither time nor memory.
    """

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._marks: dict[int, _Marks | None] = {}

    def stretch(self, track: int, begin: Fraction, end: Fraction, *, early: bool = False) -> Feed | None:
        """Return what shows or sounds from `begin` to `end`, container time in seconds, and what it needs.

        All that decodes to that time is in it, from a sync sample before `begin` on; `early` begins one sync
        sample before that one. None where the track has no table, or its times are not distinct.
        """
        if track not in self._marks:
            self._marks[track] = _marks(self._tables.of(track))
            self._tables.let_go()
        marks = self._marks[track]
        if marks is None:
            return None
        scale = marks.table.timescale
        rows = marks.choose((begin * scale).__floor__(), (end * scale).__ceil__(), early=early)
        fragment = remux.fragment(rows, scale)
        if fragment is None:
            return None
        pieces: list[Piece] = [remux.head(marks.table) + fragment[0], *_ranges(rows)]
        return Feed(format="mp4", pieces=tuple(pieces), shift=fragment[1])


def _ranges(rows: NDArray[Any]) -> list[tuple[int, int]]:
    """Return where the samples lie, those that lie together as one."""
    starts: Ticks = rows["offset"].astype(np.int64)
    stops = starts + rows["size"]
    new = np.flatnonzero(starts[1:] != stops[:-1]) + 1
    firsts, lasts = starts[np.concatenate(([0], new))], stops[np.concatenate((new - 1, [-1]))]
    return list(zip(firsts.tolist(), lasts.tolist(), strict=True))


def _marks(table: TrackTable | None) -> _Marks | None:
    """Return the marks of a table, None where it cannot be used."""
    # Samples of several descriptions (stsd's entry count) are not told apart in the table.
    if table is None or not len(table.rows) or int.from_bytes(table.stsd[12:16], "big") != 1:
        return None
    return _Marks(table)


class _Marks:
    """Some sync samples of a track in decode order, and what is shown on either side of each.

    `starts` of those `clean` ones that part what is before from what they show, `earliest` of all that comes
    from a mark on.
    """

    def __init__(self, table: TrackTable) -> None:
        self.table = table
        rows = table.rows
        keys = np.flatnonzero(rows["key"])
        places = np.union1d([0], keys[:: max(1, len(keys) * _SPARSE // len(rows))])
        lows, highs = _extremes(rows, places)
        starts = rows["pts"][places]
        clean = _before(highs) < starts
        self._places = np.append(places, len(rows))
        self._earliest = np.minimum.accumulate(lows[::-1])[::-1]
        self._clean = places[clean]
        self._starts = starts[clean]

    def choose(self, low: int, high: int, *, early: bool) -> NDArray[Any]:
        """Return the rows that the ticks from `low` to `high` (excluded) need."""
        high = max(high, int(self._earliest[0]) + 1)
        mark = max(0, int(self._starts.searchsorted(low, "right")) - 2)
        begin = int(self._clean[mark])
        stop = int(self._places[self._earliest.searchsorted(high)])
        rows = np.array(self.table.rows[begin:stop])
        pts: Ticks = rows["pts"].astype(np.int64)
        entries = np.flatnonzero(_parting(pts) & (rows["key"] != 0) & (pts <= low))
        first = int(entries[-1 - early]) if len(entries) > early else 0
        last = int(np.flatnonzero(pts < high)[-1])
        return rows[first : last + 1]


def _parting(pts: Ticks) -> Flags:
    """Say behind which samples nothing is shown of what comes before them in decode order."""
    parting: Flags = _before(pts) < pts
    return parting


def _before(latest: Ticks) -> Ticks:
    """Return the latest time before each place."""
    return np.maximum.accumulate(np.concatenate(([np.iinfo(np.int64).min], latest[:-1])))


def _extremes(rows: NDArray[Any], places: NDArray[np.int64]) -> tuple[Ticks, Ticks]:
    """Return the earliest and the latest time from each place up to the next, reading the table in parts."""
    lows, highs = [], []
    for begin, end in pairwise([*range(0, len(places), _AT_ONCE), len(places)]):
        stop = int(places[end]) if end < len(places) else len(rows)
        pts = rows["pts"][places[begin] : stop].astype(np.int64)
        within = places[begin:end] - places[begin]
        lows.append(np.minimum.reduceat(pts, within))
        highs.append(np.maximum.reduceat(pts, within))
    return np.concatenate(lows), np.concatenate(highs)
