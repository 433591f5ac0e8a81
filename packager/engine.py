"""Who is encoded next: the pure `decide`, and the Spans it answers with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from enum import IntEnum

FILL_SEGMENTS = 4
"""Segments of one background Run of pictures: 16 s, where independence costs nothing measurable."""

SOUND_SEGMENTS = 15
"""Segments of one background Run of sound: 60 s, because starting ffmpeg costs more than a minute of AAC."""


class Urgency(IntEnum):
    """How soon a Run is wanted; smaller goes first."""

    NOW = 0
    SOON = 1
    FILL = 2


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Want:
    """A viewer waits for this segment."""

    rendition: str
    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Renditions that one Run makes with one decode, and how many segments each has.

    Of the first `ready` segments the source's bytes are there; no Run begins behind them.
    """

    names: tuple[str, ...]
    segments: int
    ready: int
    stride: int = FILL_SEGMENTS


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Segments first to last, both included, of some renditions: what a Run will make."""

    names: tuple[str, ...]
    first: int
    last: int
    urgency: Urgency = Urgency.FILL

    def covers(self, want: Want) -> bool:
        """Say whether the span makes what is wanted."""
        return want.rendition in self.names and self.first <= want.number <= self.last


@dataclass(frozen=True, slots=True, kw_only=True)
class Slots:
    """How many Runs may start now: `urgent` ones for what a viewer waits for, `fill` ones for anything."""

    urgent: int
    fill: int


def decide(
    wants: Sequence[Want],
    *,
    groups: Sequence[Group],
    done: Mapping[str, AbstractSet[int]],
    running: Sequence[Span],
    slots: Slots,
) -> list[Span]:
    """Return the spans to start now. Pure: the same question has the same answer.

    What a viewer waits for goes first and takes any slot, one segment of one rendition, so that it is there
    soonest; then sound, which is cheap; then pictures from the front that is being watched, then the rest.
    A segment is never in two spans for the same rendition, except that a want is not delayed by a fill that
    has not reached it: fills go in order, so a want inside a running span is served by that span.
    """
    started: list[Span] = []
    urgent, fill = slots.urgent, slots.fill
    for want in wants:
        if urgent + fill <= 0:
            break
        if not _missing(want, groups, done) or any(s.covers(want) for s in (*running, *started)):
            continue
        started.append(_wanted(want, groups, done, busy=(*running, *started)))
        urgent, fill = (urgent - 1, fill) if urgent > 0 else (urgent, fill - 1)
    front = min((want.number for want in wants), default=0)
    while fill > 0:
        span = _next_fill(groups, done, busy=(*running, *started), front=front)
        if span is None:
            break
        started.append(span)
        fill -= 1
    return started


def complete(groups: Sequence[Group], done: Mapping[str, AbstractSet[int]]) -> bool:
    """Say whether every segment of every rendition is there."""
    return all(len(done.get(name, ())) >= group.segments for group in groups for name in group.names)


def _missing(want: Want, groups: Sequence[Group], done: Mapping[str, AbstractSet[int]]) -> bool:
    group = _group(want, groups)
    return group is not None and want.number not in done.get(want.rendition, ())


def _group(want: Want, groups: Sequence[Group]) -> Group | None:
    found = (group for group in groups if want.rendition in group.names)
    return next((group for group in found if 0 <= want.number < group.segments), None)


def _wanted(
    want: Want, groups: Sequence[Group], done: Mapping[str, AbstractSet[int]], *, busy: Sequence[Span]
) -> Span:
    group = _group(want, groups)
    last = want.number
    if group is not None and len(group.names) == 1:  # sound: the next ones come along for almost nothing
        stop = min(group.segments, want.number + FILL_SEGMENTS)
        while last + 1 < stop and _open_names(group, last + 1, done, busy):
            last += 1
    return Span(names=(want.rendition,), first=want.number, last=last, urgency=Urgency.NOW)


def _next_fill(
    groups: Sequence[Group], done: Mapping[str, AbstractSet[int]], *, busy: Sequence[Span], front: int
) -> Span | None:
    for group in sorted(groups, key=lambda group: len(group.names)):
        order = [*range(min(front, group.segments), group.segments), *range(min(front, group.segments))]
        for number in order:
            names = _open_names(group, number, done, busy)
            if names:
                return _stretch(group, number, names, done=done, busy=busy)
    return None


def _open_names(
    group: Group, number: int, done: Mapping[str, AbstractSet[int]], busy: Sequence[Span]
) -> tuple[str, ...]:
    taken = {name for span in busy if span.first <= number <= span.last for name in span.names}
    return tuple(name for name in group.names if number not in done.get(name, ()) and name not in taken)


def _stretch(
    group: Group,
    number: int,
    names: tuple[str, ...],
    *,
    done: Mapping[str, AbstractSet[int]],
    busy: Sequence[Span],
) -> Span:
    last = number
    stop = min(group.segments, number + group.stride)
    while last + 1 < stop and _open_names(group, last + 1, done, busy) == names:
        last += 1
    return Span(names=names, first=number, last=last)
