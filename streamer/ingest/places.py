"""How many publishers are let in at one time, all together and from one address."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from streamer.ingest.errors import Crowded


class Places:
    """Counts sessions of one protocol while they last."""

    def __init__(self, *, most: int = 200, each: int = 16) -> None:
        """Take how many there may be, and how many of them from one address."""
        self._most = most
        self._each = each
        self._taken: Counter[str] = Counter()

    @property
    def taken(self) -> int:
        """How many sessions there are."""
        return self._taken.total()

    @contextmanager
    def taking(self, address: str) -> Iterator[None]:
        """Hold a place while the block runs. Raise Crowded where none is free."""
        if self.taken >= self._most or self._taken[address] >= self._each:
            raise Crowded("There are too many publishers; try again in a moment.")
        self._taken[address] += 1
        try:
            yield
        finally:
            self._taken[address] -= 1
            if not self._taken[address]:
                del self._taken[address]
