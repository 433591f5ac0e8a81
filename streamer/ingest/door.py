"""What receiving asks of the rest of the server: who may publish, and what becomes of the tags."""

from __future__ import annotations

from collections.abc import AsyncIterator
from enum import Enum, auto
from typing import Protocol

from streamer.ingest.flv import Tag


class Ending(Enum):
    """Why the server ends a publisher's connection."""

    TAKEN_OVER = auto()
    """A newer publisher has come in with the same key."""

    ENDED = auto()
    """The broadcast is over: somebody ended it, or whoever takes the tags wants no more."""

    FAILED = auto()
    """The server cannot go on with it."""

    STOPPING = auto()
    """The server stops; the publisher may come back."""


class Publisher(Protocol):
    """One connection that asks to publish, or does."""

    @property
    def protocol(self) -> str:
        """How it sends, such as "rtmp" or "rtmps"."""

    @property
    def address(self) -> str:
        """Where it comes from."""

    @property
    def session(self) -> str:
        """A random id of this connection, for logs and hooks."""

    @property
    def priority(self) -> int:
        """What it says of itself among those with the same key, from 0 to 9."""

    def close(self, ending: Ending) -> None:
        """End the connection and tell the publisher why; a second time does nothing.

        No tag is added after this; the iterator of tags ends behind those already received.
        """


class Take(Protocol):
    """Takes the tags of one publisher, in order."""

    async def __call__(self, tags: AsyncIterator[Tag]) -> None:
        """Read tags until they end, which is when the connection does.

        It runs in a task of the connection's, which is awaited before the connection is given up. While it
        does not read, the publisher is held back. Returning earlier ends the connection. So does raising: the
        message of a ServerError is shown at the encoder, anything else is logged with its traceback. It is
        cancelled only where it has not returned long after the tags ended.
        """


class Door(Protocol):
    """Decides who may publish."""

    async def admit(self, key: str, publisher: Publisher) -> Take:
        """Return what takes the publisher's tags. Raise Refused, or another ServerError.

        Their message is shown at the encoder. It may wait as long as it likes. The key is secret: it must not
        be logged.
        """
