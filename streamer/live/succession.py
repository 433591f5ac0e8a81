"""Comes into broadcasts of other servers: asks these to leave or to end them, and waits until they have."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass

from streamer.bus import Bus
from streamer.ingest.door import Publisher
from streamer.leases import LEASE_MS
from streamer.live.tenancy import Tenancy

MOVED = "broadcast"
"""Topic of the bus: a broadcast of which another server wishes something, or that changes hands."""

END = "end"
"""The wish that a broadcast be ended."""

_PATIENCE_SECONDS = LEASE_MS / 1000 + 4
_END_SECONDS = 30.0
_LOOK_SECONDS = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Heir:
    """A server to which a broadcast is to be left, and the priority of the publisher that it has."""

    node: str
    priority: int


def wish_of(heir: Heir) -> str:
    """Return the wish that a broadcast be left to an heir."""
    return f"leave:{heir.priority}:{heir.node}"


def heir_of(wish: str) -> Heir | None:
    """Return who a broadcast is to be left to, None for another wish."""
    kind, _, rest = wish.partition(":")
    priority, _, node = rest.partition(":")
    if kind != "leave" or not node or not priority.isdecimal():
        return None
    return Heir(node=node, priority=int(priority))


class Succession:
    """What this server wishes of those that have broadcasts, and what it leaves to them."""

    def __init__(self, tenancy: Tenancy, bus: Bus) -> None:
        """Take who has what, and how others are woken."""
        self._tenancy = tenancy
        self._bus = bus
        self._moved = asyncio.Event()
        bus.hear(MOVED, lambda _asset, _: self._moved.set())

    async def claim(self, asset: str, publisher: Publisher) -> bool:
        """Have a broadcast for a publisher that has come here; False where it is left to nobody.

        A server that is there is asked to leave it; one that is not there loses it with its lease.
        """
        wish = wish_of(Heir(node=self._tenancy.node, priority=publisher.priority))
        asked: int | None = None
        with suppress(TimeoutError):
            async with asyncio.timeout(_PATIENCE_SECONDS):
                while not await self._tenancy.take(asset):
                    tenure = await self._tenancy.of(asset)
                    if tenure is None:
                        return True  # it has ended: another one may begin
                    if asked != tenure.term:
                        asked = tenure.term
                        await self._ask(asset, wish)
                    elif tenure.asked is None and tenure.alive and tenure.node != self._tenancy.node:
                        return False  # whoever sends there goes before
                    await self._turn()
                return True
        return False

    async def end(self, asset: str) -> bool:
        """Have another server end a broadcast, and wait for it; False where no other one has it."""
        asked = False
        with suppress(TimeoutError):
            async with asyncio.timeout(_END_SECONDS):
                while (tenure := await self._tenancy.of(asset)) is not None:
                    if tenure.node == self._tenancy.node or not tenure.alive:
                        return False
                    if not asked:
                        asked = True
                        await self._ask(asset, END)
                    await self._turn()
        return asked

    async def give(self, asset: str, *, heir: str | None) -> None:
        """Leave a broadcast to an heir, or to whoever takes it."""
        await self._tenancy.give(asset, heir=heir)
        self._bus.tell(MOVED, asset)

    def over(self, asset: str) -> None:
        """Have the other servers notice that a broadcast has ended."""
        self._bus.tell(MOVED, asset)

    async def _ask(self, asset: str, wish: str) -> None:
        await self._tenancy.ask(asset, wish)
        self._bus.tell(MOVED, asset)

    async def _turn(self) -> None:
        """Wait until something has changed hands, and not for long."""
        self._moved.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(_LOOK_SECONDS):
                await self._moved.wait()
