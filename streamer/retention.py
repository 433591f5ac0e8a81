"""How far back a channel's log reaches."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """An event is kept while it is one of the newest `events` of its channel and younger than `seconds`."""

    events: int = 1000
    seconds: int = 86_400

    def oldest(self, now: int) -> int:
        """Return the time of the oldest event that is kept, in milliseconds since the epoch."""
        return now - self.seconds * 1000
