"""Pushed frames of another server's broadcast: one socket to there, and everybody who watches here."""

from __future__ import annotations

import asyncio
import logging

import aiohttp

from packager.cutter import Cutter
from packager.errors import BadBoxes
from streamer.live.push import Fan, Viewer
from streamer.relay.upstream import PeerGone, PeerRefuses, Upstream

_log = logging.getLogger(__name__)


class Pushed:
    """One rendition of one broadcast, for as long as the other server sends it and somebody watches.

    It is what a Push is, with one rendition, once `ready` says so.
    """

    def __init__(self, upstream: Upstream, url: str, *, most: int = 500) -> None:
        """Take the address of the socket, and how many viewers there may be."""
        self._upstream = upstream
        self._url = url
        self._most = most
        self._fan: Fan | None = None
        self._gone: PeerGone | None = None
        self._waiting = 0
        self._there = asyncio.Event()
        self.task = asyncio.create_task(self._run(), name="relayed frames")

    @property
    def room(self) -> bool:
        """Say whether one more viewer may join."""
        return self._fan is not None and self._fan.viewers < self._most

    def knows(self, rendition: str) -> bool:  # noqa: ARG002 - it has one
        """Say whether frames come."""
        return self._fan is not None

    async def ready(self) -> bool:
        """Wait until frames come; False where there are none. Raise PeerGone."""
        self._waiting += 1
        try:
            await self._there.wait()
            if self._gone is not None:
                raise self._gone
            return self._fan is not None
        finally:
            self._waiting -= 1
            self._unwatched()

    def join(self, rendition: str, viewer: Viewer) -> None:
        """Let a viewer in. Raise KeyError where nothing is pushed any more."""
        if self._fan is None:
            raise KeyError(rendition)
        self._fan.join(viewer)

    def leave(self, rendition: str, viewer: Viewer) -> None:  # noqa: ARG002
        """Let a viewer go."""
        if self._fan is not None:
            self._fan.leave(viewer)
        self._unwatched()

    def _unwatched(self) -> None:
        """End it in a moment where nobody has joined by then."""
        asyncio.get_running_loop().call_later(1, self._end_unwatched)

    def _end_unwatched(self) -> None:
        if not self._waiting and not (self._fan and self._fan.viewers):
            self.task.cancel()

    async def _run(self) -> None:
        try:
            async with self._upstream.socket(self._url) as socket:
                await self._receive(socket)
        except PeerGone as error:
            self._gone = error
        except PeerRefuses:
            _log.debug("nothing is pushed under %s", self._url)
        except BadBoxes as error:
            _log.warning("frames of another server make no sense: %s", error.message)
        finally:
            fan, self._fan = self._fan, None
            self._there.set()
            if fan is not None:
                fan.over()

    async def _receive(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        """Take the init, and then fragments of one frame each. Raise BadBoxes."""
        cutter = Cutter()
        async for message in socket:
            if message.type is not aiohttp.WSMsgType.BINARY:
                return
            body: bytes = message.data
            samples = list(cutter.feed(body))
            if self._fan is None:
                self._fan = Fan(body, sound=b"soun" in body)  # the handler's type (ISO/IEC 14496-12 §8.4.3)
                self._there.set()
            elif samples:
                self._fan.send(body, sync=samples[0].sync)
