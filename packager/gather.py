"""Gathers the samples of one encoder output into finished segments that are what the plan says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from packager import boxes, cutter
from packager.boxes import Entry
from packager.cutter import Sample
from packager.errors import SegmentMismatch
from packager.timeline import AAC_FRAME


class Gather(Protocol):
    """Takes samples as they are cut; returns each segment, as (number, bytes), once it is complete."""

    def add(self, sample: Sample) -> list[tuple[int, bytes]]:
        """Take one sample. Raise SegmentMismatch where a segment is not what was planned."""

    def end(self) -> list[tuple[int, bytes]]:
        """Say that the output has ended. Raise SegmentMismatch where segments are missing."""


class Pictures:
    """Gathers frames: a segment is complete when an IDR at or behind the next border comes.

    `borders` and `planned`, the frame times of each segment, are ticks; numbers count from `first`.
    """

    def __init__(self, *, first: int, borders: Sequence[int], planned: Sequence[Sequence[int]]) -> None:
        self._first = first
        self._borders = borders
        self._planned = planned
        self._pending: list[Sample] = []
        self._done = 0

    def add(self, sample: Sample) -> list[tuple[int, bytes]]:
        """Take one frame, in decode order."""
        ready = []
        if self._pending and sample.sync and sample.time >= self._borders[self._done + 1]:
            ready = self._close()
        self._pending.append(sample)
        return ready

    def end(self) -> list[tuple[int, bytes]]:
        """Close the last segment."""
        ready = self._close() if self._pending else []
        if self._done != len(self._planned):
            raise SegmentMismatch(f"{self._done} of {len(self._planned)} segments came out")
        return ready

    def _close(self) -> list[tuple[int, bytes]]:
        if self._done >= len(self._planned):
            raise SegmentMismatch("more segments came out than were planned")
        number = self._first + self._done
        body = cutter.segment(
            self._pending, number=number, times=self._planned[self._done], end=self._borders[self._done + 1]
        )
        self._done += 1
        self._pending = []
        return [(number, body)]


class Sound:
    """Gathers AAC access units by count: times in the encoder's output are of no use behind a pre-roll.

    `borders` are samples; the first `drop` units are pre-roll and priming, what comes behind the last border
    is the encoder's tail.
    """

    def __init__(self, *, first: int, borders: Sequence[int], drop: int) -> None:
        self._first = first
        self._units = [border // AAC_FRAME for border in borders]
        self._drop = drop
        self._pending: list[bytes] = []
        self._done = 0

    def add(self, sample: Sample) -> list[tuple[int, bytes]]:
        """Take one access unit."""
        if self._drop:
            self._drop -= 1
            return []
        if self._done + 1 >= len(self._units):
            return []
        self._pending.append(sample.data)
        begin, end = self._units[self._done : self._done + 2]
        if len(self._pending) < end - begin:
            return []
        number = self._first + self._done
        body = _sound_segment(self._pending, number=number, unit=begin)
        self._pending = []
        self._done += 1
        return [(number, body)]

    def end(self) -> list[tuple[int, bytes]]:
        """Check that every segment came."""
        if self._done + 1 != len(self._units):
            raise SegmentMismatch(f"{self._done} of {len(self._units) - 1} segments of sound came out")
        return []


def _sound_segment(bodies: Sequence[bytes], *, number: int, unit: int) -> bytes:
    entries = [Entry(duration=AAC_FRAME, size=len(body), sync=True, offset=0) for body in bodies]
    moof = boxes.movie_fragment(sequence=number + 1, decode_time=unit * AAC_FRAME, entries=entries)
    return boxes.SEGMENT_TYPE + moof + boxes.box("mdat", *bodies)
