"""The pictures that streams show while nobody publishes: the built-in one, or an owner's own."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Final, Literal

from packager import live_recipe
from packager.child import Command
from packager.errors import ChildFailed, KeyMissing, StoreFailed
from packager.process import Spawner
from packager.sandbox import Limits
from packager.store import Store
from streamer.errors import InvalidRequest

MOST_BYTES: Final = 4 << 20

_BUILT_IN = Path(__file__).parent / "slate.png"
_KEPT_MOST = 16 << 20
_LIMITS = Limits(memory=1 << 30, cpu_seconds=10, wall_seconds=30)
_log = logging.getLogger(__name__)
_CODECS: dict[bytes, Literal["png", "mjpeg"]] = {b"\x89PNG\r\n\x1a\n": "png", b"\xff\xd8\xff": "mjpeg"}


class Slates:
    """Keeps a PNG of at most 1920×1080 for each stream that has one of its own, as a file of its folder.

    Where media are in a bucket, that is the `far` store, they are there instead, under `slates/`.
    """

    def __init__(self, folder: Path, spawner: Spawner, *, far: Store | None = None) -> None:
        self._folder = folder
        self._spawner = spawner
        self._far = far

    async def put(self, stream: str, body: bytes) -> None:
        """Keep a PNG or JPEG as the stream's. Raise InvalidRequest where it is none that can be shown."""
        codec = next((codec for magic, codec in _CODECS.items() if body.startswith(magic)), None)
        if codec is None:
            raise InvalidRequest("A slate is a PNG or a JPEG.")
        try:
            picture = await self._decoded(body, codec)
        except ChildFailed as error:
            raise InvalidRequest("The picture cannot be read, or is larger than can be shown.") from error
        if self._far is not None:
            await self._far.replace(_key(stream), picture)
        else:
            await asyncio.to_thread(_write, self._path(stream), picture)

    async def drop(self, stream: str) -> None:
        """Have the stream show the built-in picture again."""
        if self._far is not None:
            await self._far.delete(_key(stream))
        else:
            await asyncio.to_thread(self._path(stream).unlink, missing_ok=True)

    async def of(self, stream: str) -> bytes:
        """Return the PNG of a stream, the built-in one where its own cannot be read."""
        if self._far is not None:
            try:
                return await self._far.get(_key(stream))
            except KeyMissing:
                return await asyncio.to_thread(_BUILT_IN.read_bytes)
            except StoreFailed as error:
                _log.warning("stream %s shows the built-in slate: %s", stream, error.evidence)
                return await asyncio.to_thread(_BUILT_IN.read_bytes)
        return await asyncio.to_thread(_read, self._path(stream))

    async def _decoded(self, body: bytes, codec: Literal["png", "mjpeg"]) -> bytes:
        """Return the picture as a PNG that is ours. Raise ChildFailed."""
        argv = live_recipe.still(self._spawner.ffmpeg, codec)
        command = Command(argv=argv, outputs=1, limits=_LIMITS, stdin=_once(body))
        made = b""
        async with await self._spawner.start(command) as child:
            while data := await child.outputs[0].read(1 << 18):
                made += data
                if len(made) > _KEPT_MOST:
                    raise ChildFailed("the picture is too large")
            await child.wait()
        if not made:
            raise ChildFailed("there is no picture")
        return made

    def _path(self, stream: str) -> Path:
        return self._folder / f"{stream}.png"


def _key(stream: str) -> str:
    return f"slates/{stream}.png"


async def _once(body: bytes) -> AsyncIterator[bytes]:
    yield body


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return _BUILT_IN.read_bytes()


def _write(path: Path, body: bytes) -> None:
    """Put a file in place of the one before, whole or not at all."""
    path.parent.mkdir(exist_ok=True)
    with NamedTemporaryFile(dir=path.parent, suffix=".new", delete=False) as file:
        try:
            file.write(body)
            file.flush()
            os.fsync(file.fileno())
            Path(file.name).replace(path)
        except OSError:
            Path(file.name).unlink(missing_ok=True)
            raise
