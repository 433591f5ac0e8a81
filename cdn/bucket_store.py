"""A Store whose objects are in a bucket, under a prefix: durable when a write is acknowledged."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from weakref import WeakValueDictionary

from cdn import errors
from cdn.s3 import DELETED_AT_ONCE, HASH, Bucket, Looked, Lost, Stamp
from packager.errors import KeyMissing, StoreAway, StoreFailed, StoreFull, StoreRefused
from packager.folder import content_etag
from packager.store import Stat, check_key, check_prefix

_ATTEMPTS = 8
_TRIED = ".conditions"  # no key of a store begins with a dot
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """What an object is sent with beside its hash, to whoever reads the bucket itself."""

    media_type: str = "application/octet-stream"
    cache_control: str = "no-store"


class BucketStore:
    """Keep objects under a prefix of a bucket, which is empty or ends with a slash; see Store.

    The ETag is the hash that is kept with the bytes; of what others have put there it is the storage's own.
    Where the endpoint knows If-None-Match, which is tried at the first write, of all writers in the world one
    wins. Elsewhere of all in this process one does, and another process that writes at the same moment takes
    its place. Every method may raise StoreAway, after which the same call may succeed, and StoreRefused.
    """

    def __init__(
        self, bucket: Bucket, *, prefix: str, label: Callable[[str], Label] = lambda _: Label()
    ) -> None:
        """Take the bucket, and what an object of some key is labelled with."""
        self._bucket = bucket
        self._prefix = prefix
        self._label = label
        self._conditional: bool | None = None
        self._trying = asyncio.Lock()
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def put(self, key: str, body: bytes) -> Stat:
        """Store the body unless the key exists; return the Stat of what is there. Raise StoreFull."""
        check_key(key)
        etag = await asyncio.to_thread(content_etag, body)
        async with _told(key), self._turn(key):
            conditional = await self._conditions()
            for _ in range(_ATTEMPTS):
                there = None if conditional else await self._stat(key)
                if there is not None:
                    return there
                try:
                    await self._bucket.put(self._name(key), body, self._stamp(key, etag), instead=None)
                except Lost:  # perhaps to our own request, whose answer did not arrive
                    there = await self._stat(key)
                    if there is not None:
                        return there
                else:
                    return Stat(key=key, size=len(body), etag=etag)
        raise StoreFailed("The store's objects vanish under a write.", evidence=key)

    async def replace(self, key: str, body: bytes) -> Stat:
        """Store the body, atomically taking the place of what was there. Raise StoreFull."""
        check_key(key)
        etag = await asyncio.to_thread(content_etag, body)
        async with _told(key), self._turn(key):
            await self._bucket.write(self._name(key), body, self._stamp(key, etag))
        return Stat(key=key, size=len(body), etag=etag)

    async def get(self, key: str, start: int = 0, stop: int | None = None) -> bytes:
        """Return bytes start to stop (excluded; None is the end). Raise KeyMissing."""
        name = self._name(check_key(key))
        async with _told(key):
            if stop is not None and stop <= start:
                found = None if await self._bucket.look(name) is None else b""
            else:
                found = await self._bucket.get(name, start, stop)
        if found is None:
            raise KeyMissing("Nothing is stored under this key.", evidence=key)
        return found

    async def copy(self, source: str, target: str) -> Stat:
        """Store what the source holds at the target too, unless that exists. Raise KeyMissing, StoreFull."""
        named = self._name(check_key(source)), self._name(check_key(target))
        async with _told(source), self._turn(target):
            there = await self._stat(target)
            if there is not None and await self._bucket.look(named[0]) is not None:
                return there
            if await self._bucket.copy(*named):
                there = await self._stat(target)
                if there is not None:
                    return there
        raise KeyMissing("Nothing is stored under this key.", evidence=source)

    async def stat(self, key: str) -> Stat | None:
        """Return what is known of the key, None where it holds nothing."""
        check_key(key)
        async with _told(key):
            return await self._stat(key)

    async def list(self, prefix: str) -> list[str]:
        """Return the keys that begin with the prefix, sorted."""
        return sorted(await self.sizes(prefix))

    async def sizes(self, prefix: str) -> dict[str, int]:
        """Return how many bytes each key has that begins with the prefix."""
        check_prefix(prefix)
        async with _told(prefix):
            found = await self._bucket.listing(self._name(prefix))
        sizes = {name.removeprefix(self._prefix): one.size for name, one in found.items()}
        return {key: size for key, size in sizes.items() if not key.startswith(".")}

    async def delete(self, prefix: str) -> None:
        """Delete the key, or all keys under the prefix where it ends with a slash."""
        check_key(prefix.removesuffix("/"))
        async with _told(prefix):
            if prefix.endswith("/"):
                doomed = list(await self._bucket.listing(self._name(prefix)))
            else:  # storages that keep files refuse to delete what is a folder of theirs
                doomed = [] if await self._stat(prefix) is None else [self._name(prefix)]
            for start in range(0, len(doomed), DELETED_AT_ONCE):
                await self._bucket.delete(doomed[start : start + DELETED_AT_ONCE])

    async def path(self, key: str) -> Path | None:
        """Return None: there are no files."""
        check_key(key)
        return None

    def _name(self, key: str) -> str:
        return self._prefix + key

    def _turn(self, key: str) -> asyncio.Lock:
        """Return the lock under which this process writes a key."""
        return self._turns.setdefault(key, asyncio.Lock())

    def _stamp(self, key: str, etag: str) -> Stamp:
        label = self._label(key)
        return Stamp(media_type=label.media_type, cache_control=label.cache_control, metadata={HASH: etag})

    async def _stat(self, key: str) -> Stat | None:
        found = await self._bucket.look(self._name(key))
        return None if found is None else Stat(key=key, size=found.size, etag=_etag(found))

    async def _conditions(self) -> bool:
        """Say whether the endpoint keeps If-None-Match, which some ignore without a word."""
        async with self._trying:
            if self._conditional is None:
                self._conditional = await self._refused_twice()
                if not self._conditional:
                    _log.warning(
                        "the storage ignores If-None-Match: of two servers that write one object "
                        "at the same moment the later one wins"
                    )
        return self._conditional

    async def _refused_twice(self) -> bool:
        stamp = Stamp(media_type="text/plain", cache_control="no-store", metadata={})
        try:
            for _ in range(2):
                await self._bucket.put(self._name(_TRIED), b"", stamp, instead=None)
        except Lost:
            return True
        return False


@asynccontextmanager
async def _told(key: str) -> AsyncIterator[None]:
    """Turn what the bucket says into the packager's errors."""
    try:
        yield
    except errors.EndpointAway as error:
        raise StoreAway("The store cannot be reached.", evidence=f"{key}: {error}") from error
    except errors.StorageFull as error:
        raise StoreFull("The store is full.", evidence=f"{key}: {error}") from error
    except errors.PublishError as error:
        raise StoreRefused("The store refuses access.", evidence=f"{key}: {error}") from error


def _etag(found: Looked) -> str:
    return found.metadata.get(HASH) or f"s3-{found.etag}"
