"""What a server shares with others: a database where one is named, and then the data directory too."""

from __future__ import annotations

import fcntl
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path

from streamer.bus import Alone, Bus
from streamer.config import Config
from streamer.errors import DataInUse


@contextmanager
def directory(config: Config) -> Iterator[None]:
    """Hold the data directory for this process, or for the servers of one database. Raise DataInUse.

    Two servers with databases of their own would undo each other's work, and so would two of one name.
    """
    with ExitStack() as held:
        if config.database is None:
            held.enter_context(_locked(config.data / ".lock", fcntl.LOCK_EX, _alone(config.data)))
        else:
            held.enter_context(_locked(config.data / ".lock", fcntl.LOCK_SH, _alone(config.data)))
            name = config.node_name
            mine = config.data / f".lock-{name}"
            held.enter_context(
                _locked(mine, fcntl.LOCK_EX, f"another server here is named {name!r}; set STREAMER_NODE")
            )
        yield


def own_slots(config: Config) -> str:
    """Return the name under which this process's own slots stand in the ledger."""
    return "local" if config.database is None else config.node_name


@asynccontextmanager
async def bus(config: Config) -> AsyncIterator[Bus]:
    """Give the bus of the servers on this database."""
    if config.database is None:
        yield Alone()
        return
    from streamer.notify import open_bus  # noqa: PLC0415 - its driver is an extra

    async with open_bus(config.database.get_secret_value()) as shared:
        yield shared


def _alone(data: Path) -> str:
    return f"another streamer is running on {data}; stop it, or choose another directory with --data"


@contextmanager
def _locked(path: Path, how: int, otherwise: str) -> Iterator[None]:
    with path.open("w") as file:
        try:
            fcntl.flock(file, how | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DataInUse(otherwise) from None
        yield
