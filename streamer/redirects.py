"""Sends viewers to where an asset is published, for what never changes there and everybody may have."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from cdn.policy import Kind, classify
from streamer.catalog import Catalog
from streamer.errors import NoSuchAsset
from streamer.placements import Placements, Stand
from streamer.rows import PlaybackPolicy, State

FRESH_SECONDS = 10
"""How long it may go unseen that an asset was published, withdrawn or encoded anew."""

_MOVED = frozenset({Kind.SEGMENT, Kind.INIT, Kind.POSTER, Kind.SPRITE, Kind.STORYBOARD})
_KEPT = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """Where an asset is read from, "" where that is here; of one generation only, None is all of it."""

    base: str
    generation: str | None
    at: float


class Redirects:
    """Knows which objects are found where an asset is published. `bases` are URLs by destination."""

    def __init__(
        self,
        bases: Mapping[str, str],
        *,
        catalog: Catalog,
        placements: Placements,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._bases = {name: base.rstrip("/") for name, base in bases.items()}
        self._catalog = catalog
        self._placements = placements
        self._clock = clock
        self._seen: OrderedDict[str, _Seen] = OrderedDict()

    async def target(self, asset: str, key: str) -> str | None:
        """Return the URL of an object of an asset that is published as it is now, None for all others."""
        if not self._bases or classify(key) not in _MOVED:
            return None
        seen = self._seen.get(asset)
        if seen is None or self._clock() - seen.at >= FRESH_SECONDS:
            seen = self._seen[asset] = await self._look(asset)
            if len(self._seen) > _KEPT:
                self._seen.popitem(last=False)
        self._seen.move_to_end(asset)
        generation = key.partition("/")[0]
        if not seen.base or seen.generation not in {None, generation}:
            return None
        return f"{seen.base}/{asset}/{key}"

    async def _look(self, name: str) -> _Seen:
        here = _Seen(base="", generation=None, at=self._clock())
        try:
            asset = await self._catalog.get(name)
            placements = await self._placements.of(name)
        except NoSuchAsset:
            return here
        if asset.state is not State.COMPLETE or asset.policy is not PlaybackPolicy.PUBLIC:
            return here
        since = 0
        if asset.live is None:  # what was encoded anew is there once it has been published anew
            rows = await self._catalog.generations(name)
            since = max((row.created for row in rows if row.name == asset.generation), default=0)
        current = [one for one in placements if one.state is Stand.PUBLISHED and one.updated > since]
        there = {one.destination for one in current}
        base = next((url for destination, url in self._bases.items() if destination in there), "")
        generation = asset.generation if asset.live is None else None
        return _Seen(base=base, generation=generation, at=here.at)
