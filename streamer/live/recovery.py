"""What a server that is gone has left on air: it goes on where somebody takes it up, or is its recording."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence

from packager import keys
from packager.life import Aired
from packager.store import Scoped, Store
from streamer.errors import WrongState
from streamer.ledger import SqlLedger, Stored
from streamer.live.broadcasts import Broadcast, Broadcasts
from streamer.live.recordings import Recordings, numbers
from streamer.live.remains import aired, settled
from streamer.rows import Asset

Resume = Callable[[Broadcast, Sequence[Aired]], Awaitable[bool]]
"""A broadcast and its lives, which are over → whether it goes on."""

_log = logging.getLogger(__name__)


async def _nobody(_broadcast: Broadcast, _lives: Sequence[Aired]) -> bool:
    return False


class Recovery:
    """Finds by the store how far broadcasts have come, and ends them: every segment that is whole stays.

    `ended` is called whenever one is.
    """

    def __init__(
        self,
        broadcasts: Broadcasts,
        ledger: SqlLedger,
        store: Store,
        *,
        recordings: Recordings,
        ended: Callable[[], None] = lambda: None,
    ) -> None:
        self._broadcasts = broadcasts
        self._ledger = ledger
        self._store = store
        self._recordings = recordings
        self._ended = ended

    async def start(self, resume: Resume = _nobody) -> None:
        """Hand on every broadcast that an earlier life of this server has left on air, and end the others.

        One that has no whole segment is not handed on: there is nothing that could go on.
        """
        for broadcast in await self._broadcasts.unfinished():
            await self._settle(broadcast, resume)

    async def sweep(self, resume: Resume) -> None:
        """Do the same with what servers that are gone have left, and not with what this one has."""
        for broadcast in await self._broadcasts.unfinished():
            if not self._broadcasts.tenancy.has(broadcast.asset.id):
                await self._settle(broadcast, resume)

    async def take_up(self, asset: str, resume: Resume) -> bool:
        """Do the same with one broadcast that this server has taken; say whether it goes on."""
        found = next((one for one in await self._broadcasts.unfinished() if one.asset.id == asset), None)
        return found is not None and await self._go_on(found, resume)

    async def _settle(self, broadcast: Broadcast, resume: Resume) -> None:
        try:
            if await self._broadcasts.tenancy.take(broadcast.asset.id):  # else another server is faster
                await self._go_on(broadcast, resume)
        except Exception:  # noqa: BLE001 - one that cannot be settled must not keep the others from it
            _log.exception(
                "broadcast %s could not be settled; trying again at the next start", broadcast.asset.id
            )

    async def _go_on(self, broadcast: Broadcast, resume: Resume) -> bool:
        lives = await self._lives(broadcast)
        if lives and await resume(broadcast, lives):
            return True
        await self._conclude(broadcast, lives)
        return False

    async def end(self, stream: str) -> None:
        """End the broadcast of a stream that nobody encodes any more. Raise WrongState without one."""
        unfinished = await self._broadcasts.unfinished()
        found = next((one for one in unfinished if one.stream == stream), None)
        if found is None or not await self._broadcasts.tenancy.take(found.asset.id):
            raise WrongState("The stream is not on air.")
        await self._conclude(found, await self._lives(found))

    async def _conclude(self, broadcast: Broadcast, lives: Sequence[Aired]) -> Asset:
        """Make a recording of what all renditions have."""
        asset = broadcast.asset.id
        told = await self._recordings.keep(asset, lives) if lives else None
        ended = await self._broadcasts.end(asset, lives)
        if lives:
            await self._recordings.keep(asset, lives, known=told)
        self._ended()
        return ended

    async def _lives(self, broadcast: Broadcast) -> list[Aired]:
        """Return the lives as far as they are stored, and note what is not noted yet."""
        asset = broadcast.asset.id
        store = Scoped(self._store, asset)
        found = []
        for life in broadcast.lives:
            stored = await numbers(store, life)
            await self._note(asset, life.generation, stored, store)
            found.append((life, stored))
        return [await aired(store, life, count, lost=lost) for life, count, lost in settled(found)]

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
