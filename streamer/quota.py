"""Room for what is made on demand only: the segments asked for longest ago make way for new ones."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable

from packager import keys
from packager.store import Store
from streamer.rows import Clock, wall_clock
from streamer.watched import Kept, Watched

SWEEP_SECONDS = 10

_LOW = 9, 10
"""What is left after an eviction, of the quota: so that not every new segment causes one."""

_SAFE_MS = 60_000
"""What was asked for so recently stays: it may be on its way to a player, or asked for again at once."""

_log = logging.getLogger(__name__)


class Quota:
    """Holds the assets that are filled as watched to `most` bytes of segments.

    `evicted` is told of each segment that goes, before its bytes do. Use `start` and `stop`.
    """

    def __init__(
        self,
        watched: Watched,
        store: Store,
        *,
        most: int,
        evicted: Callable[[Kept], None],
        clock: Clock = wall_clock,
    ) -> None:
        self._watched = watched
        self._store = store
        self._most = most
        self._evicted = evicted
        self._clock = clock
        self._asked: dict[str, int] = {}
        self._assets: frozenset[str] | None = None
        self._task: asyncio.Task[None] | None = None

    def asked(self, name: str) -> None:
        """Take note that an object of the store, `asset/key`, was asked for."""
        if self._assets is None or name.partition("/")[0] in self._assets:
            self._asked[name] = self._clock()

    def start(self) -> None:
        """Begin to sweep."""
        self._task = asyncio.create_task(self._sweep(), name="quota")

    async def stop(self) -> None:
        """Stop sweeping."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def sweep_once(self) -> int:
        """Note what was asked for, then remove what is too much; return how many segments went."""
        self._assets = await self._watched.assets()
        if not self._assets:
            return 0
        asked, self._asked = self._asked, {}
        await self._watched.note(_segments(asked))
        total = await self._watched.size()
        if total <= self._most:
            return 0
        surplus = total - self._most * _LOW[0] // _LOW[1]
        before = self._clock() - _SAFE_MS
        doomed = await self._watched.longest_ago(surplus, before=before)
        for one in doomed:
            await self._remove(one)
        return len(doomed)

    async def _remove(self, one: Kept) -> None:
        # The row goes first: a segment without one is found again in the store, the reverse would be a lie.
        await self._watched.forget(one)
        self._evicted(one)
        await self._store.delete(f"{one.asset}/{keys.segment(one.generation, one.rendition, one.number)}")

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            try:
                gone = await self.sweep_once()
            except Exception:  # noqa: BLE001 - a sweep that fails must not be the last
                _log.exception("segments could not be swept; trying again")
                continue
            if gone:
                _log.info("%d segments made way for what was asked for since", gone)


def _segments(asked: dict[str, int]) -> Iterable[Kept]:
    for name, moment in asked.items():
        asset, _, key = name.partition("/")
        found = keys.parse_segment(key)
        if found is not None:
            yield Kept(asset=asset, generation=found[0], rendition=found[1], number=found[2], watched=moment)
