"""Makes what making assets needs, as the configuration has it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack

from packager.foreman import Foreman
from packager.inits import Inits
from packager.ladder import Effort
from packager.package import encoder_build
from packager.probe import prepare
from packager.process import Spawner
from streamer import storage
from streamer.config import Config
from streamer.ffmpeg import find
from streamer.hands import hands
from streamer.indexes import Indexes
from streamer.rows import Fill, PlaybackPolicy
from streamer.tools import Tools
from streamer.truth import Truth, cancelled
from streamer.uploads.directory import DiskInbox

_PROBES = 2
_DISK_THREADS = 8


async def tools(
    config: Config,
    stack: AsyncExitStack,
    truth: Truth,
    inbox: DiskInbox,
    *,
    sync: Callable[[int], None],
) -> Tools:
    """Make what encodes and keeps, swept of what interrupted writes have left."""
    disk = stack.enter_context(ThreadPoolExecutor(_DISK_THREADS, thread_name_prefix="disk"))
    store = await stack.enter_async_context(storage.media(config, executor=disk, sync=sync))
    spawner = await stack.enter_async_context(Spawner(find(config.ffmpeg)))
    stack.push_async_callback(cancelled, asyncio.create_task(prepare(spawner), name="prepare to probe"))
    build = await encoder_build(spawner)
    own = await stack.enter_async_context(
        hands(
            config,
            truth.database,
            bus=truth.bus,
            channels=truth.channels,
            ledger=truth.ledger,
            store=store,
            find=inbox.source,
            spawner=spawner,
            encoder=build,
        )
    )
    far = store if config.media is not None else None
    indexes = Indexes(config.data / "indexes", shared=truth.bus.shared, far=far)
    await asyncio.to_thread(indexes.open)
    return Tools(
        catalog=truth.catalog,
        ledger=truth.ledger,
        channels=truth.channels,
        store=store,
        spawner=spawner,
        foreman=await stack.enter_async_context(Foreman(own.farm)),
        inits=Inits(spawner),
        encoder=build,
        fill=Fill(config.fill),
        policy=PlaybackPolicy(config.playback_policy),
        effort=Effort(preset=config.encode_preset, copy=config.encode_copy),
        indexes=indexes,
        hands=own,
        probes=asyncio.Semaphore(_PROBES),
    )
