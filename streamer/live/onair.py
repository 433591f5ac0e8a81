"""One broadcast on air: its lives, how far each has come, the bytes of the latest parts, and who waits."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from packager.dateranges import DateRanges
from packager.life import Aired, Life
from packager.marker import Marker
from packager.parts import Part
from streamer.live.held_parts import HeldParts
from streamer.live.remains import Remains

log = logging.getLogger(__name__)

_BYTES_KEPT = 3
"""Target durations behind the end for which parts stay in memory: so long they are listed."""

_SIZES_KEPT = 12
"""The same for where a part lies in its segment: a listed part is asked for while a cache has the list."""

_UNKNOWN_TARGET = 2
"""The target duration of a broadcast whose first life has not begun."""


class Left(ConnectionResetError):
    """What was waited for comes from another server, if at all: this one has left the broadcast."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Airing:
    """A life with its inits by rendition, unless the store sends these, and the parts of each."""

    life: Life
    parts: Mapping[str, HeldParts]
    inits: Mapping[str, bytes] = field(default_factory=dict)
    lost: int = 0


class OnAir:
    """What of a broadcast can be watched now. All of it happens on the event loop.

    `window` is how many seconds stay listed, None for all of them; without `low_latency` playlists have no
    parts. Segments that the store has not confirmed stay in memory, together up to `memory` bytes: beyond
    that the oldest are lost to viewers. Once it is `recorded` its final manifests are in the store. `marked`
    counts how often its markers have changed. It goes on behind what `remains` of it after a restart.
    """

    def __init__(
        self,
        asset: str,
        *,
        window: int | None = None,
        low_latency: bool = True,
        memory: int = 512 << 20,
        remains: Remains | None = None,
    ) -> None:
        self.asset = asset
        self.window = window
        self.low_latency = low_latency
        self.ended = False
        self.left = False
        self.markers: Sequence[Marker] = ()
        self.ranges = DateRanges()
        self.marked = 0
        self.recorded = False
        self.codecs: dict[str, str] = {}
        self.target_duration = _UNKNOWN_TARGET
        self._memory = memory
        self._airings: list[_Airing] = []
        self._over = True
        self._lives: tuple[Aired, ...] | None = None
        self._bells: dict[str, asyncio.Event] = {}
        if remains is not None and remains.lives:
            self.codecs |= remains.codecs
            self.target_duration = remains.lives[0].life.target_duration
            self._airings += [_gone(aired, remains) for aired in remains.lives]

    @property
    def lives(self) -> Sequence[Aired]:
        """Return the lives in order, apart from those that ended before their first part."""
        if self._lives is None:
            last = len(self._airings) - 1
            made = [
                Aired(
                    life=airing.life,
                    reach={name: parts.reach for name, parts in airing.parts.items()},
                    over=number < last or self._over,
                    lost=airing.lost,
                )
                for number, airing in enumerate(self._airings)
            ]
            self._lives = tuple(aired for aired in made if aired.segments or not aired.over)
        return self._lives

    @property
    def following(self) -> int:
        """Return the media sequence number with which the next life has to begin."""
        return self.lives[-1].following if self.lives else 0

    def mark(self, markers: Sequence[Marker]) -> None:
        """Take the markers as they are now; manifests say so when they are asked for next."""
        self.markers, self.ranges = markers, DateRanges(markers)
        self.marked += 1

    def begin(self, life: Life, inits: Mapping[str, bytes], codecs: Mapping[str, str]) -> None:
        """Begin a life; the one before is over. Raise ValueError where it cannot follow it."""
        self.over_life()
        if self.ended or (self.lives and not life.follows(self.lives[0].life)):
            raise ValueError("This life cannot follow the first one.")
        if self.lives and life.first != self.following:
            raise ValueError(f"The next life begins with segment {self.following}, not {life.first}.")
        parts = {name: HeldParts(life, name) for name in life.names}
        self._airings.append(_Airing(life=life, inits=dict(inits), parts=parts))
        self.codecs |= codecs
        self.target_duration = self._airings[0].life.target_duration
        self._over = False
        self._ring()

    def take(self, part: Part) -> None:
        """Take the next part of a rendition of the life on air. Raise ValueError for any other."""
        if self._over:
            raise ValueError("No life is on air.")
        airing = self._airings[-1]
        airing.parts[part.rendition].take(part)
        self._lives = None
        if part.last:
            self._tidy(part.rendition)
        self._ring(part.rendition)

    def over_life(self) -> list[tuple[str, int]]:
        """End the life on air; return (rendition, segment) of what that made whole, shorter than others."""
        if self._over:
            return []
        self._over = True
        self._lives = None
        parts = self._airings[-1].parts
        closed = [(name, held.reach.segments - 1) for name, held in parts.items() if held.close()]
        self._ring()
        return closed

    def end(self) -> None:
        """End the broadcast: whoever waits gets what there is."""
        self.over_life()
        self.ended = True
        self._ring()

    def leave(self) -> None:
        """Leave the broadcast to other servers: whoever waits is told so."""
        self.over_life()
        self.left = True
        self._ring()

    def stored(self, generation: str, rendition: str, segment: int) -> None:
        """Learn that a segment is in the store, from where it is sent from now on."""
        airing = self._airing(generation)
        if airing is not None:
            airing.parts[rendition].stored(segment)
            self._tidy(rendition)

    def aired(self, generation: str) -> Aired | None:
        """Return the life with a generation."""
        return next((aired for aired in self.lives if aired.life.generation == generation), None)

    def has(self, generation: str, rendition: str) -> bool:
        """Say whether a life has a rendition."""
        return self._held(generation, rendition) is not None

    def init(self, generation: str, rendition: str) -> bytes | None:
        """Return an init segment."""
        airing = self._airing(generation)
        return airing.inits.get(rendition) if airing else None

    def part(self, generation: str, rendition: str, segment: int, part: int) -> bytes | None:
        """Return the bytes of a part, None where they are not in memory."""
        held = self._held(generation, rendition)
        return held.part(segment, part) if held else None

    def segment(self, generation: str, rendition: str, segment: int) -> bytes | None:
        """Return the bytes of a whole segment that the store does not have yet."""
        held = self._held(generation, rendition)
        return held.segment(segment) if held else None

    def span(self, generation: str, rendition: str, segment: int, part: int) -> tuple[int, int] | None:
        """Return which bytes of a stored segment are a part that lately was listed."""
        held = self._held(generation, rendition)
        return held.span(segment, part) if held else None

    async def turn(self, rendition: str) -> None:
        """Wait until the next part of a rendition is there, or a life begins or ends. Raise Left."""
        await self._bells.setdefault(rendition, asyncio.Event()).wait()
        if self.left:
            raise Left("This server has left the broadcast.")

    def _ring(self, rendition: str | None = None) -> None:
        """Wake who waits for a rendition, or everybody; who comes from now on waits for the next time."""
        self._lives = None
        for name in list(self._bells) if rendition is None else [rendition]:
            bell = self._bells.pop(name, None)
            if bell is not None:
                bell.set()

    def _airing(self, generation: str) -> _Airing | None:
        return next((one for one in self._airings if one.life.generation == generation), None)

    def _held(self, generation: str, rendition: str) -> HeldParts | None:
        airing = self._airing(generation)
        return airing.parts.get(rendition) if airing else None

    def _tidy(self, rendition: str) -> None:
        """Let go of what nobody is going to ask the memory for."""
        left_bodies, left_sizes = self._kept(_BYTES_KEPT), self._kept(_SIZES_KEPT)
        for airing in reversed(self._airings):
            held = airing.parts.get(rendition)
            if held is None:
                continue
            segments = held.reach.segments
            held.forget(bodies=segments - left_bodies, sizes=segments - left_sizes)
            left_bodies, left_sizes = max(0, left_bodies - segments), max(0, left_sizes - segments)
        self._bound()

    def _kept(self, targets: int) -> int:
        """Return how many whole segments lie within so many target durations, and one more."""
        life = self._airings[-1].life
        return -(-targets * self.target_duration // life.segment_seconds) + 1

    def _bound(self) -> None:
        """Lose the oldest segments where the store is so far behind that memory runs short."""
        every = [held for airing in self._airings for held in airing.parts.values()]
        while sum(held.held for held in every) > self._memory:
            found = [(one, held) for held in every if (one := held.oldest()) is not None]
            if not found:
                return
            segment, held = min(found, key=lambda each: each[0])
            held.lose(segment)
            log.warning("%s: a segment has left memory before it was stored", self.asset)


def _gone(aired: Aired, remains: Remains) -> _Airing:
    """Return a life of an earlier server, all of whose segments are in the store."""
    life = aired.life
    parts = {
        name: HeldParts(life, name, reach=reach, stored=remains.sizes.get((life.generation, name)))
        for name, reach in aired.reach.items()
    }
    return _Airing(life=life, parts=parts, lost=aired.lost)
