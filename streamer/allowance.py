"""How much somebody may send: so much a second, and what was not used is saved up to a bound."""

from __future__ import annotations


class Allowance:
    """A bucket that fills with time and that spending empties."""

    __slots__ = ("_a_second", "_at", "_left", "_most")

    def __init__(self, a_second: float, *, saved: float, now: float) -> None:
        """Begin with all that can be saved. `now` counts seconds forward."""
        self._a_second = a_second
        self._most = saved
        self._left = saved
        self._at = now

    def spend(self, count: float, *, now: float) -> bool:
        """Take `count` out and say whether there was as much."""
        self._left = min(self._most, self._left + (now - self._at) * self._a_second)
        self._at = now
        if self._left < count:
            return False
        self._left -= count
        return True
