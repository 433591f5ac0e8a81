"""Clips: a stretch of a broadcast as an asset of its own, of the very same segments."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from fractions import Fraction

from packager import keys
from packager.clipping import cut
from packager.errors import KeyMissing
from packager.life import Aired
from packager.store import Stat, Store
from streamer.errors import InvalidRequest
from streamer.ledger import Stored
from streamer.live.clip_rows import ClipRows
from streamer.live.onair import OnAir
from streamer.live.recordings import Recordings, Told
from streamer.markers import Markers, within
from streamer.rows import Asset, new_id

_AT_ONCE = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Clipped:
    """A clip that was made, and where it came to begin and end, in seconds of the broadcast."""

    asset: Asset
    start: Fraction
    end: Fraction


class Clips:
    """Cuts clips. `find` has what is on air, `recordings` what is over, and makes manifests of it.

    `kept` is called once there is another one.
    """

    def __init__(
        self,
        find: Callable[[str], OnAir | None],
        rows: ClipRows,
        store: Store,
        *,
        recordings: Recordings,
        markers: Markers,
        kept: Callable[[], None],
    ) -> None:
        self._find = find
        self._rows = rows
        self._store = store
        self._recordings = recordings
        self._markers = markers
        self._kept = kept

    async def make(self, asset: str, *, start: Fraction, end: Fraction, title: str | None) -> Clipped:
        """Make a clip of what is there between two times, in whole segments.

        Raise NoSuchAsset, WrongState where the asset is no broadcast, InvalidRequest where nothing is there.
        """
        source = await self._rows.source(asset)
        onair = self._find(asset)
        if onair is None or onair.ended:
            lives: Sequence[Aired] = await self._recordings.lives(source)
        else:
            lives = onair.lives
        clip = cut(lives, start, end)
        if clip is None:
            raise InvalidRequest("There is nothing between `start` and `end`.")
        identity = new_id()
        async with AsyncExitStack() as unless_kept:
            unless_kept.push_async_callback(self._store.delete, f"{identity}/")
            stored = {
                aired.life.generation: await self._copied(asset, identity, aired, onair)
                for aired in clip.lives
            }
            kept = within(clip.lives, await self._markers.of(asset))
            await self._recordings.write(
                identity, clip.lives, Told(markers=tuple(one.marker for one in kept))
            )
            made = await self._rows.keep(
                identity,
                title=title or source.asset.title,
                stream=source.stream,
                lives=clip.lives,
                stored=stored,
                markers=kept,
                policy=source.asset.policy,
            )
            unless_kept.pop_all()
        self._kept()
        return Clipped(asset=made, start=clip.start, end=clip.end)

    async def _copied(self, asset: str, identity: str, aired: Aired, onair: OnAir | None) -> list[Stored]:
        """Store the segments of a life under the clip's keys."""
        generation = aired.life.generation
        for name in aired.life.names:
            key = keys.init(generation, name)
            await self._store.copy(f"{asset}/{key}", f"{identity}/{key}")
        every = [(name, n) for name in aired.life.names for n in range(aired.begin, aired.segments)]
        stored: list[Stored] = []
        for at in range(0, len(every), _AT_ONCE):
            batch = every[at : at + _AT_ONCE]
            stats = await asyncio.gather(
                *(self._segment(asset, identity, (generation, *one), onair) for one in batch)
            )
            stored += [
                Stored(rendition=name, number=number, size=stat.size)
                for (name, number), stat in zip(batch, stats, strict=True)
            ]
        return stored

    async def _segment(
        self, asset: str, identity: str, segment: tuple[str, str, int], onair: OnAir | None
    ) -> Stat:
        key = keys.segment(*segment)
        source, target = f"{asset}/{key}", f"{identity}/{key}"
        try:
            return await self._store.copy(source, target)
        except KeyMissing:
            # The last ones on air may not be stored yet, or just have been.
            body = onair.segment(*segment) if onair is not None else None
            return await (self._store.copy(source, target) if body is None else self._store.put(target, body))
