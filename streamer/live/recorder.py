"""Keeps what is on air: parts become segments in the store, in order, beside those who watch."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterator, Mapping
from functools import partial
from typing import Protocol, TypeAlias

from packager import keys
from packager.errors import PackagingError, StoreAway
from packager.life import Aired, Life, Reach
from packager.parts import Part
from packager.store import Store
from streamer.errors import NoSuchAsset
from streamer.ledger import Stored
from streamer.live.broadcasts import Broadcasts
from streamer.live.tenancy import TakenOver

_WAITING = 256
"""Things to be stored that may wait for a slow disk; beyond, recording ends and the broadcast goes on."""

_NOTED_AT_ONCE = 16
AGAIN_SECONDS = 2.0
_LAST_TRIES = 5
"""How often a store that is away is tried in all once the broadcast is over."""

_log = logging.getLogger(__name__)

_Work: TypeAlias = Callable[[], Coroutine[None, None, None]]


class Kept(Protocol):
    """Who is told what is in the store by now."""

    def stored(self, generation: str, rendition: str, segment: int) -> None:
        """Take it that a segment can be read from the store, or never will."""


class Reel:
    """The segments of one life as their parts come in."""

    def __init__(self, life: Life) -> None:
        self.life = life
        self._reach = {name: Reach() for name in life.names}
        self._bodies: dict[str, list[bytes]] = {name: [] for name in life.names}

    @property
    def next(self) -> int:
        """Return the media sequence number behind the last segment of any rendition."""
        return self.life.first + max(reach.segments + bool(reach.parts) for reach in self._reach.values())

    def take(self, part: Part) -> tuple[int, bytes] | None:
        """Take a part; return number and bytes of the segment that it ends."""
        name = part.rendition
        reach = self._reach[name]
        self._bodies[name].append(part.body)
        self._reach[name] = Reach(segments=reach.segments, parts=reach.parts + 1, end=part.end)
        return self._closed(name) if part.last else None

    def close(self) -> Iterator[tuple[str, int, bytes]]:
        """Yield name, number and bytes of the segments that were growing: they end where they are."""
        for name, reach in self._reach.items():
            if reach.parts:
                yield (name, *self._closed(name))

    @property
    def aired(self) -> Aired:
        """Return the life as it is over."""
        return Aired(life=self.life, reach=dict(self._reach), over=True)

    def _closed(self, name: str) -> tuple[int, bytes]:
        reach = self._reach[name]
        self._reach[name] = Reach(segments=reach.segments + 1, end=reach.end)
        body, self._bodies[name] = b"".join(self._bodies[name]), []
        return reach.segments, body


class Recorder:
    """Stores the lives of one broadcast, `run` in a task of its own until `close` and all before it are done.

    Where it cannot keep up, or the store fails, the broadcast goes on without a recording: it is `broken`. A
    store that is away is waited for, as long as there is room for what comes meanwhile.
    `shown` is the life that the catalog has heard of last.
    """

    def __init__(
        self,
        asset: str,
        *,
        store: Store,
        broadcasts: Broadcasts,
        kept: Kept,
        again_seconds: float = AGAIN_SECONDS,
    ) -> None:
        """Take the store of the asset's keys, the rows, and who is told what is stored."""
        self.broken = False
        self.shown: Life | None = None
        self._closed = False
        self._tries = _LAST_TRIES
        self._again_seconds = again_seconds
        self._asset = asset
        self._store = store
        self._broadcasts = broadcasts
        self._kept = kept
        self._work: asyncio.Queue[_Work | None] = asyncio.Queue()
        self._unnoted: dict[str, list[Stored]] = {}

    def begin(self, life: Life, inits: Mapping[str, bytes]) -> None:
        """Take a new life, and what its renditions begin with."""
        self._later(partial(self._begin, life, inits))

    def keep(self, life: Life, name: str, number: int, body: bytes) -> None:
        """Take a segment."""
        self._later(partial(self._keep, life.generation, name, number, body))

    def close(self) -> None:
        """Say that nothing more comes."""
        self._closed = True
        self._work.put_nowait(None)

    async def run(self) -> None:
        """Store and note what was taken."""
        while (work := await self._work.get()) is not None:
            if not self.broken:
                await self._guarded(work)
            if self._work.empty() or sum(map(len, self._unnoted.values())) >= _NOTED_AT_ONCE:
                await self._guarded(self._note)
        await self._guarded(self._note)

    def _later(self, work: _Work) -> None:
        if self._work.qsize() >= _WAITING:
            self._break("the disk is too slow")
        if not self.broken:
            self._work.put_nowait(work)

    async def _guarded(self, work: _Work) -> None:
        """Do some work, and where the store is away again, as long as more may wait behind it."""
        while True:
            try:
                await work()
            except StoreAway as error:
                self._tries -= self._closed
                if self._tries < 0:
                    self._break(f"{error.message} {error.evidence}")
            except PackagingError as error:
                self._break(f"{error.message} {error.evidence}")
            except NoSuchAsset:
                self._break("it was deleted")
            except TakenOver as error:
                self._break(error.message)
            else:
                return
            if self.broken:
                return
            await asyncio.sleep(self._again_seconds)

    def _break(self, why: str) -> None:
        if not self.broken:
            _log.error("broadcast %s is not recorded any further: %s", self._asset, why)
        self.broken = True

    async def _begin(self, life: Life, inits: Mapping[str, bytes]) -> None:
        for name, body in inits.items():
            await self._store.put(keys.init(life.generation, name), body)
        await self._broadcasts.begin_life(self._asset, life)
        self.shown = life

    async def _keep(self, generation: str, name: str, number: int, body: bytes) -> None:
        stat = await self._store.put(keys.segment(generation, name, number), body)
        stored = Stored(rendition=name, number=number, size=stat.size)
        self._unnoted.setdefault(generation, []).append(stored)
        self._kept.stored(generation, name, number)

    async def _note(self) -> None:
        unnoted, self._unnoted = self._unnoted, {}
        for generation, stored in unnoted.items():
            await self._broadcasts.noted(self._asset, generation, stored)
