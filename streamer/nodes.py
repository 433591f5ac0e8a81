"""One server among several: keeps its leases, takes over what others have left, hears their wants."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from types import TracebackType
from typing import Protocol, Self

from streamer.bus import Bus
from streamer.leases import RENEW_SECONDS, SharedLeases
from streamer.making import Making
from streamer.rounds import again_and_again
from streamer.wants import WANTED, Wants

ASKED = "asked"
"""Topic of the bus: an asset whose maker is to look what is asked of it."""

CHANGED = "changed"
"""Topic of the bus: an asset whose manifests are to be rendered anew."""

_WANTS_SECONDS = 1.0
_SWEEP_SECONDS = 30.0


class Works(Protocol):
    """What the works do for other servers' sake."""

    @property
    def makings(self) -> Mapping[str, Making]:
        """Return what is being made here, by asset."""

    async def drop(self, asset_id: str, making: Making) -> None:
        """Stop making an asset that is another server's now, or deleted."""

    async def resume(self, asset_id: str) -> None:
        """Go on with an asset that nobody makes, or with its removal, unless another server is faster."""

    async def carry_out(self, asset_id: str, wish: str) -> bool:
        """Do what another server was asked for; False where that is for yet another one to do."""


class Nodes:
    """This server's part among those that share a database. Use as an async context manager."""

    def __init__(self, works: Works, leases: SharedLeases, wants: Wants, *, bus: Bus) -> None:
        """Take the works, which must have been started."""
        self._works = works
        self._leases = leases
        self._wants = wants
        self._look = asyncio.Event()
        self._wanted = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        bus.hear(ASKED, lambda _asset, _: self._look.set())
        bus.hear(WANTED, lambda asset, _: self._wanted.set() if asset in works.makings else None)
        bus.regained(self._look.set)

    async def __aenter__(self) -> Self:
        rounds = (
            ("nodes", self.look, self._look, RENEW_SECONDS),
            ("wants of others", self.listen, self._wanted, _WANTS_SECONDS),
            ("lapsed wants", self._wants.sweep, asyncio.Event(), _SWEEP_SECONDS),
        )
        self._tasks = [
            asyncio.create_task(again_and_again(work, woken, seconds), name=name)
            for name, work, woken, seconds in rounds
        ]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def look(self) -> None:
        """Renew what is made here, carry out what was asked, and take up what nobody makes."""
        mine = dict(self._works.makings)
        kept = await self._leases.renew(mine)
        for asset, making in mine.items():
            if asset not in kept:
                await self._works.drop(asset, making)
        for asset, wish in kept.items():
            await self._carry_out(asset, wish)
        for asset, wish in (await self._leases.idle()).items():
            if asset not in self._works.makings:
                await self._works.resume(asset)
            await self._carry_out(asset, wish)

    async def _carry_out(self, asset: str, wish: str | None) -> None:
        if wish is not None and await self._works.carry_out(asset, wish):
            await self._leases.answered(asset, wish)

    async def listen(self) -> None:
        """Hand what viewers of all servers wait for to the packagings of this one."""
        made = {
            asset: making.packaging
            for asset, making in self._works.makings.items()
            if making.packaging is not None
        }
        wants = await self._wants.elsewhere({asset: one.plan.generation for asset, one in made.items()})
        for asset, packaging in made.items():
            packaging.wanted_elsewhere(wants[asset])
