"""What stands on the database: opened first, closed last, and true after a crash."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass

from streamer import sharing
from streamer.access import require_token
from streamer.bus import Bus
from streamer.catalog import Catalog
from streamer.channel import Channels
from streamer.config import Config
from streamer.database import Database
from streamer.ledger import SqlLedger
from streamer.live.broadcasts import Broadcasts
from streamer.live.register import Register
from streamer.markers import Markers
from streamer.playback_keys import PlaybackKeys
from streamer.replays import Replays
from streamer.rows import Clock
from streamer.tokens import Tokens
from streamer.vigil import Vigil


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """What stands on the database."""

    clock: Clock
    bus: Bus
    database: Database
    tokens: Tokens
    playback_keys: PlaybackKeys
    vigil: Vigil
    replays: Replays
    channels: Channels
    catalog: Catalog
    ledger: SqlLedger
    register: Register
    broadcasts: Broadcasts
    markers: Markers


async def opened(config: Config, stack: AsyncExitStack, clock: Clock) -> Truth:
    """Open the database, with what an earlier process was doing marked as ended."""
    database = await Database.open(config.catalog)
    stack.push_async_callback(database.close)
    tokens = Tokens(database, clock=clock)
    await require_token(config, tokens)
    bus = await stack.enter_async_context(sharing.bus(config))
    playback_keys = PlaybackKeys(database, bus=bus, clock=clock)
    vigil = Vigil(tokens, playback_keys, clock=clock)
    watching = asyncio.create_task(vigil.forever(), name="vigil over tokens")
    stack.push_async_callback(cancelled, watching)
    channels = Channels(database, bus=bus, retention=config.retention, clock=clock)
    if bus.shared:
        stack.push_async_callback(
            cancelled, asyncio.create_task(channels.follow(), name="channels of others")
        )
    truth = Truth(
        clock=clock,
        bus=bus,
        database=database,
        tokens=tokens,
        playback_keys=playback_keys,
        vigil=vigil,
        replays=Replays(database, clock=clock),
        channels=channels,
        catalog=Catalog(database, channels, clock=clock),
        ledger=SqlLedger(database, channels, clock=clock),
        register=Register(database, channels, clock=clock),
        broadcasts=Broadcasts(
            database,
            channels,
            node=sharing.own_slots(config),
            most=config.live_max_broadcasts,
            clock=clock,
        ),
        markers=Markers(database, channels, clock=clock),
    )
    await truth.catalog.open_library()
    await truth.ledger.close_runs(sharing.own_slots(config))
    return truth


async def cancelled(task: asyncio.Task[None]) -> None:
    """Cancel a task, and return when it has ended."""
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
