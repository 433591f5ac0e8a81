"""The time for DASH players, which count segments by it (ISO/IEC 23009-1 §5.8.5.7, http-iso)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

from aiohttp import web

from packager.live_dash import CLOCK_PATH
from streamer.answers import OPEN


class Clock:
    """Tells the server's time to everybody; `clock` is milliseconds since the epoch."""

    def __init__(self, clock: Callable[[], int]) -> None:
        self._clock = clock

    def routes(self) -> Sequence[web.RouteDef]:
        """Return the route to add to an application."""
        return [web.get(CLOCK_PATH, self.handle, name="time")]

    async def handle(self, request: web.Request) -> web.Response:  # noqa: ARG002
        """Answer with the time to the millisecond, never from a cache."""
        now = self._clock()
        moment = datetime.fromtimestamp(now // 1000, UTC) + timedelta(milliseconds=now % 1000)
        text = moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return web.Response(text=text, headers={**OPEN, "Cache-Control": "no-store"})
