"""A bound on the bytes that are in memory at one time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Window:
    """Lets in so many bytes; what is larger than all of it goes alone."""

    def __init__(self, most: int) -> None:
        """Take the bound in bytes."""
        self._most = most
        self._used = 0
        self._left = asyncio.Event()

    @asynccontextmanager
    async def room(self, size: int) -> AsyncIterator[None]:
        """Hold room for so many bytes while the block runs; wait until there is."""
        while self._used and self._used + size > self._most:
            self._left.clear()
            await self._left.wait()
        self._used += size
        try:
            yield
        finally:
            self._used -= size
            self._left.set()
