"""Cuts stretches out of Matroska and transport streams as they are: what a demuxer must read, from a pipe."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from packager.feed import Feed
from packager.marks import NONE, Marks


class RangeFeeder:
    """Makes feeds of a container's head and one range of it. Its times are the source's own.

    More comes along than was asked for, whole clusters and the other tracks: whoever reads it cuts by time.
    """

    def __init__(self, marks: Marks) -> None:
        self._marks = marks

    def stretch(self, track: int, begin: Fraction, end: Fraction, *, early: bool = False) -> Feed | None:
        """Return what shows or sounds from `begin` to `end`, container time in seconds, and what it needs.

        All that decodes to that time is in it, from a sync sample before `begin` on; `early` begins one sync
        sample before that one. None where the track has no marks, or not yet up to there.
        """
        found = self._marks.tracks.get(track)
        if found is None:
            return None
        first, last = (begin / found.time_base).__floor__(), (end / found.time_base).__ceil__()
        behind = np.flatnonzero((found.syncs != NONE) & (found.syncs <= first))
        start = 0
        if len(behind):
            start = int(behind[-2 if early and len(behind) > 1 else -1])
        needed = np.flatnonzero(found.lows < last)
        stop = max(start, int(needed[-1]) if len(needed) else 0) + 1
        limit = int(found.places[stop]) if stop < len(found.places) else self._marks.end
        if not limit:
            return None
        pieces = (*self._marks.head, (int(found.places[start]), limit))
        return Feed(format=self._marks.format, pieces=pieces, stream=track)
