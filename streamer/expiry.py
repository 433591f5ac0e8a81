"""A connection's token comes to its end: who has opened it is told before, and then it ends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from streamer.rows import Clock
from streamer.tokens import Token
from streamer.vocabulary.connections import TokenExpiring

AHEAD_SECONDS = 60


class Expiry:
    """Warns before a token expires, and ends at that moment; one that never expires does neither."""

    def __init__(
        self,
        token: Token | None,
        *,
        warn: Callable[[TokenExpiring], None],
        end: Callable[[], None],
        clock: Clock,
    ) -> None:
        """Begin to wait; `clock` is the wall clock that tokens live by."""
        self._timers: list[asyncio.TimerHandle] = []
        if token is None or token.expires is None:
            return
        left = max(0.0, (token.expires - clock()) / 1000)
        ahead = min(left, AHEAD_SECONDS)
        loop = asyncio.get_running_loop()
        told = TokenExpiring(seconds=int(ahead))
        self._timers = [loop.call_later(left - ahead, warn, told), loop.call_later(left, end)]

    def cancel(self) -> None:
        """Wait no longer."""
        for timer in self._timers:
            timer.cancel()
