"""A bounded part of a disk that holds copies of objects: what was used longest ago makes way."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import secrets
import shutil
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from pathlib import Path

from packager.blocking import blocking
from packager.store import Stat

_TMP = ".tmp"
_LABEL = "user.tier"
_REST_SECONDS = 10
_log = logging.getLogger(__name__)


class Tier:
    """Copies of objects as files under `root`, at most `most` bytes of them; file work runs in `executor`.

    Nothing in it is durable, and nothing has to be: a copy counts only while its label is true, so what a
    crash has cut short is gone at the next `open`. Where the file system keeps no labels every start is with
    an empty tier. Files that are being sent keep their room until they are closed.
    """

    def __init__(
        self,
        root: Path,
        *,
        most: int,
        executor: Executor | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._root = root
        self._most = most
        self._executor = executor
        self._now = clock
        self._held: OrderedDict[str, Stat] = OrderedDict()
        self._used = 0
        self._resting = 0.0
        self._writing = asyncio.Lock()

    @property
    def used(self) -> int:
        """Return how many bytes it holds."""
        return self._used

    async def open(self) -> None:
        """Find what an earlier life has left, and remove what is not whole or too much."""
        for stat in await blocking(self._executor, self._scan):
            self._note(stat)
        async with self._writing:
            await self._make_room(0)

    def get(self, key: str) -> Stat | None:
        """Return what is known of a copy, which is the one used last from now on; None without one."""
        stat = self._held.get(key)
        if stat is not None:
            self._held.move_to_end(key)
        return stat

    def path(self, key: str) -> Path:
        """Return the file of a copy."""
        return self._root / key

    def takes(self, size: int) -> bool:
        """Say whether an object of this size is copied now.

        One may not push out all others, and a disk that has failed is left alone for a while.
        """
        return size <= self._most // 4 and self._now() >= self._resting

    async def read(self, key: str, start: int, stop: int | None) -> bytes | None:
        """Return bytes start to stop (excluded; None is the end) of a copy, None where it has gone."""
        return await blocking(self._executor, _read, self.path(key), start, stop)

    async def fill(self, stat: Stat, body: bytes, *, wanted: set[object], by: object) -> None:
        """Keep a copy, as long as whoever wants that (`by`) is still among those whose wish is `wanted`.

        A disk that is full or fails costs the copy and nothing else.
        """
        async with self._writing:
            if by not in wanted or stat.key in self._held or not self.takes(stat.size):
                return
            await self._make_room(stat.size)
            try:
                await blocking(self._executor, self._write, stat, body)
            except asyncio.CancelledError:  # it was written all the same
                await self._unlink([stat.key])
                raise
            except OSError as error:
                _log.warning("no copy of %s is kept: %s", stat.key, error)
                self._resting = self._now() + _REST_SECONDS
                return
            if by in wanted:
                self._note(stat)
            else:
                await self._unlink([stat.key])

    async def drop(self, key: str) -> None:
        """Forget a copy at once, and remove its file."""
        await self._drop([key] if key in self._held else [])

    async def drop_under(self, prefix: str) -> None:
        """Forget all copies whose key begins with the prefix, and remove their files."""
        await self._drop([key for key in self._held if key.startswith(prefix)])

    async def _drop(self, keys: list[str]) -> None:
        for key in keys:
            self._used -= self._held.pop(key).size
        if keys:
            async with self._writing:
                await self._unlink([key for key in keys if key not in self._held])

    async def _make_room(self, size: int) -> None:
        doomed = []
        while self._held and self._used + size > self._most:
            key, stat = self._held.popitem(last=False)
            self._used -= stat.size
            doomed.append(key)
        await self._unlink(doomed)

    def _note(self, stat: Stat) -> None:
        self._held[stat.key] = stat
        self._used += stat.size

    async def _unlink(self, keys: list[str]) -> None:
        if keys:
            await blocking(self._executor, self._remove, keys)

    def _remove(self, keys: list[str]) -> None:
        for key in keys:
            with contextlib.suppress(OSError):
                self.path(key).unlink()
                for folder in Path(key).parents[:-1]:  # as far up as they are empty
                    (self._root / folder).rmdir()

    def _write(self, stat: Stat, body: bytes) -> None:
        temporary = self._root / _TMP / secrets.token_hex(16)
        target = self.path(stat.key)
        try:
            with temporary.open("xb") as file:
                file.write(body)
                with contextlib.suppress(OSError):
                    os.setxattr(file.fileno(), _LABEL, f"{stat.etag} {stat.size}".encode())
            target.parent.mkdir(parents=True, exist_ok=True)
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)

    def _scan(self) -> list[Stat]:
        """Return what is whole, the oldest first, and remove the rest."""
        shutil.rmtree(self._root / _TMP, ignore_errors=True)
        (self._root / _TMP).mkdir(parents=True)
        found = []
        for path in self._files():
            state = path.stat()
            label = _label(path)
            if label is not None and label[1] == state.st_size:
                key = path.relative_to(self._root).as_posix()
                found.append((state.st_mtime_ns, Stat(key=key, size=label[1], etag=label[0])))
            else:
                path.unlink()
        return [stat for _, stat in sorted(found, key=lambda one: one[0])]

    def _files(self) -> Iterator[Path]:
        for folder, folders, names in os.walk(self._root):
            folders[:] = [name for name in folders if not name.startswith(".")]
            yield from (Path(folder) / name for name in names)


def _label(path: Path) -> tuple[str, int] | None:
    """Return hash and size that a file was written with, None where that cannot be told."""
    try:
        etag, size = os.getxattr(path, _LABEL).decode().split(" ")
        return etag, int(size)
    except (OSError, ValueError):
        return None


def _read(path: Path, start: int, stop: int | None) -> bytes | None:
    try:
        with path.open("rb") as file:
            file.seek(start)
            return file.read() if stop is None else file.read(max(0, stop - start))
    except OSError:
        return None
