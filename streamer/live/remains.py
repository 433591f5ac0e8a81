"""What the store has of a broadcast whose server is gone: its lives as far as all renditions go."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from packager import keys, parts
from packager.life import Aired, Life, Reach
from packager.store import Store
from streamer.live.recordings import end_of, named

_ANNOUNCED = 2
"""Segments that a playlist may have named behind the last one that is stored.

The one that grew, and a whole one that was on its way to the disk. Their numbers become gaps: a playlist only
ever grows at its end (RFC 8216bis §6.2.1), and a player that knows a number keeps what it has learned of it,
its init and its times among that, so that no number may ever stand for something else. EXT-X-GAP (§4.4.4.7)
says the truth: these segments were announced, and nobody will have them.
"""

_RECENT = 12
"""Segments whose parts can be asked for again: longer ago than these no list in a cache names any."""

Sizes = Mapping[tuple[str, str], Mapping[int, list[int]]]
"""How many bytes each part of a segment has, by (generation, rendition) and number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Remains:
    """What of a broadcast is there to go on from: `lives` that are over, and CODECS strings by rendition."""

    lives: tuple[Aired, ...] = ()
    codecs: Mapping[str, str] = field(default_factory=dict)
    sizes: Sizes = field(default_factory=dict)


async def remains(store: Store, lives: Sequence[Aired]) -> Remains:
    """Return what a server goes on from behind lives that are over; keys are relative to the asset."""
    sizes: dict[tuple[str, str], dict[int, list[int]]] = {}
    for generation, name, number in _recent(lives):
        body = await store.get(keys.segment(generation, name, number))
        sizes.setdefault((generation, name), {})[number] = parts.sizes(body)
    return Remains(lives=tuple(lives), codecs=await named(store, lives), sizes=sizes)


def _recent(lives: Sequence[Aired]) -> Iterator[tuple[str, str, int]]:
    left = _RECENT
    for aired in reversed(lives):
        first = max(0, aired.segments - left)
        left -= aired.segments - first
        for name in aired.life.names:
            for number in range(first, aired.segments):
                yield aired.life.generation, name, number


def settled(found: Sequence[tuple[Life, Mapping[str, set[int]]]]) -> tuple[tuple[Life, int, int], ...]:
    """Return (life, segments that all renditions have, numbers lost behind these) of lives, oldest first.

    `found` has the numbers that are stored by rendition. A life without a whole segment is left out.
    """
    behind = max((life.first + _furthest(stored) + _ANNOUNCED for life, stored in found), default=0)
    lasting: list[tuple[Life, int, int]] = []
    for life, stored in reversed(found):
        # A server that was taken for dead may have gone on storing, beyond where the next life began.
        if count := min(_common(life, stored), behind - life.first):
            lasting.insert(0, (life, count, behind - life.first - count))
            behind = life.first
    return tuple(lasting)


def _common(life: Life, found: Mapping[str, set[int]]) -> int:
    """Return how many segments all renditions have from the first one on."""
    count = 0
    while all(count in found[name] for name in life.names):
        count += 1
    return count


def _furthest(found: Mapping[str, set[int]]) -> int:
    """Return the number behind the last segment of any rendition."""
    return 1 + max((number for numbers in found.values() for number in numbers), default=-1)


async def aired(store: Store, life: Life, count: int, *, lost: int) -> Aired:
    """Return a life of so many segments; where its last one ends is read from that, as it may be short."""
    ends = {name: await end_of(store, life, name, count - 1) for name in life.names}
    reach = {name: Reach(segments=count, end=end) for name, end in ends.items()}
    return Aired(life=life, reach=reach, over=True, lost=lost)
