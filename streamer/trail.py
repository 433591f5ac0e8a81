"""A source without a table, made while it is followed: its plan grows by what can no longer change."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from packager import growing
from packager.errors import PackagingError
from packager.following import Followed, Following
from packager.packaging import Packaging
from packager.plan import Plan
from streamer.known import Known
from streamer.uploads.arriving import Arriving

_log = logging.getLogger(__name__)


class GridBroken(PackagingError):
    """What came later breaks the grid that was planned from what came before."""

    code = "grid-broken"


class Trail:
    """Drives the packaging of one source. `plan` freezes the choices for what has been seen of it.

    `prepare` makes what a plan needs before it can be shown, `frozen` is the plan of an earlier life: its
    choices are kept.
    """

    def __init__(
        self,
        following: Following,
        original: Arriving,
        *,
        plan: Callable[[Followed, bool], Plan],
        prepare: Callable[[Plan], Awaitable[object]],
        frozen: Plan | None,
        whole: asyncio.Event,
    ) -> None:
        self._following = following
        self._original = original
        self._plan = plan
        self._prepare = prepare
        self._frozen = frozen
        self._whole = whole
        self._seen: Followed | None = None

    async def begin(self, *, keyed: bool = True) -> Known | None:
        """Follow until there is a first segment; None where the source ends before.

        Without `keyed` the frame grid is planned. Raise Refused, Unfollowable.
        """
        while True:
            known = self._settled(keyed=keyed)
            if known is not None:
                return known
            seen = await self._following.more()
            if seen is None:
                return None
            if self._seen is None:  # the first border is some seconds of media away
                await self._prepare(self._planned(seen, keyed=keyed))
            self._seen = seen

    def _planned(self, seen: Followed, *, keyed: bool) -> Plan:
        return self._frozen if self._frozen is not None and keyed else self._plan(seen, keyed)

    def _settled(self, *, keyed: bool) -> Known | None:
        seen = self._seen
        if seen is None:
            return None
        plan = self._planned(seen, keyed=keyed)
        found = growing.settled(plan, seen.source, seen.index, ended=seen.ended)
        if found is None:
            return None
        return Known(plan=found, index=seen.index, tables=seen.tables, arriving=self.arrive, trail=self)

    async def arrive(self, packaging: Packaging) -> Followed | None:
        """Let a packaging grow until all bytes are there, and return what they are."""
        bytes_come = asyncio.create_task(self._bytes_come(packaging), name="bytes of a followed source")
        try:
            await self._grow(packaging)
            await self._whole.wait()
        finally:
            bytes_come.cancel()
            await asyncio.gather(bytes_come, return_exceptions=True)
        packaging.received()
        return self._seen

    async def _grow(self, packaging: Packaging) -> None:
        while True:
            seen = self._seen
            if seen is not None and packaging.index is not seen.index:
                plan = growing.grown(packaging.plan, seen.source, seen.index, ended=seen.ended)
                if plan is None:
                    raise GridBroken("the keyframes that came later are too far apart")
                packaging.grow(plan, seen.index, seen.tables, None)
            seen = await self._following.more()
            if seen is None:
                return
            self._seen = seen

    async def _bytes_come(self, packaging: Packaging) -> None:
        while not self._original.whole:
            await self._original.changed()
            packaging.received()
