"""Who watches what, told by the watchers themselves: a number for each channel, and no more is kept."""

from __future__ import annotations

import json
import time
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Any

from streamer.bus import Bus
from streamer.channel import Channels
from streamer.throttle import Monotonic
from streamer.vocabulary.live import Viewers

ROUND_SECONDS = 5
"""How often a number is told at most."""

STAYS_SECONDS = 30
"""How long somebody counts who is not heard of again."""

_COUNTED = "viewers"  # topic of the bus: what a server counts on a channel
_COUNT_STAYS_SECONDS = 4 * ROUND_SECONDS  # of another server that is not heard of again
_CHANNELS = 10_000
_VIEWERS = 100_000


@dataclass(slots=True)
class _Crowd:
    """Who is on a channel, each until when; and what other servers count there, until when that holds."""

    here: dict[Hashable, float] = field(default_factory=dict)
    there: dict[str, tuple[int, float]] = field(default_factory=dict)
    told: int = 0
    said: int = 0

    def count(self, now: float) -> int:
        """Return how many are here and there, without servers that have not been heard of lately."""
        self.there = {node: (count, until) for node, (count, until) in self.there.items() if until > now}
        return len(self.here) + sum(count for count, _ in self.there.values())


class Presence:
    """Counts watchers by channel, on all servers together. Call `round` every ROUND_SECONDS."""

    def __init__(self, channels: Channels, *, bus: Bus, node: str, clock: Monotonic = time.monotonic) -> None:
        """Take the channels on which numbers are told, and this server's name among the others."""
        self._channels = channels
        self._bus = bus
        self._node = node
        self._clock = clock
        self._crowds: dict[str, _Crowd] = {}
        self._of: dict[Hashable, set[str]] = {}
        bus.hear(_COUNTED, self._counted)

    @property
    def viewers(self) -> int:
        """How many are counted here, on all channels."""
        return sum(len(crowd.here) for crowd in self._crowds.values())

    def counts(self, channel: str) -> bool:
        """Say whether somebody is known to be on the channel."""
        return channel in self._crowds

    def seen(self, channel: str, who: Hashable) -> None:
        """Count somebody for a while; beyond a bound nobody is added."""
        crowd = self._crowd(channel)
        if crowd is None or (who not in self._of and len(self._of) >= _VIEWERS):
            return
        crowd.here[who] = self._clock() + STAYS_SECONDS
        self._of.setdefault(who, set()).add(channel)

    def left(self, who: Hashable, channel: str | None = None) -> None:
        """Count somebody no more, on one channel or on all."""
        of = self._of.get(who, set())
        for name in tuple(of) if channel is None else (channel,):
            of.discard(name)
            if name in self._crowds:
                self._crowds[name].here.pop(who, None)
        if not of:
            self._of.pop(who, None)

    def round(self) -> None:
        """Tell every number that has changed."""
        now = self._clock()
        for channel, crowd in list(self._crowds.items()):
            self._drop(channel, crowd, now)
            count = crowd.count(now)
            if self._bus.shared and (crowd.here or crowd.said):
                crowd.said = len(crowd.here)
                self._bus.tell(_COUNTED, json.dumps([channel, self._node]), crowd.said)
            if count != crowd.told:
                crowd.told = count
                self._channels.hint_here(channel, Viewers.type, Viewers(count=count).json())
            if not count and not crowd.said:
                del self._crowds[channel]

    def _drop(self, channel: str, crowd: _Crowd, now: float) -> None:
        for who, until in list(crowd.here.items()):
            if until <= now:
                self.left(who, channel)

    def _crowd(self, channel: str) -> _Crowd | None:
        crowd = self._crowds.get(channel)
        if crowd is None and len(self._crowds) < _CHANNELS:
            crowd = self._crowds[channel] = _Crowd()
        return crowd

    def _counted(self, name: str, count: Any) -> None:
        channel, node = json.loads(name)
        crowd = self._crowd(channel)
        if crowd is not None and isinstance(count, int):
            crowd.there[node] = (count, self._clock() + _COUNT_STAYS_SECONDS)
