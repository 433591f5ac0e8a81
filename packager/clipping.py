"""Cut a stretch out of a broadcast at the borders of its segments: nothing is encoded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from packager.life import Aired, Reach


@dataclass(frozen=True, slots=True, kw_only=True)
class Clip:
    """What is there of a stretch, and where it came to begin and end, in seconds of the broadcast."""

    lives: tuple[Aired, ...]
    start: Fraction
    end: Fraction


def cut(lives: Sequence[Aired], start: Fraction, end: Fraction) -> Clip | None:
    """Return the segments that all renditions have between two times, None where there are none.

    Seconds count from the first picture of the broadcast, its lives one behind the other.
    """
    found: list[Aired] = []
    begins, ends, position = end, start, Fraction(0)
    for aired in lives:
        if not aired.segments:
            continue
        kept = [
            number
            for number in _common(aired)
            if _time(aired, number + 1) > start - position and _time(aired, number) < end - position
        ]
        if kept:
            found.append(_ended(replace(aired, begin=kept[0]), kept[-1]))
            begins = min(begins, position + _time(aired, kept[0]))
            ends = position + _time(aired, kept[-1] + 1)
        position += aired.seconds
    return Clip(lives=tuple(found), start=begins, end=ends) if found else None


def _common(aired: Aired) -> range:
    """Return the segments that all renditions have."""
    return range(aired.begin, min(one.segments for one in aired.reach.values()))


def _time(aired: Aired, segment: int) -> Fraction:
    """Return when a segment begins, or the one before it ends, in seconds of what counts of the life."""
    name = aired.life.names[0]
    ticks = aired.life.border(name, segment)
    if segment > aired.begin:
        ticks = min(ticks, aired.end(name, segment - 1))
    return Fraction(ticks, aired.life.scale(name)) - aired.started


def _ended(aired: Aired, last: int) -> Aired:
    """Return a life that is over behind a segment."""
    reach = {name: Reach(segments=last + 1, end=aired.end(name, last)) for name in aired.life.names}
    return replace(aired, reach=reach, over=True)
