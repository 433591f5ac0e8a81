"""procrastinate's connection to the database, which waits where the database is away for a while."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, LiteralString, TypeVar

import psycopg
from procrastinate import PsycopgConnector
from procrastinate.connector import Notify
from procrastinate.exceptions import ConnectorException
from psycopg_pool import PoolTimeout

from streamer.errors import CatalogAway

PATIENCE_SECONDS = 60.0
"""How long a statement is tried again while the database cannot be reached."""

_PAUSE_SECONDS = 0.25
_AWAY = (psycopg.OperationalError, psycopg.InterfaceError, PoolTimeout, OSError, CatalogAway)
_T = TypeVar("_T")
_log = logging.getLogger(__name__)


def away(error: BaseException) -> bool:
    """Say whether an error means that the database cannot be reached now, though it may be soon."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, _AWAY):
            return True
        cause = cause.__cause__
    return False


async def insist(call: Callable[[], Awaitable[_T]], *, seconds: float = PATIENCE_SECONDS) -> _T:
    """Call until the database answers; what it answers may be an error. Statements must bear repeating."""
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    while True:
        try:
            return await call()
        except Exception as error:
            if not away(error) or loop.time() > until:
                raise
            _log.debug("the database is away: %r", error)
        await asyncio.sleep(_PAUSE_SECONDS)


class PatientConnector(PsycopgConnector):
    """Runs statements again until the database is back, so that a worker survives its restart."""

    async def execute_query_async(self, query: LiteralString, **arguments: Any) -> None:
        """Run a statement."""
        await insist(lambda: super(PatientConnector, self).execute_query_async(query, **arguments))

    async def execute_query_one_async(self, query: LiteralString, **arguments: Any) -> dict[str, Any]:
        """Run a statement and return its first row."""
        return await insist(lambda: super(PatientConnector, self).execute_query_one_async(query, **arguments))

    async def execute_query_all_async(self, query: LiteralString, **arguments: Any) -> list[dict[str, Any]]:
        """Run a statement and return its rows."""
        return await insist(lambda: super(PatientConnector, self).execute_query_all_async(query, **arguments))

    async def listen_notify(self, on_notification: Notify, channels: Iterable[str]) -> None:
        """Hand over notifications until cancelled."""
        names = list(channels)
        while True:
            try:
                await super().listen_notify(on_notification, names)
            except (ConnectorException, psycopg.Error, OSError) as error:
                _log.debug("not listening: %r", error)
            await asyncio.sleep(_PAUSE_SECONDS)
