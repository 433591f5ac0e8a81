"""The timeline: append-only borders of segments, index ↔ media time in exact integers.

Two grids. On the keyframe grid every border is a closed keyframe of the source and every rung keeps the
source's frame times; on the frame grid borders come every K frames of one constant rate.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise

SEGMENT_SECONDS = 4
"""T: the segment length that both grids aim at."""

LONGEST_SECONDS = 6
"""3T/2: no segment on the keyframe grid is longer, so TARGETDURATION is known before the end is."""

_TAIL = Fraction(2, 5)
"""A track's tail below this joins the segment before it: its EXTINF still rounds to the same second."""

AAC_FRAME = 1024
"""Samples in an AAC-LC access unit (ISO/IEC 14496-3)."""


def keyframe_borders(keyframes: Sequence[int], *, end: int, timescale: int) -> tuple[int, ...] | None:
    """Return borders on closed keyframes, the end included, all in ticks; None where the grid cannot hold.

    From border b the next is the keyframe nearest b + T within [b + T/2, b + 3T/2], else the last one before
    b + 3T/2; from 0 it is the first one in there: a short segment is soon there to begin with. It holds where
    keyframes are never more than 3T/2 apart.
    """
    longest = LONGEST_SECONDS * timescale
    marks = [*keyframes, end]
    if not keyframes or any(b - a > longest for a, b in pairwise(marks)):
        return None
    borders = [marks[0]]
    while borders[-1] != end:
        borders.append(_next_border(marks, borders[-1], timescale=timescale))
    return tuple(borders)


def _next_border(marks: Sequence[int], border: int, *, timescale: int) -> int:
    target = border + SEGMENT_SECONDS * timescale
    low = bisect_left(marks, border + SEGMENT_SECONDS * timescale // 2)
    high = bisect_right(marks, border + LONGEST_SECONDS * timescale)
    near = marks[low:high]
    if near and border == 0:
        return near[0]
    if near:
        return min(near, key=lambda mark: (abs(mark - target), mark))
    return marks[bisect_right(marks, border + LONGEST_SECONDS * timescale) - 1]


def settled_borders(keyframes: Sequence[int], *, known: int, timescale: int) -> tuple[int, ...] | None:
    """Return those of `keyframe_borders` that nothing behind `known` can move, while the end is unknown.

    Every frame before `known` has come. None where keyframes are too far apart by now.
    """
    marks = [mark for mark in keyframes if mark <= known]
    longest = LONGEST_SECONDS * timescale
    if not marks or any(b - a > longest for a, b in pairwise([*marks, max(known, marks[-1])])):
        return None
    borders = [marks[0]]
    while borders[-1] != marks[-1]:
        following = _next_border(marks, borders[-1], timescale=timescale)
        target = borders[-1] + SEGMENT_SECONDS * timescale
        near = following - borders[-1] >= SEGMENT_SECONDS * timescale // 2
        settled = following >= target or (near and borders[-1] == 0)
        # As good a mark, or the end, may still come just as far behind the target as this one is before it.
        if not settled and known < (2 * target - following if near else borders[-1] + longest):
            break
        borders.append(following)
    return tuple(borders)


def frame_ticks(rate: Fraction) -> tuple[int, int]:
    """Return (timescale, ticks of one frame) that hold a rate exactly, a thousand ticks to the frame."""
    scale = 1000 if rate.denominator == 1 or rate.numerator < 1000 else 1
    return rate.numerator * scale, rate.denominator * scale


def frames_per_segment(rate: Fraction) -> int:
    """Return K, the frames of one segment on the frame grid."""
    return max(1, round(SEGMENT_SECONDS * rate))


def frame_borders(frames: int, rate: Fraction) -> tuple[int, ...]:
    """Return the borders of the frame grid in ticks of `frame_ticks(rate)`, for so many frames in all."""
    step = frames_per_segment(rate)
    ticks = frame_ticks(rate)[1]
    return (*(n * ticks for n in range(0, frames, step)), frames * ticks)


def clock_borders(duration: Fraction, timescale: int) -> tuple[int, ...]:
    """Return borders every T seconds up to the duration, for assets without a picture."""
    end = -(-duration.numerator * timescale // duration.denominator)
    step = SEGMENT_SECONDS * timescale
    return tuple(_with_tail(list(range(0, max(end, 1), step)), max(end, 1), timescale))


def extended(borders: Sequence[int], *, end: Fraction, timescale: int) -> tuple[int, ...]:
    """Return the borders continued every T seconds up to `end` seconds: a track outlasts the video."""
    stop = -(-end.numerator * timescale // end.denominator)
    if stop <= borders[-1]:
        return tuple(borders)
    step = SEGMENT_SECONDS * timescale
    return tuple(_with_tail([*borders, *range(borders[-1] + step, stop, step)], stop, timescale))


def _with_tail(borders: list[int], end: int, timescale: int) -> list[int]:
    if len(borders) > 1 and end - borders[-1] < _TAIL * timescale:
        borders.pop()
    return [*borders, end]


def audio_borders(
    borders: Sequence[int], *, timescale: int, rate: int, ended: bool = True
) -> tuple[int, ...]:
    """Return the borders moved to the nearest access unit, in samples: at most 512 samples off each.

    The last one is moved behind, so that nothing is cut off, unless more are to come.
    """
    units = [(2 * border * rate + timescale * AAC_FRAME) // (2 * timescale * AAC_FRAME) for border in borders]
    if not ended:
        return tuple(unit * AAC_FRAME for unit in units)
    units.pop()
    last = -(-borders[-1] * rate // (timescale * AAC_FRAME))
    return tuple(unit * AAC_FRAME for unit in (*units, max(last, units[-1] + 1)))


def target_duration(borders: Sequence[Sequence[int]], timescales: Sequence[int]) -> int:
    """Return the longest segment rounded to the nearest second (RFC 8216bis §4.4.3.1), at least 1."""
    longest = max(
        Fraction(b - a, scale)
        for row, scale in zip(borders, timescales, strict=True)
        for a, b in pairwise(row)
    )
    return max(1, int(longest + Fraction(1, 2)))
