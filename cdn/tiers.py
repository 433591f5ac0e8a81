"""A Store in two tiers: all objects far away, those in use near by. What is written goes through to both."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from cdn.tier import Tier
from packager.errors import StoreAway, StoreFailed
from packager.folder import HASH_DIGITS, content_etag
from packager.store import Stat, Store, check_key

WHOLE_BYTES = 32 << 20
"""What is larger is never brought near: ranges of it are read from where it is."""

RECHECK_SECONDS = 300
"""How long a copy stands for the object itself before the far store is asked whether that is still there."""

_STATS = 8192


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """What the far store has said of a key, and when, in seconds of the clock."""

    stat: Stat
    at: float


class Tiers:
    """Reads through a near tier to a `far` store, which alone is durable; see Store.

    An object is brought near once for all who ask at the same time, as a whole, and its bytes are held
    against its hash. Only keys that are `lasting` are: the bytes under them never change, whoever writes
    them. While the far store cannot be reached, copies are good without asking.
    """

    def __init__(
        self,
        far: Store,
        near: Tier,
        *,
        lasting: Callable[[str], bool] = lambda _: True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._far = far
        self._near = near
        self._lasting = lasting
        self._now = clock
        self._coming: dict[str, asyncio.Task[bytes]] = {}
        self._tasks: set[asyncio.Task[bytes]] = set()
        self._wanted: dict[str, set[object]] = {}
        self._seen: OrderedDict[str, _Seen] = OrderedDict()

    async def close(self) -> None:
        """Stop what is being brought near."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def put(self, key: str, body: bytes) -> Stat:
        """Store the body unless the key exists; return the Stat of what is there. Raise StoreFull."""
        with self._wish(key) as (wanted, by):
            stat = await self._far.put(key, body)
            self._note(stat)
            if self._lasting(key) and await _is_of(body, stat):
                await self._near.fill(stat, body, wanted=wanted, by=by)
        return stat

    async def replace(self, key: str, body: bytes) -> Stat:
        """Store the body, atomically taking the place of what was there. Raise StoreFull."""
        try:
            return await self._far.replace(key, body)
        finally:
            await self._forget(key)

    async def get(self, key: str, start: int = 0, stop: int | None = None) -> bytes:
        """Return bytes start to stop (excluded; None is the end). Raise KeyMissing."""
        if await self._is_near(check_key(key)):
            found = await self._near.read(key, start, stop)
            if found is not None:
                return found
            await self._near.drop(key)
        if not await self._comes(key):
            return await self._far.get(key, start, stop)
        return (await self._bring(key))[start:stop]

    async def copy(self, source: str, target: str) -> Stat:
        """Store what the source holds at the target too, unless that exists. Raise KeyMissing, StoreFull."""
        return await self._far.copy(source, target)

    async def stat(self, key: str) -> Stat | None:
        """Return what is known of the key, None where it holds nothing."""
        if await self._is_near(check_key(key)):
            return self._near.get(key)
        return await self._look(key)

    async def list(self, prefix: str) -> list[str]:
        """Return the keys that begin with the prefix, sorted."""
        return await self._far.list(prefix)

    async def sizes(self, prefix: str) -> dict[str, int]:
        """Return how many bytes each key has that begins with the prefix."""
        return await self._far.sizes(prefix)

    async def delete(self, prefix: str) -> None:
        """Delete the key, or all keys under the prefix where it ends with a slash."""
        try:
            await self._far.delete(prefix)
        finally:
            await self._forget(prefix)

    async def path(self, key: str) -> Path | None:
        """Return the file of a copy, brought near first; None for what stays where it is, or is nowhere."""
        if not await self._is_near(check_key(key)):
            if not await self._comes(key):
                return None
            await self._bring(key)
        return self._near.path(key) if self._near.get(key) is not None else None

    async def _is_near(self, key: str) -> bool:
        """Say whether a copy may stand for the object; where that has gone, the copy goes too."""
        stat = self._near.get(key)
        if stat is None:
            return False
        seen = self._seen.get(key)
        if seen is not None and self._now() - seen.at < RECHECK_SECONDS:
            return True
        try:
            there = await self._far.stat(key)
        except StoreAway:
            return True
        if there is None or there.etag != stat.etag:
            await self._forget(key)
            return False
        self._note(there)
        return True

    async def _look(self, key: str) -> Stat | None:
        stat = await self._far.stat(key)
        if stat is None:
            self._seen.pop(key, None)
        else:
            self._note(stat)
        return stat

    async def _comes(self, key: str) -> bool:
        """Say whether an object is one that is brought near."""
        if key in self._coming:
            return True
        if not self._lasting(key):
            return False
        seen = self._seen.get(key)
        stat = seen.stat if seen is not None else await self._look(key)
        return stat is not None and stat.size <= WHOLE_BYTES and self._near.takes(stat.size)

    async def _bring(self, key: str) -> bytes:
        """Return an object's bytes, which all who ask at once share, and keep a copy."""
        task = self._coming.get(key)
        if task is None:
            task = self._coming[key] = asyncio.create_task(self._fetch(key), name=f"bring {key}")
            self._tasks.add(task)
            task.add_done_callback(lambda done: self._brought(key, done))
        return await asyncio.shield(task)

    def _brought(self, key: str, done: asyncio.Task[bytes]) -> None:
        self._tasks.discard(done)
        if self._coming.get(key) is done:
            del self._coming[key]
        if not done.cancelled():
            done.exception()  # seen here, for the case that everyone who asked has gone

    async def _fetch(self, key: str) -> bytes:
        with self._wish(key) as (wanted, by):
            body = await self._far.get(key)
            if by not in wanted:  # it was replaced or deleted meanwhile
                return body
            seen = self._seen.get(key)
            stat = seen.stat if seen is not None else await self._look(key)
            if stat is not None and await _is_of(body, stat):
                await self._near.fill(stat, body, wanted=wanted, by=by)
            elif stat is not None and await self._look(key) == stat:  # nobody has replaced it meanwhile
                raise StoreFailed("The store's bytes are not those that were put there.", evidence=key)
        return body

    async def _forget(self, prefix: str) -> None:
        """Let go of copies, and of those on their way, of a key or of all under a prefix."""
        under = prefix.endswith("/")
        for known in (self._wanted, self._coming, self._seen):
            for key in [key for key in known if key == prefix or (under and key.startswith(prefix))]:
                gone = known.pop(key)
                if isinstance(gone, set):
                    gone.clear()
        if under:
            await self._near.drop_under(prefix)
        else:
            await self._near.drop(prefix)

    @contextlib.contextmanager
    def _wish(self, key: str) -> Iterator[tuple[set[object], object]]:
        """Give what says whether a copy of what is now there is still wanted when it has come."""
        by = object()
        wanted = self._wanted.setdefault(key, set())
        wanted.add(by)
        try:
            yield wanted, by
        finally:
            wanted.discard(by)
            if not wanted and self._wanted.get(key) is wanted:
                del self._wanted[key]

    def _note(self, stat: Stat) -> None:
        self._seen[stat.key] = _Seen(stat=stat, at=self._now())
        self._seen.move_to_end(stat.key)
        if len(self._seen) > _STATS:
            self._seen.popitem(last=False)


async def _is_of(body: bytes, stat: Stat) -> bool:
    """Say whether a body is what a Stat tells of; tags that are no hash of ours tell its size only."""
    if len(stat.etag) != HASH_DIGITS:
        return len(body) == stat.size
    return await asyncio.to_thread(content_etag, body) == stat.etag
