"""Mirror an asset into a bucket: what is named first, what names it last; and take it away again."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from cdn import shown as shows
from cdn.errors import NotComplete, PublishedMeanwhile
from cdn.policy import POLICIES, Kind, classify, on_air
from cdn.s3 import DELETED_AT_ONCE, HASH, THREADS, Bucket, Listed, Lost, Stamp
from cdn.shown import Object, Shown
from cdn.window import Window
from packager.errors import KeyMissing
from packager.folder import content_etag
from packager.jointly import jointly

IN_FLIGHT_BYTES = 64 << 20
"""How much of an asset is in memory at one time; a larger object goes alone."""

TAGS = "cache-tag"
_MANIFESTS = {Kind.PLAYLIST, Kind.MPD, Kind.MULTIVARIANT}


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """What there is to publish, manifests included, before anything is written."""

    objects: int
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Mirrored:
    """An object is in the bucket; `uploaded` says that it was not there before."""

    key: str
    bytes: int
    uploaded: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """How it ended: every object is there, of which so many were uploaded.

    `replaced` are the manifests, by their keys in the bucket, that were other ones before.
    """

    objects: int
    bytes: int
    uploaded: int
    uploaded_bytes: int
    replaced: tuple[str, ...] = ()


Fact: TypeAlias = Listing | Mirrored
Sink: TypeAlias = Callable[[Fact], None]


async def publish(
    shown: Shown, bucket: Bucket, *, prefix: str, tag: str, sink: Sink, restamp: bool = False
) -> Published:
    """Write an asset under a prefix, which is empty or ends with a slash; `tag` is its name in cache tags.

    Again it writes only what is missing or differs, so it goes on where it was interrupted. To `restamp` is
    to write manifests in any case: they were those of a broadcast on air, which live shorter. Raise
    PublishError, PackagingError.
    """
    manifests = await shows.manifests(shown)
    known = await shows.objects(shown, manifests)
    written = [*manifests.playlists.items(), *manifests.heads.items()]
    total = sum(one.size for one in known.values()) + sum(len(body) for _, body in written)
    sink(Listing(objects=len(known) + len(written), bytes=total))
    mirror = _Mirror(bucket, prefix=prefix, tag=tag, sink=sink, there=await bucket.listing(prefix))
    await mirror.all(shown, known)
    for key, body in written:
        await mirror.one(key, Object(size=len(body), etag=""), body, anew=restamp)
    return Published(
        objects=len(known) + len(written),
        bytes=total,
        uploaded=mirror.uploaded,
        uploaded_bytes=mirror.uploaded_bytes,
        replaced=tuple(mirror.replaced),
    )


async def withdraw(bucket: Bucket, *, prefix: str, sink: Callable[[int, int], None]) -> int:
    """Delete what was published under a prefix, and nothing else; return how many objects that was.

    Manifests go first, so that no viewer begins with what is about to go. `sink` is told how many are gone of
    how many. Raise PublishError.
    """
    kinds = {key: classify(key.removeprefix(prefix)) for key in await bucket.listing(prefix)}
    heads = [key for key, kind in kinds.items() if kind in {Kind.MULTIVARIANT, Kind.MPD}]
    playlists = [key for key, kind in kinds.items() if kind is Kind.PLAYLIST]
    rest = [key for key, kind in kinds.items() if kind is not None and kind not in _MANIFESTS]
    total, gone = len(heads) + len(playlists) + len(rest), 0
    for batch in (heads, playlists, *_batches(rest)):
        if batch:
            await bucket.delete(batch)
            gone += len(batch)
            sink(gone, total)
    return total


def stamp(key: str, *, etag: str, tag: str, airs: int = 0) -> Stamp:
    """Return what goes with an object of an asset. Raise NotComplete for a foreign key.

    While it `airs` that is its target duration in seconds, and nothing once it is complete.
    """
    kind = classify(key)
    if kind is None:
        raise NotComplete(f"{key!r} is no key of an asset")
    policy = POLICIES[on_air(kind) if airs else kind]
    tags = [all_of(tag), *([manifests_of(tag)] if kind in _MANIFESTS else [])]
    return Stamp(
        media_type=policy.media_type,
        cache_control=policy.cache_control(target_duration=airs),
        metadata={HASH: etag, TAGS: ",".join(tags)},
    )


def all_of(tag: str) -> str:
    """Return the cache tag that every object of an asset has."""
    return f"asset-{tag}"


def manifests_of(tag: str) -> str:
    """Return the cache tag that an asset's manifests have."""
    return f"manifests-{tag}"


class _Mirror:
    """Writes objects of one asset that are not `there`."""

    def __init__(
        self, bucket: Bucket, *, prefix: str, tag: str, sink: Sink, there: Mapping[str, Listed]
    ) -> None:
        self.uploaded = 0
        self.uploaded_bytes = 0
        self.replaced: list[str] = []
        self._bucket = bucket
        self._prefix = prefix
        self._tag = tag
        self._sink = sink
        self._there = there

    async def all(self, shown: Shown, known: Mapping[str, Object]) -> None:
        """Write what is stored, several objects at a time. The first error ends all of them."""
        window = Window(IN_FLIGHT_BYTES)
        left = iter(known.items())

        async def work() -> None:
            for key, one in left:
                async with window.room(one.size):
                    try:
                        await self.one(key, one, await shown.read(key))
                    except (KeyMissing, FileNotFoundError) as error:
                        raise NotComplete(f"{key} has gone while it was published; publish again") from error

        await jointly(work() for _ in range(THREADS))

    async def one(self, key: str, known: Object, body: bytes | Path, *, anew: bool = False) -> None:
        """Write an object unless the same is there, or `anew` in any case."""
        name = f"{self._prefix}{key}"
        etag = known.etag or await asyncio.to_thread(content_hash, body)
        listed = self._there.get(name)
        alike = listed if listed is not None and listed.size == known.size and not anew else None
        same = alike is not None and await self._same(name, alike, etag, body)
        if not same:
            try:
                await self._bucket.put(name, body, stamp(key, etag=etag, tag=self._tag), instead=listed)
            except Lost:  # perhaps to our own request, whose answer did not arrive
                if (await self._bucket.metadata(name)).get(HASH) != etag:
                    raise PublishedMeanwhile(
                        f"{name} was written by somebody else meanwhile; publish again"
                    ) from None
            self.uploaded += 1
            self.uploaded_bytes += known.size
            self.replaced += [name] if listed is not None and classify(key) in _MANIFESTS else []
        self._sink(Mirrored(key=key, bytes=known.size, uploaded=not same))

    async def _same(self, name: str, listed: Listed, etag: str, body: bytes | Path) -> bool:
        if await asyncio.to_thread(_md5, body) == listed.etag:
            return True
        # Of objects that a storage encrypts the tag is something else than a hash of their bytes.
        return (await self._bucket.metadata(name)).get(HASH) == etag


def content_hash(body: bytes | Path) -> str:
    """Return the hash that goes with an object: the origin's ETag of media."""
    return content_etag(body.read_bytes() if isinstance(body, Path) else body)


def _md5(body: bytes | Path) -> str:
    whole = body.read_bytes() if isinstance(body, Path) else body
    return hashlib.md5(whole, usedforsecurity=False).hexdigest()


def _batches(keys: list[str]) -> Iterator[list[str]]:
    for start in range(0, len(keys), DELETED_AT_ONCE):
        yield keys[start : start + DELETED_AT_ONCE]
