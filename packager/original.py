"""The bytes of a source, which may still be on their way."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Protocol

from packager.errors import PackagingError


class SourceCut(PackagingError):
    """Bytes of the source that its tables name are not there."""

    code = "source-cut"


class SourceIncomplete(PackagingError):
    """A source that can only be read as a whole file is still on its way."""

    code = "source-incomplete"


class Original(Protocol):
    """What a Run reads."""

    async def file(self) -> Path:
        """Return a file of this machine, brought here where the source lies elsewhere; for what needs one.

        It has holes while bytes are missing. Raise SourceCut.
        """

    @property
    def received(self) -> int:
        """Return how many bytes from the first one on are there, without a hole, and durable."""

    @property
    def whole(self) -> bool:
        """Say whether all bytes are there."""

    async def read(self, start: int, stop: int) -> bytes:
        """Return bytes start to stop (excluded). Raise SourceCut where they are not there."""

    async def grown(self, beyond: int) -> None:
        """Wait until more than `beyond` bytes are received, or all there will be."""


async def arrived(original: Original, reach: int | None = None) -> None:
    """Wait until the first `reach` bytes of a source are there, or it is whole."""
    while not original.whole and (reach is None or original.received < reach):
        await original.grown(original.received)


class WholeFile:
    """A source that is a whole file of this machine."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.received = path.stat().st_size
        self.whole = True

    async def file(self) -> Path:
        """Return the file."""
        return self.path

    async def read(self, start: int, stop: int) -> bytes:
        """Return bytes start to stop (excluded). Raise SourceCut where they are not there."""
        return await asyncio.to_thread(read_span, self.path, start, stop)

    async def grown(self, beyond: int) -> None:
        """Return at once: there is no more to come."""


def read_span(path: Path, start: int, stop: int) -> bytes:
    """Return bytes start to stop (excluded) of a file. Raise SourceCut where they are not there."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            body = os.pread(descriptor, stop - start, start)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise SourceCut("The source cannot be read.", evidence=repr(error)) from error
    if len(body) != stop - start:
        raise SourceCut(
            "The source has been cut.", evidence=f"{len(body)} bytes at {start} of {stop - start}"
        )
    return body
