"""Wrong tokens, counted for each peer: after too many the peer has to wait."""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Callable

Monotonic = Callable[[], float]
"""Seconds that only grow."""


class Throttle:
    """Allows `attempts` failures in `window_seconds` for each peer; remembers a bounded number of peers."""

    def __init__(
        self,
        *,
        attempts: int = 20,
        window_seconds: int = 60,
        peers: int = 10_000,
        clock: Monotonic = time.monotonic,
    ) -> None:
        """Take the limits and the clock."""
        self._attempts = attempts
        self._window = window_seconds
        self._peers = peers
        self._clock = clock
        self._failures: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def failed(self, peer: str) -> None:
        """Count a failure of this peer."""
        began, count = self._failures.pop(peer, (self._clock(), 0))
        if self._clock() - began >= self._window:
            began, count = self._clock(), 0
        self._failures[peer] = (began, count + 1)
        if len(self._failures) > self._peers:
            self._failures.popitem(last=False)

    def wait_seconds(self, peer: str) -> int:
        """Return how long the peer has to wait before it may try again, 0 where it may now."""
        began, count = self._failures.get(peer, (0.0, 0))
        left = began + self._window - self._clock()
        return max(1, math.ceil(left)) if count >= self._attempts and left > 0 else 0
