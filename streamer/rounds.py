"""A round that a server makes again and again, whatever goes wrong in one."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from streamer.errors import CatalogAway

_log = logging.getLogger(__name__)


async def again_and_again(work: Callable[[], Awaitable[None]], woken: asyncio.Event, seconds: float) -> None:
    """Do the work each time it is woken, and after so many seconds at the latest, until cancelled."""
    while True:
        try:
            async with asyncio.timeout(seconds):
                await woken.wait()
        except TimeoutError:
            pass
        woken.clear()
        try:
            await work()
        except CatalogAway:
            _log.debug("the database is away")
        except Exception:  # noqa: BLE001 - one that fails must not be the last
            _log.exception("what other servers do could not be looked at; trying again")
