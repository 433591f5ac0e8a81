"""Who is encoded next: the pure `decide`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace

from packager.spans import (
    FILL_SEGMENTS,
    SOUND_SEGMENTS,
    Decision,
    Group,
    Running,
    Slots,
    Span,
    Urgency,
    Want,
    World,
)

__all__ = [
    "AHEAD",
    "FILL_SEGMENTS",
    "SOUND_SEGMENTS",
    "Decision",
    "Group",
    "Running",
    "Slots",
    "Span",
    "Urgency",
    "Want",
    "World",
    "complete",
    "decide",
]

AHEAD = 3
"""Segments kept ready ahead of a viewer, in what is being watched."""

_SOUND_AT_ONCE = 4
"""Segments of sound made for one want: the next ones come along for almost nothing."""

_PICTURE_START = 2
_SOUND_START = 4
"""What starting a Run of its own costs a waiting viewer, in segments of one rendition."""


def decide(world: World, slots: Slots, urgency: Urgency = Urgency.FILL) -> Decision:
    """Return what to do now for everything up to this urgency. Pure: the same question has the same answer.

    What a viewer waits for goes first, sound before pictures and the lowest rung before higher ones; then the
    first segments of an asset that has none; then what comes next where somebody watches; then the rest,
    from the last place that somebody asked for. Nothing that has begun is ever taken back; where whoever
    wanted it has gone, it is no more urgent than the rest.
    """
    plan = _Plan(world, slots)
    plan.serve_wants()
    if urgency >= Urgency.SOON:
        plan.prepare()
    if urgency >= Urgency.FILL and world.fill:
        plan.fill()
    return plan.decision()


def complete(groups: Sequence[Group], done: Mapping[str, AbstractSet[int]]) -> bool:
    """Say whether every segment of every rendition is there."""
    return all(len(done.get(name, ())) >= group.segments for group in groups for name in group.names)


class _Plan:
    """One decision on its way."""

    def __init__(self, world: World, slots: Slots) -> None:
        self._world = world
        self._slots = slots
        self._start: list[Span] = []
        self._promote: dict[str, Running] = {}
        self._more = False
        self._heard = tuple(_heard(world))
        self._soon = tuple(_coming(world))
        self._cancel = [one for one in world.running if not one.begun and self._idle(one.span)]
        gone = {one.run for one in self._cancel}
        self._running = [one for one in world.running if one.run not in gone]
        self._taken: defaultdict[str, set[int]] = defaultdict(set)
        self._settled: defaultdict[str, set[int]] = defaultdict(set)
        for one in self._running:
            self._take(one.span, settled=one.begun or one.span.urgency < Urgency.FILL)

    def _take(self, span: Span, *, settled: bool) -> None:
        """Note what a span makes; background work that waits in a queue settles nothing for a viewer."""
        for want in span.wants():
            self._taken[want.rendition].add(want.number)
            if settled:
                self._settled[want.rendition].add(want.number)

    def decision(self) -> Decision:
        """Return what has been decided."""
        return Decision(
            start=tuple(self._start),
            promote=tuple(self._promote.values()),
            ranked=tuple(self._ranked()),
            cancel=tuple(self._cancel),
            more=self._more,
        )

    def _idle(self, span: Span) -> bool:
        """Say whether nobody asks for a span any longer: it is made, or whoever wanted it has gone."""
        if not any(self._open(want) for want in span.wants()):
            return True
        if span.urgency is Urgency.FILL:
            return not self._world.fill
        asked = (*self._world.wants, *self._heard, *self._soon)
        return not any(span.covers(want) and self._open(want) for want in asked)

    def _open(self, want: Want) -> bool:
        return want.number not in self._world.done.get(want.rendition, ())

    def _ranked(self) -> Iterator[Running]:
        """Return what has begun, has something left to make, and is more or less urgent than it was."""
        for one in self._running:
            if not one.begun or not any(self._open(want) for want in one.span.wants()):
                continue
            if (urgency := self._urgency(one)) is not one.span.urgency:
                yield replace(one, span=replace(one.span, urgency=urgency))

    def _urgency(self, one: Running) -> Urgency:
        """Return how urgent a Run is by now that has begun.

        Once nobody waits for it, it is what comes next, or the rest; what was that already stays it.
        """
        if any(self._answers(one, want, Urgency.NOW) for want in (*self._world.wants, *self._heard)):
            return Urgency.NOW
        if one.span.urgency is not Urgency.NOW:
            return one.span.urgency
        # Players ask for sound once they have the pictures: it is wanted where those were asked for, too.
        soon = (*self._soon, *_sound_of(self._world, self._world.fronts.values()))
        return Urgency.SOON if any(self._answers(one, want, Urgency.SOON) for want in soon) else Urgency.FILL

    def _answers(self, one: Running, want: Want, urgency: Urgency) -> bool:
        group = _group(want, self._world.groups)
        covers = group is not None and one.span.covers(want) and self._open(want)
        return covers and group is not None and self._near(one, want, group, urgency)

    def serve_wants(self) -> None:
        """Give each want that nothing answers soon a Run of its own, one segment of one rendition."""
        ranked = sorted(self._world.wants, key=lambda want: _rank(want.rendition, self._world.groups))
        self._serve(ranked)

    def _serve(self, wants: Iterable[Want]) -> None:
        for want in wants:
            group = _group(want, self._world.groups)
            if group is None or not self._open(want) or self._answered(want, group, Urgency.NOW):
                continue
            length = _SOUND_AT_ONCE if group.sound else 1
            self._hand_over(self._single(group, want, length, Urgency.NOW))

    def prepare(self) -> None:
        """Make what will be asked for next, before it is.

        The sound of awaited pictures is awaited too, but players ask for it only after them.
        """
        self._serve(self._heard)
        self._start.sort(key=lambda span: _rank(span.names[0], self._world.groups))
        for want in self._soon:
            group = _group(want, self._world.groups)
            if group is None or not self._open(want) or self._answered(want, group, Urgency.SOON):
                continue
            length = 2 * AHEAD if group.sound else (AHEAD if want.number else 1)
            self._hand_over(self._single(group, want, length, Urgency.SOON))

    def fill(self) -> None:
        """Make the rest, sound before pictures, as far as there are places.

        Not before the beginning is there: the processor belongs to those who wait for the first picture.
        """
        if any(group.ready for group in _lacking(self._world)):
            return
        front = [0, *self._world.fronts.values()][-1]
        for group in sorted(self._world.groups, key=lambda group: not group.sound):
            for span in self._gaps(group, front):
                if not self._hand_over(span):
                    return

    def _answered(self, want: Want, group: Group, urgency: Urgency) -> bool:
        """Say whether something handed over makes it soon enough; make that more urgent where it waits."""
        if any(span.covers(want) for span in self._start):
            return True
        covering = [one for one in self._running if one.span.covers(want)]
        if any(self._near(one, want, group, urgency) for one in covering if one.begun):
            return True
        waiting = [one for one in covering if not one.begun and self._near(one, want, group, urgency)]
        if not waiting:
            return False
        best = min(waiting, key=lambda one: one.span.urgency)
        if best.span.urgency > urgency and best.run not in self._promote:
            self._promote[best.run] = replace(best, span=replace(best.span, urgency=urgency))
        return True

    def _near(self, one: Running, want: Want, group: Group, urgency: Urgency) -> bool:
        """Say whether a viewer who waits gets a segment sooner from this Run than from one of its own.

        Segments come in order, and all renditions of a Run side by side, the higher ones at twice the cost
        or more: what lies before the wanted one counts, and half of what is being made. A Run in a queue is
        worth raising only where it is short: a long one would hold the place that is kept for waiting
        viewers. A wasted duplicate is harmless.
        """
        span = one.span
        start = _SOUND_START if group.sound else _PICTURE_START
        if not one.begun:
            cost = (span.last - span.first + 1) * len(span.names)
            return cost <= AHEAD * start / _PICTURE_START
        if urgency > Urgency.NOW:
            return True
        done = self._world.done.get(want.rendition, ())
        before = sum(number not in done for number in range(span.first, want.number))
        return (2 * before + 1) * (2 * len(span.names) - 1) <= 2 * start

    def _single(self, group: Group, want: Want, length: int, urgency: Urgency) -> Span:
        """Return the span of one rendition from a wanted segment on, as far as nothing else makes it."""
        last = want.number
        stop = min(group.ready, want.number + length)
        while last + 1 < stop and self._unsettled(want.rendition, last + 1):
            last += 1
        return Span(names=(want.rendition,), first=want.number, last=last, urgency=urgency)

    def _gaps(self, group: Group, front: int) -> Iterator[Span]:
        """Return the spans that are missing, from the front on, then from the beginning."""
        if all(len(self._world.done.get(name, ())) >= group.segments for name in group.names):
            return
        front = min(front, group.ready)
        for begin, end in ((front, group.ready), (0, front)):
            number = begin
            while number < end:
                names = self._open_names(group, number)
                if not names:
                    number += 1
                    continue
                last = number
                stop = min(end, number + group.stride)
                while last + 1 < stop and self._open_names(group, last + 1) == names:
                    last += 1
                yield Span(names=names, first=number, last=last)
                number = last + 1

    def _unsettled(self, name: str, number: int) -> bool:
        return number not in self._world.done.get(name, ()) and number not in self._settled[name]

    def _open_names(self, group: Group, number: int) -> tuple[str, ...]:
        """Return the renditions that lack a segment which nothing handed over makes."""
        done = self._world.done
        return tuple(
            name
            for name in group.names
            if number not in done.get(name, ()) and number not in self._taken[name]
        )

    def _hand_over(self, span: Span) -> bool:
        """Start a span where there is a place for it."""
        if not self._slots.open(span.urgency):
            self._more = True
            return False
        self._slots = self._slots.take(span.urgency)
        self._start.append(span)
        self._take(span, settled=True)
        return True


def _group(want: Want, groups: Sequence[Group]) -> Group | None:
    """Return the group that can make a segment now; None outside the plan, or while its source is missing."""
    found = (group for group in groups if want.rendition in group.names)
    return next((group for group in found if 0 <= want.number < min(group.ready, group.segments)), None)


def _rank(name: str, groups: Sequence[Group]) -> int:
    """Return in which order renditions are made: sound, then pictures from the lowest rung up, ornaments."""
    group = next((group for group in groups if name in group.names), None)
    if group is None or group.sound:
        return 0
    if name == group.ornament:
        return 1 + len(group.names)
    return len(group.names) - group.names.index(name)


def _coming(world: World) -> Iterator[Want]:
    """Return what will be asked for next: the beginning, and what follows where somebody watches."""
    for group in sorted(_lacking(world), key=lambda group: not group.sound):
        yield Want(rendition=group.lowest, number=0)
    ornaments = {group.ornament for group in world.groups}
    for name in sorted(world.fronts, key=lambda name: _rank(name, world.groups)):
        for number in range(world.fronts[name] + 1, world.fronts[name] + 1 + AHEAD):
            if name not in ornaments:
                yield Want(rendition=name, number=number)


def _heard(world: World) -> Iterator[Want]:
    """Return the sound of the pictures somebody waits for."""
    ornaments = {group.ornament for group in world.groups}
    pictures = {name for group in world.groups if not group.sound for name in group.names} - ornaments
    yield from _sound_of(world, [want.number for want in world.wants if want.rendition in pictures])


def _sound_of(world: World, numbers: Iterable[int]) -> Iterator[Want]:
    """Return the sound that goes with segments."""
    sound = next((group for group in world.groups if group.sound and group.first), None)
    if sound is not None:
        yield from (Want(rendition=sound.lowest, number=number) for number in numbers)


def _lacking(world: World) -> Iterator[Group]:
    """Return the groups of which an asset that has nothing yet needs a first segment."""
    for group in world.groups if world.fresh else ():
        if group.first and not world.done.get(group.lowest):
            yield group
