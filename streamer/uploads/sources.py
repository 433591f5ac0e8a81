"""Uploads in a store, for who did not receive them: read by ranges, or brought to this machine as a file."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

from packager.errors import KeyMissing, PackagingError, StoreAway
from packager.original import Original, SourceCut, WholeFile
from packager.store import Store
from streamer.uploads.pieces import laid, piece_of
from streamer.uploads.spool import Spool
from streamer.uploads.upload import Upload, from_json

Find: TypeAlias = Callable[[str], Awaitable[Original]]
"""Returns the source that an upload is, by its id. Raises SourceCut, StoreAway."""

AT_ONCE = 4
"""Pieces of one upload that are on their way at one time."""


def record_key(upload_id: str) -> str:
    """Return the key of an upload's record."""
    return f"{upload_id}/record"


def piece_key(upload_id: str, name: str = "") -> str:
    """Return the key of a piece of an upload, or what all of them begin with."""
    return f"{upload_id}/pieces/{name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where bytes start to stop (excluded) of a source are: under a key, whose first byte is byte `first`."""

    start: int
    stop: int
    first: int
    key: str


class Piecewise:
    """The Original that lies in a store in pieces; where bytes beyond are asked for it is looked at anew."""

    def __init__(self, store: Store, upload_id: str, spool: Spool) -> None:
        """Take the store, the upload, and where a file of it can be."""
        self.received = 0
        self.whole = True
        self._store = store
        self._upload = upload_id
        self._spool = spool
        self._places: tuple[Place, ...] = ()

    async def look(self) -> None:
        """Find out which bytes are there by now. Raise SourceCut without such an upload."""
        upload = await record(self._store, self._upload)
        places = [place async for place in _places(self._store, upload)]
        end = places[-1].stop if places else 0
        if upload.tail:
            tail = await record(self._store, upload.tail)
            if end >= tail.at:
                places = [replace(one, stop=min(one.stop, tail.at)) for one in places]
                places += [place async for place in _places(self._store, tail)]
        self._places = tuple(places)
        self.received = places[-1].stop if places else 0

    async def file(self) -> Path:
        """Return a file of this machine with all bytes that are there, brought here unless it is.

        Raise SourceCut, where this machine has no room for it too.
        """
        try:
            return await self._spool.brought(self._upload, self.write_to)
        except OSError as error:
            raise SourceCut("The source cannot be brought to this machine.", evidence=repr(error)) from error

    async def write_to(self, path: Path) -> None:
        """Write all bytes that are there into a file. Raise SourceCut, OSError."""
        await self.look()
        await asyncio.to_thread(path.touch)
        every = iter(self._places)

        async def work() -> None:
            for place in every:
                body = await self._get(place, place.start, place.stop)
                await asyncio.to_thread(_write, path, place.start, body)

        await asyncio.gather(*(work() for _ in range(AT_ONCE)))

    async def read(self, start: int, stop: int) -> bytes:
        """Return bytes start to stop (excluded). Raise SourceCut where they are not there."""
        near = self._spool.path(self._upload)
        if near is not None:
            return await WholeFile(near).read(start, stop)
        if stop > self.received:
            await self.look()
        if stop > self.received:
            raise SourceCut("The source has not come so far.", evidence=f"bytes {start} to {stop}")
        wanted = [one for one in self._places if one.start < stop and start < one.stop]
        pieces = [self._get(one, max(start, one.start), min(stop, one.stop)) for one in wanted]
        return b"".join(await asyncio.gather(*pieces))

    async def grown(self, beyond: int) -> None:
        """Return at once: whoever waits for bytes is the server that receives them."""

    async def _get(self, place: Place, start: int, stop: int) -> bytes:
        try:
            body = await self._store.get(place.key, start - place.first, stop - place.first)
        except StoreAway:
            raise
        except PackagingError as error:
            raise SourceCut("The source cannot be read.", evidence=f"{place.key}: {error.message}") from error
        if len(body) != stop - start:
            raise SourceCut("The source has been cut.", evidence=place.key)
        return body


class Sources:
    """Finds whole uploads in a store."""

    def __init__(self, store: Store, spool: Spool) -> None:
        self._store = store
        self._spool = spool

    async def of(self, upload_id: str) -> Piecewise:
        """Return the source that an upload is. Raise SourceCut."""
        found = Piecewise(self._store, upload_id, self._spool)
        await found.look()
        return found


def on_disk(path: Callable[[str], Path]) -> Find:
    """Return what finds uploads that are files of this machine."""

    async def find(upload_id: str) -> Original:
        try:
            return await asyncio.to_thread(WholeFile, path(upload_id))
        except OSError as error:
            raise SourceCut("The source cannot be read.", evidence=repr(error)) from error

    return find


async def record(store: Store, upload_id: str) -> Upload:
    """Return the record of an upload. Raise SourceCut without one."""
    try:
        return from_json(await store.get(record_key(upload_id)))
    except (KeyMissing, ValueError) as error:
        raise SourceCut("The source is gone.", evidence=upload_id) from error


async def _places(store: Store, upload: Upload) -> AsyncIterator[Place]:
    names = await store.list(piece_key(upload.id))
    pieces = (piece_of(name.rpartition("/")[2]) for name in names)
    at = 0
    for span in laid(piece for piece in pieces if piece is not None):
        yield Place(
            start=upload.at + at,
            stop=upload.at + span.stop,
            first=upload.at + span.piece.start,
            key=piece_key(upload.id, span.piece.name),
        )
        at = span.stop


def _write(path: Path, start: int, body: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(start)
        file.write(body)
