"""What viewers tell the server: that they are there, and how playback goes. Over a socket, or by POST."""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import AsyncIterator, Mapping
from typing import Any

from aiohttp import hdrs, web

from streamer.allowance import Allowance
from streamer.beacons import Beacons, readable
from streamer.channel import Channels
from streamer.errors import InvalidRequest
from streamer.presence import ROUND_SECONDS, Presence
from streamer.problems import Problem
from streamer.session import json_body
from streamer.throttle import Monotonic

_CHANNEL = re.compile(r"(asset|stream):[\w-]{1,64}", re.ASCII)
_CLIENT = re.compile(r"[\w-]{8,64}", re.ASCII)
_BODY_MAX = 4 << 10
_A_SECOND, _SAVED = 1000, 5000  # of all clients together: the addresses behind a proxy are one
_log = logging.getLogger(__name__)


class Audience:
    """Handlers of /control/presence and /control/beacon, and of the messages of the same names."""

    def __init__(
        self,
        channels: Channels,
        presence: Presence,
        beacons: Beacons,
        *,
        clock: Monotonic = time.monotonic,
    ) -> None:
        """Take the channels there are, and what counts."""
        self._channels = channels
        self._clock = clock
        self._presence = presence
        self._beacons = beacons
        self._allowance = Allowance(_A_SECOND, saved=_SAVED, now=clock())

    def routes(self) -> list[web.RouteDef]:
        """Return the routes."""
        return [
            web.post("/control/presence", self.post_presence, name="control-presence"),
            web.post("/control/beacon", self.post_beacon, name="control-beacon"),
        ]

    @property
    def viewers(self) -> int:
        """How many are counted by this server."""
        return self._presence.viewers

    async def telling(self, _app: web.Application) -> AsyncIterator[None]:
        """Tell numbers for as long as the application runs; for its `cleanup_ctx`."""
        task = asyncio.create_task(self._forever(), name="viewers")
        yield
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    def watching(self, channel: str, who: object) -> None:
        """Count the client of a socket that listens to the channel."""
        if _CHANNEL.fullmatch(channel):
            self._presence.seen(channel, who)

    def left(self, who: object, channel: str | None = None) -> None:
        """Count the client of a socket no more, on one channel or on all."""
        self._presence.left(who, channel)

    def played(self, cmcd: Any) -> None:
        """Take the beacon of a socket's client, unless all tell too much. Raise InvalidRequest."""
        if self._allowance.spend(1, now=self._clock()):
            self._add(cmcd)

    def _add(self, cmcd: Any) -> None:
        if not readable(cmcd):
            raise InvalidRequest("`cmcd` is an object of keys and values.")
        self._beacons.heard(cmcd)

    async def post_presence(self, request: web.Request) -> web.Response:
        """Count a client for a while."""
        told = await self._told(request)
        await self._exists(told["channel"])
        self._presence.seen(told["channel"], told["client"])
        return web.Response(status=204)

    async def post_beacon(self, request: web.Request) -> web.Response:
        """Add up what a client tells."""
        told = await self._told(request)
        self._add(told.get("cmcd"))
        return web.Response(status=204)

    async def _told(self, request: web.Request) -> Mapping[str, Any]:
        """Return a body with its channel and client. Raise Problem and InvalidRequest."""
        if not self._allowance.spend(1, now=self._clock()):
            wait = {str(hdrs.RETRY_AFTER): "15"}
            raise Problem("too-many-requests", "Too many tell something at once", 429, headers=wait)
        if (request.content_length or 0) > _BODY_MAX:
            raise Problem("too-large", "Too large", 413, f"The body has {_BODY_MAX} bytes at most.")
        told = await json_body(request)
        for name, pattern in (("channel", _CHANNEL), ("client", _CLIENT)):
            value = told.get(name)
            if not isinstance(value, str) or not pattern.fullmatch(value):
                raise InvalidRequest(f"`{name}` is missing or none.")
        return told

    async def _exists(self, channel: str) -> None:
        """Raise NoSuchChannel. A channel where somebody is known to be is not asked for again."""
        if not self._presence.counts(channel):
            (await self._channels.subscribe(channel)).close()

    async def _forever(self) -> None:
        while True:
            await asyncio.sleep(ROUND_SECONDS)
            try:
                self._presence.round()
            except Exception:  # noqa: BLE001 - one round that fails must not be the last
                _log.exception("telling how many watch failed; trying again")
