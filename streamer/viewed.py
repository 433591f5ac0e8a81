"""An asset as its viewers get it, for who publishes it: the manifests of the shelf, and what they name."""

from __future__ import annotations

from pathlib import Path

from cdn.errors import NotComplete
from cdn.shown import Object
from packager.errors import KeyMissing
from packager.store import Scoped, Store
from streamer.origin import OutsidePlan
from streamer.shelf import Shelf


class Viewed:
    """One asset of the shelf and the store."""

    def __init__(self, shelf: Shelf, store: Store, asset: str) -> None:
        """Take where it is, and its id."""
        self._shelf = shelf
        self._store = Scoped(store, asset)
        self._asset = asset

    async def manifest(self, key: str) -> bytes | None:
        """Return a manifest, None where there is none of that name. Raise NotComplete where it may change."""
        rendered = await self._shelf.manifest(self._asset, key)
        if rendered is None:
            return None
        if not rendered.complete:
            raise NotComplete(f"asset {self._asset} is not complete")
        return rendered.body

    async def look(self, key: str) -> Object | None:
        """Return what is known of an object, None where there is none."""
        stat = await self._store.stat(key)
        if stat is not None:
            return Object(size=stat.size, etag=stat.etag)
        copy = await self._shelf.copied(self._asset, key)
        return None if copy is None else Object(size=copy.size, etag="")

    async def read(self, key: str) -> bytes | Path:
        """Return the bytes of an object, or the file that holds them.

        Raise KeyMissing, or another PackagingError where the source cannot be read.
        """
        if await self._store.stat(key) is not None:
            return await self._store.path(key) or await self._store.get(key)
        copy = await self._shelf.copied(self._asset, key)
        if copy is None:
            raise KeyMissing("Nothing is stored under this key.", evidence=key)
        try:
            await copy.there()
        except OutsidePlan as error:
            raise KeyMissing("No plan has this segment any more.", evidence=key) from error
        return await copy.body()

    async def list(self, prefix: str) -> list[str]:
        """Return the keys of stored objects that begin with the prefix."""
        return await self._store.list(prefix)
