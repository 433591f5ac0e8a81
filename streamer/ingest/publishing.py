"""A publisher whose tags are made here of what it sends: they are handed on until either side ends it."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from streamer.errors import ServerError
from streamer.ingest.backlog import Backlog
from streamer.ingest.door import Ending, Take
from streamer.ingest.flv import Tag

_log = logging.getLogger(__name__)

_TAGS_MAX = 1024
_BYTES_MAX = 4 << 20

WORDS = {
    Ending.TAKEN_OVER: "Another encoder has taken over this stream.",
    Ending.ENDED: "The broadcast has ended.",
    Ending.FAILED: "The server cannot go on with this stream.",
    Ending.STOPPING: "The server stops; come back in a moment.",
}
"""What a publisher is told when the server ends it."""


class Publishing:
    """A Publisher. Run it once, when it is admitted."""

    def __init__(self, protocol: str, address: str, *, settle_seconds: float = 10) -> None:
        """Take how it sends and where from; whoever takes the tags may return so much later than they end."""
        self.protocol = protocol
        self.address = address
        self.session = secrets.token_hex(8)
        self.priority = 0
        self._settle_seconds = settle_seconds
        self._backlog = Backlog(tags_max=_TAGS_MAX, bytes_max=_BYTES_MAX)
        self._closing: asyncio.Future[Ending | ServerError] = asyncio.get_running_loop().create_future()

    def close(self, ending: Ending) -> None:
        """End it; see Publisher."""
        self._end(ending)

    async def run(self, take: Take, tags: AsyncGenerator[Tag, None]) -> Ending | ServerError | None:
        """Hand tags on, and return why they ended: None where the publisher has come to its end."""
        pumping = asyncio.create_task(self._pump(tags), name=f"{self.protocol} tags {self.session}")
        giving = give(take, self._backlog, session=self.session, end=self._end)
        taking = asyncio.create_task(giving, name=f"{self.protocol} take {self.session}")
        try:
            await asyncio.wait((pumping, self._closing), return_when=asyncio.FIRST_COMPLETED)
            if not pumping.done():
                pumping.cancel()
                await asyncio.wait([pumping])
            self._backlog.end()
            await asyncio.wait([taking], timeout=self._settle_seconds)
        finally:
            for task in (pumping, taking):
                task.cancel()
            await asyncio.gather(pumping, taking, return_exceptions=True)
        cause = self._cause(pumping)
        _log.info(
            "%s session %s from %s: %s", self.protocol, self.session, self.address, words(cause).lower()
        )
        return cause

    def _cause(self, pumping: asyncio.Task[None]) -> Ending | ServerError | None:
        error = None if pumping.cancelled() else pumping.exception()
        if isinstance(error, ServerError):
            return error
        if error is not None:
            _log.error("session %s failed", self.session, exc_info=error)
            return Ending.FAILED
        return self._closing.result() if self._closing.done() else None

    def _end(self, cause: Ending | ServerError) -> None:
        self._backlog.end()
        if not self._closing.done():
            self._closing.set_result(cause)

    async def _pump(self, tags: AsyncGenerator[Tag, None]) -> None:
        async with aclosing(tags):
            async for tag in tags:
                await self._backlog.put(tag)


async def give(
    take: Take, backlog: Backlog, *, session: str, end: Callable[[Ending | ServerError], None]
) -> None:
    """Let the tags of a session be taken; `end` is told why, where they no longer are. Nothing is raised."""
    try:
        await take(aiter(backlog))
    except ServerError as error:
        end(error)
    except Exception:  # noqa: BLE001 - whatever it was, the publisher is told
        _log.exception("taking the tags of session %s failed", session)
        end(Ending.FAILED)
    else:
        if not backlog.ended:
            end(Ending.ENDED)


def words(cause: Ending | ServerError | None) -> str:
    """Say in a sentence why a publisher's session is over."""
    if cause is None:
        return "Unpublished."
    return WORDS[cause] if isinstance(cause, Ending) else cause.message
