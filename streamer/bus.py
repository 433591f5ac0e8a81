"""The seam Bus: wake-ups between the servers that share a database. They may be lost, rows may not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

Heard = Callable[[str, Any], None]
"""Takes the key and the value of a wake-up."""


class Bus(Protocol):
    """Tells the other servers that something has changed; what has, they read from the database.

    A wake-up is a hint: of several under one topic and key only the last may arrive, or none. Whoever listens
    looks for itself every few seconds besides.
    """

    @property
    def shared(self) -> bool:
        """Say whether there can be other servers."""

    def tell(self, topic: str, key: str, value: Any = None) -> None:
        """Wake the other servers, soon and without waiting. `value` is a small piece of JSON."""

    def hear(self, topic: str, heard: Heard) -> None:
        """Call `heard` for every wake-up of a topic that another server sends."""

    def regained(self, call: Callable[[], None]) -> None:
        """Call whenever wake-ups may have been lost: the connection was, and is there again."""


class Alone:
    """The Bus of a server that has its database to itself."""

    shared = False

    def tell(self, topic: str, key: str, value: Any = None) -> None:
        """Do nothing: nobody listens."""

    def hear(self, topic: str, heard: Heard) -> None:
        """Do nothing: nobody speaks."""

    def regained(self, call: Callable[[], None]) -> None:
        """Do nothing: nothing is lost."""
