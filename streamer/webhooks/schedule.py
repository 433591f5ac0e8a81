"""When a delivery that failed is tried again. All times are in milliseconds."""

from __future__ import annotations

from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Final

HOLD: Final = 10 * 60_000
"""How long a delivery that fails holds back what follows on its channel."""

DAY: Final = 24 * 3600_000
"""How long after its event a parked delivery is tried again by itself."""

KEPT: Final = 7 * DAY
"""How long after its event a parked delivery can be replayed."""

_FIRST = 1000
_HELD_MOST = 60_000
_PARKED_MOST = 3600_000
_DOUBLINGS = 20
_DIGITS = 9


def wished(header: str, *, now: int) -> int:
    """Return how long a Retry-After (RFC 9110 §10.2.3) asks to wait, an hour at most; 0 where it is none.

    It is a number of seconds, or a date.
    """
    if header.isascii() and header.isdigit():
        return min(int(header[:_DIGITS]) * 1000, _PARKED_MOST)
    try:
        moment = parsedate_to_datetime(header)
    except ValueError:
        return 0
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0, min(int(moment.timestamp()) * 1000 - now, _PARKED_MOST))


def pause(attempts: int, chance: float, *, parked: bool) -> int:
    """Return how long to wait after so many failures: twice as long each time, up to a minute, or an hour.

    `chance` from 0 to 1 takes up to a half of it away, so that what failed together comes back one by one.
    """
    whole = min(_FIRST << min(attempts - 1, _DOUBLINGS), _PARKED_MOST if parked else _HELD_MOST)
    return whole - int(whole * chance / 2)


def due(now: int, failing: int, attempts: int, *, chance: float, wait: int = 0) -> int | None:
    """Return when a delivery that has failed since `failing` is tried again, None where it is parked.

    It is not tried again before the receiver's `wait` is over, but for the last time before it is parked.
    """
    end = failing + HOLD
    return None if now >= end else min(now + max(wait, pause(attempts, chance, parked=False)), end)
