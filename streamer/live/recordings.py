"""The final manifests of broadcasts and clips, kept in the store beside their media."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from packager import keys
from packager.cutter import Cutter
from packager.inits import codecs
from packager.life import Aired, Life, Reach
from packager.marker import Marker
from packager.store import Scoped, Store
from streamer.live.broadcasts import Broadcast
from streamer.markers import Markers

Render = Callable[[Sequence[Aired], Mapping[str, str], Sequence[Marker]], Mapping[str, str]]
"""Lives that are over, CODECS strings by rendition, and markers → the text of each manifest by its key.

Lives are ordered, the oldest first. The manifest that names the others comes last.
"""


class Recordings:
    """Renders them anew whenever a marker comes or goes."""

    def __init__(self, markers: Markers, store: Store, *, render: Render) -> None:
        self._markers = markers
        self._store = store
        self._render = render

    async def keep(
        self, asset: str, lives: Sequence[Aired], *, known: Sequence[Marker] | None = None
    ) -> Sequence[Marker]:
        """Keep the manifests of lives that are over; return the markers that are in them.

        With `known` they are those of an earlier call, and nothing is done unless there are others by now.
        Who adds a marker meanwhile calls this too: the last one to write has seen them all.
        """
        while (markers := await self._markers.of(asset)) != known:
            await self.write(asset, lives, markers)
            known = markers
        return markers

    async def write(self, asset: str, lives: Sequence[Aired], markers: Sequence[Marker]) -> None:
        """Keep the manifests with these markers."""
        store = Scoped(self._store, asset)
        for key, text in self._render(lives, await named(store, lives), markers).items():
            await store.replace(key, text.encode())

    async def lives(self, broadcast: Broadcast) -> list[Aired]:
        """Return lives as far as the store has them; one that lacks a rendition is left out.

        What a crash has left behind the segments that count stays out.
        """
        store, found = Scoped(self._store, broadcast.asset.id), []
        for life in broadcast.lives:
            there = await numbers(store, life)
            if not all(there.values()):
                continue
            begin = max(min(one) for one in there.values())
            stop = begin + broadcast.counts.get(life.generation, max(map(max, there.values())) + 1)
            last = {name: max(number for number in one if number < stop) for name, one in there.items()}
            reach = {
                name: Reach(segments=number + 1, end=await end_of(store, life, name, number))
                for name, number in last.items()
            }
            found.append(Aired(life=life, reach=reach, over=True, begin=begin))
        return found


async def named(store: Store, lives: Sequence[Aired]) -> dict[str, str]:
    """Return the CODECS string of every rendition of these lives, from the inits in the store."""
    found = {}
    for aired in lives:
        for name in aired.life.names:
            found[name] = codecs(await store.get(keys.init(aired.life.generation, name)))
    return found


async def numbers(store: Store, life: Life) -> dict[str, set[int]]:
    """Return the numbers of the segments that are stored of each rendition."""
    found: dict[str, set[int]] = {name: set() for name in life.names}
    for key in await store.list(f"{life.generation}/"):
        segment = keys.parse_segment(key)
        if segment is not None and segment[1] in found:
            found[segment[1]].add(segment[2])
    return found


async def end_of(store: Store, life: Life, name: str, number: int) -> int:
    """Return where a stored segment ends, in ticks."""
    cutter = Cutter()
    init = await store.get(keys.init(life.generation, name))
    body = await store.get(keys.segment(life.generation, name, number))
    return max(sample.decoded + sample.duration for sample in (*cutter.feed(init), *cutter.feed(body)))
