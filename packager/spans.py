"""What is to be encoded, in segments: wants, spans, places for them, and what is known when one decides."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
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
    """Renditions that one Run makes with one decode, from the top down, and how many segments each has.

    Of the first `ready` segments the source's bytes are there; no Run begins behind them. `ornament` names
    what nobody needs in order to watch. `first` says that playing begins with this group.
    """

    names: tuple[str, ...]
    segments: int
    ready: int
    stride: int = FILL_SEGMENTS
    sound: bool = False
    first: bool = True
    ornament: str = ""

    @property
    def lowest(self) -> str:
        """Return the cheapest rendition that can be watched or heard."""
        return next((name for name in reversed(self.names) if name != self.ornament), self.names[-1])


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

    def wants(self) -> Iterator[Want]:
        """Return everything it makes."""
        for name in self.names:
            for number in range(self.first, self.last + 1):
                yield Want(rendition=name, number=number)


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A span that was handed to a farm as the Run `run`: it waits there, or has `begun`."""

    run: str
    span: Span
    begun: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Slots:
    """How many Runs of each urgency may be handed over now; a more urgent one may take any place below.

    `over` are too many: viewers have gone on from more Runs than can be kept.
    """

    now: int = 0
    soon: int = 0
    fill: int = 0
    over: int = 0

    def open(self, urgency: Urgency) -> bool:
        """Say whether a Run of this urgency finds a place."""
        return any((self.now, self.soon, self.fill)[urgency:])

    def take(self, urgency: Urgency) -> Slots:
        """Return what is left with one more Run of this urgency."""
        free = [self.now, self.soon, self.fill]
        place = next(at for at in range(urgency, len(free)) if free[at])
        free[place] -= 1
        return Slots(now=free[0], soon=free[1], fill=free[2], over=self.over)


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """All that `decide` looks at, of one generation.

    `wants` stand in the order in which they came. `fronts` says for each rendition that is being watched
    which segment was asked for last, the latest one at the end. `done` holds the numbers of stored segments.
    `fresh` asks for the first segments before anybody does, `fill` for everything.
    """

    groups: Sequence[Group]
    wants: Sequence[Want] = ()
    done: Mapping[str, AbstractSet[int]] = field(default_factory=dict)
    running: Sequence[Running] = ()
    fronts: Mapping[str, int] = field(default_factory=dict)
    fresh: bool = True
    fill: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What to hand over, what to make more urgent (as it is to be), and what to take back.

    `ranked` has begun, and is more or less urgent by now (as it is). `more` says that another place would be
    used at once.
    """

    start: tuple[Span, ...] = ()
    promote: tuple[Running, ...] = ()
    ranked: tuple[Running, ...] = ()
    cancel: tuple[Running, ...] = ()
    more: bool = False
