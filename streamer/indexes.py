"""What was learned of each source's frames: files beside the catalog, which can be made anew.

Where media are in a bucket they lie there as well, so that servers with disks of their own find them.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import time
from contextlib import suppress
from pathlib import Path

from packager.blocking import blocking
from packager.errors import KeyMissing, PackagingError
from packager.index import Index
from packager.store import Store
from packager.tables import Tables

_FRESH_SECONDS = 3600  # what is younger may be another server's, which is writing it


class Indexes:
    """The frame index and the sample tables of assets, under `folder`."""

    def __init__(self, folder: Path, *, shared: bool = False, far: Store | None = None) -> None:
        """Take the folder; `shared` says that other servers write to it too, `far` is read by all servers."""
        self._folder = folder
        self._shared = shared
        self._far = far

    def open(self) -> None:
        """Make the folder, and remove what interrupted writes have left."""
        self._folder.mkdir(parents=True, exist_ok=True)
        for left in self._folder.glob("*.tmp"):
            if not self._shared or left.stat().st_mtime < time.time() - _FRESH_SECONDS:
                left.unlink()

    def tables_file(self, asset: str, *, beside: bool = False) -> Path:
        """Return the file of an asset's sample tables, or one `beside` it that a start removes."""
        return self._folder / f"{asset}.{'tmp' if beside else 'tables'}"

    async def keep(self, asset: str, index: Index | None) -> None:
        """Keep an asset's frame index where it has one, and what is in the file of its tables."""
        if index is not None:
            await blocking(None, _write, self._index_file(asset), index.to_bytes())
        if self._far is not None:
            for file in (self._index_file(asset), self.tables_file(asset)):
                if await asyncio.to_thread(file.is_file):
                    await self._far.replace(_key(asset, file), await asyncio.to_thread(file.read_bytes))

    async def index(self, asset: str) -> Index | None:
        """Return an asset's frame index, None where it has to be made anew."""
        await self._fetch(asset, self._index_file(asset))
        try:
            return Index.from_bytes(await asyncio.to_thread(self._index_file(asset).read_bytes))
        except (OSError, PackagingError):
            return None

    async def tables(self, asset: str) -> Tables | None:
        """Return an asset's sample tables, None where they have to be made anew."""
        await self._fetch(asset, self.tables_file(asset))
        try:
            return await asyncio.to_thread(Tables.open, self.tables_file(asset))
        except PackagingError:
            return None

    async def remove(self, asset: str) -> None:
        """Forget an asset."""
        for file in (self._index_file(asset), self.tables_file(asset)):
            await asyncio.to_thread(file.unlink, missing_ok=True)

    async def _fetch(self, asset: str, file: Path) -> None:
        """Bring a file here that another server has made."""
        if self._far is None or await asyncio.to_thread(file.is_file):
            return
        with suppress(KeyMissing):
            await blocking(None, _write, file, await self._far.get(_key(asset, file)))

    def _index_file(self, asset: str) -> Path:
        return self._folder / f"{asset}.npz"


def _key(asset: str, file: Path) -> str:
    return f"{asset}/frames/{file.suffix[1:]}"


def _write(file: Path, body: bytes) -> None:
    """Write a file whole: what a crash leaves behind has another name."""
    written = file.with_suffix(f".{secrets.token_hex(4)}.tmp")
    with written.open("wb") as target:
        target.write(body)
        target.flush()
        os.fsync(target.fileno())
    written.replace(file)
