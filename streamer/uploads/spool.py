"""Copies of sources on this machine, for what can only read a file: bounded, those used last stay."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from weakref import WeakValueDictionary

from streamer.uploads.upload import IDENTITY

_SPARED_SECONDS = 3600
"""What was used so recently stays: a child may be about to open it."""


class Spool:
    """Files by the ids of uploads under `root`, which belongs to one process; at most `most` bytes of them.

    What is in hand, and what was used in the last hour, is kept beyond that. Nothing in it outlives the
    process: `open` removes what is there.
    """

    def __init__(self, root: Path, *, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.root = root
        self._most = most
        self._clock = clock
        self._used: dict[str, float] = {}
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def open(self) -> None:
        """Make the folder, and empty it."""
        self.root.mkdir(parents=True, exist_ok=True)
        for left in self.root.iterdir():
            left.unlink()

    def path(self, upload_id: str) -> Path | None:
        """Return the file of a whole source, None where there is none here."""
        if upload_id not in self._used:
            return None
        self._used[upload_id] = self._clock()
        return self.root / upload_id

    async def brought(self, upload_id: str, write_to: Callable[[Path], Awaitable[None]]) -> Path:
        """Return the file of a source, which `write_to` makes where there is none; raise what that raises."""
        async with self._turns.setdefault(upload_id, asyncio.Lock()):
            there = self.path(upload_id)
            if there is None:
                coming = self.root / f"{upload_id}.coming"
                try:
                    await asyncio.to_thread(self.root.mkdir, parents=True, exist_ok=True)
                    await write_to(coming)
                    await asyncio.to_thread(coming.replace, self.root / upload_id)
                except BaseException:
                    coming.unlink(missing_ok=True)
                    raise
                self.take(upload_id)
                await asyncio.to_thread(self.shrink)
        return self.root / upload_id

    def take(self, upload_id: str) -> None:
        """Count a file that is whole as one that may be removed."""
        self._used[upload_id] = self._clock()

    def drop(self, upload_id: str) -> None:
        """Forget a file, which is not there any more or is written to again."""
        self._used.pop(upload_id, None)

    def shrink(self) -> None:
        """Remove what was used longest ago, until no more is left than there may be."""
        sizes = {name: _size(self.root / name) for name in self._used if IDENTITY.fullmatch(name)}
        total = sum(sizes.values())
        for name, used in sorted(self._used.items(), key=lambda one: one[1]):
            if total <= self._most or used > self._clock() - _SPARED_SECONDS:
                return
            del self._used[name]
            total -= sizes.get(name, 0)
            with contextlib.suppress(OSError):
                (self.root / name).unlink()


def _size(path: Path) -> int:
    try:
        return path.stat().st_blocks * 512
    except OSError:
        return 0
