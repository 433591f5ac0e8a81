"""The end of a file that is sent before its head: where it may lie, and a body that runs into it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator

from streamer.uploads.errors import IdleBody, InvalidUpload, NotWritable, TooLarge
from streamer.uploads.metadata import parse_size
from streamer.uploads.upload import Upload

IDLE_SECONDS = 30


def parse_tail(pairs: dict[str, bytes], *, limit: int) -> tuple[str, int] | None:
    """Return (asset, offset) of a partial upload that is an end, None for any other. Raise InvalidUpload."""
    if "asset" not in pairs:
        return None
    if "offset" not in pairs:
        raise InvalidUpload("Upload-Metadata has `asset` without `offset`.")
    asset, offset = (pairs[key].decode("latin-1") for key in ("asset", "offset"))
    return asset, parse_size(offset, name="`offset`", limit=limit)


def check_tail(tail: Upload, *, host: Upload) -> None:
    """Raise where the tail cannot be the end of the host. Raise InvalidUpload, NotWritable."""
    if host.delivered or host.abandoned or host.partial or not host.resumable:
        raise NotWritable("The upload takes no more bytes.")
    if host.length is None or tail.length is None:
        raise InvalidUpload("An end can be sent where the lengths of the file and of the end are known.")
    if tail.at + tail.length != host.length or tail.length == 0:
        raise InvalidUpload(f"The end of the file is {host.length} bytes from its start.")
    if tail.at < max(1, host.offset):
        raise InvalidUpload(f"{host.offset} bytes from the start are there already.")


class Body:
    """A body that is taken in two pieces."""

    def __init__(self, chunks: AsyncIterator[bytes]) -> None:
        self._chunks = chunks
        self._over = b""

    async def first(self, size: int) -> AsyncGenerator[bytes, None]:
        """Yield its first bytes."""
        while size:
            chunk = await self._next()
            if not chunk:
                return
            self._over = chunk[size:]
            yield chunk[:size]
            size -= min(size, len(chunk))

    async def more(self) -> bool:
        """Say whether bytes are left."""
        self._over = await self._next()
        return bool(self._over)

    async def rest(self) -> AsyncGenerator[bytes, None]:
        """Yield what is left."""
        while chunk := await self._next():
            yield chunk

    async def drop(self, most: int) -> None:
        """Read what is left, of at most so many bytes, and drop it. Raise TooLarge, IdleBody."""
        while True:
            try:
                async with asyncio.timeout(IDLE_SECONDS):
                    chunk = await self._next()
            except TimeoutError as error:
                raise IdleBody("The body stopped coming; everything is there.") from error
            if not chunk:
                return
            most -= len(chunk)
            if most < 0:
                raise TooLarge("The body goes past the end of the file.")

    async def _next(self) -> bytes:
        chunk, self._over = self._over, b""
        while not chunk:
            try:
                chunk = await anext(self._chunks)
            except StopAsyncIteration:
                return b""
        return chunk
