"""What a crash has left of broadcasts becomes their recordings: every segment that is whole stays."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from packager import keys
from packager.life import Aired, Life, Reach
from packager.store import Scoped, Store
from streamer.errors import WrongState
from streamer.ledger import SqlLedger, Stored
from streamer.live.broadcasts import Broadcast, Broadcasts
from streamer.live.recordings import Recordings, end_of, numbers
from streamer.rows import Asset

_log = logging.getLogger(__name__)


class Recovery:
    """Ends broadcasts by what the store has of them."""

    def __init__(
        self, broadcasts: Broadcasts, ledger: SqlLedger, store: Store, *, recordings: Recordings
    ) -> None:
        self._broadcasts = broadcasts
        self._ledger = ledger
        self._store = store
        self._recordings = recordings

    async def start(self) -> None:
        """End every broadcast that an earlier life of this server has left on air."""
        for broadcast in await self._broadcasts.unfinished():
            try:
                await self.conclude(broadcast)
            except Exception:  # noqa: BLE001 - one that cannot be ended must not keep the others from it
                _log.exception(
                    "broadcast %s could not be ended; trying again at the next start", broadcast.asset.id
                )

    async def end(self, stream: str) -> None:
        """End the broadcast of a stream that nobody encodes any more. Raise WrongState without one."""
        unfinished = await self._broadcasts.unfinished()
        found = next((one for one in unfinished if one.stream == stream), None)
        if found is None:
            raise WrongState("The stream is not on air.")
        await self.conclude(found)

    async def conclude(self, broadcast: Broadcast) -> Asset:
        """Make a recording of a broadcast that nobody encodes any more: what all renditions have."""
        asset = broadcast.asset.id
        store = Scoped(self._store, asset)
        lasting: list[Aired] = []
        for life in broadcast.lives:
            found = await numbers(store, life)
            await self._note(asset, life.generation, found, store)
            if count := _common(life, found):
                lasting.append(await _aired(store, life, count))
        if lasting:
            markers = await self._recordings.keep(asset, lasting)
            ended = await self._broadcasts.end(asset, lasting)
            await self._recordings.keep(asset, lasting, known=markers)
            return ended
        return await self._broadcasts.end(asset, lasting)

    async def _note(self, asset: str, generation: str, found: Mapping[str, set[int]], store: Store) -> None:
        """Note the segments whose rows the crash kept from being written."""
        known = await self._ledger.sizes(asset, generation)
        missing = []
        for name, there in found.items():
            for number in sorted(there - known.get(name, {}).keys()):
                stat = await store.stat(keys.segment(generation, name, number))
                if stat is not None:
                    missing.append(Stored(rendition=name, number=number, size=stat.size))
        if missing:
            await self._broadcasts.noted(asset, generation, missing)


def _common(life: Life, found: Mapping[str, set[int]]) -> int:
    """Return how many segments all renditions have from the first one on."""
    count = 0
    while all(count in found[name] for name in life.names):
        count += 1
    return count


async def _aired(store: Store, life: Life, count: int) -> Aired:
    """Return a life of so many segments; where its last one ends is read from that, as it may be short."""
    ends = {name: await end_of(store, life, name, count - 1) for name in life.names}
    reach = {name: Reach(segments=count, end=end) for name, end in ends.items()}
    return Aired(life=life, reach=reach, over=True)
