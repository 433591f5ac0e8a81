"""What is published: an asset as its viewers get it, found by what its manifests name."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from cdn.errors import NotComplete, NothingToPublish
from packager import keys
from packager.errors import KeyMissing
from packager.store import Store

_ATTRIBUTE = re.compile(r'[:,]URI="([^"]*)"')
_LOOKS = 32  # objects looked at together
_FINAL = "#EXT-X-ENDLIST"
_DYNAMIC = re.compile(r'<MPD\b[^>]*\btype="dynamic"')


@dataclass(frozen=True, slots=True, kw_only=True)
class Object:
    """How many bytes an object has and their hash, which is empty where they have to be read for it."""

    size: int
    etag: str


class Shown(Protocol):
    """An asset, by keys relative to its root."""

    async def manifest(self, key: str) -> bytes | None:
        """Return a manifest as it is served, None where there is none of that name."""

    async def look(self, key: str) -> Object | None:
        """Return what is known of an object, None where there is none."""

    async def read(self, key: str) -> bytes | Path:
        """Return the bytes of an object, or the file that holds them. Raise KeyMissing."""

    async def list(self, prefix: str) -> list[str]:
        """Return the keys of stored objects that begin with the prefix."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifests:
    """The final manifests in the order in which they are written: what names others comes after them."""

    playlists: dict[str, bytes]
    heads: dict[str, bytes]


class InStore:
    """An asset that lies in a store as a whole, as `streamer package` leaves it."""

    def __init__(self, store: Store) -> None:
        """Take the store; the asset's root is its root."""
        self._store = store

    async def manifest(self, key: str) -> bytes | None:
        """Return a manifest, None where there is none of that name."""
        try:
            return await self._store.get(key)
        except KeyMissing:
            return None

    async def look(self, key: str) -> Object | None:
        """Return what is known of an object, None where there is none."""
        stat = await self._store.stat(key)
        return None if stat is None else Object(size=stat.size, etag=stat.etag)

    async def read(self, key: str) -> bytes | Path:
        """Return the bytes of an object, or the file that holds them. Raise KeyMissing."""
        return await self._store.path(key) or await self._store.get(key)

    async def list(self, prefix: str) -> list[str]:
        """Return the keys of stored objects that begin with the prefix."""
        return await self._store.list(prefix)


async def manifests(shown: Shown) -> Manifests:
    """Return all manifests. Raise NothingToPublish without any, NotComplete where one is not final."""
    head = await shown.manifest(keys.MULTIVARIANT)
    if head is None:
        raise NothingToPublish(f"there is no {keys.MULTIVARIANT}: this is no packaged asset")
    playlists: dict[str, bytes] = {}
    for name in named(head.decode()):
        body = await shown.manifest(name)
        if body is None:
            raise NotComplete(f"{keys.MULTIVARIANT} names {name}, which does not exist")
        if _FINAL not in body.decode():
            raise NotComplete(f"{name} still grows")
        playlists[name] = body
    mpd = await shown.manifest(keys.MPD)
    if mpd is not None and _DYNAMIC.search(mpd.decode()):
        raise NotComplete(f"{keys.MPD} still grows")
    heads = {keys.MPD: mpd} if mpd is not None else {}
    return Manifests(playlists=playlists, heads={**heads, keys.MULTIVARIANT: head})


async def objects(shown: Shown, found: Manifests) -> dict[str, Object]:
    """Return every object that viewers may ask for, by key. Raise NotComplete."""
    media = dict.fromkeys(uri for body in found.playlists.values() for uri in named(body.decode()))
    every = [*media, *await _ornaments(shown, dict.fromkeys(key.partition("/")[0] for key in media))]
    known: dict[str, Object] = {}
    for start in range(0, len(every), _LOOKS):
        keys_now = every[start : start + _LOOKS]
        for key, looked in zip(keys_now, await asyncio.gather(*map(shown.look, keys_now)), strict=True):
            if looked is None:
                raise NotComplete(f"{key} is named and does not exist")
            known[key] = looked
    return known


async def _ornaments(shown: Shown, generations: dict[str, None]) -> list[str]:
    """Return the keys of poster and storyboard, which pages and the MPD name."""
    found: list[str] = []
    for generation in generations:
        candidates = (keys.poster(generation), keys.storyboard(generation))
        found += [key for key in candidates if await shown.look(key) is not None]
        found += await shown.list(f"{generation}/storyboard/")
    return found


def named(playlist: str) -> Iterator[str]:
    """Yield every URI of an HLS playlist, once, in order."""
    seen: set[str] = set()
    for line in playlist.splitlines():
        uris = _ATTRIBUTE.findall(line) if line.startswith("#") else [line.strip()]
        for uri in uris:
            if uri and uri not in seen:
                seen.add(uri)
                yield uri
