"""Ends connections with the tokens that they are open by, expired or revoked."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable

from streamer.errors import CatalogAway
from streamer.playback_keys import PlaybackKeys
from streamer.playback_tokens import Pass
from streamer.rows import Clock, wall_clock
from streamer.tokens import Token, Tokens
from streamer.vocabulary.connections import TokenExpiring

AHEAD_SECONDS = 60
LOOK_SECONDS = 10

Held = Token | Pass
"""What opens a connection. Its id is its own, or that of the key that it was signed with."""

_log = logging.getLogger(__name__)


class Vigil:
    """Watches the tokens that connections are open by. Run `forever` as a task to notice revoked ones."""

    def __init__(self, tokens: Tokens, keys: PlaybackKeys, *, clock: Clock = wall_clock) -> None:
        """Take the tokens, the keys of playback tokens, and the wall clock that they live by."""
        self._tokens = tokens
        self._keys = keys
        self._clock = clock
        self._watches: defaultdict[str, set[Watch]] = defaultdict(set)

    def watch(self, token: Held, *, warn: Callable[[TokenExpiring], None], end: Callable[[], None]) -> Watch:
        """Watch a token until `cancel`: `warn` before it expires, `end` when it does or is revoked."""
        watch = Watch(end, gone=lambda: self._forget(token.id, watch))
        self._watches[token.id].add(watch)
        if token.expires is not None:
            left = max(0.0, (token.expires - self._clock()) / 1000)
            ahead = min(left, AHEAD_SECONDS)
            watch.after(left - ahead, lambda: warn(TokenExpiring(seconds=int(ahead))))
            watch.after(left, end)
        return watch

    async def forever(self) -> None:
        """Look at the tokens now and then, until cancelled."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                await self.look()
            except CatalogAway:
                _log.debug("tokens cannot be looked at: the database is away")
            except Exception:  # noqa: BLE001 - a look that fails must not be the last
                _log.exception("tokens could not be looked at; trying again")

    async def look(self) -> None:
        """End the connections whose tokens are no longer valid."""
        watched = tuple(self._watches)
        if not watched:
            return
        valid = await self._tokens.valid(watched) | (await self._keys.ring()).keys.keys()
        for token in watched:
            if token not in valid:
                for watch in tuple(self._watches.get(token, ())):
                    watch.end()

    def _forget(self, token: str, watch: Watch) -> None:
        self._watches[token].discard(watch)
        if not self._watches[token]:
            del self._watches[token]


class Watch:
    """One connection's token being watched."""

    __slots__ = ("_gone", "_timers", "end")

    def __init__(self, end: Callable[[], None], *, gone: Callable[[], None]) -> None:
        """Take what ends the connection, and who is told when this is over."""
        self.end = end
        self._gone = gone
        self._timers: list[asyncio.TimerHandle] = []

    def after(self, seconds: float, call: Callable[[], None]) -> None:
        """Call back after so long, unless this is over by then."""
        self._timers.append(asyncio.get_running_loop().call_later(seconds, call))

    def cancel(self) -> None:
        """Watch no longer; for once."""
        for timer in self._timers:
            timer.cancel()
        self._gone()
