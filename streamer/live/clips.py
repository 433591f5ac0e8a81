"""Clips: a stretch of a broadcast as an asset of its own, of the very same segments."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from fractions import Fraction

from packager import keys
from packager.clipping import Clip, cut
from packager.errors import KeyMissing
from packager.life import Aired, Life, Reach
from packager.store import Scoped, Stat, Store
from streamer.errors import InvalidRequest
from streamer.ledger import Stored
from streamer.live.clip_rows import ClipRows
from streamer.live.onair import OnAir
from streamer.live.recovery import Render, end_of, keep, named, numbers
from streamer.rows import Asset, new_id

_AT_ONCE = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Clipped:
    """A clip that was made, and where it came to begin and end, in seconds of the broadcast."""

    asset: Asset
    start: Fraction
    end: Fraction


class Clips:
    """Cuts clips. `find` has what is on air, `render` makes the manifests of what is over."""

    def __init__(
        self, find: Callable[[str], OnAir | None], rows: ClipRows, store: Store, *, render: Render
    ) -> None:
        self._find = find
        self._rows = rows
        self._store = store
        self._render = render

    async def make(self, asset: str, *, start: Fraction, end: Fraction, title: str | None) -> Clipped:
        """Make a clip of what is there between two times, in whole segments.

        Raise NoSuchAsset, WrongState where the asset is no broadcast, InvalidRequest where nothing is there.
        """
        source = await self._rows.source(asset)
        onair = self._find(asset)
        lives = await self._recorded(asset, source.lives) if onair is None or onair.ended else onair.lives
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
            await self._manifests(identity, clip)
            made = await self._rows.keep(
                identity,
                title=title or source.asset.title,
                stream=source.stream,
                lives=clip.lives,
                stored=stored,
            )
            unless_kept.pop_all()
        return Clipped(asset=made, start=clip.start, end=clip.end)

    async def _recorded(self, asset: str, lives: Sequence[Life]) -> list[Aired]:
        """Return lives as far as the store has them; one that lacks a rendition is left out."""
        store, found = Scoped(self._store, asset), []
        for life in lives:
            there = await numbers(store, life)
            if not all(there.values()):
                continue
            reach = {
                name: Reach(segments=max(one) + 1, end=await end_of(store, life, name, max(one)))
                for name, one in there.items()
            }
            begin = max(min(one) for one in there.values())
            found.append(Aired(life=life, reach=reach, over=True, begin=begin))
        return found

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

    async def _manifests(self, identity: str, clip: Clip) -> None:
        store = Scoped(self._store, identity)
        await keep(store, self._render(clip.lives, await named(store, clip.lives)))
