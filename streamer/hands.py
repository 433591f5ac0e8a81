"""Who encodes for a server: its own slots, or the workers that share its database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from packager.farm import Farm, OwnSlots
from packager.process import Spawner
from packager.store import Store
from streamer.bus import Bus
from streamer.channel import Channels
from streamer.config import Config
from streamer.database import Database
from streamer.ledger import SqlLedger
from streamer.sharing import own_slots
from streamer.uploads.sources import Find


@dataclass(frozen=True, slots=True, kw_only=True)
class Hands:
    """The farm of a server. `noted` says that whoever executes a Run notes it and its segments in the ledger.

    `own` is the name of this process's own slots there. `leave` is called before the server ends: what others
    execute then goes on.
    """

    farm: Farm
    own: str
    noted: bool = False
    leave: Callable[[], None] = lambda: None


@asynccontextmanager
async def hands(
    config: Config,
    database: Database,
    *,
    bus: Bus,
    channels: Channels,
    ledger: SqlLedger,
    store: Store,
    find: Find,
    spawner: Spawner,
    encoder: str,
) -> AsyncIterator[Hands]:
    """Give the farm that the configuration names. Raise ConfigError where workers cannot be reached."""
    if config.farm == "own":
        yield Hands(farm=OwnSlots(spawner, slots=config.encode_slots), own=own_slots(config))
        return
    from streamer.cluster.joining import Cluster  # noqa: PLC0415 - needs the extra `cluster`

    async with AsyncExitStack() as stack:
        cluster = Cluster(config, database, bus=bus, channels=channels, ledger=ledger)
        await stack.enter_async_context(cluster)
        farm = await stack.enter_async_context(cluster.farm())
        if config.farm == "both":
            crew = cluster.crew(store=store, find=find, spawner=spawner, encoder=encoder)
            stop = asyncio.Event()
            stack.push_async_callback(_ended, asyncio.create_task(crew.work(stop), name="own slots"))
            stack.callback(stop.set)
        yield Hands(farm=farm, own=cluster.name, noted=True, leave=farm.leave)


async def _ended(task: asyncio.Task[None]) -> None:
    await asyncio.gather(task, return_exceptions=True)
