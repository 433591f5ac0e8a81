"""One control socket: its subscriptions, written as fast as the socket takes and no faster."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Coroutine, Mapping
from contextlib import suppress
from enum import IntEnum
from typing import Any

from aiohttp import web

from streamer.access import Principal, principal_key
from streamer.errors import FellBehind
from streamer.events import text_frame
from streamer.subscription import Subscription

log = logging.getLogger(__name__)

BUFFER_MAX = 256 << 10
_HELPING = 32  # events of one subscription before the next has its turn
_POLL_SECONDS = 0.05  # how often a full buffer is looked at
_CLOSE_SECONDS = 2
_PING = b"\x89\x00"  # RFC 6455 section 5.5.2, without a payload


class Close(IntEnum):
    """Why the server closes: 40xx means come back, 44xx go away. Some are for publishers only."""

    FELL_BEHIND = 4000
    SERVER_STOPS = 4001
    SILENT = 4002
    BUSY = 4003
    FAILED = 4004
    BAD_MESSAGE = 4400
    FORBIDDEN = 4403
    NOT_FOUND = 4404
    TAKEN_OVER = 4409
    ENDED = 4410
    BAD_MEDIA = 4415


class Listener:
    """One socket. Events are written when they happen; a task paces what the socket does not take at once."""

    def __init__(
        self,
        socket: web.WebSocketResponse,
        request: web.Request,
        *,
        stall_seconds: float,
        ping_seconds: float,
    ) -> None:
        """Take the open socket, how long it may take nothing, and how often it is pinged."""
        self.socket = socket
        self.principal: Principal = request[principal_key]
        self.subscriptions: dict[str, Subscription] = {}
        self._transport = request.transport
        self._stall_seconds = stall_seconds
        self._ping_seconds = ping_seconds
        self._misses = 0
        self._closing = False
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None

    def beat(self) -> None:
        """Ping, and again and again; whoever leaves two pings unanswered is taken for gone."""
        if self._misses >= 2:
            self._start(self.close(Close.SILENT, "no sign of life"))
            return
        self._misses += 1
        self._write(_PING)
        self._timer = asyncio.get_running_loop().call_later(self._ping_seconds, self.beat)

    def alive(self) -> None:
        """Note that the peer has sent something."""
        self._misses = 0

    def tell(self, message: Mapping[str, Any]) -> None:
        """Write one message of the protocol."""
        self._write(text_frame(json.dumps(message, separators=(",", ":"), ensure_ascii=False).encode()))

    def wake(self) -> None:
        """Write what the subscriptions have. Never waits and never raises: publishers call this."""
        if self._task is not None and not self._task.done():
            return
        try:
            while self._take():
                if self._full():
                    self._start(self._pace())
                    return
        except Exception:  # noqa: BLE001 - the task meets it again, and may wait while it closes the socket
            self._start(self._pace())

    async def close(self, code: Close, reason: str = "") -> None:
        """Say why and close; a peer that does not listen any more is cut off."""
        if self._closing:
            return
        self._closing = True
        with suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_SECONDS):
                await self.socket.close(code=code, message=reason.encode()[:120], drain=False)
        if self._transport is not None and self._transport.get_write_buffer_size() > 0:
            self._transport.abort()

    async def release(self) -> None:
        """Give up the subscriptions and the task; a close under way is completed."""
        if self._timer is not None:
            self._timer.cancel()
        for subscription in self.subscriptions.values():
            subscription.close()
        self.subscriptions.clear()
        if self._task is None:
            return
        if not self._closing:
            self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        if self._task is not None and not self._task.done():
            work.close()  # a socket that is being paced closes by itself if it takes nothing
            return
        self._task = asyncio.create_task(work)

    async def _pace(self) -> None:
        try:
            await self._drain()
            while self._take():
                await self._drain()
        except (FellBehind, TimeoutError):
            await self.close(Close.FELL_BEHIND, "too far behind")
        except Exception:
            log.exception("writing to a control socket failed")
            await self.close(Close.SERVER_STOPS)

    def _take(self) -> bool:
        """Write a helping of every subscription until the buffer is full; say whether there was any."""
        some = False
        for subscription in list(self.subscriptions.values()):
            for event in subscription.take(limit=_HELPING):
                self._write(event.frame)
                some = True
            if some and self._full():
                break
        return some

    def _write(self, frame: bytes) -> None:
        # Whole frames only: aiohttp writes its own pongs and closes to the same transport.
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(frame)

    def _full(self) -> bool:
        return self._transport is not None and self._transport.get_write_buffer_size() > BUFFER_MAX

    async def _drain(self) -> None:
        transport = self._transport
        if transport is None or not self._full():
            return
        async with asyncio.timeout(self._stall_seconds):
            # Only a transport's protocol is told when it drains, and that is aiohttp's.
            while not transport.is_closing() and transport.get_write_buffer_size() > BUFFER_MAX // 2:  # noqa: ASYNC110
                await asyncio.sleep(_POLL_SECONDS)
