"""Markers of a broadcast that its next parts are to tell of: each once, in every rendition."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from fractions import Fraction
from math import ceil

from packager import emsg
from packager.life import Life
from packager.marker import Marker
from packager.parts import Part


@dataclass(slots=True)
class _Cue:
    """A marker, and the renditions whose segments do not tell of it yet; None before any does."""

    marker: Marker
    left: set[str] | None = None


class Cues:
    """The markers ahead of one broadcast, whichever life of it comes to their moments."""

    def __init__(self, *, since: int = 0) -> None:
        """Take when the broadcast was begun here: earlier moments are in segments that there are already."""
        self._since = _seconds(since)
        self._life: Life | None = None
        self._heard: Callable[[], int] = lambda: 0
        self._edges: dict[str, Fraction] = {}
        self._cues: dict[str, _Cue] = {}

    def begin(self, life: Life, heard: Callable[[], int]) -> None:
        """Begin a life; `heard` returns how far the publisher has come in it, in milliseconds.

        What segments of a life before have begun to tell is not told again.
        """
        self._life, self._heard = life, heard
        self._edges = dict.fromkeys(life.names, _seconds(life.started))
        for cue in self._cues.values():
            cue.left = None if cue.left is None else set()

    @property
    def edge(self) -> Fraction | None:
        """Return the moment up to which some rendition has been cut; None before the first life."""
        return max(self._edges.values(), default=None)

    @property
    def now(self) -> Fraction | None:
        """Return the moment of the next frame that the publisher sends; None before the first life."""
        life, edge = self._life, self.edge
        if life is None or edge is None:
            return None
        started = _seconds(life.started)
        sent = max(Fraction(self._heard(), 1000), edge - started)
        return started + ceil(sent * life.rate) / life.rate

    def follow(self, markers: Iterable[Marker]) -> None:
        """Take the markers as they are: each is told by the parts that hold its moment, or by the next."""
        ahead = {one.id: one for one in markers if one.inband and one.moment >= self._since}
        self._cues = {name: self._cues.get(name) or _Cue(one) for name, one in ahead.items()}

    def put(self, part: Part) -> Part:
        """Return a part of the present life with the messages that it is to carry."""
        life = self._life
        if life is None:
            return part
        end = _seconds(life.started) + Fraction(part.end, life.scale(part.rendition))
        self._edges[part.rendition] = end
        due = [cue for cue in self._cues.values() if cue.marker.moment < end and _lacks(cue, part)]
        if not due:
            return part
        for cue in due:
            cue.left = (set(life.names) if cue.left is None else cue.left) - {part.rendition}
        messages = b"".join(emsg.events(cue.marker, life) for cue in due)
        return replace(part, body=emsg.inserted(part.body, messages))


def _lacks(cue: _Cue, part: Part) -> bool:
    return cue.left is None or part.rendition in cue.left


def _seconds(milliseconds: int) -> Fraction:
    return Fraction(milliseconds, 1000)
