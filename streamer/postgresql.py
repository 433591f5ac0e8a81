"""PostgreSQL behind the catalog: one database that several servers share."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, create_engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from streamer.errors import CatalogAway, CatalogFull, CatalogUnwritable, ConfigError
from streamer.migrations import upgrade

try:
    import psycopg
    from psycopg.conninfo import conninfo_to_dict, make_conninfo
except ImportError as missing:
    raise ConfigError(
        'PostgreSQL needs its driver: install it with `pip install "streamer[cluster]"`'
    ) from missing

SCHEMA = "streamer"

_READERS = 8
_LOCK = 0x73747265616D6572  # of everything that writes; any number, as long as all use the same
_KEPT_DAYS = 1
_SETTINGS = {
    "search_path": SCHEMA,
    # A server that hangs within a transaction must not hold up the others' writes for long.
    "idle_in_transaction_session_timeout": "15s",
}
_LINE = {
    # A machine that is gone without a word is noticed within seconds; libpq would wait for hours.
    "connect_timeout": "5",
    "keepalives_idle": "5",
    "keepalives_interval": "5",
    "keepalives_count": "2",
    "tcp_user_timeout": "15000",
}
_BEGIN = text("""
    WITH alone AS MATERIALIZED (SELECT pg_advisory_xact_lock(:lock) AS taken)
    INSERT INTO writer (name, mark, seen)
    SELECT :name, :mark, extract(epoch FROM clock_timestamp()) FROM alone
    ON CONFLICT (name) DO UPDATE SET mark = excluded.mark, seen = excluded.seen
""").bindparams(lock=_LOCK)
_COMMITTED = text("SELECT count(*) FROM writer WHERE name = :name AND mark = :mark")
_FORGET = text("DELETE FROM writer WHERE seen < extract(epoch FROM clock_timestamp()) - :seconds")


@dataclass(frozen=True, slots=True, kw_only=True)
class Postgresql:
    """A Backing: an advisory lock keeps the writes of all servers one after the other, as SQLite does.

    That costs one round trip for each commit, and buys that offsets are committed in their order and that
    no two transactions wait for each other in a ring.
    """

    readers: AsyncEngine
    writers: AsyncEngine
    name: str

    async def began(self, connection: AsyncConnection, mark: int) -> None:
        """Wait for the turn, and leave the mark in this writer's row."""
        await connection.execute(_BEGIN, {"name": self.name, "mark": mark})

    async def committed(self, connection: AsyncConnection, mark: int) -> bool:
        """Look for the mark. Its transaction is over: the lock that it held is taken first."""
        async with connection.begin():
            await connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
            return bool(await connection.scalar(_COMMITTED, {"name": self.name, "mark": mark}))

    def passing(self, error: Exception) -> bool:
        """Say whether the server is away, stopping or starting, or has asked to try again."""
        cause = error.orig if isinstance(error, DBAPIError) else error
        state = getattr(cause, "sqlstate", None)
        if state is not None:
            return state in _AGAIN or state[:2] == "08"
        return isinstance(cause, psycopg.OperationalError | psycopg.InterfaceError)

    def told(self, error: Exception) -> Exception:
        """Name a disk that is full or fails, and a server that does not answer, as the cause."""
        state = getattr(error.orig, "sqlstate", None) if isinstance(error, DBAPIError) else None
        if state == "53100":
            return CatalogFull("The disk of the catalog is full; nothing was changed.")
        if state == "58030":
            return CatalogUnwritable("The disk of the catalog cannot be written; nothing was changed.")
        if self.passing(error):
            return CatalogAway("The catalog's database cannot be reached.")
        return error


_AGAIN = frozenset(
    {
        "25006",  # read_only_sql_transaction: this was the primary a moment ago
        "25P03",  # idle_in_transaction_session_timeout
        "40001",  # serialization_failure
        "40P01",  # deadlock_detected
        "53300",  # too_many_connections
        "57P01",  # admin_shutdown
        "57P02",  # crash_shutdown
        "57P03",  # cannot_connect_now
    }
)


async def open_url(url: str) -> Postgresql:
    """Migrate the database in a schema of its own. Raise ConfigError, CatalogAway."""
    line = connection_line(url)
    try:
        await asyncio.get_running_loop().run_in_executor(None, _migrate, line)
    except (DBAPIError, psycopg.Error) as error:
        cause = str(error.orig if isinstance(error, DBAPIError) else error).strip()
        raise CatalogAway(f"the database cannot be used: {cause}") from error
    return Postgresql(
        # A stale connection is found out before it is handed over, not in the middle of a request.
        readers=_engine(line, pool_size=_READERS, pool_pre_ping=True, isolation_level="REPEATABLE READ"),
        writers=_engine(line, pool_size=1),
        name=secrets.token_hex(8),
    )


def connection_line(url: str) -> str:
    """Return what libpq connects with: the URL, where it leaves things open completed. Raise ConfigError."""
    try:
        given = conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        raise ConfigError("database: not a URL that PostgreSQL's libpq understands") from None
    settings = " ".join(f"-c {name}={value}" for name, value in _SETTINGS.items())
    options = f"{settings} {given.pop('options', None) or ''}".strip()
    named: dict[str, Any] = {"application_name": "streamer", **_LINE, **given, "options": options}
    return make_conninfo(**named)


def _engine(line: str, **options: Any) -> AsyncEngine:
    async def connect() -> Any:
        return await psycopg.AsyncConnection.connect(line)

    return create_async_engine(
        "postgresql+psycopg://",
        async_creator=connect,
        max_overflow=0,
        pool_use_lifo=True,
        hide_parameters=True,
        **options,
    )


def _migrate(line: str) -> None:
    connect: Callable[[], Any] = lambda: psycopg.connect(line)  # noqa: E731
    engine = create_engine("postgresql+psycopg://", creator=connect)
    try:
        with engine.begin() as connection:
            _upgrade(connection)
    finally:
        engine.dispose()


def _upgrade(connection: Connection) -> None:
    # Servers that start together: one migrates, the others find it done.
    connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    known = connection.scalar(text("SELECT to_regnamespace(:name) IS NOT NULL"), {"name": SCHEMA})
    if not known:  # asked first: `IF NOT EXISTS` too needs the right to create
        connection.execute(text(f"CREATE SCHEMA {SCHEMA}"))
    upgrade(connection)
    connection.execute(_FORGET, {"seconds": _KEPT_DAYS * 86_400})
