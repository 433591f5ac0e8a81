"""Says that this server is there, and looks after broadcasts: what others wish, and what they have left."""

from __future__ import annotations

import asyncio
import logging
from types import TracebackType
from typing import Protocol, Self

from streamer.bus import Bus
from streamer.errors import CatalogAway
from streamer.leases import RENEW_SECONDS
from streamer.live.succession import MOVED
from streamer.live.tenancy import Held, Tenancy
from streamer.peers import Peers
from streamer.rounds import again_and_again

_log = logging.getLogger(__name__)


class Broadcasting(Protocol):
    """The broadcasts of this server."""

    async def take_up(self) -> None:
        """Go on with what servers that are gone have left on air."""

    async def follow(self, held: Held) -> None:
        """Do as others wish with the broadcasts that are still held; drop those that are not any more."""


class Caretaker:
    """Works while it is entered, from before the first broadcast until behind the last one."""

    def __init__(self, peers: Peers, tenancy: Tenancy, studio: Broadcasting, *, bus: Bus) -> None:
        """Take the rows of servers and of broadcasts, and those that are made here."""
        self._peers = peers
        self._tenancy = tenancy
        self._studio = studio
        self._steady = False
        self._woken = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        bus.hear(MOVED, lambda _asset, _: self._woken.set())

    async def __aenter__(self) -> Self:
        await self._peers.beat()
        rounds = (("heart", self.beat, asyncio.Event()), ("caretaker", self.look, self._woken))
        self._tasks = [
            asyncio.create_task(again_and_again(work, woken, RENEW_SECONDS), name=name)
            for name, work, woken in rounds
        ]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        try:
            await self._peers.leave()
        except CatalogAway:
            _log.debug("the row of this server lapses")

    async def beat(self) -> None:
        """Say that this server is there."""
        self._steady = await self._peers.beat()

    async def look(self) -> None:
        """Do what others wish, and take up what nobody has any more.

        Behind a database that was away everybody seems to be gone, until they have said otherwise: nothing is
        taken up before this server was there itself for two beats.
        """
        await self._studio.follow(await self._tenancy.held())
        if self._steady:
            await self._studio.take_up()
