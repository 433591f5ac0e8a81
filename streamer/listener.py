"""One control socket: its subscriptions, written as fast as the socket takes and no faster."""

from __future__ import annotations

import asyncio
import json
import logging
import random
from collections.abc import Awaitable, Callable, Mapping
from enum import IntEnum
from typing import Any

from streamer.access import Principal
from streamer.errors import FellBehind
from streamer.events import text_frame
from streamer.frames import Message, Opcode, frame
from streamer.subscription import Subscription
from streamer.vigil import Watch
from streamer.websocket import WebSocket

log = logging.getLogger(__name__)

_HELPING = 8  # events of one subscription before the next has its turn
_PING = frame(b"", opcode=Opcode.PING)


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
    TOO_FAST = 4429


class Listener:
    """One socket. Events are written when they happen, unless the peer has left too many untaken."""

    __slots__ = (
        "_gone",
        "_hear",
        "_hearing",
        "_held_up",
        "_misses",
        "_ping_seconds",
        "_socket",
        "_stall",
        "_stall_seconds",
        "_timer",
        "peer",
        "principal",
        "subscriptions",
        "watch",
    )

    _socket: WebSocket

    def __init__(
        self,
        principal: Principal,
        hear: Callable[[Listener, Message], Awaitable[None]],
        gone: Callable[[Listener], None],
        *,
        peer: str = "",
        stall_seconds: float,
        ping_seconds: float,
    ) -> None:
        """Take whose socket it is and from where, and who hears its messages and its end; `open` comes next.

        The socket may be held up for `stall_seconds` and is pinged every `ping_seconds`.
        """
        self.principal = principal
        self.peer = peer
        self.watch: Watch | None = None
        self.subscriptions: dict[str, Subscription] = {}
        self._hear = hear
        self._gone = gone
        self._stall_seconds = stall_seconds
        self._ping_seconds = ping_seconds
        self._misses = 0
        self._held_up = False
        self._stall: asyncio.TimerHandle | None = None
        self._hearing: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    def open(self, socket: WebSocket) -> None:
        """Take the socket."""
        self._socket = socket
        first = self._ping_seconds * random.random()  # noqa: S311 - who came together is not pinged together
        self._timer = asyncio.get_running_loop().call_later(first, self._beat)

    @property
    def hearing(self) -> asyncio.Task[None] | None:
        """The task that hears messages, while there are any."""
        return self._hearing

    def tell(self, message: Mapping[str, Any]) -> None:
        """Write one message of the protocol."""
        text = json.dumps(message, separators=(",", ":"), ensure_ascii=False).encode()
        self._socket.write(text_frame(text, deflated=self._socket.deflates))

    def wake(self) -> None:
        """Write what the subscriptions have. Never waits and never raises: publishers call this."""
        try:
            while not self._held_up and self._take():
                pass
        except FellBehind:
            self.close(Close.FELL_BEHIND, "too far behind")
        except Exception:
            log.exception("writing to a control socket failed")
            self.close(Close.FAILED)

    def close(self, code: int, reason: str = "") -> None:
        """Say why and close; a peer that does not listen any more is cut off."""
        self._socket.close(code, reason)

    def heard(self) -> None:
        """Have the messages heard that wait, one after another."""
        if self._hearing is None:
            self._hearing = asyncio.create_task(self._listen())

    def held_up(self) -> None:
        """Write no more; whoever takes nothing for long is let go."""
        self._held_up = True
        self._stall = asyncio.get_running_loop().call_later(self._stall_seconds, self._stalled)

    def drained(self) -> None:
        """Go on."""
        self._held_up = False
        if self._stall is not None:
            self._stall.cancel()
        self.wake()

    def lost(self) -> None:
        """Give up the subscriptions and what is being heard."""
        for timer in (self._timer, self._stall, self.watch):
            if timer is not None:
                timer.cancel()
        for subscription in self.subscriptions.values():
            subscription.close()
        self.subscriptions.clear()
        if self._hearing is not None:
            self._hearing.cancel()
        self._gone(self)

    async def _listen(self) -> None:
        try:
            while (message := self._socket.take()) is not None:
                self._misses = 0
                if message.opcode is not Opcode.PONG:
                    await self._hear(self, message)
        except Exception:
            log.exception("hearing a control socket failed")
            self.close(Close.FAILED)
        finally:
            self._hearing = None

    def _beat(self) -> None:
        """Ping, and again and again; whoever leaves two pings unanswered is taken for gone."""
        if self._misses >= 2:
            self.close(Close.SILENT, "no sign of life")
            return
        self._misses += 1
        self._socket.write(_PING)
        self._timer = asyncio.get_running_loop().call_later(self._ping_seconds, self._beat)

    def _stalled(self) -> None:
        self.close(Close.FELL_BEHIND, "too far behind")

    def _take(self) -> bool:
        """Write a helping of every subscription until the peer is held up; say whether there may be more."""
        socket, more = self._socket, False
        deflated = socket.deflates
        for subscription in self.subscriptions.values():
            for event in subscription.take(_HELPING):
                socket.write(event.frames.get(deflated=deflated))
            if subscription.more:
                more = True
            if self._held_up:
                break
        return more
