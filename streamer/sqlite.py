"""SQLite behind the catalog: one file of one process."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, event
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from streamer.errors import CatalogFull, CatalogUnwritable
from streamer.migrations import upgrade

_BUSY_MS = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Sqlite:
    """A Backing: WAL, and a write transaction that is immediate, so that it is the only one."""

    readers: AsyncEngine
    writers: AsyncEngine

    async def began(self, connection: AsyncConnection, mark: int) -> None:
        """Do nothing: BEGIN IMMEDIATE has done it, and no connection is lost here."""

    async def committed(self, connection: AsyncConnection, mark: int) -> bool:  # noqa: ARG002
        """Return False."""
        return False

    def passing(self, error: Exception) -> bool:  # noqa: ARG002
        """Return False: the database is a file of this process."""
        return False

    def told(self, error: Exception) -> Exception:
        """Name a disk that is full or fails as the cause."""
        if isinstance(error, OperationalError) and "full" in str(error.orig):
            return CatalogFull("The disk of the catalog is full; nothing was changed.")
        if isinstance(error, OperationalError) and "disk I/O" in str(error.orig):
            return CatalogUnwritable("The disk of the catalog cannot be written; nothing was changed.")
        return error


async def open_file(file: Path) -> Sqlite:
    """Create or migrate the file, whose folder is made."""
    driver = logging.getLogger("aiosqlite")
    if driver.getEffectiveLevel() < logging.INFO:
        driver.setLevel(logging.INFO)  # below that it writes out every value, and some are secret
    await asyncio.get_running_loop().run_in_executor(None, _migrate, file)
    return Sqlite(
        readers=_engine(file, begin="BEGIN", pool=4), writers=_engine(file, begin="BEGIN IMMEDIATE", pool=1)
    )


def _engine(file: Path, *, begin: str, pool: int) -> AsyncEngine:
    engine = create_async_engine(
        f"sqlite+aiosqlite:///{file}", pool_size=pool, max_overflow=0, hide_parameters=True
    )

    def connected(raw: Any, _record: Any) -> None:
        # The driver's own transaction handling would begin late and never immediate.
        raw.isolation_level = None
        cursor = raw.cursor()
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
            f"busy_timeout={_BUSY_MS}",
            "temp_store=MEMORY",
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    def began(connection: Any) -> None:
        connection.exec_driver_sql(begin)

    event.listen(engine.sync_engine, "connect", connected)
    event.listen(engine.sync_engine, "begin", began)
    return engine


def _migrate(file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(f"sqlite:///{file}")
    try:
        with engine.begin() as connection:
            upgrade(connection)
    finally:
        engine.dispose()
