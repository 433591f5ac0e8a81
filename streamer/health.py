"""Is the process alive, and is it fit to take requests."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

from aiohttp import web
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from streamer import schema
from streamer.database import Database
from streamer.errors import CatalogAway
from streamer.leaving import Leaving
from streamer.session import answer

_PATIENCE_SECONDS = 2


class Health:
    """Handlers of /health and /ready."""

    def __init__(
        self,
        database: Database,
        *,
        data: Path,
        disk_reserve_bytes: int,
        version: str,
        ffmpeg: str,
        sandbox: str,
        leaving: Leaving,
    ) -> None:
        """Take the versions to show: `ffmpeg` names its build, `sandbox` the tier that children run under."""
        self._leaving = leaving
        self._database = database
        self._data = data
        self._reserve = disk_reserve_bytes
        self._shown = {"status": "ok", "version": version, "ffmpeg": ffmpeg, "sandbox": sandbox}

    def routes(self) -> list[web.RouteDef]:
        """Return the routes."""
        return [
            web.get("/health", self.health, name="health"),
            web.get("/ready", self.ready, name="ready"),
        ]

    async def health(self, _request: web.Request) -> web.Response:
        """Answer as long as the process can, with the versions in use."""
        return answer(self._shown)

    async def ready(self, _request: web.Request) -> web.Response:
        """Answer 200 where the catalog answers and the disk has more than its reserve, else 503.

        It is 503 too once the server is about to stop.
        """
        staying = not self._leaving.begun
        checks = {"catalog": await self._catalog(), "disk": await self._disk(), "staying": staying}
        ready = all(checks.values())
        return answer({"ready": ready, "checks": checks}, status=200 if ready else 503)

    async def _catalog(self) -> bool:
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS), self._database.read() as connection:
                await connection.execute(select(schema.channel.c.name).limit(1))
        except (SQLAlchemyError, CatalogAway, TimeoutError):
            return False
        return True

    async def _disk(self) -> bool:
        try:
            usage = await asyncio.get_running_loop().run_in_executor(None, shutil.disk_usage, self._data)
        except OSError:
            return False
        return usage.free > self._reserve
