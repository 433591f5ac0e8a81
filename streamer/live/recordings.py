"""The final manifests of broadcasts and clips, kept in the store beside their media."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from packager import keys
from packager.cutter import Cutter
from packager.inits import codecs
from packager.life import Aired, Life, Reach
from packager.marker import Marker
from packager.model import Rendition
from packager.store import Scoped, Store
from streamer import captioned
from streamer.live.broadcasts import Broadcast
from streamer.markers import Markers
from streamer.rows import Asset, Caption

Render = Callable[
    [Sequence[Aired], Mapping[str, str], Sequence[Marker], Sequence[Rendition]], Mapping[str, str]
]
"""Lives that are over, CODECS strings by rendition, markers, captions → the text of each manifest by its key.

Lives are ordered, the oldest first. The manifest that names the others comes last.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What manifests tell of a recording beside its media."""

    markers: tuple[Marker, ...] = ()
    captions: tuple[Caption, ...] = ()


class Recordings:
    """Renders them anew whenever a marker or captions come or go. `asset` finds one by its id."""

    def __init__(
        self,
        markers: Markers,
        store: Store,
        *,
        asset: Callable[[str], Awaitable[Asset]],
        render: Render,
    ) -> None:
        self._markers = markers
        self._store = store
        self._asset = asset
        self._render = render

    async def keep(self, asset: str, lives: Sequence[Aired], *, known: Told | None = None) -> Told:
        """Keep the manifests of lives that are over; return what they tell. Raise NoSuchAsset.

        With `known` it is what an earlier call has returned, and nothing is done unless it has changed.
        Who adds a marker or captions meanwhile calls this too: the last one to write has seen them all.
        """
        while (told := await self._told(asset)) != known:
            await self.write(asset, lives, told)
            known = told
        return told

    async def write(self, asset: str, lives: Sequence[Aired], told: Told) -> None:
        """Keep the manifests that tell this."""
        store, codecs = Scoped(self._store, asset), await named(Scoped(self._store, asset), lives)
        length = sum((aired.seconds for aired in lives), Fraction(0)) if told.captions else Fraction(0)
        text = [captioned.rendition(caption, length) for caption in told.captions]
        made = self._render(lives, codecs, told.markers, text)
        for key, body in made.items():
            await store.replace(key, body.encode())
        for key in await store.list("text-"):  # captions that were removed
            if key not in made:
                await store.delete(key)

    async def _told(self, asset: str) -> Told:
        captions = (await self._asset(asset)).captions
        return Told(markers=await self._markers.of(asset), captions=captions)

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
