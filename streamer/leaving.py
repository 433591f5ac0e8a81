"""A server that is about to stop: it says so, and answers what it has been asked."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from aiohttp import web

from streamer.files import closing_key
from streamer.problems import Handler

_ENDLESS = frozenset({"control", "control-sse", "control-poll", "publish"})
"""Routes whose answers go on until somebody ends them."""


class Leaving:
    """Whether this server is about to stop. From `begin` on each answer is the last one of its connection."""

    def __init__(self) -> None:
        self.begun = False
        self._open = 0
        self._answered = asyncio.Event()

    def begin(self) -> None:
        """Say from now on that the server is about to stop."""
        self.begun = True

    async def quiet(self, seconds: float) -> bool:
        """Wait until every request is answered, for so long at most; say whether they are."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self._open:
                    self._answered.clear()
                    await self._answered.wait()
        return not self._open

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Count a request while it is answered."""
        if request.match_info.route.name in _ENDLESS:
            return await handler(request)
        request[closing_key] = self
        self._open += 1
        try:
            response = await handler(request)
        finally:
            self._open -= 1
            self._answered.set()
        if self.begun and not response.prepared:
            response.force_close()
        return response
